//! Grading: what the numbers of a run are worth against its SLOs, and what the program says of it.
//!
//! Here: criteria, score, letter, verdict, exit code. Not here: how a run is compared to a
//! baseline (`comparison`), or how a grade looks (`report`).

mod advice;
mod recovery;
mod score;
mod verdict;

use serde::Serialize;

use crate::comparison::{Comparison, Decision};
use crate::error::Exit;
use crate::metrics::{RunResult, Window};
use crate::plan::{Metric, SloScope};

pub use advice::NextLetter;
pub use recovery::Recovery;
pub use score::{Letter, Severity};
pub use verdict::{FailOn, Policy, Verdict};

/// What a run is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Grading {
    /// Yes, no, cannot tell, or not to be believed.
    pub verdict: Verdict,
    /// Why, most important first; what is said beside a pass too.
    pub reasons: Vec<String>,
    /// 0..=100; `None` for an INVALID run and where nothing was asked.
    pub score: Option<f64>,
    /// `None` when there is no score.
    pub letter: Option<Letter>,
    /// Everything that counts in the score: the SLOs in their order, then the baseline.
    pub criteria: Vec<Criterion>,
    /// What would bring the next letter; `None` at A+ and without a score.
    pub next: Option<NextLetter>,
    /// How fast the target recovered from each surge of the load.
    pub recoveries: Vec<Recovery>,
    /// The exit code of the verdict, whatever ended the run.
    pub judged_exit: Exit,
    /// The exit code of the run: that of the signal that ended it, or else that of the verdict.
    pub exit: Exit,
}

/// One thing that counts in the score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Criterion {
    /// An SLO's name as its author spelled it, or the metric compared to the baseline.
    pub name: String,
    /// Whether it is an SLO or a change against the baseline.
    pub kind: Kind,
    /// What it is asked of.
    pub scope: SloScope,
    /// Which number.
    pub metric: Metric,
    /// The bound, in the metric's unit.
    pub limit: f64,
    /// The value, in the metric's unit; `None` when there is no data, which is never met.
    pub value: Option<f64>,
    /// Whether the value keeps the bound; for a change, whether it is no regression.
    pub met: bool,
    /// How badly it is missed.
    pub severity: Severity,
    /// 0..=100.
    pub score: f64,
    /// Weight in the total score.
    pub weight: f64,
    /// What it costs of the total score.
    pub points_lost: f64,
    /// Counts in the score but cannot fail the verdict.
    pub advisory: bool,
}

/// What kind of criterion it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A target of the scenario, the profile or the command line.
    Slo,
    /// No regression against the baseline.
    Baseline,
}

/// A metric of one endpoint, or of all, beside the same of a baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What it is measured of.
    pub scope: SloScope,
    /// Which number.
    pub metric: Metric,
    /// What it may be at the most (or least) without being worse; in the metric's unit.
    pub reference: f64,
    /// The value now; in the metric's unit.
    pub value: f64,
    /// What the comparison made of it.
    pub finding: Finding,
    /// All of it in a sentence, for the reasons of a verdict.
    pub sentence: String,
}

/// What a comparison made of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// It got worse.
    Regressed,
    /// It did not get worse.
    Held,
    /// It has to be known for a verdict, and the data cannot tell.
    Open,
}

/// How many SLOs are met, missed by less than 1.5 times the target, and missed by more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Compliance {
    /// Severity SUCCESS.
    pub targets_met: usize,
    /// Severity CLOSE.
    pub targets_close: usize,
    /// Severity WARNING or CRITICAL.
    pub targets_failing: usize,
}

impl Grading {
    /// Grades a run by its own SLOs, and by what a comparison found, if there was one.
    pub fn of(result: &RunResult, comparison: Option<&Comparison>, policy: &Policy) -> Self {
        let changes = comparison.map_or_else(Vec::new, changes);
        Self::of_changes(result, &changes, policy)
    }

    fn of_changes(result: &RunResult, changes: &[Change], policy: &Policy) -> Self {
        let mut criteria: Vec<Criterion> = slo_criteria(result);
        criteria.extend(baseline_criteria(changes));
        score::share_out(&mut criteria);
        let invalid = result.invalid_because();
        let score = if invalid.is_empty() && !verdict::is_cut_off(result) {
            score::total(&criteria)
        } else {
            None
        };
        let all_met = criteria.iter().all(|criterion| criterion.met);
        let letter = score.map(|score| Letter::of(score, all_met));
        let (verdict, reasons) = verdict::of(result, invalid, &criteria, changes, policy);
        Self {
            verdict,
            reasons,
            score,
            letter,
            next: score.and_then(|score| advice::next_letter(&criteria, score, letter?)),
            criteria,
            recoveries: recovery::all(result),
            judged_exit: verdict::judged_exit(verdict, result, policy),
            exit: verdict::exit(verdict, result, policy),
        }
    }

    /// The criteria that are SLOs.
    pub fn slos(&self) -> impl Iterator<Item = &Criterion> {
        self.criteria.iter().filter(|c| c.kind == Kind::Slo)
    }

    /// The criteria that come of a comparison, one per metric.
    pub fn baseline(&self) -> impl Iterator<Item = &Criterion> {
        self.criteria.iter().filter(|c| c.kind == Kind::Baseline)
    }

    /// How the SLOs are kept.
    pub fn compliance(&self) -> Compliance {
        let count = |wanted: &[Severity]| {
            let severities = self.slos().map(|criterion| criterion.severity);
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

impl Criterion {
    /// Of a metric's value; the share of the total score is dealt out later.
    fn new(kind: Kind, name: String, scope: SloScope, metric: Metric, target: f64) -> Self {
        Self {
            name,
            kind,
            scope,
            metric,
            limit: target,
            value: None,
            met: false,
            severity: Severity::Critical,
            score: 0.0,
            weight: 1.0,
            points_lost: 0.0,
            advisory: false,
        }
    }

    /// The name with the endpoint before it, as in `list invoices: p95`.
    pub fn full_name(&self) -> String {
        match &self.scope {
            SloScope::Total => self.name.clone(),
            SloScope::Endpoint(endpoint) => format!("{endpoint}: {}", self.name),
        }
    }
}

/// What the grading needs to know of a comparison.
fn changes(comparison: &Comparison) -> Vec<Change> {
    let rows = comparison.rows.iter();
    rows.filter_map(|row| {
        let finding = match row.decision {
            Decision::Regressed => Finding::Regressed,
            Decision::Improved | Decision::Unchanged => Finding::Held,
            Decision::Inconclusive if row.required => Finding::Open,
            Decision::Inconclusive => return None,
        };
        Some(Change {
            scope: row.scope.clone(),
            metric: row.metric.clone(),
            // An open question is no criterion, so its numbers, if any, are not looked at.
            reference: row.reference.unwrap_or_default(),
            value: row.value.unwrap_or_default(),
            finding,
            sentence: row.sentence(),
        })
    })
    .collect()
}

fn slo_criteria(result: &RunResult) -> Vec<Criterion> {
    let total = result.summary(None, Window::Measured);
    let slos = result.run.slos.iter();
    slos.map(|slo| {
        let value = match &slo.scope {
            SloScope::Total => total.value(&slo.metric),
            SloScope::Endpoint(name) => result
                .endpoints
                .iter()
                .position(|endpoint| endpoint.endpoint.name == *name)
                .map(|position| result.summary(Some(position), Window::Measured))
                .and_then(|summary| summary.value(&slo.metric)),
        };
        let mut criterion = Criterion::new(
            Kind::Slo,
            slo.name.clone(),
            slo.scope.clone(),
            slo.metric.clone(),
            slo.limit,
        );
        criterion.weight = slo.weight;
        criterion.advisory = slo.advisory;
        if let Some(value) = value {
            criterion.value = Some(value);
            criterion.met = score::is_met(&slo.metric, slo.limit, value);
            let miss = score::times_target(&slo.metric, slo.limit, value);
            criterion.score = score::of_miss(criterion.met, miss);
            criterion.severity = Severity::of(criterion.met, miss);
        }
        criterion
    })
    .collect()
}

/// One criterion per metric, however many endpoints there are: the worst regression of it counts
/// like an SLO missed by as much.
fn baseline_criteria(changes: &[Change]) -> Vec<Criterion> {
    let mut criteria: Vec<Criterion> = Vec::new();
    for change in changes.iter().filter(|c| c.finding != Finding::Open) {
        let met = change.finding == Finding::Held;
        let miss = score::times_target(&change.metric, change.reference, change.value);
        let mut criterion = Criterion::new(
            Kind::Baseline,
            change.metric.to_string(),
            change.scope.clone(),
            change.metric.clone(),
            change.reference,
        );
        criterion.value = Some(change.value);
        criterion.met = met;
        criterion.score = score::of_miss(met, miss);
        criterion.severity = Severity::of(met, miss);
        match criteria.iter_mut().find(|c| c.metric == change.metric) {
            None => criteria.push(criterion),
            Some(worst) if criterion.score < worst.score || (worst.met && !met) => {
                *worst = criterion;
            }
            Some(_) => {}
        }
    }
    criteria
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Outcome, fixture};
    use crate::plan::Percentile;

    fn p95() -> Metric {
        Metric::ResponseTime(Percentile::new(95.0).unwrap())
    }

    fn graded(slos: &[(Metric, f64)]) -> Grading {
        let mut result = fixture::run(&[("a", &[(Outcome::Ok, 100_000, 100)])]);
        result.run.slos = slos
            .iter()
            .map(|(metric, target)| fixture::slo(&metric.to_string(), metric.clone(), *target))
            .collect();
        Grading::of(&result, None, &Policy::default())
    }

    #[test]
    fn all_targets_met_is_an_a_plus() {
        let grading = graded(&[(p95(), 100_000.0), (Metric::Throughput, 10.0)]);
        assert_eq!(grading.score, Some(100.0));
        assert_eq!(grading.letter, Some(Letter::APlus));
        assert_eq!(grading.verdict, Verdict::Pass);
        assert_eq!(grading.next, None);
    }

    #[test]
    fn weights_share_the_score_out() {
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
    fn a_target_of_an_endpoint_looks_at_that_endpoint_alone() {
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
    fn the_worst_regression_of_a_metric_counts_once() {
        let change = |endpoint: &str, value, finding| Change {
            scope: SloScope::Endpoint(endpoint.into()),
            metric: p95(),
            reference: 100_000.0,
            value,
            finding,
            sentence: String::new(),
        };
        let criteria = baseline_criteria(&[
            change("a", 90_000.0, Finding::Held),
            change("b", 150_000.0, Finding::Regressed),
            change("c", 120_000.0, Finding::Regressed),
            change("d", 900_000.0, Finding::Open),
        ]);
        assert_eq!(criteria.len(), 1);
        assert_eq!(criteria[0].full_name(), "b: p95");
        assert_eq!(criteria[0].score, 50.0);
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
