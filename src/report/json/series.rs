//! The course of a run in the JSON report: of all requests together, and of each endpoint.

use std::collections::BTreeMap;

use serde::Serialize;

use super::unit::ms;
use crate::metrics::{Cell, RunResult, Summary};

/// The most entries of one series that is not full.
const MAX_POINTS: u64 = 300;
/// The most entries of all endpoints together.
const MAX_POINTS_OF_ALL: u64 = 6_000;
/// How long the time of an entry may be; s. The longest run has 30 days.
const LENGTHS_S: [u64; 14] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 21_600, 86_400,
];

/// A time of the run, by the intended start of requests; ramp and warm-up are included.
#[derive(Serialize)]
pub(super) struct SeriesPoint {
    /// Where it begins, from the start of the load.
    start_s: u64,
    /// How long it is.
    length_s: u64,
    /// Requests started.
    count: u64,
    avg_ms: Option<f64>,
    p95_ms: Option<f64>,
}

/// What was planned to start, by when the time of an entry begins.
#[derive(Default)]
struct Series {
    length_s: u64,
    cells: BTreeMap<u64, Cell>,
}

/// All series of a run. A second in which one phase ends and the next begins is one second.
pub(super) struct TimeSeries {
    total: Series,
    endpoints: BTreeMap<usize, Series>,
}

impl TimeSeries {
    /// Of each second, if it `is_full`; otherwise of as many seconds together as keep it short.
    pub(super) fn of(result: &RunResult, is_full: bool) -> Self {
        let seconds = result
            .timeline
            .iter()
            .map(|interval| result.second_of(interval));
        let seconds = seconds.max().map_or(0, |last| last.saturating_add(1));
        let endpoints = result.endpoints.len().max(1) as u64;
        let most = (MAX_POINTS_OF_ALL / endpoints).clamp(1, MAX_POINTS);
        let [of_total, of_endpoint] = match is_full {
            true => [1, 1],
            false => [MAX_POINTS, most].map(|most| length_s(seconds, most)),
        };
        let mut series = Self {
            total: Series::new(of_total),
            endpoints: BTreeMap::new(),
        };
        for interval in &result.timeline {
            let second = result.second_of(interval);
            for (endpoint, cell) in &interval.cells {
                let of_endpoint = || Series::new(of_endpoint);
                let series = series
                    .endpoints
                    .entry(*endpoint)
                    .or_insert_with(of_endpoint);
                series.add(second, cell);
            }
            for cell in result.request_cells(interval) {
                series.total.add(second, cell);
            }
        }
        series
    }

    /// All requests together, without flows.
    pub(super) fn total(&self) -> Vec<SeriesPoint> {
        self.total.points()
    }

    /// One endpoint or flow, by position.
    pub(super) fn endpoint(&self, position: usize) -> Vec<SeriesPoint> {
        self.endpoints
            .get(&position)
            .map(Series::points)
            .unwrap_or_default()
    }
}

impl Series {
    fn new(length_s: u64) -> Self {
        Self {
            length_s,
            cells: BTreeMap::new(),
        }
    }

    fn add(&mut self, second: u64, cell: &Cell) {
        let start_s = second - second % self.length_s;
        self.cells.entry(start_s).or_default().merge(cell);
    }

    fn points(&self) -> Vec<SeriesPoint> {
        let cells = self.cells.iter();
        cells
            .map(|(start_s, cell)| {
                let summary = Summary::of(cell, self.length_s as f64);
                SeriesPoint {
                    start_s: *start_s,
                    length_s: self.length_s,
                    count: summary.requests,
                    avg_ms: ms(summary.response_us.mean),
                    p95_ms: ms(summary.response_us.p95),
                }
            })
            .collect()
    }
}

/// The shortest time that makes at most this many entries of a run.
fn length_s(seconds: u64, most: u64) -> u64 {
    let least = seconds.div_ceil(most);
    let known = LENGTHS_S.into_iter().find(|length| *length >= least);
    known.unwrap_or(least).max(1)
}
