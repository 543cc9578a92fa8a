//! Changes against a baseline, as the grade counts them.
//!
//! Here: what a row of a comparison means for the grade. Not here: how it was found (`comparison`).

use crate::comparison::{Comparison, Decision};
use crate::plan::{Metric, SloScope};

/// A metric of one endpoint, or of all, compared to a baseline.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    /// Which endpoint, or all of them.
    pub(super) scope: SloScope,
    /// Which metric.
    pub(super) metric: Metric,
    /// The worst value that is no regression; in the metric's unit.
    pub(super) reference: f64,
    /// The value now; in the metric's unit.
    pub(super) value: f64,
    /// What the comparison found.
    pub(super) finding: Finding,
    /// The change as a sentence, for the reasons of a verdict.
    pub(super) sentence: String,
}

/// What a comparison found about one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// It got worse.
    Regressed,
    /// It did not get worse.
    Unchanged,
    /// The verdict depends on it, and the data cannot decide it.
    Undecided,
}

/// Whether a comparison is inconclusive because it had too little data for every metric.
pub(super) fn judges_nothing(comparison: &Comparison) -> bool {
    let is_open = comparison.decision == Decision::Inconclusive;
    is_open && !comparison.rows.iter().any(|row| row.required)
}

/// The rows of a comparison that a verdict depends on.
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
            // An undecided change is no criterion, so its numbers, if any, are not used.
            reference: row.reference.unwrap_or_default(),
            value: row.value.unwrap_or_default(),
            finding,
            sentence: row.sentence(),
        })
    })
    .collect()
}
