//! The changes against a baseline, with their uncertainty.

use super::axis::round_up;
use super::frame::{Frame, Mark};
use super::svg::{GRAY, GREEN, P50, Pen, RED, WIDTH, line, rectangle};
use crate::comparison::{Decision, Row};
use crate::plan::Metric;
use crate::units::{format_counted, trim_float};

/// The most rows.
const MAX_ROWS: usize = 60;
/// The height of a row: its name, and below it the change.
const ROW: f64 = 32.0;
/// The scale goes at least this far to either side; a share.
const LEAST: f64 = 0.05;
/// The scale goes at most this far; a share.
const MOST: f64 = 2.0;

/// Each change as a dot, its interval as a line, and behind it the changes that are tolerated. `None` if none of the
/// rows has a change in percent.
pub(crate) fn changes_chart(rows: &[&Row]) -> Option<String> {
    let is_relative = |row: &&&Row| !matches!(row.metric, Metric::ErrorRate | Metric::Availability);
    let shown: Vec<(&Row, f64)> = rows
        .iter()
        .filter(is_relative)
        .filter_map(|row| Some((*row, row.change?)))
        .take(MAX_ROWS)
        .collect();
    if shown.is_empty() {
        return None;
    }
    let ends = shown.iter().flat_map(|(row, change)| {
        let (low, high) = row.range.unwrap_or((*change, *change));
        [low.abs(), high.abs(), change.abs()]
    });
    // A round number, so that its half is one too.
    let scale = round_up(ends.fold(0.0, f64::max).clamp(LEAST, MOST * 0.99));
    let x = |change: f64| ((change / scale).clamp(-1.0, 1.0) + 1.0) / 2.0 * WIDTH;
    let height = shown.len() as f64 * ROW;
    let mut frame = Frame::new("changes", "Change against the baseline", height as u32);
    let labels = [-1.0, -0.5, 0.0, 0.5, 1.0].map(|share| {
        let percent = trim_float(share * scale * 100.0, 1);
        let sign = if share > 0.0 { "+" } else { "" };
        ((share + 1.0) / 2.0, format!("{sign}{percent}%"))
    });
    frame.grid(
        &labels
            .iter()
            .map(|(share, _)| format!("M{} 0v{height}", share * WIDTH))
            .collect::<String>(),
    );
    frame.x_labels(labels);
    let mut tolerated = String::new();
    let mut found = [0u64; 2];
    for (i, (row, change)) in shown.iter().enumerate() {
        let y = i as f64 * ROW + 20.0;
        let pen = match row.decision {
            Decision::Regressed => Pen { dashes: "", ..RED },
            Decision::Improved => GREEN,
            Decision::Unchanged => P50,
            Decision::Inconclusive => Pen { dashes: "", ..GRAY },
        };
        found[0] += u64::from(row.decision == Decision::Regressed);
        found[1] += u64::from(row.decision == Decision::Inconclusive);
        if let (Some(reference), Some(baseline)) = (row.reference, row.baseline)
            && baseline > 0.0
        {
            let end = x(reference / baseline - 1.0);
            let (from, to) = (end.min(WIDTH / 2.0), end.max(WIDTH / 2.0));
            tolerated += &rectangle(from, y - 6.0, to - from, 12.0);
        }
        if let Some((low, high)) = row.range {
            frame.line("", pen, &line([Some((x(low), y)), Some((x(high), y))]));
        }
        frame.mark(x(*change) / WIDTH, y, pen, Mark::Dot);
        let name = format!("{} {}: {}", row.place(), row.metric, row.change_text());
        frame.text_at(y - 9.0, &name);
    }
    frame.area("tolerated", GRAY, 0.25, &tolerated);
    let [regressed, undecided] = found;
    Some(frame.figure(&format!(
        "{} shown, {regressed} regressed, {undecided} inconclusive; a line is the interval that contains the change",
        format_counted(shown.len() as u64, "change"),
    )))
}
