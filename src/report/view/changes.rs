//! The changes against a baseline: which rows are shown, and how.

use crate::comparison::{Comparison, Decision, Row};
use crate::plan::{Metric, SloScope};
use crate::report::contents::{Focus, Report};
use crate::units::{format_counted, trim_float};

/// The rows of a comparison worth showing: beside a grade all of the total, and of endpoints
/// those that changed or keep the verdict open; otherwise all.
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
    let mut headers = vec!["of", "metric", before, now, "change"];
    headers.extend(has_ranges(comparison).then_some("between"));
    headers.push("decision");
    headers
}

/// Where, metric, before, now, change, decision; before the last, between what the change lies,
/// where any row tells.
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

/// How a comparison came out, in a sentence.
pub(crate) fn comparison_sentence(report: &Report) -> String {
    let Some(comparison) = &report.comparison else {
        return String::new();
    };
    let runs = |ids: &[String]| format_counted(ids.len() as u64, "run");
    let (before, now) = (runs(&comparison.baseline), runs(&comparison.candidates));
    let words = comparison.rows.iter().map(outcome_word);
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

/// What became of a row that there was too little of to judge it.
const NOT_JUDGED: &str = "not judged";

/// What became of a row in a word or two.
fn outcome_word(row: &Row) -> &'static str {
    match row.decision {
        Decision::Inconclusive if !row.required && row.range.is_none() => NOT_JUDGED,
        decision => decision.name(),
    }
}

/// What a comparison costs of the score, and why some of it was not judged.
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
    remarks.extend(seen(rows()));
    let open: Vec<&Row> = rows()
        .filter(|row| outcome_word(row) == NOT_JUDGED)
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

/// What would have been noticed, so that nobody takes "unchanged" for more than it says.
fn seen<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<String> {
    let unchanged = rows.filter(|row| row.decision == Decision::Unchanged);
    let seen: Vec<f64> = unchanged.filter_map(|row| row.detectable).collect();
    let least = seen.iter().copied().reduce(f64::min)?;
    let most = seen.iter().copied().reduce(f64::max)?;
    let percent = |share: f64| trim_float(share * 100.0, usize::from(share < 0.0995));
    Some(match percent(least) == percent(most) {
        true => format!(
            "unchanged: would have seen anything above {}%",
            percent(most)
        ),
        false => format!(
            "unchanged: would have seen anything above {} to {}%, by the metric",
            percent(least),
            percent(most)
        ),
    })
}
