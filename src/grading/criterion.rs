//! The criteria of a grade: what counts in the score, and with which share.
//!
//! Here: how SLOs and changes against a baseline become criteria. Not here: what a miss of a limit
//! is worth (`score`).

use super::change::{Change, Finding};
use super::score::{self, Severity};
use crate::metrics::{RunResult, Window};
use crate::plan::{Metric, SloScope};

/// One thing that counts in the score.
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    /// An SLO's name as its author spelled it, or the metric compared to the baseline.
    pub name: String,
    /// Whether it is an SLO or a change against the baseline.
    pub kind: CriterionKind,
    /// Which endpoint, or all of them.
    pub scope: SloScope,
    /// Which metric.
    pub metric: Metric,
    /// The limit, in the metric's unit.
    pub limit: f64,
    /// The value, in the metric's unit; `None` without data, which never meets the limit.
    pub value: Option<f64>,
    /// Whether the value is within the limit; for a change, whether it is no regression.
    pub met: bool,
    /// How badly it is missed.
    pub severity: Severity,
    /// 0..=100.
    pub score: f64,
    /// Weight in the total score.
    pub weight: f64,
    /// How many points of the total score it costs.
    pub points_lost: f64,
    /// Counts in the score but cannot fail the verdict.
    pub advisory: bool,
}

/// What kind of criterion it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CriterionKind {
    /// An SLO of the scenario, the profile or the command line.
    Slo,
    /// No regression against the baseline.
    Baseline,
}

impl Criterion {
    /// A criterion without data; its share of the total score is set later.
    fn new(kind: CriterionKind, name: String, scope: SloScope, metric: Metric, limit: f64) -> Self {
        Self {
            name,
            kind,
            scope,
            metric,
            limit,
            value: None,
            met: false,
            severity: Severity::Critical,
            score: 0.0,
            weight: 1.0,
            points_lost: 0.0,
            advisory: false,
        }
    }

    /// The name after that of the endpoint, as in `list invoices: p95`.
    pub fn full_name(&self) -> String {
        match &self.scope {
            SloScope::Total => self.name.clone(),
            SloScope::Endpoint(endpoint) => format!("{endpoint}: {}", self.name),
        }
    }
}

pub(super) fn slo_criteria(result: &RunResult) -> Vec<Criterion> {
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
            CriterionKind::Slo,
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
            let miss = score::times_limit(&slo.metric, slo.limit, value);
            criterion.score = score::of_miss(criterion.met, miss);
            criterion.severity = Severity::of(criterion.met, miss);
        }
        criterion
    })
    .collect()
}

/// One criterion per metric, however many endpoints there are: its worst regression counts like an
/// SLO missed by as much.
pub(super) fn baseline_criteria(changes: &[Change]) -> Vec<Criterion> {
    let mut criteria: Vec<Criterion> = Vec::new();
    for change in changes.iter().filter(|c| c.finding != Finding::Undecided) {
        let met = change.finding == Finding::Unchanged;
        let miss = score::times_limit(&change.metric, change.reference, change.value);
        let mut criterion = Criterion::new(
            CriterionKind::Baseline,
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

/// The weight of a criterion; an invalid one counts as 0.
fn weight(criterion: &Criterion) -> f64 {
    if criterion.weight.is_finite() {
        criterion.weight.max(0.0)
    } else {
        0.0
    }
}

/// The sum of all weights, or `None` when there is nothing to grade.
pub(super) fn total_weight(criteria: &[Criterion]) -> Option<f64> {
    let sum: f64 = criteria.iter().map(weight).sum();
    (sum > 0.0 && sum.is_finite()).then_some(sum)
}

/// Sets how many points each criterion costs.
pub(super) fn share_out(criteria: &mut [Criterion]) {
    let Some(sum) = total_weight(criteria) else {
        return;
    };
    for criterion in criteria {
        criterion.points_lost = (100.0 - criterion.score) * (weight(criterion) / sum);
    }
}

/// The weighted mean of the scores.
pub(super) fn total(criteria: &[Criterion]) -> Option<f64> {
    total_weight(criteria)?;
    let lost: f64 = criteria.iter().map(|c| c.points_lost).sum();
    Some((100.0 - lost).clamp(0.0, 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Percentile;

    fn p95() -> Metric {
        Metric::ResponseTime(Percentile::new(95.0).unwrap())
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
            change("a", 90_000.0, Finding::Unchanged),
            change("b", 150_000.0, Finding::Regressed),
            change("c", 120_000.0, Finding::Regressed),
            change("d", 900_000.0, Finding::Undecided),
        ]);
        assert_eq!(criteria.len(), 1);
        assert_eq!(criteria[0].full_name(), "b: p95");
        assert_eq!(criteria[0].score, 50.0);
    }
}
