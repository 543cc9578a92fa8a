//! What responses do to the values of a user.
//!
//! Here: what is extracted, also by scripts, and conditions on the variables. Not here: conditions on the response alone
//! (`check`).

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{RenderError, Values};
use crate::check::{self, CheckResult};
use crate::metrics::Outcome;
use crate::plan::{Check, Condition, Endpoint};
use crate::protocol::{Request, Response};
use crate::script::ResponseData;

/// Why a response has failed although its own conditions hold.
struct UnmetCondition<'a> {
    outcome: Outcome,
    /// The position of the check.
    check: Option<u8>,
    /// For people. May hold secrets.
    text: String,
    /// The key of the check.
    key: Option<&'a Arc<str>>,
}

/// The expression of a check that reads variables of the user, and the key of the check.
fn condition(check: &Check) -> Option<(&Condition, Option<&Arc<str>>)> {
    match check.bare() {
        (Check::That(condition), key) => Some((condition, key)),
        _ => None,
    }
}

/// What a condition or an extraction that cannot be evaluated counts as.
fn failed(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::ScriptError => outcome,
        _ => Outcome::CheckFailed,
    }
}

/// A response to a request for `url`, which took `elapsed`, for functions of the script.
pub(crate) fn for_script(
    response: &Response,
    url: &str,
    elapsed: Duration,
    error: Option<String>,
) -> Rc<ResponseData> {
    let (headers, body) = (response.headers.clone(), response.body.clone());
    Rc::new(ResponseData {
        status: response.status.unwrap_or_default(),
        url: url.to_owned(),
        elapsed,
        headers: headers.clone(),
        body: Box::new(move || check::body_text(&headers, &body)),
        error,
    })
}

impl Values {
    /// The result of a response to `request` that took `elapsed`, by the conditions of `endpoint`. After a success, the user keeps the values that
    /// are extracted from it. A failure has texts if its outcome and check are `wanted`; secrets are
    /// hidden in them, also those of the user.
    pub(crate) fn judge(
        &mut self,
        endpoint: &Endpoint,
        request: &Request<'_>,
        (response, elapsed): (&Response, Duration),
        wanted: impl Fn(Outcome, Option<u8>) -> bool,
    ) -> CheckResult {
        let secrets = &self.feeding.plan.secrets;
        let mut result = check::judge(endpoint, response, elapsed, secrets, &wanted, &mut self.rng);
        if result.texts.is_some() {
            let own = self.secrets();
            if own.is_some() || !response.credentials.is_empty() {
                let own = own.as_ref().unwrap_or(secrets);
                let secrets = own.with(response.credentials.iter().map(String::as_str));
                // Once more, for the texts. What is drawn for them must not change what is drawn next,
                // which would then depend on which texts are wanted.
                let rng = &mut self.rng.clone();
                result.texts =
                    check::judge(endpoint, response, elapsed, &secrets, |_, _| true, rng).texts;
            }
        }
        self.status = response.status;
        if result.outcome != Outcome::Ok {
            return result;
        }
        let mut before = Vec::with_capacity(result.extracted.len());
        for (variable, value) in result.extracted.drain(..) {
            before.push((variable, self.variables[variable].replace(value)));
        }
        // The same for all functions that look at it.
        let lent = OnceCell::new();
        let lent =
            || Rc::clone(lent.get_or_init(|| for_script(response, request.url(), elapsed, None)));
        let unmet = self.extract_by_script(endpoint, &lent, &mut before);
        let Some(unmet) = unmet.or_else(|| self.unmet_condition(endpoint, &lent)) else {
            return result;
        };
        let is_wanted = wanted(unmet.outcome, unmet.check);
        let own = is_wanted.then(|| self.secrets_with(&response.credentials));
        // Nothing is kept of a response that failed; what came first is put back last.
        for (variable, value) in before.into_iter().rev() {
            self.variables[variable] = value;
        }
        let UnmetCondition {
            outcome,
            check,
            text,
            key,
        } = unmet;
        let Some(secrets) = own else {
            return CheckResult::failure(outcome, check);
        };
        let excerpt = check::said(response, &secrets);
        CheckResult::explained(outcome, check, (&text, key), excerpt, &secrets)
    }

    /// What the script takes out of a response, and the variables as they were, which are added to `before`. Returns
    /// why something is missing.
    fn extract_by_script(
        &mut self,
        endpoint: &Endpoint,
        lent: &dyn Fn() -> Rc<ResponseData>,
        before: &mut Vec<(usize, Option<Value>)>,
    ) -> Option<UnmetCondition<'static>> {
        if endpoint.extract.is_empty() || self.feeding.plan.script.is_none() {
            return None;
        }
        for extraction in &endpoint.extract {
            let Some(call) = extraction.call() else {
                continue;
            };
            let value = lent().during(|| call.expression().json(&mut self.scope()));
            let (name, source) = (&extraction.name, call.source());
            let (outcome, text) = match value {
                Ok(Value::Null) => match &extraction.default {
                    Some(default) => {
                        let value = self.variables[extraction.variable].replace(default.clone());
                        before.push((extraction.variable, value));
                        continue;
                    }
                    None => {
                        let text = format!("`{name}` was not found: `{source}` is null");
                        (Outcome::CheckFailed, text)
                    }
                },
                Ok(value) if value.to_string().len() > check::MAX_EXTRACTED => {
                    let text = format!("`{name}` is larger than 1 MB");
                    (Outcome::BodyTooLarge, text)
                }
                Ok(value) => {
                    let value = self.variables[extraction.variable].replace(value);
                    before.push((extraction.variable, value));
                    continue;
                }
                Err(text) => {
                    let error = RenderError::from(text);
                    (failed(error.outcome), error.text)
                }
            };
            return Some(UnmetCondition {
                outcome,
                check: None,
                text,
                key: None,
            });
        }
        None
    }

    /// The first condition on the variables that is not met after a response.
    fn unmet_condition<'a>(
        &mut self,
        endpoint: &'a Endpoint,
        lent: &dyn Fn() -> Rc<ResponseData>,
    ) -> Option<UnmetCondition<'a>> {
        let conditions = endpoint.checks.iter().enumerate();
        let conditions =
            conditions.filter_map(|(position, check)| Some((position, condition(check)?)));
        for (position, (expression, key)) in conditions {
            let held = match expression.reads_response() {
                false => self.holds(expression),
                true => lent().during(|| self.holds(expression)),
            };
            let (outcome, text) = match held {
                Ok(true) => continue,
                Ok(false) => {
                    let text = format!("`{}` is false", expression.source());
                    (Outcome::CheckFailed, text)
                }
                Err(error) => (failed(error.outcome), error.text),
            };
            return Some(UnmetCondition {
                outcome,
                check: u8::try_from(position).ok(),
                text,
                key,
            });
        }
        None
    }

    /// The variables that the last response to `endpoint` has set, with their values.
    pub(crate) fn extracted(&self, endpoint: &Endpoint) -> Vec<(String, Value)> {
        let extractions = endpoint.extract.iter();
        extractions
            .filter_map(|one| Some((one.name.clone(), self.variables[one.variable].clone()?)))
            .collect()
    }
}
