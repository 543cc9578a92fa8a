//! `perfctl report`: prints the report of a stored run.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::cli::args::gate::GateArgs;
use crate::cli::args::out::OutArgs;
use crate::cli::show::output::FormatArgs;
use crate::comparison::{Baseline, Caller, compare};
use crate::error::{Error, Exit};
use crate::grading::{FailOn, Policy};
use crate::metrics::{read_result, stored_runs};
use crate::report::Report;

/// Print the report of a stored run
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// Directory or name of the run, or its result.json [default: the newest run in `--out`]
    pub result: Option<PathBuf>,
    #[command(flatten)]
    pub out: OutArgs,
    /// Baseline file or stored run to compare to
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// What fails the run: any of slo, regression, errors (any failed request), or none [default: as
    /// for the run]
    #[arg(long, value_name = "LIST", value_parser = FailOn::parse)]
    pub fail_on: Option<FailOn>,
    /// Print the failed requests that were kept, with what was sent and received, instead of the
    /// report
    #[arg(long, help_heading = "Output", conflicts_with = "baseline")]
    pub failures: bool,
    #[command(flatten)]
    pub gate: GateArgs,
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Prints the report. It ends as the run did, with the same verdict and the same exit code, unless
/// there is a baseline or another `--fail-on`.
///
/// # Errors
/// If the result or the baseline cannot be read, or they are not comparable.
pub fn run(args: &ReportArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let gate = args.gate.gate(Caller::Report)?;
    args.format.check_files(None, None)?;
    let directory = args.out.directory();
    let path = match &args.result {
        Some(path) => args.out.find(path),
        None => newest(&directory)?,
    };
    let result = read_result(&path)?;
    let of_run = Policy::of_run(&result.run);
    let policy = Policy {
        fail_on: args.fail_on.unwrap_or(of_run.fail_on),
        tolerates_doubt: args.gate.doubt.tolerated(),
        ..of_run
    };
    let baseline = match &args.baseline {
        None => None,
        Some(file) => Some(Baseline::read(&args.out.find(file))?),
    };
    let compared = match &baseline {
        None => None,
        Some(baseline) => {
            let comparison = compare(baseline, std::slice::from_ref(&result), &*gate)?;
            Some((comparison, baseline.runs.as_slice()))
        }
    };
    let report = Report::of_stored(result, run_directory(&path), &policy, compared);
    match args.failures {
        true => args.format.print_failures(&report, out)?,
        false => args.format.print(&report, out)?,
    }
    Ok(report.grading.exit)
}

/// The newest of the stored runs.
pub(super) fn newest(directory: &Path) -> Result<PathBuf, Error> {
    let runs = stored_runs(directory)?;
    // One without a result may still be going on.
    let finished = runs.iter().find(|run| run.result().exists());
    match finished.or(runs.first()) {
        Some(run) => Ok(run.path().to_owned()),
        None => Err(Error::usage_help(
            format!("there are no runs in `{}/`", directory.display()),
            "start one with `perfctl run`, or name the directory of a run",
        )),
    }
}

/// The directory of the run that `path` names.
pub(super) fn run_directory(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return Some(path.to_owned());
    }
    let parent = path.parent()?;
    (!parent.as_os_str().is_empty()).then(|| parent.to_owned())
}
