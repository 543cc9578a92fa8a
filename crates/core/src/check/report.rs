//! Each check of an endpoint beside the response it got: what was expected, what was found, and
//! whether it holds.
//!
//! For people who try out a scenario. Not here: the outcome of a request, which its first failed check
//! decides (`judge`).

use std::time::Duration;

use super::CheckResult;
use super::conditions;
use super::content::ResponseContent;
use super::text::excerpt;
use crate::metrics::Outcome;
use crate::plan::{Check, Endpoint, Secrets};
use crate::protocol::Response;

/// Whether a check holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// It holds.
    Ok,
    /// It does not.
    Failed,
    /// An earlier one failed, and it is not evaluated after that.
    Skipped,
}

/// One check and the response. Safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// Whether it holds.
    pub state: CheckState,
    /// What is expected and what was found, in a sentence.
    pub text: String,
}

/// All checks of an endpoint for a response that took `elapsed` and was judged as `result`, in their
/// order; none where there is no complete response. Texts are without `secrets`.
pub fn reports(
    endpoint: &Endpoint,
    (response, elapsed): (&Response, Duration),
    result: &CheckResult,
    secrets: &Secrets,
) -> Vec<CheckReport> {
    let (None, Some(status)) = (&response.failure, response.status) else {
        return Vec::new();
    };
    let content = ResponseContent::new(response, secrets);
    let safe = |state, text: String| CheckReport {
        state,
        text: excerpt(&secrets.hide(&text)),
    };
    let mut reports = Vec::new();
    if !endpoint.checks.iter().any(Check::is_status) {
        let (state, text) = match endpoint.expects_status(status) {
            true => (CheckState::Ok, format!("status {status}")),
            false => (
                CheckState::Failed,
                format!("status {status}, expected 2xx or 3xx"),
            ),
        };
        reports.push(safe(state, text));
    }
    for (position, check) in endpoint.checks.iter().enumerate() {
        let (check, key) = check.bare();
        let (state, text) = match check {
            // Evaluated after all others, by the engine.
            Check::That(condition) => {
                let state = match result.outcome {
                    Outcome::Ok => CheckState::Ok,
                    _ if result.check == u8::try_from(position).ok() => CheckState::Failed,
                    _ => CheckState::Skipped,
                };
                (state, format!("`{}`", condition.source()))
            }
            check => match conditions::failure(check, &content, status, elapsed) {
                Some(failure) => (CheckState::Failed, failure.text),
                None => {
                    let text = conditions::describe(check, &content, status, elapsed);
                    (CheckState::Ok, text)
                }
            },
        };
        let text = match key {
            Some(key) if state == CheckState::Failed => format!("{key}: {text}"),
            _ => text,
        };
        reports.push(safe(state, text));
    }
    reports
}
