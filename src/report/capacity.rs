//! The report of `perfctl capacity`: its formats.
//!
//! Not here: what was found (`capacity`), its sentences (`view`), and the page for terminals (`console`).

mod json;
mod markdown;
pub(super) mod view;

use std::io::{self, Write};

use crate::capacity::Study;

/// The formats of a capacity; the first one is the default.
pub const CAPACITY_FORMATS: [&str; 3] = ["console", "json", "markdown"];

/// Writes what a search found in one of [`CAPACITY_FORMATS`], for people in at most `columns`.
///
/// # Errors
/// When `out` fails, or there is no such format.
pub fn write_capacity(
    study: &Study,
    format: &str,
    columns: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        "console" => super::console::write_capacity(study, columns, out),
        "json" => json::write(study, out),
        "markdown" => markdown::write(study, out),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// What a search found, in a line that begins with the verdict.
pub fn capacity_line(study: &Study) -> String {
    let text = format!("{} {}", study.verdict().name(), view::headline(study));
    super::text::harmless(&text)
}
