//! Histograms of microseconds: a dense one to read percentiles from, a sparse one to store.
//!
//! The only user of the hdrhistogram crate. Both forms have the same buckets: values below 2048
//! have one each, and above that a bucket is at most 1/1024 of its value wide, so that a
//! percentile is within 0.1 % of the recorded value.

mod form;

use std::cmp::Ordering;

use crate::plan::Percentile;

/// With up to this many places per value, counting is cheaper than sorting.
const PLACES_PER_VALUE: usize = 4;

/// A histogram with this many times the buckets of another merges it in place.
const MANY_TIMES: usize = 16;

/// How many low bits of `value` do not affect its bucket.
fn dropped_bits(value: u64) -> u32 {
    // hdrhistogram with 3 digits has 2048 sub-buckets: the top 11 bits of a value decide.
    (u64::BITS - value.leading_zeros()).saturating_sub(11)
}

/// The smallest value that shares a bucket with `value`.
pub fn lowest_of_bucket(value: u64) -> u64 {
    let dropped_bits = dropped_bits(value);
    value >> dropped_bits << dropped_bits
}

/// How many buckets there are.
const BUCKETS: usize = 55 * 1024;

/// The place of the bucket of `value` among all buckets, from 0.
pub fn bucket_index(value: u64) -> usize {
    let dropped_bits = dropped_bits(value);
    (dropped_bits as usize) * 1024 + (value >> dropped_bits) as usize
}

/// The smallest value of the bucket at this place.
fn lowest_at(index: usize) -> u64 {
    let dropped_bits = (index / 1024).saturating_sub(1);
    ((index - dropped_bits * 1024) as u64) << dropped_bits
}

/// Like [`lowest_at`], for a place that may not exist.
fn checked_lowest_at(index: usize) -> Option<u64> {
    (index < BUCKETS).then(|| lowest_at(index))
}

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

/// The largest value that shares a bucket with `value`.
pub fn highest_of_bucket(value: u64) -> u64 {
    let dropped_bits = dropped_bits(value);
    value | ((1u64 << dropped_bits) - 1)
}

/// The largest value of the bucket at this place, which counts as in [`bucket_index`].
pub(super) fn highest_at(index: usize) -> u64 {
    highest_of_bucket(lowest_at(index))
}

/// The value that represents a bucket: the middle between its extremes. `lowest` is the bucket's
/// smallest value.
pub fn middle_of_bucket(lowest: u64) -> f64 {
    (lowest as f64 + highest_of_bucket(lowest) as f64) / 2.0
}

/// Which of `count` values, counted from 1, is a percentile of them. Counted in f64 rather than by the crate,
/// whose rounding of the quantile can land one rank off.
pub(super) fn rank(percentile: Percentile, count: u64) -> u64 {
    let rank = percentile.quantile() * count as f64 - 1e-9;
    rank.ceil().max(1.0) as u64
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

    /// What [`Histogram::percentile`] says of these percentiles, which ascend: in one pass, since a file may
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

    /// What [`Histogram::standard_deviation`] says.
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

/// A histogram to read percentiles from.
#[derive(Debug, Clone)]
pub struct Histogram {
    dense: hdrhistogram::Histogram<u64>,
    sum_us: u64,
    min_us: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        let mut dense = hdrhistogram::Histogram::new_with_bounds(1, 2, 3)
            .expect("the bounds are within what hdrhistogram allows");
        dense.auto(true);
        Self {
            dense,
            sum_us: 0,
            min_us: u64::MAX,
            max_us: 0,
        }
    }
}

impl Histogram {
    /// Adds all of a sparse histogram.
    pub fn add(&mut self, sparse: &SparseHistogram) {
        for (bucket, count) in sparse.iter() {
            // Resizing fails only when address space runs out; a value that large is clamped.
            let value = bucket.min(u64::MAX / 4);
            if self.dense.record_n(value, count).is_err() {
                self.dense.saturating_record_n(value, count);
            }
        }
        if !sparse.is_empty() {
            self.sum_us = self.sum_us.saturating_add(sparse.sum_us);
            self.min_us = self.min_us.min(sparse.min_us);
            self.max_us = self.max_us.max(sparse.max_us);
        }
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.dense.len()
    }

    /// The nearest-rank percentile, within 0.1 %; `None` when empty.
    pub fn percentile(&self, percentile: Percentile) -> Option<f64> {
        if self.count() == 0 {
            return None;
        }
        let rank = rank(percentile, self.count());
        let mut seen = 0;
        for bucket in self.dense.iter_recorded() {
            seen += bucket.count_since_last_iteration();
            if seen >= rank {
                let value = highest_of_bucket(bucket.value_iterated_to());
                return Some(value.clamp(self.min_us, self.max_us) as f64);
            }
        }
        Some(self.max_us as f64)
    }

    /// `(lowest value of the bucket, count)` of the buckets with values, ascending.
    pub fn recorded(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.dense.iter_recorded().map(|bucket| {
            let lowest = lowest_of_bucket(bucket.value_iterated_to());
            (lowest, bucket.count_since_last_iteration())
        })
    }

    /// The exact mean; `None` when empty.
    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sum_us as f64 / self.count() as f64)
    }

    /// The standard deviation of the sample, from the buckets' middles (within 0.1 %); `None`
    /// below two values.
    pub fn standard_deviation(&self) -> Option<f64> {
        let n = self.count();
        if n < 2 {
            return None;
        }
        let mean = self.mean()?;
        let squares: f64 = self
            .dense
            .iter_recorded()
            .map(|bucket| {
                let value = bucket.value_iterated_to();
                let middle = middle_of_bucket(lowest_of_bucket(value));
                (middle - mean).powi(2) * bucket.count_since_last_iteration() as f64
            })
            .sum();
        Some((squares / (n - 1) as f64).sqrt())
    }

    /// The exact smallest value; `None` when empty.
    pub fn min(&self) -> Option<f64> {
        (self.count() > 0).then_some(self.min_us as f64)
    }

    /// The exact largest value; `None` when empty.
    pub fn max(&self) -> Option<f64> {
        (self.count() > 0).then_some(self.max_us as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn percentile(values: &[u64], p: f64) -> f64 {
        let mut histogram = Histogram::default();
        histogram.add(&SparseHistogram::of(&mut values.to_vec()));
        histogram.percentile(Percentile::new(p).unwrap()).unwrap()
    }

    #[test]
    fn buckets_are_those_of_hdrhistogram() {
        let reference = hdrhistogram::Histogram::<u8>::new_with_bounds(1, 1 << 40, 3).unwrap();
        for shift in 0..40 {
            for offset in [0u64, 1, 2, 3, 1023, 1024, 2047] {
                let value = (1u64 << shift) + offset;
                assert_eq!(lowest_of_bucket(value), reference.lowest_equivalent(value));
                assert_eq!(
                    highest_of_bucket(value),
                    reference.highest_equivalent(value)
                );
            }
        }
    }

    #[test]
    fn buckets_have_places_without_gaps() {
        let mut bucket = 0;
        for index in 0..BUCKETS {
            assert_eq!(lowest_at(index), bucket);
            assert_eq!(checked_lowest_at(index), Some(bucket));
            assert_eq!(bucket_index(bucket), index);
            assert_eq!(bucket_index(highest_of_bucket(bucket)), index);
            bucket = highest_of_bucket(bucket).wrapping_add(1);
        }
        assert_eq!(bucket, 0, "the last bucket ends with the largest value");
        assert_eq!(checked_lowest_at(BUCKETS), None);
        let last = bucket_index(u64::MAX);
        assert_eq!(lowest_at(last), lowest_of_bucket(u64::MAX));
    }

    #[test]
    fn nothing_recorded_has_no_numbers() {
        let histogram = Histogram::default();
        assert_eq!(histogram.percentile(Percentile::new(50.0).unwrap()), None);
        assert_eq!(histogram.mean(), None);
        assert_eq!(histogram.max(), None);
    }

    #[test]
    fn one_to_a_million_values() {
        for n in [1, 2, 3, 10, 99, 100, 101, 1_000, 100_000, 1_000_000] {
            let values: Vec<u64> = (1..=n).map(|i| i * 1_000).collect();
            for p in [50.0, 90.0, 99.0, 99.9, 99.999, 100.0] {
                let rank = (p / 100.0 * n as f64 - 1e-9).ceil();
                let (exact, got) = (rank * 1_000.0, percentile(&values, p));
                assert!(
                    (got - exact).abs() <= exact * 1e-3,
                    "p{p} of {n}: {got} for {exact}"
                );
            }
        }
    }

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
        fn percentiles_are_nearest_rank_within_a_thousandth(
            mut values in prop::collection::vec(0u64..100_000_000, 1..2000),
            p in 0.001f64..=100.0,
        ) {
            let got = percentile(&values, p);
            values.sort_unstable();
            let rank = ((p / 100.0 * values.len() as f64 - 1e-9).ceil() as usize).max(1);
            let exact = values[rank - 1] as f64;
            prop_assert!((got - exact).abs() <= exact * 1e-3, "{got} for {exact}");
        }

        #[test]
        fn percentiles_rise_and_stay_between_the_extremes(
            values in prop::collection::vec(0u64..10_000_000_000, 1..500),
        ) {
            let ps = [0.1, 50.0, 90.0, 95.0, 99.0, 99.9, 100.0];
            let got: Vec<f64> = ps.iter().map(|p| percentile(&values, *p)).collect();
            prop_assert!(got.is_sorted());
            prop_assert!(got[0] >= *values.iter().min().unwrap() as f64);
            prop_assert_eq!(got[6], *values.iter().max().unwrap() as f64);
        }

        #[test]
        fn one_pass_gives_the_same_percentiles(
            mut values in prop::collection::vec(0u64..10_000_000_000, 0..500),
        ) {
            let ps = [0.1, 50.0, 50.0, 90.0, 95.0, 99.0, 99.99, 100.0];
            let ascending = ps.map(|p| Percentile::new(p).unwrap());
            let sparse = SparseHistogram::of(&mut values);
            let mut dense = Histogram::default();
            dense.add(&sparse);
            let one_by_one: Vec<f64> = ascending.iter().filter_map(|p| dense.percentile(*p)).collect();
            prop_assert_eq!(sparse.percentiles(&ascending), one_by_one);
            prop_assert_eq!(sparse.mean(), dense.mean());
            prop_assert_eq!(sparse.standard_deviation(), dense.standard_deviation());
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
