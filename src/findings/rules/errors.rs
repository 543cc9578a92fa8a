//! Endpoints whose requests fail too often.
//!
//! Not here: failures that depend on who responds (`origins`).

use crate::findings::finding::{Finding, severity_of_miss};
use crate::findings::numbers::{EndpointNumbers, Numbers};
use crate::findings::rule::Rule;
use crate::findings::statistics::share_interval;
use crate::grading::Criterion;
use crate::metrics::Summary;
use crate::plan::{FindingSeverity, Metric, Scale, SloScope};
use crate::units::{format_count, format_percent};

/// From which error rate on a finding is critical, and high.
const LADDER: [(f64, FindingSeverity); 2] = [
    (0.20, FindingSeverity::Critical),
    (0.05, FindingSeverity::High),
];
/// Fewer failures say nothing.
const FEWEST: u64 = 5;
/// From which error rate on there is a finding without an SLO.
const WITHOUT_SLO: f64 = 0.01;

pub(super) fn findings(numbers: &Numbers<'_>) -> Vec<Finding> {
    let endpoints = numbers.endpoints.iter();
    let mut found: Vec<Finding> = endpoints
        .filter_map(|endpoint| of_endpoint(numbers, endpoint))
        .collect();
    let explains_total = !found.is_empty();
    for (slo, value) in missed(numbers) {
        let name = slo.scope.endpoint();
        let is_known = match name {
            None => explains_total,
            Some(_) => found.iter().any(|one| one.endpoint.as_deref() == name),
        };
        if is_known {
            continue;
        }
        let mut finding = Finding::of_missed(Rule::HighErrorRate, slo, value);
        let numbers_of = numbers.summary_of(name);
        if let Some(most) = numbers_of.and_then(most_often) {
            finding.text += &format!("; most often {most}");
        }
        found.push(finding);
    }
    found
}

/// The SLOs on failures that are missed, with their values.
fn missed<'a>(numbers: &Numbers<'a>) -> impl Iterator<Item = (&'a Criterion, f64)> {
    numbers
        .missed()
        .filter(|(slo, _)| slo.metric.is_of_failures())
}

fn of_endpoint(numbers: &Numbers<'_>, endpoint: &EndpointNumbers<'_>) -> Option<Finding> {
    let summary = &endpoint.summary;
    let finished = summary.successes + summary.failures;
    if summary.failures < FEWEST {
        return None;
    }
    let (least, _) = share_interval(summary.failures, finished);
    let limit_of = |scope: SloScope| {
        let mut limits = numbers.slos().filter(|slo| slo.metric == Metric::ErrorRate);
        limits.find(|slo| slo.scope == scope)
    };
    let own = limit_of(SloScope::Endpoint(endpoint.name.to_owned()));
    let limit = own.or(limit_of(SloScope::Total)).map(|slo| slo.limit);
    let limit = limit.unwrap_or(WITHOUT_SLO).min(LADDER[1].0);
    let reached = LADDER.iter().find(|(from, _)| least > *from).copied();
    let (threshold, severity) =
        reached.or((least > limit).then_some((limit, FindingSeverity::Medium)))?;
    let slos = missed(numbers).filter(|(slo, _)| slo.scope.covers(endpoint.name, false));
    let of_slos = slos.map(|(slo, _)| severity_of_miss(slo.severity)).max();
    let severity = of_slos.map_or(severity, |of_slos| severity.max(of_slos));
    let rate = summary.error_rate?;
    let mut text = format!(
        "{}: {} of {} requests failed ({})",
        endpoint.name,
        format_count(summary.failures),
        format_count(finished),
        format_percent(rate)
    );
    if let Some(most) = most_often(summary) {
        text += &format!(", most often {most}");
    }
    let seconds = numbers.seconds(Some(endpoint.position));
    let failed: Vec<u64> = seconds
        .filter(|second| second.failures() > 0)
        .map(|second| second.at_s)
        .collect();
    let mut finding = Finding::new(Rule::HighErrorRate, severity, text)
        .of_endpoint(endpoint.name)
        .against("error_rate", (rate, threshold), Scale::Share)
        .with("error_rate_at_least", least, Scale::Share)
        .with("failures", summary.failures as f64, Scale::Number)
        .within(
            failed
                .first()
                .copied()
                .zip(failed.last().map(|last| last + 1)),
        );
    finding.is_of_slo = of_slos.is_some();
    Some(finding)
}

/// The most frequent way to fail.
fn most_often(summary: &Summary) -> Option<String> {
    let failures = summary.failure_counts.iter();
    let failures = failures.filter(|one| one.outcome.is_failure());
    let most = failures.max_by_key(|one| one.count)?;
    let status = most.status.map(|status| format!(" {status}"));
    let what = most.key.as_ref().or(most.check.as_ref());
    let what = what.map(|what| format!(" {what}"));
    Some(format!(
        "`{}{}{}`",
        most.outcome.name(),
        status.unwrap_or_default(),
        what.unwrap_or_default()
    ))
}
