//! Comparison: runs against a baseline, metric by metric.
//!
//! Here: what may be compared, the baseline file, and the rules that decide what is a regression,
//! behind [`Gate`]. Not here: what a regression costs in the grade (`grading`).

mod baseline;
mod change_points;
mod comparable;
mod faults;
mod gate;
mod next_step;
mod occasion;
mod row;
mod setup;
mod statistical;
mod threshold;

use crate::error::Error;
use crate::metrics::RunResult;

pub use baseline::Baseline;
pub use change_points::{LEAST_RUNS, MOST_RUNS, change_points};
pub use comparable::{baseline_limits, check_plan};
pub use faults::faults;
pub use gate::{Caller, Gate};
pub use occasion::occasions;
pub use row::{Decision, Outlook, Row};
pub use setup::setup_differences;
pub use statistical::{Design, Noise, PREDICTED_RUNS, Spread, Statistical};
pub(crate) use statistical::{binomial_at_least, t_quantile, wilson};
pub use threshold::Threshold;

/// What a comparison found.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The name of the rule.
    pub gate: &'static str,
    /// The relative change for the worse that it never fails a job for, such as 0.1.
    pub tolerated_change: f64,
    /// Names of the baseline's runs.
    pub baseline: Vec<String>,
    /// Names of the runs that were compared to it.
    pub candidates: Vec<String>,
    /// Regressed if any row did; else inconclusive if a required row is, or if none could be
    /// judged; else improved if any row did; else unchanged.
    pub decision: Decision,
    /// With how many candidate runs in total to compare again, where that could settle it.
    pub next_look: Option<usize>,
    /// Whether runs on the same occasions, up to the last look, could settle it. A job that makes its
    /// runs in a row stops where they could not.
    pub more_runs_help: bool,
    /// What would settle an inconclusive comparison, for people; with options of the command that
    /// compares only.
    pub next_step: Option<String>,
    /// Each metric in total, then of each endpoint in the plan's order.
    pub rows: Vec<Row>,
    /// What makes the comparison less reliable than it looks.
    pub warnings: Vec<String>,
}

/// Compares runs of one candidate to a baseline by the rule of `gate`. There is at least one run.
///
/// # Errors
/// [`Error::NotComparable`] with every reason, when they must not be compared.
pub fn compare(
    baseline: &Baseline,
    candidates: &[RunResult],
    gate: &dyn Gate,
) -> Result<Comparison, Error> {
    comparable::check_candidates(baseline, candidates, gate)?;
    let rows = gate.judge(&baseline.runs, candidates);
    let decision = overall(&rows);
    let ids = |runs: &[RunResult]| runs.iter().map(|run| run.run.id.clone()).collect();
    let mut warnings = gate.weaknesses(&baseline.runs);
    let known = candidates
        .iter()
        .filter(|_| !gate.is_side_by_side())
        .flat_map(|candidate| comparable::warnings(baseline, candidate));
    for warning in known {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    let settleable = decision == Decision::Inconclusive && rows.iter().any(|row| row.required);
    let next_look = gate.next_look(candidates.len()).filter(|_| settleable);
    let mut open = rows.iter().filter(|row| row.is_open());
    let may_alarm = open.clone().any(|row| row.outlook.may_alarm);
    let more_runs_help =
        next_look.is_some() && (may_alarm || open.all(|row| row.outlook.may_clear));
    let doubt = next_step::Doubt {
        rows: &rows,
        more_runs_help,
        is_provisional: !gate.weaknesses(&baseline.runs).is_empty(),
    };
    let next_step = (decision == Decision::Inconclusive).then(|| doubt.next_step(gate));
    Ok(Comparison {
        gate: gate.name(),
        tolerated_change: gate.tolerated_change(),
        baseline: ids(&baseline.runs),
        candidates: ids(candidates),
        decision,
        next_look,
        more_runs_help,
        next_step,
        rows,
        warnings,
    })
}

fn overall(rows: &[Row]) -> Decision {
    let any = |decision| rows.iter().any(|row| row.decision == decision);
    if any(Decision::Regressed) {
        Decision::Regressed
    } else if rows.iter().any(Row::is_open) || !rows.iter().any(|row| row.required) {
        Decision::Inconclusive
    } else if any(Decision::Improved) {
        Decision::Improved
    } else {
        Decision::Unchanged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Outcome, fixture};

    fn run(response_us: u64, count: u64) -> RunResult {
        fixture::run(&[("a", &[(Outcome::Ok, response_us, count)])])
    }

    fn decision(baseline: RunResult, candidate: &RunResult) -> Decision {
        let baseline = Baseline::of(vec![baseline]);
        compare(
            &baseline,
            std::slice::from_ref(candidate),
            &Threshold::default(),
        )
        .unwrap()
        .decision
    }

    #[test]
    fn equal_runs_are_unchanged_whichever_is_the_baseline() {
        let run = run(50_000, 2_000);
        assert_eq!(decision(run.clone(), &run), Decision::Unchanged);
    }

    #[test]
    fn a_fifth_slower_is_regressed_and_the_other_way_round_improved() {
        let (before, after) = (run(50_000, 2_000), run(60_000, 2_000));
        assert_eq!(decision(before.clone(), &after), Decision::Regressed);
        assert_eq!(decision(after, &before), Decision::Improved);
    }

    #[test]
    fn too_few_samples_are_inconclusive_and_not_a_pass() {
        let few = run(50_000, 19);
        assert_eq!(decision(few.clone(), &few), Decision::Inconclusive);
        let slower = run(90_000, 19);
        assert_eq!(
            decision(few, &slower),
            Decision::Regressed,
            "the mean shows it"
        );
    }

    #[test]
    fn an_endpoint_with_few_samples_leaves_the_job_conclusive() {
        let run = fixture::run(&[
            ("often", &[(Outcome::Ok, 50_000, 2_000)]),
            ("rare", &[(Outcome::Ok, 50_000, 5)]),
        ]);
        assert_eq!(decision(run.clone(), &run), Decision::Unchanged);
    }

    #[test]
    fn a_run_that_must_not_be_compared_is_refused() {
        let before = run(50_000, 2_000);
        let mut after = before.clone();
        after.run.fingerprint.load = "x".into();
        let baseline = Baseline::of(vec![before]);
        let refused = compare(&baseline, &[after], &Threshold::default());
        assert!(matches!(refused, Err(Error::NotComparable(_))));
    }
}
