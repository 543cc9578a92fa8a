//! How a response is counted.

use std::sync::Arc;

use serde_json::Value;

use super::text::excerpt;
use crate::metrics::{FailureTexts, Outcome};
use crate::plan::Secrets;

/// How a response is counted, and what was extracted from it.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckResult {
    /// The outcome.
    pub outcome: Outcome,
    /// The check that failed, by its position in the endpoint.
    pub check: Option<u8>,
    /// What was expected, what was found, and what the response says; `None` for a success, and where
    /// nobody wants to know.
    pub texts: Option<FailureTexts>,
    /// Of a success: variables, by their position in the plan's names, and their new values.
    pub extracted: Vec<(usize, Value)>,
}

impl CheckResult {
    /// A success, with what was extracted.
    pub fn success(extracted: Vec<(usize, Value)>) -> Self {
        Self {
            outcome: Outcome::Ok,
            check: None,
            texts: None,
            extracted,
        }
    }

    /// A failure that nobody wants to know more about.
    pub fn failure(outcome: Outcome, check: Option<u8>) -> Self {
        Self {
            outcome,
            check,
            texts: None,
            extracted: Vec::new(),
        }
    }

    /// A failure with its text, which is shown without `secrets`, behind the scenario's name of the
    /// failure where it has one. The `excerpt` of the response must be safe to show already.
    pub fn explained(
        outcome: Outcome,
        check: Option<u8>,
        (text, key): (&str, Option<&Arc<str>>),
        excerpt_of_body: Option<String>,
        secrets: &Secrets,
    ) -> Self {
        let shown = secrets.hide(text);
        let text = match key {
            None => excerpt(&shown),
            Some(key) => excerpt(&format!("{key}: {shown}")),
        };
        let texts = FailureTexts {
            text,
            excerpt: excerpt_of_body,
        };
        Self {
            texts: Some(texts),
            ..Self::failure(outcome, check)
        }
    }
}
