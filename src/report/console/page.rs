//! The page of a report: lines, paragraphs, sections and tables within the width of the terminal.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::grid::Grid;
use crate::grading::Verdict;
use crate::report::text::{harmless, shorten, width, wrap};

/// The maximum width of sentences; columns.
const MAX_TEXT_COLUMNS: usize = 120;

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();

pub(super) fn color(color: AnsiColor) -> Style {
    color.on_default()
}

pub(super) fn verdict_color(verdict: Verdict) -> Style {
    color(match verdict {
        Verdict::Pass => AnsiColor::Green,
        Verdict::Fail => AnsiColor::Red,
        Verdict::Inconclusive => AnsiColor::Yellow,
        Verdict::Invalid => AnsiColor::Magenta,
    })
}

/// Where the report is written to.
pub(super) struct Page<'a> {
    pub out: &'a mut dyn Write,
    /// The width of the terminal.
    pub columns: usize,
}

impl Page<'_> {
    pub fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    pub fn dimmed(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{DIM}{line}{DIM:#}")
    }

    /// The width of sentences: longer lines are hard to read.
    pub fn text_columns(&self) -> usize {
        self.columns.min(MAX_TEXT_COLUMNS)
    }
}

pub(super) fn paragraph(first: &str, text: &str, page: &mut Page<'_>) -> io::Result<()> {
    for line in wrap(first, &harmless(text), page.text_columns()) {
        page.line(&line)?;
    }
    Ok(())
}

/// `text` in lines that break only between its parts: a time or a seed must stay whole.
pub(super) fn parts(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in text.split(" · ") {
        match lines.last_mut() {
            Some(line) if width(line) + width(" · ") + width(part) <= columns => {
                *line += &format!(" · {part}");
            }
            _ => lines.push(part.to_owned()),
        }
    }
    lines.iter().map(|line| shorten(line, columns)).collect()
}

pub(super) fn section(title: &str, aside: &str, page: &mut Page<'_>) -> io::Result<()> {
    page.line("")?;
    if aside.is_empty() {
        return page.line(&format!("{BOLD}{title}{BOLD:#}"));
    }
    beside((title, BOLD), (aside, DIM), page)
}

/// A title and a text beside it, which continues below its own beginning.
pub(super) fn beside(
    (title, title_style): (&str, Style),
    (text, style): (&str, Style),
    page: &mut Page<'_>,
) -> io::Result<()> {
    let mut lines = wrap(&format!("{title}  "), text, page.text_columns()).into_iter();
    let first = lines.next().unwrap_or_default();
    let first = first.strip_prefix(title).unwrap_or_default().trim_start();
    page.line(&format!(
        "{title_style}{title}{title_style:#}  {style}{first}{style:#}"
    ))?;
    for line in lines {
        page.line(&format!("{style}{line}{style:#}"))?;
    }
    Ok(())
}

pub(super) fn table(grid: Grid, page: &mut Page<'_>) -> io::Result<()> {
    for line in grid.lines(page.columns) {
        page.line(&line)?;
    }
    Ok(())
}
