//! Printing, and the format of reports.

use std::borrow::Cow;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;

use clap::builder::PossibleValuesParser;
use rustix::termios::tcgetwinsize;

use crate::cli::signals::has_hung_up;
use crate::error::Error;
use crate::report::{DEFAULT_COLUMNS, FORMATS, LEAST_COLUMNS, Report, by_name};

/// The format of the report.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct FormatArgs {
    /// Report format
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
    /// If the output fails, unless its reader has gone away.
    pub fn print(&self, report: &Report, out: &mut dyn Write) -> Result<(), Error> {
        let reporter = by_name(&self.format).map_err(Error::usage)?;
        let columns = columns(&io::stdout());
        written(
            reporter
                .report(report, columns, out)
                .and_then(|()| out.flush()),
        )
    }
}

/// The width of a terminal; 80 columns for anything else.
fn columns(stream: &(impl IsTerminal + AsFd)) -> usize {
    let size = match stream.is_terminal() {
        true => tcgetwinsize(stream).ok(),
        false => None,
    };
    match size.map(|size| usize::from(size.ws_col)) {
        // Some terminals do not know.
        None | Some(0) => DEFAULT_COLUMNS,
        Some(columns) => columns.max(LEAST_COLUMNS),
    }
}

/// `text` in the characters that the locale has: under `LANG=C`, ASCII.
pub fn in_locale(text: &str) -> Cow<'_, str> {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(std::env::var_os)
        .find(|value| !value.is_empty());
    let is_ascii = locale.is_some_and(|locale| locale == "C" || locale == "POSIX");
    match is_ascii && !text.is_ascii() {
        true => Cow::Owned(in_ascii(text)),
        false => Cow::Borrowed(text),
    }
}

fn in_ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{b5}' => ascii.push('u'),
            '\u{2026}' => ascii.push_str("..."),
            c if c.is_ascii() => ascii.push(c),
            c => ascii.extend(c.escape_unicode()),
        }
    }
    ascii
}

/// The result of writing to stdout. A reader that has gone away (`| head -1`, a terminal that was
/// closed) is no failure: everything is stored, and the verdict stands.
///
/// # Errors
/// [`Error::Write`] for any other failure.
pub fn written(result: io::Result<()>) -> Result<(), Error> {
    match result {
        Err(source) if !is_reader_gone(&source) => Err(Error::Write {
            path: "standard output".into(),
            source,
        }),
        _ => Ok(()),
    }
}

fn is_reader_gone(error: &io::Error) -> bool {
    let io_error = error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error());
    error.kind() == ErrorKind::BrokenPipe || io_error && has_hung_up()
}

/// Writes text to stdout.
///
/// # Errors
/// As [`written`].
pub fn print(out: &mut dyn Write, text: &str) -> Result<(), Error> {
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}
