//! Numbers derived from a result: rates, shares, percentiles. Always computed, never read from a
//! file.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::metrics::{
    Cell, ComponentCounts, EndpointResult, FailureCounts, HttpVersion, MeasureCounts, Outcome,
    RunResult, SparseHistogram,
};
use crate::plan::{MeasureUnit, Metric, Percentile, SloScope};

/// The part of a run that a summary covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window<'a> {
    /// All measured phases; what is graded.
    Measured,
    /// These phases, by position.
    Phases(&'a [usize]),
}

/// The numbers of one endpoint, or of all, in one part of a run.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Length of the part; s.
    pub window_s: f64,
    /// Requests started.
    pub requests: u64,
    /// Succeeded: a response came, and every check passed.
    pub successes: u64,
    /// Failed; see [`Outcome::is_failure`].
    pub failures: u64,
    /// Arrivals that were never started.
    pub dropped: u64,
    /// Cut off by the end of the run; neither success nor failure.
    pub interrupted: u64,
    /// Planned requests by how they ended.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Requests by the status of their last response.
    pub statuses: BTreeMap<u16, u64>,
    /// Successes per second.
    pub rate_per_s: f64,
    /// Failures over finished requests; `None` without any.
    pub error_rate: Option<f64>,
    /// Share of finished requests for which the service was available; see
    /// [`Outcome::is_unavailable`].
    pub availability: Option<f64>,
    /// Intended start to last byte: successes, and timed-out and interrupted requests at their
    /// age, so that a request that hangs does not make the numbers better.
    pub response_us: Latency,
    /// Actual send to last byte, of successes.
    pub service_us: Latency,
    /// Time to first byte of successes: actual send to the response's head.
    pub ttfb_us: Latency,
    /// The response's head to its last byte, of successes.
    pub download_us: Latency,
    /// Name resolution, of requests that opened a connection to a name.
    pub dns_us: Latency,
    /// TCP, of requests that opened a connection.
    pub connect_us: Latency,
    /// TLS handshakes, of requests that opened a TLS connection.
    pub tls_us: Latency,
    /// Scheduling delay, how late requests started: actual minus intended start, of all started
    /// requests.
    pub scheduling_delay_us: Latency,
    /// Response times of failures other than timeouts.
    pub failed_us: Latency,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Connections opened.
    pub connections: u64,
    /// Requests, redirects included, that went over a connection opened before.
    pub reused: u64,
    /// TLS handshakes done.
    pub tls_handshakes: u64,
    /// Those of them that resumed an earlier session.
    pub tls_resumed: u64,
    /// By remote address, `other` for all beyond the first 16: requests that opened a
    /// connection and got a response.
    pub remotes: BTreeMap<String, u64>,
    /// By HTTP version: requests that opened a connection and got a response.
    pub versions: BTreeMap<HttpVersion, u64>,
    /// Redirects followed.
    pub redirects: u64,
    /// What the service reported of its components in `Server-Timing`.
    pub components: BTreeMap<String, ComponentSummary>,
    /// What the scenario measured itself, as its unit keeps it.
    pub measures: BTreeMap<String, (MeasureUnit, Latency)>,
    /// The planned requests that did not succeed, by how they ended.
    pub failure_counts: FailureCounts,
    response: SparseHistogram,
    component_cells: BTreeMap<String, ComponentCounts>,
    measure_cells: BTreeMap<String, MeasureCounts>,
}

/// The usual numbers of a distribution of times; all in microseconds, `None` without values.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Latency {
    /// How many values.
    pub count: u64,
    /// Smallest, exact.
    pub min: Option<f64>,
    /// Mean, exact.
    pub mean: Option<f64>,
    /// Standard deviation of the sample.
    pub standard_deviation: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 75th percentile.
    pub p75: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// 99.9th percentile.
    pub p99_9: Option<f64>,
    /// Largest, exact.
    pub max: Option<f64>,
}

/// What the service reported of one component.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ComponentSummary {
    /// Its times.
    pub time_us: Latency,
    /// Hits over hits and misses; `None` without any.
    pub hit_ratio: Option<f64>,
    /// How often a response used it, of those that say so; `None` without any.
    pub mean_uses: Option<f64>,
}

/// The percentiles of a [`Latency`], ascending.
const PERCENTS: [f64; 6] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9];

impl Latency {
    fn of(times: &SparseHistogram) -> Self {
        let percentiles = PERCENTS.into_iter().filter_map(Percentile::new);
        let values = times.percentiles(&percentiles.collect::<Vec<_>>());
        let [p50, p75, p90, p95, p99, p99_9] = std::array::from_fn(|at| values.get(at).copied());
        let exact = |us: u64| (!times.is_empty()).then_some(us as f64);
        Self {
            count: times.count(),
            min: exact(times.min_us),
            mean: times.mean(),
            standard_deviation: times.standard_deviation(),
            p50,
            p75,
            p90,
            p95,
            p99,
            p99_9,
            max: exact(times.max_us),
        }
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Summary {
    /// The numbers of everything in `cell`, counted over `window_s` seconds.
    pub fn of(cell: &Cell, window_s: f64) -> Self {
        let requests = cell.count(Outcome::is_started);
        let successes = cell.count(|outcome| outcome == Outcome::Ok);
        let failures = cell.count(Outcome::is_failure);
        let interrupted = cell.count(|outcome| outcome == Outcome::Interrupted);
        let finished = successes + failures;
        let unavailable = cell.count(Outcome::is_unavailable);
        let mut response = cell.response.clone();
        response.merge(&cell.censored);
        let components = cell
            .components
            .iter()
            .map(|(name, component)| {
                let summary = ComponentSummary {
                    time_us: Latency::of(&component.time),
                    hit_ratio: share(component.hits, component.hits + component.misses),
                    mean_uses: component.mean_uses(),
                };
                (name.clone(), summary)
            })
            .collect();
        Self {
            window_s,
            requests,
            successes,
            failures,
            dropped: cell.count(|outcome| outcome == Outcome::Dropped),
            interrupted,
            outcomes: cell.outcomes.clone(),
            statuses: cell.statuses.clone(),
            rate_per_s: if window_s > 0.0 {
                successes as f64 / window_s
            } else {
                0.0
            },
            error_rate: share(failures, finished),
            availability: share(finished - unavailable, finished),
            response_us: Latency::of(&response),
            service_us: Latency::of(&cell.service),
            ttfb_us: Latency::of(&cell.ttfb),
            download_us: Latency::of(&cell.download),
            dns_us: Latency::of(&cell.dns),
            connect_us: Latency::of(&cell.connect),
            tls_us: Latency::of(&cell.tls),
            scheduling_delay_us: Latency::of(&cell.scheduling_delay),
            failed_us: Latency::of(&cell.failed),
            bytes_in: cell.bytes_in,
            bytes_out: cell.bytes_out,
            connections: cell.connections,
            reused: cell.reused,
            tls_handshakes: cell.tls_handshakes,
            tls_resumed: cell.tls_resumed,
            remotes: cell.remotes.clone(),
            versions: cell.versions.clone(),
            redirects: cell.redirects,
            components,
            failure_counts: cell.failure_counts.clone(),
            response,
            component_cells: cell.components.clone(),
            measures: (cell.measures.iter())
                .map(|(name, one)| (name.clone(), (one.unit, Latency::of(&one.values))))
                .collect(),
            measure_cells: cell.measures.clone(),
        }
    }

    /// A percentile of the response time, timeouts and interrupted requests included; us.
    pub fn response_percentile_us(&self, percentile: Percentile) -> Option<f64> {
        self.response.percentile(percentile)
    }

    /// The value of a metric of requests in its own unit; `None` when there is no data for it.
    pub fn value(&self, metric: &Metric) -> Option<f64> {
        match metric {
            Metric::ResponseTime(percentile) => self.response.percentile(*percentile),
            Metric::MeanResponseTime => self.response_us.mean,
            Metric::MaxResponseTime => self.response_us.max,
            Metric::ErrorRate => self.error_rate,
            Metric::Availability => self.availability,
            Metric::Throughput => {
                (self.requests > 0 && self.window_s > 0.0).then_some(self.rate_per_s)
            }
            Metric::ComponentTime {
                component,
                percentile,
            } => {
                let times = &self.component_cells.get(component)?.time;
                times.percentile(*percentile)
            }
            Metric::HitRatio { component } => self.components.get(component)?.hit_ratio,
            Metric::Measure {
                measure,
                percentile,
                ..
            } => {
                let values = &self.measure_cells.get(measure)?.values;
                match percentile {
                    Some(percentile) => values.percentile(*percentile),
                    None => values.mean(),
                }
            }
            // Of the service as a whole, and not of requests.
            Metric::Observed(_) => None,
        }
    }
}

impl RunResult {
    /// The numbers of one endpoint or flow (by position), or of all requests together.
    pub fn summary(&self, endpoint: Option<usize>, window: Window<'_>) -> Summary {
        Summary::of(&self.cell(endpoint, window), self.window_s(window))
    }

    /// Everything counted of one endpoint (by position), or of all together.
    pub fn cell(&self, endpoint: Option<usize>, window: Window<'_>) -> Cell {
        let phases = self.positions(window);
        let mut cell = Cell::default();
        let mut merge = |result: &EndpointResult| {
            for &phase in &phases {
                cell.merge(&result.phases[phase]);
            }
            // Each worker keeps the text of its first failure only, which may be one of the ramp.
            for phase in &result.phases {
                cell.failure_counts.take_examples(&phase.failure_counts);
            }
        };
        match endpoint {
            Some(position) => merge(&self.endpoints[position]),
            None => self.requests().for_each(merge),
        }
        cell
    }

    /// The planned requests of one endpoint or flow (by position), or of all requests together, with an outcome that
    /// `select` takes.
    pub fn count_in(
        &self,
        endpoint: Option<usize>,
        window: Window<'_>,
        select: impl Fn(Outcome) -> bool + Copy,
    ) -> u64 {
        let phases = self.positions(window);
        let of = |result: &EndpointResult| {
            let cells = phases.iter().map(|&phase| &result.phases[phase]);
            cells.map(|cell| cell.count(select)).sum::<u64>()
        };
        match endpoint {
            Some(position) => of(&self.endpoints[position]),
            None => self.requests().map(of).sum(),
        }
    }

    /// The position of the endpoint or flow that a scope names, `Some(None)` for all requests together; `None` if the
    /// run has none of that name.
    pub fn row(&self, scope: &SloScope) -> Option<Option<usize>> {
        match scope {
            SloScope::Total => Some(None),
            SloScope::Endpoint(name) => {
                let mut rows = self.endpoints.iter();
                rows.position(|row| row.endpoint.name == *name).map(Some)
            }
        }
    }

    /// How long the load really was in a part of the run; s.
    pub fn window_s(&self, window: Window<'_>) -> f64 {
        let phases = self.positions(window).into_iter();
        phases.map(|phase| self.phase_length_s(phase)).sum()
    }

    /// The positions of the measured phases.
    pub fn measured_phases(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.run.phases.len()).filter(|&phase| self.run.phases[phase].measured)
    }

    /// How long the load really was in a phase; s. Shorter than planned where the run ended early.
    pub fn phase_length_s(&self, phase: usize) -> f64 {
        let phase_us = self.phase_us(phase);
        (phase_us.end - phase_us.start) as f64 / 1e6
    }

    /// From when to when the load really was in a phase, from the start of the load.
    pub(super) fn phase_us(&self, phase: usize) -> Range<u64> {
        let planned = &self.run.phases[phase];
        let end_us = planned.end_us.min(self.stopped_at_us());
        planned.start_us..end_us.max(planned.start_us)
    }

    /// When the load ended, from its start; us. While it goes on, as far as it is known.
    pub(super) fn stopped_at_us(&self) -> u64 {
        let ending = self.run.ending.as_ref();
        let known = ending.map(|ending| ending.stopped_at_us);
        let known = known.or(self.run.stopped_at_us);
        known.unwrap_or(self.users.len() as u64 * 1_000_000)
    }

    /// Planned requests in all phases and endpoints with an outcome that `select` takes.
    pub fn count(&self, select: impl Fn(Outcome) -> bool + Copy) -> u64 {
        let cells = self.requests().flat_map(|endpoint| &endpoint.phases);
        cells.map(|cell| cell.count(select)).sum()
    }

    /// Requests of an endpoint or flow (by position) that started outside of the measured phases.
    pub fn unmeasured_requests(&self, endpoint: usize) -> u64 {
        let phases = self.run.phases.iter().zip(&self.endpoints[endpoint].phases);
        let unmeasured = phases.filter(|(phase, _)| !phase.measured);
        unmeasured
            .map(|(_, cell)| cell.count(Outcome::is_started))
            .sum()
    }

    fn positions(&self, window: Window<'_>) -> Vec<usize> {
        match window {
            Window::Phases(positions) => positions.to_vec(),
            Window::Measured => self.measured_phases().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell() -> Cell {
        let mut cell = Cell::default();
        cell.outcomes.insert(Outcome::Ok, 97);
        cell.outcomes.insert(Outcome::TimeoutHeaders, 2);
        cell.outcomes.insert(Outcome::Http4xx, 1);
        cell.outcomes.insert(Outcome::Dropped, 5);
        cell.outcomes.insert(Outcome::Interrupted, 1);
        cell.response = SparseHistogram::of(&mut vec![1_000; 97]);
        cell.censored = SparseHistogram::of(&mut [30_000_000, 30_000_000, 12_000_000]);
        cell.failed = SparseHistogram::of(&mut [1]);
        cell
    }

    #[test]
    fn a_request_that_hangs_shows_in_the_percentiles_and_a_fast_failure_does_not() {
        let summary = Summary::of(&cell(), 10.0);
        let p99 = summary.response_percentile_us(Percentile::new(99.0).unwrap());
        assert_eq!(p99, Some(30_000_000.0));
        assert_eq!(summary.response_us.min, Some(1_000.0));
    }

    #[test]
    fn rates_count_successes_and_shares_leave_out_what_did_not_finish() {
        let summary = Summary::of(&cell(), 10.0);
        assert_eq!(summary.requests, 101);
        assert_eq!(summary.rate_per_s, 9.7);
        assert_eq!(summary.error_rate, Some(0.03));
        assert_eq!(summary.availability, Some(0.98), "a 404 is a response");
    }

    #[test]
    fn nothing_measured_is_no_data_rather_than_zero() {
        let summary = Summary::of(&Cell::default(), 10.0);
        for metric in [
            Metric::ResponseTime(Percentile::new(95.0).unwrap()),
            Metric::ErrorRate,
            Metric::Availability,
            Metric::Throughput,
            Metric::HitRatio {
                component: "cache".into(),
            },
        ] {
            assert_eq!(summary.value(&metric), None, "{metric:?}");
        }
    }
}
