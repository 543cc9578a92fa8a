//! The buckets: the place of a value among them, and the values of a place.
//!
//! Values below 2048 have a bucket each; above that, a bucket is at most 1/1024 of its value wide.

/// How many buckets there are.
const BUCKETS: usize = 55 * 1024;

/// How many low bits of `value` do not affect its bucket.
fn dropped_bits(value: u64) -> u32 {
    // hdrhistogram with 3 digits has 2048 sub-buckets: the top 11 bits of a value decide.
    (u64::BITS - value.leading_zeros()).saturating_sub(11)
}

/// The smallest value that shares a bucket with `value`.
#[inline]
pub fn lowest_of_bucket(value: u64) -> u64 {
    let dropped_bits = dropped_bits(value);
    value >> dropped_bits << dropped_bits
}

/// The place of the bucket of `value` among all buckets, from 0.
#[inline]
pub fn bucket_index(value: u64) -> usize {
    let dropped_bits = dropped_bits(value);
    (dropped_bits as usize) * 1024 + (value >> dropped_bits) as usize
}

/// The smallest value of the bucket at this place.
pub(crate) fn lowest_at(index: usize) -> u64 {
    let dropped_bits = (index / 1024).saturating_sub(1);
    ((index - dropped_bits * 1024) as u64) << dropped_bits
}

/// Like [`lowest_at`], for a place that may not exist.
pub(crate) fn checked_lowest_at(index: usize) -> Option<u64> {
    (index < BUCKETS).then(|| lowest_at(index))
}

/// The largest value that shares a bucket with `value`.
#[inline]
pub fn highest_of_bucket(value: u64) -> u64 {
    let dropped_bits = dropped_bits(value);
    value | ((1u64 << dropped_bits) - 1)
}

/// The largest value of the bucket at this place, which counts as in [`bucket_index`].
pub fn highest_at(index: usize) -> u64 {
    highest_of_bucket(lowest_at(index))
}

/// The value that represents a bucket: the middle between its extremes. `lowest` is the bucket's
/// smallest value.
#[inline]
pub fn middle_of_bucket(lowest: u64) -> f64 {
    (lowest as f64 + highest_of_bucket(lowest) as f64) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
