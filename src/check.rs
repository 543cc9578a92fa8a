//! What a response means: the class it ends in, and what the target said of its components.
//!
//! Pure over a [`Response`]. Not here: how conditions are written (`scenario`), how a response is
//! obtained (`protocol`), or how often which class occurs (`metrics`).

mod content;

use std::cell::OnceCell;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use serde_json_path::JsonPath;

use crate::metrics::Class;
use crate::plan::{Check, Endpoint, JsonExpectation, Secrets, StatusRange};
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

/// How a response is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The class.
    pub class: Class,
    /// What was expected and what was found; `None` for a success. Fit to be shown: see
    /// [`excerpt`].
    pub text: Option<String>,
}

/// Classifies a response that took `elapsed`: a failure of the protocol first, then the status,
/// then the other checks in order. What the text quotes of the response is without `secrets`.
pub fn judge(
    endpoint: &Endpoint,
    response: &Response,
    elapsed: Duration,
    secrets: &Secrets,
) -> Judgement {
    let Some((class, text)) = first_fault(endpoint, response, elapsed, secrets) else {
        return Judgement {
            class: Class::Ok,
            text: None,
        };
    };
    let text = secrets.hide(&text);
    if response.credentials.is_empty() {
        return Judgement {
            class,
            text: Some(excerpt(&text)),
        };
    }
    // Once more, since quoting must not cut in two what has to be hidden; few requests come here.
    let secrets = secrets.with(response.credentials.iter().map(String::as_str));
    let fault = first_fault(endpoint, response, elapsed, &secrets);
    let (class, text) = fault.unwrap_or((class, text.into_owned()));
    Judgement {
        class,
        text: Some(excerpt(&secrets.hide(&text))),
    }
}

fn first_fault(
    endpoint: &Endpoint,
    response: &Response,
    elapsed: Duration,
    secrets: &Secrets,
) -> Option<Fault> {
    if let Some(failure) = &response.failure {
        return Some((failure.class, failure.text.clone()));
    }
    let Some(status) = response.status else {
        return Some((Class::Other, "no response".to_owned()));
    };
    if let Some(fault) = status_fault(endpoint, status) {
        return Some(fault);
    }
    let content = Content::new(response, secrets);
    endpoint.checks.iter().find_map(|check| match check {
        Check::Status(_) => None,
        Check::MaxDuration(limit) => (elapsed > *limit).then(|| {
            let text = format!(
                "took {}, expected at most {}",
                units::format_latency_us(units::as_us(elapsed) as f64),
                units::format_duration(*limit)
            );
            (Class::CheckFailed, text)
        }),
        Check::BodyContains(text) => match content.body() {
            Err(fault) => Some(fault.clone()),
            Ok(body) => {
                let body = String::from_utf8_lossy(body);
                (!body.contains(text)).then(|| {
                    let text = format!(
                        "the body does not contain `{}`{}",
                        cut(text, MAX_QUOTE),
                        beginning(&body, secrets)
                    );
                    (Class::CheckFailed, text)
                })
            }
        },
        Check::Json { path, expect } => match content.json() {
            Err(fault) => Some(fault.clone()),
            Ok(body) => {
                json_fault(body, path, expect, secrets).map(|text| (Class::CheckFailed, text))
            }
        },
    })
}

/// A class and what happened.
type Fault = (Class, String);

/// The body of a response, decoded and parsed once, when the first check asks for it.
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

    fn body(&self) -> Result<&Bytes, &Fault> {
        let decode = || content::decode(&self.response.headers, &self.response.body);
        self.body.get_or_init(decode).as_ref()
    }

    fn json(&self) -> Result<&Value, &Fault> {
        let parse = || {
            let body = self.body().map_err(Clone::clone)?;
            parse(body, self.secrets).map_err(|why| (Class::CheckFailed, why))
        };
        self.json.get_or_init(parse).as_ref()
    }
}

fn status_fault(endpoint: &Endpoint, status: u16) -> Option<Fault> {
    let mut wanted = endpoint.checks.iter().filter_map(|check| match check {
        Check::Status(ranges) => Some(ranges),
        _ => None,
    });
    let text = match wanted.next() {
        None if (200..400).contains(&status) => return None,
        None => format!("status {status}"),
        Some(first) => {
            let unmet = std::iter::once(first)
                .chain(wanted)
                .find(|ranges| !ranges.iter().any(|range| range.contains(status)))?;
            format!("status {status}, expected {}", alternatives(unmet))
        }
    };
    let class = match status {
        400..500 => Class::Http4xx,
        500..600 => Class::Http5xx,
        _ => Class::CheckFailed,
    };
    Some((class, text))
}

/// `200, 204 or 300-399`.
fn alternatives(ranges: &[StatusRange]) -> String {
    let mut text = String::new();
    for (i, range) in ranges.iter().enumerate() {
        text.push_str(match i {
            0 => "",
            i if i + 1 == ranges.len() => " or ",
            _ => ", ",
        });
        let _ = match range.low == range.high {
            true => write!(text, "{}", range.low),
            false => write!(text, "{}-{}", range.low, range.high),
        };
    }
    text
}

fn parse(body: &[u8], secrets: &Secrets) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|error| {
        format!(
            "the body is not JSON ({error}){}",
            beginning(&String::from_utf8_lossy(body), secrets)
        )
    })
}

fn json_fault(
    body: &Value,
    path: &JsonPath,
    expect: &JsonExpectation,
    secrets: &Secrets,
) -> Option<String> {
    let quote = |value: &Value| {
        cut(
            &secrets.hide_beginning(&value.to_string(), MAX_QUOTE),
            MAX_QUOTE,
        )
    };
    let found = path.query(body).all();
    match expect {
        JsonExpectation::Exists => found.is_empty().then(|| format!("`{path}` was not found")),
        JsonExpectation::Absent => found
            .first()
            .map(|value| format!("`{path}` is {}, expected nothing there", quote(value))),
        JsonExpectation::Equals(wanted) if found.is_empty() => Some(format!(
            "`{path}` was not found, expected {}",
            quote(wanted)
        )),
        JsonExpectation::Equals(wanted) => found
            .into_iter()
            .find(|value| !same(value, wanted))
            .map(|value| format!("`{path}` is {}, expected {}", quote(value), quote(wanted))),
    }
}

/// Whether two values are equal; `1` and `1.0` are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        // Whole numbers are not compared as floats, which would take large neighbours for equal.
        (Value::Number(x), Value::Number(y)) if x.is_f64() || y.is_f64() => {
            x.as_f64() == y.as_f64()
        }
        _ => a == b,
    }
}

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
    for value in headers.get_all("server-timing") {
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
