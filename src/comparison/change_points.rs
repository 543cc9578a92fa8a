//! Change points: the runs of a history from which on a metric has another level.
//!
//! The statistic is that of circular binary segmentation (A. Olshen, E. Venkatraman, R. Lucito and
//! M. Wigler, Biostatistics 5, 2004) on van der Waerden's normal scores instead of the values: the
//! largest standardized difference between a segment of the runs and the others. Ranks make its
//! distribution under "all runs are equal" known whatever the noise looks like, so that one table of
//! critical values holds for every metric and service (decision 67). Here: where a series of
//! numbers changes. Not here: which runs make a series (`setup`, `history`).

mod critical;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

use super::statistical::normal_quantile;
use crate::metrics::median;
use critical::critical;
pub use critical::{LEAST_RUNS, MOST_RUNS};

/// The fewest runs on either side of a change.
const LEAST_SIDE: usize = 3;
/// What the boundary of a segment in the middle must exceed by itself: 1% of a normal variable.
/// The segment as a whole has passed the test already; it may still touch only one change.
const BOUNDARY: f64 = 2.576;
/// Settles the order of equal values.
const SEED: u64 = 67;

/// Where a series of numbers, oldest first, changes its level: the positions of the first numbers
/// of each new level, ascending. If nothing but chance tells the numbers apart, there is one with
/// at most the probability `level`. Medians that differ by less than what `margin` makes of the earlier
/// one are no change. Nothing is found in fewer than [`LEAST_RUNS`] numbers; of more than
/// [`MOST_RUNS`], the newest are tested.
pub fn change_points(values: &[f64], level: f64, margin: impl Fn(f64) -> f64) -> Vec<usize> {
    let skipped = values.len().saturating_sub(MOST_RUNS);
    let values = &values[skipped..];
    let mut found = Vec::new();
    let mut open = vec![(0, values.len())];
    while let Some((from, to)) = open.pop() {
        let within = split(&values[from..to], level);
        if within.is_empty() {
            continue;
        }
        let ends = within.iter().map(|at| from + at).chain([to]);
        let mut start = from;
        for end in ends {
            open.push((start, end));
            start = end;
        }
        found.extend(within.iter().map(|at| from + at));
    }
    found.sort_unstable();
    // The smallest step first, since its removal lets the others be seen against more runs.
    while let Some(position) = smallest(values, &found, &margin) {
        found.remove(position);
    }
    found.iter().map(|at| skipped + at).collect()
}

/// The position among `found` of the smallest change, if it is within its margin.
fn smallest(values: &[f64], found: &[usize], margin: impl Fn(f64) -> f64) -> Option<usize> {
    let ends = found.iter().copied().chain([values.len()]).skip(1);
    let starts = std::iter::once(0).chain(found.iter().copied());
    let steps = starts.zip(found).zip(ends).map(|((start, at), end)| {
        let (before, after) = (median(&values[start..*at]), median(&values[*at..end]));
        (after - before).abs() / margin(before).max(f64::MIN_POSITIVE)
    });
    let least = steps.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
    least.filter(|(_, step)| *step < 1.0).map(|(at, _)| at)
}

/// One or two positions that divide the numbers into levels; none if they may all be equal.
fn split(values: &[f64], level: f64) -> Vec<usize> {
    let Some(critical) = critical(values.len(), level) else {
        return Vec::new();
    };
    let scores = scores(values);
    let (start, end, largest) = extreme_segment(&scores);
    // Few orders are possible of few runs, so values are reached exactly.
    if largest <= critical + 0.001 {
        return Vec::new();
    }
    if start == 0 {
        return vec![end];
    }
    if end == values.len() {
        return vec![start];
    }
    let at_start = difference(&values[..end], start);
    let at_end = difference(&values[start..], end - start);
    match (at_start > BOUNDARY, at_end > BOUNDARY) {
        (true, true) => vec![start, end],
        (true, false) => vec![start],
        (false, true) => vec![end],
        (false, false) if at_start >= at_end => vec![start],
        (false, false) => vec![end],
    }
}

/// The segment that differs most from the others: its start, its end, and by how much.
fn extreme_segment(scores: &[f64]) -> (usize, usize, f64) {
    let runs = scores.len();
    let sums = sums(scores);
    let scales: Vec<f64> = (0..=runs).map(|length| scale(scores, length)).collect();
    let mut most = (0, runs, 0.0);
    for start in 0..runs {
        for end in start + LEAST_SIDE..=runs {
            let difference = (sums[end] - sums[start]).abs() * scales[end - start];
            if difference > most.2 {
                most = (start, end, difference);
            }
        }
    }
    most
}

/// How much the first numbers differ from those from `at` on, standardized.
fn difference(values: &[f64], at: usize) -> f64 {
    let scores = scores(values);
    sums(&scores)[at].abs() * scale(&scores, at)
}

/// What makes the sum of so many scores a standardized variable; 0 where one side is too short.
fn scale(scores: &[f64], length: usize) -> f64 {
    let rest = scores.len() - length;
    if length.min(rest) < LEAST_SIDE {
        return 0.0;
    }
    let squares: f64 = scores.iter().map(|score| score * score).sum();
    let [runs, length, rest] = [scores.len(), length, rest].map(|count| count as f64);
    // Of a sum of `length` scores drawn without replacement.
    let variance = squares / runs * length * rest / (runs - 1.0);
    1.0 / variance.sqrt()
}

/// The sum of the scores before each position, and of all.
fn sums(scores: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0];
    sums.extend(scores.iter().scan(0.0, |sum, score| {
        *sum += score;
        Some(*sum)
    }));
    sums
}

/// The normal scores of the ranks. Equal values are ordered at random, as measuring them more closely
/// would, so that the table holds for them too.
fn scores(values: &[f64]) -> Vec<f64> {
    let mut random = ChaCha12Rng::seed_from_u64(SEED);
    let mut order: Vec<(f64, u64, usize)> = values
        .iter()
        .enumerate()
        .map(|(position, value)| (*value, random.random(), position))
        .collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut scores = vec![0.0; values.len()];
    for (rank, (_, _, position)) in order.into_iter().enumerate() {
        scores[position] = normal_quantile((rank + 1) as f64 / (values.len() + 1) as f64);
    }
    scores
}

#[cfg(test)]
mod tests;
