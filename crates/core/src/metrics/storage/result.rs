//! The result of a run: lossless, versioned, mergeable.
//!
//! Not here: what is derived from it (`analysis`).

use serde::{Deserialize, Serialize};

use super::packed;
use crate::metrics::{
    Cell, EndpointInfo, FailureSamples, HealthSample, Interval, Observation, RunInfo,
    SparseHistogram, Traces, check_version,
};
use crate::units::MAX_DURATION;

/// A whole run, as stored in `result.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Always [`RunResult::FORMAT`].
    pub format: String,
    /// Always [`RunResult::VERSION`].
    pub version: u32,
    /// What was run, where and how it ended.
    pub run: RunInfo,
    /// Per endpoint and phase, everything counted; in the order of `run.endpoints`.
    pub endpoints: Vec<EndpointResult>,
    /// Per phase and second of intended start: the counts and response times, for the gate and
    /// for charts. Ordered by phase, then second.
    #[serde(with = "packed")]
    pub timeline: Vec<Interval>,
    /// Virtual users running (closed model) or requests in flight (open) at each second of the run.
    pub users: Vec<u32>,
    /// The load generator's health at each second of the run; empty where it was not measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "packed")]
    pub health: Vec<HealthSample>,
    /// The first failures of each kind, with what was sent and received. Baselines have none.
    #[serde(default, skip_serializing_if = "FailureSamples::is_empty")]
    pub failure_samples: FailureSamples,
    /// The traces of the slowest and of failed requests. Baselines have none.
    #[serde(default, skip_serializing_if = "Traces::is_empty")]
    pub traces: Traces,
    /// What the service said of itself, in order of time. Baselines have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<Observation>,
}

/// One endpoint's counts in each phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointResult {
    /// Its name and method.
    pub endpoint: EndpointInfo,
    /// One cell per phase of the run.
    pub phases: Vec<Cell>,
}

impl RunResult {
    /// Identifies the file.
    pub const FORMAT: &'static str = "perfctl-result";
    /// The version that this perfctl writes, and the only one it reads.
    pub const VERSION: u32 = 5;
    /// The largest sum of all counters, bytes included, so that sums over a file, and over many
    /// files, cannot overflow.
    const MAX_COUNT: u64 = 1 << 53;

    /// Everything counted of requests, by endpoint: without flows, whose requests are counted
    /// under their endpoints.
    pub fn requests(&self) -> impl Iterator<Item = &EndpointResult> + Clone {
        let endpoints = self.endpoints.iter();
        endpoints.filter(|endpoint| !endpoint.endpoint.is_flow)
    }

    /// In which second from the start of the load an interval begins. Where one phase ends and the next begins
    /// within a second, both have intervals in it.
    pub fn second_of(&self, interval: &Interval) -> u64 {
        let start_us = self.run.phases[interval.phase].start_us;
        // A damaged file may hold any number.
        (start_us / 1_000_000).saturating_add(interval.second)
    }

    /// The cells of requests in an interval, without those of flows.
    pub fn request_cells<'a>(&self, interval: &'a Interval) -> impl Iterator<Item = &'a Cell> {
        let cells = interval.cells.iter();
        let is_flow = |position: usize| self.endpoints[position].endpoint.is_flow;
        cells
            .filter(move |(position, _)| !is_flow(*position))
            .map(|(_, cell)| cell)
    }

    /// Checks that everything in it is consistent, so that no later step is misled or panics.
    ///
    /// # Errors
    /// What is not consistent.
    pub fn check(&self) -> Result<(), String> {
        if self.format != Self::FORMAT {
            return Err(format!("its `format` is `{}`", self.format));
        }
        check_version(self.version, Self::VERSION)?;
        let phases = self.run.phases.len();
        if self.endpoints.len() != self.run.endpoints.len()
            || self.endpoints.iter().any(|e| e.phases.len() != phases)
        {
            return Err("its endpoints do not match its phases".into());
        }
        if self.run.phases.iter().any(|p| p.end_us < p.start_us) {
            return Err("a phase ends before it starts".into());
        }
        let stages = self.run.load.stages.iter();
        let mut lengths = stages
            .flat_map(|stage| [stage.ramp, stage.duration])
            .chain([self.run.load.warmup]);
        if lengths.any(|length| length > MAX_DURATION) {
            return Err("its load is longer than a load can be".into());
        }
        let cells = self.endpoints.iter().flat_map(|e| &e.phases);
        let interval_cells = self.timeline.iter().flat_map(|i| i.cells.iter());
        let known = |(endpoint, _): &(usize, Cell)| *endpoint < self.endpoints.len();
        if self.timeline.iter().any(|i| i.phase >= phases) || !interval_cells.clone().all(known) {
            return Err("its timeline refers to a phase or endpoint that it does not have".into());
        }
        let longest_s = MAX_DURATION.as_secs();
        if self.timeline.iter().any(|i| i.second > longest_s) {
            return Err("its timeline is longer than a run can be".into());
        }
        let mut samples = self.failure_samples.kept.iter();
        if samples.any(|sample| sample.endpoint >= self.endpoints.len()) {
            return Err("a failure sample refers to an endpoint that it does not have".into());
        }
        if (self.traces.iter()).any(|one| one.endpoint >= self.endpoints.len()) {
            return Err("a trace refers to an endpoint that it does not have".into());
        }
        let mut values = self.observations.iter().flat_map(|one| &one.values);
        if values.any(|(of, value)| *of >= self.run.observed.len() || !value.is_sound()) {
            return Err("an observation is damaged".into());
        }
        let all = cells.chain(interval_cells.map(|(_, cell)| cell));
        if !all
            .clone()
            .flat_map(Cell::histograms)
            .chain(self.health.iter().map(|second| &second.loop_lag))
            .all(SparseHistogram::is_sound)
        {
            return Err("a histogram is damaged".into());
        }
        let lags = self.health.iter().map(|second| second.loop_lag.count());
        let counts = all.flat_map(Cell::counts).chain(lags);
        let sum = counts.fold(0u64, u64::saturating_add);
        if sum > Self::MAX_COUNT {
            return Err("its counts are larger than a run can make them".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::{Cell, Interval, Outcome, RunResult, fixture};

    #[test]
    fn a_phase_may_be_empty_but_does_not_end_before_it_starts() {
        let mut result = fixture::run(&[("a", &[])]);
        result.run.phases[0].end_us = result.run.phases[0].start_us;
        assert_eq!(result.check(), Ok(()));
        let start_us = &mut result.run.phases[0].start_us;
        *start_us += 1;
        assert!(
            result
                .check()
                .unwrap_err()
                .contains("ends before it starts")
        );
    }

    #[test]
    fn seconds_that_no_run_can_have_are_refused() {
        let mut result = fixture::run(&[("a", &[])]);
        result.timeline = vec![Interval {
            phase: 1,
            second: u64::MAX,
            cells: Vec::new(),
        }];
        assert!(result.check().unwrap_err().contains("longer than a run"));
    }

    #[test]
    fn counts_that_no_run_can_make_are_refused() {
        type Damage = fn(&mut Cell);
        let cases: [(&str, Damage); 4] = [
            ("bytes", |cell| cell.bytes_in = u64::MAX),
            ("outcomes", |cell| {
                cell.outcomes.insert(Outcome::Ok, u64::MAX);
            }),
            ("addresses", |cell| {
                cell.remotes.insert("127.0.0.1:80".into(), u64::MAX);
            }),
            ("times", |cell| {
                cell.response.buckets = vec![100, RunResult::MAX_COUNT];
                cell.response.min_us = 100;
                cell.response.max_us = 100;
            }),
        ];
        let sound = fixture::run(&[("a", &[(Outcome::Ok, 100, 10)])]);
        assert_eq!(sound.check(), Ok(()));
        for (name, damage) in cases {
            let mut result = sound.clone();
            damage(&mut result.endpoints[0].phases[0]);
            let why = result.check().unwrap_err();
            assert!(why.contains("larger than a run can make"), "{name}: {why}");
        }
    }
}
