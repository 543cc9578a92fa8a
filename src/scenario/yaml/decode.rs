//! From a tree to typed values, keeping places and going on after an error.
//!
//! Here: [`Decode`], the `mapping!` macro that turns one list of keys into a struct, its decoder
//! and its JSON Schema, and the values that are no mapping. Not here: the keys (`file`).

use std::ops::Deref;
use std::time::Duration;

use serde_json::{Value, json};

use super::findings::{Findings, Span};
use super::tree::{Key, Kind, Node};
use crate::error::{Diagnostic, did_you_mean};
use crate::units;

/// A value that a scenario or a profile can hold.
pub(crate) trait Decode: Sized {
    /// The value, or `None` after at least one finding was reported.
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self>;

    /// Its JSON Schema (draft-07).
    fn schema() -> Value;
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub at: Span,
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Decode> Decode for At<T> {
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
    Given(At<T>, Span),
}

impl<T> Field<T> {
    /// The value with its place.
    pub fn get(&self) -> Option<&At<T>> {
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
        *self = match At::decode(value, findings) {
            Some(decoded) => Self::Given(decoded, key.at),
            None => Self::Bad,
        };
    }
}

/// Defines a mapping once: the struct, its decoder, and its schema, whose descriptions are the
/// doc comments. A key is one line: `key: Type`, or `key(required): Type`; `field["key"]: Type` is a
/// key that no field can be named like.
macro_rules! mapping {
    (
        $(#[doc = $doc:literal])*
        $name:ident {
            $( $(#[doc = $help:literal])* $key:ident $([$text:literal])? $(($required:ident))? : $type:ty, )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Default)]
        pub(crate) struct $name {
            $( $(#[doc = $help])* pub $key: Field<$type>, )*
        }

        impl Decode for $name {
            fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
                let mut this = Self::default();
                for (key, value) in entries(node, findings)? {
                    match key.text.as_str() {
                        $( key_text!($key $($text)?) => this.$key.fill(key, value, findings), )*
                        _ => unknown_key(key, &[$( key_text!($key $($text)?) ),*], findings),
                    }
                }
                for [key, required] in Self::required() {
                    if node.get(key).is_none() {
                        missing_key(node, key, required, findings);
                    }
                }
                Some(this)
            }

            fn schema() -> Value {
                let mut properties = serde_json::Map::new();
                $( properties.insert(
                    key_text!($key $($text)?).into(),
                    describe(<$type>::schema(), concat!($($help),*)),
                ); )*
                object(properties, &Self::required())
            }
        }

        impl $name {
            /// The required keys, each with its marker.
            fn required() -> Vec<[&'static str; 2]> {
                let all: &[(&str, &[&str])] = &[
                    $( (key_text!($key $($text)?), &[$( stringify!($required) )?]), )*
                ];
                let marked = all.iter().filter_map(|(key, marker)| Some([*key, *marker.first()?]));
                marked.collect()
            }
        }
    };
}
pub(crate) use mapping;

/// The key that a field of a mapping is written as.
macro_rules! key_text {
    ($key:ident) => {
        stringify!($key)
    };
    ($key:ident $text:literal) => {
        $text
    };
}
pub(crate) use key_text;

/// The entries of a mapping, or a finding.
pub(crate) fn entries<'a>(node: &'a Node, findings: &mut Findings) -> Option<&'a [(Key, Node)]> {
    match &node.kind {
        Kind::Map(entries) => Some(entries),
        _ => {
            expected("a mapping", node, findings);
            None
        }
    }
}

/// Reports that `node` is something else than `what`.
pub(crate) fn expected(what: &str, node: &Node, findings: &mut Findings) {
    let message = format!("expected {what}, found {}", node.describe());
    findings.report(Some(node.at), Diagnostic::new(message));
}

/// Reports a key that is not among `allowed`.
pub(crate) fn unknown_key(key: &Key, allowed: &[&str], findings: &mut Findings) {
    let mut diagnostic = Diagnostic::new(format!("unknown key `{}`", key.text))
        .help(format!("allowed: {}", list(allowed.iter().copied())));
    if let Some(close) = did_you_mean(&key.text, allowed.iter().copied()) {
        diagnostic = diagnostic.label(format!("did you mean `{close}`?"));
    }
    findings.report(Some(key.at), diagnostic);
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

/// A schema with the text of its doc comment.
pub(crate) fn describe(mut schema: Value, help: &str) -> Value {
    if let Value::Object(map) = &mut schema {
        map.insert("description".into(), help.trim().into());
    }
    schema
}

/// The schema of a mapping with these keys and no others; `required` are key and marker.
pub(crate) fn object(properties: serde_json::Map<String, Value>, required: &[[&str; 2]]) -> Value {
    let required: Vec<&str> = required.iter().map(|[key, _]| *key).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// The text of a scalar, as it was written; a finding for anything else.
pub(crate) fn text<'a>(what: &str, node: &'a Node, findings: &mut Findings) -> Option<&'a str> {
    match &node.kind {
        Kind::Scalar { text, .. } => Some(text),
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
    match parser(text(what, node, findings)?) {
        Ok(value) => Some(value),
        Err(message) => {
            findings.report(Some(node.at), Diagnostic::new(message));
            None
        }
    }
}

impl Decode for String {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        text("text", node, findings).map(str::to_owned)
    }

    fn schema() -> Value {
        json!({"type": ["string", "number", "boolean"]})
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
            number.ok_or_else(|| {
                format!("`{text}` is not allowed here: write a whole number from 0 to {MAX_COUNT}")
            })
        })
    }

    fn schema() -> Value {
        json!({"type": "integer", "minimum": 0, "maximum": MAX_COUNT})
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let Kind::List(items) = &node.kind else {
            expected("a list", node, findings);
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
        if matches!(node.kind, Kind::List(_)) {
            return Vec::decode(node, findings).map(Self);
        }
        T::decode(node, findings).map(|value| Self(vec![value]))
    }

    fn schema() -> Value {
        json!({"anyOf": [T::schema(), {"type": "array", "items": T::schema()}]})
    }
}

/// A mapping whose keys are the user's own names, in file order.
#[derive(Debug, Clone)]
pub(crate) struct Pairs<T>(pub Vec<(Key, At<T>)>);

// Derived, it would ask for `T: Default`.
impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Decode> Decode for Pairs<T> {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let entries = entries(node, findings)?;
        let pairs = entries
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), At::decode(value, findings)?)));
        Some(Self(pairs.collect()))
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
