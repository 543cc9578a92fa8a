//! The section of what was observed of the service.

use std::io;

use super::grid::{Grid, Paint};
use super::page::{Page, paragraph, section, table};
use crate::report::contents::Report;
use crate::report::view;

/// What the service said of itself.
pub(super) fn observed(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    let rows = view::observed(&report.result);
    let unobserved = view::unobserved(&report.result);
    if rows.is_empty() && unobserved.is_empty() {
        return Ok(());
    }
    section("Observed", "", page)?;
    let header = [&["name"], &view::OBSERVED_NUMBERS[..]].concat();
    let mut grid = Grid::new(&header, &[0], 0).optional(&[4, 1]);
    for cells in rows {
        grid.row(cells, Paint::default());
    }
    if !grid.is_empty() {
        table(grid, page)?;
    }
    for sentence in unobserved {
        paragraph("  ", &sentence, page)?;
    }
    Ok(())
}
