//! Why there is no complete response.
//!
//! Not here: which errors of a connection are which outcome (`http::failure`).

use crate::metrics::Outcome;

/// Why a request got no complete response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its outcome.
    pub outcome: Outcome,
    /// What happened, for people.
    pub text: String,
}

impl Failure {
    /// With this outcome and text.
    pub fn new(outcome: Outcome, text: impl Into<String>) -> Self {
        Self {
            outcome,
            text: text.into(),
        }
    }
}
