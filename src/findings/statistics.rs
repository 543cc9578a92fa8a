//! The tests behind the rules, in closed form.
//!
//! Not here: trends (`metrics`), and what the numbers are of.

/// Two-sided quantile of the normal distribution for 99 %.
pub(super) const Z99: f64 = 2.576;
/// Two-sided quantile of the normal distribution for 99.9 %: rules look at many endpoints.
const Z999: f64 = 3.291;

/// The interval of a share of `count` in `all`, with 99 % confidence (E. B. Wilson, "Probable Inference, the Law of
/// Succession, and Statistical Inference", JASA 22, 1927). From 0 to 1 of nothing.
pub(super) fn wilson(count: u64, all: u64) -> (f64, f64) {
    if all == 0 {
        return (0.0, 1.0);
    }
    let n = all as f64;
    let share = count as f64 / n;
    let z2 = Z99 * Z99;
    let middle = share + z2 / (2.0 * n);
    let half = Z99 * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    let whole = 1.0 + z2 / n;
    (
        ((middle - half) / whole).max(0.0),
        ((middle + half) / whole).min(1.0),
    )
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
    let least = change - t_quantile(freedom.max(1.0)) * variance.sqrt();
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

/// The quantile of Student's t distribution for 99.9 %, two-sided (Abramowitz and Stegun, 26.7.5).
pub(super) fn t_quantile(freedom: f64) -> f64 {
    let z = Z999;
    let powers = [z.powi(3), z.powi(5), z.powi(7)];
    z + (powers[0] + z) / (4.0 * freedom)
        + (5.0 * powers[1] + 16.0 * powers[0] + 3.0 * z) / (96.0 * freedom.powi(2))
        + (3.0 * powers[2] + 19.0 * powers[1] + 17.0 * powers[0] - 15.0 * z)
            / (384.0 * freedom.powi(3))
}

/// The probability of at least `least` of `all` where each has this probability.
pub(super) fn binomial_tail(all: u64, probability: f64, least: u64) -> f64 {
    if least == 0 || probability >= 1.0 {
        return 1.0;
    }
    if probability <= 0.0 {
        return 0.0;
    }
    let (mut log_term, mut sum) = (all as f64 * (-probability).ln_1p(), 0.0);
    for k in 0..=all {
        if k >= least {
            sum += log_term.exp();
        }
        log_term += ((all - k) as f64).ln() - ((k + 1) as f64).ln() + probability.ln()
            - (-probability).ln_1p();
    }
    sum.min(1.0)
}

/// The median; sorts the values. `None` of nothing.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some(values[middle - 1].midpoint(values[middle])),
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
        near(wilson(10, 100), (0.0462, 0.2030));
        near(wilson(0, 20), (0.0, 0.2491));
        near(wilson(0, 0), (0.0, 1.0));
        near(wilson(20, 20), (0.7509, 1.0));
    }

    #[test]
    fn the_quantile_of_t_is_that_of_tables() {
        for (freedom, expected) in [(5.0, 6.869), (10.0, 4.587), (30.0, 3.646), (1e6, 3.291)] {
            let found = t_quantile(freedom);
            assert!((found / expected - 1.0).abs() < 0.06, "{freedom}: {found}");
        }
    }

    #[test]
    fn a_binomial_tail_is_the_sum_of_its_terms() {
        assert!((binomial_tail(3, 0.5, 2) - 0.5).abs() < 1e-12);
        assert!((binomial_tail(10, 0.1, 1) - 0.651_321_559_9).abs() < 1e-9);
        assert_eq!(binomial_tail(5, 0.3, 0), 1.0);
        assert_eq!(binomial_tail(5, 0.0, 1), 0.0);
        assert!(binomial_tail(1_000, 0.5, 900) < 1e-100);
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
