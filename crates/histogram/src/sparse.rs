//! Histograms that are stored: only the buckets with values.

use std::cmp::Ordering;

use crate::bucket::{
    bucket_index, highest_of_bucket, lowest_at, lowest_of_bucket, middle_of_bucket,
};
use crate::percentile::{Percentile, rank};

/// With up to this many places per value, counting is cheaper than sorting.
const PLACES_PER_VALUE: usize = 4;

/// A histogram with this many times the buckets of another merges it in place.
const MANY_TIMES: usize = 16;

/// The buckets of values in `places` places from `first` on.
fn counted(values: &[u64], first: usize, places: usize) -> Vec<u64> {
    let mut counts = vec![0u32; places];
    for &value in values {
        counts[bucket_index(value) - first] += 1;
    }
    let places = (first..).zip(counts).filter(|(_, count)| *count > 0);
    places
        .flat_map(|(index, count)| [lowest_at(index), u64::from(count)])
        .collect()
}

/// The buckets of any values, which are sorted in place.
fn sorted(values: &mut [u64]) -> Vec<u64> {
    values.sort_unstable();
    let mut buckets: Vec<u64> = Vec::new();
    for &value in values.iter() {
        let bucket = lowest_of_bucket(value);
        match buckets.len() {
            n if n > 0 && buckets[n - 2] == bucket => buckets[n - 1] += 1,
            _ => buckets.extend([bucket, 1]),
        }
    }
    buckets
}

/// The buckets of both, merged in order.
fn merged(one: &SparseHistogram, other: &SparseHistogram) -> Vec<u64> {
    let mut buckets = Vec::with_capacity(one.buckets.len() + other.buckets.len());
    let (mut left, mut right) = (one.iter().peekable(), other.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) => a.0.cmp(&b.0),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return buckets,
        };
        let mut next = (0, 0);
        if order.is_le() {
            next = left.next().unwrap_or_default();
        }
        if order.is_ge() {
            let (bucket, count) = right.next().unwrap_or_default();
            next = (bucket, next.1 + count);
        }
        buckets.extend([next.0, next.1]);
    }
}

/// Buckets and counts in ascending order, with exact sum, minimum and maximum. Merging is
/// lossless: the histogram of two runs merged is the histogram of both recorded at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SparseHistogram {
    /// `[lowest value of the bucket in us, count, ...]`, ascending.
    pub buckets: Vec<u64>,
    /// Sum of the values as recorded; us.
    pub sum_us: u64,
    /// Smallest value; 0 when empty.
    pub min_us: u64,
    /// Largest value; 0 when empty.
    pub max_us: u64,
}

impl SparseHistogram {
    /// The histogram of these values, whose order is changed.
    pub fn of(values: &mut [u64]) -> Self {
        let (Some(&min_us), Some(&max_us)) = (values.iter().min(), values.iter().max()) else {
            return Self::default();
        };
        let places = bucket_index(max_us) - bucket_index(min_us) + 1;
        Self {
            // Counting looks at each value and each place once, which beats sorting unless the
            // values are few and far between.
            buckets: if places <= PLACES_PER_VALUE * values.len() {
                counted(values, bucket_index(min_us), places)
            } else {
                sorted(values)
            },
            sum_us: values.iter().fold(0, |sum, v| sum.saturating_add(*v)),
            min_us,
            max_us,
        }
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.iter().map(|(_, count)| count).sum()
    }

    /// `(lowest value of the bucket, count)`, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.buckets.chunks_exact(2).map(|pair| (pair[0], pair[1]))
    }

    /// How many values are in the bucket that starts with `bucket` or below it.
    pub fn count_up_to(&self, bucket: u64) -> u64 {
        let up_to = self.iter().take_while(|(lowest, _)| *lowest <= bucket);
        up_to.map(|(_, count)| count).sum()
    }

    /// The sum of the buckets' middles, each as often as it has values: the sum of the values within 0.1 %.
    pub fn sum_of_middles(&self) -> f64 {
        self.iter()
            .map(|(lowest, count)| middle_of_bucket(lowest) * count as f64)
            .sum()
    }

    /// What [`crate::Histogram::percentile`] says of these percentiles, which ascend: in one pass, since a file may
    /// have a row of them for each second. Empty when nothing was recorded.
    pub fn percentiles(&self, ascending: &[Percentile]) -> Vec<f64> {
        let count = self.count();
        let mut values = Vec::with_capacity(ascending.len());
        let mut seen = 0;
        for (bucket, in_bucket) in self.iter() {
            seen += in_bucket;
            let value = highest_of_bucket(bucket).clamp(self.min_us, self.max_us);
            let reached = ascending[values.len()..].iter();
            let reached = reached.take_while(|percentile| rank(**percentile, count) <= seen);
            values.extend(reached.map(|_| value as f64));
        }
        if !self.is_empty() {
            values.resize(ascending.len(), self.max_us as f64);
        }
        values
    }

    /// One of them; `None` when nothing was recorded.
    pub fn percentile(&self, percentile: Percentile) -> Option<f64> {
        self.percentiles(&[percentile]).first().copied()
    }

    /// What [`crate::Histogram::standard_deviation`] says.
    pub fn standard_deviation(&self) -> Option<f64> {
        let n = self.count();
        if n < 2 {
            return None;
        }
        let mean = self.mean()?;
        let squares = self
            .iter()
            .map(|(lowest, count)| (middle_of_bucket(lowest) - mean).powi(2) * count as f64);
        Some((squares.sum::<f64>() / (n - 1) as f64).sqrt())
    }

    /// The exact mean; `None` when empty.
    pub fn mean(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.sum_us as f64 / self.count() as f64)
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        if self.is_empty() {
            self.clone_from(other);
            return;
        }
        if other.buckets.len() < self.buckets.len() / MANY_TIMES {
            // In place, since a small histogram is added to a large one every second of a run.
            for (bucket, count) in other.iter() {
                match self.position(bucket) {
                    Ok(at) => self.buckets[at + 1] += count,
                    Err(at) => drop(self.buckets.splice(at..at, [bucket, count])),
                }
            }
        } else {
            self.buckets = merged(self, other);
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.min_us = self.min_us.min(other.min_us);
        self.max_us = self.max_us.max(other.max_us);
    }

    /// Where `bucket` stands in `buckets` (`Ok`), or would be inserted (`Err`).
    fn position(&self, bucket: u64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.buckets.len() / 2);
        while low < high {
            let middle = low.midpoint(high);
            match self.buckets[middle * 2].cmp(&bucket) {
                Ordering::Equal => return Ok(middle * 2),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        Err(low * 2)
    }

    /// Whether perfctl could have written it: pairs, ascending, counts above 0, the extremes in
    /// the outer buckets.
    pub fn is_sound(&self) -> bool {
        let pairs = self.buckets.len().is_multiple_of(2);
        let counted = self.iter().all(|(b, c)| c > 0 && lowest_of_bucket(b) == b);
        let ascending = self.buckets.iter().step_by(2).is_sorted_by(|a, b| a < b);
        let extremes = match (self.iter().next(), self.iter().last()) {
            (Some((low, _)), Some((high, _))) => {
                lowest_of_bucket(self.min_us) == low && lowest_of_bucket(self.max_us) == high
            }
            _ => self.min_us == 0 && self.max_us == 0,
        };
        let countable = self
            .iter()
            .try_fold(0u64, |sum, (_, count)| sum.checked_add(count))
            .is_some();
        pairs && counted && ascending && extremes && countable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counting_and_sorting_give_the_same(
            mut values in prop::collection::vec(0u64..200_000, 1..500),
        ) {
            let first = bucket_index(*values.iter().min().unwrap());
            let last = bucket_index(*values.iter().max().unwrap());
            prop_assert_eq!(counted(&values, first, last - first + 1), sorted(&mut values));
        }

        #[test]
        fn merged_equals_recorded_at_once(
            values in prop::collection::vec(0u64..100_000_000, 0..500),
            cut in 0usize..500,
        ) {
            let cut = cut.min(values.len());
            let mut merged = SparseHistogram::of(&mut values[..cut].to_vec());
            merged.merge(&SparseHistogram::of(&mut values[cut..].to_vec()));
            let at_once = SparseHistogram::of(&mut values.clone());
            prop_assert_eq!(&merged, &at_once);
            prop_assert!(merged.is_sound());
            let text = serde_json::to_string(&merged).unwrap();
            prop_assert_eq!(serde_json::from_str::<SparseHistogram>(&text).unwrap(), at_once);
        }
    }
}
