//! From an endpoint's `check` to conditions on the response.

use std::sync::Arc;

use serde_json::Value;

use crate::error::{Diagnostic, did_you_mean};
use crate::plan::{Check, CssSelector, Decimal, Expectation, JsonPath, Pattern, StatusRange};
use crate::scenario::keys::response::{CheckFile, ExpectationFile};
use crate::scenario::names::Names;
use crate::scenario::names::template::refuse_template;
use crate::scenario::yaml::decode::{Decode, Located, OneOrMany};
use crate::scenario::yaml::findings::{Findings, Span};
use crate::scenario::yaml::tree::{Node, NodeKind};

/// The longest `fail_with`, in characters.
const MAX_KEY: usize = 100;

/// The conditions of all `files`; what cannot be understood is reported.
pub(crate) fn checks(
    files: &OneOrMany<Located<CheckFile>>,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Vec<Check> {
    let mut checks = Vec::new();
    for file in &files.0 {
        let mut own = conditions(file, findings);
        for text in file.that.get().map_or(&[][..], |texts| &texts.0) {
            own.extend(names.condition(text, findings).map(Check::That));
        }
        for text in file.js.get().map_or(&[][..], |texts| &texts.0) {
            own.extend(names.script_call(text, findings).map(Check::That));
        }
        if let Some(not) = file.not.get() {
            let inner = &not.0;
            for (key, of) in [
                ("not", inner.not.key()),
                ("fail_with", inner.fail_with.key()),
                ("that", inner.that.key()),
                ("js", inner.js.key()),
            ] {
                if of.is_some() {
                    let diagnostic =
                        Diagnostic::new(format!("`{key}` cannot be used within `not`"))
                            .help("write it next to the `not`");
                    findings.report(of, diagnostic);
                }
            }
            let unwanted = conditions(inner, findings).into_iter();
            own.extend(unwanted.map(|check| Check::Not(Box::new(check))));
        }
        match fail_with(file, own.is_empty(), findings) {
            None => checks.extend(own),
            Some(key) => checks.extend(own.into_iter().map(|check| Check::FailWith {
                key: key.clone(),
                check: Box::new(check),
            })),
        }
    }
    checks
}

/// What a failure is called, on one line and at most 100 characters long.
fn fail_with(file: &CheckFile, is_alone: bool, findings: &mut Findings) -> Option<Arc<str>> {
    let text = file.fail_with.get()?;
    let mut report = |message: &str, help: &str| {
        findings.report(Some(text.at), Diagnostic::new(message).help(help));
    };
    if is_alone {
        report(
            "`fail_with` has no condition",
            "add a condition that a good response meets, such as `status: 200`",
        );
    } else if text.value.contains("{{") {
        report(
            "templates cannot be used here",
            "failures are grouped by this text, so it must be constant",
        );
    } else if text.value.trim().is_empty() || text.value.chars().count() > MAX_KEY {
        report(
            "`fail_with` must be 1 to 100 characters long",
            "describe the failure in a few words",
        );
    }
    Some(text.value.trim().into())
}

/// The conditions of one mapping, but for those within `not`.
fn conditions(file: &CheckFile, findings: &mut Findings) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(codes) = file.status.get() {
        if codes.0.is_empty() {
            let diagnostic = Diagnostic::new("`status` is empty").help("add at least one code");
            findings.report(Some(codes.at), diagnostic);
        }
        let mut ranges = Vec::new();
        for code in &codes.0 {
            match status(code) {
                Ok(range) => ranges.push(range),
                Err(message) => findings.report(Some(code.at), Diagnostic::new(message)),
            }
        }
        checks.push(Check::Status(ranges));
    }
    let longest = file.max_duration.copied().map(|limit| limit.0);
    checks.extend(longest.map(Check::MaxDuration));
    checks.extend(file.min_size.copied().map(|size| Check::MinSize(size.0)));
    checks.extend(file.max_size.copied().map(|size| Check::MaxSize(size.0)));
    for (key, expectation) in file.headers.get().map_or(&[][..], |pairs| &pairs.0) {
        let name = key.text.to_ascii_lowercase();
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            let diagnostic = Diagnostic::new(format!("`{}` is not a valid header name", key.text));
            findings.report(Some(key.at), diagnostic);
        }
        checks.push(Check::Header {
            name,
            expect: in_text(expect(&expectation.value, findings)),
        });
    }
    if let Some(expectation) = file.url.get() {
        checks.push(Check::Url(in_text(expect(expectation, findings))));
    }
    for text in file.body_contains.get().map_or(&[][..], |texts| &texts.0) {
        no_template(text, findings);
        checks.push(Check::BodyContains(text.value.clone()));
    }
    for text in file.body_matches.get().map_or(&[][..], |texts| &texts.0) {
        checks.extend(pattern(&text.value, text.at, findings).map(Check::BodyMatches));
    }
    for (key, expectation) in file.json.get().map_or(&[][..], |pairs| &pairs.0) {
        let expect = expect(&expectation.value, findings);
        let path = json_path(&key.text, key.at, findings);
        checks.extend(path.map(|path| Check::Json { path, expect }));
    }
    for (key, expectation) in file.css.get().map_or(&[][..], |pairs| &pairs.0) {
        let expect = in_text(expect(&expectation.value, findings));
        let selector = css_selector(&key.text, key.at, findings);
        checks.extend(selector.map(|selector| Check::Css { selector, expect }));
    }
    checks
}

/// A JSONPath; what is wrong with it is reported.
pub(crate) fn json_path(text: &str, at: Span, findings: &mut Findings) -> Option<JsonPath> {
    match JsonPath::parse(text) {
        Ok(path) => {
            if let Some(number) = inexact_number(text) {
                let diagnostic = Diagnostic::new(format!(
                    "filters of JSONPaths compare numbers with 53 bits, too few for `{number}`"
                ))
                .help("extract the values, and compare them with `that` or in an `if`, which are exact");
                findings.report(Some(at), diagnostic);
            }
            Some(path)
        }
        Err(error) => {
            findings.report(
                Some(at),
                Diagnostic::new(format!("invalid JSONPath: {error}"))
                    .help("write it like `\"$.items[0].id\": exists`, in quotes"),
            );
            None
        }
    }
}

/// A CSS selector; what is wrong with it is reported.
pub(crate) fn css_selector(text: &str, at: Span, findings: &mut Findings) -> Option<CssSelector> {
    match CssSelector::new(text) {
        Ok(selector) => Some(selector),
        Err(why) => {
            findings.report(
                Some(at),
                Diagnostic::new(format!("invalid CSS selector: {why}")).help(
                    "write it like `\"input[name=csrf]\"` or `\"table.items td:nth-child(2) > a\"`",
                ),
            );
            None
        }
    }
}

/// An integer in a filter that a 64-bit float cannot hold.
fn inexact_number(path: &str) -> Option<&str> {
    let filter = &path[path.find("[?")?..];
    let mut outside = filter.split(['"', '\'']).step_by(2);
    outside.find_map(|text| {
        let mut words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
        words.find(|word| {
            let number = word.parse::<u128>().ok();
            number.is_some_and(|number| number as f64 as u128 != number)
        })
    })
}

/// A regular expression; what is wrong with it is reported.
pub(crate) fn pattern(text: &str, at: Span, findings: &mut Findings) -> Option<Pattern> {
    match Pattern::new(text) {
        Ok(pattern) => Some(pattern),
        Err(why) => {
            findings.report(
                Some(at),
                Diagnostic::new(format!("invalid regular expression: {why}"))
                    .help("in YAML, put it in single quotes, which keep `\\` as it is"),
            );
            None
        }
    }
}

fn status(text: &str) -> Result<StatusRange, String> {
    let code = |text: &str| {
        text.trim()
            .parse::<u16>()
            .ok()
            .filter(|code| (100..=999).contains(code))
    };
    let class = |text: &str| {
        let digit = text
            .strip_suffix("xx")
            .or_else(|| text.strip_suffix("XX"))?;
        let low = digit
            .parse::<u16>()
            .ok()
            .filter(|digit| (1..=9).contains(digit))?
            * 100;
        Some((low, low + 99))
    };
    let range = match text.split_once('-') {
        Some((low, high)) => code(low).zip(code(high)),
        None => code(text).map(|code| (code, code)).or_else(|| class(text)),
    };
    match range {
        Some((low, high)) if low <= high => Ok(StatusRange { low, high }),
        _ => Err(format!(
            "`{text}` is not a status: write a code (`200`), a range (`200-299`) or a class (`2xx`), from 100 to 999"
        )),
    }
}

fn no_template(text: &Located<String>, findings: &mut Findings) {
    refuse_template(&text.value, text.at, COMPARED, findings);
}

/// What a text is that is compared with a response.
const COMPARED: &str =
    "the text is taken as written; to compare with a value of the user, use `that`";

/// Reports the templates in the texts of a value.
pub(crate) fn no_template_within(node: &Node, help: &str, findings: &mut Findings) {
    match &node.kind {
        NodeKind::Null => {}
        NodeKind::Scalar { text, .. } => refuse_template(text, node.at, help, findings),
        NodeKind::List(items) => {
            for item in items {
                no_template_within(item, help, findings);
            }
        }
        NodeKind::Map(entries) => {
            for (_, value) in entries {
                no_template_within(value, help, findings);
            }
        }
    }
}

fn expect(node: &Node, findings: &mut Findings) -> Expectation {
    match &node.kind {
        NodeKind::Scalar { text, .. } if text == "exists" => Expectation::Exists,
        NodeKind::Scalar { text, .. } if text == "absent" => Expectation::Absent,
        NodeKind::Scalar { text, .. } if text.contains("{{") => {
            no_template(
                &Located {
                    value: text.clone(),
                    at: node.at,
                },
                findings,
            );
            Expectation::Exists
        }
        NodeKind::Map(entries) if entries.iter().any(|(key, _)| is_operator(&key.text)) => {
            operators(node, findings)
        }
        NodeKind::Map(entries) => {
            // Any other mapping is a value; a slip of the pen is more likely.
            if let [(key, _)] = entries.as_slice()
                && let Some(close) = did_you_mean(&key.text, OPERATORS)
            {
                let diagnostic = Diagnostic::new(format!("unknown key `{}`", key.text))
                    .label(format!("did you mean `{close}`?"))
                    .help("to expect a mapping, write `{equals: {...}}`");
                findings.report(Some(key.at), diagnostic);
            }
            no_template_within(node, COMPARED, findings);
            Expectation::Equals(node.to_json())
        }
        NodeKind::List(_) => {
            no_template_within(node, COMPARED, findings);
            Expectation::Equals(node.to_json())
        }
        _ => Expectation::Equals(node.to_json()),
    }
}

/// What a value can be asked for beside standing there.
const OPERATORS: [&str; 7] = [
    "equals", "contains", "matches", "above", "below", "at_least", "at_most",
];

fn is_operator(key: &str) -> bool {
    OPERATORS.contains(&key)
}

fn operators(node: &Node, findings: &mut Findings) -> Expectation {
    let file = ExpectationFile::decode(node, findings).unwrap_or_default();
    if let Some(text) = file.contains.get() {
        no_template(text, findings);
    }
    if let Some(value) = file.equals.get() {
        no_template_within(&value.value, COMPARED, findings);
    }
    let mut all = Vec::new();
    all.extend(
        file.equals
            .get()
            .map(|value| Expectation::Equals(value.to_json())),
    );
    all.extend(
        file.contains
            .get()
            .map(|text| Expectation::Contains(text.value.clone())),
    );
    if let Some(text) = file.matches.get() {
        all.extend(pattern(&text.value, text.at, findings).map(Expectation::Matches));
    }
    for (bound, expectation) in [
        (
            &file.above,
            Expectation::Above as fn(Decimal) -> Expectation,
        ),
        (&file.below, Expectation::Below),
        (&file.at_least, Expectation::AtLeast),
        (&file.at_most, Expectation::AtMost),
    ] {
        all.extend(bound.get().map(|bound| expectation(bound.value.clone())));
    }
    match all.len() {
        1 => all.remove(0),
        _ => Expectation::All(all),
    }
}

/// As the value of a header, which is always text.
fn in_text(expect: Expectation) -> Expectation {
    match expect {
        Expectation::Equals(Value::String(text)) => Expectation::Equals(text.into()),
        Expectation::Equals(value) => Expectation::Equals(value.to_string().into()),
        Expectation::All(all) => Expectation::All(all.into_iter().map(in_text).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_filters_cannot_compare_are_found() {
        for (path, number) in [
            ("$.a[?@.id == 9007199254740993].b", Some("9007199254740993")),
            ("$.a[?@.id == 9007199254740992].b", None),
            ("$.a[?@.id == '9007199254740993'].b", None),
            ("$.a[?@.x9007199254740993 > 1.5]", None),
            ("$.a9007199254740993", None),
        ] {
            assert_eq!(inexact_number(path), number, "{path}");
        }
    }

    #[test]
    fn codes_ranges_and_classes() {
        for (text, low, high) in [
            ("200", 200, 200),
            ("200-299", 200, 299),
            ("4xx", 400, 499),
            ("100 - 999", 100, 999),
            ("6xx", 600, 699),
        ] {
            assert_eq!(status(text), Ok(StatusRange { low, high }), "{text}");
        }
        for bad in [
            "", "99", "1000", "0xx", "10xx", "xx", "2x", "299-200", "200-", "ok", "-200",
        ] {
            assert!(status(bad).is_err(), "{bad}");
        }
    }
}
