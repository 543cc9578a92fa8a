//! `perfctl compare BASELINE RESULT...`: what changed between stored runs.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::cli::args::gate::{DoubtArgs, GateArgs};
use crate::cli::args::out::OutArgs;
use crate::cli::show::output::FormatArgs;
use crate::comparison::{Baseline, Caller, Comparison, compare};
use crate::error::{Error, Exit};
use crate::grading::{FailOn, Grading, Policy};
use crate::metrics::{Cell, RunResult, read_result};
use crate::report::{DerivedFigures, Focus, Report, ReportedRun};

/// Compare stored runs of one build to a baseline or to another run
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    /// Baseline file or stored run to compare to
    pub baseline: PathBuf,
    /// Runs of one build: their directories or names, or their result.json files
    #[arg(required = true, value_name = "RESULT")]
    pub results: Vec<PathBuf>,
    #[command(flatten)]
    pub out: OutArgs,
    #[command(flatten)]
    pub gate: GateArgs,
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Prints the comparison. Only a regression fails it; the runs' own SLOs do not count.
///
/// # Errors
/// If a file cannot be read, or the runs are not comparable.
pub fn run(args: &CompareArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let gate = args.gate.gate(Caller::Compare)?;
    args.format.check_files(None, None)?;
    let find = |path: &PathBuf| args.out.find(path);
    let (before, paths) = (find(&args.baseline), args.results.iter().map(find));
    let paths: Vec<PathBuf> = paths.collect();
    // At the same time, since reading a run of several hours takes long.
    let (baseline, results) = std::thread::scope(|scope| {
        let baseline = scope.spawn(|| Baseline::read(&before));
        let results: Vec<_> = paths.iter().map(|path| read_result(path)).collect();
        let baseline = baseline.join();
        let baseline = baseline.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (baseline, results)
    });
    let baseline = baseline?;
    let mut runs = Vec::new();
    for run in results {
        let run = run?;
        if runs
            .iter()
            .any(|known: &RunResult| known.run.is_same_run(&run.run))
        {
            return Err(Error::usage(format!(
                "the run `{}` is named twice",
                run.run.id
            )));
        }
        runs.push(run);
    }
    let comparison = compare(&baseline, &runs, &*gate)?;
    let last = paths
        .last()
        .and_then(|path| super::report::run_directory(path));
    let listed = ListedRuns {
        runs: ReportedRun::several(&runs),
        are_stored: true,
        is_quiet: false,
        baseline: Report::baseline_of(&baseline.runs),
    };
    print(
        runs,
        listed,
        comparison,
        last.as_deref(),
        &args.gate.doubt,
        &args.format,
        out,
    )
}

/// The runs that a comparison lists.
pub(crate) struct ListedRuns {
    /// Each of them; none for a single one.
    pub runs: Vec<ReportedRun>,
    /// Whether an earlier command made them.
    pub are_stored: bool,
    /// Whether nothing is said on stderr.
    pub is_quiet: bool,
    /// What the report keeps of the runs that they are compared to.
    pub baseline: Vec<Cell>,
}

/// Prints the comparison of these runs, the last of which is in `directory`, with a list of all that
/// were made for it.
///
/// # Errors
/// If the output fails.
pub(crate) fn print(
    mut runs: Vec<RunResult>,
    listed: ListedRuns,
    comparison: Comparison,
    directory: Option<&Path>,
    doubt: &DoubtArgs,
    format: &FormatArgs,
    out: &mut dyn Write,
) -> Result<Exit, Error> {
    let policy = Policy {
        fail_on: FailOn {
            slo: false,
            regression: true,
            errors: false,
        },
        code_on_error: None,
        tolerates_doubt: doubt.tolerated(),
    };
    let last = runs
        .pop()
        .ok_or_else(|| Error::usage("there is no run to compare"))?;
    let report = Report {
        grading: Grading::of(&last, Some(&comparison), &policy),
        result: last,
        comparison: Some(comparison),
        runs: listed.runs,
        is_stored: listed.are_stored,
        directory: directory.map(Path::to_owned),
        focus: Focus::Comparison,
        baseline: listed.baseline,
        derived: DerivedFigures::default(),
    };
    match listed.is_quiet {
        true => format.print_quietly(&report, out)?,
        false => format.print(&report, out)?,
    }
    Ok(report.grading.judged_exit)
}
