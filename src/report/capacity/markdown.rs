//! The capacity as Markdown, for the summary of a CI job.

use std::io::{self, Write};

use super::view::{LEVEL_COLUMNS, UTILIZATION, consequences, headline, level_row, method, notes};
use crate::capacity::Study;
use crate::report::markdown::section::escape;

pub(super) fn write(study: &Study, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "## {}: {}\n",
        study.verdict().name(),
        escape(&headline(study))
    )?;
    for sentence in consequences(study) {
        writeln!(out, "- {}", escape(&sentence))?;
    }
    writeln!(out, "\n{}\n", escape(&method(study)))?;
    let peak = study.usl().ok().map(|fit| fit.peak_per_s);
    let mut titles = LEVEL_COLUMNS.to_vec();
    titles.extend(peak.map(|_| UTILIZATION));
    let rules: Vec<&str> = (0..titles.len())
        .map(|column| if column == 1 { ":--" } else { "--:" })
        .collect();
    writeln!(out, "| {} |", titles.join(" | "))?;
    writeln!(out, "| {} |", rules.join(" | "))?;
    for point in study.curve() {
        let cells: Vec<String> = level_row(study, point, peak)
            .iter()
            .map(|cell| escape(cell))
            .collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    for (position, note) in notes(study).iter().enumerate() {
        let gap = if position == 0 { "\n" } else { "" };
        writeln!(out, "{gap}- {}", escape(note))?;
    }
    Ok(())
}
