//! How the metrics of SLOs are spelled.
//!
//! Here: from a name to a metric, and what a misspelled one might mean. Not here: how their limits are written
//! (`limit`), and which SLO wins where several are given (`slo`).

use std::collections::BTreeMap;

use super::limit::LimitUnit;
use super::observed::{self, is_resource};
use super::unknown::unknown_among;
use crate::error::{Diagnostic, did_you_mean};
use crate::plan::{MeasureUnit, Metric, Percentile, SloScope};
use crate::scenario::service::observe::ObservedName;
use crate::scenario::yaml::decode::list;

/// The names without a variable part, with their metric and the unit of a bare value.
const FIXED: [(&str, Metric, LimitUnit); 8] = [
    ("mean", Metric::MeanResponseTime, LimitUnit::Time),
    (
        "avg_response_time",
        Metric::MeanResponseTime,
        LimitUnit::Time,
    ),
    ("max", Metric::MaxResponseTime, LimitUnit::Time),
    ("error_rate", Metric::ErrorRate, LimitUnit::Share),
    ("availability", Metric::Availability, LimitUnit::Share),
    ("throughput_rps", Metric::Throughput, LimitUnit::Rate),
    ("min_throughput", Metric::Throughput, LimitUnit::Rate),
    ("min_throughput_ops", Metric::Throughput, LimitUnit::Rate),
];

/// What is accepted, for help texts.
const ACCEPTED: &str = "accepted: `p95` (any percentile), `response_time_p95`, `api_response_time_p95`, \
     `max_p95_ms`, `mean`, `avg_response_time`, `max`, `error_rate`, `availability`, `throughput_rps`, \
     `min_throughput`, `min_throughput_ops`, `database_query_time_p95`, `component_NAME_time_p95`, \
     `cache_hit_ratio`, `NAME_hit_ratio`, `measure_NAME_p95`, `observed_NAME`, and `ENDPOINT_time_p95` with an endpoint's name";

/// The endpoint's name as part of an SLO's name: lower case, everything else `_`.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        match c.is_alphanumeric() {
            true => slug.extend(c.to_lowercase()),
            false if slug.ends_with('_') => {}
            false => slug.push('_'),
        }
    }
    slug.trim_matches('_').to_owned()
}

/// The metric that `name` means, and the endpoint if it contains one.
pub(super) fn metric(
    name: &str,
    endpoints: &[String],
) -> Result<(Metric, SloScope, LimitUnit), Diagnostic> {
    let total = |metric, unit| Ok((metric, SloScope::Total, unit));
    if let Some((_, metric, unit)) = FIXED.iter().find(|(known, ..)| *known == name) {
        return total(metric.clone(), *unit);
    }
    let percentile = |text: &str| Percentile::parse(text).map_err(Diagnostic::new);
    if let Some(ratio) = name.strip_suffix("_hit_ratio") {
        let component = ratio.strip_prefix("component_").unwrap_or(ratio).to_owned();
        return total(Metric::HitRatio { component }, LimitUnit::Share);
    }
    if let Some(text) = name
        .strip_prefix("max_p")
        .and_then(|rest| rest.strip_suffix("_ms"))
    {
        let percentile = percentile(&format!("p{text}"))?;
        return total(Metric::ResponseTime(percentile), LimitUnit::Millis);
    }
    if let Some((subject, text)) = name.rsplit_once("_time_p") {
        let percentile = percentile(&format!("p{text}"))?;
        let response_time = Metric::ResponseTime(percentile);
        let component = |name: &str| Metric::ComponentTime {
            component: name.to_owned(),
            percentile,
        };
        if let Some(endpoint) = endpoints.iter().find(|endpoint| slug(endpoint) == subject) {
            let scope = SloScope::Endpoint(endpoint.clone());
            return Ok((response_time, scope, LimitUnit::Seconds));
        }
        return match subject {
            "response" | "api_response" => total(response_time, LimitUnit::Seconds),
            "database_query" => total(component("db"), LimitUnit::Seconds),
            _ => match subject.strip_prefix("component_") {
                Some(name) if !name.is_empty() => total(component(name), LimitUnit::Seconds),
                _ => Err(unknown(name, endpoints)),
            },
        };
    }
    let looks_like_percentile = name
        .strip_prefix('p')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '('));
    if looks_like_percentile {
        return total(Metric::ResponseTime(percentile(name)?), LimitUnit::Time);
    }
    Err(unknown(name, endpoints))
}

fn unknown(name: &str, endpoints: &[String]) -> Diagnostic {
    let diagnostic = Diagnostic::new(format!("unknown SLO `{name}`")).help(ACCEPTED);
    let of_endpoints = endpoints
        .iter()
        .map(|name| format!("{}_time_p95", slug(name)));
    let mut known: Vec<String> = of_endpoints.collect();
    known.extend(FIXED.map(|(name, ..)| name.to_owned()));
    known.extend(
        [
            "api_response_time_p95",
            "database_query_time_p95",
            "cache_hit_ratio",
            "max_p95_ms",
        ]
        .map(str::to_owned),
    );
    match did_you_mean(name, known.iter().map(String::as_str)) {
        Some(close) => diagnostic.label(format!("did you mean `{close}`?")),
        None => diagnostic,
    }
}

/// Two names of one metric in one mapping, of which only one limit would hold.
pub(super) fn same_metric(one: &str, other: &str) -> Diagnostic {
    let message = format!("`{one}` and `{other}` are the same metric");
    Diagnostic::new(message).help("remove one of them")
}

/// The names that SLOs of a scenario can refer to.
#[derive(Default)]
pub(super) struct Spelling {
    /// Endpoints and flows.
    pub endpoints: Vec<String>,
    /// What the scenario measures itself.
    pub measures: BTreeMap<String, MeasureUnit>,
    /// What it observes of the service.
    pub observed: Vec<ObservedName>,
}

/// What `[ENDPOINT:]NAME` means.
pub(super) struct ScopedMetric<'a> {
    /// The name without the endpoint.
    pub name: &'a str,
    /// What it is about.
    pub scope: SloScope,
    /// The metric.
    pub metric: Metric,
    /// How its limits are written.
    pub unit: LimitUnit,
}

impl Spelling {
    /// The metric that `[ENDPOINT:]NAME` means, and what it is about.
    pub fn scoped<'a>(&self, text: &'a str) -> Result<ScopedMetric<'a>, Diagnostic> {
        let (scope, name) = match text.rsplit_once(':') {
            None => (SloScope::Total, text.trim()),
            Some((endpoint, name)) => {
                let endpoint = endpoint.trim();
                if !self.endpoints.iter().any(|known| known == endpoint) {
                    let known = list(self.endpoints.iter().map(String::as_str));
                    let diagnostic = Diagnostic::new(format!("unknown endpoint `{endpoint}`"));
                    return Err(diagnostic.help(format!("endpoints: {known}")));
                }
                (SloScope::Endpoint(endpoint.to_owned()), name.trim())
            }
        };
        let (metric, named, unit) = self.metric(name)?;
        Ok(ScopedMetric {
            name,
            scope: named.or(scope),
            metric,
            unit,
        })
    }

    /// The metric that `name` means, and the endpoint if it contains one.
    pub fn metric(&self, name: &str) -> Result<(Metric, SloScope, LimitUnit), Diagnostic> {
        if let Some(rest) = name.strip_prefix("measure_") {
            return self.measure(name, rest);
        }
        let observed = observed::metric(name, &self.observed)?;
        match observed {
            Some((number, unit)) => Ok((Metric::Observed(number), SloScope::Total, unit)),
            None => metric(name, &self.endpoints),
        }
    }

    /// Whether a name that has no metric is one of what other scenarios may have: endpoints, measures, or something
    /// observed.
    pub fn may_be_of_others(name: &str) -> bool {
        let of_endpoint = || {
            name.rsplit_once("_time_p")
                .is_some_and(|(_, percentile)| Percentile::parse(&format!("p{percentile}")).is_ok())
        };
        let is_named = |start| name.starts_with(start);
        is_named("measure_") || is_named("observed_") || is_resource(name) || of_endpoint()
    }

    fn measure(&self, name: &str, rest: &str) -> Result<(Metric, SloScope, LimitUnit), Diagnostic> {
        // The name of a measure may itself have a `_`, and so may a percentile.
        let splits = rest.match_indices('_').map(|(at, _)| rest.split_at(at));
        for (measure, statistic) in splits {
            let Some(unit) = self.measures.get(measure).copied() else {
                continue;
            };
            let percentile = match &statistic[1..] {
                "mean" => None,
                text => Some(Percentile::parse(text).map_err(Diagnostic::new)?),
            };
            let measure = measure.to_owned();
            let limit = match unit {
                MeasureUnit::Count => LimitUnit::Number,
                MeasureUnit::Ms => LimitUnit::Time,
                MeasureUnit::Bytes => LimitUnit::Size,
            };
            let metric = Metric::Measure {
                measure,
                unit,
                percentile,
            };
            return Ok((metric, SloScope::Total, limit));
        }
        metric(name, &self.endpoints).map_err(|_| {
            let known = self
                .measures
                .keys()
                .map(|name| format!("measure_{name}_p95"));
            unknown_among(
                name,
                &known.collect::<Vec<_>>(),
                "no endpoint and no step has a `measure`",
            )
        })
    }
}
