//! The rules of comparison, by what they have in common.
//!
//! Not here: the rules themselves (`threshold`, `statistical`).

use super::row::Row;
use crate::metrics::RunResult;

/// A rule that decides what changed between the runs of a baseline and those of a candidate.
pub trait Gate {
    /// As `--gate` names it.
    fn name(&self) -> &'static str;

    /// Full seconds that at least one measured phase must have; 0 if it does not matter.
    fn least_measured_s(&self) -> usize;

    /// After `runs` candidate runs that left the question open: with how many runs in total it is
    /// to be asked again. `None` when asking again is no use.
    fn next_look(&self, runs: usize) -> Option<usize>;

    /// Judges each metric in total and of each endpoint. All runs are comparable and both lists
    /// have at least one.
    fn judge(&self, baseline: &[RunResult], candidates: &[RunResult]) -> Vec<Row>;

    /// Whether both lists were run in turn against two targets, rather than one after the other
    /// against the same.
    fn is_side_by_side(&self) -> bool {
        false
    }

    /// What makes this rule's judgement by such a baseline weaker than it looks.
    fn weaknesses(&self, baseline: &[RunResult]) -> Vec<String>;
}
