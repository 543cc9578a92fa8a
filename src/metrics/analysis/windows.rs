//! The worst stretch of a run: a metric over every window of so many seconds.
//!
//! A window is measured time: ramps between measured phases are left out of it, and it moves by whole seconds. It is
//! never shorter than wanted, whatever phases end with, unless no more was measured: then it is all of it.
//!
//! Not here: the same while a run goes on (`live`), and numbers of whole phases (`statistics`).

pub mod live;
mod ranked_counts;
mod tally;

use std::collections::BTreeMap;
use std::ops::Range;

use self::tally::{Counts, Reach, Second, Tally, in_unit, is_worse};
use super::observed::overall;
use super::statistics::Window;
use crate::metrics::{Cell, ObservedValue, RunResult};
use crate::plan::{Metric, ObservedNumber, ObservedPart, SloScope};
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
struct MeasuredSecond<'a> {
    start_s: f64,
    length_us: u64,
    cells: Vec<&'a Cell>,
}

impl Second for MeasuredSecond<'_> {
    fn length_us(&self) -> u64 {
        self.length_us
    }

    fn counts(&self, metric: &Metric) -> impl Iterator<Item = Counts<'_>> {
        self.cells.iter().map(|cell| Counts::of(metric, cell))
    }
}

/// The windows over pieces of time of these lengths, in order: for each end as few pieces as are at least `wanted` long
/// together, or all of them where there is less.
fn windows(lengths: &[u64], wanted: u64) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut reach = Reach::from(0, wanted.min(lengths.iter().sum()));
    lengths.iter().filter_map(move |_| {
        reach.extend(|at| lengths[at]);
        reach.is_full().then(|| reach.window.clone())
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
        let mut tally = Tally::default();
        let mut worst: Option<(f64, Range<usize>)> = None;
        for window in windows(&lengths, window_s.saturating_mul(1_000_000)) {
            tally.move_to(&window, metric, |at| &seconds[at]);
            let known = worst.as_ref().map(|(value, _)| *value);
            if let Some(value) = tally.value(metric)
                && is_worse(metric.direction(), known, value)
            {
                worst = Some((value, window));
            }
        }
        let (value, window) = worst?;
        let window = &seconds[window];
        let length_us: u64 = window.iter().map(|second| second.length_us).sum();
        Some(WorstWindow {
            value: in_unit(metric, value, window.iter()),
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
    fn measured_seconds(&self, scope: &SloScope) -> Option<Vec<MeasuredSecond<'_>>> {
        const SECOND_US: u64 = 1_000_000;
        let wanted = self.row(scope)?;
        if self.window_s(Window::Measured) > MAX_DURATION.as_secs_f64() {
            return None;
        }
        let mut seconds: Vec<MeasuredSecond<'_>> = Vec::new();
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
            seconds.extend(
                (0..length_us.div_ceil(SECOND_US)).map(|second| MeasuredSecond {
                    start_s: start_s + second as f64,
                    length_us: (length_us - second * SECOND_US).min(SECOND_US),
                    cells: Vec::new(),
                }),
            );
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

#[cfg(test)]
mod tests;
