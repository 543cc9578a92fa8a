//! `perfctl baseline add|show|accept|prune|list`: files with the runs that others are compared to.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::cli::args::out::OutArgs;
use crate::cli::show::describe::{align_right, table};
use crate::cli::show::noise::noise_text;
use crate::cli::show::output::written;
use crate::comparison::{Baseline, Gate, Statistical, baseline_limits, occasions};
use crate::error::{Error, Exit};
use crate::metrics::{RunResult, Window, read_result};
use crate::report::plain;
use crate::units::{format_count, format_counted, format_latency_us, format_percent};
use clap::{Args, Subcommand};

/// Manage baseline files
#[derive(Debug, Args)]
pub struct BaselineArgs {
    /// The subcommand.
    #[command(subcommand)]
    pub command: BaselineCommand,
}

/// The subcommands of `perfctl baseline`.
#[derive(Debug, Subcommand)]
pub enum BaselineCommand {
    /// Add stored runs of one build to a baseline file, creating it if necessary
    Add {
        /// Baseline file; gzip-compressed if its name ends in `.gz`
        file: PathBuf,
        /// Runs to add: their directories or names, or their result.json files
        #[arg(required = true, value_name = "RESULT")]
        results: Vec<PathBuf>,
        #[command(flatten)]
        out: OutArgs,
        /// Add runs even if they are INVALID, were stopped, or dropped arrivals
        #[arg(long)]
        force: bool,
        /// Add nothing once the file holds N occasions: the reference stays where it is.
        #[arg(long, value_name = "N")]
        up_to: Option<usize>,
    },
    /// Show runs, occasions, the noise they differ by, and what could be found in spite of it.
    Show {
        /// Baseline file
        file: PathBuf,
    },
    /// Make runs of a new build the reference, replacing all runs in the file
    Accept {
        /// Baseline file
        file: PathBuf,
        /// Runs of the new build: their directories or names, or their result.json files
        #[arg(required = true, value_name = "RESULT")]
        results: Vec<PathBuf>,
        #[command(flatten)]
        out: OutArgs,
    },
    /// Remove runs from a baseline file
    Prune {
        /// Baseline file
        file: PathBuf,
        /// Names of the runs to remove
        #[arg(value_name = "RUN")]
        runs: Vec<String>,
        /// Keep only the N newest occasions.
        #[arg(long, value_name = "N", required_unless_present = "runs")]
        keep: Option<usize>,
    },
    /// List the baseline files in a directory
    List {
        /// Directory to list
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
}

/// Carries out the subcommand.
///
/// # Errors
/// If a file cannot be read, written or used, or a run must not be added.
pub fn run(args: &BaselineArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let text = match &args.command {
        BaselineCommand::Add {
            file,
            results,
            out,
            force,
            up_to,
        } => add(file, &found(results, out), *force, *up_to)?,
        BaselineCommand::Show { file } => show(&Baseline::read(file)?),
        BaselineCommand::Accept { file, results, out } => accept(file, &found(results, out))?,
        BaselineCommand::Prune { file, runs, keep } => prune(file, runs, *keep)?,
        BaselineCommand::List { dir } => list(dir)?,
    };
    written(writeln!(out, "{text}"))?;
    Ok(Exit::Pass)
}

fn found(results: &[PathBuf], out: &OutArgs) -> Vec<PathBuf> {
    results.iter().map(|path| out.find(path)).collect()
}

fn read_all(results: &[PathBuf]) -> Result<Vec<RunResult>, Error> {
    results.iter().map(|path| read_result(path)).collect()
}

fn add(
    file: &Path,
    results: &[PathBuf],
    force: bool,
    up_to: Option<usize>,
) -> Result<String, Error> {
    let runs = read_all(results)?;
    if let Some(most) = up_to.filter(|_| file.exists()) {
        let baseline = Baseline::read(file)?;
        if occasions(&baseline.runs).len() >= most {
            return Ok(format!(
                "nothing added: `{}` holds {}",
                file.display(),
                holds(&baseline)
            ));
        }
    }
    let added = match runs.as_slice() {
        [run] => format!("`{}`", plain(&run.run.id)),
        runs => format!("{} runs", runs.len()),
    };
    let baseline = Baseline::add_to_file(file, runs, force)?;
    Ok(format!(
        "added {added} to `{}`, which now holds {}{}",
        file.display(),
        holds(&baseline),
        limits(&baseline)
    ))
}

/// What the baseline cannot be used for, each on a line of its own.
fn limits(baseline: &Baseline) -> String {
    let limits = baseline_limits(baseline).into_iter();
    limits
        .map(|limit| format!("\nwarning: {}", plain(&limit)))
        .collect()
}

/// A new build replaces the old one: it is the reference from now on, and its noise has to be
/// learned again.
fn accept(file: &Path, results: &[PathBuf]) -> Result<String, Error> {
    let before = Baseline::read(file)?;
    let now = Baseline::of_runs(read_all(results)?, false)?;
    if now.builds().len() > 1 {
        return Err(Error::usage("the runs measured more than one build"));
    }
    now.write(file)?;
    let change = match (before.builds().first(), now.builds().first()) {
        (Some(old), Some(new)) => format!(" (build `{}` -> `{}`)", plain(old), plain(new)),
        _ => String::new(),
    };
    Ok(format!(
        "`{}` now holds {}{change}; it held {}{}",
        file.display(),
        holds(&now),
        holds(&before),
        limits(&now)
    ))
}

fn prune(file: &Path, names: &[String], keep: Option<usize>) -> Result<String, Error> {
    let mut baseline = Baseline::read(file)?;
    let out = baseline.prune(names, keep)?;
    if out.is_empty() {
        return Ok(format!("nothing to remove: {}", holds(&baseline)));
    }
    baseline.write(file)?;
    let names: Vec<String> = out
        .iter()
        .map(|name| format!("  {}", plain(name)))
        .collect();
    Ok(format!(
        "removed:\n{}\n`{}` now holds {}",
        names.join("\n"),
        file.display(),
        holds(&baseline)
    ))
}

/// `5 runs of 3 occasions`.
fn holds(baseline: &Baseline) -> String {
    let runs = format_counted(baseline.runs.len() as u64, "run");
    let occasions = occasions(&baseline.runs).len() as u64;
    format!("{runs} of {}", format_counted(occasions, "occasion"))
}

fn show(baseline: &Baseline) -> String {
    let mut table = table([
        "run", "occasion", "requests", "fails", "p50", "p95", "state",
    ]);
    for (number, occasion) in occasions(&baseline.runs).iter().enumerate() {
        for result in occasion.iter().map(|&run| &baseline.runs[run]) {
            let total = result.summary(None, Window::Measured);
            let time = |us: Option<f64>| us.map_or_else(|| "-".into(), format_latency_us);
            table.add_row(vec![
                plain(&result.run.id),
                (number + 1).to_string(),
                format_count(total.requests),
                total.error_rate.map_or_else(|| "-".into(), format_percent),
                time(total.response_us.p50),
                time(total.response_us.p95),
                state(result).to_owned(),
            ]);
        }
    }
    (1..6).for_each(|column| align_right(&mut table, column));
    let gate = Statistical::default();
    let mut text = format!("{}\n\n{}", holds(baseline), table.trim_fmt());
    if let Some(build) = baseline.builds().first() {
        text = format!("build `{}`, {text}", plain(build));
    }
    let noise = gate.noise(&baseline.runs);
    text += &format!("\n\n{}", noise_text(&noise, "occasion"));
    for weakness in gate.weaknesses(&baseline.runs) {
        text += &format!("\n{weakness}");
    }
    text
}

fn state(result: &RunResult) -> &'static str {
    match () {
        () if !result.invalid_because().is_empty() => "INVALID",
        () if !result.is_finished() => "cut short",
        () if result.run.is_adjusted() => "changed by hand",
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
        // Other JSON files, such as stored runs, are skipped; a damaged baseline is listed.
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
