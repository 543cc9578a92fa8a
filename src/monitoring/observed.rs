//! SLOs on what the scenario observes of the service, as queries of the same metrics.
//!
//! Not here: the service's own response times (`service`).

use super::indicator::Indicator;
use super::promql::{rewritten, time};
use crate::plan::{Direction, Extreme, ObservedNumber, ObservedPart, Plan, Selector, Slo};

/// Over which time a number is taken where the SLO does not say it.
const WINDOW_S: u64 = 300;

/// Over which time there is a rate where its highest or lowest value counts.
const SHORTEST_S: u64 = 60;

/// For how long a mean must miss its limit.
const LASTING_S: u64 = 30;

/// The SLO as a query.
///
/// # Errors
/// Why it cannot be said.
pub(super) fn indicator(
    plan: &Plan,
    slo: &Slo,
    observed: &ObservedNumber,
) -> Result<Indicator, String> {
    let mut metrics = plan.observe.iter().flat_map(|observe| &observe.metrics);
    let Some(metric) = metrics.find(|metric| metric.name == observed.name) else {
        return Err("perfctl reads it from the processes itself, not from an exporter".to_owned());
    };
    // An extreme is one at any moment.
    let (window_s, lasting_s) = match observed.extreme {
        Some(_) => (SHORTEST_S, 0),
        None => (slo.window_s.unwrap_or(WINDOW_S), LASTING_S),
    };
    let window = time(window_s);
    let rate = |selector: &Selector, end: &str, by: &str| {
        format!("sum{by} (rate({}[{window}]))", named(selector, end))
    };
    let single = |selector: &Selector| match (is_counter(selector), observed.extreme) {
        (true, _) => rate(selector, "", ""),
        (false, Some(Extreme::Min | Extreme::Max)) => format!("sum ({})", named(selector, "")),
        (false, None) => format!("sum (avg_over_time({}[{window}]))", named(selector, "")),
    };
    let query = match (observed.part, &metric.to) {
        (Some(_), Some(_)) => return Err("a ratio has no percentiles".to_owned()),
        (Some(ObservedPart::Mean), None) => {
            let (sum, count) = (rate(&metric.of, "_sum", ""), rate(&metric.of, "_count", ""));
            format!("{sum}\n/ {count}")
        }
        (Some(part), None) => {
            let quantile = match part {
                ObservedPart::P50 => 0.5,
                ObservedPart::P95 => 0.95,
                ObservedPart::Mean | ObservedPart::P99 => 0.99,
            };
            let buckets = rate(&metric.of, "_bucket", " by (le)");
            format!("histogram_quantile({quantile}, {buckets})")
        }
        (None, None) => single(&metric.of),
        (None, Some(to)) => format!("{}\n/ {}", single(&metric.of), single(to)),
    };
    // A rate is too low until its time is full, which matters where a limit is one from below.
    let is_rate = observed.part.is_none() && metric.to.is_none() && is_counter(&metric.of);
    let lasting_s = match is_rate && observed.direction == Direction::AtLeast {
        true => window_s,
        false => lasting_s,
    };
    Ok(Indicator::of_value(slo, query, lasting_s))
}

/// The series of a selector, with an end to their name.
fn named(selector: &Selector, end: &str) -> String {
    let written = selector.to_string();
    let labels = written.strip_prefix(&selector.name).unwrap_or_default();
    format!("{}{end}{}", selector.name, rewritten(labels.trim()))
}

/// Whether its name says that it only rises, by the conventions of Prometheus.
fn is_counter(selector: &Selector) -> bool {
    let ends = ["_total", "_sum", "_count", "_bucket"];
    ends.iter().any(|end| selector.name.ends_with(end))
}
