//! Several runs in a row: what `ab`, `selfcheck` and `--repeat` share.
//!
//! Here: which runs are rerun, and what is said between runs. Not here: how a run is executed
//! (`execute`), or how many there are.

use crate::metrics::RunResult;
use crate::report::plain;

/// How many INVALID runs are rerun. A machine may be disturbed for a moment; one that always is
/// will not get better.
pub(super) const MAX_RERUNS: usize = 2;

/// The reruns that are left.
pub(super) struct Reruns<'a> {
    left: usize,
    note: &'a dyn Fn(&str),
}

impl<'a> Reruns<'a> {
    /// [`MAX_RERUNS`] of them, each of which is announced with `note`.
    pub fn new(note: &'a dyn Fn(&str)) -> Self {
        let left = MAX_RERUNS;
        Self { left, note }
    }

    /// Whether this run is INVALID and has to be rerun; says so. A run that was stopped is not
    /// rerun.
    pub fn takes(&mut self, result: &RunResult) -> bool {
        let causes = result.invalid_because();
        if causes.is_empty() || !result.is_finished() || self.left == 0 {
            return false;
        }
        self.left -= 1;
        let causes = plain(&causes.join("; "));
        (self.note)(&format!("the run is INVALID, so it is rerun: {causes}"));
        true
    }
}

/// `run 1 of 3 is done`.
pub(super) fn done(number: usize, total: usize) -> String {
    format!("run {number} of {total} is done")
}
