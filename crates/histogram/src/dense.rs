//! Histograms to read percentiles from. The only user of the hdrhistogram crate.

use crate::bucket::{highest_of_bucket, lowest_of_bucket, middle_of_bucket};
use crate::percentile::{Percentile, rank};
use crate::sparse::SparseHistogram;

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

    /// `(lowest value of the bucket, how many values are in it or below)` of the buckets with values, ascending.
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut below = 0;
        let add = |(lowest, count)| {
            below += count;
            (lowest, below)
        };
        self.recorded().map(add).collect()
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
    }
}
