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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::metrics::{Outcome, fixture};

    #[test]
    fn invalid_runs_are_rerun_twice_unless_they_were_stopped() {
        let mut invalid = fixture::minute(1, 1.0);
        let cell = &mut invalid.endpoints[0].phases[0];
        cell.outcomes.insert(Outcome::LocalFd, 1);
        let mut stopped = invalid.clone();
        stopped.run.ending.as_mut().unwrap().signal = Some(2);

        let notes = RefCell::new(Vec::new());
        let note = |text: &str| notes.borrow_mut().push(text.to_owned());
        let mut reruns = Reruns::new(&note);
        assert!(!reruns.takes(&fixture::minute(1, 1.0)));
        assert!(!reruns.takes(&stopped));
        let taken = [(); MAX_RERUNS + 1].map(|()| reruns.takes(&invalid));
        assert_eq!(taken, [true, true, false]);
        let notes = notes.into_inner();
        assert_eq!(notes.len(), MAX_RERUNS);
        assert!(
            notes[0].starts_with("the run is INVALID, so it is rerun: "),
            "{notes:?}"
        );
    }
}
