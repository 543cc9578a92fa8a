//! Grade and SLOs in words.

use crate::grading::Criterion;
use crate::plan::Direction;
use crate::report::contents::Report;
use crate::units::trim_float;

/// `≤ 500 ms`, with more digits where [`measured`] would look the same.
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
    format!("{sign} {limit}")
}

/// The measured value, or that there is none.
pub(crate) fn measured(criterion: &Criterion) -> String {
    let Some(value) = criterion.value else {
        return "no data".into();
    };
    let [value, _] = criterion.metric.format_apart(value, criterion.limit);
    value
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

/// The letter with its points and sentence: `grade B (84.2 of 100): good, some optimizations`.
pub(crate) fn grade(report: &Report) -> String {
    match (report.grading.letter, report.grading.score) {
        (Some(letter), Some(score)) => format!(
            "grade {} ({} of 100): {}",
            letter.name(),
            // Truncated, not rounded: 89.96 is a B and must not be shown as 90.
            trim_float((score * 10.0 + 1e-6).floor() / 10.0, 1),
            letter.sentence()
        ),
        _ => "no grade".into(),
    }
}

/// How many SLOs are met: `2 met, 1 narrowly missed, 1 failing`.
pub(crate) fn compliance(report: &Report) -> String {
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
