//! The parts of queries in PromQL: texts in quotes, numbers, series and times.
//!
//! Not here: which queries there are.

use std::fmt::Write as _;
use std::time::Duration;

use crate::units;

/// A text in quotes. What does not print is escaped, and so is what Grafana would take for a variable.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_variable = c == '$' || c == '[' && chars.peek() == Some(&'[');
        // Writing to a text cannot fail.
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            c if is_variable => write!(quoted, "\\x{:02x}", u32::from(c)),
            c => write!(quoted, "{}", printed(c)),
        };
    }
    quoted.push('"');
    quoted
}

/// A character, or its escape in PromQL and YAML if it does not print.
pub(super) fn printed(c: char) -> String {
    let code = u32::from(c);
    match c {
        c if c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric() => c.to_string(),
        _ if code > 0xffff => format!("\\U{code:08x}"),
        _ => format!("\\u{code:04x}"),
    }
}

/// Matchers as a scenario or a user wrote them, with the texts in their quotes as PromQL wants them: there, a backslash
/// before any other character than some is an error.
pub(super) fn rewritten(matchers: &str) -> String {
    let mut out = String::new();
    let mut rest = matchers;
    while let Some(start) = rest.find('"') {
        out += &rest[..start];
        match crate::plan::unquoted(&rest[start + 1..]) {
            Some((text, length)) => {
                out += &quoted(&text);
                rest = &rest[start + 1 + length..];
            }
            None => return out + &rest[start..],
        }
    }
    out + rest
}

/// `name{matcher,matcher}`; those that are empty are left out.
pub(super) fn series(name: &str, matchers: &[&str]) -> String {
    let given: Vec<&str> = matchers
        .iter()
        .copied()
        .filter(|one| !one.is_empty())
        .collect();
    match given.is_empty() {
        true => name.to_owned(),
        false => format!("{name}{{{}}}", given.join(",")),
    }
}

/// A number without the noise of binary fractions, such as 0.001 for 1 - 0.999.
pub(super) fn number(value: f64) -> f64 {
    const DIGITS: f64 = 1e12;
    match value.abs() < 1e3 {
        true => (value * DIGITS).round() / DIGITS,
        false => value,
    }
}

/// A time as Prometheus writes it: `5m`, `1h30m`.
pub(super) fn time(seconds: u64) -> String {
    units::format_duration(Duration::from_secs(seconds)).replace(' ', "")
}

/// A regular expression that is true for exactly these texts.
pub(super) fn any_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<String> = texts.into_iter().map(regex::escape).collect();
    texts.join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_for_prometheus_and_grafana() {
        for (text, expected) in [
            ("list invoices", r#""list invoices""#),
            (r#"a"b\c"#, r#""a\"b\\c""#),
            ("[^/]*", r#""[^/]*""#),
            ("$run [[run]] {{x}}", r#""\x24run \x5b[run]] {{x}}""#),
            ("a\nb\u{202e}\u{e0001}é", "\"a\\u000ab\\u202e\\U000e0001é\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn matchers_keep_their_meaning() {
        assert_eq!(
            rewritten(r#"{path=~"/a/\d+", b="x\"}\n"}"#),
            r#"{path=~"/a/\\d+", b="x\"}\u000a"}"#
        );
        assert_eq!(rewritten("{}"), "{}");
    }

    #[test]
    fn numbers_and_times() {
        assert_eq!(number(1.0 - 0.999).to_string(), "0.001");
        assert_eq!(number(14.4 * 0.01).to_string(), "0.144");
        assert_eq!(number(0.0).to_string(), "0");
        assert_eq!([time(30), time(300), time(5400)], ["30s", "5m", "1h30m"]);
    }
}
