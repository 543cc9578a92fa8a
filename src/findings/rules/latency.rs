//! Missed SLOs on response times and throughput, and which component takes the time.
//!
//! Not here: slow components themselves (`components`).

use super::components::{is_database, is_whole};
use crate::findings::finding::Finding;
use crate::findings::numbers::Numbers;
use crate::findings::rule::Rule;
use crate::grading::Criterion;
use crate::metrics::Summary;
use crate::plan::{Metric, Percentile, Scale};
use crate::units::{format_latency_us, format_percent};

/// A component that takes less of the time is not named.
const LEAST_SHARE: f64 = 0.2;

pub(super) fn findings(numbers: &Numbers<'_>) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for (slo, value) in numbers.missed() {
        let finding = match slo.metric {
            Metric::ResponseTime(_) | Metric::MeanResponseTime | Metric::MaxResponseTime => {
                slow(numbers, slo, value)
            }
            Metric::Throughput => Finding::of_missed(Rule::LowThroughput, slo, value),
            // Those of components and failures have rules of their own.
            Metric::ErrorRate
            | Metric::Availability
            | Metric::ComponentTime { .. }
            | Metric::HitRatio { .. } => continue,
            _ => Finding::of_missed(Rule::MissedSlo, slo, value),
        };
        // p95 and p99 of the same requests are one finding, the worse of them.
        let mut known = found.iter_mut();
        let alike = known.find(|known| {
            (known.rule, &known.endpoint) == (finding.rule, &finding.endpoint)
                && finding.rule == Rule::HighLatency
        });
        match alike {
            None => found.push(finding),
            Some(known) if known.severity < finding.severity => *known = finding,
            Some(_) => {}
        }
    }
    found
}

fn slow(numbers: &Numbers<'_>, slo: &Criterion, value: f64) -> Finding {
    let endpoint = slo.scope.endpoint();
    let subject = endpoint.unwrap_or("all requests");
    let metric = &slo.metric;
    let mut finding = Finding::of_missed(Rule::HighLatency, slo, value);
    if endpoint.is_none()
        && let Some((name, p95_us)) = slowest(numbers)
    {
        finding.text += &format!("; the slowest is {name}, p95 {}", format_latency_us(p95_us));
    }
    let summary = numbers.summary_of(endpoint);
    if let Some((name, share)) = summary.and_then(takes_most) {
        finding.text += &format!("; `{name}` takes {} of the time", format_percent(share));
        finding = finding.with(&format!("{name}_share_of_time"), share, Scale::Share);
        let needed = value - slo.limit;
        let of = summary.and_then(|summary| component_time(summary, &name, metric));
        if let Some(time_us) = of.filter(|time_us| *time_us >= needed) {
            finding.improvement = Some(format!(
                "`{name}` is {} of the {metric} of {subject}; at {} less it would be within the limit",
                format_percent((time_us / value).min(1.0)),
                format_latency_us(needed),
            ));
        }
    }
    finding
}

/// The endpoint with the highest p95, if there are several.
fn slowest<'a>(numbers: &'a Numbers<'_>) -> Option<(&'a str, f64)> {
    let endpoints = numbers.endpoints.iter();
    let times = endpoints.filter_map(|one| Some((one.name, one.summary.response_us.p95?)));
    let times: Vec<(&str, f64)> = times.collect();
    let highest = times.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    highest.copied().filter(|_| times.len() > 1)
}

/// The component that takes most of the time of requests, and its share of it. Those that contain all others are left
/// out, and a database is preferred, since the time of another component may contain its own.
fn takes_most(summary: &Summary) -> Option<(String, f64)> {
    let all_us = summary.response_us.mean? * summary.response_us.count as f64;
    let components = summary.components.iter();
    let components = components.filter(|(name, _)| !is_whole(name));
    let mut shares: Vec<(&String, f64)> = components
        .filter_map(|(name, one)| {
            let time_us = one.time_us.mean? * one.time_us.count as f64;
            Some((name, (time_us / all_us).min(1.0)))
        })
        .filter(|(_, share)| *share >= LEAST_SHARE)
        .collect();
    shares.sort_by(|a, b| {
        let order = is_database(b.0).cmp(&is_database(a.0));
        order.then(b.1.total_cmp(&a.1))
    });
    let (name, share) = shares.first()?;
    Some(((*name).clone(), *share))
}

/// The time of a component at the percentile of a metric, or its mean.
fn component_time(summary: &Summary, component: &str, metric: &Metric) -> Option<f64> {
    let percentile = match metric {
        Metric::ResponseTime(percentile) => *percentile,
        Metric::MaxResponseTime => Percentile::new(100.0)?,
        _ => return summary.components.get(component)?.time_us.mean,
    };
    summary.value(&Metric::ComponentTime {
        component: component.to_owned(),
        percentile,
    })
}
