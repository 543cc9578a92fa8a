//! The buckets of other tools, filled from perfctl's, which are finer: each is at most 1/1024 of its value wide.
//!
//! Here: classic buckets with fixed bounds, and exponential ones. Not here: how they are written.

use crate::metrics::SparseHistogram;

/// The upper bounds of classic buckets, inclusive; us.
pub(super) const BOUNDS_US: [u64; 22] = [
    500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 50_000, 75_000, 100_000, 150_000, 200_000,
    300_000, 500_000, 750_000, 1_000_000, 2_000_000, 3_000_000, 5_000_000, 10_000_000, 30_000_000,
    60_000_000,
];

/// How many values are in each classic bucket, and above the last bound.
pub(super) fn classic(histogram: &SparseHistogram) -> [u64; BOUNDS_US.len() + 1] {
    let mut counts = [0; BOUNDS_US.len() + 1];
    for (lowest_us, count) in histogram.iter() {
        counts[BOUNDS_US.partition_point(|bound| *bound < lowest_us)] += count;
    }
    counts
}

/// The most exponential buckets, as in the SDKs of OpenTelemetry.
const MOST: usize = 160;

/// The finest scale: a bucket is 9 % wide.
const SCALE: i32 = 3;

/// Buckets that grow by a factor of `2^(2^-scale)`: bucket `i` has the values in seconds above `2^(i * 2^-scale)`, up to
/// and including the lower end of the next one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exponential {
    /// -4 to 3.
    pub(super) scale: i32,
    /// How many values are 0.
    pub(super) zeros: u64,
    /// The position of the first of `counts`.
    pub(super) first: i32,
    /// How many values are in each bucket, without a gap.
    pub(super) counts: Vec<u64>,
}

impl Exponential {
    /// In the finest buckets of which there are not too many.
    pub(super) fn of(histogram: &SparseHistogram) -> Self {
        let mut made = Self {
            scale: SCALE,
            zeros: 0,
            first: 0,
            counts: Vec::new(),
        };
        for (lowest_us, count) in histogram.iter() {
            if lowest_us == 0 {
                made.zeros += count;
                continue;
            }
            let exponent = (lowest_us as f64 / 1e6).log2() * f64::from(1 << SCALE);
            let position = exponent.ceil() as i32 - 1;
            if made.counts.is_empty() {
                made.first = position;
            }
            // They ascend.
            let place = (position - made.first) as usize;
            made.counts.resize(place + 1, 0);
            made.counts[place] += count;
        }
        while made.counts.len() > MOST {
            made.widen();
        }
        made
    }

    /// Joins buckets in pairs.
    fn widen(&mut self) {
        let first = self.first >> 1;
        let mut counts = Vec::new();
        for (position, count) in (self.first..).zip(&self.counts) {
            let place = ((position >> 1) - first) as usize;
            counts.resize(place + 1, 0);
            counts[place] += count;
        }
        *self = Self {
            scale: self.scale - 1,
            first,
            counts,
            ..*self
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bounds_are_inclusive() {
        let counts = classic(&SparseHistogram::of(&mut [
            0, 500, 501, 1_000, 60_000_001, 5,
        ]));
        assert_eq!((counts[0], counts[1], counts[2]), (3, 2, 0));
        // The bucket of 60 s reaches from 59.998 s to 60.03 s.
        assert_eq!(counts[21] + counts[22], 1);
        // Half a second is 2^-1: the upper bound of the bucket before it.
        let halves = Exponential::of(&SparseHistogram::of(&mut [500_000, 500_000, 0]));
        assert_eq!((halves.scale, halves.first, halves.zeros), (3, -9, 1));
        assert_eq!(halves.counts, [2]);
    }

    proptest! {
        #[test]
        fn buckets_have_all_values_where_they_belong(
            values in prop::collection::vec(prop_oneof![0..3_000u64, 0..90_000_000u64, any::<u64>()], 1..200),
        ) {
            let histogram = SparseHistogram::of(&mut values.clone());
            let counts = classic(&histogram);
            prop_assert_eq!(counts.iter().sum::<u64>(), values.len() as u64);
            let mut below = 0;
            for (count, bound) in counts.iter().zip(BOUNDS_US) {
                below += count;
                let surely = values.iter().filter(|us| **us <= bound).count() as u64;
                let maybe = values.iter().filter(|us| **us <= bound + bound / 1_000).count() as u64;
                prop_assert!((surely..=maybe).contains(&below), "{bound}");
            }
            let exponential = Exponential::of(&histogram);
            prop_assert!(exponential.counts.len() <= MOST);
            prop_assert_eq!(
                exponential.zeros + exponential.counts.iter().sum::<u64>(),
                values.len() as u64
            );
            let mut below = exponential.zeros;
            for (position, count) in (exponential.first..).zip(&exponential.counts) {
                below += count;
                let power = f64::from(position + 1) * f64::from(-exponential.scale).exp2();
                let bound = power.exp2() * 1e6;
                let within = |factor: f64| values.iter().filter(|us| **us as f64 <= bound * factor).count() as u64;
                prop_assert!((within(0.999)..=within(1.001)).contains(&below), "{bound}");
            }
        }
    }
}
