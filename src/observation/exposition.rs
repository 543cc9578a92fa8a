//! Pages in the text format of Prometheus (0.0.4) and in that of OpenMetrics (1.0), line by line.
//!
//! Not here: what the lines mean together (`page`).

use crate::plan::unquoted;

/// What a metric is, as a page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricKind {
    Counter,
    Gauge,
    Histogram,
    Summary,
    Unknown,
}

/// A line that matters.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// The kind of the metric with this name.
    Kind(&'a str, MetricKind),
    /// A value.
    Sample(Sample<'a>),
}

/// A value of a series.
#[derive(Debug, PartialEq)]
pub(super) struct Sample<'a> {
    pub(super) name: &'a str,
    pub(super) labels: Vec<(&'a str, String)>,
    pub(super) value: f64,
}

/// Hands each line of a page that matters to `each`. Of values, only those `wanted` by their names are read to
/// the end.
///
/// # Errors
/// Why it is no such page, for people.
pub(super) fn read<'a>(
    text: &'a str,
    wanted: impl Fn(&str) -> bool,
    mut each: impl FnMut(Line<'a>),
) -> Result<(), String> {
    let mut has_metrics = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            if let Some((name, kind)) = kind_of(comment) {
                has_metrics = true;
                each(Line::Kind(name, kind));
            }
            continue;
        }
        // Names in quotes have characters that no name here can have.
        if line.is_empty() || line.starts_with("{\"") {
            continue;
        }
        let wrong = |why: &str| format!("line {} {why}", number + 1);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let (name, rest) = line.split_at(line.find(|c| !is_name(c)).unwrap_or(line.len()));
        let is_separated = rest.starts_with(|c: char| c == '{' || c.is_whitespace());
        if name.is_empty() || !is_separated {
            return Err(wrong("is not in the format of Prometheus"));
        }
        has_metrics = true;
        if !wanted(name) {
            continue;
        }
        let (labels, rest) = match rest.trim_start().strip_prefix('{') {
            None => (Vec::new(), rest),
            Some(rest) => labels(rest).ok_or_else(|| wrong("has labels that cannot be read"))?,
        };
        // A timestamp and an exemplar may follow.
        let value = rest.split_whitespace().next().unwrap_or_default();
        let value = value
            .parse()
            .map_err(|_| wrong(&format!("has no number after `{name}`")))?;
        each(Line::Sample(Sample {
            name,
            labels,
            value,
        }));
    }
    match has_metrics {
        true => Ok(()),
        false => Err("there are no metrics on the page".to_owned()),
    }
}

/// `TYPE name kind`, after the `#`.
fn kind_of(comment: &str) -> Option<(&str, MetricKind)> {
    let mut words = comment.split_whitespace();
    let (keyword, name, kind) = (words.next()?, words.next()?, words.next()?);
    let kind = match kind {
        "counter" => MetricKind::Counter,
        "gauge" => MetricKind::Gauge,
        "histogram" => MetricKind::Histogram,
        "summary" => MetricKind::Summary,
        _ => MetricKind::Unknown,
    };
    (keyword == "TYPE").then_some((name, kind))
}

/// The labels after the opening brace, and what follows the closing one.
#[allow(clippy::type_complexity)]
fn labels(text: &str) -> Option<(Vec<(&str, String)>, &str)> {
    let mut labels = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (label, after) = rest.split_once('=')?;
        let quoted = after.trim_start().strip_prefix('"')?;
        let (value, length) = unquoted(quoted)?;
        labels.push((label.trim(), value));
        rest = quoted[length..].trim_start();
        rest = match rest.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if rest.starts_with('}') => rest,
            None => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Result<Vec<Line<'_>>, String> {
        let mut lines = Vec::new();
        read(text, |_| true, |line| lines.push(line)).map(|()| lines)
    }

    fn sample<'a>(name: &'a str, labels: &[(&'a str, &str)], value: f64) -> Line<'a> {
        let labels = labels.iter();
        Line::Sample(Sample {
            name,
            labels: labels
                .map(|(label, value)| (*label, (*value).to_owned()))
                .collect(),
            value,
        })
    }

    #[test]
    fn both_formats_are_read_to_the_end() {
        let page = "# HELP a b \"c\"\n# TYPE a counter\n\
            a_total{x=\"1\",y=\"q\\\"}\\n\\\\\",} 5 1395066363000\n\
            a_total 1e3 # {trace_id=\"x\"} 0.5\n\
            \t b {  } -Inf\r\n\
            b{x = \"é\"} +Inf\n\
            {\"a.b\", x=\"1\"} 4\n\
            # UNIT a seconds\n# EOF\n";
        assert_eq!(
            all(page),
            Ok(vec![
                Line::Kind("a", MetricKind::Counter),
                sample("a_total", &[("x", "1"), ("y", "q\"}\n\\")], 5.0),
                sample("a_total", &[], 1000.0),
                sample("b", &[], f64::NEG_INFINITY),
                sample("b", &[("x", "é")], f64::INFINITY),
            ])
        );
    }

    #[test]
    fn pages_of_real_exporters_are_read() {
        let nginx = include_str!("../../tests/formats/exporters/nginx.txt");
        let node = include_str!("../../tests/formats/exporters/node.txt");
        for (page, known, value) in [
            (nginx, "nginx_http_requests_total", 79_243.0),
            (node, "node_load1", 1.71),
        ] {
            let lines = all(page).unwrap();
            let is_sample = |line: &&str| !line.starts_with('#');
            let count = |wanted: fn(&Line<'_>) -> bool| {
                let found = lines.iter().filter(|line| wanted(line));
                found.count()
            };
            let samples = count(|line| matches!(line, Line::Sample(_)));
            assert_eq!(samples, page.lines().filter(is_sample).count());
            let kinds = page.lines().filter(|line| line.starts_with("# TYPE"));
            assert_eq!(count(|line| matches!(line, Line::Kind(..))), kinds.count());
            assert!(lines.contains(&sample(known, &[], value)), "{known}");
        }
    }

    #[test]
    fn what_is_no_such_page_says_so() {
        for (text, why) in [
            ("", "there are no metrics on the page"),
            ("{\"status\": \"ok\"}", "there are no metrics on the page"),
            (
                "<!DOCTYPE html>\n<html>",
                "line 1 is not in the format of Prometheus",
            ),
            ("a 1\nNot Found", "line 2 has no number after `Not`"),
            ("a", "line 1 is not in the format of Prometheus"),
            ("a{x=\"1} 5", "line 1 has labels that cannot be read"),
            (
                "a{x=\"1\" y=\"2\"} 5",
                "line 1 has labels that cannot be read",
            ),
            ("a{x=\"1\"}", "line 1 has no number after `a`"),
        ] {
            assert_eq!(all(text), Err(why.to_owned()), "{text}");
        }
        // Nobody asked for it.
        assert_eq!(read("a{x} y", |_| false, |_| ()), Ok(()));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([a-z#{}=\",\\\\ 0-9é\n]|# TYPE ){0,60}") {
            let _ = all(&text);
        }
    }
}
