//! What would achieve the next letter: the smallest single improvement, or the criteria to meet.

use super::criterion::{Criterion, CriterionKind, total_weight};
use super::score::{self, Letter};
use crate::plan::Direction;

/// What would achieve the next better letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextLetter {
    /// The letter.
    pub letter: Letter,
    /// What is needed, for people: `p95 at 620 ms instead of 900 ms`.
    pub how: String,
}

/// An improvement of one criterion that would be enough.
struct Improvement<'a> {
    criterion: &'a Criterion,
    /// The value it needs; in the metric's unit.
    value: f64,
    /// How much better that is, as a factor; infinite where it cannot be computed.
    effort: f64,
}

/// What would achieve the letter above `letter`.
pub(super) fn next_letter(
    criteria: &[Criterion],
    total: f64,
    letter: Letter,
) -> Option<NextLetter> {
    let letter = letter.better()?;
    let mut missed: Vec<&Criterion> = criteria.iter().filter(|c| !c.met).collect();
    missed.sort_by(|a, b| b.points_lost.total_cmp(&a.points_lost));
    let need = letter.lowest_score() - total;
    // An A+ requires every criterion; any other letter only its points.
    let how = if letter == Letter::APlus {
        match missed.as_slice() {
            [only] => improvement_to(only, 1.0).describe(),
            all => meeting(all),
        }
    } else {
        let weights = total_weight(criteria)?;
        let improvements = missed
            .iter()
            .filter(|criterion| criterion.points_lost + 1e-9 >= need)
            .map(|criterion| {
                let score = criterion.score + need * weights / criterion.weight;
                improvement_to(criterion, 2.0 - score.clamp(0.0, 100.0) / 100.0)
            });
        match improvements.min_by(|a, b| a.effort.total_cmp(&b.effort)) {
            Some(improvement) => improvement.describe(),
            None => meeting(enough(&missed, need)),
        }
    };
    Some(NextLetter { letter, how })
}

/// The fewest criteria that would gain `need` points if met; `missed` starts with the costliest.
fn enough<'a, 'b>(missed: &'b [&'a Criterion], need: f64) -> &'b [&'a Criterion] {
    let mut gained = 0.0;
    let count = missed.iter().take_while(|criterion| {
        let still_needed = gained + 1e-9 < need;
        gained += criterion.points_lost;
        still_needed
    });
    &missed[..count.count()]
}

fn improvement_to(criterion: &Criterion, times: f64) -> Improvement<'_> {
    let Criterion {
        metric,
        limit,
        critical,
        ..
    } = criterion;
    let value = rounded(
        criterion,
        score::value_at_pair(metric, *limit, *critical, times),
    );
    let times = |value| score::times_pair(metric, *limit, *critical, value);
    let effort = match criterion.value {
        Some(now) => times(now) / times(value),
        None => f64::INFINITY,
    };
    Improvement {
        criterion,
        value,
        // 0/0: a limit of 0, met by 0.
        effort: if effort.is_nan() {
            f64::INFINITY
        } else {
            effort
        },
    }
}

/// Rounded as reports show it, to the strict side, so that the advice holds as printed.
fn rounded(criterion: &Criterion, value: f64) -> f64 {
    let direction = criterion.metric.direction();
    if value > 1.0 && value.is_finite() {
        // Three significant digits.
        let unit = 10f64.powf(value.log10().floor() - 2.0);
        return match direction {
            Direction::AtMost => (value / unit).floor() * unit,
            Direction::AtLeast => (value / unit).ceil() * unit,
        };
    }
    // A share, in hundredths of a percent; the slack keeps 1.5 % from becoming 1.49 %.
    let floor = |share: f64| (share * 1e4 + 1e-6).floor() / 1e4;
    match direction {
        Direction::AtMost if floor(value) > 0.0 => floor(value),
        Direction::AtLeast if floor(1.0 - value) > 0.0 => 1.0 - floor(1.0 - value),
        _ => value,
    }
}

impl Improvement<'_> {
    fn describe(&self) -> String {
        let Criterion { metric, .. } = self.criterion;
        let name = subject(self.criterion);
        match self.criterion.value {
            Some(now) => {
                let [wanted, now] = metric.format_apart(self.value, now);
                format!("{name} at {wanted} instead of {now}")
            }
            None => format!("data for {name} within its limit"),
        }
    }
}

fn subject(criterion: &Criterion) -> String {
    match criterion.kind {
        CriterionKind::Slo => criterion.full_name(),
        CriterionKind::Baseline => format!("{} against the baseline", criterion.full_name()),
    }
}

fn meeting(criteria: &[&Criterion]) -> String {
    const NAMED: usize = 3;
    let mut names: Vec<String> = criteria.iter().take(NAMED).map(|c| subject(c)).collect();
    if criteria.len() > NAMED {
        names.push(format!("{} more", criteria.len() - NAMED));
    }
    let last = names.pop().unwrap_or_default();
    if names.is_empty() {
        format!("meeting the limit of {last}")
    } else {
        format!("meeting the limits of {} and {last}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use crate::grading::*;
    use crate::metrics::{Outcome, fixture};
    use crate::plan::{Metric, Percentile};

    fn next(slos: &[(&str, Metric, f64)]) -> Option<(&'static str, String)> {
        let mut result =
            fixture::run(&[("a", &[(Outcome::Ok, 90_000, 99), (Outcome::Http5xx, 10, 1)])]);
        result.run.slos = slos
            .iter()
            .map(|(name, metric, limit)| fixture::slo(name, metric.clone(), *limit))
            .collect();
        let next = Grading::of(&result, None, &Policy::default()).next?;
        Some((next.letter.name(), next.how))
    }

    fn p95(limit: f64) -> (&'static str, Metric, f64) {
        (
            "p95",
            Metric::ResponseTime(Percentile::new(95.0).unwrap()),
            limit,
        )
    }

    #[test]
    fn one_improvement_that_is_enough_is_named_with_its_value() {
        // 90 ms over 60 ms is 1.5 times, 50 points; with one weight of two that is 75 in total: a C.
        let (letter, how) = next(&[p95(60_000.0), ("rps", Metric::Throughput, 1.0)]).unwrap();
        assert_eq!(
            (letter, how.as_str()),
            ("B", "p95 at 84.0 ms instead of 90.0 ms")
        );
    }

    #[test]
    fn the_smaller_improvement_is_chosen() {
        let (_, how) = next(&[
            p95(60_000.0),
            ("errors", Metric::ErrorRate, 0.000_55),
            ("rps", Metric::Throughput, 1.0),
        ])
        .unwrap();
        // 50 points lost: F's next letter D needs 10 of them, which p95 can give alone. The errors
        // could, too, but would have to fall to less than a tenth.
        assert!(how.starts_with("p95 at 72.0 ms"), "{how}");
    }

    #[test]
    fn shares_are_rounded_to_the_strict_side() {
        let (_, how) = next(&[
            ("errors", Metric::ErrorRate, 0.0061),
            ("rps", Metric::Throughput, 1.0),
        ])
        .unwrap();
        // 1 % of 0.61 % costs 32 points, a D; 70 points come with 1.6 times the limit, 0.976 %.
        assert_eq!(how, "errors at 0.97% instead of 1%");
    }

    #[test]
    fn several_criteria_are_named_where_no_single_one_is_enough() {
        let (letter, how) = next(&[p95(1.0), ("errors", Metric::ErrorRate, 0.0)]).unwrap();
        assert_eq!(
            (letter, how.as_str()),
            ("D", "meeting the limits of p95 and errors")
        );
    }

    #[test]
    fn an_a_plus_requires_every_criterion() {
        let mut slos = vec![("rps", Metric::Throughput, 1.0); 30];
        slos.push(p95(89_960.0));
        let (letter, how) = next(&slos).unwrap();
        assert_eq!(
            (letter, how.as_str()),
            ("A+", "p95 at 89.9 ms instead of 90.0 ms")
        );
    }

    #[test]
    fn following_the_advice_achieves_the_letter() {
        for limit in [46_000.0, 50_000.0, 60_000.0, 75_000.0, 80_000.0] {
            let slos = [p95(limit), ("rps", Metric::Throughput, 1.0)];
            let (letter, how) = next(&slos).unwrap();
            let advised: f64 = how.split(' ').nth(2).unwrap().parse().unwrap();
            let mut result = fixture::run(&[("a", &[(Outcome::Ok, (advised * 1e3) as u64, 100)])]);
            result.run.slos = slos
                .iter()
                .map(|(name, metric, limit)| fixture::slo(name, metric.clone(), *limit))
                .collect();
            let grading = Grading::of(&result, None, &Policy::default());
            assert_eq!(grading.letter.unwrap().name(), letter, "{limit}: {how}");
        }
    }
}
