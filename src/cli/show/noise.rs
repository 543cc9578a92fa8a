//! How much runs differ by themselves, and which changes are detectable, in a table as wide as the
//! terminal.

use super::describe::{align_right, table};
use crate::comparison::{Noise, PREDICTED_RUNS, Spread};
use crate::report::plain;
use crate::units::{format_counted, trim_float};

/// The noise between `unit`s (`occasion` or `run`), and what that lets a comparison find.
pub(crate) fn noise_text(noise: &Noise, unit: &str) -> String {
    let [first, second, third] = PREDICTED_RUNS.map(|runs| format_counted(runs as u64, "run"));
    let header = [
        "endpoint", "metric", "level", "sd", "(95%)", &first, &second, &third,
    ];
    let mut table = table(header);
    let judged = |spread: &&Spread| spread.detectable.is_some();
    for spread in noise.spreads.iter().filter(judged) {
        let level = spread.level.map(|level| spread.metric.format(level));
        let mut row = vec![plain(&spread.place), spread.metric.to_string()];
        row.push(level.unwrap_or_else(|| "-".into()));
        row.extend(match spread.deviation {
            Some((deviation, (low, high))) => [
                percent(deviation),
                format!("{}..{}", percent(low), percent(high)),
            ],
            None => ["-", "-"].map(str::to_owned),
        });
        row.extend(
            spread
                .detectable
                .iter()
                .flatten()
                .map(|change| percent(*change)),
        );
        table.add_row(row);
    }
    (2..8).for_each(|column| align_right(&mut table, column));
    let mut parts = Vec::new();
    if !table.is_empty() {
        parts.push(format!(
            "how much {unit}s differ by themselves (standard deviation and 95% interval),\n\
             and the smallest slowdown that 1, 3 or 5 runs of a later build would detect,\n\
             19 times out of 20:\n\n{}",
            table.trim_fmt()
        ));
    }
    let mut lacks: Vec<String> = Vec::new();
    for spread in noise.spreads.iter().filter(|spread| !judged(spread)) {
        let why = match spread.lack.as_str() {
            "" => "no data",
            lack => lack,
        };
        lacks.push(format!(
            "  {} {}: {why}",
            plain(&spread.place),
            spread.metric
        ));
    }
    if !lacks.is_empty() {
        parts.push(format!("not judged:\n{}", lacks.join("\n")));
    }
    parts.join("\n\n")
}

/// A spread is not known to more than two significant digits.
fn percent(share: f64) -> String {
    let digits = if share < 0.1 { 1 } else { 0 };
    format!("{}%", trim_float(share * 100.0, digits))
}
