//! What the commands over runs have in common: the format and printing.

use std::io::{self, ErrorKind, Write};

use clap::builder::PossibleValuesParser;

use crate::error::Error;
use crate::report::{FORMATS, Report, by_name};

/// How the report is printed.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct FormatArgs {
    /// How the report is written
    #[arg(
        long,
        env = "PERFCTL_FORMAT",
        value_name = "FORMAT",
        default_value = FORMATS[0].name,
        value_parser = PossibleValuesParser::new(FORMATS.iter().map(|format| format.name)),
    )]
    pub format: String,
}

impl FormatArgs {
    /// Prints the report.
    ///
    /// # Errors
    /// When the output fails for another reason than that nobody reads it any more.
    pub fn print(&self, report: &Report, out: &mut dyn Write) -> Result<(), Error> {
        let reporter = by_name(&self.format).map_err(Error::usage)?;
        written(reporter.report(report, out).and_then(|()| out.flush()))
    }
}

/// The outcome of writing to the standard output. A reader that went away (`| head -1`) is no
/// failure: what was to be stored is stored, and the verdict stands.
///
/// # Errors
/// [`Error::Write`] for any other failure.
pub fn written(result: io::Result<()>) -> Result<(), Error> {
    match result {
        Err(source) if source.kind() != ErrorKind::BrokenPipe => Err(Error::Write {
            path: "standard output".into(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Writes text to the standard output.
///
/// # Errors
/// As [`written`].
pub fn print(out: &mut dyn Write, text: &str) -> Result<(), Error> {
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}
