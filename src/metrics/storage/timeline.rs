//! The seconds of a run, and the short form they have in files.
//!
//! Four hours of 20 endpoints are 288,000 cells, most of them of a few requests. Written like the
//! cells of whole phases they would take three times the room. Nothing is lost by it; files with
//! the long form are read as well.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::metrics::histogram::{checked_lowest_at, index_of_bucket, lowest_of_bucket};
use crate::metrics::{Cell, Outcome, SparseHistogram};

/// One second of one phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Position of the phase.
    pub phase: usize,
    /// Whole seconds from the phase's start; the last one of a phase may be shorter.
    pub second: u64,
    /// `(endpoint, counts)` of the endpoints with requests intended to start in it. Only
    /// `outcomes`, `response` and `censored` are kept here, and in files.
    #[serde(serialize_with = "write_cells", deserialize_with = "read_cells")]
    pub cells: Vec<(usize, Cell)>,
}

fn write_cells<S: Serializer>(cells: &[(usize, Cell)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(cells.iter().map(|(endpoint, cell)| Short(*endpoint, cell)))
}

fn read_cells<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(usize, Cell)>, D::Error> {
    let cells: Vec<Read> = Vec::deserialize(from)?;
    Ok(cells
        .into_iter()
        .map(|Read(endpoint, cell)| (endpoint, cell))
        .collect())
}

/// `[endpoint, response, outcomes]`, and `censored` behind it where there is any.
struct Short<'a>(usize, &'a Cell);

impl Serialize for Short<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self(endpoint, cell) = self;
        let mut seq = to.serialize_seq(None)?;
        seq.serialize_element(endpoint)?;
        seq.serialize_element(&Packed(&cell.response))?;
        seq.serialize_element(&cell.outcomes)?;
        if !cell.censored.is_empty() {
            seq.serialize_element(&Packed(&cell.censored))?;
        }
        seq.end()
    }
}

/// `[sum_us, min_us, max_us, ...]`, or `[]` of an empty one. Behind them, from the bucket of the
/// minimum: a positive number says how many buckets on the next value lies, a negative one how many
/// further values lie in the same bucket.
struct Packed<'a>(&'a SparseHistogram);

impl Serialize for Packed<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let histogram = self.0;
        let mut seq = to.serialize_seq(None)?;
        if histogram.is_empty() {
            return seq.end();
        }
        seq.serialize_element(&histogram.sum_us)?;
        seq.serialize_element(&histogram.min_us)?;
        seq.serialize_element(&histogram.max_us)?;
        let mut last = index_of_bucket(histogram.min_us);
        for (i, (bucket, count)) in histogram.iter().enumerate() {
            let index = index_of_bucket(bucket);
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

/// A cell as it was written, in either form.
struct Read(usize, Cell);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(ReadVisitor)
    }
}

struct ReadVisitor;

impl<'de> Visitor<'de> for ReadVisitor {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an endpoint and its counts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Read, A::Error> {
        let short = || A::Error::custom("an endpoint's counts are cut off");
        let endpoint = seq.next_element()?.ok_or_else(short)?;
        let response = match seq.next_element()?.ok_or_else(short)? {
            Second::Cell(cell) => return Ok(Read(endpoint, *cell)),
            Second::Response(response) => response,
        };
        let outcomes: BTreeMap<Outcome, u64> = seq.next_element()?.ok_or_else(short)?;
        let censored: Option<Unpacked> = seq.next_element()?;
        let cell = Cell {
            outcomes,
            response,
            censored: censored.map_or_else(SparseHistogram::default, |Unpacked(found)| found),
            ..Cell::default()
        };
        Ok(Read(endpoint, cell))
    }
}

/// What stands second: the response times, or in the long form everything.
enum Second {
    Response(SparseHistogram),
    Cell(Box<Cell>),
}

impl<'de> Deserialize<'de> for Second {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SecondVisitor)
    }
}

struct SecondVisitor;

impl<'de> Visitor<'de> for SecondVisitor {
    type Value = Second;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("response times or a cell")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Second, A::Error> {
        unpack(seq).map(Second::Response)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Second, A::Error> {
        let cell = Cell::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Second::Cell(Box::new(cell)))
    }
}

struct Unpacked(SparseHistogram);

impl<'de> Deserialize<'de> for Unpacked {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct UnpackedVisitor;

        impl<'de> Visitor<'de> for UnpackedVisitor {
            type Value = Unpacked;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a histogram")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Unpacked, A::Error> {
                unpack(seq).map(Unpacked)
            }
        }

        from.deserialize_seq(UnpackedVisitor)
    }
}

/// The histogram that [`Packed`] wrote.
fn unpack<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<SparseHistogram, A::Error> {
    let damaged = || A::Error::custom("a histogram is damaged");
    let Some(sum_us) = seq.next_element()? else {
        return Ok(SparseHistogram::default());
    };
    let min_us = seq.next_element()?.ok_or_else(damaged)?;
    let max_us = seq.next_element()?.ok_or_else(damaged)?;
    let mut index = index_of_bucket(min_us);
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
    fn the_short_form_is_as_documented() {
        let written = interval(vec![10, 10, 10, 12, 40_000], vec![50]);
        let text = r#"{"phase":1,"second":2,"cells":[[3,[40042,10,40000,-2,2,6358],{"ok":5,"timeout_body":1},[50,50,50]]]}"#;
        assert_eq!(serde_json::to_string(&written).unwrap(), text);
    }

    #[test]
    fn the_long_form_of_older_files_is_read_as_well() {
        let text = r#"{"phase":1,"second":2,"cells":[[3,{"outcomes":{"ok":2},"response":{"buckets":[10,1,12,1],"sum_us":22,"min_us":10,"max_us":12},"bytes_in":0,"bytes_out":0,"connections":0,"redirects":0}]]}"#;
        let read: Interval = serde_json::from_str(text).unwrap();
        assert_eq!(read, interval(vec![10, 12], vec![]));
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
