//! How a response is counted.

use std::sync::Arc;

use serde_json::Value;

use super::text::excerpt;
use crate::metrics::Outcome;
use crate::plan::Secrets;

/// How a response is counted, and what was extracted from it.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckResult {
    /// The outcome.
    pub outcome: Outcome,
    /// What was expected and what was found; `None` for a success, and where nobody wants to know.
    /// Safe to show: see [`excerpt`].
    pub text: Option<String>,
    /// The scenario's name for this failure, where it has one.
    pub key: Option<Arc<str>>,
    /// Of a success: variables, by their position in the plan's names, and their new values.
    pub extracted: Vec<(usize, Value)>,
}

impl CheckResult {
    /// A success, with what was extracted.
    pub(super) fn success(extracted: Vec<(usize, Value)>) -> Self {
        Self {
            outcome: Outcome::Ok,
            text: None,
            key: None,
            extracted,
        }
    }

    /// A failure with this text, which is shown without `secrets`.
    pub fn failure(
        outcome: Outcome,
        text: Option<&str>,
        key: Option<Arc<str>>,
        secrets: &Secrets,
    ) -> Self {
        let shown = text.map(|text| {
            let shown = secrets.hide(text);
            match &key {
                None => excerpt(&shown),
                Some(key) => excerpt(&format!("{key}: {shown}")),
            }
        });
        Self {
            outcome,
            text: shown,
            key,
            extracted: Vec::new(),
        }
    }
}
