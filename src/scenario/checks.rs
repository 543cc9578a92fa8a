//! From an endpoint's `check` to conditions on the response.

use serde_json_path::JsonPath;

use super::decode::At;
use super::file::CheckFile;
use super::findings::Findings;
use super::tree::{Kind, Node};
use crate::error::Diagnostic;
use crate::plan::{Check, JsonExpectation, StatusRange};

/// The conditions of `file`; what cannot be understood is reported.
pub(super) fn checks(file: &CheckFile, findings: &mut Findings) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(codes) = file.status.get() {
        if codes.0.is_empty() {
            let diagnostic = Diagnostic::new("no status can pass").help("give at least one code");
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
    checks.extend(file.max_duration.copied().map(Check::MaxDuration));
    for text in file.body_contains.get().map_or(&[][..], |texts| &texts.0) {
        no_template(text, findings);
        checks.push(Check::BodyContains(text.value.clone()));
    }
    for (key, expectation) in file.json.get().map_or(&[][..], |pairs| &pairs.0) {
        match JsonPath::parse(&key.text) {
            Ok(path) => checks.push(Check::Json {
                path,
                expect: expect(&expectation.value, findings),
            }),
            Err(error) => findings.report(
                Some(key.at),
                Diagnostic::new(format!("not a JSONPath: {error}"))
                    .help("write it like `\"$.items[0].id\": exists`, in quotes"),
            ),
        }
    }
    checks
}

fn status(text: &str) -> Result<StatusRange, String> {
    let code = |text: &str| {
        text.trim()
            .parse::<u16>()
            .ok()
            .filter(|code| (100..=599).contains(code))
    };
    let class = |text: &str| {
        let digit = text
            .strip_suffix("xx")
            .or_else(|| text.strip_suffix("XX"))?;
        let low = digit
            .parse::<u16>()
            .ok()
            .filter(|digit| (1..=5).contains(digit))?
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
            "`{text}` is not a status: write a code (`200`), a range (`200-299`) or a class (`2xx`), from 100 to 599"
        )),
    }
}

fn no_template(text: &At<String>, findings: &mut Findings) {
    if text.value.contains("{{") {
        let diagnostic = Diagnostic::new("templates are not filled in here")
            .help("a check compares with what is written");
        findings.report(Some(findings.inside(text.at, "{{")), diagnostic);
    }
}

fn expect(node: &Node, findings: &mut Findings) -> JsonExpectation {
    match &node.kind {
        Kind::Scalar { text, .. } if text == "exists" => JsonExpectation::Exists,
        Kind::Scalar { text, .. } if text == "absent" => JsonExpectation::Absent,
        Kind::Scalar { text, .. } if text.contains("{{") => {
            no_template(
                &At {
                    value: text.clone(),
                    at: node.at,
                },
                findings,
            );
            JsonExpectation::Exists
        }
        _ => JsonExpectation::Equals(json(node)),
    }
}

fn json(node: &Node) -> serde_json::Value {
    match &node.kind {
        Kind::Null => serde_json::Value::Null,
        Kind::Scalar { json, .. } => json.clone(),
        Kind::List(items) => items.iter().map(json).collect(),
        Kind::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| (key.text.clone(), json(value)));
            serde_json::Value::Object(entries.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ranges_and_classes() {
        for (text, low, high) in [
            ("200", 200, 200),
            ("200-299", 200, 299),
            ("4xx", 400, 499),
            ("100 - 599", 100, 599),
        ] {
            assert_eq!(status(text), Ok(StatusRange { low, high }), "{text}");
        }
        for bad in [
            "", "99", "600", "0xx", "6xx", "xx", "2x", "299-200", "200-", "ok", "-200",
        ] {
            assert!(status(bad).is_err(), "{bad}");
        }
    }
}
