//! A table that is never wider than the terminal: names too long for their column stand above their
//! row, and the least important columns are left out.

use std::collections::BTreeMap;

use anstyle::Style;
use comfy_table::{Cell, CellAlignment, Table, presets};

use super::names;
use crate::report::text::{harmless, shorten, width, wrap};

/// Left margin; columns.
const INDENT: usize = 2;
/// Between two columns.
const GAP: usize = 2;
/// The minimum width of the column of names.
const LEAST: usize = 8;

/// A table under construction. Columns are right-aligned, except those in `left`.
pub(super) struct Grid {
    header: Vec<String>,
    rows: Vec<(Vec<String>, Paint)>,
    /// Lines that follow the row at this position.
    below: BTreeMap<usize, Vec<String>>,
    left: Vec<usize>,
    flexible: usize,
    optional: Vec<usize>,
    cuts: bool,
}

/// How a row is colored.
#[derive(Clone, Copy, Default)]
pub(super) struct Paint {
    /// The whole row.
    pub row: Style,
    /// The first column and the word at the end of the row that `word` names.
    pub mark: Style,
    /// A word of the row that has the color of its mark.
    pub word: &'static str,
}

impl Grid {
    /// A table with this header. A cell of the column at `flexible` that is too long stands on a line
    /// of its own, above the rest of its row.
    pub fn new(header: &[&str], left: &[usize], flexible: usize) -> Self {
        Self {
            header: header.iter().map(|title| (*title).to_owned()).collect(),
            rows: Vec::new(),
            below: BTreeMap::new(),
            left: left.to_vec(),
            flexible,
            optional: Vec::new(),
            cuts: false,
        }
    }

    /// One of a name, and numbers: how many, failed, rate, p50, p95, p99, and what matters most at the end.
    pub fn of_numbers(numbers: &[&str; 7]) -> Self {
        let header = [&["name"], &numbers[..]].concat();
        Self::new(&header, &[0], 0).optional(&[4, 6, 3, 2])
    }

    /// The columns to leave out in a narrow terminal, the least important first.
    pub fn optional(mut self, columns: &[usize]) -> Self {
        self.optional = columns.to_vec();
        self
    }

    /// Keeps each row on one line: what is too long is cut.
    pub fn on_one_line(mut self) -> Self {
        self.cuts = true;
        self
    }

    /// Adds a row with as many cells as the header; their text is made harmless.
    pub fn row(&mut self, cells: Vec<String>, paint: Paint) {
        let cells = cells.iter().map(|cell| harmless(cell)).collect();
        self.rows.push((cells, paint));
    }

    /// Adds lines below the row that was added last; they must fit and be harmless.
    pub fn below(&mut self, lines: Vec<String>) {
        self.below.insert(self.rows.len(), lines);
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, colored; the header is dimmed.
    pub fn lines(mut self, columns: usize) -> Vec<String> {
        let left_out = self.leave_out(columns);
        let above = self.fit(columns);
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.force_no_tty();
        table.set_header(self.cells(&self.header));
        for (row, _) in &self.rows {
            table.add_row(self.cells(row));
        }
        for (position, column) in table.column_iter_mut().enumerate() {
            let left = if position == 0 { INDENT } else { GAP };
            column.set_padding((left as u16, 0));
        }
        let header = Paint {
            row: Style::new().dimmed(),
            ..Paint::default()
        };
        let marks = std::iter::once(("", header)).chain(
            self.rows
                .iter()
                .map(|(cells, paint)| (cells[0].as_str(), *paint)),
        );
        let above = std::iter::once(None).chain(above);
        let mut lines: Vec<String> = Vec::new();
        for (row, ((line, (mark, paint)), above)) in table.lines().zip(marks).zip(above).enumerate()
        {
            if let Some(above) = above {
                // The first column stands with the name, and so does its color.
                lines.push(paint.apply(&above.line, &above.mark));
            }
            // If the columns are still too wide, the table loses its right edge, not its shape.
            let line = shorten(line.trim_end(), columns);
            lines.push(paint.apply(&line, mark));
            // The header is row 0.
            lines.extend(self.below.remove(&row).unwrap_or_default());
        }
        if !left_out.is_empty() {
            let text = format!("not shown in {columns} columns: {}", left_out.join(", "));
            let text = wrap("  ", &text, columns).into_iter();
            lines.extend(text.map(|line| header.apply(&line, "")));
        }
        lines
    }

    fn cells(&self, texts: &[String]) -> Vec<Cell> {
        let cells = texts.iter().enumerate();
        cells
            .map(|(position, text)| {
                let alignment = if self.left.contains(&position) {
                    CellAlignment::Left
                } else {
                    CellAlignment::Right
                };
                Cell::new(text).set_alignment(alignment)
            })
            .collect()
    }

    /// The columns that all but the flexible one take, with the space between them.
    fn taken(&self) -> usize {
        let columns = self.header.len();
        let widest = |column: usize| {
            let cells = self.rows.iter().map(|(row, _)| width(&row[column]));
            cells.max().unwrap_or(0).max(width(&self.header[column]))
        };
        let others: usize = (0..columns)
            .filter(|column| *column != self.flexible)
            .map(widest)
            .sum();
        others + INDENT + GAP * (columns - 1)
    }

    /// Removes optional columns until the others fit; returns the titles of those that had one.
    fn leave_out(&mut self, columns: usize) -> Vec<String> {
        let mut optional = std::mem::take(&mut self.optional).into_iter();
        let mut out: Vec<usize> = Vec::new();
        let mut titles = Vec::new();
        let names = self.rows.iter().map(|(row, _)| width(&row[self.flexible]));
        let least = names.max().unwrap_or(0).min(LEAST);
        while self.taken() + least > columns
            && let Some(column) = optional.next()
        {
            // Where it is now.
            let at = column - out.iter().filter(|gone| **gone < column).count();
            out.push(column);
            titles.push(self.header.remove(at));
            for (row, _) in &mut self.rows {
                row.remove(at);
            }
            self.left.retain(|left| *left != at);
            for position in self.left.iter_mut().chain([&mut self.flexible]) {
                *position -= usize::from(*position > at);
            }
        }
        titles.retain(|title| !title.is_empty());
        titles
    }

    /// Makes the flexible column fit; returns what stands above each row.
    fn fit(&mut self, columns: usize) -> Vec<Option<NameLine>> {
        let flexible = self.flexible;
        let room = columns.saturating_sub(self.taken()).max(LEAST);
        let names: Vec<String> = self
            .rows
            .iter()
            .map(|(row, _)| row[flexible].clone())
            .collect();
        if self.cuts {
            for ((row, _), name) in self.rows.iter_mut().zip(names::cut(&names, room)) {
                row[flexible] = name;
            }
            return self.rows.iter().map(|_| None).collect();
        }
        // In front of a name stand the columns to the left of it, which hold a mark.
        let widest = |column: usize| self.rows.iter().map(move |(row, _)| width(&row[column]));
        let before: usize = (0..flexible)
            .map(|column| GAP + widest(column).max().unwrap_or(0))
            .sum();
        let names = names::cut(&names, columns - INDENT - before);
        let lines = self.rows.iter_mut().zip(names).map(|((row, _), name)| {
            if width(&row[flexible]) <= room {
                return None;
            }
            row[flexible].clear();
            let marks: Vec<String> = row[..flexible].iter_mut().map(std::mem::take).collect();
            let gap = " ".repeat(GAP);
            let before = marks.iter().map(|mark| format!("{mark}{gap}"));
            Some(NameLine {
                line: format!("{}{}{name}", " ".repeat(INDENT), before.collect::<String>()),
                mark: marks.into_iter().next().unwrap_or_default(),
            })
        });
        lines.collect()
    }
}

/// A name that stands above its row.
struct NameLine {
    line: String,
    /// The cell of the first column, which stands in front of the name.
    mark: String,
}

impl Paint {
    fn apply(self, line: &str, mark: &str) -> String {
        let Self {
            row,
            mark: style,
            word,
        } = self;
        if row != Style::new() {
            return format!("{row}{line}{row:#}");
        }
        if style == Style::new() {
            return line.to_owned();
        }
        let marked = match mark.is_empty() {
            true => line.to_owned(),
            false => line.replacen(mark, &format!("{style}{mark}{style:#}"), 1),
        };
        match marked.rfind(word) {
            Some(at) if !word.is_empty() => {
                let end = at + word.len();
                format!("{}{style}{word}{style:#}{}", &marked[..at], &marked[end..])
            }
            _ => marked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(grid: Grid, columns: usize) -> Vec<String> {
        let lines = grid.lines(columns).into_iter();
        lines
            .map(|line| anstream::adapter::strip_str(&line).to_string())
            .collect()
    }

    #[test]
    fn the_flexible_column_is_fitted_and_wide_characters_count_double() {
        for columns in [40, 80, 200] {
            let mut grid = Grid::new(&["name", "requests"], &[0], 0).on_one_line();
            grid.row(vec!["請求書".repeat(80), "1".into()], Paint::default());
            grid.row(vec!["a".repeat(299), "12 345".into()], Paint::default());
            grid.row(vec!["b".into(), "7".into()], Paint::default());
            for line in plain(grid, columns) {
                assert_eq!(width(&line), columns, "{line}");
            }
        }
    }

    #[test]
    fn a_long_name_stands_above_its_row_unless_there_is_room() {
        let grid = || {
            let mut grid = Grid::new(&["name", "requests"], &[0], 0);
            for what in ["invoices", "receipts"] {
                let name = format!("GET /api/tenants/acme/{what}/7/lines");
                grid.row(vec![name, "1".into()], Paint::default());
            }
            grid
        };
        assert_eq!(
            plain(grid(), 40),
            [
                "  name  requests",
                "  GET /api/tenants/acme/invoices/7/lines",
                "               1",
                "  GET /api/tenants/acme/receipts/7/lines",
                "               1",
            ]
        );
        assert_eq!(plain(grid(), 60).len(), 3);
    }

    #[test]
    fn a_narrow_terminal_shows_the_most_important_columns() {
        let mut grid = Grid::new(&["name", "n", "p50", "p95", "max"], &[0], 0).optional(&[3, 2]);
        grid.row(
            ["a", "1", "2.00 ms", "3.00 ms", "4.00 ms"]
                .map(String::from)
                .to_vec(),
            Paint::default(),
        );
        assert_eq!(
            plain(grid, 30),
            [
                "  name  n      p50      max",
                "  a     1  2.00 ms  4.00 ms",
                "  not shown in 30 columns: p95",
            ]
        );
    }

    #[test]
    fn too_many_columns_are_cut_rather_than_wrapped() {
        let mut grid = Grid::new(&["x"; 12], &[], 0).on_one_line();
        grid.row(vec!["123456789".into(); 12], Paint::default());
        let lines = grid.lines(80);
        assert_eq!(lines.len(), 2);
        assert!(width(&lines[1]) <= 80);
    }
}
