//! Changes against a baseline, as a grade takes them into account.
//!
//! Here: what a row of a comparison means for the grade. Not here: how it was found (`comparison`).

use crate::comparison::{Comparison, Decision};
use crate::plan::{Metric, SloScope};

/// A metric of one endpoint, or of all, beside the same of a baseline.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    /// What it is measured of.
    pub(super) scope: SloScope,
    /// Which number.
    pub(super) metric: Metric,
    /// What it may be at the most (or least) without being worse; in the metric's unit.
    pub(super) reference: f64,
    /// The value now; in the metric's unit.
    pub(super) value: f64,
    /// What the comparison made of it.
    pub(super) finding: Finding,
    /// All of it in a sentence, for the reasons of a verdict.
    pub(super) sentence: String,
}

/// What a comparison made of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// It got worse.
    Regressed,
    /// It did not get worse.
    Unchanged,
    /// It has to be known for a verdict, and the data cannot tell.
    Undecided,
}

/// What a comparison found, without the rows that say nothing about a verdict.
pub(super) fn changes(comparison: &Comparison) -> Vec<Change> {
    let rows = comparison.rows.iter();
    rows.filter_map(|row| {
        let finding = match row.decision {
            Decision::Regressed => Finding::Regressed,
            Decision::Improved | Decision::Unchanged => Finding::Unchanged,
            Decision::Inconclusive if row.required => Finding::Undecided,
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
