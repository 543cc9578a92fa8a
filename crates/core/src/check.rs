//! What a response means: the outcome it ends in, what is extracted from it, and what the service
//! reported of its components.
//!
//! Pure over a [`Response`]. Not here: how conditions are written (`scenario`), how a response is
//! obtained (`protocol`), or how often which outcome occurs (`metrics`).

mod conditions;
mod content;
mod decode;
mod exchange;
mod extract;
mod html;
mod message;
mod report;
mod result;
mod server_timing;
#[cfg(test)]
mod tests;
mod text;

use std::time::Duration;

use rand_chacha::ChaCha12Rng;

use self::content::ResponseContent;
use crate::metrics::Outcome;
use crate::plan::{Check, Endpoint, Secrets};
use crate::protocol::{Failure, Response};

pub use self::decode::body_text;
pub use self::exchange::{ExchangeLimits, exchange_text};
pub use self::extract::MAX_EXTRACTED;
pub use self::message::{said, without_secret_fields};
pub use self::report::{CheckReport, CheckState, reports};
pub use self::result::CheckResult;
pub use self::server_timing::{ServerTiming, components};
pub use self::text::excerpt;

/// Classifies a response that took `elapsed`: a failure of the protocol first, then the status,
/// then the other checks in order. From a success, extracts what is asked for; `rng` picks one of
/// several values. What the texts quote of the response is without `secrets`. The texts are left
/// out unless the outcome and the position of the failed check are `wanted`, because they cost more
/// than many a request.
pub fn judge(
    endpoint: &Endpoint,
    response: &Response,
    elapsed: Duration,
    secrets: &Secrets,
    wanted: impl Fn(Outcome, Option<u8>) -> bool,
    rng: &mut ChaCha12Rng,
) -> CheckResult {
    let mut extracted = Vec::new();
    let content = ResponseContent::new(response, secrets);
    let failure = first_failure(endpoint, &content, elapsed).or_else(|| {
        extract::extract(&endpoint.extract, &content, rng, &mut extracted)
            .map(|failure| (failure, None))
    });
    let Some((Failure { outcome, text }, check)) = failure else {
        return CheckResult::success(extracted);
    };
    let position = check.and_then(|position| u8::try_from(position).ok());
    if !wanted(outcome, position) {
        return CheckResult::failure(outcome, position);
    }
    let failed = check.map(|position| endpoint.checks[position].bare());
    let key = failed.and_then(|(_, key)| key);
    let excerpt = match (&response.failure, failed) {
        (Some(_), _) | (_, Some((Check::MaxDuration(_), _))) => None,
        // The text quotes it.
        _ if text.contains(text::STARTS_WITH) => None,
        _ => said(response, secrets),
    };
    CheckResult::explained(outcome, position, (&text, key), excerpt, secrets)
}

/// What is wrong, and the position of the check that found it.
fn first_failure(
    endpoint: &Endpoint,
    content: &ResponseContent<'_>,
    elapsed: Duration,
) -> Option<(Failure, Option<usize>)> {
    let response = content.response;
    if let Some(failure) = &response.failure {
        return Some((failure.clone(), None));
    }
    let Some(status) = response.status else {
        return Some((Failure::new(Outcome::Other, "no response"), None));
    };
    if !(200..400).contains(&status) && !endpoint.checks.iter().any(Check::is_status) {
        let outcome = conditions::outcome_of_status(status);
        let failure = Failure::new(outcome, format!("status {status}"));
        return Some((failure, None));
    }
    // Those of the status first.
    for of_status in [true, false] {
        for (position, check) in endpoint.checks.iter().enumerate() {
            if check.is_status() == of_status
                && let Some(failure) = conditions::failure(check.bare().0, content, status, elapsed)
            {
                return Some((failure, Some(position)));
            }
        }
    }
    None
}
