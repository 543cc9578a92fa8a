//! The seconds of a run.
//!
//! Four hours of 20 endpoints are 288,000 cells, most of them with few requests, so that files hold only what a second
//! keeps, without names.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::metrics::{Cell, ComponentCounts, MeasureCounts, Outcome, SparseHistogram};

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
    to.collect_seq(cells.iter().map(|(endpoint, cell)| {
        let times = (&cell.response, &cell.censored);
        (
            *endpoint,
            &cell.outcomes,
            times,
            &cell.components,
            &cell.measures,
        )
    }))
}

/// What [`write_cells`] wrote of a cell.
type WrittenCell = (
    usize,
    BTreeMap<Outcome, u64>,
    (SparseHistogram, SparseHistogram),
    BTreeMap<String, ComponentCounts>,
    BTreeMap<String, MeasureCounts>,
);

fn read_cells<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(usize, Cell)>, D::Error> {
    let cells: Vec<WrittenCell> = Vec::deserialize(from)?;
    let cell = |(endpoint, outcomes, (response, censored), components, measures): WrittenCell| {
        let cell = Cell {
            outcomes,
            response,
            censored,
            components,
            measures,
            ..Cell::default()
        };
        (endpoint, cell)
    };
    Ok(cells.into_iter().map(cell).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::storage::packed;
    use proptest::prelude::*;

    /// A file with seconds.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Seconds {
        #[serde(with = "packed")]
        packed: Vec<Interval>,
    }

    fn seconds(response: &[u64], censored: &[u64]) -> Seconds {
        let outcomes = [
            (Outcome::Ok, response.len()),
            (Outcome::TimeoutBody, censored.len()),
        ];
        let outcomes = outcomes.into_iter().filter(|(_, count)| *count > 0);
        let measure = MeasureCounts {
            values: SparseHistogram::of(&mut [7]),
            ..MeasureCounts::default()
        };
        let component = ComponentCounts {
            hits: response.len() as u64,
            ..ComponentCounts::default()
        };
        let cell = Cell {
            outcomes: outcomes
                .map(|(outcome, count)| (outcome, count as u64))
                .collect(),
            response: SparseHistogram::of(&mut response.to_vec()),
            censored: SparseHistogram::of(&mut censored.to_vec()),
            components: [("cache".to_owned(), component)].into(),
            measures: [("rows".to_owned(), measure)].into(),
            ..Cell::default()
        };
        let second = Interval {
            phase: 1,
            second: 2,
            cells: vec![(3, cell)],
        };
        Seconds {
            packed: vec![second],
        }
    }

    proptest! {
        #[test]
        fn seconds_are_read_as_they_were_written(
            response in prop::collection::vec(prop_oneof![0u64..5_000, 0..u64::MAX], 0..50),
            censored in prop::collection::vec(0u64..60_000_000, 0..3),
        ) {
            let written = seconds(&response, &censored);
            let text = serde_json::to_string(&written).unwrap();
            prop_assert_eq!(serde_json::from_str::<Seconds>(&text).unwrap(), written);
        }

        /// The checksum finds what still reads as MessagePack. A few bits mean nothing.
        #[test]
        fn damaged_seconds_are_refused(at in any::<prop::sample::Index>(), by in 1u8..64) {
            let written = seconds(&[10, 10, 12, 40_000], &[50]);
            let mut text = serde_json::to_string(&written).unwrap().into_bytes();
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let at = 11 + at.index(text.len() - 13);
            if let Some(digit) = alphabet.iter().position(|digit| *digit == text[at]) {
                text[at] = alphabet[(digit + usize::from(by)) % 64];
                if let Ok(read) = serde_json::from_slice::<Seconds>(&text) {
                    prop_assert_eq!(read, written);
                }
            }
        }

        #[test]
        fn cut_seconds_are_refused(length in 0usize..80) {
            let written = serde_json::to_string(&seconds(&[10, 10, 12, 40_000], &[50])).unwrap();
            let cut = format!("{}\"}}", &written[..11 + length.min(written.len() - 14)]);
            prop_assert!(serde_json::from_str::<Seconds>(&cut).is_err());
        }
    }
}
