//! Charts of what was observed of the service, over the time of a run.

use super::axis::Axis;
use super::bins::total_s;
use super::frame::{DataTable, Frame};
use super::svg::{GREEN, P50, P95, P99, Pen, WIDTH, line};
use crate::metrics::{Observed, RunResult};
use crate::units::format_duration;
use std::time::Duration;

/// The most charts of a page.
const MAX_CHARTS: usize = 12;
/// The most points of a line.
const MAX_POINTS: usize = 240;

/// A chart of each metric: its value, or mean and percentiles together.
pub(crate) fn observed_charts(result: &RunResult) -> Vec<String> {
    let observed = result.observed();
    let same = |a: &Observed<'_>, b: &Observed<'_>| a.info.name == b.info.name;
    let metrics = observed.chunk_by(same).take(MAX_CHARTS).enumerate();
    metrics
        .map(|(at, parts)| chart(result, at, parts))
        .collect()
}

fn chart(result: &RunResult, at: usize, parts: &[Observed<'_>]) -> String {
    let last_s = |one: &Observed<'_>| one.points.last().map_or(0.0, |point| point.0 as f64 / 1e3);
    let total_s = parts
        .iter()
        .map(last_s)
        .fold(total_s(result), f64::max)
        .max(1e-9);
    let values = parts
        .iter()
        .flat_map(|part| &part.points)
        .filter_map(|(_, value)| *value);
    let axis = Axis::linear(values.fold(0.0, f64::max));
    let Some(first) = parts.first() else {
        return String::new();
    };
    let title = format!("{}: {}", first.info.name, first.info.source);
    let mut frame = Frame::new(&format!("observed-{at}"), &title, 80);
    frame.time_axis(result, total_s);
    frame.y_axis(&axis, |value| first.format(value));
    let height = frame.height();
    for part in parts {
        let pen = match part.part {
            Some("mean") => GREEN,
            Some("p95") => P95,
            Some("p99") => P99,
            _ => P50,
        };
        draw(&mut frame, part, pen, |at_ms, value| {
            let x = (at_ms as f64 / 1e3 / total_s * WIDTH).min(WIDTH);
            (x, axis.y(value, height))
        });
    }
    let header = parts
        .iter()
        .map(|part| part.part.unwrap_or("value").to_owned());
    let rows = first.points.iter().enumerate().map(|(row, (at_ms, _))| {
        let time = format_duration(Duration::from_millis(*at_ms / 1_000 * 1_000));
        let values = parts.iter().map(|part| match part.points[row].1 {
            Some(value) => part.format(value),
            None => "-".to_owned(),
        });
        std::iter::once(time).chain(values).collect()
    });
    frame.table(DataTable {
        header: std::iter::once("at".to_owned()).chain(header).collect(),
        rows: rows.collect(),
    });
    let highest = parts.iter().filter_map(|part| {
        Some(format!(
            "{} is at most {}",
            part.name(),
            part.format(part.measured?.max)
        ))
    });
    frame.figure(&highest.collect::<Vec<_>>().join(", "))
}

/// The line of a part, whose points are the means of neighbors where there are many.
fn draw(frame: &mut Frame, part: &Observed<'_>, pen: Pen, place: impl Fn(u64, f64) -> (f64, f64)) {
    let together = part.points.len().div_ceil(MAX_POINTS).max(1);
    let points = part.points.chunks(together).map(|chunk| {
        let values: Vec<f64> = chunk.iter().filter_map(|(_, value)| *value).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (!values.is_empty()).then(|| place(chunk[chunk.len() / 2].0, mean))
    });
    frame.line(part.part.unwrap_or_default(), pen, &line(points));
}
