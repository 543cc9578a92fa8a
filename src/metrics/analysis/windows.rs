//! The worst stretch of a run: a metric over every window of so many seconds.
//!
//! A window is measured time: ramps between measured phases are left out of it, and it moves by whole seconds. It is
//! never shorter than wanted, whatever phases end with, unless no more was measured: then it is all of it.
//!
//! Not here: numbers of whole phases (`statistics`).

use std::collections::BTreeMap;
use std::ops::Range;

use super::observed::overall;
use super::ranked_counts::RankedCounts;
use super::statistics::Window;
use crate::metrics::histogram::rank;
use crate::metrics::{Cell, ObservedValue, Outcome, RunResult, SparseHistogram};
use crate::plan::{Direction, Metric, ObservedNumber, ObservedPart, Percentile, SloScope};
use crate::units::MAX_DURATION;

/// The worst window of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorstWindow {
    /// The value in it, in the unit of the metric.
    pub value: f64,
    /// When it begins, from the start of the load; s.
    pub start_s: f64,
    /// How much measured time it has; s. Less than wanted if no more was measured.
    pub length_s: f64,
}

/// How late an observation may be; us. A window of 5 s needs no second one where the first has 4.999 s.
const LATENESS_US: u64 = 50_000;

/// A second of measured time. The last one of a phase may be shorter.
struct Second<'a> {
    start_s: f64,
    length_us: u64,
    cells: Vec<&'a Cell>,
}

/// The windows over pieces of time of these lengths, in order: for each end as few pieces as are at least `wanted` long
/// together, or all of them where there is less.
fn windows(lengths: &[u64], wanted: u64) -> impl Iterator<Item = Range<usize>> + '_ {
    let wanted = wanted.min(lengths.iter().sum());
    let (mut start, mut length) = (0, 0);
    lengths.iter().enumerate().filter_map(move |(end, piece)| {
        length += piece;
        while start < end && length - lengths[start] >= wanted {
            length -= lengths[start];
            start += 1;
        }
        (length >= wanted).then_some(start..end + 1)
    })
}

/// Whether a value is worse than the worst one known.
fn is_worse(direction: Direction, known: Option<f64>, value: f64) -> bool {
    known.is_none_or(|known| match direction {
        Direction::AtMost => value > known,
        Direction::AtLeast => value < known,
    })
}

impl RunResult {
    /// The worst of all windows of `window_s` seconds, for a metric of the requests in a scope; `None` if no window has
    /// a value.
    pub fn worst_window(
        &self,
        metric: &Metric,
        scope: &SloScope,
        window_s: u64,
    ) -> Option<WorstWindow> {
        let seconds = self.measured_seconds(scope)?;
        if seconds.iter().all(|second| second.cells.is_empty()) {
            return None;
        }
        let lengths: Vec<u64> = seconds.iter().map(|second| second.length_us).collect();
        let mut tally = Tally::new(metric);
        let mut worst: Option<(f64, Range<usize>)> = None;
        for window in windows(&lengths, window_s.saturating_mul(1_000_000)) {
            tally.move_to(&window, &seconds);
            let known = worst.as_ref().map(|(value, _)| *value);
            if let Some(value) = tally.value()
                && is_worse(metric.direction(), known, value)
            {
                worst = Some((value, window));
            }
        }
        let (value, window) = worst?;
        let window = &seconds[window];
        let length_us: u64 = window.iter().map(|second| second.length_us).sum();
        Some(WorstWindow {
            value: match percentile_of(metric) {
                Some(percentile) => {
                    let cells = window.iter().flat_map(|second| &second.cells);
                    let mut values = SparseHistogram::default();
                    for part in cells.flat_map(|cell| histograms(metric, cell)).flatten() {
                        values.merge(part);
                    }
                    values.percentile(percentile)?
                }
                None => value,
            },
            start_s: window[0].start_s,
            length_s: length_us as f64 / 1e6,
        })
    }

    /// The same for something observed, over the observations that a window takes.
    ///
    /// # Errors
    /// Why there is no value, as a phrase.
    pub fn worst_observed_window(
        &self,
        wanted: &ObservedNumber,
        window_s: u64,
    ) -> Result<WorstWindow, String> {
        // It says why there is none.
        self.observed_value(wanted)?;
        let part = wanted.part.map(ObservedPart::name);
        let spans = self.observed_spans(&wanted.name);
        let lengths: Vec<u64> = spans.iter().map(|span| span.measured_us).collect();
        let mut worst: Option<WorstWindow> = None;
        let wanted_us = window_s.saturating_mul(1_000_000);
        for window in windows(&lengths, wanted_us.saturating_sub(LATENESS_US)) {
            let length_us: u64 = lengths[window.clone()].iter().sum();
            let window = &spans[window];
            let weighted: Vec<(f64, &ObservedValue)> = window
                .iter()
                .map(|span| (span.length_ms as f64, span.value))
                .collect();
            let Some(value) = overall(&weighted, part) else {
                continue;
            };
            let value = wanted.scale.of_exported(value);
            if is_worse(wanted.direction, worst.map(|worst| worst.value), value) {
                worst = Some(WorstWindow {
                    value,
                    start_s: window[0].start_us as f64 / 1e6,
                    length_s: length_us as f64 / 1e6,
                });
            }
        }
        worst.ok_or_else(|| "it was not observed while load was measured".to_owned())
    }

    /// The measured seconds of a scope in order; `None` if there is no such endpoint, or a damaged file says that the
    /// run was longer than a run can be.
    fn measured_seconds(&self, scope: &SloScope) -> Option<Vec<Second<'_>>> {
        const SECOND_US: u64 = 1_000_000;
        let wanted = self.row(scope)?;
        if self.window_s(Window::Measured) > MAX_DURATION.as_secs_f64() {
            return None;
        }
        let mut seconds: Vec<Second<'_>> = Vec::new();
        // Where the seconds of a phase begin, and the last of them.
        let mut places = BTreeMap::new();
        for phase in self.measured_phases() {
            let phase_us = self.phase_us(phase);
            let length_us = phase_us.end - phase_us.start;
            if length_us == 0 {
                continue;
            }
            let first = seconds.len();
            let start_s = phase_us.start as f64 / 1e6;
            seconds.extend((0..length_us.div_ceil(SECOND_US)).map(|second| Second {
                start_s: start_s + second as f64,
                length_us: (length_us - second * SECOND_US).min(SECOND_US),
                cells: Vec::new(),
            }));
            places.insert(phase, (first, seconds.len() - 1));
        }
        for interval in &self.timeline {
            let Some(&(first, last)) = places.get(&interval.phase) else {
                continue;
            };
            let second = usize::try_from(interval.second).unwrap_or(usize::MAX);
            let place = first.saturating_add(second).min(last);
            match wanted {
                None => seconds[place].cells.extend(self.request_cells(interval)),
                Some(wanted) => {
                    let cells = interval.cells.iter();
                    let of_row = cells.filter(|(row, _)| *row == wanted);
                    seconds[place].cells.extend(of_row.map(|(_, cell)| cell));
                }
            }
        }
        Some(seconds)
    }
}

/// What is in a window, as far as a metric needs it.
struct Tally<'a> {
    metric: &'a Metric,
    /// The seconds that are in it.
    seconds: Range<usize>,
    values: RankedCounts,
    /// Of the values.
    sum: u128,
    /// What is counted, and what is good or bad of it.
    counted: u64,
    /// Of what is counted.
    of_them: u64,
    length_us: u64,
}

impl<'a> Tally<'a> {
    fn new(metric: &'a Metric) -> Self {
        Self {
            metric,
            seconds: 0..0,
            values: RankedCounts::default(),
            sum: 0,
            counted: 0,
            of_them: 0,
            length_us: 0,
        }
    }

    /// To a window that neither begins nor ends before the last one.
    fn move_to(&mut self, window: &Range<usize>, seconds: &[Second<'_>]) {
        (self.seconds.end..window.end).for_each(|at| self.add(&seconds[at]));
        (self.seconds.start..window.start).for_each(|at| self.remove(&seconds[at]));
        self.seconds = window.clone();
    }

    fn add(&mut self, second: &Second<'_>) {
        self.length_us += second.length_us;
        for cell in &second.cells {
            let (counted, of_them) = counts(self.metric, cell);
            self.counted += counted;
            self.of_them += of_them;
            for values in histograms(self.metric, cell).into_iter().flatten() {
                self.sum += u128::from(values.sum_us);
                values
                    .iter()
                    .for_each(|(bucket, count)| self.values.add(bucket, count));
            }
        }
    }

    /// Takes out what was added.
    fn remove(&mut self, second: &Second<'_>) {
        self.length_us -= second.length_us;
        for cell in &second.cells {
            let (counted, of_them) = counts(self.metric, cell);
            self.counted -= counted;
            self.of_them -= of_them;
            for values in histograms(self.metric, cell).into_iter().flatten() {
                self.sum -= u128::from(values.sum_us);
                values
                    .iter()
                    .for_each(|(bucket, count)| self.values.remove(bucket, count));
            }
        }
    }

    /// The value of the metric, of a percentile the position of its bucket: both have the same order.
    fn value(&self) -> Option<f64> {
        let count = self.values.count();
        match (self.metric, percentile_of(self.metric)) {
            (_, Some(percentile)) => {
                (count > 0).then(|| self.values.bucket_of(rank(percentile, count)) as f64)
            }
            (Metric::MeanResponseTime | Metric::Measure { .. }, None) => {
                (count > 0).then(|| self.sum as f64 / count as f64)
            }
            // Nothing in a window is a rate of 0.
            (Metric::Throughput, None) => {
                (self.length_us > 0).then(|| self.of_them as f64 / (self.length_us as f64 / 1e6))
            }
            _ => (self.counted > 0).then(|| self.of_them as f64 / self.counted as f64),
        }
    }
}

/// Which percentile of its values a metric is; `None` for one that is none.
fn percentile_of(metric: &Metric) -> Option<Percentile> {
    match metric {
        Metric::ResponseTime(percentile) | Metric::ComponentTime { percentile, .. } => {
            Some(*percentile)
        }
        Metric::Measure { percentile, .. } => *percentile,
        Metric::MaxResponseTime => Percentile::new(100.0),
        _ => None,
    }
}

/// What a metric that is a share or a rate counts of a cell, and what it counts of that.
fn counts(metric: &Metric, cell: &Cell) -> (u64, u64) {
    let finished = || cell.count(|outcome| outcome == Outcome::Ok || outcome.is_failure());
    match metric {
        Metric::ErrorRate => (finished(), cell.count(Outcome::is_failure)),
        Metric::Availability => {
            let finished = finished();
            (
                finished,
                finished - cell.count(Outcome::is_unavailable).min(finished),
            )
        }
        Metric::Throughput => (0, cell.count(|outcome| outcome == Outcome::Ok)),
        Metric::HitRatio { component } => match cell.components.get(component) {
            Some(counts) => (counts.hits + counts.misses, counts.hits),
            None => (0, 0),
        },
        _ => (0, 0),
    }
}

/// The values that a metric is a percentile or the mean of.
fn histograms<'a>(metric: &Metric, cell: &'a Cell) -> [Option<&'a SparseHistogram>; 2] {
    match metric {
        Metric::ResponseTime(_) | Metric::MeanResponseTime | Metric::MaxResponseTime => {
            [Some(&cell.response), Some(&cell.censored)]
        }
        Metric::ComponentTime { component, .. } => {
            let counts = cell.components.get(component);
            [counts.map(|counts| &counts.time), None]
        }
        Metric::Measure { measure, .. } => {
            let counts = cell.measures.get(measure);
            [counts.map(|counts| &counts.values), None]
        }
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests;
