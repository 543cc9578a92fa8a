//! The comparison to a baseline in the JSON report.
//!
//! Not here: how changes are found and decided (`comparison`).

use serde::Serialize;

use super::bounds::{self, LeftOutCounts, fit};
use super::unit::Unit;
use crate::comparison::{Comparison, Decision, Row};

/// Runs against a baseline; see [`Comparison`].
#[derive(Serialize)]
pub(super) struct ComparisonEntry<'a> {
    gate: &'static str,
    baseline_runs: Vec<&'a str>,
    candidate_runs: Vec<&'a str>,
    decision: &'static str,
    next_look: Option<usize>,
    more_runs_help: bool,
    next_step: Option<&'a str>,
    rows: Vec<RowEntry<'a>>,
    warnings: Vec<&'a str>,
}

/// One metric of one endpoint, or of all together; see [`Row`].
#[derive(Serialize)]
struct RowEntry<'a> {
    /// `None` for all requests together.
    endpoint: Option<&'a str>,
    phase: Option<&'a str>,
    metric: String,
    baseline: Option<f64>,
    value: Option<f64>,
    reference: Option<f64>,
    /// Of `baseline`, `value` and `reference`.
    unit: Unit,
    change: Option<f64>,
    range: Option<[f64; 2]>,
    detectable: Option<f64>,
    /// Of `change`, `range` and `detectable`.
    change_unit: Unit,
    decision: &'static str,
    required: bool,
    reason: &'a str,
    moved_with: &'a [String],
    #[serde(skip)]
    is_changed: bool,
}

impl<'a> ComparisonEntry<'a> {
    pub(super) fn of(comparison: &'a Comparison) -> Self {
        Self {
            gate: comparison.gate,
            baseline_runs: texts(&comparison.baseline),
            candidate_runs: texts(&comparison.candidates),
            decision: comparison.decision.name(),
            next_look: comparison.next_look,
            more_runs_help: comparison.more_runs_help,
            next_step: comparison.next_step.as_deref(),
            rows: comparison.rows.iter().map(RowEntry::of).collect(),
            warnings: texts(&comparison.warnings),
        }
    }

    /// Shortens its lists to their room.
    pub(super) fn fit(&mut self, out: &mut LeftOutCounts) {
        let is_changed = |row: &RowEntry<'_>| row.is_changed;
        fit(
            "comparison.rows",
            &mut self.rows,
            bounds::ROWS,
            is_changed,
            out,
        );
        for (name, list) in [
            ("comparison.baseline_runs", &mut self.baseline_runs),
            ("comparison.candidate_runs", &mut self.candidate_runs),
            ("comparison.warnings", &mut self.warnings),
        ] {
            fit(name, list, bounds::LIST, |_| false, out);
        }
        if bounds::size(&self.next_step) > bounds::LIST {
            self.next_step = None;
        }
    }
}

fn texts(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

impl<'a> RowEntry<'a> {
    fn of(row: &'a Row) -> Self {
        let unit = Unit::of(&row.metric);
        let change_unit = Unit::of_change(&row.metric);
        let value = |value: Option<f64>| value.map(|value| unit.convert(value));
        let change = |change: Option<f64>| change.map(|change| change_unit.convert(change));
        Self {
            endpoint: row.scope.endpoint(),
            phase: row.phase.as_deref(),
            metric: row.metric.to_string(),
            baseline: value(row.baseline),
            value: value(row.value),
            reference: value(row.reference),
            unit,
            change: change(row.change),
            range: row
                .range
                .map(|(low, high)| [low, high].map(|bound| change_unit.convert(bound))),
            detectable: change(row.detectable),
            change_unit,
            decision: row.decision.name(),
            required: row.required,
            reason: &row.reason,
            moved_with: &row.moved_with,
            is_changed: matches!(row.decision, Decision::Regressed | Decision::Improved),
        }
    }
}
