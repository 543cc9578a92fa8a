//! How much a page shows, so that it stays small: of a table, of a text, of the endpoints.

use serde::Serialize;

use crate::report::text::harmless;
use crate::units::format_counted;

/// The most rows of a table whose cells carry the titles that narrow screens show instead of its header.
const CARDS: usize = 100;

/// How much a page shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The rows of a table.
    pub(super) rows: usize,
    /// The endpoints that get numbers of their own.
    pub(super) detailed: usize,
    /// The endpoints that get charts of their own.
    pub(super) charted: usize,
    /// The length of a name or a text; characters.
    characters: usize,
    /// The failed requests with their responses; bytes.
    pub(super) failures_bytes: usize,
}

impl Limits {
    /// From the usual ones to those for results with very many endpoints, or very long names.
    pub(super) const ALL: [Self; 4] = [
        Self::of(2_000, 100, 30, 300, 60_000),
        Self::of(1_000, 20, 20, 120, 60_000),
        Self::of(200, 10, 10, 100, 30_000),
        Self::of(50, 3, 3, 60, 10_000),
    ];

    const fn of(
        rows: usize,
        detailed: usize,
        charted: usize,
        characters: usize,
        failures_bytes: usize,
    ) -> Self {
        Self {
            rows,
            detailed,
            charted,
            characters,
            failures_bytes,
        }
    }

    /// A text of the run, harmless and short enough.
    pub(super) fn text(self, text: &str) -> String {
        match text.char_indices().nth(self.characters) {
            Some((end, _)) => harmless(&text[..end]) + "…",
            None => harmless(text),
        }
    }

    /// A table of as many of these rows as there may be.
    pub(super) fn table(self, header: Vec<&'static str>, mut rows: Vec<Vec<String>>) -> Table {
        let left_out = rows.len().saturating_sub(self.rows);
        rows.truncate(self.rows);
        Table {
            header,
            is_cards: rows.len() <= CARDS,
            rows: rows
                .iter()
                .map(|row| row.iter().map(|cell| self.text(cell)).collect())
                .collect(),
            has_total: false,
            rest: (left_out > 0)
                .then(|| format!("{} not shown", format_counted(left_out as u64, "row"))),
        }
    }
}

/// A table of a page.
#[derive(Serialize)]
pub(super) struct Table {
    header: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
    /// Whether narrow screens show each row as a card.
    is_cards: bool,
    /// Whether the last row is the sum.
    pub(super) has_total: bool,
    /// How many rows are left out.
    rest: Option<String>,
}
