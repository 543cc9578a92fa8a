//! How long a virtual user waits.

use std::time::Duration;

use serde::Serialize;

/// The wait of a virtual user between iterations. The kinds work as in Locust.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ThinkTime {
    /// No wait.
    None,
    /// Always the same wait after an iteration.
    #[serde(rename = "constant_us", with = "crate::units::micros")]
    Constant(Duration),
    /// A uniformly distributed wait after an iteration.
    #[serde(rename = "between_us")]
    Between(
        #[serde(with = "crate::units::micros")] Duration,
        #[serde(with = "crate::units::micros")] Duration,
    ),
    /// Iterations start this far apart; the next one follows a slow iteration at once.
    /// `constant_throughput(n)` is a pacing of `1/n` seconds.
    #[serde(rename = "pacing_us", with = "crate::units::micros")]
    Pacing(Duration),
    /// An exponentially distributed wait of this mean after an iteration. If the service is fast, the
    /// iterations are a Poisson process. `poisson(n)` is a mean of `1/n` seconds.
    #[serde(rename = "poisson_us", with = "crate::units::micros")]
    Poisson(Duration),
}

impl ThinkTime {
    /// The mean wait after an iteration that takes no time itself.
    pub fn mean(self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Constant(wait) | Self::Pacing(wait) | Self::Poisson(wait) => wait,
            Self::Between(low, high) => (low + high) / 2,
        }
    }
}
