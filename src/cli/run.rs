//! `perfctl run`: a scenario under a profile, from the files to the exit code.
//!
//! Below it: the other commands that send requests (`ab`, `selfcheck`, `try`), and what they share.

pub(super) mod ab;
mod around;
pub(super) mod capacity;
mod command_line;
mod execute;
mod hooks;
mod observing;
mod repeat;
pub(super) mod selfcheck;
mod series;
pub(super) mod trial;
pub(super) mod validate_target;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::BoolishValueParser;

use super::args::gate::GateArgs;
use super::args::plan::PlanArgs;
use super::show::output::{FormatArgs, written};
use crate::comparison::{Baseline, Caller, baseline_limits, check_plan};
use crate::error::{Error, Exit};
use crate::grading::{FailOn, Grading, Policy, Verdict};
use crate::metrics::{RunResult, check_writable};
use crate::plan::Plan;
use crate::report::{FORMATS, Report, SampleLog, plain};
use crate::units;
use execute::ExecuteArgs;
use repeat::{Repeat, Repeats};

/// The most iterations that `--debug` prints.
const MAX_PRINTED: u64 = 1_000;

/// Run a load test, grade the result, and print a report
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    plan: PlanArgs,

    #[command(flatten)]
    execute: ExecuteArgs,

    /// Number of runs, or `auto` to repeat the run while the comparison is in doubt
    #[arg(
        long,
        env = "PERFCTL_REPEAT",
        value_name = "N|auto",
        default_value = "1",
        value_parser = Repeat::parse
    )]
    repeat: Repeat,

    /// Baseline file or stored run to compare to
    #[arg(long, env = "PERFCTL_BASELINE", value_name = "FILE")]
    baseline: Option<PathBuf>,

    /// Save this run, or all runs of `--repeat`, as the baseline FILE if it passes, replacing what
    /// it contained
    #[arg(long, env = "PERFCTL_SAVE_BASELINE", value_name = "FILE")]
    save_baseline: Option<PathBuf>,

    #[command(flatten)]
    gate: GateArgs,

    /// What fails the run: any of slo, regression, errors (any failed request), or none
    #[arg(
        long,
        env = "PERFCTL_FAIL_ON",
        value_name = "LIST",
        default_value = "slo,regression",
        value_parser = FailOn::parse,
        help_heading = "Verdict"
    )]
    fail_on: FailOn,

    /// Exit with N if the run passes but requests failed, as Locust does
    #[arg(
        long,
        env = "PERFCTL_EXIT_CODE_ON_ERROR",
        value_name = "N",
        help_heading = "Verdict"
    )]
    exit_code_on_error: Option<u8>,

    /// Also write a row for each request to FILE while the load goes on: as JTL if the name ends in
    /// .jtl or .csv, as lines of JSON if it ends in .jsonl or .json
    #[arg(
        long,
        env = "PERFCTL_SAMPLES",
        value_name = "FILE",
        value_parser = SampleLog::parse_path,
        help_heading = "Output"
    )]
    samples: Option<PathBuf>,
    /// Show the progress of a run in lines instead of filling the terminal; no key changes the load
    #[arg(
        long,
        env = "PERFCTL_NO_TUI",
        value_parser = BoolishValueParser::new(),
        help_heading = "Run"
    )]
    no_tui: bool,
    /// Print every request and response of a short run to stderr, in full and without secrets; needs
    /// `--iterations` or `-n`. The run is not judged
    #[arg(
        long,
        alias = "http-debug",
        env = "PERFCTL_DEBUG",
        value_parser = BoolishValueParser::new(),
        conflicts_with_all = ["baseline", "save_baseline"],
        help_heading = "Output"
    )]
    debug: bool,

    #[command(flatten)]
    format: FormatArgs,
}

/// Runs a scenario and reports on it.
///
/// # Errors
/// What kept it from being run or stored. A verdict is not an error; it becomes the exit code.
pub fn run(args: &RunArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let gate = args.gate.gate(Caller::Run)?;
    args.check_format()?;
    let plan = args.plan.plan_of_run()?;
    if args.debug {
        check_debug(&plan)?;
    }
    let find = |path| args.execute.out.find(path);
    let baseline = args.baseline.as_deref().map(find);
    let baseline = baseline.as_deref().map(Baseline::read).transpose()?;
    if let Some(baseline) = &baseline {
        check_plan(baseline, &plan, &*gate)?;
    } else if args.repeat == Repeat::Auto {
        return Err(Error::usage_help(
            "`--repeat auto` needs `--baseline`",
            "it repeats the run while the comparison is in doubt; `--repeat 5` makes five runs",
        ));
    }
    if let Some(path) = &args.save_baseline {
        check_writable(path)?;
    }
    args.format
        .check_files(Some(&plan.load), args.samples.as_deref())?;
    let is_traced = plan.trace.is_some();
    let log = args.samples.as_deref();
    let log = log
        .map(|path| SampleLog::create(path, is_traced))
        .transpose()?;
    let policy = Policy {
        fail_on: args.fail_on,
        code_on_error: args.exit_code_on_error,
        tolerates_doubt: args.gate.doubt.tolerated(),
    };
    let repeats = Repeats {
        repeat: args.repeat,
        baseline: baseline.as_ref(),
        gate: &*gate,
        policy: &policy,
    };
    let mut execute = args.execute.clone();
    execute.debug = args.debug;
    // Of several runs, one whose load was changed would be of no use.
    execute.dashboard = !args.no_tui && args.repeat == Repeat::Times(1);
    let repeated = repeats.run(
        || execute.execute(&plan, &policy, log.as_ref()),
        |text| args.execute.note(text),
    )?;
    args.print(&repeated.report, out)?;
    for failure in hooks::notify(&plan, &repeated.report) {
        let _ = writeln!(anstream::stderr(), "{failure}");
    }
    if let Some(error) = repeated.unstored {
        return Err(error);
    }
    let samples = repeated.report.result.run.samples.as_ref();
    if let Some((counts, failure)) =
        samples.and_then(|counts| Some((counts, counts.failure.clone()?)))
    {
        return Err(Error::Write {
            path: PathBuf::from(&counts.file),
            source: std::io::Error::other(failure),
        });
    }
    // An INVALID or unfinished run cannot be compared either, and its verdict says why.
    let verdict = repeated.report.grading.verdict;
    if let Some(error) = repeated.refused.filter(|_| verdict == Verdict::Pass) {
        return Err(error);
    }
    if let Some(path) = &args.save_baseline {
        save_baseline(path, &repeated.report, repeated.runs)?;
    }
    Ok(repeated.report.grading.exit)
}

impl RunArgs {
    /// The format of the report that is printed.
    fn format(&self) -> &str {
        match self.plan.wants_locust_json() {
            true => "locust",
            false => &self.format.format,
        }
    }

    fn check_format(&self) -> Result<(), Error> {
        let given = &self.format.format;
        match self.plan.wants_locust_json() && *given != FORMATS[0].name {
            true => Err(Error::usage_help(
                format!("`--json` prints Locust's statistics, and `--format {given}` is given too"),
                "leave out one of them",
            )),
            false => Ok(()),
        }
    }

    fn print(&self, report: &Report, out: &mut dyn Write) -> Result<(), Error> {
        if !self.execute.quiet {
            return self.format.print_as(self.format(), false, report, out);
        }
        if self.format() != FORMATS[0].name {
            return self.format.print_as(self.format(), true, report, out);
        }
        let directory = report.directory.as_deref().unwrap_or(Path::new(""));
        let line = verdict_line(&report.grading, directory);
        written(writeln!(out, "{line}")).and(self.format.write_files(report))
    }
}

/// Whether a run is short enough to be printed.
fn check_debug(plan: &Plan) -> Result<(), Error> {
    if plan
        .load
        .iterations
        .is_some_and(|count| count <= MAX_PRINTED)
    {
        return Ok(());
    }
    let most = units::format_count(MAX_PRINTED);
    let few = match plan.quick_look {
        true => "-n 10",
        false => "--iterations 10",
    };
    Err(Error::usage_help(
        format!("`--debug` is for runs of at most {most} iterations"),
        format!("add `{few}`, or use `perfctl try`, which sends each request of a scenario once"),
    ))
}

/// Makes the runs the baseline if they passed: a CI job must not replace a good baseline with a bad
/// run.
fn save_baseline(path: &Path, report: &Report, runs: Vec<RunResult>) -> Result<(), Error> {
    let verdict = report.grading.verdict;
    if verdict == Verdict::Pass {
        let baseline = Baseline::of_runs(runs, false)?;
        baseline.write(path)?;
        for limit in baseline_limits(&baseline) {
            let (path, limit) = (path.display(), plain(&limit));
            let _ = writeln!(anstream::stderr(), "warning: `{path}`: {limit}");
        }
        return Ok(());
    }
    let directory = report.directory.as_deref().unwrap_or(Path::new(""));
    // On stderr, since a program may read the report; the exit code is the verdict's.
    let _ = writeln!(
        anstream::stderr(),
        "not saved as a baseline: the verdict is {}; `perfctl baseline add {} {}` saves it \
         anyway",
        verdict.name(),
        path.display(),
        directory.display(),
    );
    Ok(())
}

/// `PASS A+ 98.2 results/...`: the verdict in one line.
fn verdict_line(grading: &Grading, directory: &Path) -> String {
    let mut words = vec![grading.verdict.name().to_uppercase()];
    words.extend(grading.letter.map(|letter| letter.name().to_owned()));
    words.extend(grading.score.map(|score| units::trim_float(score, 1)));
    words.push(directory.display().to_string());
    words.extend(grading.reasons.first().map(|reason| format!("({reason})")));
    words.join(" ")
}
