//! Parses `{{ ... }}` in a scenario's text.
//!
//! Here: which text is an expression, and the plain ones. Not here: what names mean
//! (`names`), longer expressions (`plan::Expression`), or rendering, which the engine does
//! (`plan::Template`).
//!
//! Plain is a variable, `data.column`, `env.NAME`, `user_id`, `iteration`, `random_int(1, 6)`,
//! `random_choice(a, b, 'c, d')`, `uuid`, `timestamp`, `timestamp_ms`, `counter(name)`, or quoted
//! text: `{{ '{{' }}` is how a literal `{{` is written.

use std::sync::Arc;

use serde_json::Value;

use super::syntax::{call, choice, end_of_expression, is_value, is_word, unquote};
use super::{BUILT_IN, NameValue, Names};
use crate::error::Diagnostic;
use crate::plan::{Condition, Escape, Expression, Input, Slot, Template, TemplatePart};
use crate::scenario::yaml::decode::{Located, Scalar};
use crate::scenario::yaml::findings::{Findings, Span};

/// The words of the language of expressions that are values.
const CONSTANTS: [&str; 6] = ["true", "false", "none", "True", "False", "None"];

/// What a text with templates consists of.
pub enum Piece<'t> {
    /// Text as the author wrote it.
    Written(&'t str),
    /// Quoted text within braces.
    Quoted(String),
    /// A value that is known now.
    Known(Value),
    /// A value that is filled in for each request.
    Slot(Slot),
}

/// A value as it stands in a text.
pub(super) fn as_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        value => value.to_string(),
    }
}

/// Pieces as the parts of a template.
pub fn as_parts(pieces: Vec<Piece<'_>>, escape: Escape) -> Vec<TemplatePart> {
    let mut parts = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Written(text) => push_text(text, escape, &mut parts),
            Piece::Quoted(text) => push_text(&text, escape, &mut parts),
            Piece::Known(value) => push_text(&as_text(value), escape, &mut parts),
            Piece::Slot(slot) => parts.push(TemplatePart::Slot { slot, escape }),
        }
    }
    parts
}

/// Reports a text with a template where nothing is filled in.
pub fn refuse_template(text: &str, at: Span, help: &str, findings: &mut Findings) {
    if text.contains("{{") {
        let diagnostic = Diagnostic::new("templates cannot be used here").help(help);
        findings.report(Some(findings.inside(at, "{{")), diagnostic);
    }
}

impl Names<'_> {
    /// The template of a text of the scenario; problems are reported, and yield what could be
    /// understood.
    pub fn template(
        &self,
        text: &Located<String>,
        escape: Escape,
        findings: &mut Findings,
    ) -> Template {
        let parts = self.parts(&text.value, text.at, escape, findings);
        Template::new(text.value.as_str(), parts)
    }

    /// The template of a value, which keeps its type where it is nothing but one template, or written as
    /// a number or a boolean.
    pub fn value_template(&self, value: &Located<Scalar>, findings: &mut Findings) -> Template {
        let Scalar { text, json } = &value.value;
        let written = json.to_string();
        if !json.is_string() && written == *text {
            return Template::known(text.as_str(), json.clone());
        }
        let mut pieces = self.pieces(text, value.at, findings);
        match pieces.as_mut_slice() {
            [Piece::Known(known)] => Template::known(text.as_str(), known.take()),
            _ => {
                let parts = as_parts(pieces, Escape::None);
                Template::new(text.as_str(), parts)
            }
        }
    }

    /// The parts of `text`, whose place is `at`.
    pub fn parts(
        &self,
        text: &str,
        at: Span,
        escape: Escape,
        findings: &mut Findings,
    ) -> Vec<TemplatePart> {
        as_parts(self.pieces(text, at, findings), escape)
    }

    /// What `text`, whose place is `at`, consists of; problems are reported.
    pub fn pieces<'t>(&self, text: &'t str, at: Span, findings: &mut Findings) -> Vec<Piece<'t>> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("{{") {
            if start > 0 {
                pieces.push(Piece::Written(&rest[..start]));
            }
            let Some(end) = end_of_expression(&rest[start..]) else {
                findings.report(
                    Some(findings.inside(at, "{{")),
                    Diagnostic::new("`{{` without `}}`")
                        .help("write `{{ '{{' }}` for literal braces"),
                );
                return pieces;
            };
            let written = &rest[start..start + end];
            let inside = written[2..written.len() - 2].trim();
            match (unquote(inside), self.expression(inside)) {
                (Some(quoted), _) => pieces.push(Piece::Quoted(quoted.to_owned())),
                (None, Ok(NameValue::Known(value))) => pieces.push(Piece::Known(value)),
                (None, Ok(NameValue::Slot(slot))) => {
                    self.note_slot(&slot, || findings.inside(at, written));
                    pieces.push(Piece::Slot(slot));
                }
                (None, Err(diagnostic)) => {
                    findings.report(Some(findings.inside(at, written)), diagnostic);
                }
            }
            rest = &rest[start + end..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Written(rest));
        }
        pieces
    }

    /// A condition: an expression, with or without braces around it, which can also ask for the
    /// `status` of the last response. Problems are reported.
    pub fn condition(&self, text: &Located<String>, findings: &mut Findings) -> Option<Condition> {
        let source = text.value.trim();
        let bare = source
            .strip_prefix("{{")
            .and_then(|rest| rest.strip_suffix("}}"));
        let source = bare.unwrap_or(source).trim();
        let resolve = |path: &str| match path {
            "status" if self.value("status").is_none() => {
                Ok((("status".to_owned(), None), Input::Status))
            }
            path => self.input_of(source, path),
        };
        match Expression::compile::<Diagnostic>(source, resolve) {
            Ok(expression) => {
                let condition = Condition::new(expression);
                self.log
                    .note_place(condition.shared_source(), findings.inside(text.at, source));
                Some(condition)
            }
            Err(diagnostic) => {
                findings.report(Some(findings.inside(text.at, source)), diagnostic);
                None
            }
        }
    }

    fn expression(&self, text: &str) -> Result<NameValue, Diagnostic> {
        if let Some(name) = text.strip_prefix("env.")
            && is_word(name)
        {
            let value = self.environment(name)?;
            return Ok(NameValue::Known(value.into()));
        }
        if let Some(value) = self.value(text) {
            return value;
        }
        let plain = match call(text) {
            Some((name, arguments)) => self.plain(name, &arguments)?,
            None => None,
        };
        match plain {
            Some(slot) => Ok(NameValue::Slot(slot)),
            None if is_word(text) && !text.contains('.') && !CONSTANTS.contains(&text) => {
                Err(self.unknown(text))
            }
            None => {
                let resolve = |path: &str| self.input_of(text, path);
                let expression = Expression::compile::<Diagnostic>(text, resolve)?;
                Ok(match expression.fixed() {
                    Some(value) => NameValue::Known(value),
                    None => NameValue::Slot(Slot::Expression(Arc::new(expression))),
                })
            }
        }
    }

    /// The slot of a plain call; `None` where it is not plain.
    fn plain(&self, name: &str, arguments: &[&str]) -> Result<Option<Slot>, Diagnostic> {
        let slot = match (name, arguments) {
            ("user_id", []) => Slot::UserId,
            ("iteration", []) => Slot::Iteration,
            ("uuid", []) => Slot::Uuid,
            ("timestamp" | "now", []) => Slot::Timestamp,
            ("timestamp_ms", []) => Slot::TimestampMs,
            ("counter", []) => Slot::Counter(String::new()),
            ("counter", [name]) => Slot::Counter(unquote(name).unwrap_or(name).to_owned()),
            // Arguments that are computed are for expressions.
            ("random_int", [low, high]) if [low, high].iter().all(|text| self.is_fixed(text)) => {
                random_int(low, high)?
            }
            ("random_choice", [_, ..]) if self.is_mixed(arguments) => {
                return Err(self.mixed_choices(arguments));
            }
            ("random_choice", [_, ..]) if arguments.iter().all(|text| self.is_fixed(text)) => {
                Slot::RandomChoice(arguments.iter().map(|text| choice(text)).collect())
            }
            ("random_int", [] | [_] | [_, _, _, ..]) => {
                return Err(Diagnostic::new("`random_int` takes two numbers")
                    .help("write `{{ random_int(1, 100) }}`"));
            }
            ("random_choice", []) => {
                return Err(Diagnostic::new("`random_choice` takes at least one choice")
                    .help("write `{{ random_choice(red, green, 'dark, blue') }}`"));
            }
            ("random_int" | "random_choice", _) => return Ok(None),
            (known, _) if BUILT_IN.contains(&known) => {
                return Err(Diagnostic::new(format!("`{known}` takes no arguments"))
                    .help(format!("write `{{{{ {known} }}}}`")));
            }
            _ => return Ok(None),
        };
        Ok(Some(slot))
    }

    /// Whether words that are no names are choices beside a name, or the only choice: then one of them
    /// may be a name that is misspelled.
    fn is_mixed(&self, arguments: &[&str]) -> bool {
        let is_bare = |text: &&&str| is_word(text) && !text.is_empty() && !is_value(text);
        let bare = || arguments.iter().filter(is_bare);
        let is_name = |text: &&str| self.is_path(text);
        let has_text = bare().any(|text| !is_name(text));
        has_text && (arguments.len() == 1 || bare().any(is_name))
    }

    fn mixed_choices(&self, arguments: &[&str]) -> Diagnostic {
        let is_unknown = |text: &&&str| is_word(text) && !is_value(text) && !self.is_path(text);
        let unknown = arguments
            .iter()
            .find(is_unknown)
            .copied()
            .unwrap_or_default();
        let quoted = |text: &&str| match is_word(text) && !is_value(text) {
            true => format!("'{text}'"),
            false => (*text).to_owned(),
        };
        let quoted: Vec<String> = arguments.iter().map(quoted).collect();
        let close = self.unknown(unknown).label;
        let mut diagnostic = Diagnostic::new(match arguments {
            [_] => format!("`random_choice`: there is no variable `{unknown}` to choose from"),
            _ => format!(
                "`random_choice`: `{unknown}` is no variable, but others of its choices are"
            ),
        })
        .help(format!(
            "for text, write quotes: `{{{{ random_choice({}) }}}}`",
            quoted.join(", ")
        ));
        diagnostic.label = close;
        diagnostic
    }

    /// Whether an argument is taken literally: it is quoted, or has no operator in it and is no
    /// name.
    fn is_fixed(&self, argument: &str) -> bool {
        let computes = |text: &str| text.contains(['|', '+', '*', '/', '~', '[', '{']);
        unquote(argument).is_some() || !(computes(argument) || self.is_path(argument))
    }

    /// Whether it is a name, or a variable that is looked into, such as `item.images`.
    fn is_path(&self, text: &str) -> bool {
        let variable = text.split_once('.').map_or(text, |(first, _)| first);
        self.value(text).is_some() || (is_word(text) && self.value(variable).is_some())
    }
}

fn push_text(text: &str, escape: Escape, parts: &mut Vec<TemplatePart>) {
    let mut escaped = String::new();
    escape.push(text, &mut escaped);
    if !escaped.is_empty() {
        parts.push(TemplatePart::Literal(escaped));
    }
}

fn random_int(low: &str, high: &str) -> Result<Slot, Diagnostic> {
    let number = |text: &str| {
        text.parse::<i64>().map_err(|_| {
            Diagnostic::new(format!("`random_int`: `{text}` is not a whole number"))
                .help("write `{{ random_int(1, 100) }}`")
        })
    };
    let (low, high) = (number(low)?, number(high)?);
    if low > high {
        return Err(
            Diagnostic::new(format!("`random_int({low}, {high})`: the range is empty"))
                .help(format!("write `{{{{ random_int({high}, {low}) }}}}`")),
        );
    }
    Ok(Slot::RandomInt(low, high))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::plan::Per;
    use crate::scenario::names::DataColumns;
    use proptest::prelude::*;

    fn parse(text: &str, escape: Escape) -> (Template, String) {
        let env = BTreeMap::from([("TOKEN".to_owned(), "s\"3".to_owned())]);
        let mut names = Names::new(&env);
        names.variables = vec![
            ("size".into(), Template::literal("2 0")),
            (
                "id".into(),
                Template::new(
                    "",
                    vec![TemplatePart::Slot {
                        slot: Slot::Uuid,
                        escape: Escape::None,
                    }],
                ),
            ),
        ];
        names.data.push(DataColumns {
            name: "users".into(),
            columns: vec!["id".into(), "e mail".into()],
            per: Per::Iteration,
        });
        names.declare("token");
        let mut findings = Findings::default();
        let file = findings.add_file("a.yaml", format!("key: {text}\n"));
        let at = Span {
            file,
            line: 1,
            column: 6,
            length: text.chars().count(),
        };
        let template = names.template(
            &Located {
                value: text.to_owned(),
                at,
            },
            escape,
            &mut findings,
        );
        let errors = findings
            .into_result(())
            .map_or_else(|error| error.to_string(), |()| String::new());
        (template, errors)
    }

    #[test]
    fn known_values_are_inserted_and_escaped() {
        for (text, escape, expected) in [
            ("plain", Escape::None, "plain"),
            ("?n={{ size }}", Escape::None, "?n=2 0"),
            ("{{size}}", Escape::Form, "2+0"),
            ("Bearer {{ env.TOKEN }}", Escape::None, "Bearer s\"3"),
            ("a\"{{ env.TOKEN }}", Escape::Json, "a\\\"s\\\"3"),
            ("{{ '{{' }}x{{ \"}}\" }}", Escape::None, "{{x}}"),
            ("", Escape::None, ""),
        ] {
            let (template, errors) = parse(text, escape);
            assert_eq!(errors, "");
            assert_eq!(template.as_constant(), Some(expected), "{text}");
            assert_eq!(template.source(), text);
        }
    }

    #[test]
    fn slots_are_kept_for_each_request() {
        for (text, expected) in [
            ("{{ id }}", Slot::Variable(1)),
            ("{{ token }}", Slot::Variable(2)),
            ("{{ users.e mail }}", Slot::Variable(3)),
            ("{{ counter }}", Slot::Counter("".into())),
            ("{{ counter('a') }}", Slot::Counter("a".into())),
            ("{{ user_id }}", Slot::UserId),
            ("{{ iteration }}", Slot::Iteration),
            ("{{ uuid() }}", Slot::Uuid),
            ("{{ timestamp }}", Slot::Timestamp),
            ("{{ timestamp_ms() }}", Slot::TimestampMs),
            ("{{ random_int(-1,6) }}", Slot::RandomInt(-1, 6)),
            (
                "{{ random_choice(a, b c, 'd, e', '}}') }}",
                Slot::RandomChoice(vec!["a".into(), "b c".into(), "d, e".into(), "}}".into()]),
            ),
        ] {
            let (template, errors) = parse(text, Escape::None);
            assert_eq!(errors, "");
            let [TemplatePart::Slot { slot, .. }] = template.parts() else {
                panic!("{text}")
            };
            assert_eq!(*slot, expected, "{text}");
        }
    }

    #[test]
    fn mistakes_are_shown_at_the_expression() {
        for (text, place, part) in [
            ("ab{{ szie }}", "a.yaml:1:8", "did you mean `size`?"),
            (
                "{{ env.NOT_SET_ANYWHERE }}",
                "a.yaml:1:6",
                "-e NOT_SET_ANYWHERE=",
            ),
            ("{{ env. }}", "a.yaml:1:6", "not set"),
            ("x {{ size", "a.yaml:1:8", "without"),
            ("{{ random_int(5, 1) }}", "a.yaml:1:6", "empty"),
            ("{{ random_int(5) }}", "a.yaml:1:6", "two numbers"),
            ("{{ random_int(a, 9) }}", "a.yaml:1:6", "not a whole number"),
            ("{{ random_choice() }}", "a.yaml:1:6", "at least one"),
            ("{{ uuid(1) }}", "a.yaml:1:6", "no arguments"),
            ("{{ }}", "a.yaml:1:6", "unknown variable"),
            ("{{ users.idd }}", "a.yaml:1:6", "did you mean `users.id`?"),
            ("{{ tokne | upper }}", "a.yaml:1:6", "did you mean `token`?"),
            ("{{ token | uper }}", "a.yaml:1:6", "did you mean `upper`?"),
            ("{{ token + }}", "a.yaml:1:6", "not an expression"),
        ] {
            let (_, errors) = parse(text, Escape::None);
            assert!(
                errors.contains(place) && errors.contains(part),
                "{text}: {errors}"
            );
        }
    }

    #[test]
    fn longer_expressions_are_compiled() {
        for text in [
            "{{ token | upper }}",
            "{{ random_int(1, size | int) }}",
            "{{ random_choice(token) }}",
            "{{ random_choice(token.parts) }}",
            "{{ random_int(1, token.size) }}",
            "{{ random_int(1, 2) ~ uuid() }}",
            "{{ users.id if iteration > 1 else 'none' }}",
            "{{ timestamp() + 60 }}",
        ] {
            let (template, errors) = parse(text, Escape::None);
            assert_eq!(errors, "");
            let is_compiled = |part: &TemplatePart| {
                matches!(
                    part,
                    TemplatePart::Slot {
                        slot: Slot::Expression(_),
                        ..
                    }
                )
            };
            assert!(template.parts().iter().all(is_compiled), "{text}");
        }
    }

    #[test]
    fn conditions_may_stand_in_braces_and_ask_for_the_status() {
        let env = BTreeMap::new();
        let mut names = Names::new(&env);
        names.declare("token");
        for (text, problem) in [
            ("{{ token is defined and status == 200 }}", ""),
            ("status >= 500", ""),
            ("{{ tokn }}", "did you mean `token`?"),
        ] {
            let mut findings = Findings::default();
            let text = Located {
                value: text.to_owned(),
                at: Span::default(),
            };
            let condition = names.condition(&text, &mut findings);
            assert_eq!(condition.is_some(), problem.is_empty());
            let errors = findings
                .into_result(())
                .map_or_else(|e| e.to_string(), |()| String::new());
            assert!(errors.contains(problem), "{errors}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(\\{\\{|\\}\\}|'|\\(|\\)|,|[a-z_. é]){0,20}") {
            let _ = parse(&text, Escape::Json);
        }
    }
}
