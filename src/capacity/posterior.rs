//! Where the limit is, given what several levels say about one SLO.
//!
//! Here: the probability of each possible limit. Not here: which level is tried next (`search`).
//!
//! The method is that of adaptive thresholds in psychophysics (A. B. Watson, D. G. Pelli, "QUEST: a Bayesian
//! adaptive psychometric method", Perception & Psychophysics 33, 1983): each level is a noisy look, and
//! the limit is a number with a probability, not a yes or no.

use super::evidence::Evidence;

/// Steps of the limit in a grid.
const LIMITS: usize = 200;
/// Steps of the steepness in a grid.
const STEEPNESSES: usize = 20;
/// The flattest and the steepest curve: by how much the logarithm of the ratio rises per doubling of the
/// level at the limit, to first order. A service whose p95 doubles over the last tenth of the load has about 10.
const STEEPNESS: [f64; 2] = [2.0, 400.0];
/// Beyond this distance from the limit, a curve may be steeper than the model: queues grow without bound, and
/// errors appear from nothing.
const NEAR: f64 = 0.7;
/// The error of the model itself, as a share of the distance from the limit.
const MODEL_ERROR: f64 = 0.3;
/// Degrees of freedom of the spread of a level, which is an estimate.
const FREEDOM: f64 = 6.0;

/// A level, and what it says of one SLO.
pub type Look = (f64, Evidence);

/// The probability of each possible limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    /// Limits, rising.
    limits: Vec<f64>,
    /// The probability that the limit is at most the one at the same position.
    cumulative: Vec<f64>,
}

impl Posterior {
    /// Given these looks, of which there is at least one. The ratio is taken to rise exponentially with the
    /// level around the limit, as that of a queue with a single exponential server exactly does; of looks far from the
    /// limit, only the side counts.
    pub fn of(looks: &[Look]) -> Self {
        let levels = || looks.iter().map(|(level, _)| *level);
        let low = levels().fold(f64::INFINITY, f64::min) / 2.0;
        let high = levels().fold(0.0, f64::max) * 2.0;
        let coarse = Self::between(low, high, looks);
        // A second time where the limit is, in finer steps.
        let (low, high) = (coarse.quantile(0.0005), coarse.quantile(0.9995));
        let margin = (high / low).powf(0.1) * 1.01;
        Self::between(low / margin, high * margin, looks)
    }

    fn between(low: f64, high: f64, looks: &[Look]) -> Self {
        let limits = geometric(low, high, LIMITS);
        let steepnesses = geometric(STEEPNESS[0], STEEPNESS[1], STEEPNESSES);
        let likelihood = |limit: f64, steepness: f64| -> f64 {
            looks
                .iter()
                .map(|(level, evidence)| fit(evidence, steepness * (level / limit - 1.0)))
                .sum()
        };
        let logarithms: Vec<Vec<f64>> = limits
            .iter()
            .map(|limit| steepnesses.iter().map(|s| likelihood(*limit, *s)).collect())
            .collect();
        let best = logarithms
            .iter()
            .flatten()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        let weights = logarithms
            .iter()
            .map(|row| -> f64 { row.iter().map(|logarithm| (logarithm - best).exp()).sum() });
        let mut sum = 0.0;
        let mut cumulative: Vec<f64> = weights
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        cumulative.iter_mut().for_each(|part| *part /= sum);
        Self { limits, cumulative }
    }

    /// The limit that the true one is below with this probability.
    pub fn quantile(&self, probability: f64) -> f64 {
        let at = self.cumulative.partition_point(|part| *part < probability);
        let at = at.min(self.limits.len() - 1);
        let Some(before) = at.checked_sub(1) else {
            return self.limits[0];
        };
        let (from, to) = (self.cumulative[before], self.cumulative[at]);
        let share = match to > from {
            true => ((probability - from) / (to - from)).clamp(0.0, 1.0),
            false => 1.0,
        };
        self.limits[before] + share * (self.limits[at] - self.limits[before])
    }
}

/// The logarithm of how well a look fits to an expected excess, up to a constant.
fn fit(evidence: &Evidence, expected: f64) -> f64 {
    let Some(excess) = evidence.excess else {
        return -evidence.expected * expected.min(5.0).exp();
    };
    let near = NEAR + 0.5 * evidence.spread;
    let is_steeper = excess > near && expected > excess || excess < -near && expected < excess;
    if is_steeper {
        return 0.0;
    }
    let spread = evidence.spread.hypot(MODEL_ERROR * excess);
    let off = (excess - expected) / spread;
    -(FREEDOM + 1.0) / 2.0 * (off * off / FREEDOM).ln_1p()
}

fn geometric(low: f64, high: f64, count: usize) -> Vec<f64> {
    let step = (high / low).ln() / (count - 1) as f64;
    (0..count).map(|i| low * (step * i as f64).exp()).collect()
}
