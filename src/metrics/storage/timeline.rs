//! The seconds of a run, and their compact form in files.
//!
//! Four hours of 20 endpoints are 288,000 cells, most of them with few requests. Written like the
//! cells of whole phases they would take three times the space. The compact form loses nothing.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::metrics::histogram::{bucket_index, checked_lowest_at, lowest_of_bucket};
use crate::metrics::{Cell, SparseHistogram};

/// One second of one phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Position of the phase.
    pub phase: usize,
    /// Whole seconds from the phase's start; the last one of a phase may be shorter.
    pub second: u64,
    /// `(endpoint, counts)` of the endpoints with requests intended to start in it. Only
    /// `outcomes`, `response` and `censored` are kept here, and in files; and of `components` and `measures` those of
    /// which an SLO has a window.
    #[serde(serialize_with = "write_cells", deserialize_with = "read_cells")]
    pub cells: Vec<(usize, Cell)>,
}

fn write_cells<S: Serializer>(cells: &[(usize, Cell)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(
        cells
            .iter()
            .map(|(endpoint, cell)| PackedCell(*endpoint, cell)),
    )
}

fn read_cells<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(usize, Cell)>, D::Error> {
    let cells: Vec<UnpackedCell> = Vec::deserialize(from)?;
    Ok(cells
        .into_iter()
        .map(|UnpackedCell(endpoint, cell)| (endpoint, cell))
        .collect())
}

/// `[endpoint, response, outcomes]`, followed by `censored`, `components` and `measures`, up to the last one that is
/// not empty.
struct PackedCell<'a>(usize, &'a Cell);

impl Serialize for PackedCell<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self(endpoint, cell) = self;
        let mut seq = to.serialize_seq(None)?;
        seq.serialize_element(endpoint)?;
        seq.serialize_element(&PackedHistogram(&cell.response))?;
        seq.serialize_element(&cell.outcomes)?;
        let (components, measures) = (&cell.components, &cell.measures);
        let has_more = !components.is_empty() || !measures.is_empty();
        if has_more || !cell.censored.is_empty() {
            seq.serialize_element(&PackedHistogram(&cell.censored))?;
        }
        if has_more {
            seq.serialize_element(components)?;
        }
        if !measures.is_empty() {
            seq.serialize_element(measures)?;
        }
        seq.end()
    }
}

/// `[sum_us, min_us, max_us, ...]`, or `[]` if empty. The numbers after the first three start at
/// the bucket of the minimum: a positive one is the distance in buckets to the next value, a
/// negative one is how many further values are in the same bucket.
struct PackedHistogram<'a>(&'a SparseHistogram);

impl Serialize for PackedHistogram<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let histogram = self.0;
        let mut seq = to.serialize_seq(None)?;
        if histogram.is_empty() {
            return seq.end();
        }
        seq.serialize_element(&histogram.sum_us)?;
        seq.serialize_element(&histogram.min_us)?;
        seq.serialize_element(&histogram.max_us)?;
        let mut last = bucket_index(histogram.min_us);
        for (i, (bucket, count)) in histogram.iter().enumerate() {
            let index = bucket_index(bucket);
            let is_sound = if i == 0 { index == last } else { index > last };
            if !is_sound || count == 0 {
                return Err(S::Error::custom("a histogram is damaged"));
            }
            if i > 0 {
                seq.serialize_element(&(index - last))?;
            }
            if count > 1 {
                let more = i64::try_from(count - 1).map_err(S::Error::custom)?;
                seq.serialize_element(&-more)?;
            }
            last = index;
        }
        seq.end()
    }
}

/// What [`PackedCell`] wrote.
struct UnpackedCell(usize, Cell);

impl<'de> Deserialize<'de> for UnpackedCell {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct CellVisitor;

        impl<'de> Visitor<'de> for CellVisitor {
            type Value = UnpackedCell;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an endpoint and its counts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<UnpackedCell, A::Error> {
                let short = || A::Error::custom("an endpoint's counts are cut off");
                let endpoint = seq.next_element()?.ok_or_else(short)?;
                let response: UnpackedHistogram = seq.next_element()?.ok_or_else(short)?;
                let outcomes = seq.next_element()?.ok_or_else(short)?;
                let censored: Option<UnpackedHistogram> = seq.next_element()?;
                let components = seq.next_element()?.unwrap_or_default();
                let measures = seq.next_element()?.unwrap_or_default();
                let cell = Cell {
                    outcomes,
                    response: response.0,
                    censored: censored.map(|found| found.0).unwrap_or_default(),
                    components,
                    measures,
                    ..Cell::default()
                };
                Ok(UnpackedCell(endpoint, cell))
            }
        }

        from.deserialize_seq(CellVisitor)
    }
}

/// What [`PackedHistogram`] wrote.
struct UnpackedHistogram(SparseHistogram);

impl<'de> Deserialize<'de> for UnpackedHistogram {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct HistogramVisitor;

        impl<'de> Visitor<'de> for HistogramVisitor {
            type Value = UnpackedHistogram;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a histogram")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<UnpackedHistogram, A::Error> {
                unpack(seq).map(UnpackedHistogram)
            }
        }

        from.deserialize_seq(HistogramVisitor)
    }
}

/// The histogram that [`PackedHistogram`] wrote.
fn unpack<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<SparseHistogram, A::Error> {
    let damaged = || A::Error::custom("a histogram is damaged");
    let Some(sum_us) = seq.next_element()? else {
        return Ok(SparseHistogram::default());
    };
    let min_us = seq.next_element()?.ok_or_else(damaged)?;
    let max_us = seq.next_element()?.ok_or_else(damaged)?;
    let mut index = bucket_index(min_us);
    let mut buckets = vec![lowest_of_bucket(min_us), 1];
    while let Some(step) = seq.next_element::<i64>()? {
        if step < 0 {
            let count = buckets.last_mut().ok_or_else(damaged)?;
            *count = count.checked_add(step.unsigned_abs()).ok_or_else(damaged)?;
            continue;
        }
        let step = usize::try_from(step).ok().filter(|step| *step > 0);
        index = step
            .and_then(|step| index.checked_add(step))
            .ok_or_else(damaged)?;
        let bucket = checked_lowest_at(index).ok_or_else(damaged)?;
        buckets.extend([bucket, 1]);
    }
    Ok(SparseHistogram {
        buckets,
        sum_us,
        min_us,
        max_us,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{ComponentCounts, MeasureCounts, Outcome};
    use proptest::prelude::*;

    fn interval(response: Vec<u64>, censored: Vec<u64>) -> Interval {
        let outcomes = [
            (Outcome::Ok, response.len()),
            (Outcome::TimeoutBody, censored.len()),
        ];
        let outcomes = outcomes.into_iter().filter(|(_, count)| *count > 0);
        let cell = Cell {
            outcomes: outcomes
                .map(|(outcome, count)| (outcome, count as u64))
                .collect(),
            response: SparseHistogram::of(&mut response.clone()),
            censored: SparseHistogram::of(&mut censored.clone()),
            ..Cell::default()
        };
        Interval {
            phase: 1,
            second: 2,
            cells: vec![(3, cell)],
        }
    }

    proptest! {
        #[test]
        fn a_second_is_read_as_it_was_written(
            response in prop::collection::vec(prop_oneof![0u64..5_000, 0..u64::MAX], 0..50),
            censored in prop::collection::vec(0u64..60_000_000, 0..3),
        ) {
            let written = interval(response, censored);
            let text = serde_json::to_string(&written).unwrap();
            prop_assert_eq!(serde_json::from_str::<Interval>(&text).unwrap(), written);
        }

        #[test]
        fn whatever_stands_in_a_file_is_read_or_refused(
            numbers in prop::collection::vec(any::<i64>(), 0..8),
        ) {
            let text = format!(r#"{{"phase":0,"second":0,"cells":[[0,{numbers:?},{{"ok":1}}]]}}"#);
            if let Ok(read) = serde_json::from_str::<Interval>(&text) {
                let pairs = read.cells[0].1.response.buckets.len();
                prop_assert!(pairs.is_multiple_of(2) && pairs <= 2 * numbers.len());
            }
        }
    }

    #[test]
    fn the_compact_form_is_as_documented() {
        let written = interval(vec![10, 10, 10, 12, 40_000], vec![50]);
        let text = r#"{"phase":1,"second":2,"cells":[[3,[40042,10,40000,-2,2,6358],{"ok":5,"timeout_body":1},[50,50,50]]]}"#;
        assert_eq!(serde_json::to_string(&written).unwrap(), text);
    }

    #[test]
    fn components_and_measures_are_kept_where_there_are_any() {
        let mut written = interval(vec![10], Vec::new());
        let counts = ComponentCounts {
            hits: 2,
            ..ComponentCounts::default()
        };
        let cell = &mut written.cells[0].1;
        cell.components.insert("cache".into(), counts);
        let text = serde_json::to_string(&written).unwrap();
        assert!(text.contains(r#"{"ok":1},[],{"cache":{"#), "{text}");
        assert_eq!(serde_json::from_str::<Interval>(&text).unwrap(), written);
        let measure = MeasureCounts {
            values: SparseHistogram::of(&mut [7]),
            ..MeasureCounts::default()
        };
        let cell = &mut written.cells[0].1;
        cell.components.clear();
        cell.measures.insert("rows".into(), measure);
        let text = serde_json::to_string(&written).unwrap();
        assert_eq!(serde_json::from_str::<Interval>(&text).unwrap(), written);
    }

    #[test]
    fn damage_is_refused() {
        for response in [
            "[1]",
            "[1,2]",
            "[1,1,1,0]",
            "[1,1,1,9223372036854775807]",
            "7",
            "[1,1,1,1.5]",
            "{}",
        ] {
            let text = format!(r#"{{"phase":0,"second":0,"cells":[[0,{response},{{}}]]}}"#);
            assert!(
                serde_json::from_str::<Interval>(&text).is_err(),
                "{response}"
            );
        }
        for cells in ["[[]]", "[[0]]", "[[0,[]]]"] {
            let text = format!(r#"{{"phase":0,"second":0,"cells":{cells}}}"#);
            assert!(serde_json::from_str::<Interval>(&text).is_err(), "{cells}");
        }
    }
}
