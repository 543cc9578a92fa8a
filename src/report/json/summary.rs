//! The numbers of one endpoint, or of all, in the JSON report.
//!
//! Not here: how they are computed (`metrics`).

use std::collections::BTreeMap;

use serde::Serialize;

use super::bounds;
use super::unit::{Unit, percent};
use crate::metrics::{FailureCount, HttpVersion, Latency, Outcome, Summary};

/// The numbers of one endpoint, or of all, in one part of a run; see [`Summary`].
#[derive(Serialize)]
pub(super) struct SummaryEntry {
    window_s: f64,
    requests: u64,
    successes: u64,
    failures: u64,
    dropped: u64,
    interrupted: u64,
    outcomes: BTreeMap<Outcome, u64>,
    statuses: BTreeMap<u16, u64>,
    successes_per_s: f64,
    error_rate_percent: Option<f64>,
    availability_percent: Option<f64>,
    response_ms: Times,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_ms: Option<Times>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttfb_ms: Option<Times>,
    #[serde(skip_serializing_if = "Option::is_none")]
    download_ms: Option<Times>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dns_ms: Option<Times>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_ms: Option<Times>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_ms: Option<Times>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduling_delay_ms: Option<Times>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_ms: Option<Times>,
    received_bytes: u64,
    sent_bytes: u64,
    connections: u64,
    reused: u64,
    tls_handshakes: u64,
    tls_resumed: u64,
    remotes: BTreeMap<String, u64>,
    versions: BTreeMap<HttpVersion, u64>,
    redirects: u64,
    components: BTreeMap<String, ComponentEntry>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    measures: BTreeMap<String, MeasureEntry>,
    failure_counts: Vec<FailureEntry>,
}

/// A distribution of times, in the unit that the name of its field says; `None` without values.
#[derive(Serialize)]
struct Times {
    count: u64,
    min: Option<f64>,
    mean: Option<f64>,
    standard_deviation: Option<f64>,
    p50: Option<f64>,
    p75: Option<f64>,
    p90: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    #[serde(rename = "p99.9")]
    p99_9: Option<f64>,
    max: Option<f64>,
}

/// What the service reported of one component.
#[derive(Serialize)]
struct ComponentEntry {
    time_ms: Times,
    hit_ratio_percent: Option<f64>,
    /// How often a response used it.
    #[serde(skip_serializing_if = "Option::is_none")]
    mean_uses: Option<f64>,
}

/// What the scenario measured itself, in `unit`.
#[derive(Serialize)]
struct MeasureEntry {
    unit: Unit,
    #[serde(flatten)]
    values: Times,
}

/// Requests that ended in the same way.
#[derive(Serialize)]
struct FailureEntry {
    outcome: Outcome,
    status: Option<u16>,
    key: Option<String>,
    check: Option<String>,
    count: u64,
    example: Option<String>,
    excerpt: Option<String>,
}

impl From<Summary> for SummaryEntry {
    fn from(summary: Summary) -> Self {
        let components = summary.components.into_iter().map(|(name, component)| {
            let entry = ComponentEntry {
                time_ms: Times::of(&component.time_us),
                hit_ratio_percent: percent(component.hit_ratio),
                mean_uses: component.mean_uses,
            };
            (name, entry)
        });
        Self {
            window_s: summary.window_s,
            requests: summary.requests,
            successes: summary.successes,
            failures: summary.failures,
            dropped: summary.dropped,
            interrupted: summary.interrupted,
            outcomes: summary.outcomes,
            statuses: summary.statuses,
            successes_per_s: summary.rate_per_s,
            error_rate_percent: percent(summary.error_rate),
            availability_percent: percent(summary.availability),
            response_ms: Times::of(&summary.response_us),
            service_ms: Some(Times::of(&summary.service_us)),
            ttfb_ms: Some(Times::of(&summary.ttfb_us)),
            download_ms: Some(Times::of(&summary.download_us)),
            dns_ms: Some(Times::of(&summary.dns_us)),
            connect_ms: Some(Times::of(&summary.connect_us)),
            tls_ms: Some(Times::of(&summary.tls_us)),
            scheduling_delay_ms: Some(Times::of(&summary.scheduling_delay_us)),
            failed_ms: Some(Times::of(&summary.failed_us)),
            received_bytes: summary.bytes_in,
            sent_bytes: summary.bytes_out,
            connections: summary.connections,
            reused: summary.reused,
            tls_handshakes: summary.tls_handshakes,
            tls_resumed: summary.tls_resumed,
            remotes: summary.remotes,
            versions: summary.versions,
            redirects: summary.redirects,
            components: components.collect(),
            measures: (summary.measures.iter())
                .map(|(name, (unit, values))| {
                    let unit = Unit::of_measure(*unit);
                    let values = Times::in_unit(values, unit);
                    (name.clone(), MeasureEntry { unit, values })
                })
                .collect(),
            failure_counts: summary
                .failure_counts
                .iter()
                .map(FailureEntry::of)
                .collect(),
        }
    }
}

impl SummaryEntry {
    /// Leaves out all times but the response time, and everything that can be long.
    pub(super) fn keep_response_times(&mut self) {
        for times in [
            &mut self.service_ms,
            &mut self.ttfb_ms,
            &mut self.download_ms,
            &mut self.dns_ms,
            &mut self.connect_ms,
            &mut self.tls_ms,
            &mut self.scheduling_delay_ms,
            &mut self.failed_ms,
        ] {
            *times = None;
        }
        self.remotes.clear();
        self.fit(0);
    }

    /// Leaves out what the service and the scenario make long, if it is longer than `room` bytes.
    pub(super) fn fit(&mut self, room: usize) {
        if bounds::size(self) > room {
            self.components.clear();
        }
        if bounds::size(self) > room {
            self.failure_counts.clear();
        }
    }
}

impl Times {
    fn of(latency: &Latency) -> Self {
        Self::in_unit(latency, Unit::Ms)
    }

    fn in_unit(latency: &Latency, unit: Unit) -> Self {
        let convert = |value: Option<f64>| value.map(|value| unit.convert(value));
        Self {
            count: latency.count,
            min: convert(latency.min),
            mean: convert(latency.mean),
            standard_deviation: convert(latency.standard_deviation),
            p50: convert(latency.p50),
            p75: convert(latency.p75),
            p90: convert(latency.p90),
            p95: convert(latency.p95),
            p99: convert(latency.p99),
            p99_9: convert(latency.p99_9),
            max: convert(latency.max),
        }
    }
}

impl FailureEntry {
    fn of(failures: &FailureCount) -> Self {
        Self {
            outcome: failures.outcome,
            status: failures.status,
            key: failures.key.clone(),
            check: failures.check.clone(),
            count: failures.count,
            example: failures.example.clone(),
            excerpt: failures.excerpt.clone(),
        }
    }
}
