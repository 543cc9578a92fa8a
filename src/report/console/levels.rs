//! The section of the levels of the load, or of the phases where there are no two of them.

use std::io;

use anstyle::Style;

use super::grid::{Grid, Paint};
use super::page::{DIM, Page, paragraph, section, table};
use crate::report::contents::Report;
use crate::report::view;

/// What the run did at each level of its load. Without levels: in each phase, if there are several.
pub(super) fn levels(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    let Some(found) = report.result.load_levels() else {
        return phases(report, page);
    };
    let (rows, left_out) = view::levels(&report.result, &found);
    section("Levels", "", page)?;
    let header = [&["name", "load"], &view::LEVEL_NUMBERS[..]].concat();
    let mut grid = Grid::new(&header, &[0], 0).optional(&[7]);
    for cells in rows {
        grid.row(cells, Paint::default());
    }
    table(grid, page)?;
    match left_out {
        Some(sentence) => paragraph("  ", &sentence, page),
        None => Ok(()),
    }
}

fn phases(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    let phases = view::phases(&report.result);
    if phases.is_empty() {
        return Ok(());
    }
    section("Phases", "", page)?;
    let mut grid = Grid::of_numbers(&view::NUMBERS);
    for (name, measured, summary) in phases {
        let mut cells = vec![name];
        cells.extend(view::numbers(&summary));
        let row = if measured { Style::new() } else { DIM };
        let paint = Paint {
            row,
            ..Paint::default()
        };
        grid.row(cells, paint);
    }
    table(grid, page)
}
