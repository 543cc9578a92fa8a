//! `perfctl history`: the numbers of stored runs by date, and where they changed.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::value_parser;

use crate::cli::args::out::OutArgs;
use crate::cli::show::output::{check_file, print, print_for_people, write_announced};
use crate::comparison::{Baseline, MOST_RUNS};
use crate::error::{Error, Exit};
use crate::history::{History, HistoryRun, series_of};
use crate::metrics::stored_runs;
use crate::report::{HISTORY_FORMATS, LEAST_COLUMNS, plain, terminal_columns, write_history};

/// Show how the numbers of stored runs developed, and with which run they changed
#[derive(Debug, clap::Args)]
pub struct HistoryArgs {
    /// Directories with runs, single runs, or baseline files [default: the runs in `--out`]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Only runs of the scenario with this name
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
    /// The numbers of this endpoint or flow instead of those of all requests
    #[arg(long, value_name = "NAME")]
    pub endpoint: Option<String>,
    /// The newest N runs of each scenario and profile; at most 200
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = value_parser!(u64).range(1..=MOST_RUNS as u64))]
    pub last: u64,
    #[command(flatten)]
    pub out: OutArgs,
    /// Output format
    #[arg(
        long,
        env = "PERFCTL_FORMAT",
        value_name = "FORMAT",
        default_value = HISTORY_FORMATS[0],
        value_parser = PossibleValuesParser::new(HISTORY_FORMATS),
        help_heading = "Output"
    )]
    pub format: String,
    /// Also write the history as a page with charts
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub html: Option<PathBuf>,
}

/// Prints the history. What cannot be read is named; the rest is shown.
///
/// # Errors
/// If nothing can be read, nothing matches the options, or a file cannot be written.
pub fn run(args: &HistoryArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    if let Some(path) = &args.html {
        check_file(path)?;
    }
    let history = history(args)?;
    if history.series.is_empty() && history.unreadable.is_empty() {
        let place = match args.paths.as_slice() {
            [] => args.out.directory(),
            [first, ..] => first.clone(),
        };
        print_for_people(out, &format!("no runs in `{}/`\n", place.display()))?;
        return Ok(Exit::Pass);
    }
    let columns = terminal_columns(&io::stdout()).max(LEAST_COLUMNS);
    let mut text = Vec::new();
    write_history(&history, &args.format, columns, &mut text).map_err(|source| Error::Write {
        path: "standard output".into(),
        source,
    })?;
    let text = String::from_utf8_lossy(&text);
    let printed = match args.format == HISTORY_FORMATS[0] {
        true => print_for_people(out, &text),
        false => print(out, &text),
    };
    let written = args.html.as_deref().map_or(Ok(()), |path| {
        write_announced(path, |out| write_history(&history, "html", columns, out))
    });
    printed.and(written)?;
    match history.series.is_empty() {
        // Every run is damaged.
        true => Ok(Exit::Error),
        false => Ok(Exit::Pass),
    }
}

fn history(args: &HistoryArgs) -> Result<History, Error> {
    let (mut runs, unreadable) = read_all(&sources(args)?);
    if let Some(wanted) = &args.scenario {
        let known: BTreeSet<String> = runs.iter().map(|run| run.info.scenario.clone()).collect();
        runs.retain(|run| run.info.scenario == *wanted);
        check_name(
            "run of the scenario",
            wanted,
            &known,
            runs.is_empty() && !known.is_empty(),
        )?;
    }
    if let Some(wanted) = &args.endpoint {
        let names = runs.iter().flat_map(|run| &run.info.endpoints);
        let known: BTreeSet<String> = names.map(|endpoint| endpoint.name.clone()).collect();
        let is_missing = !known.is_empty() && !known.contains(wanted);
        check_name("run with the endpoint", wanted, &known, is_missing)?;
    }
    let last = usize::try_from(args.last).unwrap_or(MOST_RUNS);
    Ok(History {
        series: series_of(runs, args.endpoint.as_deref(), last),
        unreadable,
    })
}

fn check_name(
    what: &str,
    wanted: &str,
    known: &BTreeSet<String>,
    is_missing: bool,
) -> Result<(), Error> {
    const MOST: usize = 20;
    if !is_missing {
        return Ok(());
    }
    let names: Vec<String> = known
        .iter()
        .take(MOST)
        .map(|name| format!("`{}`", plain(name)))
        .collect();
    let more = if known.len() > MOST { ", ..." } else { "" };
    Err(Error::usage_help(
        format!("there is no {what} `{}`", plain(wanted)),
        format!("known: {}{more}", names.join(", ")),
    ))
}

/// The runs and files that are named, or those in the directory for runs.
fn sources(args: &HistoryArgs) -> Result<Vec<PathBuf>, Error> {
    if args.paths.is_empty() {
        return runs_in(&args.out.directory());
    }
    let mut sources = Vec::new();
    for path in &args.paths {
        let path = args.out.find(path);
        std::fs::metadata(&path).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        let runs = match path.is_dir() {
            true => runs_in(&path)?,
            false => Vec::new(),
        };
        match runs.is_empty() && !is_empty_directory(&path) {
            true => sources.push(path),
            false => sources.extend(runs),
        }
    }
    Ok(sources)
}

fn runs_in(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let runs = stored_runs(directory)?;
    // One without a result is still going on, or was killed.
    let finished = runs.iter().filter(|run| run.result().exists());
    Ok(finished.map(|run| run.path().to_owned()).collect())
}

fn is_empty_directory(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// Reads all of them on all cores, since large runs take long, and keeps little of each. Also the errors.
fn read_all(sources: &[PathBuf]) -> (Vec<HistoryRun>, Vec<String>) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let each = sources.len().div_ceil(threads).max(1);
    let read: Vec<_> = std::thread::scope(|scope| {
        let parts = sources.chunks(each);
        let parts: Vec<_> = parts
            .map(|part| scope.spawn(|| part.iter().map(|path| read(path)).collect::<Vec<_>>()))
            .collect();
        let parts = parts.into_iter().flat_map(|part| {
            part.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        parts.collect()
    });
    let (mut runs, mut errors) = (Vec::new(), Vec::new());
    for read in read {
        match read {
            Ok(read) => runs.extend(read),
            Err(error) => errors.push(error.to_string().trim_start_matches("error: ").to_owned()),
        }
    }
    (runs, errors)
}

/// A stored run, or all of a baseline file.
fn read(path: &Path) -> Result<Vec<HistoryRun>, Error> {
    let runs = Baseline::read(path)?.runs.into_iter();
    Ok(runs
        .map(|run| HistoryRun::of(path.to_owned(), run))
        .collect())
}
