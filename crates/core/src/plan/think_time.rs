//! How long a virtual user waits.

use std::time::Duration;

use serde::Serialize;
use statrs::distribution::{Continuous, ContinuousCDF, Normal};

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
    /// A normally distributed wait after an iteration, of this mean and standard deviation; never negative.
    #[serde(rename = "gaussian_us")]
    Gaussian(
        #[serde(with = "crate::units::micros")] Duration,
        #[serde(with = "crate::units::micros")] Duration,
    ),
    /// A wait that is computed when its turn comes: the value at this position of the waits of the plan, in
    /// seconds.
    Computed(usize),
}

impl ThinkTime {
    /// The mean wait after an iteration that takes no time itself; zero for one that is computed, whose
    /// length is not known before the run.
    pub fn mean(self) -> Duration {
        match self {
            Self::None | Self::Computed(_) => Duration::ZERO,
            Self::Constant(wait) | Self::Pacing(wait) | Self::Poisson(wait) => wait,
            Self::Between(low, high) => (low + high) / 2,
            Self::Gaussian(mean, deviation) => mean_above_zero(mean, deviation),
        }
    }
}

/// The mean of a normal distribution whose negative part counts as 0.
fn mean_above_zero(mean: Duration, deviation: Duration) -> Duration {
    let (mean_s, deviation_s) = (mean.as_secs_f64(), deviation.as_secs_f64());
    match Normal::new(mean_s, deviation_s) {
        Ok(normal) => {
            let above = mean_s * normal.sf(0.0) + deviation_s.powi(2) * normal.pdf(0.0);
            Duration::try_from_secs_f64(above).unwrap_or(mean)
        }
        // Without a deviation, it is no distribution.
        Err(_) => mean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_a_gaussian_wait_counts_what_is_cut_off() {
        let mean = |mean, deviation| {
            let gaussian = ThinkTime::Gaussian(
                Duration::from_secs_f64(mean),
                Duration::from_secs_f64(deviation),
            );
            (gaussian.mean().as_secs_f64() * 1e4).round() / 1e4
        };
        assert_eq!(mean(3.0, 0.0), 3.0);
        assert_eq!(mean(10.0, 1.0), 10.0);
        // Half of a normal distribution: 1 / sqrt(2 pi).
        assert_eq!(mean(0.0, 1.0), 0.3989);
    }
}
