//! What is wrong with a run by itself, so that it cannot serve as a reference.

use crate::metrics::{Outcome, RunResult, Window};

/// Why a run does not represent its service; phrases that follow its name.
pub fn faults(run: &RunResult) -> Vec<String> {
    let invalid = run.invalid_because();
    let invalid = (!invalid.is_empty()).then(|| format!("is INVALID: {}", invalid.join("; ")));
    let unfinished = (!run.is_finished()).then(|| "did not finish".to_owned());
    let undelivered = run.undelivered();
    let undelivered = undelivered.map(|missing| format!("did not deliver its load: {missing}"));
    let adjusted = run.adjusted();
    let adjusted = adjusted.map(|how| format!("was changed by hand while it went on: {how}"));
    [invalid, unfinished, undelivered, adjusted]
        .into_iter()
        .flatten()
        .collect()
}

/// The same for a run that others are compared to.
pub(super) fn reference_faults(run: &RunResult) -> Vec<String> {
    faults(run).into_iter().chain(no_success(run)).collect()
}

/// That every measured request failed, if so: there is nothing to compare to.
pub(super) fn no_success(run: &RunResult) -> Option<String> {
    let measured = run.cell(None, Window::Measured);
    let succeeded = measured.count(|outcome| outcome == Outcome::Ok);
    let is_futile = succeeded == 0 && measured.count(Outcome::is_failure) > 0;
    is_futile.then(|| "has no successful request".to_owned())
}
