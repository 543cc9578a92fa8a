//! The changes against a baseline, with their uncertainty.

use super::axis::round_up;
use super::frame::{Frame, Mark};
use super::svg::{GRAY, GREEN, P50, Pen, RED, WIDTH, line, rectangle};
use crate::comparison::{Decision, Row};
use crate::plan::Direction;
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
pub(crate) fn changes_chart(rows: &[&Row], tolerated_change: f64) -> Option<String> {
    let is_relative = |row: &&&Row| !row.metric.is_of_failures();
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
    // Nothing becomes less than nothing.
    let low = -scale.min(1.0);
    let x = |change: f64| (change.clamp(low, scale) - low) / (scale - low) * WIDTH;
    let height = shown.len() as f64 * ROW;
    let mut frame = Frame::new("changes", "Change against the baseline", height as u32);
    let labels = [low, low / 2.0, 0.0, scale / 2.0, scale].map(|change| {
        let sign = if change > 0.0 { "+" } else { "" };
        let percent = trim_float(change * 100.0, 1);
        (x(change) / WIDTH, format!("{sign}{percent}%"))
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
        let end = x(match row.metric.direction() {
            Direction::AtMost => tolerated_change,
            Direction::AtLeast => -tolerated_change,
        });
        let (from, to) = (end.min(x(0.0)), end.max(x(0.0)));
        tolerated += &rectangle(from, y - 6.0, to - from, 12.0);
        if let Some((low, high)) = row.range {
            frame.line("", pen, &line([Some((x(low), y)), Some((x(high), y))]));
        }
        // What is beyond the scale stands at its end.
        let mark = if *change > scale {
            Mark::Beyond
        } else {
            Mark::Dot
        };
        frame.mark(x(*change) / WIDTH, y, pen, mark);
        let name = format!("{} {}: {}", row.place(), row.metric, row.change_text());
        frame.text_at(y - 9.0, &name);
    }
    frame.area("tolerated", GRAY, 0.25, &tolerated);
    for (name, pen) in [
        ("regressed", Pen { dashes: "", ..RED }),
        ("improved", GREEN),
        ("unchanged", P50),
        ("undecided or not judged", Pen { dashes: "", ..GRAY }),
    ] {
        frame.key(name, pen, Some(1.0));
    }
    let [regressed, undecided] = found;
    Some(frame.figure(&format!(
        "{} shown, {regressed} regressed, {undecided} inconclusive; a line is the interval that contains the change",
        format_counted(shown.len() as u64, "change"),
    )))
}
