//! What fails in flows although their requests succeed: steps `fail`, polls without an answer, values that are
//! missing.
//!
//! Not here: failed requests, which count for themselves (`criterion`, `breakdown`).

use crate::metrics::{Cell, FailureCount, Outcome, RunResult, Window};
use crate::units::{format_count, format_counted};

/// The failures of a flow that are not those of its requests, in the measured phases.
pub(super) struct FlowFailures {
    /// The name of the flow.
    pub(super) flow: String,
    /// How many.
    pub(super) count: u64,
    /// Flows that ended by themselves, whether they failed or not.
    pub(super) finished: u64,
    /// An example of the most frequent one, if there is a text of one.
    pub(super) example: Option<String>,
}

impl FlowFailures {
    fn of(flow: String, cell: &Cell) -> Option<Self> {
        let is_own = |one: &&FailureCount| one.key.is_some() || one.check.is_some();
        let own = || cell.failure_counts.iter().filter(is_own);
        let count = own().map(|one| one.count).sum();
        let most = own().max_by_key(|one| one.count)?;
        Some(Self {
            flow,
            count,
            finished: cell.count(|outcome| outcome == Outcome::Ok || outcome.is_failure()),
            example: most.example.clone(),
        })
    }

    /// As `sold out (30 of 40 runs)`.
    pub(super) fn cause(&self) -> String {
        let (count, finished) = (
            format_count(self.count),
            format_counted(self.finished, "run"),
        );
        let what = self.example.as_deref().and_then(|text| text.lines().next());
        format!("{} ({count} of {finished})", what.unwrap_or("check_failed"))
    }
}

/// The flows that failed by themselves and have no limit of their own for that.
pub(super) fn unlimited(result: &RunResult) -> Vec<FlowFailures> {
    let rows = result.endpoints.iter().enumerate();
    let flows = rows.filter(|(_, row)| row.endpoint.is_flow);
    let flows = flows.filter_map(|(position, row)| {
        let name = &row.endpoint.name;
        let mut slos = result.run.slos.iter();
        match slos.any(|slo| slo.limits_failures_of(name)) {
            true => None,
            false => FlowFailures::of(name.clone(), &result.cell(Some(position), Window::Measured)),
        }
    });
    flows.collect()
}
