//! The section of the traces of the slowest and of failed requests.

use std::io;

use super::grid::{Grid, Paint};
use super::page::{Page, paragraph, section, table};
use crate::report::contents::Report;
use crate::report::view;

/// The ids by which the traces of some requests are found.
pub(super) fn traces(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    let Some(info) = &report.result.run.trace else {
        return Ok(());
    };
    let (rows, rest) = view::traces(&report.result, false);
    if rows.is_empty() {
        return Ok(());
    }
    section("Traces", "", page)?;
    let header = [&view::TRACE_COLUMNS[..], &["trace"]].concat();
    let mut grid = Grid::new(&header, &[0, 1, 4], 1)
        .optional(&[3])
        .on_one_line();
    for row in rows {
        let mut cells = Vec::from(row.cells);
        cells.push(row.id);
        grid.row(cells, Paint::default());
    }
    table(grid, page)?;
    if let Some(pattern) = view::trace_pattern(info) {
        paragraph("  ", &format!("pages: {pattern}"), page)?;
    }
    match view::traces_note(info, rest) {
        Some(note) => paragraph("  ", &note, page),
        None => Ok(()),
    }
}
