//! The capacity for people: the answer, what follows from it, and the levels.

use std::io;

use anstyle::{AnsiColor, Style};

use super::grid::{Grid, Paint};
use super::page::{BOLD, Page, beside, color, paragraph, parts, section, table, verdict_color};
use crate::capacity::{LevelVerdict, Study};
use crate::report::capacity::view::{
    LEVEL_COLUMNS, UTILIZATION, consequences, headline, level_row, method, notes,
};
use crate::report::text::harmless;

/// Writes what a search found.
pub(super) fn capacity(study: &Study, page: &mut Page<'_>) -> io::Result<()> {
    let verdict = study.verdict();
    let style = verdict_color(verdict).bold();
    beside(
        (verdict.name(), style),
        (&harmless(&headline(study)), BOLD),
        page,
    )?;
    for sentence in consequences(study) {
        paragraph("  - ", &sentence, page)?;
    }
    page.line("")?;
    for line in parts(&harmless(&method(study)), page.text_columns()) {
        page.dimmed(&line)?;
    }
    levels(study, page)?;
    let notes = notes(study);
    if !notes.is_empty() {
        section("Notes", "", page)?;
    }
    for note in notes {
        paragraph("  - ", &note, page)?;
    }
    Ok(())
}

fn levels(study: &Study, page: &mut Page<'_>) -> io::Result<()> {
    let curve = study.curve();
    if curve.is_empty() {
        return Ok(());
    }
    section("Levels", "", page)?;
    let peak = study.usl().ok().map(|fit| fit.peak_per_s);
    let mut titles = LEVEL_COLUMNS.to_vec();
    titles.extend(peak.map(|_| UTILIZATION));
    // The least important first.
    let optional = match peak {
        Some(_) => vec![2, 8, 4, 9],
        None => vec![4, 2],
    };
    let mut grid = Grid::new(&titles, &[1], 0).optional(&optional);
    for point in curve {
        let word = match point.verdict {
            LevelVerdict::Holds => color(AnsiColor::Green),
            LevelVerdict::Missed => color(AnsiColor::Red),
            LevelVerdict::Close => color(AnsiColor::Yellow),
            LevelVerdict::Invalid | LevelVerdict::Unknown => color(AnsiColor::Magenta),
        };
        let paint = Paint {
            row: match point.verdict {
                LevelVerdict::Holds | LevelVerdict::Close => Style::new(),
                _ => word,
            },
            ..Paint::default()
        };
        grid.row(level_row(study, point, peak), paint);
    }
    table(grid, page)
}
