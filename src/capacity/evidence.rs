//! What the seconds of one level say about one SLO: how far above or below its limit it is, and how
//! sure that is.
//!
//! Here: the estimate and its spread, by batch means. Not here: what is counted (`criterion`), or what
//! several levels say together (`posterior`).

/// How many independent bad stretches a second at the limit is worth, at most.
const MOST_STRETCHES_PER_S: f64 = 0.25;
/// And at least, or in the time of an SLO's limit if that is longer.
const LEAST_STRETCHES_PER_S: f64 = 0.05;
/// What the assumed spread counts as, in batches: few batches tell little about a spread.
const ASSUMED_BATCHES: f64 = 10.0;
/// The squared relative spread of a stretch of slow requests: most are short, and a few are long.
const STRETCH_VARIANCE: f64 = 4.0;
/// How many batches the seconds of a level are divided into.
const BATCHES: usize = 10;
/// So many standard deviations from a limit, there is no doubt on which side of it a level is.
pub const CLEAR: f64 = 2.0;
/// What stands for the excess of an SLO that allows nothing, and was missed.
const FORBIDDEN_EXCESS: f64 = 3.0;

/// What has to be known about an SLO.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The ratio that is allowed.
    pub allowed: f64,
    /// The limit, if it is one of response times; s.
    pub limit_s: Option<f64>,
    /// Whether the part cannot be more than the whole.
    pub is_share: bool,
    /// Whether that is a percentile of all requests: those in flight that are older have missed it
    /// already.
    pub covers_in_flight: bool,
}

/// A part of a whole: requests above a limit of all, microseconds of requests, misses of hits and misses.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ratio {
    /// The part that the SLO limits.
    pub part: f64,
    /// The whole.
    pub whole: f64,
}

impl Ratio {
    /// Adds another one to it.
    pub fn add(&mut self, other: Self) {
        self.part += other.part;
        self.whole += other.whole;
    }

    /// Part over whole; `None` without a whole.
    pub fn value(self) -> Option<f64> {
        (self.whole > 0.0).then(|| self.part / self.whole)
    }
}

/// What a level says about an SLO.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// The natural logarithm of measured over allowed, of shares that of their odds: 0 is at the limit, above it is a miss. `None`
    /// if there was nothing bad.
    pub excess: Option<f64>,
    /// The standard deviation of `excess`.
    pub spread: f64,
    /// About how many independent bad stretches there would have been at the limit.
    pub expected: f64,
    /// Whether more than the allowed ratio was measured.
    pub is_missed: bool,
}

impl Evidence {
    /// Of seconds in order. `None` if nothing was measured.
    ///
    /// The spread is that of batch means (A. M. Law, "Simulation Modeling and Analysis", 9.5.3), with the covariance
    /// of neighbors, and drawn towards an assumed one where there are few batches.
    pub fn of(seconds: &[Ratio], rule: &Rule) -> Option<Self> {
        let mut total = Ratio::default();
        seconds.iter().for_each(|second| total.add(*second));
        let measured = total.value()?;
        let allowed = rule.allowed;
        let seconds_s = seconds.len() as f64;
        let expected = seconds_s * stretches_per_s(rule, total.whole / seconds_s);
        let none = |excess| Self {
            excess,
            spread: 0.5,
            expected,
            is_missed: measured > allowed,
        };
        if total.part <= 0.0 {
            return Some(none(None));
        }
        if allowed <= 0.0 {
            return Some(none(Some(FORBIDDEN_EXCESS)));
        }
        let relative = measured / allowed;
        let size = seconds.len().div_ceil(BATCHES).max(1);
        let batches: Vec<f64> = seconds
            .chunks(size)
            .map(|chunk| {
                let mut sum = Ratio::default();
                chunk.iter().for_each(|second| sum.add(*second));
                sum.part - measured * sum.whole
            })
            .collect();
        let count = batches.len() as f64;
        let own: f64 = batches.iter().map(|off| off * off).sum();
        let shared: f64 = batches.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let variance = (own + 2.0 * shared.max(0.0)) * count / (count - 1.0).max(1.0);
        let seen = variance / (total.part * total.part);
        let assumed = STRETCH_VARIANCE / (expected * relative.clamp(0.05, 1.0));
        let drawn =
            (ASSUMED_BATCHES * assumed + (count - 1.0) * seen) / (ASSUMED_BATCHES + count - 1.0);
        // As of a log-normal distribution, whose median is below its mean by half of this.
        let variance = drawn.ln_1p();
        let (excess, scale) = match allowed < 1.0 && rule.is_share {
            true => (
                odds(measured, total.whole) - odds(allowed, f64::INFINITY),
                measured.max(1.0 - measured),
            ),
            false => (relative.ln(), 1.0),
        };
        Some(Self {
            excess: Some(excess + variance / 2.0),
            spread: variance.sqrt() / scale,
            expected,
            is_missed: measured > allowed,
        })
    }

    /// How many standard deviations it is above the limit; negative below it. Without anything bad, that of
    /// the same surprise.
    pub fn deviations(&self) -> f64 {
        match self.excess {
            Some(excess) => excess / self.spread,
            // The probability of nothing at the limit is exp(-expected).
            None => -(2.0 * self.expected).sqrt(),
        }
    }
}

/// How many standard deviations the worst of these SLOs is above its limit. `None` if nothing was measured.
pub fn worst_deviations(evidence: &[Option<Evidence>]) -> Option<f64> {
    let deviations = evidence.iter().flatten().map(Evidence::deviations);
    deviations.reduce(f64::max)
}

/// The logarithm of the odds of a share of so many; a request more or less would make it finite.
fn odds(share: f64, of: f64) -> f64 {
    let share = share.min(1.0 - 0.5 / of.max(1.0));
    (share / (1.0 - share)).ln()
}

/// How many independent bad stretches there are in a second at the limit, if the service is a single exponential
/// server. Slow requests come in bursts: when a share `p` of the requests takes longer than `L`, about
/// `1.3 (rate L / ln(1 / p))^2` of them are slow together.
fn stretches_per_s(rule: &Rule, rate_per_s: f64) -> f64 {
    if rule.allowed <= 0.0 || !rule.is_share {
        return MOST_STRETCHES_PER_S;
    }
    let bad_per_s = rate_per_s * rule.allowed;
    let Some(limit_s) = rule.limit_s else {
        return bad_per_s.min(MOST_STRETCHES_PER_S);
    };
    let queue = rate_per_s * limit_s / -rule.allowed.ln();
    let single = bad_per_s / (1.3 * queue * queue).max(1.0);
    single
        .max(LEAST_STRETCHES_PER_S / limit_s.max(1.0))
        .min(bad_per_s)
        .min(MOST_STRETCHES_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        allowed: 0.05,
        limit_s: Some(0.1),
        is_share: true,
        covers_in_flight: true,
    };

    fn seconds(parts: &[f64]) -> Vec<Ratio> {
        let second = |part: &f64| Ratio {
            part: *part,
            whole: 100.0,
        };
        parts.iter().map(second).collect()
    }

    #[test]
    fn a_miss_is_what_was_measured_and_not_what_is_likely() {
        let below = Evidence::of(&seconds(&[4.9; 10]), &RULE).unwrap();
        assert!(!below.is_missed && below.deviations() > 0.0, "{below:?}");
        assert!(Evidence::of(&seconds(&[5.1; 10]), &RULE).unwrap().is_missed);
        assert_eq!(Evidence::of(&seconds(&[]), &RULE), None);
    }

    #[test]
    fn more_seconds_are_surer_and_bursts_less_sure() {
        let spread = |parts: &[f64]| Evidence::of(&seconds(parts), &RULE).unwrap().spread;
        assert!(spread(&[10.0; 40]) < spread(&[10.0; 10]));
        let bursts: Vec<f64> = (0..40)
            .map(|second| if second < 4 { 100.0 } else { 0.0 })
            .collect();
        assert!(spread(&bursts) > spread(&[10.0; 40]));
    }
}
