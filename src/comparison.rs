//! Comparison: a run beside a baseline, metric by metric.
//!
//! Here: what may be compared at all, the baseline file, and the rule that decides what is a
//! regression, behind [`Gate`]. Not here: what a regression costs of the grade (`grading`).

mod baseline;
mod comparable;
mod threshold;

use serde::Serialize;

use crate::error::Error;
use crate::metrics::RunResult;
use crate::plan::{Metric, SloScope};

pub use baseline::Baseline;
pub use comparable::{check_comparable, check_plan};
pub use threshold::Threshold;

/// A rule that decides what changed between the runs of a baseline and those of a candidate.
pub trait Gate {
    /// Judges each metric in total and of each endpoint. All runs are comparable and both lists
    /// have at least one.
    fn judge(&self, baseline: &[RunResult], candidates: &[RunResult]) -> Vec<Row>;
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Names of the baseline's runs.
    pub baseline: Vec<String>,
    /// Regressed if any row did; else inconclusive if a required row is; else improved if any row
    /// did; else unchanged.
    pub outcome: Outcome,
    /// Each metric in total, then of each endpoint in the plan's order.
    pub rows: Vec<Row>,
    /// What makes the comparison weaker than it looks.
    pub warnings: Vec<String>,
}

/// One metric of one endpoint, or of all together, before and now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// What it is measured of.
    pub scope: SloScope,
    /// Which number.
    pub metric: Metric,
    /// Before, all baseline runs merged; in the metric's unit.
    pub baseline: Option<f64>,
    /// Now; in the metric's unit.
    pub value: Option<f64>,
    /// Relative change (0.2 is 20 % more); of an error rate the difference. `None` without data,
    /// or from zero.
    pub change: Option<f64>,
    /// The worst value that is no worse than before; the measure of a regression.
    pub reference: Option<f64>,
    /// What the rule made of it.
    pub outcome: Outcome,
    /// Whether the job's outcome needs to know it. Other rows can fail a job, but cannot make it
    /// inconclusive.
    pub required: bool,
    /// Why the outcome is what it is, for people.
    pub reason: String,
}

/// What became of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Worse than before by more than is allowed.
    Regressed,
    /// Better than before by more than that.
    Improved,
    /// Neither.
    Unchanged,
    /// The data cannot tell.
    Inconclusive,
}

impl Outcome {
    /// As reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::Improved => "improved",
            Self::Unchanged => "unchanged",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// Compares a run to a baseline by the rule of `gate`.
///
/// # Errors
/// [`Error::NotComparable`] with every reason, when the two must not be compared.
pub fn compare(
    baseline: &Baseline,
    candidate: &RunResult,
    gate: &dyn Gate,
) -> Result<Comparison, Error> {
    let run = &candidate.run;
    check_comparable(baseline, &run.fingerprint, &run.load, &run.endpoints)?;
    let rows = gate.judge(&baseline.runs, std::slice::from_ref(candidate));
    Ok(Comparison {
        baseline: baseline.runs.iter().map(|r| r.run.id.clone()).collect(),
        outcome: overall(&rows),
        rows,
        warnings: comparable::warnings(baseline, run),
    })
}

fn overall(rows: &[Row]) -> Outcome {
    let any = |outcome| rows.iter().any(|row| row.outcome == outcome);
    let open = |row: &Row| row.required && row.outcome == Outcome::Inconclusive;
    if any(Outcome::Regressed) {
        Outcome::Regressed
    } else if rows.iter().any(open) {
        Outcome::Inconclusive
    } else if any(Outcome::Improved) {
        Outcome::Improved
    } else {
        Outcome::Unchanged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Class, fixture};

    fn run(response_us: u64, count: u64) -> RunResult {
        fixture::run(&[("a", &[(Class::Ok, response_us, count)])])
    }

    fn outcome(baseline: RunResult, candidate: &RunResult) -> Outcome {
        let baseline = Baseline::of(vec![baseline]);
        compare(&baseline, candidate, &Threshold::default())
            .unwrap()
            .outcome
    }

    #[test]
    fn equal_runs_are_unchanged_whichever_is_the_baseline() {
        let run = run(50_000, 2_000);
        assert_eq!(outcome(run.clone(), &run), Outcome::Unchanged);
    }

    #[test]
    fn a_fifth_slower_is_regressed_and_the_other_way_round_improved() {
        let (before, after) = (run(50_000, 2_000), run(60_000, 2_000));
        assert_eq!(outcome(before.clone(), &after), Outcome::Regressed);
        assert_eq!(outcome(after, &before), Outcome::Improved);
    }

    #[test]
    fn too_few_samples_are_inconclusive_and_not_a_pass() {
        let few = run(50_000, 19);
        assert_eq!(outcome(few.clone(), &few), Outcome::Inconclusive);
        let slower = run(90_000, 19);
        assert_eq!(
            outcome(few, &slower),
            Outcome::Regressed,
            "the mean can tell"
        );
    }

    #[test]
    fn an_endpoint_with_few_samples_leaves_the_job_conclusive() {
        let run = fixture::run(&[
            ("often", &[(Class::Ok, 50_000, 2_000)]),
            ("rare", &[(Class::Ok, 50_000, 5)]),
        ]);
        assert_eq!(outcome(run.clone(), &run), Outcome::Unchanged);
    }

    #[test]
    fn a_run_that_must_not_be_compared_is_refused() {
        let before = run(50_000, 2_000);
        let mut after = before.clone();
        after.run.fingerprint.load = "x".into();
        let baseline = Baseline::of(vec![before]);
        let refused = compare(&baseline, &after, &Threshold::default());
        assert!(matches!(refused, Err(Error::NotComparable(_))));
    }
}
