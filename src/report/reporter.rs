//! What a format implements.

use std::io::{self, Write};

use super::contents::Report;

/// The least width that reports are made for; columns.
pub const LEAST_COLUMNS: usize = 40;

/// Writes reports in one format.
pub trait Reporter: Sync {
    /// Writes the report, for people in at most `columns`, which are at least
    /// [`LEAST_COLUMNS`]. `out` must strip colors where they are not wanted, as anstream's writers
    /// do.
    ///
    /// # Errors
    /// When `out` fails.
    fn report(&self, report: &Report, columns: usize, out: &mut dyn Write) -> io::Result<()>;
}
