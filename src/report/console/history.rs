//! The history of runs for people: a table by date, sparklines, and what changed.

use std::io;

use super::grid::{Grid, Paint};
use super::page::{BOLD, DIM, Page, paragraph, section, table, verdict_color};
use crate::grading::Verdict;
use crate::history::{History, HistoryRun, Series, history_metrics};
use crate::report::text::{harmless, wrap};
use crate::report::view;

/// The heights of a sparkline.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The scale of a sparkline covers at least this share of its highest value, so that noise stays flat.
const LEAST_SPAN: f64 = 0.2;
/// What stands beside a sparkline; columns.
const BESIDE: usize = 44;
/// The most runs with changes that are listed.
const CHANGES: usize = 10;
/// The most lines for each of them.
const LINES: usize = 8;
/// The most damaged runs that are listed.
const UNREADABLE: usize = 10;
/// Marks the first run of a new level.
const MARK: &str = "◆";

/// Writes the history, the series with the newest run last.
pub(crate) fn history(history: &History, page: &mut Page<'_>) -> io::Result<()> {
    for (position, one) in history.series.iter().enumerate() {
        if position > 0 {
            page.line("")?;
            page.line("")?;
        }
        series(one, page)?;
    }
    if !history.unreadable.is_empty() {
        section("Not read", "", page)?;
        for error in history.unreadable.iter().take(UNREADABLE) {
            paragraph("  - ", error, page)?;
        }
        if let Some(more @ 1..) = history.unreadable.len().checked_sub(UNREADABLE) {
            paragraph("  - ", &format!("and {more} more"), page)?;
        }
    }
    Ok(())
}

fn series(series: &Series, page: &mut Page<'_>) -> io::Result<()> {
    for line in wrap(
        "",
        &harmless(&view::history_title(series)),
        page.text_columns(),
    ) {
        page.line(&format!("{BOLD}{line}{BOLD:#}"))?;
    }
    let span = view::history_span(series);
    for text in [Some(span), view::history_predecessor(series)]
        .into_iter()
        .flatten()
    {
        for line in wrap("", &harmless(&text), page.text_columns()) {
            page.dimmed(&line)?;
        }
    }
    page.line("")?;
    let header = [
        &["", "started", "build", "verdict"],
        &view::HISTORY_NUMBERS[..],
    ];
    let mut header = header.concat();
    if series.runs.iter().all(|run| run.info.build.is_none()) {
        header[2] = "";
    }
    let mut grid = Grid::new(&header, &[0, 1, 2, 3], 2)
        .optional(&[4, 6, 8, 7])
        .on_one_line();
    for (position, run) in series.runs.iter().enumerate() {
        let changes = series.changes.iter().any(|change| change.run == position);
        let cells = [
            if changes { MARK } else { "" }.to_owned(),
            run.started(),
            run.info.build.clone().unwrap_or_default(),
            verdict(run),
        ];
        let cells = cells.into_iter().chain(view::history_numbers(series, run));
        grid.row(cells.collect(), paint(run));
    }
    table(grid, page)?;
    trends(series, page)?;
    section("Change points", "", page)?;
    let changed = view::history_changes(series);
    for run in changed.iter().take(CHANGES) {
        paragraph(&format!("  {MARK} "), &run.heading, page)?;
        for (_, line) in run.lines.iter().take(LINES) {
            paragraph("      ", line, page)?;
        }
        if let Some(more @ 1..) = run.lines.len().checked_sub(LINES) {
            paragraph("      ", &format!("and {more} more"), page)?;
        }
    }
    if let Some(more @ 1..) = changed.len().checked_sub(CHANGES) {
        paragraph("  ", &format!("and {more} more"), page)?;
    }
    if let Some(finding) = view::history_finding(series) {
        paragraph("  ", &finding, page)?;
    }
    let faults = view::history_faults(series);
    if !faults.is_empty() {
        section("Notes", "", page)?;
        for fault in faults {
            paragraph("  - ", &fault, page)?;
        }
    }
    Ok(())
}

/// `PASS A+`.
fn verdict(run: &HistoryRun) -> String {
    let letter = run.letter.map(|letter| letter.name());
    let words = [Some(run.verdict.name()), letter];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn paint(run: &HistoryRun) -> Paint {
    let style = match run.verdict {
        _ if !run.counts() => {
            return Paint {
                row: DIM,
                ..Paint::default()
            };
        }
        Verdict::Pass => return Paint::default(),
        verdict => verdict_color(verdict),
    };
    Paint {
        mark: style,
        word: run.verdict.name(),
        ..Paint::default()
    }
}

/// A line for each metric, oldest run first.
fn trends(series: &Series, page: &mut Page<'_>) -> io::Result<()> {
    if series.counted().count() < 2 {
        return Ok(());
    }
    let most = page.columns.saturating_sub(BESIDE).max(8);
    let shown = series.runs.len().min(most);
    let aside = match series.runs.len() {
        all if all > shown => format!("of the newest {shown} runs, newest last"),
        _ => "newest last".to_owned(),
    };
    section("Trends", &aside, page)?;
    let mut grid =
        Grid::new(&["", "", "lowest", "highest", "newest"], &[0, 1], 0).optional(&[4, 3, 2]);
    let runs = &series.runs[series.runs.len() - shown..];
    for (position, metric) in history_metrics().into_iter().enumerate() {
        let values: Vec<Option<f64>> = runs
            .iter()
            .map(|run| run.numbers(series.endpoint)[position].filter(|_| run.counts()))
            .collect();
        let known = || values.iter().flatten().copied();
        let (Some(lowest), Some(highest)) = (known().reduce(f64::min), known().reduce(f64::max))
        else {
            continue;
        };
        let newest = known().last().unwrap_or(highest);
        let mut cells = vec![
            view::HISTORY_NUMBERS[position].to_owned(),
            sparkline(&values, lowest, highest),
        ];
        cells.extend([lowest, highest, newest].map(|value| metric.format(value)));
        grid.row(cells, Paint::default());
    }
    table(grid, page)
}

/// A character for each value, a space where there is none.
fn sparkline(values: &[Option<f64>], lowest: f64, highest: f64) -> String {
    let span = (highest - lowest).max(highest * LEAST_SPAN);
    let height = |value: f64| {
        let share = if span > 0.0 {
            (value - lowest) / span
        } else {
            0.0
        };
        HEIGHTS[((share * HEIGHTS.len() as f64) as usize).min(HEIGHTS.len() - 1)]
    };
    let heights = values.iter().map(|value| value.map_or(' ', height));
    heights.collect()
}

#[cfg(test)]
mod tests {
    use snapbox::{assert_data_eq, file};

    use super::*;
    use crate::history::fixture;
    use crate::report::text::width;

    fn console(columns: usize) -> String {
        let mut out = Vec::new();
        let page = &mut Page {
            out: &mut out,
            columns,
        };
        history(&fixture::history(), page).unwrap();
        let text = String::from_utf8(out).unwrap();
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn a_history_fits_the_terminal() {
        assert_data_eq!(console(100), file!["../golden/history.txt"].raw());
        for columns in [40, 60, 200] {
            for line in console(columns).lines() {
                assert!(width(line) <= columns, "{columns}: {line}");
            }
        }
    }

    #[test]
    fn a_sparkline_has_gaps_and_keeps_noise_flat() {
        let line = |values: &[f64]| {
            let highest = values.iter().copied().fold(0.0, f64::max);
            let lowest = values.iter().copied().fold(highest, f64::min);
            let values: Vec<Option<f64>> = values.iter().map(|v| Some(*v)).collect();
            sparkline(&values, lowest, highest)
        };
        assert_eq!(line(&[1.0, 2.0, 3.0, 4.0, 8.0]), "▁▂▃▄█");
        assert_eq!(line(&[100.0, 101.0, 100.5]), "▁▁▁");
        assert_eq!(line(&[0.0, 0.0]), "▁▁");
        assert_eq!(sparkline(&[Some(1.0), None, Some(2.0)], 1.0, 2.0), "▁ █");
    }
}
