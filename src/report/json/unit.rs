//! The units of the JSON report: milliseconds, percent, per second.
//!
//! Here: which unit a metric has, and how values get there from the program's own units, which are
//! microseconds and shares. Not here: any field.

use serde::Serialize;

use crate::plan::{MeasureUnit, Metric, Model, Scale};

/// The unit of a number whose name cannot tell it, in a field beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    /// Milliseconds.
    Ms,
    /// 0 to 100 for a share; of the earlier value for a change.
    Percent,
    /// The difference between two values in percent.
    PercentagePoints,
    /// Per second.
    PerS,
    /// Virtual users.
    Users,
    /// A plain number.
    Count,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerS,
}

impl Unit {
    /// The unit of a metric's values and limits.
    pub(super) fn of(metric: &Metric) -> Self {
        Self::of_scale(metric.scale())
    }

    /// The unit of what a scenario measures itself.
    pub(super) fn of_measure(unit: MeasureUnit) -> Self {
        match unit {
            MeasureUnit::Count => Self::Count,
            MeasureUnit::Ms => Self::Ms,
            MeasureUnit::Bytes => Self::Bytes,
        }
    }

    /// The unit of numbers of this kind.
    pub(super) fn of_scale(scale: Scale) -> Self {
        match scale {
            Scale::Number => Self::Count,
            Scale::Share => Self::Percent,
            Scale::Rate => Self::PerS,
            Scale::Time => Self::Ms,
            Scale::Bytes => Self::Bytes,
            Scale::ByteRate => Self::BytesPerS,
        }
    }

    /// The unit of a metric's change: an error rate, which is often zero before, changes by a
    /// difference, and everything else relative to the earlier value.
    pub(super) fn of_change(metric: &Metric) -> Self {
        match metric {
            Metric::ErrorRate => Self::PercentagePoints,
            _ => Self::Percent,
        }
    }

    /// The unit of a load's level.
    pub(super) fn of_level(model: Model) -> Self {
        match model {
            Model::Closed => Self::Users,
            Model::Open { .. } => Self::PerS,
        }
    }

    /// A value in the program's own unit (microseconds, a share, per second, users) in this unit.
    pub(super) fn convert(self, value: f64) -> f64 {
        match self {
            Self::Ms | Self::Count => value / 1e3,
            // Without the error of the multiplication: a limit of 57% is not 56.99999999999999.
            Self::Percent | Self::PercentagePoints => (value * 1e12).round() / 1e10,
            Self::PerS | Self::Users | Self::Bytes | Self::BytesPerS => value,
        }
    }
}

/// Milliseconds of microseconds.
pub(super) fn ms(us: Option<f64>) -> Option<f64> {
    us.map(|us| Unit::Ms.convert(us))
}

/// 0 to 100 of a share.
pub(super) fn percent(share: Option<f64>) -> Option<f64> {
    share.map(|share| Unit::Percent.convert(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_those_that_people_write() {
        for tenths in 0..=1_000 {
            let written = f64::from(tenths) / 10.0;
            assert_eq!(percent(Some(written / 100.0)), Some(written));
        }
        let small = percent(Some(1.0 / 3e8)).unwrap();
        assert!((small * 3e6 - 1.0).abs() < 1e-3, "{small}");
    }
}
