//! What a format implements.

use std::io::{self, Write};

use super::contents::Report;

/// Writes reports in one format.
pub trait Reporter: Sync {
    /// Writes the report. `out` must strip colors where they are not wanted, as anstream's
    /// writers do.
    ///
    /// # Errors
    /// When `out` fails.
    fn report(&self, report: &Report, out: &mut dyn Write) -> io::Result<()>;
}
