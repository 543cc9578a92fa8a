//! The worst stretch of a run: a metric over every window of so many seconds.
//!
//! A window is measured time: ramps between measured phases are left out of it, and it moves by whole seconds. It is
//! never shorter than wanted, whatever phases end with, unless no more was measured: then it is all of it.
//!
//! Not here: the same while a run goes on (`live`), what is observed (`observations`), and numbers of whole phases
//! (`statistics`).

pub mod live;
mod observations;
mod tally;

use std::collections::BTreeMap;
use std::ops::Range;

use self::tally::{Counts, Second, Tally, in_unit, is_worse, windows};
use super::statistics::Window;
use crate::metrics::{Cell, RunResult};
use crate::plan::{Metric, SloScope};
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
