//! The sections of a quick look: percentiles, histogram, status codes, connections.

use std::io;

use anstyle::{AnsiColor, Style};

use super::grid::{Grid, Paint};
use super::page::{BOLD, Page, color, paragraph, section, table};
use crate::report::contents::Report;
use crate::report::text::width;
use crate::report::view;
use crate::units::{format_count, format_percent};

/// What a bar is made of.
const BAR: &str = "■";
/// The longest bar; characters.
const LONGEST_BAR: usize = 40;
/// The columns around a bar: margin, gaps.
const AROUND: usize = 8;

/// What was measured, in a line, in the place of a verdict.
pub(super) fn summary(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    let style = match view::all_failed(&report.result) {
        true => color(AnsiColor::Red).bold(),
        false => BOLD,
    };
    let text = view::summary(&report.result);
    for line in crate::report::text::wrap("", &text, page.text_columns()) {
        page.line(&format!("{style}{line}{style:#}"))?;
    }
    Ok(())
}

/// All sections that a quick look has in the place of tables of endpoints.
pub(super) fn sections(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    let result = &report.result;
    if let Some(spread) = view::spread(result) {
        section("Response times", &spread, page)?;
        let percentiles = view::percentiles(result);
        let names: Vec<&str> = percentiles.iter().map(|(name, _)| name.as_str()).collect();
        // None of the columns is a name: nothing is cut.
        let mut grid = Grid::new(&names, &[], 0).optional(&[1, 5, 2]);
        let values = percentiles.iter().map(|(_, value)| value.clone());
        grid.row(values.collect(), Paint::default());
        table(grid, page)?;
        page.line("")?;
        histogram(report, page)?;
    }
    let statuses = view::statuses(result);
    if !statuses.is_empty() {
        section("Status codes", "", page)?;
        let mut grid = Grid::new(&["status", "requests", "share"], &[0], 0);
        for cells in statuses {
            let style = match cells[0].as_bytes().first() {
                Some(b'4') => color(AnsiColor::Yellow),
                Some(b'5' | b'n') => color(AnsiColor::Red),
                _ => Style::new(),
            };
            let paint = Paint {
                mark: style,
                ..Paint::default()
            };
            grid.row(cells.to_vec(), paint);
        }
        table(grid, page)?;
    }
    section("Connections", "", page)?;
    paragraph("  ", &view::connections(result), page)
}

fn histogram(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    let rows = view::histogram(&report.result);
    let longest = |cells: &[String]| cells.iter().map(|cell| width(cell)).max().unwrap_or(0);
    let ranges: Vec<String> = rows.iter().map(|row| row.range.clone()).collect();
    let counts: Vec<String> = rows.iter().map(|row| format_count(row.count)).collect();
    let shares: Vec<String> = rows.iter().map(|row| format_percent(row.share)).collect();
    let (range, count, share) = (longest(&ranges), longest(&counts), longest(&shares));
    let room = page.columns.saturating_sub(range + count + share + AROUND);
    let room = room.clamp(1, LONGEST_BAR);
    let cyan = color(AnsiColor::Cyan);
    for (i, row) in rows.iter().enumerate() {
        // A row with requests has a bar, however few they are.
        let bar = (row.bar * room as f64).ceil() as usize;
        let pad = |text: &str, to: usize| " ".repeat(to.saturating_sub(width(text)));
        let numbers = format!(
            "  {}{}  {}{}  {}{}",
            pad(&ranges[i], range),
            ranges[i],
            pad(&counts[i], count),
            counts[i],
            pad(&shares[i], share),
            shares[i],
        );
        page.line(&match bar {
            0 => numbers,
            bar => format!("{numbers}  {cyan}{}{cyan:#}", BAR.repeat(bar)),
        })?;
    }
    Ok(())
}
