//! Printing, the format of reports, and the files that reports are written to.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::builder::{BoolishValueParser, PossibleValuesParser};
use serde::Serialize;

use crate::cli::signals::has_hung_up;
use crate::error::Error;
use crate::metrics::{check_writable, write_file};
use crate::plan::Load;
use crate::report::{
    DEFAULT_COLUMNS, FORMATS, JsonWriter, LEAST_COLUMNS, Report, ReportFormat, Reporter, by_name,
    is_ascii_wanted, locust_csv_paths, on_screen, page_paths, plain, terminal_columns,
    write_explanation, write_failures, write_locust_csv, write_page_folder,
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

    /// With json: every second of each endpoint, and the whole result
    #[arg(long, env = "PERFCTL_FULL", value_parser = BoolishValueParser::new())]
    full: bool,

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

    /// Also write that page as DIR/index.html with its style beside it, for servers that forbid styles in
    /// pages, as Jenkins does
    #[arg(long, env = "PERFCTL_HTML_DIR", value_name = "DIR")]
    html_dir: Option<PathBuf>,

    /// Locust's name for `--write locust=NAME.json`
    #[arg(long, value_name = "NAME", hide = true)]
    json_file: Option<PathBuf>,

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

    fn write(&self, report: &Report, is_full: bool) -> Result<(), Error> {
        let reporter = reporter(self.format, is_full);
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
    /// Checks that all files, and the one that is written `also`, can be written, and creates the folders
    /// that they are to be in. Without the `load`, that of `--html` is not checked, since its name may
    /// depend on it.
    ///
    /// # Errors
    /// If one of them cannot be written, two are the same, or `--full` has no use.
    pub fn check_files(&self, load: Option<&Load>, also: Option<&Path>) -> Result<(), Error> {
        let csv = self.csv.iter().flat_map(|prefix| locust_csv_paths(prefix));
        let files = self.files(load).map(|file| file.path);
        let written = self.files.iter().map(|file| file.format);
        let formats = written
            .map(|format| format.name)
            .chain([self.format.as_str()]);
        if self.full && !formats.into_iter().any(|name| name == "json") {
            return Err(Error::usage_help(
                "`--full` is for the format `json`, which is not wanted",
                "add `--format json`, or `--write json=FILE`",
            ));
        }
        let mut known = BTreeSet::new();
        let page = self.html_dir.iter().flat_map(|folder| page_paths(folder));
        let also = also.map(Path::to_owned);
        for path in files.chain(csv).chain(page).chain(also) {
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
        let statistics = self.json_file.as_deref().map(with_json);
        let files = [("k6", summary), ("html", page), ("locust", statistics)];
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
        self.print_as(&self.format, false, report, out)
    }

    /// The same, without a word on stderr.
    ///
    /// # Errors
    /// As [`Self::print`].
    pub fn print_quietly(&self, report: &Report, out: &mut dyn Write) -> Result<(), Error> {
        self.print_as(&self.format, true, report, out)
    }

    /// The same in another format than `--format`.
    ///
    /// # Errors
    /// As [`Self::print`].
    pub fn print_as(
        &self,
        format: &str,
        is_quiet: bool,
        report: &Report,
        out: &mut dyn Write,
    ) -> Result<(), Error> {
        print_report(format, self.full, report, out).and(self.write_files(report))?;
        if !is_quiet {
            let files = self.files(Some(&report.result.run.load));
            let pages = files.filter(|file| file.format.name == "html");
            let folders = self.html_dir.iter().map(|folder| page_paths(folder));
            let pages = pages.map(|page| page.path);
            pages
                .chain(folders.map(|[page, _]| page))
                .for_each(|page| announce(&page));
        }
        Ok(())
    }

    /// Writes the files; all are tried.
    ///
    /// # Errors
    /// The first file that could not be written.
    pub fn write_files(&self, report: &Report) -> Result<(), Error> {
        let files: Vec<_> = self
            .files(Some(&report.result.run.load))
            .map(|file| file.write(report, self.full))
            .collect();
        let is_full = self.csv_full_history;
        let csv = self.csv.iter();
        let csv = csv.map(|prefix| write_locust_csv(&report.result, prefix, is_full));
        let page = self.html_dir.iter();
        let page = page.map(|folder| write_page_folder(report, folder));
        files.into_iter().chain(csv).chain(page).collect()
    }

    /// Prints the failed requests of a report, in place of it, and writes the files.
    ///
    /// # Errors
    /// As [`Self::print`], and for a format other than the first.
    pub fn print_failures(&self, report: &Report, out: &mut dyn Write) -> Result<(), Error> {
        if self.format != FORMATS[0].name {
            return Err(Error::usage_help(
                format!("`--failures` cannot be printed as `{}`", self.format),
                "leave out `--format`, or leave out `--failures`: `--format json` has the failed \
                 requests in `failure_samples`",
            ));
        }
        let write = |columns, out: &mut dyn Write| write_failures(&report.result, columns, out);
        let printed = print_by(write, out);
        printed.and(self.write_files(report))
    }
}

/// Prints the findings of a report with their reasoning.
///
/// # Errors
/// If the output fails, unless its reader has gone away.
pub fn print_explanation(report: &Report, out: &mut dyn Write) -> Result<(), Error> {
    print_by(|columns, out| write_explanation(report, columns, out), out)
}

fn reporter(format: &ReportFormat, is_full: bool) -> &'static dyn Reporter {
    let full = format.reporter.full().filter(|_| is_full);
    full.unwrap_or(format.reporter)
}

fn print_report(
    format: &str,
    is_full: bool,
    report: &Report,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let reporter = reporter(by_name(format).map_err(Error::usage)?, is_full);
    let write = |columns, out: &mut dyn Write| reporter.report(report, columns, out);
    match format == FORMATS[0].name {
        true => print_by(write, out),
        false => {
            let columns = terminal_columns(&io::stdout()).max(LEAST_COLUMNS);
            written(write(columns, out).and_then(|()| out.flush()))
        }
    }
}

/// Prints what `write` writes for people in so many columns.
fn print_by(
    write: impl Fn(usize, &mut dyn Write) -> io::Result<()>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let columns = terminal_columns(&io::stdout()).max(LEAST_COLUMNS);
    if is_ascii_wanted() {
        let mut text = Vec::new();
        return written(write(columns, &mut text))
            .and_then(|()| print_for_people(out, &String::from_utf8_lossy(&text)));
    }
    written(write(columns, out).and_then(|()| out.flush()))
}

/// Locust adds the ending to the name.
fn with_json(name: &Path) -> PathBuf {
    match name.extension().is_some_and(|ending| ending == "json") {
        true => name.to_owned(),
        false => {
            let mut path = name.as_os_str().to_owned();
            path.push(".json");
            path.into()
        }
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
