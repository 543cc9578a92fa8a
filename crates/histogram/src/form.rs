//! The two forms of a stored histogram: with named fields for people, and a short one for formats that only perfctl
//! reads.

use serde::de::Error as _;
use serde::ser::{Error as _, SerializeStruct};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bucket::{bucket_index, checked_lowest_at, lowest_of_bucket};
use crate::sparse::SparseHistogram;

/// Sum, minimum, maximum and steps, or nothing of an empty histogram. The steps start at the bucket of the minimum,
/// which has one value: a positive one is the distance in buckets to the next value, a negative one is how many
/// further values are in the same bucket.
type ShortForm = Option<(u64, u64, u64, Vec<i64>)>;

/// The form with names.
#[derive(Default, Deserialize)]
#[serde(default)]
struct LongForm {
    buckets: Vec<u64>,
    sum_us: u64,
    min_us: u64,
    max_us: u64,
}

impl Serialize for SparseHistogram {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if !to.is_human_readable() {
            return short(self)
                .ok_or_else(|| S::Error::custom("a histogram is damaged"))?
                .serialize(to);
        }
        let mut fields = to.serialize_struct("SparseHistogram", 4)?;
        fields.serialize_field("buckets", &self.buckets)?;
        fields.serialize_field("sum_us", &self.sum_us)?;
        fields.serialize_field("min_us", &self.min_us)?;
        fields.serialize_field("max_us", &self.max_us)?;
        fields.end()
    }
}

impl<'de> Deserialize<'de> for SparseHistogram {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if !from.is_human_readable() {
            let written = ShortForm::deserialize(from)?;
            return read(written).ok_or_else(|| D::Error::custom("a histogram is damaged"));
        }
        let LongForm {
            buckets,
            sum_us,
            min_us,
            max_us,
        } = LongForm::deserialize(from)?;
        Ok(Self {
            buckets,
            sum_us,
            min_us,
            max_us,
        })
    }
}

/// The short form; `None` if the histogram is not sound.
fn short(histogram: &SparseHistogram) -> Option<ShortForm> {
    if histogram.is_empty() {
        return Some(None);
    }
    let mut steps = Vec::with_capacity(histogram.buckets.len());
    let mut last = bucket_index(histogram.min_us);
    for (i, (bucket, count)) in histogram.iter().enumerate() {
        let distance = bucket_index(bucket).checked_sub(last)?;
        if (i > 0) == (distance == 0) {
            return None;
        }
        if i > 0 {
            steps.push(i64::try_from(distance).ok()?);
        }
        match i64::try_from(count).ok()? {
            0 => return None,
            1 => {}
            count => steps.push(1 - count),
        }
        last += distance;
    }
    let SparseHistogram {
        sum_us,
        min_us,
        max_us,
        ..
    } = *histogram;
    Some(Some((sum_us, min_us, max_us, steps)))
}

/// The histogram of a short form; `None` if it is damaged.
fn read(short: ShortForm) -> Option<SparseHistogram> {
    let Some((sum_us, min_us, max_us, steps)) = short else {
        return Some(SparseHistogram::default());
    };
    let mut index = bucket_index(min_us);
    let mut buckets = Vec::with_capacity(2 * steps.len() + 2);
    buckets.extend([lowest_of_bucket(min_us), 1]);
    for step in steps {
        if step < 0 {
            let count = buckets.last_mut()?;
            *count = count.checked_add(step.unsigned_abs())?;
            continue;
        }
        let step = usize::try_from(step).ok().filter(|step| *step > 0)?;
        index = index.checked_add(step)?;
        buckets.extend([checked_lowest_at(index)?, 1]);
    }
    Some(SparseHistogram {
        buckets,
        sum_us,
        min_us,
        max_us,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> SparseHistogram {
        SparseHistogram::of(&mut values.to_vec())
    }

    proptest! {
        #[test]
        fn both_forms_are_read_as_they_were_written(
            values in prop::collection::vec(prop_oneof![0u64..5_000, 0..u64::MAX], 0..50),
        ) {
            let written = of(&values);
            let packed = rmp_serde::to_vec(&written).unwrap();
            prop_assert_eq!(&rmp_serde::from_slice::<SparseHistogram>(&packed).unwrap(), &written);
            let text = serde_json::to_string(&written).unwrap();
            prop_assert_eq!(serde_json::from_str::<SparseHistogram>(&text).unwrap(), written);
        }

        #[test]
        fn whatever_stands_in_a_file_is_read_or_refused(
            numbers in any::<(u64, u64, u64)>(),
            steps in prop::collection::vec(any::<i64>(), 0..8),
        ) {
            let (pairs, short) = (1 + steps.len(), (numbers.0, numbers.1, numbers.2, steps));
            let packed = rmp_serde::to_vec(&short).unwrap();
            if let Ok(read) = rmp_serde::from_slice::<SparseHistogram>(&packed) {
                prop_assert!(read.buckets.len().is_multiple_of(2) && read.buckets.len() <= 2 * pairs);
            }
        }
    }

    #[test]
    fn the_short_form_counts_buckets() {
        let short = short(&of(&[10, 10, 10, 12, 40_000]));
        assert_eq!(short, Some(Some((40_042, 10, 40_000, vec![-2, 2, 6358]))));
        assert_eq!(super::short(&of(&[])), Some(None));
    }

    #[test]
    fn a_long_form_may_lack_fields() {
        let read: SparseHistogram = serde_json::from_str("{}").unwrap();
        assert_eq!(read, SparseHistogram::default());
    }

    #[test]
    fn damage_is_refused() {
        for steps in [vec![0], vec![i64::MAX], vec![-1, i64::MIN, i64::MIN]] {
            assert_eq!(read(Some((1, 1, 1, steps.clone()))), None, "{steps:?}");
        }
        let mut damaged = of(&[10, 20]);
        damaged.buckets[1] = 0;
        assert_eq!(short(&damaged), None);
        damaged.buckets = vec![20, 1, 10, 1];
        assert_eq!(short(&damaged), None);
    }
}
