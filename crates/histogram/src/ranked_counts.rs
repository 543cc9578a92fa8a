//! Counts by bucket that change with each second, and the bucket of a rank among them.
//!
//! Not here: histograms that only grow (`dense`, `sparse`).

use crate::bucket::bucket_index;

/// Counts by bucket, that can be added and taken out, and tell the bucket of a rank: a Fenwick tree (Fenwick 1994),
/// in which all three take a time that grows with the logarithm of the number of buckets.
#[derive(Debug, Default)]
pub struct RankedCounts {
    /// At each position from 1, the sum of as many counts before it as its lowest bit says.
    sums: Vec<u64>,
    count: u64,
}

impl RankedCounts {
    /// Adds values of a bucket, which is given by one of them.
    pub fn add(&mut self, bucket: u64, count: u64) {
        let position = bucket_index(bucket) + 1;
        self.grow(position);
        self.count += count;
        self.each(position, |sum| *sum += count);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes out what was added.
    pub fn remove(&mut self, bucket: u64, count: u64) {
        self.count -= count;
        self.each(bucket_index(bucket) + 1, |sum| *sum -= count);
    }

    fn each(&mut self, mut position: usize, change: impl Fn(&mut u64)) {
        while position < self.sums.len() {
            change(&mut self.sums[position]);
            position += position & position.wrapping_neg();
        }
    }

    /// Until there is such a position. There are as many as a power of two, and the last one has the sum of all.
    fn grow(&mut self, position: usize) {
        if self.sums.is_empty() {
            self.sums = vec![0; 2];
        }
        while self.sums.len() <= position {
            let length = (self.sums.len() - 1) * 2 + 1;
            self.sums.resize(length, 0);
            self.sums[length - 1] = self.count;
        }
    }

    /// The position of the bucket that has the value of this rank, which counts from 1.
    pub fn bucket_of(&self, rank: u64) -> usize {
        let mut position = 0;
        let mut before = 0;
        let mut step = self.sums.len().saturating_sub(1);
        while step > 0 {
            if let Some(sum) = self.sums.get(position + step)
                && before + sum < rank
            {
                position += step;
                before += sum;
            }
            step /= 2;
        }
        position
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_rank_is_found(
            kept in prop::collection::vec(0u64..100_000, 1..60),
            removed in prop::collection::vec(0u64..1_000_000, 0..20),
        ) {
            let mut counts = RankedCounts::default();
            removed.iter().for_each(|value| counts.add(*value, 2));
            kept.iter().for_each(|value| counts.add(*value, 1));
            removed.iter().for_each(|value| counts.remove(*value, 2));
            let mut wanted: Vec<usize> = kept.iter().map(|value| bucket_index(*value)).collect();
            wanted.sort_unstable();
            let found: Vec<usize> = (1..=counts.count()).map(|rank| counts.bucket_of(rank)).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
