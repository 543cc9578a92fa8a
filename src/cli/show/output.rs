//! Printing, the format of reports, and the files that reports are written to.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use serde::Serialize;

use crate::cli::signals::has_hung_up;
use crate::error::Error;
use crate::metrics::{check_writable, write_file};
use crate::plan::Load;
use crate::report::{
    DEFAULT_COLUMNS, FORMATS, JsonWriter, LEAST_COLUMNS, Report, ReportFormat, by_name,
    is_ascii_wanted, locust_csv_paths, on_screen, plain, terminal_columns, write_locust_csv,
};
use crate::units::{format_bytes, format_duration, trim_float};

/// The format of the report, and files that are written besides.
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

    /// Also write the report to FILE, in any format; may be repeated
    #[arg(long = "write", value_name = "FORMAT=FILE", value_parser = ReportFile::parse)]
    files: Vec<ReportFile>,

    /// Also write Locust's CSV files: PREFIX_stats.csv, PREFIX_stats_history.csv,
    /// PREFIX_failures.csv, PREFIX_exceptions.csv
    #[arg(long, env = "PERFCTL_CSV", value_name = "PREFIX")]
    csv: Option<PathBuf>,

    /// With `--csv`: each endpoint in PREFIX_stats_history.csv, not only the total
    #[arg(long, requires = "csv")]
    csv_full_history: bool,

    /// Also write the report as a page with charts; `{u}`, `{r}` and `{t}` in the name become the
    /// users, their spawn rate, and the run time
    #[arg(long, env = "PERFCTL_HTML", value_name = "FILE")]
    html: Option<String>,

    /// The name of k6 for `--write k6=FILE`
    #[arg(long, value_name = "FILE", hide = true)]
    summary_export: Option<PathBuf>,
}

/// A file to write a report to.
#[derive(Debug, Clone)]
struct ReportFile {
    format: &'static ReportFormat,
    path: PathBuf,
}

impl ReportFile {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, path) = text.split_once('=').unwrap_or((text, ""));
        let format = by_name(name)?;
        match path.is_empty() {
            true => Err(format!("the file is missing; write `{name}=FILE`")),
            false => Ok(Self {
                format,
                path: path.into(),
            }),
        }
    }

    fn write(&self, report: &Report) -> Result<(), Error> {
        let reporter = self.format.reporter;
        write_file(&self.path, |out| {
            if self.format.name != FORMATS[0].name {
                return reporter.report(report, DEFAULT_COLUMNS, out);
            }
            let mut text = Vec::new();
            reporter.report(report, DEFAULT_COLUMNS, &mut text)?;
            let text = String::from_utf8_lossy(&text);
            write!(out, "{}", anstream::adapter::strip_str(&text))
        })
    }
}

impl FormatArgs {
    /// Checks that all files can be written, and creates the folders that they are to be in. Without
    /// the `load`, that of `--html` is not checked, since its name may depend on it.
    ///
    /// # Errors
    /// If one of them cannot be written, or two are the same.
    pub fn check_files(&self, load: Option<&Load>) -> Result<(), Error> {
        let csv = self.csv.iter().flat_map(|prefix| locust_csv_paths(prefix));
        let files = self.files(load).map(|file| file.path);
        let mut known = BTreeSet::new();
        for path in files.chain(csv) {
            check_file(&path)?;
            if let Some(path) = known.replace(path) {
                return Err(Error::usage_help(
                    format!("two reports are to be written to `{}`", path.display()),
                    "give each a file of its own",
                ));
            }
        }
        Ok(())
    }

    fn files(&self, load: Option<&Load>) -> impl Iterator<Item = ReportFile> {
        let summary = self.summary_export.clone();
        let page = load.zip(self.html.as_deref());
        let page = page.map(|(load, name)| expanded(name, load));
        let files = [("k6", summary), ("html", page)];
        let files = files.into_iter().filter_map(|(name, path)| {
            let (format, path) = (by_name(name).ok()?, path?);
            Some(ReportFile { format, path })
        });
        self.files.iter().cloned().chain(files)
    }

    /// Prints the report, and writes the files. What pages were written is said on stderr.
    ///
    /// # Errors
    /// If the output fails, unless its reader has gone away, or a file cannot be written.
    pub fn print(&self, report: &Report, out: &mut dyn Write) -> Result<(), Error> {
        let printed = self.print_quietly(report, out);
        for file in self.files(Some(&report.result.run.load)) {
            if file.format.name == "html" && printed.is_ok() {
                announce(&file.path);
            }
        }
        printed
    }

    /// The same, without a word on stderr.
    ///
    /// # Errors
    /// As [`Self::print`].
    pub fn print_quietly(&self, report: &Report, out: &mut dyn Write) -> Result<(), Error> {
        let printed = self.print_report(report, out);
        printed.and(self.write_files(report))
    }

    /// Writes the files; all are tried.
    ///
    /// # Errors
    /// The first file that could not be written.
    pub fn write_files(&self, report: &Report) -> Result<(), Error> {
        let files: Vec<_> = self
            .files(Some(&report.result.run.load))
            .map(|file| file.write(report))
            .collect();
        let is_full = self.csv_full_history;
        let csv = self.csv.iter();
        let csv = csv.map(|prefix| write_locust_csv(&report.result, prefix, is_full));
        files.into_iter().chain(csv).collect()
    }

    fn print_report(&self, report: &Report, out: &mut dyn Write) -> Result<(), Error> {
        let reporter = by_name(&self.format).map_err(Error::usage)?.reporter;
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

/// Checks that a file can be written, and creates the folder that it is to be in.
///
/// # Errors
/// If it cannot be written.
pub fn check_file(path: &Path) -> Result<(), Error> {
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        fs::create_dir_all(folder).map_err(|source| Error::Write {
            path: folder.to_owned(),
            source,
        })?;
    }
    check_writable(path)
}

/// Writes a file, and says so on stderr.
///
/// # Errors
/// As [`write_file`].
pub fn write_announced(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    write_file(path, write)?;
    announce(path);
    Ok(())
}

/// Says on stderr that a file was written, and its size: `wrote report.html (132 kB)`. Nothing is said of a
/// pipe or a device.
fn announce(path: &Path) {
    if let Ok(metadata) = fs::metadata(path)
        && metadata.is_file()
    {
        let name = plain(&path.display().to_string());
        let size = format_bytes(metadata.len());
        let _ = writeln!(anstream::stderr(), "wrote {name} ({size})");
    }
}

/// Writes a value as JSON for programs, which is harmless on a terminal.
///
/// # Errors
/// If `out` fails.
pub fn write_json(value: &impl Serialize, out: &mut dyn Write) -> Result<(), Error> {
    let mut json = JsonWriter(out);
    let json = serde_json::to_writer_pretty(&mut json, value)
        .map_err(io::Error::from)
        .and_then(|()| writeln!(json));
    written(json)
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
