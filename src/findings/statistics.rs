//! Statistics behind the rules.
//!
//! Here: what only they need. Not here: distributions (`comparison`), medians and trends (`metrics`), and what the
//! numbers are of.

use crate::comparison::{t_quantile, wilson};

/// Two-sided quantile of the normal distribution for 99 %.
const Z99: f64 = 2.576;
/// The probability below the end of an interval with 99.9 % confidence: rules look at many endpoints.
pub(super) const LIKELY: f64 = 0.9995;

/// The interval of a share of `count` in `all`, with 99 % confidence. From 0 to 1 of nothing.
pub(super) fn share_interval(count: u64, all: u64) -> (f64, f64) {
    wilson((count as f64, all as f64), Z99)
}

/// How many times the level of `after` is that of `before`, and the least that fits the data with 99.9 %
/// confidence: the interval of Welch's t test of logarithms (B. L. Welch, Biometrika 34, 1947), its variances those
/// around a line on each side, raised for the dependence between neighbours. `None` for fewer than 5 values on a side.
pub(super) fn times(before: &[f64], after: &[f64]) -> Option<(f64, f64)> {
    let (a, b) = (Logarithms::of(before)?, Logarithms::of(after)?);
    let change = b.mean - a.mean;
    let variance = a.variance_of_mean + b.variance_of_mean;
    if variance == 0.0 {
        return Some((change.exp(), change.exp()));
    }
    let freedom = variance.powi(2)
        / (a.variance_of_mean.powi(2) / (a.n - 2.0) + b.variance_of_mean.powi(2) / (b.n - 2.0));
    let least = change - t_quantile(LIKELY, freedom.max(1.0)) * variance.sqrt();
    Some((change.exp(), least.exp()))
}

struct Logarithms {
    n: f64,
    mean: f64,
    variance_of_mean: f64,
}

impl Logarithms {
    fn of(values: &[f64]) -> Option<Self> {
        if values.len() < 5 || values.iter().any(|value| *value <= 0.0) {
            return None;
        }
        let n = values.len() as f64;
        let logs: Vec<f64> = values.iter().map(|value| value.ln()).collect();
        let mean = logs.iter().sum::<f64>() / n;
        let places = (0..logs.len()).map(|at| at as f64 - (n - 1.0) / 2.0);
        let spread: f64 = places.clone().map(|place| place * place).sum();
        let slope = places.clone().zip(&logs).map(|(place, log)| place * log);
        let slope = slope.sum::<f64>() / spread;
        let rest: Vec<f64> = places
            .zip(&logs)
            .map(|(place, log)| log - mean - slope * place)
            .collect();
        let squares: f64 = rest.iter().map(|rest| rest * rest).sum();
        let products: f64 = rest.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let rho = match squares > 0.0 {
            true => (products / squares).clamp(0.0, 0.9),
            false => 0.0,
        };
        Some(Self {
            n,
            mean,
            variance_of_mean: squares / (n - 2.0) / n * (1.0 + rho) / (1.0 - rho),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_of_shares_are_those_of_wilson() {
        let near = |(a, b): (f64, f64), (c, d): (f64, f64)| {
            assert!((a - c).abs() < 2e-3 && (b - d).abs() < 2e-3, "{a} {b}");
        };
        near(share_interval(10, 100), (0.0462, 0.2030));
        near(share_interval(0, 20), (0.0, 0.2491));
        near(share_interval(0, 0), (0.0, 1.0));
        near(share_interval(20, 20), (0.7509, 1.0));
    }

    #[test]
    fn a_factor_has_an_interval_that_the_noise_widens() {
        let (times, least) = super::times(&[10.0, 11.0, 9.0, 10.0, 10.0], &[30.0; 5]).unwrap();
        assert!((times - 3.0).abs() < 0.05 && least > 1.8, "{times} {least}");
        let noisy = [1.0, 9.0, 2.0, 8.0, 3.0];
        let (_, least) = super::times(&noisy, &noisy.map(|v| v * 3.0)).unwrap();
        assert!(least < 1.0, "{least}");
        assert_eq!(super::times(&[1.0; 4], &[1.0; 9]), None);
        assert_eq!(super::times(&[0.0; 9], &[1.0; 9]), None);
    }
}
