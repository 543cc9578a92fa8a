//! The seconds of a run in the JSON report: of all requests together, and of each endpoint.

use std::collections::BTreeMap;

use serde::Serialize;

use super::unit::ms;
use crate::metrics::{Cell, RunResult, Summary};

/// One second, by the intended start of requests; ramp and warm-up are included.
#[derive(Serialize)]
pub(super) struct SeriesPoint {
    /// Where it begins, from the start of the load.
    start_s: u64,
    /// Requests started.
    count: u64,
    avg_ms: Option<f64>,
    p95_ms: Option<f64>,
}

impl SeriesPoint {
    fn of((start_s, cell): (u64, Cell)) -> Self {
        let summary = Summary::of(&cell, 1.0);
        Self {
            start_s,
            count: summary.requests,
            avg_ms: ms(summary.response_us.mean),
            p95_ms: ms(summary.response_us.p95),
        }
    }
}

/// The seconds in which requests were planned to start, by when they begin.
type Seconds = BTreeMap<u64, Cell>;

/// All series of a run. A second in which one phase ends and the next begins is one second.
pub(super) struct TimeSeries {
    total: Seconds,
    endpoints: BTreeMap<usize, Seconds>,
}

impl TimeSeries {
    pub(super) fn of(result: &RunResult) -> Self {
        let mut series = Self {
            total: Seconds::new(),
            endpoints: BTreeMap::new(),
        };
        for interval in &result.timeline {
            let start_s = result.second_of(interval);
            for (endpoint, cell) in &interval.cells {
                let seconds = series.endpoints.entry(*endpoint).or_default();
                seconds.entry(start_s).or_default().merge(cell);
            }
            for cell in result.request_cells(interval) {
                series.total.entry(start_s).or_default().merge(cell);
            }
        }
        series
    }

    /// All requests together, without flows.
    pub(super) fn take_total(&mut self) -> Vec<SeriesPoint> {
        points(std::mem::take(&mut self.total))
    }

    /// One endpoint or flow, by position.
    pub(super) fn take(&mut self, endpoint: usize) -> Vec<SeriesPoint> {
        points(self.endpoints.remove(&endpoint).unwrap_or_default())
    }
}

fn points(seconds: Seconds) -> Vec<SeriesPoint> {
    seconds.into_iter().map(SeriesPoint::of).collect()
}
