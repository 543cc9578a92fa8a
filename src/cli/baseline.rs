//! `perfctl baseline add|show|list`: the files of runs that others are compared to.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::describe::{align_right, table};
use super::output::written;
use crate::comparison::Baseline;
use crate::error::{Error, Exit};
use crate::metrics::{RunResult, Window, read_result};
use crate::report::plain;
use crate::units::{format_count, format_latency_us, format_percent};
use clap::{Args, Subcommand};

/// Keep the runs that others are compared to
#[derive(Debug, Args)]
pub struct BaselineArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: BaselineCommand,
}

/// The subcommands of `perfctl baseline`.
#[derive(Debug, Subcommand)]
pub enum BaselineCommand {
    /// Add a stored run to a baseline file, which is created if need be.
    Add {
        /// The baseline file.
        file: PathBuf,
        /// The run: its directory, or its result.json.
        result: PathBuf,
        /// Add it even if it is INVALID or was cut short.
        #[arg(long)]
        force: bool,
    },
    /// Show the runs of a baseline file.
    Show {
        /// The baseline file.
        file: PathBuf,
    },
    /// List the baseline files of a directory.
    List {
        /// The directory.
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
}

/// Carries out the subcommand.
///
/// # Errors
/// When a file cannot be read, written or used, or the run must not be added.
pub fn run(args: &BaselineArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let text = match &args.command {
        BaselineCommand::Add {
            file,
            result,
            force,
        } => add(file, result, *force)?,
        BaselineCommand::Show { file } => show(&Baseline::read(file)?),
        BaselineCommand::List { dir } => list(dir)?,
    };
    written(writeln!(out, "{text}"))?;
    Ok(Exit::Pass)
}

fn add(file: &Path, result: &Path, force: bool) -> Result<String, Error> {
    let run = read_result(result)?;
    let id = plain(&run.run.id);
    let baseline = Baseline::add_to_file(file, run, force)?;
    let runs = match baseline.runs.len() {
        1 => "1 run".to_owned(),
        n => format!("{n} runs"),
    };
    Ok(format!(
        "added `{id}` to `{}`, which now holds {runs}",
        file.display()
    ))
}

fn show(baseline: &Baseline) -> String {
    let mut table = table(["run", "requests", "failed", "p50", "p95", "state"]);
    for result in &baseline.runs {
        let total = result.summary(None, Window::Measured);
        let time = |us: Option<f64>| us.map_or_else(|| "-".into(), format_latency_us);
        table.add_row(vec![
            plain(&result.run.id),
            format_count(total.requests),
            total.error_rate.map_or_else(|| "-".into(), format_percent),
            time(total.response_us.p50),
            time(total.response_us.p95),
            state(result).to_owned(),
        ]);
    }
    (1..5).for_each(|column| align_right(&mut table, column));
    table.trim_fmt()
}

fn state(result: &RunResult) -> &'static str {
    match () {
        () if !result.invalid_because().is_empty() => "INVALID",
        () if !result.is_finished() => "cut short",
        () => "valid",
    }
}

fn list(dir: &Path) -> Result<String, Error> {
    let read_error = |source| Error::Read {
        path: dir.to_owned(),
        source,
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(read_error)? {
        let path = entry.map_err(read_error)?.path();
        if path.is_file()
            && path
                .extension()
                .is_some_and(|extension| extension == "json")
        {
            files.push(path);
        }
    }
    files.sort();
    let mut table = table(["file", "scenario", "profile", "runs", "newest"]);
    for path in files {
        // Other JSON files, and stored runs, are no baselines; a damaged baseline is named.
        let head = std::fs::read_to_string(&path).unwrap_or_default();
        if !head.contains(Baseline::FORMAT) {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut row = vec![plain(&name)];
        match Baseline::read(&path) {
            Ok(baseline) => {
                let newest = baseline
                    .runs
                    .iter()
                    .map(|r| &r.run)
                    .max_by(|a, b| a.started_at.cmp(&b.started_at));
                row.extend(newest.map(|run| plain(&run.scenario)));
                row.extend(newest.map(|run| plain(&run.profile)));
                row.push(baseline.runs.len().to_string());
                row.extend(newest.map(|run| plain(run.started_at.get(..10).unwrap_or_default())));
            }
            Err(_) => row.extend(["damaged", "-", "-", "-"].map(str::to_owned)),
        }
        table.add_row(row);
    }
    if table.is_empty() {
        return Ok(format!("no baseline file in `{}`", dir.display()));
    }
    align_right(&mut table, 3);
    Ok(table.trim_fmt())
}
