//! Student's t, chi squared and the binomial distribution; the only user of the statistics crate.
//!
//! Here: tails and quantiles. Not here: what they are used for.

use statrs::distribution::{Binomial, ChiSquared, ContinuousCDF, DiscreteCDF, Normal, StudentsT};

/// The degrees of freedom of a spread that is assumed rather than measured: t is then the normal
/// distribution to six digits.
pub(super) const ASSUMED: f64 = 1e6;

/// From here on the crate's beta function loses digits, and the first term of an expansion in 1/df
/// is more than accurate enough.
const LARGE: f64 = 1e5;

/// The probability that a t of `df` degrees of freedom is above `t`; 0..=1.
pub(super) fn above(t: f64, df: f64) -> f64 {
    if df >= LARGE && t.is_finite() {
        // Abramowitz and Stegun 26.7.8.
        let z = t * (1.0 - 1.0 / (4.0 * df)) / (1.0 + t * t / (2.0 * df)).sqrt();
        return Normal::standard().sf(z);
    }
    match StudentsT::new(0.0, 1.0, df) {
        Ok(distribution) if !t.is_nan() => distribution.sf(t),
        // Without degrees of freedom or without a number, everything is possible.
        _ => 1.0,
    }
}

/// The value that a t of `df` degrees of freedom, at least 1, is below with this probability (between 0 and 1).
pub(crate) fn t_quantile(probability: f64, df: f64) -> f64 {
    if df >= LARGE {
        let z = normal_quantile(probability);
        // Abramowitz and Stegun 26.7.5.
        return z + (z.powi(3) + z) / (4.0 * df);
    }
    match StudentsT::new(0.0, 1.0, df) {
        Ok(distribution) => distribution.inverse_cdf(probability),
        Err(_) => f64::INFINITY,
    }
}

/// The value that a standard normal variable is below with this probability.
pub(crate) fn normal_quantile(probability: f64) -> f64 {
    Normal::standard().inverse_cdf(probability)
}

/// The value that chi squared of `df` degrees of freedom is below with this probability.
pub(super) fn chi_squared_quantile(probability: f64, df: f64) -> f64 {
    ChiSquared::new(df).map_or(f64::NAN, |distribution| {
        distribution.inverse_cdf(probability)
    })
}

/// The probability of `at_least` or more successes in `trials`, each with this probability.
pub(crate) fn binomial_at_least(at_least: u64, trials: u64, probability: f64) -> f64 {
    if at_least == 0 {
        return 1.0;
    }
    match Binomial::new(probability, trials) {
        Ok(distribution) => distribution.sf(at_least - 1),
        Err(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_and_quantiles_are_those_of_the_tables() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        close(t_quantile(0.975, 6.0), 2.446_911_851_144_969);
        close(t_quantile(0.975, ASSUMED), 1.959_966_356_814_107_5);
        close(above(2.446_911_851_144_969, 6.0), 0.025);
        close(above(1.959_966_356_814_107_5, ASSUMED), 0.025);
        close(binomial_at_least(1, 2, 0.5), 0.75);
        assert_eq!(binomial_at_least(0, 0, 0.5), 1.0);
        assert_eq!(binomial_at_least(1, 0, 0.5), 0.0);
    }

    #[test]
    fn not_a_number_is_no_alarm() {
        assert_eq!(above(f64::NAN, 3.0), 1.0);
        assert_eq!(above(9.0, 0.0), 1.0);
        assert_eq!(binomial_at_least(3, 9, f64::NAN), 1.0);
    }
}
