//! What every rule of comparison can do.
//!
//! Not here: the rules themselves (`threshold`, `statistical`).

use super::row::Row;
use crate::metrics::RunResult;

/// The command that compares. Each has its own options, and suggests no others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Caller {
    /// `perfctl run`.
    #[default]
    Run,
    /// `perfctl ab`.
    Ab,
    /// `perfctl selfcheck`.
    Selfcheck,
    /// `perfctl compare`.
    Compare,
    /// `perfctl report`.
    Report,
}

/// A rule that decides what changed between the runs of a baseline and those of a candidate.
pub trait Gate {
    /// As `--gate` names it.
    fn name(&self) -> &'static str;

    /// The command that compares.
    fn caller(&self) -> Caller;

    /// The full seconds that at least one measured phase must have; 0 if any length will do.
    fn least_measured_s(&self) -> usize;

    /// After an inconclusive comparison of `runs` candidate runs: with how many runs in total to
    /// compare again. `None` when more runs would not help.
    fn next_look(&self, runs: usize) -> Option<usize>;

    /// Judges each metric in total and of each endpoint. All runs are comparable and both lists
    /// have at least one.
    fn judge(&self, baseline: &[RunResult], candidates: &[RunResult]) -> Vec<Row>;

    /// Whether both lists were run in turn against two services, rather than one after the other
    /// against the same one.
    fn is_side_by_side(&self) -> bool {
        false
    }

    /// The relative change for the worse that never fails a job, such as 0.1.
    fn tolerated_change(&self) -> f64;

    /// What makes a comparison with this baseline less reliable than it looks.
    fn weaknesses(&self, baseline: &[RunResult]) -> Vec<String>;
}
