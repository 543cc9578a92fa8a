//! Folding the samples of a second into cells: the way from workers to the journal and to the
//! live display.

mod groups;
mod rows;
mod samples;

use std::collections::VecDeque;
use std::sync::Arc;

use self::groups::{Groups, KeptNames};
use self::rows::Rows;
use self::samples::FailureSampler;
use super::commit::p95_us;
use crate::metrics::trace::TraceChoice;
use crate::metrics::{
    Commit, FLOW_CHECKS, FailureSamples, Histogram, Outcome, SparseHistogram, Tick, Traces,
};
use crate::plan::{CheckName, Percentile, Phase, Plan};

/// How many seconds the percentile of the live display looks back.
const LIVE_WINDOW_S: usize = 10;

/// Folds samples into commits, and keeps what the live display shows.
#[derive(Debug)]
pub struct Fold {
    phases: Vec<Phase>,
    rows: Rows,
    /// The names of components, up to so many; all further ones count as `other`.
    components: KeptNames,
    sampler: FailureSampler,
    traces: TraceChoice,
    recent: VecDeque<SparseHistogram>,
    requests: u64,
    successes: u64,
    failures: u64,
    dropped: u64,
}

/// What the live display shows of a running test.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveSnapshot {
    /// Virtual users running, or requests in flight.
    pub users: u32,
    /// Requests that ended in the last second.
    pub rate_per_s: f64,
    /// p95 of the response times of successes in the last `p95_window_s`; µs.
    pub p95_us: Option<f64>,
    /// 1 to 10.
    pub p95_window_s: usize,
    /// Requests ended so far.
    pub requests: u64,
    /// Successful requests so far.
    pub successes: u64,
    /// Failed requests so far.
    pub failures: u64,
    /// Arrivals dropped so far.
    pub dropped: u64,
}

impl Fold {
    /// How many rows of a run get their names from templates; all further ones count as `other`.
    pub const MAX_TEMPLATED_ROWS: usize = rows::MAX_TEMPLATED;

    /// For a run with these phases, of which there is at least one, and endpoints with these checks.
    pub fn new(phases: Vec<Phase>, checks: Vec<Vec<CheckName>>) -> Self {
        Self {
            phases,
            rows: Rows::new(
                checks,
                FLOW_CHECKS
                    .map(|name| CheckName::Subject(name.to_owned()))
                    .into(),
            ),
            components: KeptNames::default(),
            sampler: FailureSampler::default(),
            traces: TraceChoice::default(),
            recent: VecDeque::new(),
            requests: 0,
            successes: 0,
            failures: 0,
            dropped: 0,
        }
    }

    /// The same for flows whose steps fail with these texts.
    pub fn with_failures(mut self, texts: &[Arc<str>]) -> Self {
        self.rows.fail_with(texts);
        self
    }

    /// Counts endpoints and flows in the rows of this plan, and users in its classes.
    pub fn in_rows_of(mut self, plan: &Plan) -> Self {
        self.rows.plan(plan);
        self
    }

    /// Folds what all workers handed over for one second, and takes the examples out of it. The caller adds the
    /// health, and what was changed by hand.
    pub fn fold(&mut self, ticks: &mut [Tick]) -> (Commit, LiveSnapshot) {
        let mut groups = Groups::default();
        let subjects = ticks.iter().flat_map(|tick| tick.subjects.clone());
        let rows = self.rows.learn(subjects.collect());
        let mut failure_samples = self.sample(ticks);
        let traces = self.traces(ticks);
        let users = ticks.iter().map(|tick| tick.users).sum();
        let mut ended = 0;
        let before = (self.successes, self.failures, self.dropped);
        for tick in &*ticks {
            for sample in &tick.samples {
                let place = self.place(sample.intended_us);
                groups.at(place, sample.endpoint).add(sample);
                if !self.rows.is_request(sample.endpoint.into()) {
                    continue;
                }
                ended += u64::from(sample.outcome.is_started());
                self.successes += u64::from(sample.outcome == Outcome::Ok);
                self.failures += u64::from(sample.outcome.is_failure());
                self.dropped += u64::from(sample.outcome == Outcome::Dropped);
            }
            for connection in &tick.connections {
                let place = self.place(connection.intended_us);
                let values = groups.at(place, connection.endpoint);
                values.add_connection(connection);
            }
            for component in &tick.components {
                let place = self.place(component.intended_us);
                let is_kept = self.components.keep(&component.name);
                let values = groups.at(place, component.endpoint);
                values.add_component(component, is_kept);
            }
            for origin in &tick.origins {
                let place = self.place(origin.intended_us);
                groups.at(place, origin.endpoint).add_origin(origin);
            }
            for measure in &tick.measures {
                let place = self.place(measure.intended_us);
                let measures = &mut groups.at(place, measure.endpoint).measures;
                let values = measures.entry(measure.name.clone()).or_default();
                values.0 = measure.unit;
                values.1.push(measure.value);
            }
        }
        let examples = ticks
            .iter_mut()
            .map(|tick| std::mem::take(&mut tick.examples));
        for example in examples.flatten() {
            // An example arrives with the sample it belongs to; any cell of that endpoint will do.
            let of_endpoint = groups.of(example.endpoint);
            let mut alike =
                of_endpoint.filter_map(|values| values.failures.get_mut(&example.cause));
            if let Some(samples) = alike.next() {
                samples.texts.get_or_insert(example.texts);
            }
        }
        let cells = groups.into_cells(|position| self.rows.checks(position));
        let mut successes = SparseHistogram::default();
        cells
            .iter()
            .filter(|entry| self.rows.is_request(entry.endpoint))
            .for_each(|entry| successes.merge(&entry.cell.response));
        let requests = cells.iter();
        let p95_us = p95_us(requests.filter(|entry| self.rows.is_request(entry.endpoint)));
        self.requests += ended;
        let live = LiveSnapshot {
            users,
            rate_per_s: ended as f64,
            p95_us: self.recent_p95(successes),
            p95_window_s: self.recent.len(),
            requests: self.requests,
            successes: self.successes,
            failures: self.failures,
            dropped: self.dropped,
        };
        let cells = self.rows.of_rows(cells, &mut failure_samples);
        let commit = Commit {
            users,
            rows,
            successes: self.successes - before.0,
            failures: self.failures - before.1,
            dropped: self.dropped - before.2,
            p95_us,
            cells,
            failure_samples,
            traces,
            adjustments: Vec::new(),
            stopped_at_us: ticks.iter().filter_map(|tick| tick.stopped_at_us).max(),
            starts: self.rows.starts(ticks),
            health: None,
        };
        (commit, live)
    }

    /// The failures that are kept with what was sent and received.
    fn sample(&mut self, ticks: &mut [Tick]) -> FailureSamples {
        let failures = ticks
            .iter_mut()
            .map(|tick| std::mem::take(&mut tick.failures));
        let failures = failures.flatten().collect();
        self.sampler.choose(failures, |endpoint, cause| {
            let checks = self.rows.checks(endpoint.into());
            checks.get(usize::from(cause.check?))
        })
    }

    /// The traced requests that may be kept, by rows.
    fn traces(&mut self, ticks: &mut [Tick]) -> Traces {
        let mut all = Traces::default();
        for tick in ticks {
            let traces = std::mem::take(&mut tick.traces);
            all.slowest.extend(traces.slowest);
            all.failed.extend(traces.failed);
        }
        if all.is_empty() {
            return all;
        }
        let requests = all.slowest.iter_mut().chain(&mut all.failed);
        requests.for_each(|one| one.endpoint = self.rows.row(one.endpoint));
        self.traces.choose(all)
    }

    /// The phase of an intended start, and the whole seconds from the phase's start. Starts after
    /// the end of the last phase (there are none by design) belong to the last phase.
    fn place(&self, intended_us: u64) -> (usize, u64) {
        let phase = self
            .phases
            .partition_point(|phase| phase.end_us <= intended_us)
            .min(self.phases.len() - 1);
        let since = intended_us.saturating_sub(self.phases[phase].start_us);
        (phase, since / 1_000_000)
    }

    fn recent_p95(&mut self, successes: SparseHistogram) -> Option<f64> {
        self.recent.push_back(successes);
        if self.recent.len() > LIVE_WINDOW_S {
            self.recent.pop_front();
        }
        let mut histogram = Histogram::default();
        self.recent.iter().for_each(|sparse| histogram.add(sparse));
        histogram.percentile(Percentile::new(95.0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::num::NonZeroU16;

    use crate::metrics::record::recorder::MAX_COMPONENTS;
    use crate::metrics::{
        Cell, ComponentSample, ConnectionSample, Example, HttpVersion, OriginSample, Recorder,
        Responder, Sample, UseCounts,
    };

    fn phase(name: &str, start_us: u64, end_us: u64) -> Phase {
        Phase {
            name: name.into(),
            start_us,
            end_us,
            measured: name != "ramp",
        }
    }

    fn sample(intended_us: u64, outcome: Outcome, response_us: u64) -> Sample {
        Sample {
            endpoint: 0,
            outcome,
            check: None,
            status: NonZeroU16::new(200),
            redirects: 0,
            connections: 1,
            reused: 1,
            intended_us,
            response_us,
            service_us: response_us / 2,
            ttfb_us: Some(response_us / 4),
            download_us: Some(response_us / 4),
            bytes_in: 10,
            bytes_out: 5,
        }
    }

    #[test]
    fn the_live_p95_is_that_of_the_last_ten_seconds() {
        let mut fold = Fold::new(vec![phase("steady", 0, 60_000_000)], vec![Vec::new()]);
        let mut second = |number: u64, response_us| {
            let intended_us = number * 1_000_000;
            let tick = Tick {
                samples: vec![
                    sample(intended_us, Outcome::Ok, response_us),
                    sample(intended_us, Outcome::Http5xx, 9_000_000),
                ],
                ..Tick::default()
            };
            fold.fold(&mut [tick]).1.p95_us
        };
        assert_eq!(second(0, 1_000), Some(1_000.0));
        for number in 1..10 {
            assert_eq!(second(number, 100), Some(1_000.0), "{number}");
        }
        assert_eq!(second(10, 100), Some(100.0));
    }

    #[test]
    fn samples_are_placed_by_their_intended_start() {
        let mut fold = Fold::new(
            vec![
                phase("ramp", 0, 400_000),
                phase("steady", 400_000, 5_000_000),
            ],
            vec![vec![CheckName::Subject("status".into())]],
        );
        let tick = Tick {
            samples: vec![
                sample(399_999, Outcome::Ok, 10),
                sample(400_000, Outcome::Ok, 20),
                sample(1_399_999, Outcome::Http5xx, 3_000_000),
                sample(1_400_000, Outcome::TimeoutBody, 30_000_000),
                sample(1_500_000, Outcome::Dropped, 0),
            ],
            examples: vec![Example {
                endpoint: 0,
                cause: sample(0, Outcome::Http5xx, 0).cause(),
                texts: "status 503".to_owned().into(),
            }],
            ..Tick::default()
        };
        let (commit, live) = fold.fold(&mut [tick]);
        let places: Vec<(usize, u64)> = commit.cells.iter().map(|c| (c.phase, c.second)).collect();
        assert_eq!(places, [(0, 0), (1, 0), (1, 1)]);
        let steady = &commit.cells[1].cell;
        assert_eq!(steady.response.count(), 1);
        assert_eq!(steady.failed.count(), 1);
        let example = steady.failure_counts.example(Outcome::Http5xx);
        assert_eq!(example, Some("status 503"));
        let late = &commit.cells[2].cell;
        assert_eq!(late.censored.max_us, 30_000_000);
        assert_eq!(
            late.count(Outcome::is_started),
            1,
            "a dropped arrival was not started"
        );
        assert_eq!(late.scheduling_delay.count(), 1);
        assert_eq!((live.requests, live.dropped), (4, 1));
        assert_eq!((live.successes, live.failures), (2, 2));
        assert_eq!(live.p95_window_s, 1);
    }

    #[test]
    fn hits_and_misses_are_counted_by_component() {
        let mut fold = Fold::new(vec![phase("steady", 0, 1_000_000)], vec![Vec::new()]);
        let component = |hit| ComponentSample {
            endpoint: 0,
            intended_us: 0,
            name: "cache".into(),
            duration_us: None,
            hit,
            count: Some(3),
            bytes_in: 100,
        };
        let hits = [Some(true), Some(false), Some(true), None, Some(true)];
        let tick = Tick {
            components: hits.map(component).into(),
            ..Tick::default()
        };
        let (commit, _) = fold.fold(&mut [tick]);
        let counts = &commit.cells[0].cell.components["cache"];
        assert_eq!((counts.hits, counts.misses), (3, 1));
    }

    #[test]
    fn a_start_after_the_end_belongs_to_the_last_phase() {
        let phases = vec![phase("ramp", 0, 400_000), phase("steady", 400_000, 900_000)];
        let mut fold = Fold::new(phases, vec![Vec::new()]);
        let tick = Tick {
            samples: vec![sample(2_400_000, Outcome::Ok, 10)],
            ..Tick::default()
        };
        let (commit, _) = fold.fold(&mut [tick]);
        assert_eq!((commit.cells[0].phase, commit.cells[0].second), (1, 2));
    }

    /// Row 32: whatever the service sends, what is kept of it does not grow.
    #[test]
    fn a_million_different_texts_and_names_are_not_kept() {
        let recorder = Recorder::default();
        let mut fold = Fold::new(vec![phase("steady", 0, 1_000_000_000)], vec![Vec::new()]);
        let (mut texts, mut names) = (0, BTreeSet::new());
        for second in 0..20u64 {
            for i in 0..50_000u64 {
                let number = second * 50_000 + i;
                recorder.started();
                let text = format!("no such invoice {number}");
                recorder.record(
                    sample(second * 1_000_000, Outcome::Reset, i),
                    Some(text.into()),
                );
                if i % 1_000 == 0 {
                    recorder.record_component(ComponentSample {
                        endpoint: 0,
                        intended_us: second * 1_000_000,
                        name: format!("db{number}").into(),
                        duration_us: Some(i),
                        hit: None,
                        count: None,
                        bytes_in: 0,
                    });
                }
            }
            let (commit, _) = fold.fold(&mut [recorder.take()]);
            for cell in commit.cells {
                texts += cell
                    .cell
                    .failure_counts
                    .example(Outcome::Reset)
                    .iter()
                    .count();
                names.extend(cell.cell.components.into_keys());
            }
        }
        assert_eq!((texts, names.len()), (1, MAX_COMPONENTS + 1));
        assert!(names.contains("other"));
    }

    #[test]
    fn of_several_workers_the_failures_that_were_sent_first_are_named() {
        let mut fold = Fold::new(vec![phase("steady", 0, 1_000_000)], vec![Vec::new()]);
        let worker = |sent_us: &[u64]| {
            let recorder = Recorder::default();
            for us in sent_us {
                let failed = sample(*us, Outcome::Http5xx, 1_000);
                let id = format!("{:032x}", us + 1).parse().unwrap();
                recorder.record_trace(&failed, *us, id, || false);
            }
            recorder.take()
        };
        let mut ticks = [worker(&[300, 400, 500]), worker(&[100, 200])];
        let traces = fold.fold(&mut ticks).0.traces.failed;
        let sent_us: Vec<u64> = traces.iter().map(|one| one.started_us).collect();
        assert_eq!(sent_us, [100, 200, 300]);
    }

    #[test]
    fn where_responses_come_from_is_counted_and_how_often_they_use_a_component() {
        let mut fold = Fold::new(vec![phase("steady", 0, 1_000_000)], vec![Vec::new()]);
        let origin = |origin, is_failed| OriginSample {
            endpoint: 0,
            intended_us: 0,
            origin,
            is_failed,
            response_us: 1_000,
        };
        let instances = (0..40).map(|n| origin(Responder::Instance(format!("w{n:02}")), n == 0));
        let address = origin(Responder::Address(([10, 0, 0, 1], 80).into()), true);
        let uses = |count, bytes_in| ComponentSample {
            endpoint: 0,
            intended_us: 0,
            name: "db".into(),
            duration_us: None,
            hit: None,
            count: Some(count),
            bytes_in,
        };
        let kept = Sample {
            connections: 0,
            ..sample(0, Outcome::Http5xx, 1_000)
        };
        let refused = Sample {
            connections: 0,
            reused: 0,
            ..sample(0, Outcome::ConnectRefused, 1_000)
        };
        let tick = || Tick {
            samples: vec![kept, refused, sample(0, Outcome::Ok, 1_000)],
            origins: instances.clone().chain([address.clone()]).collect(),
            components: vec![uses(1, 500), uses(3, 511), uses(9, 512)],
            ..Tick::default()
        };
        let mut cell = Cell::default();
        for _ in 0..2 {
            cell.merge(&fold.fold(&mut [tick()]).0.cells[0].cell);
        }
        assert_eq!(cell.instances.len(), Cell::MAX_INSTANCES + 1);
        let one = |name: &str| {
            let counts = &cell.instances[name];
            (counts.responses, counts.failures, counts.time.count())
        };
        assert_eq!(
            (one("w00"), one("w01"), one("other")),
            ((2, 2, 0), (2, 0, 2), (16, 0, 16))
        );
        assert_eq!(cell.failed_remotes["10.0.0.1:80"], 2);
        assert_eq!(
            [
                cell.opening,
                cell.opening_failures,
                cell.kept,
                cell.kept_failures
            ],
            [2, 0, 2, 2]
        );
        let db = &cell.components["db"];
        let uses = |counts: UseCounts| (counts.responses, counts.uses, counts.bytes);
        assert_eq!(uses(db.uses[&9]), (4, 8, 2_022));
        assert_eq!(uses(db.uses[&10]), (2, 18, 1_024));
        assert_eq!(db.mean_uses(), Some(26.0 / 6.0));
        let text = serde_json::to_string(&cell).unwrap();
        assert_eq!(serde_json::from_str::<Cell>(&text).unwrap(), cell);
    }

    #[test]
    fn connections_are_counted_and_addresses_beyond_the_first_few_together() {
        let mut fold = Fold::new(vec![phase("steady", 0, 1_000_000)], vec![Vec::new()]);
        let connection = |host: u8| ConnectionSample {
            endpoint: 0,
            intended_us: 0,
            dns_us: None,
            connect_us: Some(200),
            tls_us: (host == 1).then_some(5_000),
            tls_handshakes: u16::from(host == 1),
            tls_resumed: u16::from(host == 1),
            remote: Some(([10, 0, 0, host], 80).into()),
            version: Some(HttpVersion::Http11),
        };
        let tick = || Tick {
            samples: vec![sample(0, Outcome::Ok, 1_000)],
            connections: (0..20).map(connection).collect(),
            ..Tick::default()
        };
        let mut cell = Cell::default();
        for _ in 0..2 {
            cell.merge(&fold.fold(&mut [tick()]).0.cells[0].cell);
        }
        assert_eq!(cell.remotes.len(), Cell::MAX_REMOTES + 1);
        assert_eq!(cell.remotes["10.0.0.0:80"], 2);
        assert_eq!(cell.remotes["other"], 8);
        assert_eq!(cell.versions[&HttpVersion::Http11], 40);
        assert_eq!((cell.tls.count(), cell.tls_handshakes), (2, 2));
        assert_eq!(cell.tls_resumed, 2);
        assert_eq!((cell.connect.count(), cell.dns.count()), (40, 0));
        assert_eq!((cell.download.count(), cell.reused), (2, 2));
    }
}
