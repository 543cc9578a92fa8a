//! Error rates of two sides: whether they differ, and by how much at most.
//!
//! Failures come in bursts, so their counts are divided by how much more they vary than independent
//! draws would (quasi-binomial), from second to second or from occasion to occasion. Not here: what
//! is decided from it (`statistical`).

use super::distribution::{above, binomial_at_least, normal_quantile};
use super::estimate::FailureCounts;

/// The weight of the assumed spread between occasions (that of chance), in observations.
const PRIOR_WEIGHT: f64 = 2.0;
/// Above this, the dispersion itself is only known roughly, which widens the tails.
const DISPERSED: f64 = 1.5;

/// The error rates of both sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rates {
    /// Failed and finished requests of the baseline.
    baseline: (f64, f64),
    /// Failed and finished requests of the candidate.
    candidate: (f64, f64),
    /// The variance, as a multiple of that of independent draws; at least 1.
    dispersion: f64,
    /// Degrees of freedom behind `dispersion`; `None` where it is not above [`DISPERSED`].
    degrees: Option<f64>,
}

impl Rates {
    /// Both sides have at least one occasion of at least one run.
    pub(super) fn between(
        baseline: &[Vec<FailureCounts>],
        candidate: &[Vec<FailureCounts>],
    ) -> Self {
        let sides = [baseline, candidate];
        let [b, c] = sides.map(|side| sum(side.iter().flatten()));
        let mut within = (0.0, 0.0);
        let mut between = (0.0, 0.0);
        let mut blocks = 0.0;
        for (side, (failed, finished)) in sides.into_iter().zip([b, c]) {
            let spread = binomial_variance(share(failed, finished));
            for run in side.iter().flatten() {
                within.0 += run.variance;
                within.1 += run.finished * spread;
                blocks += run.blocks;
            }
            for occasion in side {
                let (e, n) = sum(occasion.iter());
                if n * spread > 0.0 {
                    between.0 += (e - n * share(failed, finished)).powi(2) / (n * spread);
                }
            }
            between.1 += side.len() as f64 - 1.0;
        }
        let by_seconds = match within.1 > 0.0 {
            true => within.0 / within.1,
            false => 1.0,
        };
        let by_occasions = (PRIOR_WEIGHT + between.0) / (PRIOR_WEIGHT + between.1);
        let dispersion = by_seconds.max(by_occasions).max(1.0);
        let degrees = match by_seconds > by_occasions {
            true => 1.5 * blocks / 2.0,
            false => PRIOR_WEIGHT + between.1,
        };
        Self {
            baseline: b,
            candidate: c,
            dispersion,
            degrees: (dispersion > DISPERSED).then_some(degrees),
        }
    }

    /// The baseline's rate, 0..=1; `None` without finished requests.
    pub(super) fn before(&self) -> Option<f64> {
        (self.baseline.1 > 0.0).then(|| share(self.baseline.0, self.baseline.1))
    }

    /// The candidate's rate, 0..=1; `None` without finished requests.
    pub(super) fn now(&self) -> Option<f64> {
        (self.candidate.1 > 0.0).then(|| share(self.candidate.0, self.candidate.1))
    }

    /// Both sides swapped, to see whether the candidate fails less.
    pub(super) fn mirrored(self) -> Self {
        Self {
            baseline: self.candidate,
            candidate: self.baseline,
            ..self
        }
    }

    /// The probability of this many failures of the candidate if both error rates are equal.
    pub(super) fn p_value(&self) -> f64 {
        let draws = |count: f64| count / self.dispersion;
        let failed = draws(self.baseline.0 + self.candidate.0).floor() as u64;
        let probability = share(self.candidate.1, self.baseline.1 + self.candidate.1);
        let p = binomial_at_least(draws(self.candidate.0).ceil() as u64, failed, probability);
        match self.degrees {
            None => p,
            Some(degrees) => above(-normal_quantile(p), degrees),
        }
    }

    /// Bounds of the difference (candidate minus baseline), each kept with `probability`; after
    /// Newcombe (1998), method 10.
    pub(super) fn bounds(&self, probability: f64) -> (f64, f64) {
        let z = normal_quantile(probability);
        let scaled = |(failed, finished): (f64, f64)| {
            let counts = (failed / self.dispersion, finished / self.dispersion);
            (share(failed, finished), wilson(counts, z))
        };
        let (b, (b_low, b_high)) = scaled(self.baseline);
        let (c, (c_low, c_high)) = scaled(self.candidate);
        (
            c - b - (c - c_low).hypot(b_high - b),
            c - b + (c_high - c).hypot(b - b_low),
        )
    }

    /// Whether there are enough requests to rule out an increase by `tolerance`, if none failed.
    pub(super) fn can_tell(&self, tolerance: f64, probability: f64) -> bool {
        let z = normal_quantile(probability);
        let bound = |finished: f64| wilson((0.0, finished), z).1;
        bound(self.candidate.1).max(bound(self.baseline.1)) < tolerance
    }
}

fn sum<'a>(runs: impl Iterator<Item = &'a FailureCounts>) -> (f64, f64) {
    runs.fold((0.0, 0.0), |sum, run| {
        (sum.0 + run.failed, sum.1 + run.finished)
    })
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn binomial_variance(rate: f64) -> f64 {
    rate * (1.0 - rate)
}

/// Wilson's interval for the share of failed requests, or of anything else, whose ends are `z` standard errors away (E.
/// B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22, 1927). It holds for
/// small counts too, and is 0 to 1 of nothing.
pub(crate) fn wilson((failed, finished): (f64, f64), z: f64) -> (f64, f64) {
    if finished <= 0.0 {
        return (0.0, 1.0);
    }
    let (rate, z2) = (failed / finished, z * z);
    let middle = rate + z2 / (2.0 * finished);
    let half = z * (binomial_variance(rate) / finished + z2 / (4.0 * finished * finished)).sqrt();
    let whole = 1.0 + z2 / finished;
    (
        ((middle - half) / whole).max(0.0),
        ((middle + half) / whole).min(1.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run whose failures are independent.
    fn run(failed: f64, finished: f64) -> FailureCounts {
        FailureCounts {
            failed,
            finished,
            variance: finished * binomial_variance(failed / finished),
            blocks: 6.0,
        }
    }

    fn rates(baseline: &[FailureCounts], candidate: &[FailureCounts]) -> Rates {
        let apart = |runs: &[FailureCounts]| runs.iter().map(|run| vec![*run]).collect::<Vec<_>>();
        Rates::between(&apart(baseline), &apart(candidate))
    }

    #[test]
    fn of_nothing_nothing_failed() {
        assert_eq!(share(0.0, 0.0), 0.0);
        assert_eq!(share(1.0, 4.0), 0.25);
    }

    #[test]
    fn no_failure_on_either_side_is_no_difference() {
        let none = rates(&[run(0.0, 3_000.0); 3], &[run(0.0, 3_000.0)]);
        assert_eq!(none.p_value(), 1.0);
        let (low, high) = none.bounds(0.975);
        assert!(low < 0.0 && high < 0.005, "{low} {high}");
        assert!(none.can_tell(0.005, 0.975));
        assert!(!rates(&[run(0.0, 3_000.0)], &[run(0.0, 700.0)]).can_tell(0.005, 0.975));
    }

    #[test]
    fn intervals_are_those_of_newcombe() {
        // Newcombe (1998), table II, example a: 56/70 and 48/80 differ by 0.0524 to 0.3339.
        let found = rates(&[run(48.0, 80.0)], &[run(56.0, 70.0)]);
        let (low, high) = found.bounds(0.975);
        assert!((low - 0.0524).abs() < 5e-5 && (high - 0.3339).abs() < 5e-5);
    }

    #[test]
    fn more_failures_are_found_and_fewer_in_the_opposite_direction() {
        let worse = rates(&[run(10.0, 10_000.0); 5], &[run(60.0, 10_000.0)]);
        assert!(worse.p_value() < 1e-6);
        assert!(worse.mirrored().p_value() > 0.999);
        let (low, high) = worse.bounds(0.975);
        assert!(0.003 < low && low < 0.005 && 0.005 < high && high < 0.008);
    }

    #[test]
    fn bursts_are_weaker_evidence() {
        let burst = FailureCounts {
            variance: 30.0 * 10.0,
            ..run(10.0, 10_000.0)
        };
        let bursts = rates(&[burst; 5], &[run(60.0, 10_000.0)]);
        assert!(bursts.dispersion > 10.0, "{bursts:?}");
        assert!(bursts.p_value() > 0.002, "{}", bursts.p_value());
        // The same holds for occasions that differ by more than chance.
        let uneven = [run(0.0, 10_000.0), run(80.0, 10_000.0), run(5.0, 10_000.0)];
        let occasions = rates(&uneven, &[run(60.0, 10_000.0)]);
        assert!(occasions.dispersion > 10.0);
        assert!(occasions.p_value() > 0.01);
    }

    #[test]
    fn without_finished_requests_there_is_no_evidence() {
        let empty = rates(&[run(0.0, 100.0)], &[FailureCounts::default()]);
        assert_eq!((empty.now(), empty.before()), (None, Some(0.0)));
        assert_eq!(empty.p_value(), 1.0);
        assert!(!empty.can_tell(0.005, 0.975));
    }
}
