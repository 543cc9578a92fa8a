//! The changes against a baseline: which rows are shown, and how.

use crate::comparison::{Comparison, Decision, Row};
use crate::plan::{Metric, SloScope};
use crate::report::contents::{Focus, Report};
use crate::units::{format_counted, trim_float};

/// The rows of a comparison to show: next to a grade, those of the total, and those of endpoints
/// that changed or leave the verdict open; otherwise all.
pub(crate) fn rows<'a>(report: &Report, comparison: &'a Comparison) -> Vec<&'a Row> {
    let all = comparison.rows.iter();
    let is_notable = |row: &&Row| match row.decision {
        Decision::Regressed | Decision::Improved => true,
        Decision::Inconclusive if row.required => true,
        _ => row.scope == SloScope::Total || report.result.endpoints.len() == 1,
    };
    match report.focus {
        Focus::Run => all.filter(is_notable).collect(),
        Focus::Comparison => all.collect(),
    }
}

/// The headers over [`change_cells`].
pub(crate) fn change_headers(comparison: &Comparison) -> Vec<&'static str> {
    let (before, now) = match comparison.gate {
        "side_by_side" => ("a", "b"),
        _ => ("before", "now"),
    };
    let mut headers = vec!["endpoint", "metric", before, now, "change"];
    headers.extend(has_ranges(comparison).then_some("between"));
    headers.push("decision");
    headers
}

/// Scope, metric, before, now, change and decision; before the last, the range of the change if
/// any row has one.
pub(crate) fn change_cells(row: &Row, comparison: &Comparison) -> Vec<String> {
    let mut cells = vec![
        row.place(),
        match row.metric {
            Metric::ErrorRate => "errors".into(),
            Metric::Throughput => "rate".into(),
            _ => row.metric.to_string(),
        },
        row.format(row.baseline),
        row.format(row.value),
        row.change_text(),
    ];
    if has_ranges(comparison) {
        cells.push(row.range_text().unwrap_or_else(|| "-".into()));
    }
    let is_judged = row.decision != Decision::Inconclusive || row.required || row.range.is_some();
    let decision = if is_judged {
        row.decision.name()
    } else {
        "not judged"
    };
    cells.push(decision.to_owned());
    cells
}

fn has_ranges(comparison: &Comparison) -> bool {
    comparison.rows.iter().any(|row| row.range.is_some())
}

/// The result of a comparison, in a sentence.
pub(crate) fn comparison_sentence(report: &Report) -> String {
    let Some(comparison) = &report.comparison else {
        return String::new();
    };
    let runs = |ids: &[String]| format_counted(ids.len() as u64, "run");
    let (before, now) = (runs(&comparison.baseline), runs(&comparison.candidates));
    let words = comparison.rows.iter().map(decision_word);
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for word in words {
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let order = |word: &str| {
        ["regressed", "improved", "unchanged"]
            .iter()
            .position(|w| *w == word)
    };
    counts.sort_by_key(|(word, _)| order(word).unwrap_or(3));
    let counts: Vec<String> = counts
        .iter()
        .map(|(word, n)| format!("{n} {word}"))
        .collect();
    format!("{now} against {before}: {}", counts.join(", "))
}

/// The decision about a row with too little data.
const NOT_JUDGED: &str = "not judged";

/// The decision about a row in a word or two.
fn decision_word(row: &Row) -> &'static str {
    match row.decision {
        Decision::Inconclusive if !row.required && row.range.is_none() => NOT_JUDGED,
        decision => decision.name(),
    }
}

/// How many points a comparison costs, and why some of it was not judged.
pub(crate) fn comparison_remarks(report: &Report) -> Vec<String> {
    const NAMED: usize = 3;
    let mut remarks = Vec::new();
    let graded = report.focus == Focus::Run && report.grading.score.is_some();
    let lost: Vec<String> = report
        .grading
        .baseline()
        .filter(|c| graded && c.points_lost >= 0.05)
        .map(|c| format!("{} ({})", c.full_name(), trim_float(c.points_lost, 1)))
        .collect();
    if !lost.is_empty() {
        remarks.push(format!("points lost: {}", lost.join(", ")));
    }
    let rows = || report.comparison.iter().flat_map(|c| &c.rows);
    remarks.extend(detectable(rows()));
    let open: Vec<&Row> = rows()
        .filter(|row| decision_word(row) == NOT_JUDGED)
        .collect();
    if !open.is_empty() {
        let named = open
            .iter()
            .take(NAMED)
            .map(|row| format!("{}, {}: {}", row.place(), row.metric, row.reason));
        let mut text = format!("{NOT_JUDGED}: {}", named.collect::<Vec<_>>().join("; "));
        if open.len() > NAMED {
            text.push_str(&format!("; and {} more", open.len() - NAMED));
        }
        remarks.push(text);
    }
    remarks
}

/// The minimum detectable change, so that nobody reads too much into "unchanged".
fn detectable<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<String> {
    let unchanged = rows.filter(|row| row.decision == Decision::Unchanged);
    let changes: Vec<f64> = unchanged.filter_map(|row| row.detectable).collect();
    let least = changes.iter().copied().reduce(f64::min)?;
    let most = changes.iter().copied().reduce(f64::max)?;
    let percent = |share: f64| trim_float(share * 100.0, usize::from(share < 0.0995));
    Some(match percent(least) == percent(most) {
        true => format!("unchanged: minimum detectable change {}%", percent(most)),
        false => format!(
            "unchanged: minimum detectable change {} to {}%, depending on the metric",
            percent(least),
            percent(most)
        ),
    })
}
