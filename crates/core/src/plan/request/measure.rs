//! Numbers that a scenario measures itself, beside times: their names and units.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::plan::Template;
use crate::units;

/// A number to keep of each response, or whenever a step comes to it.
#[derive(Debug, Clone, Serialize)]
pub struct Measure {
    /// Its name; the values of all measures of one name are kept together, and have one unit.
    pub name: Arc<str>,
    /// The unit of its values.
    pub unit: MeasureUnit,
    /// What is measured: a number.
    pub value: Template,
}

/// The unit of a measure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasureUnit {
    /// Plain numbers, kept in thousandths.
    #[default]
    Count,
    /// Milliseconds, kept in microseconds.
    Ms,
    /// Bytes.
    Bytes,
}

impl MeasureUnit {
    /// The largest value of any unit, as it is kept. Histograms hold no more.
    const MAX: f64 = 1e15;

    /// How many of what is kept are one of the unit.
    pub fn scale(self) -> f64 {
        match self {
            Self::Count | Self::Ms => 1e3,
            Self::Bytes => 1.0,
        }
    }

    /// What is kept of a value in this unit; `None` if it is negative, too large, or no number.
    pub fn kept(self, value: f64) -> Option<u64> {
        let kept = (value * self.scale()).round();
        (0.0..=Self::MAX).contains(&kept).then_some(kept as u64)
    }

    /// What is kept, for people, with so many more digits than usual.
    pub fn format_with(self, kept: f64, more: usize) -> String {
        match self {
            Self::Count => units::trim_float(kept / self.scale(), 3 + more),
            Self::Ms => units::format_latency_us_with(kept, more),
            Self::Bytes if more > 0 => format!("{} B", units::trim_float(kept, more)),
            Self::Bytes => units::format_bytes(kept.round() as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_digits_and_bad_ones_are_refused() {
        let shown =
            |unit: MeasureUnit, value| unit.format_with(unit.kept(value).unwrap() as f64, 0);
        assert_eq!(shown(MeasureUnit::Count, 0.125), "0.125");
        assert_eq!(shown(MeasureUnit::Ms, 1.5), "1.50 ms");
        assert_eq!(
            shown(MeasureUnit::Bytes, 2_500.0),
            units::format_bytes(2_500)
        );
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e16] {
            assert_eq!(MeasureUnit::Count.kept(bad), None, "{bad}");
        }
    }
}
