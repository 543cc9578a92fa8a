//! Lines at the bottom of a terminal that are drawn again and again.

use std::io::{self, Write};

use crate::report::text::{shorten, width};

/// The lines that are shown. The cursor stands at the end of the last one.
#[derive(Debug, Default)]
pub(super) struct LiveArea {
    lines: Vec<String>,
}

impl LiveArea {
    /// Replaces the lines, on a terminal that is `columns` wide now.
    pub(super) fn draw(
        &mut self,
        lines: Vec<String>,
        columns: usize,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        // A full line would leave the cursor on it on some terminals, and below it on others.
        let room = columns.saturating_sub(1);
        let lines: Vec<String> = lines.iter().map(|line| shorten(line, room)).collect();
        // In one piece, so that nothing flickers.
        let text = self.removal(columns) + &lines.join("\n");
        self.lines = lines;
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Removes the lines, and returns them.
    pub(super) fn clear(&mut self, columns: usize, out: &mut dyn Write) -> io::Result<Vec<String>> {
        let text = self.removal(columns);
        let lines = std::mem::take(&mut self.lines);
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(lines)
    }

    /// What removes the lines from a terminal. One that has become narrower has broken them into more.
    fn removal(&self, columns: usize) -> String {
        let rows = |line: &String| width(line).div_ceil(columns.max(1)).max(1);
        let rows: usize = self.lines.iter().map(rows).sum();
        match rows {
            0 => String::new(),
            1 => "\r\x1b[J".to_owned(),
            rows => format!("\r\x1b[{}A\x1b[J", rows - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_replaced_however_the_terminal_breaks_them() {
        let mut area = LiveArea::default();
        let mut draw = |lines: &[&str], columns| {
            let mut out = Vec::new();
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            area.draw(lines, columns, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let line = "x".repeat(30);
        assert_eq!(draw(&[&line, "second"], 80), format!("{line}\nsecond"));
        assert_eq!(draw(&[&line, "2"], 80), format!("\r\x1b[1A\x1b[J{line}\n2"));
        // Broken into 3 rows, and one more.
        assert_eq!(draw(&["a", "b"], 12), "\r\x1b[3A\x1b[Ja\nb");
        assert_eq!(draw(&[&line], 12), "\r\x1b[1A\x1b[Jxxxxx…xxxxx");
        assert_eq!(draw(&[], 12), "\r\x1b[J");
        assert_eq!(draw(&["a"], 12), "a");
    }
}
