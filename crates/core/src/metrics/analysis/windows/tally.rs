//! What is in a window that moves over seconds, as far as a metric needs it.
//!
//! Not here: which windows there are, and the worst of them (`windows`, `live`).

use std::ops::Range;

use perfctl_histogram::{RankedCounts, highest_at, rank};

use crate::metrics::{Cell, Outcome, SparseHistogram};
use crate::plan::{Direction, Metric, Percentile};

/// A second of measured time.
pub(super) trait Second {
    /// The last one of a phase may be shorter.
    fn length_us(&self) -> u64;

    /// What is counted in it for a metric.
    fn counts(&self, metric: &Metric) -> impl Iterator<Item = Counts<'_>>;
}

/// What a metric counts of a cell.
pub(super) struct Counts<'a> {
    /// What a share is taken of.
    pub(super) counted: u64,
    /// What is good or bad of it.
    pub(super) of_them: u64,
    /// The values that the metric is a percentile or the mean of.
    pub(super) values: [Option<&'a SparseHistogram>; 2],
}

impl<'a> Counts<'a> {
    pub(super) fn of(metric: &Metric, cell: &'a Cell) -> Self {
        let finished = || cell.count(|outcome| outcome == Outcome::Ok || outcome.is_failure());
        let (counted, of_them) = match metric {
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
        };
        let values = match metric {
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
        };
        Self {
            counted,
            of_them,
            values,
        }
    }
}

/// A window that moves over pieces of time: for each end as few of them as are at least `wanted_us` long together.
#[derive(Debug)]
pub(super) struct Reach {
    wanted_us: u64,
    /// The positions of its pieces.
    pub(super) window: Range<usize>,
    pub(super) length_us: u64,
}

impl Reach {
    /// Before the piece at this position.
    pub(super) fn from(start: usize, wanted_us: u64) -> Self {
        Self {
            wanted_us,
            window: start..start,
            length_us: 0,
        }
    }

    /// Takes in the next piece, and leaves out those that are no longer needed.
    pub(super) fn extend(&mut self, length_us: impl Fn(usize) -> u64) {
        self.length_us += length_us(self.window.end);
        self.window.end += 1;
        while self.window.len() > 1 {
            let rest_us = self.length_us - length_us(self.window.start);
            if rest_us < self.wanted_us {
                break;
            }
            self.length_us = rest_us;
            self.window.start += 1;
        }
    }

    /// Whether it is as long as wanted.
    pub(super) fn is_full(&self) -> bool {
        self.length_us >= self.wanted_us
    }
}

/// The windows over pieces of time of these lengths, in order: for each end as few pieces as are at least `wanted` long
/// together, or all of them where there is less.
pub(super) fn windows(lengths: &[u64], wanted: u64) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut reach = Reach::from(0, wanted.min(lengths.iter().sum()));
    lengths.iter().filter_map(move |_| {
        reach.extend(|at| lengths[at]);
        reach.is_full().then(|| reach.window.clone())
    })
}

/// Whether a value is worse than the worst one known.
pub(super) fn is_worse(direction: Direction, known: Option<f64>, value: f64) -> bool {
    known.is_none_or(|known| match direction {
        Direction::AtMost => value > known,
        Direction::AtLeast => value < known,
    })
}

/// What is in a window, as far as a metric needs it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The seconds that are in it.
    seconds: Range<usize>,
    values: RankedCounts,
    /// Of the values.
    sum: u128,
    counted: u64,
    of_them: u64,
    length_us: u64,
}

impl Tally {
    /// Of nothing, before the second at this position.
    pub(super) fn from(start: usize) -> Self {
        Self {
            seconds: start..start,
            ..Self::default()
        }
    }

    /// To a window that neither begins nor ends before the last one.
    pub(super) fn move_to<'s, S: Second + 's>(
        &mut self,
        window: &Range<usize>,
        metric: &Metric,
        second: impl Fn(usize) -> &'s S,
    ) {
        (self.seconds.end..window.end).for_each(|at| self.add(metric, second(at)));
        (self.seconds.start..window.start).for_each(|at| self.remove(metric, second(at)));
        self.seconds = window.clone();
    }

    fn add(&mut self, metric: &Metric, second: &impl Second) {
        self.length_us += second.length_us();
        for counts in second.counts(metric) {
            self.counted += counts.counted;
            self.of_them += counts.of_them;
            for values in counts.values.into_iter().flatten() {
                self.sum += u128::from(values.sum_us);
                values
                    .iter()
                    .for_each(|(bucket, count)| self.values.add(bucket, count));
            }
        }
    }

    /// Takes out what was added.
    fn remove(&mut self, metric: &Metric, second: &impl Second) {
        self.length_us -= second.length_us();
        for counts in second.counts(metric) {
            self.counted -= counts.counted;
            self.of_them -= counts.of_them;
            for values in counts.values.into_iter().flatten() {
                self.sum -= u128::from(values.sum_us);
                values
                    .iter()
                    .for_each(|(bucket, count)| self.values.remove(bucket, count));
            }
        }
    }

    /// The value of the metric, of a percentile the position of its bucket: both have the same order.
    pub(super) fn value(&self, metric: &Metric) -> Option<f64> {
        let count = self.values.count();
        match (metric, percentile_of(metric)) {
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

/// What [`Tally::value`] stands for, of a window with these seconds: of a percentile what
/// [`SparseHistogram::percentile`] says of all its values together.
pub(super) fn in_unit<'s, S: Second + 's>(
    metric: &Metric,
    value: f64,
    window: impl Iterator<Item = &'s S>,
) -> f64 {
    if percentile_of(metric).is_none() {
        return value;
    }
    let (mut min_us, mut max_us) = (u64::MAX, 0);
    let counts = window.flat_map(|second| second.counts(metric));
    let values = counts.flat_map(|counts| counts.values).flatten();
    for values in values.filter(|values| !values.is_empty()) {
        min_us = min_us.min(values.min_us);
        max_us = max_us.max(values.max_us);
    }
    highest_at(value as usize).max(min_us).min(max_us) as f64
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
