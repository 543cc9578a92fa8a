//! Grading: how the numbers of a run compare to its SLOs, and the verdict that follows.
//!
//! Here: criteria, score, letter, verdict, exit code. Not here: how a run is compared to a
//! baseline (`comparison`), or how a grade looks (`report`).

mod advice;
mod breakdown;
mod change;
mod criterion;
mod error_budget;
mod flow_failures;
mod measurement;
mod policy;
mod recovery;
mod score;
mod verdict;

use self::change::Change;
use crate::comparison::Comparison;
use crate::error::Exit;
use crate::metrics::{LiveWindows, Outcome, RunResult};

pub use advice::NextLetter;
pub use criterion::{Criterion, CriterionKind};
pub use error_budget::{BurnRate, ErrorBudget};
pub use policy::{FailOn, Policy};
pub use recovery::Recovery;
pub use score::{Letter, Severity};
pub use verdict::Verdict;
use verdict::{Evidence, ReasonedVerdict};

/// The grade of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Grading {
    /// Passed, failed, inconclusive or INVALID.
    pub verdict: Verdict,
    /// Why, most important first; may be there for a pass too.
    pub reasons: Vec<String>,
    /// 0..=100; `None` for a run that neither passed nor failed, one that was aborted, one in which nothing was
    /// measured or next to nothing succeeded, and without SLOs or a baseline.
    pub score: Option<f64>,
    /// `None` when there is no score.
    pub letter: Option<Letter>,
    /// Everything that counts in the score: the SLOs in their order, then the baseline.
    pub criteria: Vec<Criterion>,
    /// What would achieve the next letter; `None` at A+ and without a score.
    pub next: Option<NextLetter>,
    /// How fast the service recovered from each surge of the load.
    pub recoveries: Vec<Recovery>,
    /// The exit code of the verdict, whatever ended the run.
    pub judged_exit: Exit,
    /// The exit code of the run: that of the signal, where one ended it, and else that of the
    /// verdict. The caller knows that it sent a signal; the report is written all the same.
    pub exit: Exit,
}

/// How many SLOs are met, missed by less than 1.5 times their limit, and missed by more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compliance {
    /// Severity SUCCESS.
    pub targets_met: usize,
    /// Severity CLOSE, or WARNING before the critical limit of its own.
    pub targets_close: usize,
    /// Severity WARNING or CRITICAL.
    pub targets_failing: usize,
}

impl Grading {
    /// Grades a run by its own SLOs, and by what a comparison found, if there was one.
    pub fn of(result: &RunResult, comparison: Option<&Comparison>, policy: &Policy) -> Self {
        let changes = comparison.map_or_else(Vec::new, change::changes);
        let judges_nothing = comparison.is_some_and(change::judges_nothing);
        let slos = criterion::slo_criteria(result, None);
        Self::of_criteria(result, slos, (&changes, judges_nothing), policy)
    }

    /// Grades a run that goes on, whose result has no seconds: its windows are these.
    pub fn so_far(result: &RunResult, windows: &LiveWindows, policy: &Policy) -> Self {
        let slos = criterion::slo_criteria(result, Some(windows));
        Self::of_criteria(result, slos, (&[], false), policy)
    }

    fn of_criteria(
        result: &RunResult,
        mut criteria: Vec<Criterion>,
        (changes, judges_nothing): (&[Change], bool),
        policy: &Policy,
    ) -> Self {
        criteria.extend(criterion::baseline_criteria(changes));
        criterion::share_out(&mut criteria);
        let invalid = result.invalid_because();
        let breakdown = breakdown::of(result, &criteria);
        let evidence = Evidence {
            result,
            invalid,
            criteria: &criteria,
            changes,
            judges_nothing,
            breakdown: breakdown.as_ref(),
        };
        let judgement = verdict::of(evidence, policy);
        let verdict = judgement.verdict;
        let is_whole = breakdown.is_none() && result.aborted().is_none();
        let is_judged = matches!(verdict, Verdict::Pass | Verdict::Fail) && is_whole;
        let score = criterion::total(&criteria).filter(|_| is_judged);
        let all_met = criteria.iter().all(|criterion| criterion.met);
        let letter = score.map(|score| Letter::of(score, all_met));
        let judged_exit = judged_exit(&judgement, result, policy);
        Self {
            verdict,
            reasons: judgement.reasons,
            score,
            letter,
            next: score.and_then(|score| advice::next_letter(&criteria, score, letter?)),
            criteria,
            recoveries: recovery::all(result),
            judged_exit,
            exit: exit(judged_exit, result, policy),
        }
    }

    /// The criteria that are SLOs.
    pub fn slos(&self) -> impl Iterator<Item = &Criterion> {
        self.criteria
            .iter()
            .filter(|c| c.kind == CriterionKind::Slo)
    }

    /// The criteria that come from a comparison, one per metric.
    pub fn baseline(&self) -> impl Iterator<Item = &Criterion> {
        self.criteria
            .iter()
            .filter(|c| c.kind == CriterionKind::Baseline)
    }

    /// How many SLOs are met.
    pub fn compliance(&self) -> Compliance {
        let severity = |criterion: &Criterion| match criterion.severity {
            Severity::Warning if criterion.critical.is_some() => Severity::Close,
            severity => severity,
        };
        let count = |wanted: &[Severity]| {
            let severities = self.slos().map(severity);
            severities
                .filter(|severity| wanted.contains(severity))
                .count()
        };
        Compliance {
            targets_met: count(&[Severity::Success]),
            targets_close: count(&[Severity::Close]),
            targets_failing: count(&[Severity::Warning, Severity::Critical]),
        }
    }
}

fn judged_exit(judgement: &ReasonedVerdict, result: &RunResult, policy: &Policy) -> Exit {
    // A run that is inconclusive by itself does not pass: nothing measured is no pass.
    let tolerated = policy.tolerates_doubt && verdict::doubts(result).is_empty();
    match (judgement.verdict, policy.code_on_error) {
        (Verdict::Inconclusive, _) if tolerated => Exit::Pass,
        (Verdict::Fail, Some(code)) if judgement.is_unasked => Exit::Custom(code),
        (verdict, _) => verdict.exit(),
    }
}

fn exit(judged: Exit, result: &RunResult, policy: &Policy) -> Exit {
    let ending = result.run.ending.as_ref();
    if ending.is_some_and(|ending| ending.dead_worker.is_some()) {
        return Exit::Error;
    }
    if let Some(signal) = ending.and_then(|ending| ending.signal) {
        return Exit::Stopped(signal);
    }
    match (judged, policy.code_on_error) {
        (Exit::Pass, Some(code)) if result.count(Outcome::is_failure) > 0 => Exit::Custom(code),
        (exit, _) => exit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Cell, Commit, CommitCell, fixture};
    use crate::plan::{Metric, Percentile, SloScope};

    fn p95() -> Metric {
        Metric::ResponseTime(Percentile::new(95.0).unwrap())
    }

    fn graded(slos: &[(Metric, f64)]) -> Grading {
        let mut result = fixture::run(&[("a", &[(Outcome::Ok, 100_000, 100)])]);
        result.run.slos = slos
            .iter()
            .map(|(metric, limit)| fixture::slo(&metric.to_string(), metric.clone(), *limit))
            .collect();
        Grading::of(&result, None, &Policy::default())
    }

    #[test]
    fn all_slos_met_is_an_a_plus() {
        let grading = graded(&[(p95(), 100_000.0), (Metric::Throughput, 10.0)]);
        assert_eq!(grading.score, Some(100.0));
        assert_eq!(grading.letter, Some(Letter::APlus));
        assert_eq!(grading.verdict, Verdict::Pass);
        assert_eq!(grading.next, None);
    }

    #[test]
    fn the_score_is_weighted() {
        let mut result = fixture::run(&[("a", &[(Outcome::Ok, 150_000, 100)])]);
        let mut missed = fixture::slo("p95", p95(), 100_000.0);
        missed.weight = 3.0;
        result.run.slos = vec![missed, fixture::slo("rps", Metric::Throughput, 1.0)];
        let grading = Grading::of(&result, None, &Policy::default());
        assert!((grading.score.unwrap() - 62.5).abs() < 0.1, "{grading:?}");
        assert!((grading.criteria[0].points_lost - 37.5).abs() < 0.1);
        assert_eq!(grading.criteria[0].severity, Severity::Warning);
        assert_eq!(grading.compliance().targets_failing, 1);
    }

    #[test]
    fn an_slo_of_an_endpoint_is_graded_by_that_endpoint_alone() {
        let mut result = fixture::run(&[
            ("fast", &[(Outcome::Ok, 1_000, 100)]),
            ("slow", &[(Outcome::Ok, 900_000, 100)]),
        ]);
        for endpoint in ["fast", "slow", "unknown"] {
            let mut slo = fixture::slo("p95", p95(), 500_000.0);
            slo.scope = SloScope::Endpoint(endpoint.into());
            result.run.slos.push(slo);
        }
        let grading = Grading::of(&result, None, &Policy::default());
        let met: Vec<bool> = grading.criteria.iter().map(|c| c.met).collect();
        assert_eq!(met, [true, false, false]);
        assert_eq!(grading.criteria[2].value, None);
    }

    #[test]
    fn the_windows_of_a_run_that_goes_on_are_those_that_were_followed() {
        let mut result = fixture::run(&[("a", &[])]);
        let mut slo = fixture::slo("error_rate", Metric::ErrorRate, 0.1);
        slo.window_s = Some(2);
        result.run.slos = vec![slo];
        let run = &result.run;
        let mut windows = LiveWindows::new(&run.phases, &run.slos, &run.endpoints);
        let mut cell = Cell::default();
        cell.outcomes
            .extend([(Outcome::Ok, 3), (Outcome::Http5xx, 1)]);
        let entry = CommitCell {
            phase: 1,
            second: 0,
            endpoint: 0,
            cell,
        };
        let value = |windows: &LiveWindows| {
            let grading = Grading::so_far(&result, windows, &Policy::default());
            let slo = &grading.criteria[0];
            (slo.value, slo.has_cut_window())
        };
        assert_eq!(value(&windows), (None, false));
        for second in 0..5 {
            let cells = Vec::from_iter((second == 2).then(|| entry.clone()));
            windows.second(&Commit {
                cells,
                ..Commit::default()
            });
            match second {
                3 => assert_eq!(value(&windows), (Some(0.25), true)),
                4 => assert_eq!(value(&windows), (Some(0.25), false)),
                _ => assert_eq!(value(&windows), (None, false)),
            }
        }
    }

    #[test]
    fn an_invalid_run_has_no_grade() {
        let mut result = fixture::run(&[("a", &[(Outcome::LocalPorts, 1_000, 1)])]);
        result.run.slos = vec![fixture::slo("p95", p95(), 1.0)];
        let grading = Grading::of(&result, None, &Policy::default());
        assert_eq!(grading.verdict, Verdict::Invalid);
        assert_eq!((grading.score, grading.letter), (None, None));
    }
}
