//! From a value and its limit to points, a severity and a letter.
//!
//! Not here: what counts in the score, and how much (`criterion`).

use crate::plan::{Direction, Metric, Scale};

/// How badly a limit is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Met.
    Success,
    /// Less than 1.5 times the limit.
    Close,
    /// 1.5 times the limit or more.
    Warning,
    /// 2 times the limit or more, or no data.
    Critical,
}

impl Severity {
    /// Of a value that is `miss` times its limit.
    pub(crate) fn of(met: bool, miss: f64) -> Self {
        match miss {
            _ if met => Self::Success,
            miss if miss < 1.5 => Self::Close,
            miss if miss < 2.0 => Self::Warning,
            _ => Self::Critical,
        }
    }

    /// As reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Close => "CLOSE",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }
}

/// The grade of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Letter {
    APlus,
    A,
    B,
    C,
    D,
    F,
}

impl Letter {
    /// From best to worst, each with the lowest score for it and its description.
    const TABLE: [(Self, f64, &'static str, &'static str); 6] = [
        (Self::APlus, 95.0, "A+", "excellent, all SLOs met"),
        (Self::A, 90.0, "A", "very good, minor optimizations"),
        (Self::B, 80.0, "B", "good, some optimizations"),
        (Self::C, 70.0, "C", "acceptable, optimization required"),
        (Self::D, 60.0, "D", "poor, significant optimization"),
        (Self::F, 0.0, "F", "critical, immediate attention"),
    ];

    /// The letter of a score of 0..=100. Unless all criteria are met, an A is the best.
    pub fn of(score: f64, all_met: bool) -> Self {
        let reached = |row: &&(Self, f64, &str, &str)| {
            // The sum of weighted shares may come out a rounding error short of a bound.
            score + 1e-9 >= row.1 && (row.0 != Self::APlus || all_met)
        };
        Self::TABLE
            .iter()
            .find(reached)
            .map_or(Self::F, |row| row.0)
    }

    fn row(self) -> &'static (Self, f64, &'static str, &'static str) {
        &Self::TABLE[self as usize]
    }

    /// The lowest score for it.
    pub fn lowest_score(self) -> f64 {
        self.row().1
    }

    /// As reports write it: `A+`.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// Its description: `good, some optimizations`.
    pub fn sentence(self) -> &'static str {
        self.row().3
    }

    /// The next better one.
    pub fn better(self) -> Option<Self> {
        let position = (self as usize).checked_sub(1)?;
        Some(Self::TABLE[position].0)
    }
}

/// Whether what counts is the share that is missing of 1. Of a share that may be above 1, such as the CPU time of
/// several cores, and must be, nothing is missing.
fn is_missing_share(metric: &Metric, limit: f64) -> bool {
    match metric {
        Metric::Availability | Metric::HitRatio { .. } => true,
        Metric::Observed(number) => {
            (number.scale, number.direction) == (Scale::Share, Direction::AtLeast) && limit <= 1.0
        }
        _ => false,
    }
}

/// How many times the limit a value is, so that above 1 is missed: the value over the limit for
/// upper limits, the share that is missing over the share that may be missing for shares, and the
/// limit over the value for other lower limits. Infinite where nothing may be missing and something is.
pub(super) fn times_limit(metric: &Metric, limit: f64, value: f64) -> f64 {
    let (actual, allowed) = match metric {
        metric if is_missing_share(metric, limit) => (1.0 - value, 1.0 - limit),
        metric if metric.direction() == Direction::AtLeast => (limit, value),
        _ => (value, limit),
    };
    match allowed {
        allowed if allowed > 0.0 => actual / allowed,
        _ if actual > 0.0 => f64::INFINITY,
        _ => 0.0,
    }
}

/// The same for an SLO with a `critical` limit beyond its limit, which is a warning: from 1.5 at the limit to 2 at the
/// critical one.
pub(super) fn times_pair(metric: &Metric, limit: f64, critical: Option<f64>, value: f64) -> f64 {
    match critical {
        Some(critical) if !metric.direction().is_met(limit, value) => {
            1.5 + 0.5 * (value - limit) / (critical - limit)
        }
        _ => times_limit(metric, limit, value),
    }
}

/// The value that is `times` the limits; the inverse of [`times_pair`]. Between met and 1.5 there is none: that of the
/// limit.
pub(super) fn value_at_pair(metric: &Metric, limit: f64, critical: Option<f64>, times: f64) -> f64 {
    match critical {
        Some(critical) if times > 1.0 => limit + (times - 1.5).max(0.0) * 2.0 * (critical - limit),
        _ => value_at(metric, limit, times),
    }
}

/// The value that is `times` the limit; the inverse of [`times_limit`].
fn value_at(metric: &Metric, limit: f64, times: f64) -> f64 {
    match metric {
        metric if is_missing_share(metric, limit) => 1.0 - (1.0 - limit) * times,
        metric if metric.direction() == Direction::AtLeast => limit / times,
        _ => limit * times,
    }
}

/// 100 when met, then falling to 50 at 1.5 times the limit and to 0 at 2 times.
pub(super) fn of_miss(met: bool, times: f64) -> f64 {
    if met {
        100.0
    } else {
        (200.0 - 100.0 * times).clamp(0.0, 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ObservedNumber;
    use proptest::prelude::*;

    fn judge(metric: &Metric, limit: f64, value: f64) -> (f64, Severity) {
        let met = metric.direction().is_met(limit, value);
        let miss = times_limit(metric, limit, value);
        (of_miss(met, miss), Severity::of(met, miss))
    }

    #[test]
    fn every_letter_at_its_bounds() {
        let cases = [
            (100.0, true, "A+"),
            (95.0, true, "A+"),
            (94.99, true, "A"),
            (99.0, false, "A"),
            (90.0, true, "A"),
            (89.99, true, "B"),
            (80.0, false, "B"),
            (79.99, false, "C"),
            (70.0, false, "C"),
            (69.99, false, "D"),
            (60.0, false, "D"),
            (59.99, false, "F"),
            (0.0, false, "F"),
        ];
        for (score, all_met, letter) in cases {
            assert_eq!(Letter::of(score, all_met).name(), letter, "{score}");
        }
    }

    #[test]
    fn the_table_is_in_the_order_of_the_letters() {
        for (position, row) in Letter::TABLE.iter().enumerate() {
            assert_eq!(row.0 as usize, position);
        }
        assert_eq!(Letter::APlus.better(), None);
        assert_eq!(Letter::F.better(), Some(Letter::D));
    }

    #[test]
    fn points_and_severity_for_upper_limits() {
        use Severity::{Close, Critical, Success, Warning};
        let cases = [
            (0.0, 100.0, Success),
            (100.0, 100.0, Success),
            (101.0, 99.0, Close),
            (149.0, 51.0, Close),
            (150.0, 50.0, Warning),
            (199.0, 1.0, Warning),
            (200.0, 0.0, Critical),
            (9_999.0, 0.0, Critical),
        ];
        for (value, score, severity) in cases {
            let got = judge(&Metric::MeanResponseTime, 100.0, value);
            assert!((got.0 - score).abs() < 1e-9, "{value}: {got:?}");
            assert_eq!(got.1, severity, "{value}");
        }
    }

    #[test]
    fn points_for_lower_limits() {
        let near = |got: (f64, Severity), score: f64, severity| {
            assert!((got.0 - score).abs() < 1e-6, "{got:?} for {score}");
            assert_eq!(got.1, severity);
        };
        // Availability is judged by the error budget: 99.9 % allows 0.1 %.
        near(
            judge(&Metric::Availability, 0.999, 0.999),
            100.0,
            Severity::Success,
        );
        near(
            judge(&Metric::Availability, 0.999, 0.99875),
            75.0,
            Severity::Close,
        );
        near(
            judge(&Metric::Availability, 0.999, 0.9984),
            40.0,
            Severity::Warning,
        );
        near(
            judge(&Metric::Availability, 0.999, 0.99),
            0.0,
            Severity::Critical,
        );
        // Throughput by limit over value: 80 of 100 is 1.25 times too little.
        near(
            judge(&Metric::Throughput, 100.0, 100.0),
            100.0,
            Severity::Success,
        );
        near(
            judge(&Metric::Throughput, 100.0, 80.0),
            75.0,
            Severity::Close,
        );
        near(
            judge(&Metric::Throughput, 100.0, 62.5),
            40.0,
            Severity::Warning,
        );
        near(
            judge(&Metric::Throughput, 100.0, 50.0),
            0.0,
            Severity::Critical,
        );
        near(
            judge(&Metric::Throughput, 100.0, 0.0),
            0.0,
            Severity::Critical,
        );
    }

    #[test]
    fn a_share_that_must_be_above_1_is_judged_by_limit_over_value() {
        let metric = Metric::Observed(ObservedNumber {
            name: "cpu".to_owned(),
            part: None,
            extreme: None,
            scale: Scale::Share,
            direction: Direction::AtLeast,
        });
        let score = |value| judge(&metric, 1.5, value).0;
        assert_eq!([1.5, 1.2, 1.0, 0.5].map(score), [100.0, 75.0, 50.0, 0.0]);
        assert_eq!(value_at(&metric, 1.5, 1.25), 1.2);
        // Up to 1, what counts is the share that is missing.
        assert_eq!(judge(&metric, 0.5, 0.25).0, 50.0);
    }

    #[test]
    fn limits_that_allow_nothing_are_met_or_worth_nothing() {
        assert_eq!(
            judge(&Metric::ErrorRate, 0.0, 0.0),
            (100.0, Severity::Success)
        );
        assert_eq!(
            judge(&Metric::ErrorRate, 0.0, 1e-9),
            (0.0, Severity::Critical)
        );
        assert_eq!(times_limit(&Metric::ErrorRate, 0.0, 0.0), 0.0);
        assert_eq!(times_limit(&Metric::ErrorRate, 0.0, 1e-9), f64::INFINITY);
        assert_eq!(
            judge(&Metric::Availability, 1.0, 1.0),
            (100.0, Severity::Success)
        );
        assert_eq!(
            judge(&Metric::Availability, 1.0, 0.9999),
            (0.0, Severity::Critical)
        );
    }

    fn any_metric() -> impl Strategy<Value = Metric> {
        prop::sample::select(vec![
            Metric::MeanResponseTime,
            Metric::ErrorRate,
            Metric::Availability,
            Metric::Throughput,
        ])
    }

    #[test]
    fn a_warning_scores_from_50_down_to_0_at_the_critical_limit() {
        for (metric, limit, critical, worst) in [
            (Metric::ErrorRate, 0.7, 0.9, 0.95),
            (Metric::Availability, 0.999, 0.99, 0.9),
            (Metric::Throughput, 100.0, 50.0, 10.0),
        ] {
            let score = |value| {
                let met = metric.direction().is_met(limit, value);
                of_miss(met, times_pair(&metric, limit, Some(critical), value))
            };
            let middle = (limit + critical) / 2.0;
            for (value, wanted) in [
                (limit, 100.0),
                (middle, 25.0),
                (critical, 0.0),
                (worst, 0.0),
            ] {
                assert!((score(value) - wanted).abs() < 1e-6, "{metric}: {value}");
            }
            let advised = value_at_pair(&metric, limit, Some(critical), 1.75);
            assert!((advised - middle).abs() < 1e-9, "{metric}");
            assert_eq!(value_at_pair(&metric, limit, Some(critical), 1.2), limit);
        }
    }

    proptest! {
        #[test]
        fn the_score_is_a_score_and_never_rises_when_a_value_gets_worse(
            metric in any_metric(),
            limit in 0.0f64..=1.0,
            a in 0.0f64..=1.0,
            b in 0.0f64..=1.0,
        ) {
            let (better, worse) = match metric.direction() {
                Direction::AtMost => (a.min(b), a.max(b)),
                Direction::AtLeast => (a.max(b), a.min(b)),
            };
            let (better, worse) = (judge(&metric, limit, better).0, judge(&metric, limit, worse).0);
            prop_assert!((0.0..=100.0).contains(&better) && (0.0..=100.0).contains(&worse));
            prop_assert!(worse <= better);
        }

        #[test]
        fn the_value_at_a_multiple_of_the_limit_is_that_multiple(
            metric in any_metric(),
            limit in 0.01f64..=0.99,
            times in 1.0f64..2.0,
        ) {
            let value = value_at(&metric, limit, times);
            prop_assert!((times_limit(&metric, limit, value) - times).abs() < 1e-6);
        }
    }
}
