//! Why a step, and with it a flow, has failed.

use std::time::Duration;

use crate::metrics::Outcome;
use crate::plan::Plan;
use crate::units::format_duration;

/// Why steps ended early, or a flow has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StepError {
    /// What a flow that fails with it counts as.
    pub(super) outcome: Outcome,
    cause: Cause,
}

/// What failed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cause {
    /// The request of the endpoint at this position.
    Request(usize),
    /// The same, before anything was sent.
    Unsent(usize),
    /// A poll of this endpoint, which took this long.
    Poll(usize, Duration),
    /// The evaluation of a condition, with this text.
    Condition(String),
    /// The script, with this text.
    Script(String),
    /// A step `fail`, which a flow counts as this check, with its text.
    Fail(u8, String),
}

impl StepError {
    /// The request of this endpoint failed with this outcome.
    pub(super) fn of_request(endpoint: usize, outcome: Outcome) -> Self {
        Self {
            outcome,
            cause: Cause::Request(endpoint),
        }
    }

    /// The request of this endpoint could not be sent, which counts as this outcome.
    pub(super) fn unsent(endpoint: usize, outcome: Outcome) -> Self {
        Self {
            outcome,
            cause: Cause::Unsent(endpoint),
        }
    }

    /// No response to a poll of this endpoint matched within `timeout`.
    pub(super) fn of_poll(endpoint: usize, timeout: Duration) -> Self {
        Self {
            outcome: Outcome::CheckFailed,
            cause: Cause::Poll(endpoint, timeout),
        }
    }

    /// A condition could not be evaluated, which counts as this outcome. `text` holds no secrets.
    pub(super) fn of_condition(outcome: Outcome, text: String) -> Self {
        Self {
            outcome,
            cause: Cause::Condition(text),
        }
    }

    /// A step fails with a text. A flow counts it as this check. `text` holds no secrets.
    pub(super) fn of_failure(check: u8, text: String) -> Self {
        Self {
            outcome: Outcome::CheckFailed,
            cause: Cause::Fail(check, text),
        }
    }

    /// The script failed. `text` holds no secrets.
    pub(super) fn of_script(text: String) -> Self {
        Self {
            outcome: Outcome::ScriptError,
            cause: Cause::Script(text),
        }
    }

    /// Whether nothing was sent.
    pub(super) fn is_unsent(&self) -> bool {
        matches!(self.cause, Cause::Unsent(_) | Cause::Condition(_))
    }

    /// Whether a request failed, which counts for itself.
    pub(super) fn is_of_request(&self) -> bool {
        matches!(self.cause, Cause::Request(_) | Cause::Unsent(_))
    }

    /// For a flow that fails with it: its position in [`FLOW_CHECKS`](crate::metrics::FLOW_CHECKS)
    /// or behind them; `None` for that of a request.
    pub(super) fn flow_check(&self) -> Option<u8> {
        match self.cause {
            Cause::Request(_) | Cause::Unsent(_) | Cause::Script(_) => None,
            Cause::Poll(..) => Some(0),
            Cause::Condition(_) => Some(1),
            Cause::Fail(check, _) => Some(check),
        }
    }

    /// What happened, for people.
    pub(super) fn text(&self, plan: &Plan) -> String {
        match &self.cause {
            Cause::Request(endpoint) | Cause::Unsent(endpoint) => {
                let (name, outcome) = (plan.subject(*endpoint), self.outcome.name());
                format!("step `{name}` ended as {outcome}")
            }
            Cause::Poll(endpoint, timeout) => {
                let (name, timeout) = (plan.subject(*endpoint), format_duration(*timeout));
                format!("no response to the poll of `{name}` matched `until` within {timeout}")
            }
            Cause::Condition(text) | Cause::Fail(_, text) | Cause::Script(text) => text.clone(),
        }
    }
}
