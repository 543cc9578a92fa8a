//! SLOs, what counts against a baseline, and the next grade, in the JSON report.
//!
//! Not here: how they are judged (`grading`).

pub(super) mod finding;

use serde::Serialize;

use super::unit::Unit;
use crate::grading::{BurnRate, Criterion, ErrorBudget, NextLetter};

/// One thing that counts in the score; see [`Criterion`].
#[derive(Serialize)]
pub(super) struct CriterionEntry<'a> {
    name: &'a str,
    /// `None` for all requests together.
    endpoint: Option<&'a str>,
    metric: String,
    limit: f64,
    /// `None` where every miss fails the run.
    critical_limit: Option<f64>,
    value: Option<f64>,
    /// Of `limit` and `value`.
    unit: Unit,
    /// Of the window of which the worst one counts; `None` for all that was measured.
    window_s: Option<u64>,
    /// Of the worst one, from the start of the load, and how long it really was.
    window_start_s: Option<f64>,
    window_length_s: Option<f64>,
    met: bool,
    /// Why there is no value, where that is known.
    no_data: Option<&'a str>,
    /// The letter of its own, if it has such letters.
    grade: Option<&'a str>,
    severity: &'static str,
    score: f64,
    weight: f64,
    points_lost: f64,
    advisory: bool,
    budget: bool,
}

/// A budget that is exceeded, or of which there is no data.
#[derive(Serialize)]
pub(super) struct ViolationEntry<'a> {
    metric: &'a str,
    /// Or the flow; `None` for all requests together.
    endpoint: Option<&'a str>,
    /// In the unit that the metric's name says, or else in that of `slos`.
    budget: f64,
    actual: Option<f64>,
    violation_percentage: Option<f64>,
}

impl<'a> ViolationEntry<'a> {
    /// Nothing of what is met, or no budget.
    pub(super) fn of(criterion: &'a Criterion) -> Option<Self> {
        if !criterion.budget || criterion.met {
            return None;
        }
        let unit = Unit::of(&criterion.metric);
        let scale = match criterion.name.ends_with("_mb") && unit == Unit::Bytes {
            true => 1e6,
            false => 1.0,
        };
        let number = |value: f64| unit.convert(value) / scale;
        let violation = criterion.violation_share();
        Some(Self {
            metric: &criterion.name,
            endpoint: criterion.scope.endpoint(),
            budget: number(criterion.limit),
            actual: criterion.value.map(number),
            violation_percentage: violation.map(|share| Unit::Percent.convert(share)),
        })
    }
}

/// How much of what an SLO on failures allows has happened; see [`ErrorBudget`].
#[derive(Serialize)]
pub(super) struct ErrorBudgetEntry<'a> {
    /// Of the SLO.
    name: &'a str,
    /// `None` for all requests together.
    endpoint: Option<&'a str>,
    allowed_percent: f64,
    allowed_failures: f64,
    failures: u64,
    burnt_percent: f64,
    burn_rates: Vec<BurnRateEntry>,
}

/// See [`BurnRate`].
#[derive(Serialize)]
struct BurnRateEntry {
    window_s: u64,
    start_s: f64,
    burn_rate: f64,
}

impl<'a> ErrorBudgetEntry<'a> {
    pub(super) fn of(budget: &'a ErrorBudget) -> Self {
        let percent = |share| Unit::Percent.convert(share);
        let entry = |rate: &BurnRate| BurnRateEntry {
            window_s: rate.window_s,
            start_s: rate.start_s,
            burn_rate: rate.rate,
        };
        Self {
            name: &budget.name,
            endpoint: budget.scope.endpoint(),
            allowed_percent: percent(budget.allowed_share),
            allowed_failures: budget.allowed_failures(),
            failures: budget.failures,
            burnt_percent: percent(budget.burnt_share()),
            burn_rates: budget.burn_rates.iter().map(entry).collect(),
        }
    }
}

/// What would achieve the next better letter.
#[derive(Serialize)]
pub(super) struct NextGradeEntry<'a> {
    letter: &'static str,
    how: &'a str,
}

impl<'a> CriterionEntry<'a> {
    /// Whether the value is within the limit.
    pub(super) fn met(&self) -> bool {
        self.met
    }

    pub(super) fn of(criterion: &'a Criterion) -> Self {
        let unit = Unit::of(&criterion.metric);
        Self {
            name: &criterion.name,
            endpoint: criterion.scope.endpoint(),
            metric: criterion.metric.to_string(),
            limit: unit.convert(criterion.limit),
            critical_limit: criterion.critical.map(|limit| unit.convert(limit)),
            window_s: criterion.window_s,
            window_start_s: criterion.window.map(|window| window.start_s),
            window_length_s: criterion.window.map(|window| window.length_s),
            no_data: criterion.missing.as_deref(),
            grade: criterion.grade.as_deref(),
            value: criterion.value.map(|value| unit.convert(value)),
            unit,
            met: criterion.met,
            severity: criterion.severity.name(),
            score: criterion.score,
            weight: criterion.weight,
            points_lost: criterion.points_lost,
            advisory: criterion.advisory,
            budget: criterion.budget,
        }
    }
}

impl<'a> NextGradeEntry<'a> {
    pub(super) fn of(next: &'a NextLetter) -> Self {
        Self {
            letter: next.letter.name(),
            how: &next.how,
        }
    }
}
