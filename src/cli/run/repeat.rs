//! `--repeat`: several runs of one plan, and when there are enough of them.
//!
//! Not here: how a run is executed (`execute`), or judged (`grading`, `comparison`).

use super::execute::ExecutedRun;
use super::series::{Reruns, done};
use crate::comparison::{Baseline, Gate, compare};
use crate::error::Error;
use crate::grading::{Grading, Policy, Verdict};
use crate::metrics::RunResult;
use crate::report::{Report, ReportedRun, plain};

/// The maximum number of runs.
const MAX_RUNS: usize = 100;

/// How many runs are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// This many.
    Times(usize),
    /// One, and more while the comparison is in doubt.
    Auto,
}

impl Repeat {
    /// Parses `3` or `auto`.
    ///
    /// # Errors
    /// A phrase that says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let times = text.parse().ok().filter(|n| (1..=MAX_RUNS).contains(n));
        times.map(Self::Times).ok_or_else(|| {
            format!("`{text}` is not allowed: write a number from 1 to {MAX_RUNS}, or `auto`")
        })
    }
}

/// The runs to make, and how they are judged.
pub struct Repeats<'a> {
    /// How many.
    pub repeat: Repeat,
    /// The baseline they are compared to, if any.
    pub baseline: Option<&'a Baseline>,
    /// The rule of the comparison.
    pub gate: &'a dyn Gate,
    /// How a run's grade becomes a verdict.
    pub policy: &'a Policy,
}

/// The runs, and the report on them.
pub struct RepeatedRuns {
    /// The report on the last run, with the comparison of all.
    pub report: Report,
    /// All runs.
    pub runs: Vec<RunResult>,
    /// Why the last run could not be stored completely, if so.
    pub unstored: Option<Error>,
    /// Why the runs could not be compared, if so.
    pub refused: Option<Error>,
}

impl Repeats<'_> {
    /// Makes runs until there are enough, until more would not help, or until one settles the verdict by itself: it misses an
    /// SLO, was stopped, or is INVALID. With [`Repeat::Auto`], INVALID runs are rerun as [`Reruns`]
    /// allows. Progress is announced with `note`.
    ///
    /// # Errors
    /// What kept a run from being executed.
    pub fn run(
        &self,
        mut execute: impl FnMut() -> Result<ExecutedRun, Error>,
        note: impl Fn(&str),
    ) -> Result<RepeatedRuns, Error> {
        let mut runs: Vec<RunResult> = Vec::new();
        let mut wanted = match self.repeat {
            Repeat::Times(times) => times,
            Repeat::Auto => 1,
        };
        let mut reruns = Reruns::new(&note);
        loop {
            let executed = execute()?;
            if self.repeat == Repeat::Auto && reruns.takes(&executed.result) {
                continue;
            }
            runs.push(executed.result.clone());
            // One look at all of them once they are complete: each look uses some of the budget
            // of false alarms.
            let look = self.baseline.filter(|_| runs.len() >= wanted);
            let compared = look.map(|baseline| compare(baseline, &runs, self.gate));
            let (comparison, refused) = match compared.transpose() {
                Ok(comparison) => (comparison, None),
                Err(error) => (None, Some(error)),
            };
            let next_look = comparison
                .as_ref()
                .filter(|found| found.more_runs_help)
                .and_then(|found| found.next_look);
            let grading = Grading::of(&executed.result, comparison.as_ref(), self.policy);
            let report = Report {
                comparison,
                runs: ReportedRun::several(&runs),
                directory: Some(executed.directory),
                baseline: self
                    .baseline
                    .map_or_else(Vec::new, |baseline| Report::baseline_of(&baseline.runs)),
                ..Report::of_run(executed.result, grading)
            };
            let verdict = report.grading.verdict;
            let goes_on = match (runs.len() < wanted, self.repeat) {
                _ if executed.unstored.is_some() || refused.is_some() => false,
                (true, _) => verdict == Verdict::Pass,
                (false, Repeat::Auto) => verdict == Verdict::Inconclusive && next_look.is_some(),
                (false, Repeat::Times(_)) => false,
            };
            if !goes_on {
                return Ok(RepeatedRuns {
                    report,
                    runs,
                    unstored: executed.unstored,
                    refused,
                });
            }
            wanted = wanted.max(next_look.unwrap_or(wanted));
            note(&progress(&report, runs.len(), wanted));
        }
    }
}

/// `run 1 of 3 is done, in doubt: list invoices p95: ...`.
fn progress(report: &Report, made: usize, wanted: usize) -> String {
    let grading = &report.grading;
    let how = match (&report.comparison, grading.reasons.first(), grading.letter) {
        (Some(_), Some(reason), _) => format!("in doubt: {}", plain(reason)),
        (_, _, Some(letter)) => format!("grade {}", letter.name()),
        _ => "not graded".to_owned(),
    };
    format!("{}, {how}", done(made, wanted))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::comparison::Statistical;
    use crate::metrics::{Outcome, fixture};
    use crate::plan::Metric;

    /// Makes runs with these factors in turn: how many were needed, the verdict and the notes.
    fn made(repeat: Repeat, factors: &[f64]) -> (usize, Verdict, Vec<String>) {
        made_against(&[[1.0]; 10], repeat, factors)
    }

    /// The same against a baseline of these occasions, each of so many runs with these factors.
    fn made_against<const RUNS: usize>(
        baseline: &[[f64; RUNS]],
        repeat: Repeat,
        factors: &[f64],
    ) -> (usize, Verdict, Vec<String>) {
        let baseline = baseline.as_flattened().iter().enumerate();
        let runs = baseline.map(|(number, factor)| {
            let mut run = fixture::minute(number, *factor);
            run.run.occasion = Some(format!("occasion {}", number / RUNS));
            run
        });
        let baseline = Baseline::of(runs.collect());
        let repeats = Repeats {
            repeat,
            baseline: Some(&baseline),
            gate: &Statistical::default(),
            policy: &Policy::default(),
        };
        let mut next = factors.iter().enumerate().map(|(number, factor)| {
            let mut result = fixture::minute(100 + number, *factor);
            result.run.occasion = Some("candidate".into());
            result.run.slos = vec![fixture::slo("p95", Metric::MaxResponseTime, 200_000.0)];
            ExecutedRun {
                result,
                directory: "results/x".into(),
                unstored: None,
            }
        });
        let notes = RefCell::new(Vec::new());
        let made = repeats.run(
            || next.next().ok_or(Error::Bug("asked too often")),
            |text| notes.borrow_mut().push(text.to_owned()),
        );
        let made = made.unwrap();
        (
            made.runs.len(),
            made.report.grading.verdict,
            notes.into_inner(),
        )
    }

    #[test]
    fn repeats_stop_as_soon_as_the_comparison_is_settled() {
        let (runs, verdict, notes) = made(Repeat::Auto, &[1.0]);
        assert_eq!((runs, verdict), (1, Verdict::Pass));
        assert!(notes.is_empty());
        let (runs, verdict, notes) = made(Repeat::Auto, &[1.3, 1.3, 1.3]);
        assert_eq!((runs, verdict), (3, Verdict::Fail));
        assert!(
            notes[0].starts_with("run 1 of 3 is done, in doubt: "),
            "{notes:?}"
        );
        // A machine that was slow once is outvoted.
        let (runs, verdict, _) = made(Repeat::Auto, &[1.12, 1.0, 1.0, 1.0, 1.0]);
        assert!(runs > 1 && verdict == Verdict::Pass, "{runs} {verdict:?}");
    }

    #[test]
    fn the_comparison_stays_inconclusive_after_the_last_look() {
        // Runs of one occasion differ by much, so more of them might even that out.
        let baseline = [[0.96, 1.04]; 5];
        let unsteady = [1.03, 1.12, 0.98, 1.12, 0.99, 1.0];
        let (runs, verdict, notes) = made_against(&baseline, Repeat::Auto, &unsteady);
        assert_eq!((runs, verdict), (5, Verdict::Inconclusive), "{notes:?}");
        assert_eq!(notes.len(), 4);
    }

    #[test]
    fn no_run_is_made_that_cannot_help() {
        for baseline in [&[[1.0]][..], &[[0.8], [1.2], [0.9], [1.1]]] {
            let (runs, verdict, notes) = made_against(baseline, Repeat::Auto, &[1.05; 6]);
            assert_eq!((runs, verdict), (1, Verdict::Inconclusive));
            assert_eq!(notes, [""; 0]);
        }
    }

    #[test]
    fn a_run_that_settles_the_verdict_ends_the_repeats() {
        let (runs, verdict, _) = made(Repeat::Times(5), &[1.0, 20.0]);
        assert_eq!((runs, verdict), (2, Verdict::Fail), "an SLO is missed");
        assert_eq!(made(Repeat::Times(4), &[1.0; 4]).0, 4);
    }

    #[test]
    fn an_invalid_run_is_rerun_and_never_compared() {
        let baseline = Baseline::of(vec![fixture::minute(0, 1.0)]);
        let repeats = Repeats {
            repeat: Repeat::Auto,
            baseline: Some(&baseline),
            gate: &Statistical::default(),
            policy: &Policy::default(),
        };
        let made = |invalid: usize| {
            let mut made = 0;
            let execute = || {
                let mut result = fixture::minute(1, 1.0);
                made += 1;
                if made <= invalid {
                    let cell = &mut result.endpoints[0].phases[0];
                    cell.outcomes.insert(Outcome::LocalFd, 1);
                }
                Ok(ExecutedRun {
                    result,
                    directory: "results/x".into(),
                    unstored: None,
                })
            };
            repeats.run(execute, |_| {}).unwrap()
        };
        let never = made(9);
        assert_eq!(never.report.grading.verdict, Verdict::Invalid);
        assert!(never.refused.is_some() && never.report.comparison.is_none());
        let disturbed = made(2);
        assert!(
            disturbed.report.comparison.is_some(),
            "the third run is valid"
        );
    }

    #[test]
    fn the_number_of_runs_is_a_number_or_auto() {
        assert_eq!(Repeat::parse("auto"), Ok(Repeat::Auto));
        assert_eq!(Repeat::parse("3"), Ok(Repeat::Times(3)));
        for wrong in ["0", "101", "twice", ""] {
            assert!(Repeat::parse(wrong).unwrap_err().contains("1 to 100"));
        }
    }
}
