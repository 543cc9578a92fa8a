//! A table that is never wider than a console report: one column is shortened to fit.

use anstyle::Style;
use comfy_table::{Cell, CellAlignment, Table, presets};

use super::text::{WIDTH, harmless, shorten, width};

/// Left margin; columns.
const INDENT: usize = 2;
/// Between two columns.
const GAP: usize = 2;
/// The minimum width of the flexible column.
const LEAST: usize = 8;

/// A table under construction. Columns are right-aligned, except those in `left`.
pub(super) struct Grid {
    header: Vec<String>,
    rows: Vec<(Vec<String>, Paint)>,
    left: Vec<usize>,
    flexible: usize,
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
    /// A table with this header, in which the column at `flexible` is shortened to fit.
    pub fn new(header: &[&str], left: &[usize], flexible: usize) -> Self {
        Self {
            header: header.iter().map(|title| (*title).to_owned()).collect(),
            rows: Vec::new(),
            left: left.to_vec(),
            flexible,
        }
    }

    /// Adds a row with as many cells as the header; their text is made harmless.
    pub fn row(&mut self, cells: Vec<String>, paint: Paint) {
        let cells = cells.iter().map(|cell| harmless(cell)).collect();
        self.rows.push((cells, paint));
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, colored; the header is dimmed.
    pub fn lines(mut self) -> Vec<String> {
        self.fit();
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
        table
            .lines()
            .zip(marks)
            .map(|(line, (mark, paint))| {
                // If the columns are still too wide, the table loses its right edge, not its shape.
                let line = shorten(line.trim_end(), WIDTH);
                paint.apply(&line, mark)
            })
            .collect()
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

    fn fit(&mut self) {
        let columns = self.header.len();
        let widest = |column: usize| {
            let cells = self.rows.iter().map(|(row, _)| width(&row[column]));
            cells.max().unwrap_or(0).max(width(&self.header[column]))
        };
        let others: usize = (0..columns)
            .filter(|column| *column != self.flexible)
            .map(widest)
            .sum();
        let taken = others + INDENT + GAP * (columns - 1);
        let room = WIDTH.saturating_sub(taken).max(LEAST);
        for (row, _) in &mut self.rows {
            row[self.flexible] = shorten(&row[self.flexible], room);
        }
    }
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
        let marked = line.replacen(mark, &format!("{style}{mark}{style:#}"), 1);
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

    #[test]
    fn the_flexible_column_is_shortened_and_wide_characters_count_double() {
        let mut grid = Grid::new(&["name", "requests"], &[0], 0);
        grid.row(vec!["請求書".repeat(30), "1".into()], Paint::default());
        grid.row(vec!["a".repeat(99), "12 345".into()], Paint::default());
        grid.row(vec!["b".into(), "7".into()], Paint::default());
        for line in grid.lines() {
            let plain = anstream::adapter::strip_str(&line).to_string();
            assert_eq!(width(&plain), WIDTH, "{plain}");
        }
    }

    #[test]
    fn too_many_columns_are_cut_rather_than_wrapped() {
        let mut grid = Grid::new(&["x"; 12], &[], 0);
        grid.row(vec!["123456789".into(); 12], Paint::default());
        let lines = grid.lines();
        assert_eq!(lines.len(), 2);
        assert!(width(&lines[1]) <= WIDTH);
    }
}
