//! What is wrong with a run by itself, so that it cannot serve as a reference.

use crate::metrics::RunResult;
use crate::units::{format_count, format_counted};

/// Why a run does not represent its service; phrases that follow its name.
pub fn faults(run: &RunResult) -> Vec<String> {
    let invalid = run.invalid_because();
    let invalid = (!invalid.is_empty()).then(|| format!("is INVALID: {}", invalid.join("; ")));
    let unfinished = (!run.is_finished()).then(|| "did not finish".to_owned());
    let undelivered = run.undelivered().map(|(dropped, planned)| {
        format!(
            "did not deliver its load: {} of {} dropped",
            format_count(dropped),
            format_counted(planned, "arrival")
        )
    });
    [invalid, unfinished, undelivered]
        .into_iter()
        .flatten()
        .collect()
}
