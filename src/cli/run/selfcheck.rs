//! `perfctl selfcheck`: how much identical runs differ here, and which changes are detectable.

use std::io::Write;

use clap::Args;

use super::execute::{ExecuteArgs, ExecutedRun};
use super::series::done;
use crate::cli::args::plan::PlanArgs;
use crate::cli::show::noise::noise_text;
use crate::cli::show::output::written;
use crate::comparison::{Baseline, Caller, Design, Statistical, check_plan, faults};
use crate::error::{Error, Exit};
use crate::grading::{Grading, Policy};
use crate::metrics::RunResult;
use crate::report::plain;
use crate::units::{format_counted, trim_float};

/// Fewer runs show no spread.
const LEAST_RUNS: usize = 3;

/// Measure the noise of this environment, and the detectable changes
#[derive(Debug, Args)]
pub struct SelfcheckArgs {
    /// Number of runs
    #[arg(
        long,
        value_name = "N",
        default_value_t = 12,
        value_parser = clap::value_parser!(u8).range(LEAST_RUNS as i64..=100)
    )]
    runs: u8,

    #[command(flatten)]
    plan: PlanArgs,

    #[command(flatten)]
    execute: ExecuteArgs,
}

/// Makes the runs and reports what they show.
///
/// # Errors
/// What kept a run from being executed or stored.
pub fn run(args: &SelfcheckArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let gate = Statistical {
        design: Design::EachRun,
        caller: Caller::Selfcheck,
        ..Statistical::default()
    };
    let plan = args.plan.plan()?;
    check_plan(&Baseline::of(Vec::new()), &plan, &gate)?;
    let made = collect(
        args.runs.into(),
        || args.execute.execute(&plan, &Policy::default(), None),
        |text| args.execute.note(text),
    )?;
    written(writeln!(out, "{}", text(&gate, &made)))?;
    Ok(match made.stopped {
        Some(exit) => exit,
        None if made.runs.len() < LEAST_RUNS => Exit::Inconclusive,
        None => Exit::Pass,
    })
}

/// The usable runs, and why others were left out.
#[derive(Default)]
struct SelfcheckRuns {
    runs: Vec<RunResult>,
    left_out: Vec<String>,
    /// The exit code of the last run, if a signal stopped it.
    stopped: Option<Exit>,
}

/// Makes this many runs, and announces each with `note`.
fn collect(
    count: usize,
    mut execute: impl FnMut() -> Result<ExecutedRun, Error>,
    note: impl Fn(&str),
) -> Result<SelfcheckRuns, Error> {
    let mut collected = SelfcheckRuns::default();
    for made in 1..=count {
        let (result, directory) = execute()?.stored()?;
        if !result.is_finished() {
            let grading = Grading::of(&result, None, &Policy::default());
            collected.stopped = Some(grading.exit);
            break;
        }
        match faults(&result).as_slice() {
            [] => collected.runs.push(result),
            [fault, ..] => {
                let text = format!("left out: run `{}` {fault}", result.run.id);
                collected.left_out.push(text);
            }
        }
        note(&format!("{}: {}", done(made, count), directory.display()));
    }
    Ok(collected)
}

fn text(gate: &Statistical, made: &SelfcheckRuns) -> String {
    let found = match made.runs.len() {
        n if n < LEAST_RUNS => {
            let usable = format_counted(n as u64, "run");
            format!("{usable} could be used; at least {LEAST_RUNS} are needed to show a spread")
        }
        _ => findings(gate, &made.runs),
    };
    let left_out = made.left_out.iter().map(|text| plain(text));
    std::iter::once(found)
        .chain(left_out)
        .collect::<Vec<_>>()
        .join("\n")
}

fn findings(gate: &Statistical, runs: &[RunResult]) -> String {
    let alarms = gate.false_alarms(runs);
    let mut text = format!(
        "{} identical runs\n\n{}\n\nfalse alarms, each run judged against all others: {} of {}",
        runs.len(),
        noise_text(&gate.noise(runs), "run"),
        alarms.len(),
        runs.len(),
    );
    for (run, why) in alarms {
        text += &format!("\n  {}: {}", plain(&run), plain(&why));
    }
    text += &format!(
        "\n(each in a single look; with looks after 1, 3 and 5 runs, one run alone never\n\
         fails a job, and at most {}% of the jobs of an unchanged build fail)",
        trim_float(gate.budget() * 100.0, 1)
    );
    text += "\n\nmeasured on one occasion: other days and other machines differ by more, which\n\
             only a baseline of several occasions shows (`perfctl baseline show`)";
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Outcome, fixture};

    const GATE: Statistical = Statistical {
        margin: 0.05,
        tolerance: 0.1,
        design: Design::EachRun,
        caller: Caller::Selfcheck,
    };

    fn collected(factors: &[f64], change: impl Fn(usize, &mut RunResult)) -> SelfcheckRuns {
        let mut number = 0;
        let execute = || {
            let mut result = fixture::minute(number, factors[number]);
            change(number, &mut result);
            number += 1;
            Ok(ExecutedRun {
                result,
                directory: "results/x".into(),
                unstored: None,
            })
        };
        collect(factors.len(), execute, |_| {}).unwrap()
    }

    #[test]
    fn the_noise_is_shown_with_the_detectable_changes() {
        let made = collected(&[1.0, 1.01, 0.99, 1.0, 1.02, 1.0], |_, _| {});
        let text = text(&GATE, &made);
        for part in [
            "6 identical runs",
            "how much runs differ",
            "list invoices",
            "3 runs",
            "false alarms, each run judged against all others: 0 of 6",
            "at most 0.8% of the jobs",
        ] {
            assert!(text.contains(part), "{part} is not there:\n{text}");
        }
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        let odd = collected(&[1.0, 1.0, 1.5, 1.0, 1.0], |_, _| {});
        let text = super::text(&GATE, &odd);
        assert!(text.contains("judged against all others: 1 of 5"), "{text}");
    }

    #[test]
    fn invalid_runs_are_left_out_and_named() {
        let made = collected(&[1.0; 4], |number, run| {
            if number % 2 == 1 {
                run.endpoints[0].phases[0]
                    .outcomes
                    .insert(Outcome::LocalFd, 1);
            }
        });
        assert_eq!((made.runs.len(), made.left_out.len()), (2, 2));
        let text = text(&GATE, &made);
        assert!(
            text.starts_with("2 runs could be used; at least 3 are needed"),
            "{text}"
        );
        assert!(text.contains("left out: run `run 1` is INVALID"), "{text}");
    }

    #[test]
    fn a_signal_ends_the_series_with_the_runs_so_far() {
        let made = collected(&[1.0; 9], |number, run| {
            if number == 3 {
                run.run.ending.as_mut().unwrap().signal = Some(2);
            }
        });
        assert_eq!((made.runs.len(), made.stopped), (3, Some(Exit::Stopped(2))));
    }
}
