//! The worst window of something that is observed.
//!
//! Not here: windows of requests (`windows`), and observed numbers of whole phases (`observed`).

use std::ops::Range;

use super::WorstWindow;
use super::tally::{is_worse, windows};
use crate::metrics::RunResult;
use crate::metrics::analysis::observed::{CombinedValues, ObservedSpan, overall};
use crate::plan::{Direction, ObservedNumber, ObservedPart};

/// How late an observation may be; us. A window of 5 s needs no second one where the first has 4.999 s.
const LATENESS_US: u64 = 50_000;
/// Of values that differ by no more than this share of them, the first one counts: as much as the order in which they are
/// added changes them.
const ROUNDING: f64 = 1e-12;

impl RunResult {
    /// The worst of all windows of `window_s` seconds of something observed, over the observations that a window takes.
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
        let wanted_us = window_s.saturating_mul(1_000_000);
        let mut queue = Queue::new(&spans, part);
        let mut worst: Option<(f64, Range<usize>)> = None;
        for window in windows(&lengths, wanted_us.saturating_sub(LATENESS_US)) {
            queue.move_to(&window);
            let known = worst.as_ref().map(|(known, _)| match wanted.direction {
                Direction::AtMost => known + known.abs() * ROUNDING,
                Direction::AtLeast => known - known.abs() * ROUNDING,
            });
            if let Some(value) = queue.number()
                && is_worse(wanted.direction, known, value)
            {
                worst = Some((value, window));
            }
        }
        let worst = worst.and_then(|(_, window)| {
            let length_us: u64 = lengths[window.clone()].iter().sum();
            let window = &spans[window];
            let weighted = window
                .iter()
                .map(|span| (span.length_ms as f64, span.value));
            let value = overall(&weighted.collect::<Vec<_>>(), part)?;
            Some(WorstWindow {
                value: wanted.scale.of_exported(value),
                start_s: window[0].start_us as f64 / 1e6,
                length_s: length_us as f64 / 1e6,
            })
        });
        worst.ok_or_else(|| "it was not observed while load was measured".to_owned())
    }
}

/// What the observations of a window that moves are together. Sums of what is added and taken out again would gather the
/// errors of both, so this is a queue of two stacks: each observation is added at most twice, however long the window is.
struct Queue<'a> {
    spans: &'a [ObservedSpan<'a>],
    part: Option<&'static str>,
    window: Range<usize>,
    /// Of each of the older observations, what it and those between it and the newer ones are together; the oldest one is
    /// the last.
    older: Vec<CombinedValues>,
    /// What the newer ones are together.
    newer: CombinedValues,
}

impl<'a> Queue<'a> {
    fn new(spans: &'a [ObservedSpan<'a>], part: Option<&'static str>) -> Self {
        Self {
            spans,
            part,
            window: 0..0,
            older: Vec::new(),
            newer: CombinedValues::default(),
        }
    }

    /// To a window that neither begins nor ends before the last one.
    fn move_to(&mut self, window: &Range<usize>) {
        for span in &self.spans[self.window.end..window.end] {
            self.newer.add(span.length_ms as f64, span.value, self.part);
        }
        self.window.end = window.end;
        while self.window.start < window.start {
            if self.older.is_empty() {
                self.turn();
            }
            self.older.pop();
            self.window.start += 1;
        }
    }

    /// Makes all of them older ones.
    fn turn(&mut self) {
        let mut together = CombinedValues::default();
        for span in self.spans[self.window.clone()].iter().rev() {
            together.add(span.length_ms as f64, span.value, self.part);
            self.older.push(together.clone());
        }
        self.newer = CombinedValues::default();
    }

    fn number(&self) -> Option<f64> {
        match self.older.last() {
            None => self.newer.number(self.part),
            Some(older) => {
                let mut all = older.clone();
                all.join(&self.newer);
                all.number(self.part)
            }
        }
    }
}
