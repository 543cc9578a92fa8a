//! Grade and SLOs in words.

use std::time::Duration;

use super::changes::comparison_sentence;
use crate::grading::{Criterion, Verdict};
use crate::metrics::{Outcome, Window};
use crate::plan::Direction;
use crate::report::contents::{Focus, Report};
use crate::units::{format_count, format_duration, format_number, format_percent, trim_float};

/// `≤ 500 ms`, with more digits where [`measured`] would look the same; `≤ 70% / 90%` with a critical limit.
pub(crate) fn bound(criterion: &Criterion) -> String {
    let sign = match criterion.metric.direction() {
        Direction::AtMost => "≤",
        Direction::AtLeast => "≥",
    };
    let limit = match criterion.value {
        Some(value) => {
            let [_, limit] = criterion.metric.format_apart(value, criterion.limit);
            limit
        }
        None => criterion.metric.format(criterion.limit),
    };
    match criterion.critical {
        Some(critical) => {
            let critical = criterion.metric.format(critical);
            format!("{sign} {limit} / {critical}")
        }
        None => format!("{sign} {limit}"),
    }
}

/// The measured value, or that there is none.
pub(crate) fn measured(criterion: &Criterion) -> String {
    let Some(value) = criterion.value else {
        return "no data".into();
    };
    let [value, _] = criterion.metric.format_apart(value, criterion.limit);
    value
}

/// The letter of its own; empty if it has none.
pub(crate) fn letter(criterion: &Criterion) -> String {
    criterion.grade.clone().unwrap_or_default()
}

/// The points it costs; empty if there are none.
pub(crate) fn points_lost(criterion: &Criterion) -> String {
    match criterion.points_lost {
        lost if lost < 0.05 => String::new(),
        lost => trim_float(lost, 1),
    }
}

/// The name, and whether it is advisory.
pub(crate) fn criterion_name(criterion: &Criterion) -> String {
    let name = criterion.full_name();
    if criterion.advisory {
        format!("{name} (advisory)")
    } else {
        name
    }
}

/// What stands beside the verdict, and the reasons below it: the grade where there is one, and else the
/// first reason.
pub(crate) fn verdict(report: &Report) -> (String, Vec<String>) {
    let grading = &report.grading;
    let reasons = grading.reasons.iter();
    let mut reasons: Vec<String> = reasons.map(|text| suggested(report, text)).collect();
    let has_comparison = report.comparison.is_some();
    let says = match (report.focus, grading.verdict) {
        (_, Verdict::Invalid) => "no grade: the numbers say nothing about the service".into(),
        (Focus::Comparison, _) => comparison_sentence(report),
        (Focus::Run, Verdict::Inconclusive) if has_comparison => {
            "no grade: the comparison is undecided".into()
        }
        (Focus::Run, Verdict::Fail | Verdict::Inconclusive)
            if grading.letter.is_none() && !reasons.is_empty() =>
        {
            reasons.remove(0)
        }
        (Focus::Run, _) => grade(report),
    };
    (says, reasons)
}

/// `text`, whose options are those of the command that made the run.
pub(crate) fn suggested(report: &Report, text: &str) -> String {
    match report.is_stored {
        true => text.replace("`--", "`perfctl run --"),
        false => text.to_owned(),
    }
}

/// What would change the verdict or the grade: `for B: ...`, or how to settle a comparison.
pub(crate) fn next_step(report: &Report) -> Option<String> {
    let grading = &report.grading;
    let next = grading.next.as_ref().filter(|_| report.focus == Focus::Run);
    let letter = next.map(|next| format!("for {}: {}", next.letter.name(), next.how));
    let comparison = report.comparison.as_ref();
    let is_open = grading.verdict == Verdict::Inconclusive;
    let step = comparison.and_then(|comparison| comparison.next_step.clone());
    letter.or(step.filter(|_| is_open))
}

/// The letter with its points: `grade B (84.2 of 100)`, and what it means for a run that passed: `: good,
/// some optimizations`. A run that failed is not "acceptable".
fn grade(report: &Report) -> String {
    let grading = &report.grading;
    let (Some(letter), Some(score)) = (grading.letter, grading.score) else {
        return "no grade".into();
    };
    let sentence = match grading.verdict {
        Verdict::Pass => format!(": {}", letter.sentence()),
        _ => String::new(),
    };
    format!(
        "grade {} ({} of 100){sentence}",
        letter.name(),
        // Truncated, not rounded: 89.96 is a B and must not be shown as 90.
        trim_float((score * 10.0 + 1e-6).floor() / 10.0, 1),
    )
}

/// Whether SLOs are met or missed: not in an INVALID run, nor in one that failed for a cause that leaves
/// nothing to grade.
pub(crate) fn are_judged(report: &Report) -> bool {
    let grading = &report.grading;
    match grading.verdict {
        Verdict::Invalid => false,
        Verdict::Fail => grading.score.is_some(),
        Verdict::Pass | Verdict::Inconclusive => true,
    }
}

/// A sentence about each error budget of which something is spent.
pub(crate) fn error_budgets(report: &Report) -> Vec<String> {
    if !are_judged(report) {
        return Vec::new();
    }
    let budgets = report.error_budgets().iter();
    let spent = budgets.filter(|budget| budget.failures > 0);
    let sentences = spent.map(|budget| {
        let rates = budget.burn_rates.iter().map(|rate| {
            let times = |s: f64| format_duration(Duration::from_secs_f64(s.max(0.0).round()));
            let (window, start) = (times(rate.window_s as f64), times(rate.start_s));
            format!("{} in {window} (from {start})", trim_float(rate.rate, 1))
        });
        let rates: Vec<String> = rates.collect();
        let rates = match rates.is_empty() {
            true => String::new(),
            false => format!("; burn rate up to {}", rates.join(", ")),
        };
        format!(
            "error budget of {}: {} burnt, {} of {} failures{rates}",
            budget.full_name(),
            format_percent(short_share(budget.burnt_share())),
            format_count(budget.failures),
            format_number(budget.allowed_failures()),
        )
    });
    sentences.collect()
}

/// A share in tenths of a percent, no more digits than people read, unless it then looked like none or all of it.
fn short_share(share: f64) -> f64 {
    match (share * 1e3).round() / 1e3 {
        0.0 | 1.0 => share,
        short => short,
    }
}

/// The SLOs to show: none where nothing was measured, which was said before.
pub(crate) fn slos(report: &Report) -> impl Iterator<Item = &Criterion> {
    let started = report
        .result
        .count_in(None, Window::Measured, Outcome::is_started);
    report.grading.slos().filter(move |_| started > 0)
}

/// How many SLOs are met: `2 met, 1 narrowly missed, 1 failing`; or that none is judged.
pub(crate) fn compliance(report: &Report) -> String {
    if !are_judged(report) {
        return "not judged".into();
    }
    let compliance = report.grading.compliance();
    [
        (compliance.targets_met, "met"),
        (compliance.targets_close, "narrowly missed"),
        (compliance.targets_failing, "failing"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect::<Vec<_>>()
    .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::fixture;
    use crate::plan::Metric;
    use crate::report::fixture::report;

    #[test]
    fn a_budget_of_which_little_is_spent_or_allowed_is_not_shown_as_none() {
        let spent = |ok, failed, limit| {
            let outcomes = [(Outcome::Ok, 1_000, ok), (Outcome::Http5xx, 1_000, failed)];
            let mut result = fixture::run(&[("a", &outcomes)]);
            result.run.slos = vec![fixture::slo("error_rate", Metric::ErrorRate, limit)];
            error_budgets(&report(result, None)).join("\n")
        };
        let rest = |text: &str| text.replace("error budget of error_rate: ", "");
        for (found, wanted) in [
            (spent(39, 1, 0.001), "2500% burnt, 1 of 0.04 failures"),
            (spent(9_999, 1, 0.5), "0.02% burnt, 1 of 5000 failures"),
            (spent(9_001, 999, 0.1), "99.9% burnt, 999 of 1000 failures"),
            (
                spent(90_003, 9_997, 0.1),
                "99.97% burnt, 9,997 of 10000 failures",
            ),
            (spent(999, 1, 0.003), "33.3% burnt, 1 of 3 failures"),
            (spent(100, 0, 0.01), ""),
        ] {
            assert_eq!(rest(&found), wanted);
        }
    }
}
