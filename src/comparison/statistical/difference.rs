//! How much a metric differs between two sides of runs, and how certain that is.
//!
//! Runs of one occasion share the state of a machine, so the occasion is the unit: its mean counts
//! once, however many runs it has. How much occasions vary is learned from those at hand and from
//! an assumption that is worth two more (a moderated variance, after Smyth 2004). Not here:
//! what is decided from a difference (`statistical`).

use super::distribution::{ASSUMED, above, t_quantile};
use super::estimate::{Estimate, mean};

/// The spread between occasions that is assumed in addition to the measured one: 3 %.
const PRIOR_SPREAD: f64 = 0.03;
/// The weight of the assumption, in observations.
const PRIOR_WEIGHT: f64 = 2.0;
/// The spread between occasions that is assumed where the baseline has too few to measure it: 5 %.
const PROVISIONAL_SPREAD: f64 = 0.05;
/// The fewest occasions of a baseline that show how much occasions vary.
pub(super) const LEAST_OCCASIONS: usize = 3;
/// The spread between runs side by side that is assumed in addition to the measured one: 1.5 %.
const PAIRED_SPREAD: f64 = 0.015;

/// A difference of logarithms, candidate minus baseline, with what is needed to predict the effect
/// of more runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Difference {
    pub(super) log: f64,
    pub(super) error: f64,
    pub(super) degrees: f64,
    /// Variance of one occasion of one run.
    variance: f64,
    /// The part of it that differs between runs of one occasion.
    within: f64,
    /// The baseline's part in the square of `error`.
    of_baseline: f64,
    /// Occasions of the candidate.
    pub(super) occasions: f64,
}

/// One side, summed up.
struct Side {
    occasions: f64,
    mean: f64,
    /// Squares of the occasions' means around `mean`.
    between: f64,
    /// Squares of the runs around their occasion's mean, and their degrees of freedom.
    within: (f64, f64),
    /// Harmonic mean of the number of runs in an occasion.
    runs: f64,
}

impl Side {
    fn of(occasions: &[Vec<Estimate>]) -> Self {
        let squares = |values: &[f64]| {
            let center = mean(values);
            values.iter().map(|v| (v - center).powi(2)).sum::<f64>()
        };
        let logs: Vec<Vec<f64>> = occasions
            .iter()
            .map(|runs| runs.iter().map(|run| run.log).collect())
            .collect();
        let means: Vec<f64> = logs.iter().map(|runs| mean(runs)).collect();
        let count = logs.len() as f64;
        Self {
            occasions: count,
            mean: mean(&means),
            between: squares(&means),
            within: logs.iter().fold((0.0, 0.0), |(sum, degrees), runs| {
                (sum + squares(runs), degrees + runs.len() as f64 - 1.0)
            }),
            runs: count / logs.iter().map(|runs| 1.0 / runs.len() as f64).sum::<f64>(),
        }
    }
}

/// The mean square of the errors within the runs.
fn mean_square_error(occasions: &[Vec<Estimate>]) -> f64 {
    let errors: Vec<f64> = occasions
        .iter()
        .flatten()
        .map(|run| run.error.powi(2))
        .collect();
    mean(&errors)
}

impl Difference {
    /// Of runs made at different times. Both sides have at least one occasion of at least one run.
    pub(super) fn between(baseline: &[Vec<Estimate>], candidate: &[Vec<Estimate>]) -> Self {
        let (b, c) = (Side::of(baseline), Side::of(candidate));
        let chance = mean_square_error(baseline);
        let (squares, degrees) = (b.within.0 + c.within.0, b.within.1 + c.within.1);
        let within = chance.max(squares / (degrees + 2.0));
        let (variance, df) = if baseline.len() >= LEAST_OCCASIONS {
            let df = (b.occasions - 1.0) + (c.occasions - 1.0);
            let within_one = match degrees > 0.0 {
                true => squares / degrees,
                false => 0.0,
            };
            let measured = (b.between + c.between) / df + within_one * (1.0 - 1.0 / b.runs);
            (
                moderated(PRIOR_SPREAD, chance, measured, df),
                PRIOR_WEIGHT + df,
            )
        } else {
            (PROVISIONAL_SPREAD.powi(2) + within, ASSUMED)
        };
        let variance = variance.max(chance);
        let within = within.min(variance);
        let part = |side: &Side| (variance - within * (1.0 - 1.0 / side.runs)) / side.occasions;
        Self {
            log: c.mean - b.mean,
            error: (part(&b) + part(&c)).sqrt(),
            degrees: df,
            variance,
            within,
            of_baseline: part(&b),
            occasions: c.occasions,
        }
    }

    /// Of runs of both sides in turn on one occasion, so that both have the same conditions. Both
    /// sides have at least one run.
    pub(super) fn side_by_side(a: &[Estimate], b: &[Estimate]) -> Self {
        let sides = [vec![a.to_vec()], vec![b.to_vec()]];
        let [first, second] = sides.each_ref().map(|side| Side::of(side));
        let chance = mean_square_error(&sides[0]);
        let df = first.within.1 + second.within.1;
        let measured = match df > 0.0 {
            true => (first.within.0 + second.within.0) / df,
            false => 0.0,
        };
        let variance = moderated(PAIRED_SPREAD, chance, measured, df).max(chance);
        let of_baseline = variance / first.runs;
        Self {
            log: second.mean - first.mean,
            error: (of_baseline + variance / second.runs).sqrt(),
            degrees: PRIOR_WEIGHT + df,
            variance,
            within: variance,
            of_baseline,
            occasions: 1.0,
        }
    }

    /// The same difference for a metric where larger is better.
    pub(super) fn mirrored(self) -> Self {
        Self {
            log: -self.log,
            ..self
        }
    }

    /// The probability of a difference this large if there is none.
    pub(super) fn p_value(&self) -> f64 {
        above(self.log / self.error, self.degrees)
    }

    /// The bounds that the difference is above and below, each with this probability.
    pub(super) fn bounds(&self, probability: f64) -> (f64, f64) {
        let half = t_quantile(probability, self.degrees) * self.error;
        (self.log - half, self.log + half)
    }

    /// The minimum detectable difference: the smallest that would be found 19 times out of 20, with
    /// alarms at `alpha` and none below `margin`.
    pub(super) fn detectable(&self, alpha: f64, margin: f64) -> f64 {
        let alarm = (t_quantile(1.0 - alpha, self.degrees) * self.error).max(margin);
        alarm + t_quantile(0.95, self.degrees) * self.error
    }

    /// The same difference with this many runs on each occasion of the candidate.
    pub(super) fn with_runs(&self, runs: usize) -> Self {
        let part = self.variance - self.within * (1.0 - 1.0 / runs as f64);
        Self {
            error: (self.of_baseline + part / self.occasions).sqrt(),
            ..*self
        }
    }
}

impl Difference {
    /// With this many runs of the candidate in total, and moved for the worse by `moves` standard
    /// deviations of what the runs that are missing may add.
    pub(super) fn worst_of(&self, runs: usize, moves: f64) -> Self {
        let (foreseen, sd) = self.foreseen(runs);
        Self {
            log: self.log + moves * sd,
            ..foreseen
        }
    }

    /// The same, moved for the better.
    pub(super) fn best_of(&self, runs: usize, moves: f64) -> Self {
        self.worst_of(runs, -moves)
    }

    /// With this many runs in total, and how much that may move the difference.
    fn foreseen(&self, runs: usize) -> (Self, f64) {
        let per_occasion = runs.div_ceil((self.occasions as usize).max(1));
        let foreseen = self.with_runs(per_occasion);
        let gained = (self.error.powi(2) - foreseen.error.powi(2)).max(0.0);
        (foreseen, gained.sqrt())
    }
}

/// The variance between occasions, from the assumed and the measured one.
fn moderated(spread: f64, chance: f64, measured: f64, degrees: f64) -> f64 {
    (PRIOR_WEIGHT * (spread.powi(2) + chance) + degrees * measured) / (PRIOR_WEIGHT + degrees)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::statistical::golden;

    /// The runs of a case by occasion, for one of its metrics.
    fn side(
        case: &serde_json::Value,
        runs: &str,
        occasions: &str,
        metric: usize,
    ) -> Vec<Vec<Estimate>> {
        let mut side: Vec<Vec<Estimate>> = Vec::new();
        let error = case["s2b"][metric].as_f64().unwrap().sqrt();
        let runs = case[runs].as_array().unwrap().iter();
        for (run, occasion) in runs.zip(case[occasions].as_array().unwrap()) {
            let occasion = occasion.as_u64().unwrap() as usize;
            side.resize(side.len().max(occasion + 1), Vec::new());
            let log = run[metric].as_f64().unwrap();
            side[occasion].push(Estimate { log, error });
        }
        side
    }

    #[test]
    fn differences_are_those_of_the_vectors() {
        let cases = golden::vectors()["gate"].as_array().unwrap().clone();
        assert_eq!(cases.len(), 21);
        for case in &cases {
            for metric in 0..3 {
                let baseline = side(case, "yb", "sess_b", metric);
                let candidate = side(case, "yc", "sess_c", metric);
                let found = Difference::between(&baseline, &candidate);
                golden::assert_close(found.log, &case["D"][metric]);
                golden::assert_close(found.error, &case["SE"][metric]);
                golden::assert_close(found.degrees, &case["df"][metric]);
                golden::assert_close(found.p_value(), &case["p_regress"][metric]);
                golden::assert_close(found.bounds(0.975).1, &case["upper975"][metric]);
            }
        }
    }

    fn runs(logs: &[f64]) -> Vec<Estimate> {
        let run = |log: &f64| Estimate {
            log: *log,
            error: 0.001,
        };
        logs.iter().map(run).collect()
    }

    #[test]
    fn runs_side_by_side_need_no_baseline() {
        let found = Difference::side_by_side(
            &runs(&[0.0, 0.02, 0.01, 0.01]),
            &runs(&[0.05, 0.07, 0.06, 0.06]),
        );
        assert!((found.log - 0.05).abs() < 1e-12);
        assert_eq!(found.degrees, 8.0);
        // (2 (0.015^2 + 0.001^2) + 0.0004) / 8, for two means of four.
        let variance: f64 = (2.0 * (0.015f64.powi(2) + 1e-6) + 4e-4) / 8.0;
        assert!((found.error - (variance / 2.0).sqrt()).abs() < 1e-12);
        let single = Difference::side_by_side(&runs(&[0.0]), &runs(&[0.1]));
        assert_eq!(single.degrees, 2.0);
        assert!(single.p_value() > 0.02, "two runs show little");
    }

    #[test]
    fn more_runs_reduce_the_error_down_to_the_spread_of_occasions() {
        let baseline = vec![runs(&[0.0, 0.01]), runs(&[0.02, 0.0]), runs(&[0.01, 0.03])];
        let one = Difference::between(&baseline, &[runs(&[0.05])]);
        let errors: Vec<f64> = [1, 3, 5, 1000].map(|n| one.with_runs(n).error).to_vec();
        assert!((errors[0] - one.error).abs() < 1e-12);
        assert!(errors.is_sorted_by(|a, b| a > b), "{errors:?}");
        assert!(errors[3] > (one.of_baseline + one.variance - one.within).sqrt());
        assert!(one.detectable(0.008, 0.05) > one.with_runs(5).detectable(0.008, 0.05));
    }

    #[test]
    fn what_runs_may_add_is_what_the_error_loses() {
        let baseline = vec![runs(&[0.0]); 3];
        let one = Difference::between(&baseline, &[runs(&[0.05])]);
        let five = one.with_runs(5);
        let moved = (one.error.powi(2) - five.error.powi(2)).sqrt();
        let (worst, best) = (one.worst_of(5, 3.0), one.best_of(5, 3.0));
        assert_eq!((worst.error, best.error), (five.error, five.error));
        assert!((worst.log - (0.05 + 3.0 * moved)).abs() < 1e-12);
        assert!((best.log - (0.05 - 3.0 * moved)).abs() < 1e-12);
        assert!(moved > 0.0);
    }

    #[test]
    fn the_sign_is_inverted_where_larger_is_better() {
        let baseline = vec![runs(&[0.0]); 3];
        let slower = Difference::between(&baseline, &[runs(&[-0.3])]);
        assert!(slower.p_value() > 0.9);
        assert!(slower.mirrored().p_value() < 0.01);
        let (low, high) = slower.mirrored().bounds(0.975);
        assert!(low < 0.3 && 0.3 < high);
    }
}
