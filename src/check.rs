//! What a response means: the outcome it ends in, what is taken out of it, and what the target said
//! of its components.
//!
//! Pure over a [`Response`]. Not here: how conditions are written (`scenario`), how a response is
//! obtained (`protocol`), or how often which outcome occurs (`metrics`).

mod conditions;
mod content;
mod extract;

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use rand_chacha::ChaCha12Rng;
use serde_json::Value;

use crate::metrics::Outcome;
use crate::plan::{Check, Endpoint, Secrets};
use crate::protocol::Response;
use crate::units;

/// The longest text of a failure, in characters.
const MAX_TEXT: usize = 300;
/// How much of a body or value is quoted within a text, in characters.
const MAX_QUOTE: usize = 120;
/// The most entries taken from the `Server-Timing` of one response.
const MAX_COMPONENTS: usize = 16;
/// The longest component name, in characters.
const MAX_COMPONENT_NAME: usize = 40;

/// Where a target says how long its components took.
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// How a response is counted, and what was taken out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The outcome.
    pub outcome: Outcome,
    /// What was expected and what was found; `None` for a success, and where nobody wants to know.
    /// Fit to be shown: see [`excerpt`].
    pub text: Option<String>,
    /// What the scenario calls this failure, where it does.
    pub key: Option<Arc<str>>,
    /// Of a success: variables, by their position in the plan's names, and their new values.
    pub extracted: Vec<(usize, Value)>,
}

/// Classifies a response that took `elapsed`: a failure of the protocol first, then the status,
/// then the other checks in order; takes out of a success what is asked for. What the text quotes
/// of the response is without `secrets`; it is left out unless it is `wanted`, because it costs
/// more than many a request. `rng` picks one of several values.
pub fn judge(
    endpoint: &Endpoint,
    response: &Response,
    elapsed: Duration,
    secrets: &Secrets,
    wanted: impl Fn(Outcome) -> bool,
    rng: &mut ChaCha12Rng,
) -> Judgement {
    let mut extracted = Vec::new();
    let content = Content::new(response, secrets);
    let fault = first_fault(endpoint, &content, elapsed).or_else(|| {
        extract::extract(&endpoint.extract, &content, rng, &mut extracted)
            .map(|fault| (fault, None))
    });
    match fault {
        None => Judgement {
            outcome: Outcome::Ok,
            text: None,
            key: None,
            extracted,
        },
        Some(((outcome, text), key)) => {
            let text = wanted(outcome).then_some(text);
            Judgement::failure(outcome, text.as_deref(), key, secrets)
        }
    }
}

impl Judgement {
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

/// What is wrong, and the key of the check that found it.
fn first_fault(
    endpoint: &Endpoint,
    content: &Content<'_>,
    elapsed: Duration,
) -> Option<(Fault, Option<Arc<str>>)> {
    let response = content.response;
    if let Some(failure) = &response.failure {
        return Some(((failure.outcome, failure.text.clone()), None));
    }
    let Some(status) = response.status else {
        return Some(((Outcome::Other, "no response".to_owned()), None));
    };
    let checks = || endpoint.checks.iter();
    if !(200..400).contains(&status) && !checks().any(Check::is_status) {
        let fault = (conditions::class_of(status), format!("status {status}"));
        return Some((fault, None));
    }
    let of_status = checks().filter(|check| check.is_status());
    let others = checks().filter(|check| !check.is_status());
    of_status.chain(others).find_map(|check| {
        let (check, key) = check.bare();
        let fault = conditions::fault(check, content, status, elapsed)?;
        Some((fault, key.cloned()))
    })
}

/// A outcome and what happened.
type Fault = (Outcome, String);

/// The body of a response, decoded and parsed once, when something first asks for it.
struct Content<'a> {
    response: &'a Response,
    secrets: &'a Secrets,
    body: OnceCell<Result<Bytes, Fault>>,
    json: OnceCell<Result<Value, Fault>>,
}

impl<'a> Content<'a> {
    fn new(response: &'a Response, secrets: &'a Secrets) -> Self {
        Self {
            response,
            secrets,
            body: OnceCell::new(),
            json: OnceCell::new(),
        }
    }

    fn body(&self) -> Result<&Bytes, Fault> {
        let decode = || content::decode(&self.response.headers, &self.response.body);
        self.body.get_or_init(decode).as_ref().map_err(Clone::clone)
    }

    fn json(&self) -> Result<&Value, Fault> {
        let parse = || {
            let body = self.body()?;
            parse(body, self.secrets).map_err(|why| (Outcome::CheckFailed, why))
        };
        self.json.get_or_init(parse).as_ref().map_err(Clone::clone)
    }
}

fn parse(body: &[u8], secrets: &Secrets) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|error| {
        format!(
            "the body is not JSON ({error}){}",
            beginning(&String::from_utf8_lossy(body), secrets)
        )
    })
}

/// How a body begins, to stand behind a text.
fn beginning(body: &str, secrets: &Secrets) -> String {
    match body.trim() {
        "" => "; it is empty".to_owned(),
        body => {
            let shown = secrets.hide_beginning(body, MAX_QUOTE);
            format!("; it starts with `{}`", cut(&shown, MAX_QUOTE))
        }
    }
}

/// `text` cut at `max` characters, with an ellipsis where something was cut off.
fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max - 1).chain(['…']).collect(),
    }
}

/// `text` on one line and safe for a terminal: control characters, line separators and characters
/// that change the direction of writing are escaped, and at most 300 characters are left.
pub fn excerpt(text: &str) -> String {
    let mut shown = String::new();
    // Escaping only makes text longer, so no more than this is ever needed.
    for c in text.chars().take(MAX_TEXT + 1) {
        match c {
            c if c.is_control() => shown.extend(c.escape_default()),
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => {
                shown.extend(c.escape_unicode());
            }
            c => shown.push(c),
        }
    }
    cut(&shown, MAX_TEXT)
}

/// What the target reported of one of its components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Such as `db`: 1 to 40 characters of `[A-Za-z0-9_-]`.
    pub name: String,
    /// Its `dur`; us, at most 30 days.
    pub duration_us: Option<u64>,
    /// Its `desc`, when that is `hit` (true) or `miss` (false).
    pub hit: Option<bool>,
}

/// Reads `Server-Timing`. Lenient: entries without a usable name are skipped, as is whatever else
/// makes no sense; at most 16 entries are taken. Allocates nothing when the header is absent.
pub fn components(headers: &HeaderMap) -> Vec<Component> {
    let mut components = Vec::new();
    if headers.is_empty() {
        return components;
    }
    for value in headers.get_all(&SERVER_TIMING) {
        let text = String::from_utf8_lossy(value.as_bytes());
        let room = MAX_COMPONENTS - components.len();
        components.extend(split_unquoted(&text, ',').filter_map(component).take(room));
    }
    components
}

fn component(entry: &str) -> Option<Component> {
    let mut parts = split_unquoted(entry, ';');
    let name = parts.next()?.trim();
    let is_name = (1..=MAX_COMPONENT_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !is_name {
        return None;
    }
    let (mut duration_us, mut hit) = (None, None);
    for part in parts {
        let Some((key, value)) = part.split_once('=') else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim().trim_matches('"').trim());
        // As browsers do: of a parameter given twice, the first counts.
        if key.eq_ignore_ascii_case("dur") {
            duration_us = duration_us.or_else(|| milliseconds_as_us(value));
        } else if key.eq_ignore_ascii_case("desc") {
            hit = hit.or(match value {
                v if v.eq_ignore_ascii_case("hit") => Some(true),
                v if v.eq_ignore_ascii_case("miss") => Some(false),
                _ => None,
            });
        }
    }
    Some(Component {
        name: name.to_owned(),
        duration_us,
        hit,
    })
}

fn milliseconds_as_us(text: &str) -> Option<u64> {
    let us = text.parse::<f64>().ok()? * 1e3;
    let range = 0.0..=units::MAX_DURATION.as_micros() as f64;
    range.contains(&us).then(|| us.round() as u64)
}

/// The pieces of `text` between separators that stand outside of double quotes.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let ends = c == separator && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        ends
    })
}

#[cfg(test)]
mod tests;
