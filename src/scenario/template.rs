//! Parses `{{ ... }}` in a scenario's text.
//!
//! Here: the expressions and what they may name. Not here: rendering, which the engine does
//! (`plan::Template`).
//!
//! An expression is a variable, `env.NAME`, `user_id`, `iteration`, `random_int(1, 6)`,
//! `random_choice(a, b, 'c, d')`, `uuid`, `timestamp`, `timestamp_ms`, or quoted text:
//! `{{ '{{' }}` is how a literal `{{` is written.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::decode::{At, list};
use super::findings::{Findings, Span};
use crate::error::{Diagnostic, did_you_mean};
use crate::plan::{Escape, Part, Slot, Template};

/// The names of functions and values that are always there.
const BUILT_IN: [&str; 7] = [
    "user_id",
    "iteration",
    "random_int",
    "random_choice",
    "uuid",
    "timestamp",
    "timestamp_ms",
];

/// What expressions can name.
pub(super) struct Names<'a> {
    /// Values of `env.NAME` that come before those of the process environment.
    pub env: &'a BTreeMap<String, String>,
    /// The variables defined so far, in order, with their values.
    pub variables: Vec<(String, Template)>,
    /// The values of `env.NAME` that were asked for.
    pub taken: RefCell<BTreeSet<String>>,
}

impl Names<'_> {
    /// The template of a text of the scenario; problems are reported, and yield what could be
    /// understood.
    pub fn template(&self, text: &At<String>, escape: Escape, findings: &mut Findings) -> Template {
        let parts = self.parts(&text.value, text.at, escape, findings);
        Template::new(text.value.as_str(), parts)
    }

    /// The parts of `text`, which stands at `at`.
    pub fn parts(
        &self,
        text: &str,
        at: Span,
        escape: Escape,
        findings: &mut Findings,
    ) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("{{") {
            push_text(&rest[..start], escape, &mut parts);
            let Some(end) = end_of_expression(&rest[start..]) else {
                findings.report(
                    Some(findings.inside(at, "{{")),
                    Diagnostic::new("`{{` without `}}`")
                        .help("write `{{ '{{' }}` for two braces that mean nothing"),
                );
                return parts;
            };
            let written = &rest[start..start + end];
            match self.expression(written[2..written.len() - 2].trim()) {
                Ok(Value::Text(value)) => push_text(&value, escape, &mut parts),
                Ok(Value::Slot(slot)) => parts.push(Part::Slot { slot, escape }),
                Err(diagnostic) => findings.report(Some(findings.inside(at, written)), diagnostic),
            }
            rest = &rest[start + end..];
        }
        push_text(rest, escape, &mut parts);
        parts
    }

    fn expression(&self, text: &str) -> Result<Value, Diagnostic> {
        if let Some(quoted) = unquote(text) {
            return Ok(Value::Text(quoted.to_owned()));
        }
        if let Some(name) = text.strip_prefix("env.") {
            return self.environment(name);
        }
        if let Some(index) = self.variables.iter().position(|(name, _)| name == text) {
            return Ok(match self.variables[index].1.as_constant() {
                Some(value) => Value::Text(value.to_owned()),
                None => Value::Slot(Slot::Variable(index)),
            });
        }
        let (name, arguments) = call(text);
        let slot = match (name, arguments.as_slice()) {
            ("user_id", []) => Slot::UserId,
            ("iteration", []) => Slot::Iteration,
            ("uuid", []) => Slot::Uuid,
            ("timestamp", []) => Slot::Timestamp,
            ("timestamp_ms", []) => Slot::TimestampMs,
            ("random_int", [low, high]) => random_int(low, high)?,
            ("random_choice", [_, ..]) => Slot::RandomChoice(
                arguments
                    .iter()
                    .map(|choice| (*choice).to_owned())
                    .collect(),
            ),
            ("random_int", _) => {
                return Err(Diagnostic::new("`random_int` takes two numbers")
                    .help("write `{{ random_int(1, 100) }}`"));
            }
            ("random_choice", _) => {
                return Err(Diagnostic::new("`random_choice` takes at least one choice")
                    .help("write `{{ random_choice(red, green, 'dark, blue') }}`"));
            }
            (known, _) if BUILT_IN.contains(&known) => {
                return Err(Diagnostic::new(format!("`{known}` takes no arguments"))
                    .help(format!("write `{{{{ {known} }}}}`")));
            }
            _ => return Err(self.unknown(name)),
        };
        Ok(Value::Slot(slot))
    }

    fn environment(&self, name: &str) -> Result<Value, Diagnostic> {
        let given = self.env.get(name).cloned();
        // A name that cannot be one makes the standard library panic on some systems.
        let is_name = !name.is_empty() && !name.contains(['=', '\0']);
        let value = given.or_else(|| std::env::var(name).ok().filter(|_| is_name));
        if let Some(value) = &value {
            self.taken.borrow_mut().insert(value.clone());
        }
        value.map(Value::Text).ok_or_else(|| {
            Diagnostic::new(format!("environment variable `{name}` is not set"))
                .help(format!("set it, or give `-e {name}=...`"))
        })
    }

    fn unknown(&self, name: &str) -> Diagnostic {
        let variables = self.variables.iter().map(|(name, _)| name.as_str());
        let known: Vec<&str> = variables.chain(BUILT_IN).collect();
        let diagnostic = Diagnostic::new(format!("unknown variable `{name}`")).help(format!(
            "known here: {}, `env.NAME`",
            list(known.iter().copied())
        ));
        match did_you_mean(name, known) {
            Some(close) => diagnostic.label(format!("did you mean `{close}`?")),
            None => diagnostic,
        }
    }
}

/// Whether a variable may have this name.
pub(super) fn check_variable_name(name: &str) -> Result<(), String> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!(
            "`{name}` cannot name a variable: use letters, digits and `_`"
        ));
    }
    if BUILT_IN.contains(&name) || name == "env" {
        return Err(format!(
            "`{name}` cannot name a variable: it has a meaning of its own"
        ));
    }
    Ok(())
}

/// What an expression stands for.
enum Value {
    /// Known now.
    Text(String),
    /// Filled in for each request.
    Slot(Slot),
}

fn push_text(text: &str, escape: Escape, parts: &mut Vec<Part>) {
    let mut escaped = String::new();
    escape.push(text, &mut escaped);
    if !escaped.is_empty() {
        parts.push(Part::Literal(escaped));
    }
}

/// The length of the expression at the start of `text`, which begins with `{{`; braces in quotes
/// do not end it.
fn end_of_expression(text: &str) -> Option<usize> {
    let mut quote = None;
    let bytes = text.as_bytes();
    for (i, byte) in bytes.iter().enumerate().skip(2) {
        match (quote, byte) {
            (None, b'\'' | b'"') => quote = Some(*byte),
            (Some(open), _) if *byte == open => quote = None,
            (None, b'}') if bytes.get(i + 1) == Some(&b'}') => return Some(i + 2),
            _ => {}
        }
    }
    None
}

fn unquote(text: &str) -> Option<&str> {
    ['\'', '"'].into_iter().find_map(|quote| {
        let inside = text.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inside.contains(quote)).then_some(inside)
    })
}

/// Splits `name(a, 'b, c')` into name and arguments; a bare name has none.
fn call<'a>(text: &'a str) -> (&'a str, Vec<&'a str>) {
    let Some((name, inside)) = text
        .split_once('(')
        .and_then(|(name, rest)| Some((name, rest.strip_suffix(')')?)))
    else {
        return (text, Vec::new());
    };
    let mut arguments = Vec::new();
    let (mut start, mut quote) = (0, None);
    for (i, c) in inside.char_indices() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if c == open => quote = None,
            (None, ',') => {
                arguments.push(&inside[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    if !inside.trim().is_empty() {
        arguments.push(&inside[start..]);
    }
    let clean = |argument: &'a str| unquote(argument.trim()).unwrap_or(argument.trim());
    let arguments = arguments.into_iter().map(clean).collect();
    (name.trim(), arguments)
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
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str, escape: Escape) -> (Template, String) {
        let env = BTreeMap::from([("TOKEN".to_owned(), "s\"3".to_owned())]);
        let names = Names {
            env: &env,
            variables: vec![
                ("size".into(), Template::literal("2 0")),
                (
                    "id".into(),
                    Template::new(
                        "",
                        vec![Part::Slot {
                            slot: Slot::Uuid,
                            escape: Escape::None,
                        }],
                    ),
                ),
            ],
            taken: RefCell::default(),
        };
        let mut findings = Findings::default();
        let file = findings.add_file("a.yaml", format!("key: {text}\n"));
        let at = Span {
            file,
            line: 1,
            column: 6,
            length: text.chars().count(),
        };
        let template = names.template(
            &At {
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
    fn what_is_known_is_folded_and_protected() {
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
            let [Part::Slot { slot, .. }] = template.parts() else {
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
        ] {
            let (_, errors) = parse(text, Escape::None);
            assert!(
                errors.contains(place) && errors.contains(part),
                "{text}: {errors}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(\\{\\{|\\}\\}|'|\\(|\\)|,|[a-z_. é]){0,20}") {
            let _ = parse(&text, Escape::Json);
        }
    }
}
