//! The conditions on a response that make it a success. Evaluated in `crate::check`.

use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use serde::{Serialize, Serializer};

use super::css::CssSelector;
use super::json_path::JsonPath;
use crate::plan::value::decimal::Decimal;
use crate::plan::value::expression::Condition;

/// One condition on a response.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The status code lies in one of these ranges.
    Status(Vec<StatusRange>),
    /// The response time is at most this long.
    #[serde(rename = "max_duration_us", with = "crate::units::micros")]
    MaxDuration(Duration),
    /// The body has at least this many bytes on the wire.
    MinSize(u64),
    /// The body has at most this many bytes on the wire.
    MaxSize(u64),
    /// A header is as expected.
    Header {
        /// Lower case.
        name: String,
        /// What its value must be; every value if the header is sent more than once.
        expect: Expectation,
    },
    /// The URL that the response came from, after redirects, is as expected.
    Url(Expectation),
    /// The body contains this text.
    BodyContains(String),
    /// Something in the body matches.
    BodyMatches(Pattern),
    /// The JSON body matches at this path.
    Json {
        /// RFC 9535 path.
        path: JsonPath,
        /// What the values there must be.
        expect: Expectation,
    },
    /// The texts of the elements of an HTML body that a selector finds are as expected.
    Css {
        /// Which elements.
        selector: CssSelector,
        /// What their texts must be.
        expect: Expectation,
    },
    /// An expression is true after the values of the response were extracted. Unlike the others, it is
    /// evaluated by the engine, which knows the variables.
    That(Condition),
    /// The condition is false. A body that cannot be evaluated is still a failure.
    Not(Box<Check>),
    /// The condition is true; otherwise the request fails and is counted under this key.
    FailWith {
        /// The key.
        key: Arc<str>,
        /// The condition.
        check: Box<Check>,
    },
}

impl Check {
    /// The condition itself, and its key.
    pub fn bare(&self) -> (&Self, Option<&Arc<str>>) {
        match self {
            Self::FailWith { key, check } => (check, Some(key)),
            _ => (self, None),
        }
    }

    /// What failures of it are counted under.
    pub fn name(&self) -> CheckName {
        match self.bare() {
            (_, Some(key)) => CheckName::Key(key.to_string()),
            (check, None) => CheckName::Subject(check.subject()),
        }
    }

    /// What it is about, such as `status` or `$.state`.
    pub fn subject(&self) -> String {
        match self {
            Self::Status(_) => "status".into(),
            Self::MaxDuration(_) => "max_duration".into(),
            Self::MinSize(_) => "min_size".into(),
            Self::MaxSize(_) => "max_size".into(),
            Self::Header { name, .. } => format!("header {name}"),
            Self::Url(_) => "url".into(),
            Self::BodyContains(text) => format!("body_contains {text}"),
            Self::BodyMatches(pattern) => format!("body_matches {pattern}"),
            Self::Json { path, .. } => path.to_string(),
            Self::Css { selector, .. } => selector.to_string(),
            Self::That(condition) => condition.source().to_owned(),
            Self::Not(check) => format!("not {}", check.subject()),
            Self::FailWith { check, .. } => check.subject(),
        }
    }

    /// The expression that it evaluates, if it is one.
    pub fn condition(&self) -> Option<&Condition> {
        match self.bare() {
            (Self::That(condition), _) => Some(condition),
            _ => None,
        }
    }

    /// Whether it is about the status.
    pub fn is_status(&self) -> bool {
        match self {
            Self::Status(_) => true,
            Self::Not(check) | Self::FailWith { check, .. } => check.is_status(),
            _ => false,
        }
    }

    /// Whether it holds for this status, or is not about the status.
    pub fn allows_status(&self, status: u16) -> bool {
        match self {
            Self::Status(ranges) => ranges.iter().any(|range| range.contains(status)),
            Self::Not(check) if check.is_status() => !check.allows_status(status),
            Self::FailWith { check, .. } => check.allows_status(status),
            _ => true,
        }
    }

    /// Whether it is about the URL that the response came from.
    pub fn needs_url(&self) -> bool {
        match self {
            Self::Url(_) => true,
            Self::Not(check) | Self::FailWith { check, .. } => check.needs_url(),
            _ => false,
        }
    }

    /// Whether the body must be kept to evaluate it.
    pub fn needs_body(&self) -> bool {
        match self {
            Self::BodyContains(_) | Self::BodyMatches(_) | Self::Json { .. } | Self::Css { .. } => {
                true
            }
            Self::That(condition) => condition.reads_response(),
            Self::Not(check) | Self::FailWith { check, .. } => check.needs_body(),
            _ => false,
        }
    }

    /// Whether it is about a header.
    pub fn needs_headers(&self) -> bool {
        match self {
            Self::Header { .. } => true,
            Self::That(condition) => condition.reads_response(),
            Self::Not(check) | Self::FailWith { check, .. } => check.needs_headers(),
            _ => false,
        }
    }
}

/// What failures of a check are counted under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckName {
    /// Its `fail_with`.
    Key(String),
    /// What it is about, where it has no `fail_with`.
    Subject(String),
}

/// An inclusive range of status codes; a single code is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StatusRange {
    /// Lowest code, at least 100.
    pub low: u16,
    /// Highest code, at most 599.
    pub high: u16,
}

impl StatusRange {
    /// Whether `status` lies in it.
    pub fn contains(self, status: u16) -> bool {
        (self.low..=self.high).contains(&status)
    }
}

/// What the value of a JSON path, a selector or a header must be. If there are several values, each of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// At least one value.
    Exists,
    /// No value.
    Absent,
    /// This value; `1` and `1.0` are the same number.
    Equals(serde_json::Value),
    /// A text that contains this one, or a list that has it.
    Contains(String),
    /// A text, or a number as it is written, in which something matches.
    Matches(Pattern),
    /// A number above this.
    Above(Decimal),
    /// A number below this.
    Below(Decimal),
    /// A number that is this or above.
    AtLeast(Decimal),
    /// A number that is this or below.
    AtMost(Decimal),
    /// All of these.
    All(Vec<Expectation>),
}

/// A regular expression; compared and serialized as its text.
#[derive(Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// The largest compiled size; bytes.
    const MAX_BYTES: usize = 1 << 20;

    /// Compiles this text. The compiled size is at most 1 MiB.
    ///
    /// # Errors
    /// What is wrong with it, on one line.
    pub fn new(text: &str) -> Result<Self, String> {
        let built = regex::RegexBuilder::new(text)
            .size_limit(Self::MAX_BYTES)
            .build();
        built.map(Self).map_err(|error| {
            let whole = error.to_string();
            // The library marks the location over several lines; the last line has the message.
            let last = whole.lines().last().unwrap_or_default().trim();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        })
    }

    /// The compiled expression.
    pub fn regex(&self) -> &Regex {
        &self.0
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0.as_str())
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}
