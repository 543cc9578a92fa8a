//! Percentiles, and which of many values one is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A percentile, above 0 and at most 100.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Percentile(f64);

impl Percentile {
    /// `None` unless above 0 and at most 100.
    pub fn new(percent: f64) -> Option<Self> {
        (percent > 0.0 && percent <= 100.0).then_some(Self(percent))
    }

    /// Parses `p95`, `p99.9` or `p99_9`.
    ///
    /// # Errors
    /// A phrase that says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let number = text
            .strip_prefix(['p', 'P'])
            .unwrap_or("")
            .replace('_', ".");
        let digits = number.chars().all(|c| c.is_ascii_digit() || c == '.');
        let percent = number.parse::<f64>().ok().filter(|_| digits);
        percent.and_then(Self::new).ok_or_else(|| {
            format!("`{text}` is not a percentile: write `p50`, `p95` or `p99.9`, above 0 and at most 100")
        })
    }

    /// In percent.
    pub fn percent(self) -> f64 {
        self.0
    }

    /// As a share: 0.95 for p95.
    pub fn quantile(self) -> f64 {
        self.0 / 100.0
    }
}

impl fmt::Display for Percentile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}

/// Which of `count` values, counted from 1, is a percentile of them. Counted in f64 rather than by the crate,
/// whose rounding of the quantile can land one rank off.
pub fn rank(percentile: Percentile, count: u64) -> u64 {
    let rank = percentile.quantile() * count as f64 - 1e-9;
    rank.ceil().max(1.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        assert_eq!(Percentile::parse("p99.9").unwrap().to_string(), "p99.9");
        assert_eq!(Percentile::parse("p99_5").unwrap().percent(), 99.5);
        for bad in [
            "p0", "p101", "95", "p", "p-1", "pNaN", "p1e1", "pinf", "p+5",
        ] {
            assert!(Percentile::parse(bad).is_err(), "{bad}");
        }
    }
}
