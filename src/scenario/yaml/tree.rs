//! YAML text as a tree whose nodes know their place.
//!
//! Here: the limits that make hostile files harmless, and everything known about the YAML crate.
//! Not here: what the keys mean (`keys`).

use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Spanned};

use super::findings::{Findings, Span};
use super::slips;
use crate::error::Diagnostic;

/// A YAML value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Its place; for an alias, that of the anchor.
    pub at: Span,
    /// The value.
    pub kind: NodeKind,
}

/// A YAML value.
#[derive(Debug, Clone)]
pub(crate) enum NodeKind {
    /// `null`, `~` or nothing.
    Null,
    /// A scalar. `json` is its type by YAML's rules, `text` is exactly what was written.
    Scalar {
        /// As written, without quotes.
        text: String,
        /// As YAML understands it: a boolean, a number or text.
        json: serde_json::Value,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping without duplicate keys, in file order.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// The key as text.
    pub text: String,
    /// Its place.
    pub at: Span,
}

impl Node {
    /// What it is, for "expected a number, found a list".
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            NodeKind::Null => "nothing",
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a mapping",
            NodeKind::Scalar { json, .. } if json.is_boolean() => "a boolean",
            NodeKind::Scalar { json, .. } if json.is_number() => "a number",
            NodeKind::Scalar { .. } => "text",
        }
    }

    /// Whether it is a text with a template.
    pub fn is_template(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar { text, .. } if text.contains("{{"))
    }

    /// The value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.kind {
            NodeKind::Null => serde_json::Value::Null,
            NodeKind::Scalar { json, .. } => json.clone(),
            NodeKind::List(items) => items.iter().map(Self::to_json).collect(),
            NodeKind::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| (key.text.clone(), value.to_json()));
                serde_json::Value::Object(entries.collect())
            }
        }
    }

    /// The value of `key`, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            NodeKind::Map(entries) => entries
                .iter()
                .find(|(known, _)| known.text == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }
}

/// Parses one document. Syntax errors and duplicate keys are reported to `findings`; the result
/// is `None` when nothing can be made of the text.
pub(crate) fn parse(file: usize, findings: &mut Findings) -> Option<Node> {
    let text = findings.text(file);
    match serde_saphyr::from_str_with_options::<Node>(&text, options(DuplicateKeyPolicy::LastWins))
    {
        Err(error) => {
            let (at, diagnostic) = explain(file, &text, &error);
            findings.report(at, diagnostic);
            None
        }
        Ok(mut node) => {
            let before = findings.len();
            finish(&mut node, file, findings);
            if let NodeKind::Map(entries) = &mut node.kind {
                // For anchors, and for other programs.
                entries.retain(|(key, _)| !key.text.starts_with(OWN));
            }
            // The crate drops repeated keys that look like numbers before this tree sees them.
            let is_item = |error: &serde_saphyr::Error| {
                use serde_saphyr::Error::DuplicateMappingKey;
                let key = match error.without_snippet() {
                    DuplicateMappingKey { key, .. } => key.as_deref(),
                    _ => None,
                };
                key.is_some_and(slips::is_item)
            };
            if findings.len() == before
                && let Err(error) = serde_saphyr::from_str_with_options::<Node>(
                    &text,
                    options(DuplicateKeyPolicy::Error),
                )
                && !is_item(&error)
            {
                let (at, diagnostic) = explain(file, &text, &error);
                findings.report(at, diagnostic);
            }
            Some(node)
        }
    }
}

/// How keys at the top of a file start that perfctl ignores.
const OWN: &str = "x-";

/// The deepest nesting of lists and mappings.
const MAX_DEPTH: usize = 32;

fn options(duplicate_keys: DuplicateKeyPolicy) -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: 2,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_merge_keys: 1_000,
            max_nodes: 100_000,
            max_events: 300_000,
            max_recorded_anchor_events: 100_000,
            max_total_scalar_bytes: 4 << 20,
        },
        duplicate_keys: duplicate_keys,
        merge_keys: MergeKeyPolicy::Merge,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
        },
        strict_booleans: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    }
}

fn explain(file: usize, text: &str, error: &serde_saphyr::Error) -> (Option<Span>, Diagnostic) {
    use serde_saphyr::Error as Yaml;
    // What is wrong behind an alias is shown at the alias.
    let at = error.location().map(|location| span(file, location));
    if let Yaml::AliasError { error, .. } = error.without_snippet() {
        let (_, diagnostic) = explain(file, text, error);
        return (at, diagnostic);
    }
    let limit = "the limits are 1 MiB, 100000 nodes, 1000 anchors and a depth of 32";
    let diagnostic = match error.without_snippet() {
        Yaml::DuplicateMappingKey { key, .. } => duplicate(key.as_deref().unwrap_or("?")),
        Yaml::MergeValueNotMapOrSeqOfMaps { .. } => {
            Diagnostic::new("`<<` merges a mapping, or a list of mappings")
                .help("write `<<: *name`, with `&name` at a mapping; to reuse a text or a list, write `key: *name`")
        }
        Yaml::MultipleDocuments { .. } => Diagnostic::new("more than one YAML document")
            .help("keep one document per file: remove the `---`"),
        Yaml::Budget { .. }
        | Yaml::AliasReplayLimitExceeded { .. }
        | Yaml::AliasReplayStackDepthExceeded { .. } => {
            Diagnostic::new("the file is too large or too deeply nested").help(limit)
        }
        other => {
            let what = other.to_string();
            let what = what.split(" at line ").next().unwrap_or(&what).trim();
            return slips::syntax(text, at, what);
        }
    };
    (at, diagnostic)
}

fn duplicate(key: &str) -> Diagnostic {
    Diagnostic::new(format!("duplicate key `{key}`"))
        .label("already given")
        .help("remove one of them")
}

fn span(file: usize, location: Location) -> Span {
    Span {
        file,
        line: usize::try_from(location.line()).unwrap_or(1).max(1),
        column: usize::try_from(location.column()).unwrap_or(1).max(1),
        length: usize::try_from(location.span().len()).unwrap_or(1).max(1),
    }
}

/// Sets the file, takes the text of plain scalars from the source, and reports duplicate keys,
/// of which the first stays.
fn finish(node: &mut Node, file: usize, findings: &mut Findings) {
    node.at.file = file;
    match &mut node.kind {
        NodeKind::Null => {}
        NodeKind::Scalar { text, json } => {
            if !json.is_string()
                && let Some(written) = findings.written(node.at)
            {
                *text = written.trim_matches(['"', '\'']).to_owned();
                if json.is_number() {
                    *json = number(text, json);
                }
            }
        }
        NodeKind::List(items) => {
            for item in items {
                finish(item, file, findings);
            }
        }
        NodeKind::Map(entries) => {
            for (key, value) in entries.iter_mut() {
                key.at.file = file;
                finish(value, file, findings);
            }
            join_at_commas(entries, findings);
            let mut seen = std::collections::HashSet::new();
            entries.retain(|(key, _)| {
                let is_new = seen.insert(key.text.clone());
                // That it is no list is said of the whole.
                if !is_new && !slips::is_item(&key.text) {
                    findings.report(Some(key.at), duplicate(&key.text));
                }
                is_new
            });
        }
    }
}

/// Puts values together that a comma in parentheses ended, such as `{think_time: between(1, 2)}`, and reports
/// that.
fn join_at_commas(entries: &mut Vec<(Key, Node)>, findings: &mut Findings) {
    let mut position = 0;
    while position + 1 < entries.len() {
        let cut = joined(&entries[position..], findings);
        position += 1;
        let Some((count, whole)) = cut else {
            continue;
        };
        let last = entries[position + count - 1].0.at;
        let value = &mut entries[position - 1].1;
        if last.line == value.at.line {
            value.at.length = (last.column + last.length).saturating_sub(value.at.column);
        }
        let diagnostic =
            Diagnostic::new("within `{` and `}`, a comma ends a value, also in parentheses")
                .label(format!("write `\"{whole}\"`"));
        findings.report(Some(value.at), diagnostic);
        value.kind = NodeKind::Scalar {
            json: whole.as_str().into(),
            text: whole,
        };
        entries.drain(position..position + count);
    }
}

/// The value of the first entry with what commas cut off, and how many entries that is; `None` if it is whole.
fn joined(entries: &[(Key, Node)], findings: &Findings) -> Option<(usize, String)> {
    let ((_, value), rest) = entries.split_first()?;
    let NodeKind::Scalar { text, .. } = &value.kind else {
        return None;
    };
    let is_open = |text: &str| text.matches('(').count() > text.matches(')').count();
    let is_quoted = || {
        let written = findings.written(value.at);
        written.is_some_and(|written| written.starts_with(['"', '\'']))
    };
    if !is_open(text) || is_quoted() {
        return None;
    }
    let mut whole = text.clone();
    for (count, (key, value)) in rest.iter().enumerate() {
        if !matches!(value.kind, NodeKind::Null) {
            return None;
        }
        whole = format!("{whole}, {}", key.text);
        if !is_open(&whole) {
            return Some((count + 1, whole));
        }
    }
    None
}

/// A number with all the digits it was written with. What begins with a zero is no number: it is a postal
/// code, an account, a telephone number.
fn number(written: &str, read: &serde_json::Value) -> serde_json::Value {
    let digits = written.strip_prefix(['-', '+']).unwrap_or(written);
    let begins_with_zero = digits.len() > 1
        && digits.starts_with('0')
        && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    if begins_with_zero {
        return written.into();
    }
    match written.parse::<serde_json::Number>() {
        Ok(number) => number.into(),
        Err(_) => read.clone(),
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<NodeKind>::deserialize(deserializer)?;
        Ok(Self {
            at: span(0, spanned.defined),
            kind: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self {
            at: span(0, spanned.defined),
            text: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for NodeKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeKindVisitor)
    }
}

struct NodeKindVisitor;

fn scalar<E>(text: impl Into<String>, json: impl Into<serde_json::Value>) -> Result<NodeKind, E> {
    Ok(NodeKind::Scalar {
        text: text.into(),
        json: json.into(),
    })
}

impl<'de> Visitor<'de> for NodeKindVisitor {
    type Value = NodeKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<NodeKind, E> {
        Ok(NodeKind::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<NodeKind, E> {
        scalar(value.to_string(), value)
    }

    fn visit_u64<E>(self, value: u64) -> Result<NodeKind, E> {
        scalar(value.to_string(), value)
    }

    fn visit_i64<E>(self, value: i64) -> Result<NodeKind, E> {
        scalar(value.to_string(), value)
    }

    fn visit_f64<E>(self, value: f64) -> Result<NodeKind, E> {
        scalar(value.to_string(), value)
    }

    fn visit_str<E>(self, value: &str) -> Result<NodeKind, E> {
        scalar(value, value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<NodeKind, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(NodeKind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<NodeKind, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(NodeKind::Map(map))
    }
}

#[cfg(test)]
mod tests;
