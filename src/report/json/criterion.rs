//! SLOs, what counts against a baseline, and the next grade, in the JSON report.
//!
//! Not here: how they are judged (`grading`).

pub(super) mod finding;

use serde::Serialize;

use super::unit::Unit;
use crate::grading::{Criterion, NextLetter};

/// One thing that counts in the score; see [`Criterion`].
#[derive(Serialize)]
pub(super) struct CriterionEntry<'a> {
    name: &'a str,
    /// `None` for all requests together.
    endpoint: Option<&'a str>,
    metric: String,
    limit: f64,
    value: Option<f64>,
    /// Of `limit` and `value`.
    unit: Unit,
    met: bool,
    severity: &'static str,
    score: f64,
    weight: f64,
    points_lost: f64,
    advisory: bool,
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
            value: criterion.value.map(|value| unit.convert(value)),
            unit,
            met: criterion.met,
            severity: criterion.severity.name(),
            score: criterion.score,
            weight: criterion.weight,
            points_lost: criterion.points_lost,
            advisory: criterion.advisory,
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
