//! What is observed of the service while the load goes on, besides its responses: the metrics that it
//! exports, and the processes that it consists of.
//!
//! Here: what to look for, and how a metric is written. Not here: the keys (`scenario`), and looking
//! (`observation`). None of it is part of the fingerprint.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::request::check::Pattern;

/// What to observe, and how often.
#[derive(Debug, Clone, Serialize)]
pub struct Observe {
    /// Time from one observation to the next; at least [`Observe::SHORTEST`].
    #[serde(rename = "every_us", with = "crate::units::micros")]
    pub every: Duration,
    /// The pages in the text format of Prometheus or OpenMetrics: URLs, or paths of the service.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<String>,
    /// What to keep of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<ObservedMetric>,
    /// The processes on this machine whose resources are observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostTarget>,
}

impl Observe {
    /// The time between observations where the scenario does not say.
    pub const DEFAULT_EVERY: Duration = Duration::from_secs(5);
    /// The shortest time between observations.
    pub const SHORTEST: Duration = Duration::from_secs(1);
    /// The longest time that a page may take.
    const LONGEST_WAIT: Duration = Duration::from_secs(5);

    /// How long a page may take.
    pub fn timeout(&self) -> Duration {
        self.every.min(Self::LONGEST_WAIT)
    }
}

/// What is observed of processes, in this order, in which unit, and whether it is a counter, which becomes a rate.
pub const HOST_METRICS: [(&str, ObservedUnit, bool); 6] = [
    ("host_cpu", ObservedUnit::Seconds, true),
    ("host_memory", ObservedUnit::Bytes, false),
    ("host_disk_read", ObservedUnit::Bytes, true),
    ("host_disk_write", ObservedUnit::Bytes, true),
    ("host_network_received", ObservedUnit::Bytes, true),
    ("host_network_sent", ObservedUnit::Bytes, true),
];

/// The unit of a metric, as it is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservedUnit {
    /// A plain number.
    Number,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
}

/// The processes of the service on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HostTarget {
    /// All processes with this name.
    Process(String),
    /// The process with this number.
    Pid(u32),
    /// The control group with this path, below the root of control groups, such as `/system.slice/web.service`.
    Cgroup(String),
}

/// A number to keep of the pages.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ObservedMetric {
    /// Its name in reports.
    pub name: String,
    /// The series whose sum it is.
    pub of: Selector,
    /// The series whose sum it is divided by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Selector>,
}

/// Series of one name, of which some may be chosen by their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// The name.
    pub name: String,
    labels: Vec<LabelMatcher>,
    source: String,
}

/// What the value of a label must be, or must not be.
#[derive(Debug, Clone, PartialEq)]
struct LabelMatcher {
    label: String,
    value: Pattern,
    is_negated: bool,
}

impl Selector {
    /// Reads `name` or `name{label="value", other!="value", path=~"/api/.*", zone!~"eu|us"}`.
    ///
    /// # Errors
    /// What is wrong, as a phrase.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (name, rest) = text.split_at(text.find('{').unwrap_or(text.len()));
        let name = name.trim_end();
        if !is_name(name, ":_") {
            return Err(match name {
                "" => "the name of a metric is missing".to_owned(),
                _ => format!("`{name}` is not the name of a metric"),
            });
        }
        let labels = match rest.strip_prefix('{') {
            None => Vec::new(),
            Some(rest) => labels(rest)?,
        };
        Ok(Self {
            name: name.to_owned(),
            labels,
            source: text.to_owned(),
        })
    }

    /// Whether series with these labels are chosen; `value` finds the value of a label, and a label that is not
    /// there is empty.
    pub fn takes<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.labels.iter().all(|matcher| {
            let value = value(&matcher.label).unwrap_or_default();
            matcher.value.regex().is_match(value) != matcher.is_negated
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

impl ObservedMetric {
    /// Reads one selector, or two with `/` between them.
    ///
    /// # Errors
    /// What is wrong, as a phrase.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let (of, to) = match outside_braces(text, '/') {
            None => (text, None),
            Some(at) => (&text[..at], Some(&text[at + 1..])),
        };
        Ok(Self {
            name: name.to_owned(),
            of: Selector::parse(of)?,
            to: to.map(Selector::parse).transpose()?,
        })
    }
}

impl ObservedMetric {
    /// The unit that its name says, by the conventions of Prometheus.
    pub fn unit(&self) -> ObservedUnit {
        let name = match &self.to {
            None => {
                let name = self.of.name.as_str();
                Some(name.strip_suffix("_total").unwrap_or(name))
            }
            // The mean of a histogram.
            Some(to) => {
                let name = self.of.name.strip_suffix("_sum");
                name.filter(|name| to.name.strip_suffix("_count") == Some(name))
            }
        };
        match name {
            Some(name) if name.ends_with("_seconds") => ObservedUnit::Seconds,
            Some(name) if name.ends_with("_bytes") => ObservedUnit::Bytes,
            _ => ObservedUnit::Number,
        }
    }
}

impl ObservedMetric {
    /// Whether its name says that it is a counter, by the conventions of Prometheus; its values are rates.
    pub fn is_counter(&self) -> bool {
        let ends = ["_total", "_sum", "_count", "_bucket"];
        self.to.is_none() && ends.iter().any(|end| self.of.name.ends_with(end))
    }
}

impl fmt::Display for ObservedMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            None => self.of.fmt(f),
            Some(to) => write!(f, "{} / {to}", self.of),
        }
    }
}

/// Letters, digits and `more`, and no digit first.
fn is_name(text: &str, more: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
    text.chars().all(is_good) && text.starts_with(|c: char| !c.is_ascii_digit())
}

/// Where `wanted` stands in a text outside of braces and quotes.
fn outside_braces(text: &str, wanted: char) -> Option<usize> {
    let (mut is_quoted, mut is_escaped, mut depth) = (false, false, 0);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '{' => depth += 1,
            '}' => depth -= 1,
            c if c == wanted && depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// The matchers after the opening brace, up to the end of the text.
fn labels(text: &str) -> Result<Vec<LabelMatcher>, String> {
    /// How a matcher is written, whether it has a regular expression, and whether it is negated.
    const OPERATORS: [(&str, bool, bool); 4] = [
        ("=~", true, false),
        ("!~", true, true),
        ("!=", false, true),
        ("=", false, false),
    ];
    let mut matchers = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(end) = rest.strip_prefix('}') {
            return match end.trim() {
                "" => Ok(matchers),
                more => Err(format!("`{more}` after the labels")),
            };
        }
        let (label, after) = rest.split_at(rest.find(['=', '!', '}', ',']).unwrap_or(rest.len()));
        let label = label.trim_end();
        if !is_name(label, "_") {
            return Err(match label {
                "" => "the labels have no `}` at their end".to_owned(),
                _ => format!("`{label}` is not the name of a label"),
            });
        }
        let quoted = OPERATORS
            .into_iter()
            .find_map(|(sign, is_pattern, is_negated)| {
                let value = after.strip_prefix(sign)?.trim_start().strip_prefix('"')?;
                Some((value, is_pattern, is_negated))
            });
        let Some((quoted, is_pattern, is_negated)) = quoted else {
            return Err(format!(
                "the label `{label}` needs a value in quotes, such as `{label}=\"value\"`"
            ));
        };
        let (value, length) = unquoted(quoted).ok_or("a value has no `\"` at its end")?;
        rest = quoted[length..].trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        let pattern = match is_pattern {
            true => value,
            false => regex::escape(&value),
        };
        matchers.push(LabelMatcher {
            label: label.to_owned(),
            // Whole values, as in Prometheus.
            value: Pattern::new(&format!("^(?s:{pattern})$"))?,
            is_negated,
        });
    }
}

/// The value of a text up to the quote that ends it, and the length of both as they are written; bytes.
pub fn unquoted(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                c @ ('\\' | '"') => value.push(c),
                c => value.extend(['\\', c]),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn takes(selector: &str, labels: &[(&str, &str)]) -> bool {
        let selector = Selector::parse(selector).unwrap();
        selector.takes(|name| {
            let found = labels.iter().find(|(label, _)| *label == name);
            found.map(|(_, value)| *value)
        })
    }

    #[test]
    fn labels_choose_series_as_in_prometheus() {
        let labels = [("path", "/api/1"), ("status", "500"), ("text", "a\"}/b")];
        for (selector, expected) in [
            ("x", true),
            ("x{}", true),
            ("x{status=\"500\"}", true),
            ("x {status = \"500\", path=\"/api/1\",}", true),
            ("x{status=\"50\"}", false),
            ("x{status!=\"500\"}", false),
            ("x{status!=\"200\"}", true),
            ("x{status=~\"5..\"}", true),
            ("x{status=~\"5\"}", false),
            ("x{path!~\"/api/.*\"}", false),
            ("x{zone=\"\"}", true),
            ("x{text=\"a\\\"}/b\"}", true),
        ] {
            assert_eq!(takes(selector, &labels), expected, "{selector}");
        }
    }

    #[test]
    fn a_ratio_has_a_slash_outside_of_its_labels() {
        let metric = |text: &str| ObservedMetric::parse("a", text);
        let ratio = metric("hits{path=\"/a/b\"} / all_requests:rate").unwrap();
        assert_eq!(ratio.of.name, "hits");
        assert_eq!(ratio.to.as_ref().unwrap().name, "all_requests:rate");
        assert_eq!(ratio.to_string(), "hits{path=\"/a/b\"} / all_requests:rate");
        assert!(metric("hits{path=\"/a\"}").unwrap().to.is_none());
        for (text, part) in [
            ("", "is missing"),
            ("a /", "is missing"),
            ("a / b / c", "`b / c` is not the name"),
            ("rate(a[5m])", "`rate(a[5m])` is not the name"),
            ("5xx", "`5xx`"),
            ("a{", "no `}`"),
            ("a{b}", "`b=\"value\"`"),
            ("a{b=c}", "in quotes"),
            ("a{b=\"c}", "no `\"`"),
            ("a{b=\"c\"} 5", "`5` after"),
            ("a{b=~\"(\"}", "unclosed group"),
            ("a{2=\"c\"}", "name of a label"),
        ] {
            let why = metric(text).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z{}=~!\",/\\\\é ]{0,30}") {
            if let Ok(metric) = ObservedMetric::parse("a", &text) {
                metric.of.takes(|_| None);
            }
        }
    }
}
