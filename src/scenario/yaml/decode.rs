//! From a tree to typed values, keeping places and going on after an error.
//!
//! Here: [`Decode`], and the values that are no mapping of their own. Not here: mappings
//! (`mapping`) and their keys (`keys`).

use std::ops::Deref;
use std::time::Duration;

use serde_json::{Value, json};

use super::counterparts::{METHOD_IS_KEY, counterpart};
use super::findings::{Findings, Span};
use super::kinds;
use super::slips;
use super::tree::{Key, Node, NodeKind};
use crate::error::{Diagnostic, did_you_mean};
use crate::units;

/// A value that a scenario or a profile can hold.
pub(crate) trait Decode: Sized {
    /// The value, or `None` after at least one finding was reported.
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self>;

    /// Its JSON Schema (draft-07).
    fn schema() -> Value;
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub at: Span,
}

impl<T> Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Decode> Decode for Located<T> {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let value = T::decode(node, findings)?;
        Some(Self { value, at: node.at })
    }

    fn schema() -> Value {
        T::schema()
    }
}

/// A key of a mapping. A bad value stays visible as such, so that it is not reported a second
/// time as missing.
#[derive(Debug, Clone, Default)]
pub(crate) enum Field<T> {
    /// The key is not there.
    #[default]
    Missing,
    /// The key is there, its value was reported.
    Bad,
    /// The value, the place of the value, and the place of the key.
    Given(Located<T>, Span),
}

impl<T> Field<T> {
    /// The value with its place.
    pub fn get(&self) -> Option<&Located<T>> {
        match self {
            Self::Given(value, _) => Some(value),
            _ => None,
        }
    }

    /// The place of the key, when the value is good.
    pub fn key(&self) -> Option<Span> {
        match self {
            Self::Given(_, key) => Some(*key),
            _ => None,
        }
    }

    /// Whether the key is not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    /// This one, or nothing when it is `replaced` by something else.
    pub fn unless(self, replaced: bool) -> Self {
        if replaced { Self::Missing } else { self }
    }

    /// This one, or `other` where this one is missing.
    pub fn or(self, other: Self) -> Self {
        if self.is_missing() { other } else { self }
    }
}

impl<T: Copy> Field<T> {
    /// The value.
    pub fn copied(&self) -> Option<T> {
        self.get().map(|field| field.value)
    }
}

impl<T: Decode> Field<T> {
    /// Decodes the value of the key.
    pub fn fill(&mut self, key: &Key, value: &Node, findings: &mut Findings) {
        *self = match Located::decode(value, findings) {
            Some(decoded) => Self::Given(decoded, key.at),
            None => {
                if let Some(says) = kinds::of_key(&key.text, value) {
                    findings.explain_last(value.at, says);
                }
                Self::Bad
            }
        };
    }
}

/// The entries of a mapping that may have these keys, or a finding. Without keys, they are the user's own names.
pub(crate) fn entries<'a>(
    node: &'a Node,
    keys: &[&str],
    findings: &mut Findings,
) -> Option<&'a [(Key, Node)]> {
    match &node.kind {
        NodeKind::Map(entries) => Some(entries),
        _ => {
            expected("a mapping", node, findings);
            if let Some(says) = kinds::of_kind(node, false, keys) {
                findings.explain_last(node.at, &says);
            }
            None
        }
    }
}

/// Reports that `node` is something else than `what`.
pub(crate) fn expected(what: &str, node: &Node, findings: &mut Findings) {
    let message = format!("expected {what}, found {}", node.describe());
    findings.report(Some(node.at), Diagnostic::new(message));
}

/// Reports a key that is not among `allowed`, and adds what it said of it to the `hints` of its mapping.
pub(crate) fn unknown_key(
    key: &Key,
    allowed: &[&str],
    hints: &mut Vec<String>,
    findings: &mut Findings,
) {
    let mut diagnostic = Diagnostic::new(format!("unknown key `{}`", key.text));
    let names = || allowed.iter().copied();
    let spaced = slips::spaced(&key.text)
        .filter(|spaced| names().any(|name| spaced.starts_with(&format!("{name}: "))));
    let hint = match (counterpart(&key.text, allowed), spaced) {
        (Some(says), _) => Some(says.to_owned()),
        (None, Some(spaced)) => Some(format!("write a space after the colon: `{spaced}`")),
        (None, None) => {
            did_you_mean(&key.text, names()).map(|close| format!("did you mean `{close}`?"))
        }
    };
    match hint {
        // Method and path are one mistake.
        Some(hint) if hint.starts_with(METHOD_IS_KEY) && hints.contains(&hint) => return,
        Some(hint) => {
            diagnostic = diagnostic.label(hint.as_str());
            hints.push(hint);
        }
        None => {}
    }
    let allowed = format!("allowed: {}", list(names()));
    findings.report(Some(key.at), diagnostic.help(allowed));
}

/// Reports that the `required` key should be in the mapping `node`.
pub(crate) fn missing_key(node: &Node, key: &str, required: &str, findings: &mut Findings) {
    let diagnostic =
        Diagnostic::new(format!("missing {required} key `{key}`")).label("in this mapping");
    findings.report(Some(node.at), diagnostic);
}

/// `` `a`, `b` `` from a and b.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// The text of a scalar, as it was written; a finding for anything else.
pub(crate) fn text<'a>(what: &str, node: &'a Node, findings: &mut Findings) -> Option<&'a str> {
    match &node.kind {
        NodeKind::Scalar { text, .. } => Some(text),
        _ => {
            expected(what, node, findings);
            None
        }
    }
}

/// Decodes a scalar by a parser that returns its error as a phrase.
pub(crate) fn parse<T>(
    what: &str,
    node: &Node,
    findings: &mut Findings,
    parser: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let text = text(what, node, findings)?;
    match parser(text) {
        Ok(value) => Some(value),
        Err(_) if text.contains("{{") => {
            unfilled(what, node, text, findings);
            None
        }
        Err(message) => {
            findings.report(Some(node.at), Diagnostic::new(message));
            None
        }
    }
}

/// Reports a template where a value must be known before the run.
fn unfilled(what: &str, node: &Node, text: &str, findings: &mut Findings) {
    let diagnostic = Diagnostic::new(format!("expected {what}, found the template `{text}`"))
        .help("templates are not filled in here, since the value must be known before the run: write the value itself");
    findings.report(Some(node.at), diagnostic);
}

/// Decodes one of several words.
pub(crate) fn word<T: Copy>(
    words: &[(&str, T)],
    node: &Node,
    findings: &mut Findings,
) -> Option<T> {
    let known = || words.iter().map(|(word, _)| *word);
    let allowed = list(known());
    let what = match words.len() {
        1 => allowed.clone(),
        _ => format!("one of {allowed}"),
    };
    let text = text(&what, node, findings)?;
    let found = words.iter().find(|(word, _)| *word == text);
    if found.is_none() && text.contains("{{") {
        unfilled(&what, node, text, findings);
    } else if found.is_none() {
        let mut diagnostic =
            Diagnostic::new(format!("unknown value `{text}`")).help(format!("allowed: {allowed}"));
        if let Some(close) = did_you_mean(text, known()) {
            diagnostic = diagnostic.label(format!("did you mean `{close}`?"));
        }
        findings.report(Some(node.at), diagnostic);
    }
    found.map(|(_, value)| *value)
}

impl Decode for String {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        text("text", node, findings).map(str::to_owned)
    }

    fn schema() -> Value {
        json!({"type": ["string", "number", "boolean"]})
    }
}

/// A text, a number or a boolean; or a list or a mapping of these.
#[derive(Debug, Clone)]
pub(crate) enum AnyValue {
    /// One value.
    Scalar(Scalar),
    /// A list or a mapping.
    Tree(Node),
}

impl Decode for AnyValue {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        match node.kind {
            NodeKind::List(_) | NodeKind::Map(_) => Some(Self::Tree(node.clone())),
            _ => Scalar::decode(node, findings).map(Self::Scalar),
        }
    }

    fn schema() -> Value {
        json!({"type": ["string", "number", "boolean", "array", "object"]})
    }
}

/// A value, or nothing.
impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        match node.kind {
            NodeKind::Null => Some(None),
            _ => T::decode(node, findings).map(Some),
        }
    }

    fn schema() -> Value {
        json!({"anyOf": [T::schema(), {"type": "null"}]})
    }
}

/// A text, a number or a boolean, with the type that YAML gives it.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    /// As written.
    pub text: String,
    /// As YAML understands it.
    pub json: Value,
}

impl Decode for Scalar {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let text = text("text", node, findings)?.to_owned();
        let json = node.to_json();
        Some(Self { text, json })
    }

    fn schema() -> Value {
        String::schema()
    }
}

impl Decode for Duration {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse(
            "a duration such as `30s`",
            node,
            findings,
            units::parse_duration,
        )
    }

    fn schema() -> Value {
        json!({"type": ["string", "number"], "examples": ["500ms", "30s", "5m"]})
    }
}

/// A limit for how long something may take. Unlike other durations, it needs a unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeLimit(pub Duration);

impl Decode for TimeLimit {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let what = "a duration such as `30s`";
        parse(what, node, findings, units::parse_time_limit).map(Self)
    }

    fn schema() -> Value {
        json!({"type": "string", "examples": ["500ms", "30s", "5m"]})
    }
}

/// A size in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size(pub u64);

impl Decode for Size {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let size = parse("a size such as `100MB`", node, findings, units::parse_size)?;
        Some(Self(size))
    }

    fn schema() -> Value {
        json!({"type": ["string", "number"], "examples": ["500kB", "100MB", "1GiB"]})
    }
}

impl Decode for bool {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse("`true` or `false`", node, findings, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!(
                "`{text}` is not a boolean: write `true` or `false`"
            )),
        })
    }

    fn schema() -> Value {
        json!({"type": "boolean"})
    }
}

/// A whole number from 0 to 1 000 000.
pub(crate) const MAX_COUNT: u32 = 1_000_000;

impl Decode for u32 {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse("a whole number", node, findings, |text| {
            let number = text
                .parse::<u32>()
                .ok()
                .filter(|number| *number <= MAX_COUNT);
            number.ok_or_else(|| format!("`{text}` is not a whole number from 0 to {MAX_COUNT}"))
        })
    }

    fn schema() -> Value {
        json!({"type": "integer", "minimum": 0, "maximum": MAX_COUNT})
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let NodeKind::List(items) = &node.kind else {
            expected("a list", node, findings);
            if let Some(says) = kinds::of_kind(node, true, &[]) {
                findings.explain_last(node.at, &says);
            }
            return None;
        };
        // What is bad in one item was reported; the others are still worth a look.
        Some(
            items
                .iter()
                .filter_map(|item| T::decode(item, findings))
                .collect(),
        )
    }

    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }
}

/// One value, or a list of them.
#[derive(Debug, Clone)]
pub(crate) struct OneOrMany<T>(pub Vec<T>);

impl<T: Decode> Decode for OneOrMany<T> {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        if matches!(node.kind, NodeKind::List(_)) {
            return Vec::decode(node, findings).map(Self);
        }
        T::decode(node, findings).map(|value| Self(vec![value]))
    }

    fn schema() -> Value {
        json!({"anyOf": [T::schema(), {"type": "array", "items": T::schema()}]})
    }
}

/// A mapping whose keys are the user's own names, in file order; behind it, the names whose values are
/// bad, which was reported.
#[derive(Debug, Clone)]
pub(crate) struct Pairs<T>(pub Vec<(Key, Located<T>)>, pub Vec<String>);

// Derived, it would ask for `T: Default`.
impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Self(Vec::new(), Vec::new())
    }
}

impl<T: Decode> Decode for Pairs<T> {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let entries = entries(node, &[], findings)?;
        let mut pairs = Self::default();
        for (key, value) in entries {
            match Located::decode(value, findings) {
                Some(value) => pairs.0.push((key.clone(), value)),
                None => pairs.1.push(key.text.clone()),
            }
        }
        Some(pairs)
    }

    fn schema() -> Value {
        json!({"type": "object", "additionalProperties": T::schema()})
    }
}

impl Decode for Node {
    fn decode(node: &Node, _: &mut Findings) -> Option<Self> {
        Some(node.clone())
    }

    fn schema() -> Value {
        json!({})
    }
}
