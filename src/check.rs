//! What a response means: the outcome it ends in, what is extracted from it, and what the service
//! reported of its components.
//!
//! Pure over a [`Response`]. Not here: how conditions are written (`scenario`), how a response is
//! obtained (`protocol`), or how often which outcome occurs (`metrics`).

mod conditions;
mod content;
mod decode;
mod extract;
mod result;
mod server_timing;
#[cfg(test)]
mod tests;
mod text;

use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;

use self::content::ResponseContent;
use crate::metrics::Outcome;
use crate::plan::{Check, Endpoint, Secrets};
use crate::protocol::{Failure, Response};

pub use self::result::CheckResult;
pub use self::server_timing::{ServerTiming, components};
pub use self::text::excerpt;

/// Classifies a response that took `elapsed`: a failure of the protocol first, then the status,
/// then the other checks in order. From a success, extracts what is asked for; `rng` picks one of
/// several values. What the text quotes of the response is without `secrets`. The text is left out
/// unless its outcome is `wanted`, because it costs more than many a request.
pub fn judge(
    endpoint: &Endpoint,
    response: &Response,
    elapsed: Duration,
    secrets: &Secrets,
    wanted: impl Fn(Outcome) -> bool,
    rng: &mut ChaCha12Rng,
) -> CheckResult {
    let mut extracted = Vec::new();
    let content = ResponseContent::new(response, secrets);
    let failure = first_failure(endpoint, &content, elapsed).or_else(|| {
        extract::extract(&endpoint.extract, &content, rng, &mut extracted)
            .map(|failure| (failure, None))
    });
    match failure {
        None => CheckResult::success(extracted),
        Some((Failure { outcome, text }, key)) => {
            let text = wanted(outcome).then_some(text);
            CheckResult::failure(outcome, text.as_deref(), key, secrets)
        }
    }
}

/// What is wrong, and the key of the check that found it.
fn first_failure(
    endpoint: &Endpoint,
    content: &ResponseContent<'_>,
    elapsed: Duration,
) -> Option<(Failure, Option<Arc<str>>)> {
    let response = content.response;
    if let Some(failure) = &response.failure {
        return Some((failure.clone(), None));
    }
    let Some(status) = response.status else {
        return Some((Failure::new(Outcome::Other, "no response"), None));
    };
    let checks = || endpoint.checks.iter();
    if !(200..400).contains(&status) && !checks().any(Check::is_status) {
        let outcome = conditions::outcome_of_status(status);
        let failure = Failure::new(outcome, format!("status {status}"));
        return Some((failure, None));
    }
    let of_status = checks().filter(|check| check.is_status());
    let others = checks().filter(|check| !check.is_status());
    of_status.chain(others).find_map(|check| {
        let (check, key) = check.bare();
        let failure = conditions::failure(check, content, status, elapsed)?;
        Some((failure, key.cloned()))
    })
}
