//! What a history keeps of a run: a few numbers of all requests and of each endpoint.

use std::path::PathBuf;

use crate::comparison::faults;
use crate::grading::{Grading, Letter, Policy, Verdict};
use crate::metrics::{RunInfo, RunResult, Summary, Window};
use crate::plan::{Metric, Percentile};

/// How many metrics a history has.
pub const METRICS: usize = 5;

/// The metrics of a history, in the order of [`HistoryRun::numbers`].
pub fn history_metrics() -> [Metric; METRICS] {
    let percentile = |percent| match Percentile::new(percent) {
        Some(percentile) => Metric::ResponseTime(percentile),
        None => Metric::MaxResponseTime,
    };
    [
        percentile(50.0),
        percentile(95.0),
        percentile(99.0),
        Metric::Throughput,
        Metric::ErrorRate,
    ]
}

/// One run of a history.
#[derive(Debug, Clone)]
pub struct HistoryRun {
    /// Where it is stored: its directory or file.
    pub path: PathBuf,
    /// What was run.
    pub info: RunInfo,
    /// The verdict by its own SLOs, as `perfctl report` has it.
    pub verdict: Verdict,
    /// Its grade, if it has one.
    pub letter: Option<Letter>,
    /// The points of the grade; 0..=100.
    pub score: Option<f64>,
    /// Why its numbers do not count, in phrases that follow its name; empty if they do.
    pub faults: Vec<String>,
    /// All requests, then each endpoint in the plan's order.
    numbers: Vec<[Option<f64>; METRICS]>,
}

impl HistoryRun {
    /// What a history keeps of a run that is stored at `path`.
    pub fn of(path: PathBuf, result: RunResult) -> Self {
        let grading = Grading::of(&result, None, &Policy::of_run(&result.run));
        let scopes = std::iter::once(None).chain((0..result.endpoints.len()).map(Some));
        let numbers = scopes
            .map(|scope| numbers(&result.summary(scope, Window::Measured)))
            .collect();
        Self {
            path,
            verdict: grading.verdict,
            letter: grading.letter,
            score: grading.score,
            faults: faults(&result),
            numbers,
            info: result.run,
        }
    }

    /// Whether its numbers count.
    pub fn counts(&self) -> bool {
        self.faults.is_empty()
    }

    /// The numbers of the measured phases, of an endpoint (by position) or of all requests, in the units of
    /// their metrics. `None` without data.
    pub fn numbers(&self, endpoint: Option<usize>) -> [Option<f64>; METRICS] {
        let position = endpoint.map_or(0, |endpoint| endpoint + 1);
        self.numbers.get(position).copied().unwrap_or_default()
    }

    /// The start of the load to the minute, in UTC: `2026-11-21 10:00`.
    pub fn started(&self) -> String {
        match self.info.started_at.parse::<jiff::Timestamp>() {
            Ok(time) => time.strftime("%Y-%m-%d %H:%M").to_string(),
            // In a damaged file.
            Err(_) => "no date".to_owned(),
        }
    }
}

fn numbers(summary: &Summary) -> [Option<f64>; METRICS] {
    history_metrics().map(|metric| {
        summary
            .value(&metric)
            .filter(|value| value.is_finite() && summary.requests > 0)
    })
}
