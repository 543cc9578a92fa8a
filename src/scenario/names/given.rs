//! Variables that the command line gives other values.
//!
//! Here: what such a value is. Not here: what templates in it mean (`template`).

use std::collections::BTreeMap;

use super::Names;
use crate::error::{Diagnostic, did_you_mean};
use crate::plan::{Template, is_secret_header};
use crate::scenario::yaml::decode::{Located, Scalar, list};
use crate::scenario::yaml::findings::{Findings, Span};
use crate::scenario::yaml::tree::{self, NodeKind};

impl Names<'_> {
    /// The value of a variable from the command line, as if it stood in the scenario.
    pub fn given_template(&self, name: &str, text: &str, findings: &mut Findings) -> Template {
        let file = findings.add_file("--var", format!("{name}={text}"));
        let is_secret = is_secret_header(&name.to_ascii_lowercase());
        if is_secret {
            findings.hide_literal(text);
        }
        let at = Span {
            file,
            line: 1,
            column: name.chars().count() + 2,
            length: text.chars().count().max(1),
        };
        let value = Located {
            value: scalar(text),
            at,
        };
        let template = self.value_template(&value, findings);
        if !is_secret {
            return template;
        }
        if let Some(text) = template.as_constant() {
            self.taken.borrow_mut().insert(text.to_owned());
        }
        template.shown_as("***")
    }
}

/// The names of variables that are given a value, but are none of the scenario.
pub(crate) fn check(
    given: &BTreeMap<String, String>,
    known: &[(String, Template)],
    findings: &mut Findings,
) {
    let names = || known.iter().map(|(name, _)| name.as_str());
    for name in given.keys() {
        if names().any(|known| known == name) {
            continue;
        }
        let mut message = format!("`--var`: the scenario has no variable `{name}`");
        if let Some(close) = did_you_mean(name, names()) {
            message += &format!(": did you mean `{close}`?");
        }
        let help = match known.is_empty() {
            true => format!("define it in the scenario: `variables: {{{name}: ...}}`"),
            false => format!("variables: {}", list(names())),
        };
        findings.report(None, Diagnostic::new(message).help(help));
    }
}

/// What YAML makes of a value: a number, a boolean, or text, which may stand in quotes. Text that would be
/// something else in YAML, such as a comment or a list, stays as it is.
fn scalar(text: &str) -> Scalar {
    let as_written = || Scalar {
        text: text.to_owned(),
        json: text.into(),
    };
    let mut unused = Findings::default();
    let file = unused.add_file("", text.to_owned());
    let node = tree::parse(file, &mut unused);
    let is_quoted = text.starts_with(['"', '\'']);
    match node.map(|node| node.kind) {
        Some(NodeKind::Scalar { text: plain, json })
            if unused.len() == 0 && (is_quoted || (plain == text && !json.is_string())) =>
        {
            Scalar { text: plain, json }
        }
        _ => as_written(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_has_the_type_that_yaml_gives_it() {
        for (text, expected) in [
            ("3", json!(3)),
            ("-2.5", json!(-2.5)),
            ("true", json!(true)),
            ("\"3\"", json!("3")),
            ("'a b'", json!("a b")),
            ("01234", json!("01234")),
            ("tea", json!("tea")),
            ("", json!("")),
            ("a: b", json!("a: b")),
            ("a # b", json!("a # b")),
            ("[1, 2]", json!("[1, 2]")),
            ("*x", json!("*x")),
            ("null", json!("null")),
            ("'open", json!("'open")),
            ("a\nb", json!("a\nb")),
        ] {
            assert_eq!(scalar(text).json, expected, "{text}");
        }
    }
}
