//! The heatmap: how many requests took how long, over the time of a run.

use super::axis::Axis;
use super::bins::{bins, total_s};
use super::frame::Frame;
use super::svg::{Pen, WIDTH, rectangle};
use crate::metrics::{RunResult, middle_of_bucket};
use crate::units::{format_count, format_latency_us};

/// The most columns.
const COLUMNS: usize = 120;
/// The rows.
const ROWS: usize = 48;
/// How opaque the levels are, from few requests to many.
const LEVELS: [f64; 6] = [0.12, 0.26, 0.42, 0.6, 0.8, 1.0];

const INK: Pen = Pen {
    class: "c-heat",
    color: "#1d4ed8",
    dashes: "",
};

/// The response times of all requests; `None` without requests.
pub(crate) fn heatmap(result: &RunResult) -> Option<String> {
    let total_s = total_s(result).max(1e-9);
    let bins = bins(result, None, COLUMNS);
    let extremes = bins.iter().filter(|bin| !bin.response.is_empty());
    let extremes =
        extremes.flat_map(|bin| [bin.response.min_us as f64, bin.response.max_us as f64]);
    let axis = Axis::log(extremes)?;
    let mut frame = Frame::new("heatmap", "Heatmap of response times", 220);
    frame.time_axis(result, total_s);
    let height = frame.height();
    let counts: Vec<[u64; ROWS]> = bins
        .iter()
        .map(|bin| {
            let mut column = [0; ROWS];
            for (lowest, count) in bin.response.iter() {
                let row = axis.share(middle_of_bucket(lowest)) * ROWS as f64;
                column[(row as usize).min(ROWS - 1)] += count;
            }
            column
        })
        .collect();
    let most = counts.iter().flatten().copied().max().unwrap_or(0);
    let level = |count: u64| match count {
        0 => None,
        count => {
            let share = (count as f64).ln_1p() / (most as f64).ln_1p();
            Some(((share * LEVELS.len() as f64).ceil() as usize).clamp(1, LEVELS.len()) - 1)
        }
    };
    let row_height = height / ROWS as f64;
    let mut paths = [const { String::new() }; LEVELS.len()];
    for (bin, column) in bins.iter().zip(&counts) {
        let (x, width) = (
            bin.start_s / total_s * WIDTH,
            bin.length_s() / total_s * WIDTH,
        );
        let mut row = 0;
        while row < ROWS {
            let Some(of) = level(column[row]) else {
                row += 1;
                continue;
            };
            let same = column[row..]
                .iter()
                .take_while(|count| level(**count) == Some(of));
            let rows = same.count();
            let top = height - (row + rows) as f64 * row_height;
            paths[of] += &rectangle(x, top, width, rows as f64 * row_height);
            row += rows;
        }
    }
    for (path, opacity) in paths.iter().zip(LEVELS) {
        frame.area("", INK, opacity, path);
    }
    frame.y_axis(&axis, format_latency_us);
    let shades = LEVELS.map(|opacity| (INK, opacity));
    frame.shades(&shades, &format!("1 to {} requests", format_count(most)));
    Some(frame.figure(&format!(
            "response times from {} to {}; the darker, the more requests",
            format_latency_us(
                bins.iter()
                    .filter(|b| !b.response.is_empty())
                    .map(|b| b.response.min_us)
                    .min()? as f64
            ),
            format_latency_us(bins.iter().map(|b| b.response.max_us).max()? as f64),
        )))
}
