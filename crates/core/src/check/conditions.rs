//! Whether one condition of a scenario holds for a response.
//!
//! Not here: which condition comes first, and what is made of a failure (`check`).

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Number, Value};

use super::content::ResponseContent;
use super::text::{MAX_QUOTE, beginning, cut};
use crate::metrics::Outcome;
use crate::plan::{Check, Decimal, Expectation, Secrets, StatusRange};
use crate::protocol::Failure;
use crate::units::{self, format_bytes};

/// How many of several values are shown.
const MAX_FOUND: usize = 3;

/// What is wrong, if the condition does not hold or cannot be judged.
pub(super) fn failure(
    check: &Check,
    content: &ResponseContent<'_>,
    status: u16,
    elapsed: Duration,
) -> Option<Failure> {
    match unmet(check, content, status, elapsed) {
        Err(failure) => Some(failure),
        Ok(unmet) => unmet.map(|text| match check.is_status() {
            true => Failure::new(outcome_of_status(status), text),
            false => Failure::new(Outcome::CheckFailed, text),
        }),
    }
}

/// The outcome of a response with an unexpected status.
pub(super) fn outcome_of_status(status: u16) -> Outcome {
    match status {
        400..500 => Outcome::Http4xx,
        500..600 => Outcome::Http5xx,
        _ => Outcome::CheckFailed,
    }
}

/// What was expected and what was found, if the condition does not hold.
///
/// # Errors
/// When the body cannot be decoded or parsed.
fn unmet(
    check: &Check,
    content: &ResponseContent<'_>,
    status: u16,
    elapsed: Duration,
) -> Result<Option<String>, Failure> {
    let secrets = content.secrets;
    let size = content.response.body_bytes;
    Ok(match check {
        Check::Status(ranges) => (!ranges.iter().any(|range| range.contains(status)))
            .then(|| format!("status {status}, expected {}", alternatives(ranges))),
        Check::MaxDuration(limit) => (elapsed > *limit).then(|| {
            format!(
                "took {}, expected at most {}",
                units::format_latency_us(units::as_us(elapsed) as f64),
                units::format_duration(*limit)
            )
        }),
        Check::MinSize(least) => (size < *least).then(|| {
            let (size, least) = (format_bytes(size), format_bytes(*least));
            format!("the body has {size}, expected at least {least}")
        }),
        Check::MaxSize(most) => (size > *most).then(|| {
            let (size, most) = (format_bytes(size), format_bytes(*most));
            format!("the body has {size}, expected at most {most}")
        }),
        Check::Header { name, expect } => {
            let values = header_values(content, name);
            unmet_expectation(&values.iter().collect::<Vec<_>>(), expect, secrets)
                .map(|text| format!("header `{name}` {text}"))
        }
        Check::Url(expect) => {
            let url = url_values(content);
            unmet_expectation(&url.iter().collect::<Vec<_>>(), expect, secrets)
                .map(|text| format!("the URL {text}"))
        }
        Check::BodyContains(text) => {
            let body = content.body()?;
            (!contains(body, text)).then(|| {
                format!(
                    "the body does not contain `{}`{}",
                    cut(text, MAX_QUOTE),
                    beginning(&String::from_utf8_lossy(body), secrets)
                )
            })
        }
        Check::BodyMatches(pattern) => {
            let body = String::from_utf8_lossy(content.body()?);
            (!pattern.regex().is_match(&body)).then(|| {
                format!(
                    "the body does not match `{}`{}",
                    cut(&pattern.to_string(), MAX_QUOTE),
                    beginning(&body, secrets)
                )
            })
        }
        Check::Json { path, expect } => {
            let found = content.find(path)?;
            let found: Vec<&Value> = found.iter().map(|value| &**value).collect();
            unmet_expectation(&found, expect, secrets).map(|text| format!("`{path}` {text}"))
        }
        Check::Css { selector, expect } => {
            let found = content.css(selector, None, most_needed(expect))?;
            unmet_expectation(&found.iter().collect::<Vec<_>>(), expect, secrets)
                .map(|text| format!("`{selector}` {text}"))
        }
        // Checked later, by the engine.
        Check::That(_) => None,
        Check::Not(check) => match unmet(check, content, status, elapsed)? {
            Some(_) => None,
            None => Some(describe_holding(check, content, status, elapsed)),
        },
        Check::FailWith { check, .. } => unmet(check, content, status, elapsed)?,
    })
}

/// What was found where the condition holds, and what was expected unless that says it all.
pub(super) fn describe(
    check: &Check,
    content: &ResponseContent<'_>,
    status: u16,
    elapsed: Duration,
) -> String {
    let quote = |text: &str| cut(text, MAX_QUOTE);
    let size = || format_bytes(content.response.body_bytes);
    match check {
        Check::Status(ranges) => match ranges.as_slice() {
            [one] if one.low == one.high => format!("status {status}"),
            _ => format!("status {status}, expected {}", alternatives(ranges)),
        },
        Check::MaxDuration(limit) => format!(
            "took {}, expected at most {}",
            units::format_latency_us(units::as_us(elapsed) as f64),
            units::format_duration(*limit)
        ),
        Check::MinSize(least) => {
            let least = format_bytes(*least);
            format!("the body has {}, expected at least {least}", size())
        }
        Check::MaxSize(most) => {
            let most = format_bytes(*most);
            format!("the body has {}, expected at most {most}", size())
        }
        Check::Header { name, expect } => {
            let values = header_values(content, name);
            let found = met(&values.iter().collect::<Vec<_>>(), expect, content.secrets);
            format!("header `{name}` {found}")
        }
        Check::Url(expect) => {
            let url = url_values(content);
            let found = met(&url.iter().collect::<Vec<_>>(), expect, content.secrets);
            format!("the URL {found}")
        }
        Check::BodyContains(text) => format!("the body contains `{}`", quote(text)),
        Check::BodyMatches(pattern) => {
            format!("the body matches `{}`", quote(&pattern.to_string()))
        }
        Check::Json { path, expect } => {
            let json = content.json().ok();
            let found = json.map_or_else(Vec::new, |json| path.query(json));
            format!("`{path}` {}", met(&found, expect, content.secrets))
        }
        Check::Css { selector, expect } => {
            let most = most_needed(expect);
            let found = content.css(selector, None, most).unwrap_or_default();
            let found = met(&found.iter().collect::<Vec<_>>(), expect, content.secrets);
            format!("`{selector}` {found}")
        }
        Check::That(condition) => format!("`{}`", quote(condition.source())),
        Check::Not(check) => format!("not {}", quote(&check.subject())),
        Check::FailWith { check, .. } => describe(check, content, status, elapsed),
    }
}

/// What was found where an expectation is met, to be appended to the name of the place.
fn met(found: &[&Value], expect: &Expectation, secrets: &Secrets) -> String {
    let quotes = found.iter().take(MAX_FOUND).map(|value| {
        let shown = secrets.hide_beginning(&value.to_string(), MAX_QUOTE);
        cut(&shown, MAX_QUOTE)
    });
    let mut shown = quotes.collect::<Vec<_>>().join(", ");
    if found.len() > MAX_FOUND {
        let _ = write!(shown, " and {} more", found.len() - MAX_FOUND);
    }
    match (expect, wording(expect)) {
        (_, _) if found.is_empty() => "was not found, as expected".into(),
        (Expectation::Exists | Expectation::Equals(_), _) => format!("is {shown}"),
        (_, ("is", what)) => format!("is {shown}, expected {what}"),
        (_, (is, what)) => format!("is {shown}, expected a value that {is} {what}"),
    }
}

/// Whether a body has this text somewhere, once what is not UTF-8 is replaced.
fn contains(body: &[u8], text: &str) -> bool {
    match text.contains(char::REPLACEMENT_CHARACTER) {
        true => String::from_utf8_lossy(body).contains(text),
        false => memchr::memmem::find(body, text.as_bytes()).is_some(),
    }
}

/// How many of several values decide.
fn most_needed(expect: &Expectation) -> usize {
    match expect {
        Expectation::Exists | Expectation::Absent => 1,
        _ => usize::MAX,
    }
}

/// All values of a header.
fn header_values(content: &ResponseContent<'_>, name: &str) -> Vec<Value> {
    let values = content.response.headers.get_all(name).iter();
    values
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into())
        .collect()
}

/// Where the response came from.
fn url_values(content: &ResponseContent<'_>) -> Vec<Value> {
    let url = content.response.url.as_deref();
    url.map(Value::from).into_iter().collect()
}

/// What holds although it should not.
fn describe_holding(
    check: &Check,
    content: &ResponseContent<'_>,
    status: u16,
    elapsed: Duration,
) -> String {
    let quote = |text: &str| cut(text, MAX_QUOTE);
    match check {
        Check::Status(ranges) => format!("status {status}, expected none of {}", listed(ranges)),
        Check::MaxDuration(limit) => format!(
            "took {}, expected more than {}",
            units::format_latency_us(units::as_us(elapsed) as f64),
            units::format_duration(*limit)
        ),
        Check::MinSize(_) | Check::MaxSize(_) => {
            let size = format_bytes(content.response.body_bytes);
            format!("the body has {size}, expected a different size")
        }
        Check::Header { name, expect } => format!("header `{name}` {}", unwanted(expect)),
        Check::Url(expect) => format!("the URL {}", unwanted(expect)),
        Check::BodyContains(text) => format!("the body contains `{}`", quote(text)),
        Check::BodyMatches(pattern) => {
            format!("the body matches `{}`", quote(&pattern.to_string()))
        }
        Check::Json { path, expect } => format!("`{path}` {}", unwanted(expect)),
        Check::Css { selector, expect } => format!("`{selector}` {}", unwanted(expect)),
        Check::That(_) | Check::Not(_) | Check::FailWith { .. } => {
            "a condition holds that must not hold".into()
        }
    }
}

fn unwanted(expect: &Expectation) -> String {
    let (is, what) = wording(expect);
    format!("{is} {what}, expected otherwise")
}

/// The verb and object of an expectation, such as `is` and `at least 3`.
fn wording(expect: &Expectation) -> (&'static str, String) {
    let quote = |text: &str| cut(text, MAX_QUOTE);
    match expect {
        Expectation::Exists => ("was", "found".into()),
        Expectation::Absent => ("was", "not found".into()),
        Expectation::Equals(value) => ("is", quote(&value.to_string())),
        Expectation::Contains(text) => ("contains", format!("`{}`", quote(text))),
        Expectation::Matches(pattern) => ("matches", format!("`{}`", quote(&pattern.to_string()))),
        Expectation::Above(bound) => ("is", format!("above {bound}")),
        Expectation::Below(bound) => ("is", format!("below {bound}")),
        Expectation::AtLeast(bound) => ("is", format!("at least {bound}")),
        Expectation::AtMost(bound) => ("is", format!("at most {bound}")),
        Expectation::All(all) => {
            let all: Vec<String> = all.iter().map(|one| wording(one).1).collect();
            ("is", all.join(" and "))
        }
    }
}

/// What was found and what was expected, to be appended to the name of the place.
fn unmet_expectation(found: &[&Value], expect: &Expectation, secrets: &Secrets) -> Option<String> {
    let quote = |value: &Value| {
        let shown = secrets.hide_beginning(&value.to_string(), MAX_QUOTE);
        cut(&shown, MAX_QUOTE)
    };
    match (expect, found.first()) {
        (Expectation::Exists, None) => Some("was not found".into()),
        (Expectation::Exists, Some(_)) | (Expectation::Absent, None) => None,
        (Expectation::Absent, Some(value)) => {
            Some(format!("is {}, expected nothing there", quote(value)))
        }
        (Expectation::All(all), _) => all
            .iter()
            .find_map(|one| unmet_expectation(found, one, secrets)),
        (_, None) => {
            let (is, what) = wording(expect);
            let is = if is == "is" {
                String::new()
            } else {
                format!("a value that {is} ")
            };
            Some(format!("was not found, expected {is}{what}"))
        }
        (_, Some(_)) => {
            let value = found.iter().find(|value| !meets(value, expect))?;
            let (is, what) = wording(expect);
            let is = if is == "is" {
                String::new()
            } else {
                format!("a value that {is} ")
            };
            Some(format!("is {}, expected {is}{what}", quote(value)))
        }
    }
}

/// Whether one value is as expected.
fn meets(value: &Value, expect: &Expectation) -> bool {
    // Headers, and many APIs, write numbers as text.
    let number = || match value {
        Value::String(text) => Decimal::parse(text.trim()),
        Value::Number(number) => Decimal::parse(&number.to_string()),
        _ => None,
    };
    let compare = |holds: fn(Ordering) -> bool, bound: &Decimal| {
        number().is_some_and(|number| holds(number.cmp(bound)))
    };
    match expect {
        Expectation::Exists => true,
        Expectation::Absent => false,
        Expectation::Equals(wanted) => same(value, wanted),
        Expectation::Contains(wanted) => match value {
            Value::String(text) => text.contains(wanted),
            Value::Array(items) => items.iter().any(|item| match item {
                Value::String(text) => text == wanted,
                item => wanted == &item.to_string(),
            }),
            _ => false,
        },
        Expectation::Matches(pattern) => match value {
            Value::String(text) => pattern.regex().is_match(text),
            Value::Number(_) | Value::Bool(_) => pattern.regex().is_match(&value.to_string()),
            _ => false,
        },
        Expectation::Above(bound) => compare(Ordering::is_gt, bound),
        Expectation::Below(bound) => compare(Ordering::is_lt, bound),
        Expectation::AtLeast(bound) => compare(Ordering::is_ge, bound),
        Expectation::AtMost(bound) => compare(Ordering::is_le, bound),
        Expectation::All(all) => all.iter().all(|one| meets(value, one)),
    }
}

/// Whether two values are equal; `1` and `1.0` are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            let number = |number: &Number| Decimal::parse(&number.to_string());
            number(x) == number(y)
        }
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y))
        }
        (Value::Object(x), Value::Object(y)) => {
            let is_there = |(name, x)| y.get(name).is_some_and(|y| same(x, y));
            x.len() == y.len() && x.iter().all(is_there)
        }
        _ => a == b,
    }
}

/// `200, 204, 300-399`.
fn listed(ranges: &[StatusRange]) -> String {
    let ranges: Vec<String> = ranges
        .iter()
        .map(|range| alternatives(std::slice::from_ref(range)))
        .collect();
    ranges.join(", ")
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
