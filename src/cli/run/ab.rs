//! `perfctl ab`: two services in turn, so that a disturbance of the machine affects both.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::execute::{ExecuteArgs, ExecutedRun};
use super::series::{Reruns, done};
use crate::cli::args::gate::{DoubtArgs, LimitArgs};
use crate::cli::args::plan::PlanArgs;
use crate::cli::show::output::FormatArgs;
use crate::cli::stored::compare;
use crate::comparison::{self, Baseline, Statistical, check_plan};
use crate::error::{Error, Exit};
use crate::grading::{Grading, Policy};
use crate::metrics::RunResult;
use crate::report::{Report, ReportedRun};

/// Compare two services side by side under the same load
#[derive(Debug, Args)]
pub struct AbArgs {
    /// Base URL of the reference service [default: `--host`, or the scenario's host]
    #[arg(long, value_name = "URL")]
    a: Option<String>,

    /// Base URL of the service to compare to it
    #[arg(long, value_name = "URL")]
    b: String,

    /// Number of runs of each service
    #[arg(
        long,
        env = "PERFCTL_AB_RUNS",
        value_name = "N",
        default_value_t = 4,
        value_parser = clap::value_parser!(u8).range(2..=50)
    )]
    runs: u8,

    #[command(flatten)]
    plan: PlanArgs,

    #[command(flatten)]
    execute: ExecuteArgs,

    #[command(flatten)]
    #[command(next_help_heading = "Comparison")]
    limits: LimitArgs,

    #[command(flatten)]
    doubt: DoubtArgs,

    #[command(flatten)]
    format: FormatArgs,
}

/// Runs both in turn and reports how they differ.
///
/// # Errors
/// What kept a run from being executed or stored, or the services from being compared.
pub fn run(args: &AbArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let gate = args.limits.over(Statistical::side_by_side())?;
    let plans = args.plan.plans(args.a.as_deref(), &args.b)?;
    check_plan(&Baseline::of(Vec::new()), &plans[0], &gate)?;
    args.format.check_files(Some(&plans[0].load), None)?;

    let runs = in_turn(
        args.runs.into(),
        |side| args.execute.execute(&plans[side], &Policy::default(), None),
        &|text| args.execute.note(text),
    )?;
    match runs {
        PairedRuns::Ended(report) => {
            match args.execute.quiet {
                true => args.format.print_quietly(&report, out)?,
                false => args.format.print(&report, out)?,
            }
            Ok(report.grading.exit)
        }
        PairedRuns::Complete {
            sides: [a, b],
            directory,
        } => {
            let runs = compare::ListedRuns {
                runs: ReportedRun::of_sides([&a, &b]),
                are_stored: false,
                is_quiet: args.execute.quiet,
                baseline: Report::baseline_of(&a),
            };
            let comparison = comparison::compare(&Baseline::of(a), &b, &gate)?;
            let (doubt, format, directory) = (&args.doubt, &args.format, Some(&*directory));
            compare::print(b, runs, comparison, directory, doubt, format, out)
        }
    }
}

/// The runs of both services.
enum PairedRuns {
    /// All of them, and the directory of the last one of b.
    Complete {
        sides: [Vec<RunResult>; 2],
        directory: PathBuf,
    },
    /// A run that was stopped, or INVALID once too often, ended the series: the report on it.
    Ended(Box<Report>),
}

/// Makes this many runs of each side in turn, and announces each with `note`. INVALID runs are
/// rerun as [`Reruns`] allows.
fn in_turn(
    runs: usize,
    mut execute: impl FnMut(usize) -> Result<ExecutedRun, Error>,
    note: &dyn Fn(&str),
) -> Result<PairedRuns, Error> {
    let mut sides: [Vec<RunResult>; 2] = Default::default();
    let mut directory = PathBuf::new();
    let order = order(runs);
    let mut reruns = Reruns::new(note);
    let mut count = 0;
    while let Some(&side) = order.get(count) {
        let (result, run_directory) = execute(side)?.stored()?;
        if reruns.takes(&result) {
            continue;
        }
        if !result.is_finished() || !result.invalid_because().is_empty() {
            let grading = Grading::of(&result, None, &Policy::default());
            return Ok(PairedRuns::Ended(Box::new(Report {
                directory: Some(run_directory),
                ..Report::of_run(result, grading)
            })));
        }
        count += 1;
        let (done, side_name) = (done(count, order.len()), ["a", "b"][side]);
        note(&format!(
            "{done}, of {side_name}: {}",
            run_directory.display()
        ));
        if side == 1 {
            directory = run_directory;
        }
        sides[side].push(result);
    }
    Ok(PairedRuns::Complete { sides, directory })
}

/// The order of the sides, 0 for a and 1 for b: a b b a a b b a. A drift of the machine then
/// affects both equally.
fn order(runs: usize) -> Vec<usize> {
    (0..2 * runs)
        .map(|run| usize::from([1, 2].contains(&(run % 4))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::Decision;
    use crate::grading::Verdict;
    use crate::metrics::{Outcome, fixture};

    #[test]
    fn both_sides_have_as_many_runs_and_the_same_mean_position() {
        assert_eq!(order(4), [0, 1, 1, 0, 0, 1, 1, 0]);
        for runs in 2..9 {
            let order = order(runs);
            assert_eq!(order.iter().sum::<usize>(), runs);
            let positions: usize = (0..2 * runs).filter(|&run| order[run] == 1).sum();
            let all: usize = (0..2 * runs).sum();
            assert!(runs % 2 == 1 || 2 * positions == all, "{runs}");
        }
    }

    fn executed(number: usize, factor: f64) -> ExecutedRun {
        ExecutedRun {
            result: fixture::minute(number, factor),
            directory: format!("results/{number}").into(),
            unstored: None,
        }
    }

    /// A machine that gets 2% slower with each run.
    #[test]
    fn a_drift_of_the_machine_is_no_difference_of_the_services() {
        let judge = |slower: f64| {
            let mut number = 0;
            let execute = |side: usize| {
                number += 1;
                let drift = 1.0 + 0.02 * number as f64;
                Ok(executed(number, drift * [1.0, slower][side]))
            };
            let runs = in_turn(4, execute, &|_| {}).unwrap();
            let PairedRuns::Complete { sides, directory } = runs else {
                panic!("nothing stopped it");
            };
            assert_eq!(directory, PathBuf::from("results/7"));
            let [a, b] = sides;
            let gate = Statistical::side_by_side();
            comparison::compare(&Baseline::of(a), &b, &gate)
                .unwrap()
                .decision
        };
        assert_eq!(judge(1.0), Decision::Unchanged);
        assert_eq!(judge(1.2), Decision::Regressed);
    }

    #[test]
    fn an_invalid_run_is_rerun_and_too_many_of_them_end_the_series() {
        let mut made = 0;
        let execute = |_| {
            made += 1;
            let mut executed = executed(made, 1.0);
            if [2, 5, 7].contains(&made) {
                let cell = &mut executed.result.endpoints[0].phases[0];
                cell.outcomes.insert(Outcome::LocalFd, 1);
            }
            Ok(executed)
        };
        let PairedRuns::Ended(report) = in_turn(4, execute, &|_| {}).unwrap() else {
            panic!("it continued");
        };
        assert_eq!(report.grading.verdict, Verdict::Invalid);
        assert_eq!(report.directory, Some("results/7".into()));
    }
}
