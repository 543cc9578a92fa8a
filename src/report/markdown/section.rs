//! A section of the report in Markdown: its lines and tables, which stay within its room, and texts without markup.

use crate::report::text::{harmless, shorten};
use crate::units::format_counted;

/// The longest sentence; columns.
const SENTENCE: usize = 400;
/// The longest text of a cell; columns.
pub(super) const CELL: usize = 160;
/// Room for each section, and for what is folded in it; bytes. A comment on GitHub has at most 65,536 characters;
/// all rooms together are less.
const ROOM: usize = 5_500;

/// A part of the report that knows its room.
#[derive(Default)]
pub(super) struct Section {
    pub(super) text: String,
}

impl Section {
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether a line still fits.
    pub(super) fn has_room(&self, line: &str) -> bool {
        self.text.len() + line.len() < ROOM
    }

    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// As many lines as fit, and how many more there are of what they are about.
    pub(super) fn lines(&mut self, lines: impl Iterator<Item = String>, noun: &str) {
        let mut more = 0;
        for line in lines {
            match more == 0 && self.has_room(&line) {
                true => self.line(&line),
                false => more += 1,
            }
        }
        if more > 0 {
            let more = format_counted(more, &format!("more {noun}"));
            self.line(&format!("\nand {more}; `perfctl report` shows them"));
        }
    }

    /// A table; the first column is text, the others are numbers unless in `left`.
    pub(super) fn table(
        &mut self,
        header: &[&str],
        left: &[usize],
        rows: impl Iterator<Item = Vec<String>>,
        noun: &str,
    ) {
        let line = |cells: &mut dyn Iterator<Item = String>| {
            let cells: Vec<String> = cells.collect();
            format!("| {} |", cells.join(" | "))
        };
        self.line(&line(&mut header.iter().map(|text| escape(text))));
        let rules = (0..header.len()).map(|column| match column == 0 || left.contains(&column) {
            true => ":--".to_owned(),
            false => "--:".to_owned(),
        });
        self.line(&line(&mut { rules }));
        let rows =
            rows.map(|row| line(&mut row.iter().map(|cell| escape_within(CELL, cell.trim_end()))));
        self.lines(rows, noun);
    }

    /// Folds what is `within` under a `title`.
    pub(super) fn fold(&mut self, title: &str, within: Self) {
        if within.is_empty() {
            return;
        }
        let (title, text) = (escape(title), within.text);
        self.line(&format!(
            "\n<details>\n<summary>{title}</summary>\n\n{text}\n</details>"
        ));
    }
}

/// `text` as it is, whatever it contains: no markup, no mention of a user, no workflow command. A long one loses
/// its middle.
pub(crate) fn escape(text: &str) -> String {
    escape_within(SENTENCE, text)
}

pub(super) fn escape_within(columns: usize, text: &str) -> String {
    let text = shorten(&harmless(text), columns);
    let mut escaped = String::with_capacity(text.len());
    for c in text.replace("::", ":\u{200b}:").chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => {
                escaped.push('\\');
                escaped.push(c);
            }
            // A zero-width space behind it keeps a name in a text from being notified.
            '@' => escaped.push_str("@\u{200b}"),
            c => escaped.push(c),
        }
    }
    escaped
}
