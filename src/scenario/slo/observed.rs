//! SLOs on what the scenario observes of the service: `observed_NAME`, and the usual names of such numbers.
//!
//! Not here: what is observed (`service::observe`).

use super::limit::LimitUnit;
use super::unknown::unknown_among;
use crate::error::Diagnostic;
use crate::plan::{Direction, Extreme, ObservedNumber, ObservedPart, ObservedUnit, Scale};
use crate::scenario::service::observe::ObservedName;

/// The number that the name of an SLO means, and how its limit is written. `None` for names that mean something
/// else.
///
/// # Errors
/// `observed_NAME` where nothing of that name is observed.
pub(super) fn metric(
    name: &str,
    observed: &[ObservedName],
) -> Result<Option<(ObservedNumber, LimitUnit)>, Diagnostic> {
    if let Some(found) = resource(name, observed) {
        return found.map(Some);
    }
    let Some(rest) = name.strip_prefix("observed_") else {
        return Ok(usual(name, observed));
    };
    // A name may end like a part of another one: the longest that fits is meant.
    let mut fitting: Vec<_> = observed
        .iter()
        .filter_map(|one| Some((one, ends(rest.strip_prefix(one.name.as_str())?)?)))
        .collect();
    fitting.sort_by_key(|(one, _)| one.name.len());
    let Some((one, (part, extreme))) = fitting.pop() else {
        let known: Vec<String> = observed
            .iter()
            .map(|one| format!("observed_{}", one.name))
            .collect();
        let none = "the scenario observes nothing: name it under `metrics` of `observe`";
        let mut diagnostic = unknown_among(name, &known, none);
        if !known.is_empty() {
            let ends = "of times and sizes with `_mean`, `_p50`, `_p95` or `_p99`, and each with `_min` or `_max`";
            let help = diagnostic.help.take().unwrap_or_default();
            diagnostic = diagnostic.help(format!("{help}; {ends}"));
        }
        return Err(diagnostic);
    };
    let number = ObservedNumber {
        name: one.name.clone(),
        part,
        extreme,
        // Both follow from how the limit is written.
        scale: Scale::Number,
        direction: Direction::AtMost,
    };
    let unit = LimitUnit::Observed(one.unit, one.is_counter);
    Ok(Some((number, unit)))
}

/// What of something observed a name says behind it: `_p95_max`.
fn ends(text: &str) -> Option<(Option<ObservedPart>, Option<Extreme>)> {
    let extreme = [Extreme::Min, Extreme::Max].into_iter().find_map(|one| {
        let rest = text.strip_suffix(one.name())?.strip_suffix('_')?;
        Some((rest, one))
    });
    let rest = extreme.map_or(text, |(rest, _)| rest);
    let part = match rest {
        "" => None,
        rest => {
            let name = rest.strip_prefix('_')?;
            let mut parts = ObservedPart::ALL.into_iter();
            Some(parts.find(|part| part.name() == name)?)
        }
    };
    Some((part, extreme.map(|(_, one)| one)))
}

/// Names for what the processes of the service use, with what is observed of processes, and which of its values.
const RESOURCES: [(&str, &str, Option<Extreme>); 2] = [
    ("cpu_usage_percent", "host_cpu", None),
    ("memory_usage_mb", "host_memory", Some(Extreme::Max)),
];

/// Whether it is a name for what the processes of the service use.
pub(super) fn is_resource(name: &str) -> bool {
    RESOURCES.iter().any(|(known, ..)| *known == name)
}

/// What the scenario observes under the name of a resource, and else what it observes of processes. `None` for other
/// names.
fn resource(
    name: &str,
    observed: &[ObservedName],
) -> Option<Result<(ObservedNumber, LimitUnit), Diagnostic>> {
    let (_, of_host, extreme) = RESOURCES.iter().find(|(known, ..)| *known == name)?;
    let find = |wanted| observed.iter().find(|one| one.name == wanted);
    let Some(one) = find(name).or_else(|| find(of_host)) else {
        let message = format!("nothing is observed that `{name}` could be about");
        let help = format!(
            "write `observe: {{host: local, process: NAME}}`, or name a metric `{name}` under `metrics` of `observe`"
        );
        return Some(Err(Diagnostic::new(message).help(help)));
    };
    let (scale, unit) = match (one.unit, one.is_counter) {
        (ObservedUnit::Seconds, true) => (Scale::Share, LimitUnit::Percent),
        (ObservedUnit::Bytes, false) => (Scale::Bytes, LimitUnit::Megabytes),
        _ => (Scale::Number, LimitUnit::Number),
    };
    let number = ObservedNumber {
        name: one.name.clone(),
        part: None,
        extreme: *extreme,
        scale,
        direction: Direction::AtMost,
    };
    Some(Ok((number, unit)))
}

/// Names for times and hit ratios of components, if the scenario observes something of that name: it comes before
/// what the responses say.
fn usual(name: &str, observed: &[ObservedName]) -> Option<(ObservedNumber, LimitUnit)> {
    let find = |wanted: &str, unit: ObservedUnit| {
        let mut found = observed.iter();
        found.find(|one| one.name == wanted && one.unit == unit && !one.is_counter)
    };
    let number = |one: &ObservedName, part, scale, direction| ObservedNumber {
        name: one.name.clone(),
        part,
        extreme: None,
        scale,
        direction,
    };
    if name.ends_with("_hit_ratio") {
        let one = find(name, ObservedUnit::Number)?;
        let number = number(one, None, Scale::Share, Direction::AtLeast);
        return Some((number, LimitUnit::Share));
    }
    let (subject, part) = name.rsplit_once('_')?;
    let is_component = subject == "database_query_time"
        || subject.starts_with("component_") && subject.ends_with("_time");
    let part = ObservedPart::ALL
        .into_iter()
        .find(|known| known.name() == part)?;
    let one = find(subject, ObservedUnit::Seconds).filter(|_| is_component)?;
    let number = number(one, Some(part), Scale::Time, Direction::AtMost);
    Some((number, LimitUnit::Seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[(&str, ObservedUnit)]) -> Vec<ObservedName> {
        let names = names.iter();
        names
            .map(|(name, unit)| ObservedName {
                name: (*name).to_owned(),
                unit: *unit,
                is_counter: false,
            })
            .collect()
    }

    #[test]
    fn the_longest_name_is_meant_with_what_stands_behind_it() {
        let observed = named(&[
            ("pool", ObservedUnit::Number),
            ("pool_max", ObservedUnit::Number),
            ("took", ObservedUnit::Seconds),
        ]);
        for (name, expected) in [
            ("observed_pool", ("pool", None, None)),
            ("observed_pool_min", ("pool", None, Some(Extreme::Min))),
            ("observed_pool_max", ("pool_max", None, None)),
            (
                "observed_pool_max_max",
                ("pool_max", None, Some(Extreme::Max)),
            ),
            ("observed_took_p95", ("took", Some(ObservedPart::P95), None)),
            (
                "observed_took_mean_max",
                ("took", Some(ObservedPart::Mean), Some(Extreme::Max)),
            ),
        ] {
            let (number, _) = metric(name, &observed).unwrap().unwrap();
            let found = (number.name.as_str(), number.part, number.extreme);
            assert_eq!(found, expected, "{name}");
            assert_eq!(number.to_string(), name);
        }
        for bad in [
            "observed_",
            "observed_poo",
            "observed_took_p90",
            "observed_pool_max_p95_",
        ] {
            let diagnostic = metric(bad, &observed).unwrap_err();
            assert!(diagnostic.help.unwrap().contains("observed_took"), "{bad}");
        }
        assert!(metric("observed_pool", &[]).is_err());
    }

    #[test]
    fn resources_are_those_of_processes_unless_there_is_a_metric_of_the_name() {
        let found = |name: &str, names: &[(&str, ObservedUnit)]| {
            let (number, unit) = metric(name, &named(names)).ok()??;
            Some((number.name, number.scale, unit.parse("70").unwrap().0))
        };
        let host = ("host_memory", ObservedUnit::Bytes);
        let memory = "memory_usage_mb";
        let of_host = ("host_memory".to_owned(), Scale::Bytes, 70e6);
        assert_eq!(found(memory, &[host]), Some(of_host));
        let own = (memory.to_owned(), Scale::Number, 70e3);
        assert_eq!(
            found(memory, &[host, (memory, ObservedUnit::Number)]),
            Some(own)
        );
        assert!(metric("cpu_usage_percent", &named(&[host])).is_err());
        let mut cpu = named(&[("host_cpu", ObservedUnit::Seconds)]);
        cpu[0].is_counter = true;
        let (number, unit) = metric("cpu_usage_percent", &cpu).unwrap().unwrap();
        assert_eq!(
            (number.scale, unit.parse("70%")),
            (Scale::Share, Ok((0.7, None)))
        );
        assert_eq!(unit.parse("99.9"), Ok((0.999, None)));
    }

    #[test]
    fn usual_names_are_observed_where_something_has_that_name() {
        let observed = named(&[
            ("cache_hit_ratio", ObservedUnit::Number),
            ("database_query_time", ObservedUnit::Seconds),
            ("component_auth_time", ObservedUnit::Number),
        ]);
        for (name, is_observed) in [
            ("cache_hit_ratio", true),
            ("l2_hit_ratio", false),
            ("database_query_time_p95", true),
            // There are three percentiles.
            ("database_query_time_p90", false),
            // Not in seconds.
            ("component_auth_time_p95", false),
            ("p95", false),
        ] {
            let found = metric(name, &observed).unwrap();
            assert_eq!(found.is_some(), is_observed, "{name}");
        }
    }
}
