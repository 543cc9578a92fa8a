//! The units of the numbers that SLOs limit and findings rest on.
//!
//! Not here: units of what is exported (`plan::observation`) and measured (`plan::request::measure`).

use serde::{Deserialize, Serialize};

use crate::plan::{MeasureUnit, ObservedUnit};
use crate::units;

/// The unit of a number, and how it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Plain numbers, in thousandths as [`MeasureUnit::Count`] keeps them.
    Number,
    /// Shares, of which 1 is 100 %.
    Share,
    /// Per second.
    Rate,
    /// Microseconds.
    Time,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    ByteRate,
}

impl Scale {
    /// The unit of what is exported in `exported`; of a counter per second.
    pub fn of(exported: ObservedUnit, is_counter: bool) -> Self {
        match (exported, is_counter) {
            (ObservedUnit::Number, true) => Self::Rate,
            (ObservedUnit::Bytes, true) => Self::ByteRate,
            (ObservedUnit::Bytes, false) => Self::Bytes,
            (ObservedUnit::Seconds, false) => Self::Time,
            // Seconds in a second.
            (ObservedUnit::Seconds, true) | (ObservedUnit::Number, false) => Self::Number,
        }
    }

    /// A value as it is exported (seconds, bytes, plain numbers) in this unit.
    pub fn of_exported(self, value: f64) -> f64 {
        match self {
            Self::Time => value * 1e6,
            Self::Number => value * MeasureUnit::Count.scale(),
            Self::Share | Self::Rate | Self::Bytes | Self::ByteRate => value,
        }
    }

    /// A value for people, with so many more digits than usual.
    pub fn format_with(self, value: f64, more: usize) -> String {
        let bytes = || {
            let sign = if value < 0.0 { "-" } else { "" };
            format!(
                "{sign}{}",
                MeasureUnit::Bytes.format_with(value.abs(), more)
            )
        };
        match self {
            Self::Number => units::format_number_with(value / MeasureUnit::Count.scale(), more),
            Self::Share => units::format_percent_with(value, more),
            Self::Rate => units::format_rate_with(value, more),
            Self::Time => units::format_latency_us_with(value, more),
            Self::Bytes => bytes(),
            Self::ByteRate => format!("{}/s", bytes()),
        }
    }

    /// A limit of something that is exported in `exported`, and its unit, which follows from how it is written. A
    /// bare number is in the exported unit, per second if `is_counter`.
    ///
    /// # Errors
    /// A phrase that says what is allowed.
    pub fn parse(
        text: &str,
        exported: ObservedUnit,
        is_counter: bool,
    ) -> Result<(Self, f64), String> {
        const LARGEST: f64 = 1e15;
        let text = text.trim();
        let bare = text.parse::<f64>().ok();
        if let Some(number) = bare.filter(|number| (0.0..=LARGEST).contains(number)) {
            let unit = Self::of(exported, is_counter);
            return Ok((unit, unit.of_exported(number)));
        }
        let share = || {
            let share = text.strip_suffix('%').and_then(units::share_of_percent);
            let share = share.filter(|share| *share <= LARGEST);
            share.map(|share| (Self::Share, share))
        };
        let rate = || units::parse_rate_or_zero(text).ok();
        let duration = || units::parse_duration(text).ok();
        let size = |text: &str| units::parse_size(text).ok().map(|bytes| bytes as f64);
        let found = match exported {
            ObservedUnit::Number => share().or_else(|| rate().map(|rate| (Self::Rate, rate))),
            ObservedUnit::Seconds => {
                share().or_else(|| duration().map(|time| (Self::Time, units::as_us(time) as f64)))
            }
            ObservedUnit::Bytes => match text.strip_suffix("/s") {
                Some(text) => size(text).map(|bytes| (Self::ByteRate, bytes)),
                None => size(text).map(|bytes| (Self::Bytes, bytes)),
            },
        };
        found.ok_or_else(|| match exported {
            ObservedUnit::Number => format!(
                "`{text}` is not a limit of a number: write `0.8`, `80%`, or `100/s` for what is counted"
            ),
            ObservedUnit::Seconds => format!(
                "`{text}` is not a limit of seconds: write `50ms`, or `0.7` or `70%` for CPU time, in cores"
            ),
            ObservedUnit::Bytes => format!(
                "`{text}` is not a limit of bytes: write `500MB`, or `10MB/s` for what is counted"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_observed_metrics_have_the_unit_that_they_are_written_in() {
        use ObservedUnit::{Bytes, Number, Seconds};
        for (text, exported, is_counter, shown) in [
            ("0.8", Number, false, "0.8"),
            ("80%", Number, false, "80%"),
            ("250%", Seconds, true, "250%"),
            ("12.5", Number, true, "12.5/s"),
            ("600/m", Number, false, "10.0/s"),
            ("0.7", Seconds, true, "0.7"),
            ("0.05", Seconds, false, "50.0 ms"),
            ("50ms", Seconds, false, "50.0 ms"),
            ("500MB", Bytes, false, "500.0 MB"),
            ("1000", Bytes, false, "1.0 kB"),
            ("2MB/s", Bytes, false, "2.0 MB/s"),
            ("0", Bytes, true, "0 B/s"),
        ] {
            let (unit, limit) = Scale::parse(text, exported, is_counter).unwrap();
            assert_eq!(unit.format_with(limit, 0), shown, "{text}");
        }
        // As it is written, and not divided by 100.
        let share = Scale::parse("99.9%", Number, false);
        assert_eq!(share, Ok((Scale::Share, 0.999)));
        for (text, exported) in [
            ("50ms", Number),
            ("10MB", Number),
            ("-1", Number),
            ("nan%", Number),
            ("inf", Number),
            ("10MB", Seconds),
            ("80%", Bytes),
            ("5s", Bytes),
            ("", Seconds),
        ] {
            assert!(Scale::parse(text, exported, false).is_err(), "{text}");
        }
    }
}
