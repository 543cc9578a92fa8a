//! What would bring the next letter: the smallest single change, or the targets to meet.

use serde::Serialize;

use super::{Criterion, Kind, Letter, score};
use crate::plan::Direction;

/// How the next better letter could be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NextLetter {
    /// The letter.
    pub letter: Letter,
    /// What it takes, for people: `p95 at 620 ms instead of 900 ms`.
    pub how: String,
}

/// A change of one criterion that would be enough.
struct Step<'a> {
    criterion: &'a Criterion,
    /// The value it takes; in the metric's unit.
    value: f64,
    /// How much better that is, as a factor; infinite where there is nothing to go by.
    effort: f64,
}

/// What would bring the letter after `letter`.
pub(super) fn next_letter(
    criteria: &[Criterion],
    total: f64,
    letter: Letter,
) -> Option<NextLetter> {
    let letter = letter.better()?;
    let mut missed: Vec<&Criterion> = criteria.iter().filter(|c| !c.met).collect();
    missed.sort_by(|a, b| b.points_lost.total_cmp(&a.points_lost));
    let need = letter.lowest_score() - total;
    // An A+ asks for every target; any other letter only for its points.
    let how = if letter == Letter::APlus {
        match missed.as_slice() {
            [only] => step_to(only, 1.0).describe(),
            all => meeting(all),
        }
    } else {
        let weights = score::total_weight(criteria)?;
        let steps = missed
            .iter()
            .filter(|criterion| criterion.points_lost + 1e-9 >= need)
            .map(|criterion| {
                let score = criterion.score + need * weights / criterion.weight;
                step_to(criterion, 2.0 - score.clamp(0.0, 100.0) / 100.0)
            });
        match steps.min_by(|a, b| a.effort.total_cmp(&b.effort)) {
            Some(step) => step.describe(),
            None => meeting(enough(&missed, need)),
        }
    };
    Some(NextLetter { letter, how })
}

/// The fewest criteria that, met, would bring `need` points; `missed` starts with the costliest.
fn enough<'a, 'b>(missed: &'b [&'a Criterion], need: f64) -> &'b [&'a Criterion] {
    let mut gained = 0.0;
    let count = missed.iter().take_while(|criterion| {
        let still_needed = gained + 1e-9 < need;
        gained += criterion.points_lost;
        still_needed
    });
    &missed[..count.count()]
}

fn step_to(criterion: &Criterion, times: f64) -> Step<'_> {
    let Criterion { metric, limit, .. } = criterion;
    let value = rounded(criterion, score::value_at(metric, *limit, times));
    let effort = match criterion.value {
        Some(now) => {
            score::times_target(metric, *limit, now) / score::times_target(metric, *limit, value)
        }
        None => f64::INFINITY,
    };
    Step {
        criterion,
        value,
        // 0/0: a target of nothing, met by nothing.
        effort: if effort.is_nan() {
            f64::INFINITY
        } else {
            effort
        },
    }
}

/// Rounded to what reports show, to the strict side, so that the advice holds as it is read.
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

impl Step<'_> {
    fn describe(&self) -> String {
        let Criterion { metric, .. } = self.criterion;
        let name = subject(self.criterion);
        match self.criterion.value {
            Some(now) => format!(
                "{name} at {} instead of {}",
                metric.format(self.value),
                metric.format(now)
            ),
            None => format!("data for {name}, with its target met"),
        }
    }
}

fn subject(criterion: &Criterion) -> String {
    match criterion.kind {
        Kind::Slo => criterion.full_name(),
        Kind::Baseline => format!("{} against the baseline", criterion.full_name()),
    }
}

fn meeting(criteria: &[&Criterion]) -> String {
    const NAMED: usize = 3;
    let mut names: Vec<String> = criteria.iter().take(NAMED).map(|c| subject(c)).collect();
    if criteria.len() > NAMED {
        names.push(format!("{} more", criteria.len() - NAMED));
    }
    let last = names.pop().unwrap_or_default();
    let targets = if criteria.len() == 1 {
        "target"
    } else {
        "targets"
    };
    if names.is_empty() {
        format!("meeting the {targets} {last}")
    } else {
        format!("meeting the {targets} {} and {last}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use crate::grading::*;
    use crate::metrics::{Outcome, fixture};
    use crate::plan::Percentile;

    fn next(slos: &[(&str, Metric, f64)]) -> Option<(&'static str, String)> {
        let mut result =
            fixture::run(&[("a", &[(Outcome::Ok, 90_000, 99), (Outcome::Http5xx, 10, 1)])]);
        result.run.slos = slos
            .iter()
            .map(|(name, metric, target)| fixture::slo(name, metric.clone(), *target))
            .collect();
        let next = Grading::of(&result, None, &Policy::default()).next?;
        Some((next.letter.name(), next.how))
    }

    fn p95(target: f64) -> (&'static str, Metric, f64) {
        (
            "p95",
            Metric::ResponseTime(Percentile::new(95.0).unwrap()),
            target,
        )
    }

    #[test]
    fn one_change_that_is_enough_is_named_with_its_value() {
        // 90 ms over 60 ms is 1.5 times, 50 points; with one weight of two that is 75 in total: a C.
        let (letter, how) = next(&[p95(60_000.0), ("rps", Metric::Throughput, 1.0)]).unwrap();
        assert_eq!(
            (letter, how.as_str()),
            ("B", "p95 at 84.0 ms instead of 90.0 ms")
        );
    }

    #[test]
    fn the_smaller_change_is_chosen() {
        let (_, how) = next(&[
            p95(60_000.0),
            ("errors", Metric::ErrorRate, 0.001),
            ("rps", Metric::Throughput, 1.0),
        ])
        .unwrap();
        // 50 points lost: F's next letter D needs 10 of them, which p95 can give alone.
        assert!(how.starts_with("p95 at 72.0 ms"), "{how}");
    }

    #[test]
    fn shares_are_rounded_to_the_strict_side() {
        let (_, how) = next(&[
            ("errors", Metric::ErrorRate, 0.0061),
            ("rps", Metric::Throughput, 1.0),
        ])
        .unwrap();
        // 1 % of 0.61 % costs 32 points, a D; 70 points come with 1.6 times the target, 0.976 %.
        assert_eq!(how, "errors at 0.97% instead of 1%");
    }

    #[test]
    fn several_targets_are_named_where_no_single_one_is_enough() {
        let (letter, how) = next(&[p95(1.0), ("errors", Metric::ErrorRate, 0.0)]).unwrap();
        assert_eq!(
            (letter, how.as_str()),
            ("D", "meeting the targets p95 and errors")
        );
    }

    #[test]
    fn an_a_plus_asks_for_every_target() {
        let mut slos = vec![("rps", Metric::Throughput, 1.0); 30];
        slos.push(p95(89_960.0));
        let (letter, how) = next(&slos).unwrap();
        assert_eq!(
            (letter, how.as_str()),
            ("A+", "p95 at 89.9 ms instead of 90.0 ms")
        );
    }

    #[test]
    fn following_the_advice_brings_the_letter() {
        for target in [46_000.0, 50_000.0, 60_000.0, 75_000.0, 80_000.0] {
            let slos = [p95(target), ("rps", Metric::Throughput, 1.0)];
            let (letter, how) = next(&slos).unwrap();
            let advised: f64 = how.split(' ').nth(2).unwrap().parse().unwrap();
            let mut result = fixture::run(&[("a", &[(Outcome::Ok, (advised * 1e3) as u64, 100)])]);
            result.run.slos = slos
                .iter()
                .map(|(name, metric, target)| fixture::slo(name, metric.clone(), *target))
                .collect();
            let grading = Grading::of(&result, None, &Policy::default());
            assert_eq!(grading.letter.unwrap().name(), letter, "{target}: {how}");
        }
    }
}
