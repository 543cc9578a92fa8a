//! What the service says of its components in `Server-Timing`: slow databases, missed caches, a query for each item,
//! and waiting.
//!
//! Not here: which component takes the time of a slow endpoint (`latency`).

use crate::findings::finding::{Finding, severity_of_ratio};
use crate::findings::numbers::{EndpointNumbers, Numbers};
use crate::findings::rule::Rule;
use crate::findings::statistics::share_interval;
use crate::metrics::{ComponentCounts, SparseHistogram, Summary, highest_of_bucket, median};
use crate::plan::{FindingSeverity, Metric, Scale};
use crate::units::{format_bytes, format_latency_us, format_percent, trim_float};

/// The p95 of a database above which it is slow, if no SLO says otherwise; µs.
const SLOW_DATABASE_US: f64 = 100_000.0;
/// The hit ratio of a cache below which it misses too often, if no SLO says otherwise.
const LEAST_HIT_RATIO: f64 = 0.8;
/// The share of the response time from which on a wait is a finding.
const LONG_WAIT: f64 = 0.25;
/// Fewer responses than this say nothing.
const FEWEST: u64 = 20;
/// By how many times, and by how many uses, long responses use a component more often than short ones.
const GROWTH: (f64, f64) = (3.0, 10.0);
/// How many times as often as elsewhere, and how often a response, an endpoint uses a component.
const FAR_ABOVE: (f64, f64) = (5.0, 10.0);

/// Whether a component is a database, by its name.
pub(super) fn is_database(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "db",
        "sql",
        "database",
        "query",
        "queries",
        "postgres",
        "postgresql",
        "pg",
        "mysql",
        "mariadb",
        "mongo",
        "mongodb",
    ];
    let name = name.to_ascii_lowercase();
    let first = name.split(['-', '_']).next().unwrap_or_default();
    NAMES.contains(&first)
}

/// Whether a component is the whole of the service, by its name.
pub(super) fn is_whole(name: &str) -> bool {
    const NAMES: [&str; 8] = [
        "app", "total", "all", "server", "backend", "request", "handler", "origin",
    ];
    NAMES.iter().any(|one| name.eq_ignore_ascii_case(one))
}

/// Whether a component is a wait, by its name.
fn is_wait(name: &str) -> bool {
    const NAMES: [&str; 4] = ["queue", "wait", "waiting", "pool"];
    let name = name.to_ascii_lowercase();
    name.split(['-', '_']).any(|part| NAMES.contains(&part))
}

/// How many queries a response takes, of those that say so for a database; `None` without any.
pub fn queries_per_request(summary: &Summary) -> Option<f64> {
    let components = summary.components.iter();
    let databases = components.filter(|(name, _)| is_database(name));
    let uses: Vec<f64> = databases.filter_map(|(_, one)| one.mean_uses).collect();
    (!uses.is_empty()).then(|| uses.iter().sum())
}

pub(super) fn findings(numbers: &Numbers<'_>) -> Vec<Finding> {
    let mut found: Vec<Finding> = missed(numbers).collect();
    for endpoint in &numbers.endpoints {
        for (name, component) in &endpoint.cell.components {
            found.extend(slow_queries(numbers, endpoint, (name, component)));
            found.extend(n_plus_one(numbers, endpoint, (name, component)));
            found.extend(waiting(endpoint, (name, component)));
        }
    }
    let components = numbers.total.components.keys();
    found.extend(components.filter_map(|name| cache_misses(numbers, name)));
    found
}

/// The SLOs on components that are missed.
fn missed<'a>(numbers: &'a Numbers<'_>) -> impl Iterator<Item = Finding> + 'a {
    numbers.missed().filter_map(|(slo, value)| {
        let (rule, component) = match &slo.metric {
            Metric::ComponentTime { component, .. } => match is_database(component) {
                true => (Rule::SlowQueries, component),
                false => (Rule::SlowComponent, component),
            },
            Metric::HitRatio { component } => (Rule::CacheMisses, component),
            _ => return None,
        };
        Some(Finding::of_missed(rule, slo, value).of_part(component))
    })
}

fn slow_queries(
    numbers: &Numbers<'_>,
    endpoint: &EndpointNumbers<'_>,
    (name, component): (&str, &ComponentCounts),
) -> Option<Finding> {
    let is_of_it = |metric: &Metric| matches!(metric, Metric::ComponentTime { component, .. } if component == name);
    if !is_database(name) || numbers.has_slo(endpoint.name, is_of_it) {
        return None;
    }
    let above = count_above(&component.time, SLOW_DATABASE_US);
    let (least, _) = share_interval(above, component.time.count());
    let p95_us = endpoint.summary.components.get(name)?.time_us.p95?;
    if least <= 0.05 {
        return None;
    }
    let severity = severity_of_ratio(p95_us / SLOW_DATABASE_US);
    let text = format!(
        "{}: `{name}` has a p95 of {}, above {}",
        endpoint.name,
        format_latency_us(p95_us),
        format_latency_us(SLOW_DATABASE_US)
    );
    let mut finding = Finding::new(Rule::SlowQueries, severity, text)
        .of_endpoint(endpoint.name)
        .of_part(name)
        .against("p95", (p95_us, SLOW_DATABASE_US), Scale::Time);
    if let (Some(db_us), Some(all_us)) = (component.time.mean(), endpoint.summary.response_us.mean)
        && db_us <= all_us
    {
        let share = db_us / all_us;
        finding = finding.with("share_of_time", share, Scale::Share);
        finding.text += &format!("; it takes {} of the time", format_percent(share));
    }
    Some(finding)
}

/// How many values are above this.
pub(super) fn count_above(times: &SparseHistogram, limit_us: f64) -> u64 {
    let above = times.iter();
    let above = above.filter(|(lowest, _)| highest_of_bucket(*lowest) as f64 > limit_us);
    above.map(|(_, count)| count).sum()
}

fn n_plus_one(
    numbers: &Numbers<'_>,
    endpoint: &EndpointNumbers<'_>,
    (name, component): (&str, &ComponentCounts),
) -> Option<Finding> {
    let mean = component.mean_uses()?;
    let responses: u64 = component.uses.values().map(|counts| counts.responses).sum();
    if responses < FEWEST {
        return None;
    }
    let finding = |severity, text| {
        Finding::new(Rule::NPlusOne, severity, text)
            .of_endpoint(endpoint.name)
            .of_part(name)
    };
    // By the length of the response, from the shortest.
    let lengths = component.uses.values();
    let lengths: Vec<(f64, f64)> = lengths
        .filter(|counts| counts.responses >= FEWEST / 2)
        .map(|counts| {
            let responses = counts.responses as f64;
            (
                counts.bytes as f64 / responses,
                counts.uses as f64 / responses,
            )
        })
        .collect();
    if let (Some((short, few)), Some((long, many))) = (lengths.first(), lengths.last())
        && *many >= GROWTH.0 * few
        && many - few >= GROWTH.1
    {
        let text = format!(
            "{}: `{name}` is used {} times for {}, and {} times for {}",
            endpoint.name,
            trim_float(*few, 1),
            format_bytes(*short as u64),
            trim_float(*many, 1),
            format_bytes(*long as u64),
        );
        return Some(
            finding(FindingSeverity::High, text)
                .with("uses_of_short_responses", *few, Scale::Number)
                .against(
                    "uses_of_long_responses",
                    (*many, (GROWTH.0 * few).max(few + GROWTH.1)),
                    Scale::Number,
                ),
        );
    }
    let others = numbers.endpoints.iter();
    let others = others.filter(|other| other.position != endpoint.position);
    let others = others.filter_map(|other| other.cell.components.get(name)?.mean_uses());
    let others: Vec<f64> = others.collect();
    if others.is_empty() {
        return None;
    }
    let elsewhere = median(&others);
    let threshold = (FAR_ABOVE.0 * elsewhere).max(FAR_ABOVE.1);
    (mean >= threshold).then(|| {
        let text = format!(
            "{}: `{name}` is used {} times a response, against {} on other endpoints",
            endpoint.name,
            trim_float(mean, 1),
            trim_float(elsewhere, 1)
        );
        finding(FindingSeverity::Medium, text)
            .against("uses_per_response", (mean, threshold), Scale::Number)
            .with("uses_elsewhere", elsewhere, Scale::Number)
    })
}

/// A component that is a wait, and takes much of the time; with the number of waiting requests by Little's law.
fn waiting(
    endpoint: &EndpointNumbers<'_>,
    (name, component): (&str, &ComponentCounts),
) -> Option<Finding> {
    let (wait_us, all_us) = (component.time.mean()?, endpoint.summary.response_us.mean?);
    let share = wait_us / all_us;
    let is_long = share >= LONG_WAIT && wait_us >= 1_000.0 && share <= 1.0;
    if !is_wait(name) || !is_long || component.time.count() < FEWEST {
        return None;
    }
    let rate_per_s = component.time.count() as f64 / endpoint.summary.window_s.max(1e-9);
    let waiting = rate_per_s * wait_us / 1e6;
    let text = format!(
        "{}: requests wait in `{name}` for {} of their time: {} at {} on average, {} of them at any time",
        endpoint.name,
        format_percent(share),
        format_latency_us(wait_us),
        crate::units::format_rate(rate_per_s),
        trim_float(waiting, 1),
    );
    let severity = match share < 0.5 {
        true => FindingSeverity::Medium,
        false => FindingSeverity::High,
    };
    Some(
        Finding::new(Rule::Queueing, severity, text)
            .of_endpoint(endpoint.name)
            .of_part(name)
            .against("share_of_time", (share, LONG_WAIT), Scale::Share)
            .with("waiting_requests", waiting, Scale::Number),
    )
}

/// All endpoints without an SLO on the hit ratio together, since they may share the cache.
fn cache_misses(numbers: &Numbers<'_>, name: &str) -> Option<Finding> {
    let is_of_it =
        |metric: &Metric| matches!(metric, Metric::HitRatio { component } if component == name);
    let endpoints = numbers.endpoints.iter();
    let without_slo = endpoints.filter(|one| !numbers.has_slo(one.name, is_of_it));
    let users: Vec<(&str, &ComponentCounts)> = without_slo
        .filter_map(|one| Some((one.name, one.cell.components.get(name)?)))
        .collect();
    let hits: u64 = users.iter().map(|(_, cache)| cache.hits).sum();
    let misses: u64 = users.iter().map(|(_, cache)| cache.misses).sum();
    let all = hits + misses;
    let (_, most) = share_interval(hits, all);
    if all < FEWEST || most >= LEAST_HIT_RATIO {
        return None;
    }
    let ratio = hits as f64 / all as f64;
    let severity = match ratio < 0.5 {
        true => FindingSeverity::High,
        false => FindingSeverity::Medium,
    };
    let mut text = format!(
        "`{name}` is hit in {} of {} cases, below {}",
        format_percent(ratio),
        crate::units::format_count(all),
        format_percent(LEAST_HIT_RATIO)
    );
    let most_misses = users.iter().max_by_key(|(_, cache)| cache.misses);
    if let Some((endpoint, _)) = most_misses.filter(|_| numbers.endpoints.len() > 1) {
        text += &format!(", most misses are of {endpoint}");
    }
    Some(
        Finding::new(Rule::CacheMisses, severity, text)
            .of_part(name)
            .against("hit_ratio", (ratio, LEAST_HIT_RATIO), Scale::Share)
            .with("misses", misses as f64, Scale::Number),
    )
}
