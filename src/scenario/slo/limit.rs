//! How the limit of an SLO is written, by what its metric is.
//!
//! Not here: the names of metrics (`spelling`).

use crate::plan::{MeasureUnit, ObservedUnit, Scale};
use crate::units;

/// How a limit is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LimitUnit {
    /// A duration with a unit.
    Time,
    /// A duration; a bare number is seconds, up to 60.
    Seconds,
    /// A number of milliseconds.
    Millis,
    /// `1%` or `0.01`.
    Share,
    /// Per second.
    Rate,
    /// A number from 0.
    Number,
    /// A number of bytes, or a size such as `500kB`.
    Size,
    /// A number of megabytes, or a size.
    Megabytes,
    /// A number of percent.
    Percent,
    /// What is observed of the service; in which unit it is exported, and whether it is a counter. From above or from
    /// below.
    Observed(ObservedUnit, bool),
}

impl LimitUnit {
    /// Whether limits from above and from below are both possible.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Observed(..))
    }

    /// The value in the metric's own unit, and that unit where the limit says it.
    pub fn parse(self, text: &str) -> Result<(f64, Option<Scale>), String> {
        let limit = match self {
            Self::Time => units::parse_time_limit(text).map(|time| units::as_us(time) as f64),
            Self::Seconds => {
                units::parse_time_limit_or_seconds(text).map(|time| units::as_us(time) as f64)
            }
            Self::Millis => {
                let number = text.trim().parse::<f64>().ok();
                let number = number.filter(|ms| (0.0..=2_592_000_000.0).contains(ms));
                // As it is written: 1.001 * 1e3 is not quite 1001.
                number.map(|ms| (ms * 1e6).round() / 1e3).ok_or_else(|| {
                    format!("`{text}` is not a number of milliseconds: write `200`, without a unit")
                })
            }
            Self::Share => units::parse_ratio(text),
            Self::Rate => units::parse_rate(text),
            Self::Number => {
                let number = text.trim().parse().ok();
                let kept = number.and_then(|number| MeasureUnit::Count.kept(number));
                let kept = kept.map(|kept| kept as f64);
                kept.ok_or_else(|| format!("`{text}` is not a number from 0"))
            }
            Self::Size => units::parse_size(text).map(|bytes| bytes as f64),
            Self::Megabytes => match text.trim().parse::<f64>() {
                Ok(number) if (0.0..=1e9).contains(&number) => Ok((number * 1e6).round()),
                _ => units::parse_size(text)
                    .map(|bytes| bytes as f64)
                    .map_err(|_| format!("`{text}` is not a number of megabytes: write `500`")),
            },
            Self::Percent => {
                let number = text.trim();
                let share = units::share_of_percent(number.strip_suffix('%').unwrap_or(number));
                let message = || format!("`{text}` is not a number of percent: write `70`");
                share.filter(|share| *share <= 1e4).ok_or_else(message)
            }
            Self::Observed(unit, is_counter) => {
                let (scale, limit) = Scale::parse(text, unit, is_counter)?;
                return Ok((limit, Some(scale)));
            }
        };
        limit.map(|limit| (limit, None))
    }
}
