//! Printing, and the format of reports.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;

use crate::cli::signals::has_hung_up;
use crate::error::Error;
use crate::metrics::check_writable;
use crate::plan::Load;
use crate::report::{
    DEFAULT_COLUMNS, FORMATS, LEAST_COLUMNS, Report, by_name, is_ascii_wanted, terminal_columns,
    to_ascii,
};
use crate::units::{format_duration, trim_float};

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

    /// Also write the report as a page with charts; `{u}`, `{r}` and `{t}` in the name become the users, their
    /// spawn rate, and the run time
    #[arg(long, env = "PERFCTL_HTML", value_name = "FILE")]
    html: Option<String>,
}

impl FormatArgs {
    /// Checks that the files besides the printed report can be written.
    ///
    /// # Errors
    /// The file that cannot.
    pub fn check_files(&self, load: &Load) -> Result<(), Error> {
        match &self.html {
            Some(name) => check_writable(&expanded(name, load)),
            None => Ok(()),
        }
    }

    /// Writes the files besides the printed report.
    ///
    /// # Errors
    /// The file that cannot be written.
    pub fn write_files(&self, report: &Report) -> Result<(), Error> {
        let Some(name) = &self.html else {
            return Ok(());
        };
        let path = expanded(name, &report.result.run.load);
        let mut page = Vec::new();
        let reporter = by_name("html").map_err(Error::usage)?;
        reporter
            .report(report, DEFAULT_COLUMNS, &mut page)
            .and_then(|()| std::fs::write(&path, page))
            .map_err(|source| Error::Write { path, source })
    }

    /// Prints the report, and writes the files besides it.
    ///
    /// # Errors
    /// If the output fails, unless its reader has gone away, or a file cannot be written.
    pub fn print(&self, report: &Report, out: &mut dyn Write) -> Result<(), Error> {
        self.print_only(report, out)?;
        self.write_files(report)
    }

    fn print_only(&self, report: &Report, out: &mut dyn Write) -> Result<(), Error> {
        let reporter = by_name(&self.format).map_err(Error::usage)?;
        let columns = terminal_columns(&io::stdout()).max(LEAST_COLUMNS);
        if self.format == FORMATS[0].name && is_ascii_wanted() {
            let mut text = Vec::new();
            return written(reporter.report(report, columns, &mut text))
                .and_then(|()| print_for_people(out, &String::from_utf8_lossy(&text)));
        }
        written(
            reporter
                .report(report, columns, out)
                .and_then(|()| out.flush()),
        )
    }
}

/// The name of a file with the numbers of a load, as Locust fills them in.
fn expanded(name: &str, load: &Load) -> PathBuf {
    let ramp_s = load
        .stages
        .first()
        .map_or(0.0, |stage| stage.ramp.as_secs_f64());
    let rate = if ramp_s > 0.0 {
        load.peak() / ramp_s
    } else {
        load.peak()
    };
    let time = format_duration(load.total()).replace(' ', "");
    name.replace("{u}", &trim_float(load.peak(), 0))
        .replace("{r}", &trim_float(rate, 1))
        .replace("{t}", &time)
        .into()
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

/// Writes text for people to stdout: in ASCII where the terminal shows nothing else.
///
/// # Errors
/// As [`written`].
pub fn print_for_people(out: &mut dyn Write, text: &str) -> Result<(), Error> {
    print(out, &on_screen(text))
}

/// `text` as the terminal can show it.
pub fn on_screen(text: &str) -> Cow<'_, str> {
    match is_ascii_wanted() {
        true => to_ascii(text),
        false => Cow::Borrowed(text),
    }
}
