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
            let (at, diagnostic) = explain(file, &error);
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
            if findings.len() == before
                && let Err(error) = serde_saphyr::from_str_with_options::<Node>(
                    &text,
                    options(DuplicateKeyPolicy::Error),
                )
            {
                let (at, diagnostic) = explain(file, &error);
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

fn explain(file: usize, error: &serde_saphyr::Error) -> (Option<Span>, Diagnostic) {
    use serde_saphyr::Error as Yaml;
    // What is wrong behind an alias is shown at the alias.
    let at = error.location().map(|location| span(file, location));
    if let Yaml::AliasError { error, .. } = error.without_snippet() {
        let (_, diagnostic) = explain(file, error);
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
            let text = other.to_string();
            let text = text.split(" at line ").next().unwrap_or(&text).trim();
            Diagnostic::new(format!("invalid YAML: {text}")).help(
                "quote text that contains `: ` or ` #`, or starts with `{` or `*`; indent with spaces",
            )
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
            let mut seen = std::collections::HashSet::new();
            entries.retain_mut(|(key, value)| {
                key.at.file = file;
                finish(value, file, findings);
                let is_new = seen.insert(key.text.clone());
                if !is_new {
                    findings.report(Some(key.at), duplicate(&key.text));
                }
                is_new
            });
        }
    }
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
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn errors(text: &str) -> String {
        let mut findings = Findings::default();
        let file = findings.add_file("a.yaml", text.to_owned());
        let _ = parse(file, &mut findings);
        findings
            .into_result(())
            .map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn nodes_keep_their_place_and_their_text() {
        let mut findings = Findings::default();
        let text = "a: 0x1F\nbé: [1.10, 'x y', \"2\", no, ~, TRUE]\n";
        let file = findings.add_file("a.yaml", text.to_owned());
        let root = parse(file, &mut findings).unwrap();
        assert_eq!(findings.len(), 0);
        let a = root.get("a").unwrap();
        assert!(matches!(&a.kind, NodeKind::Scalar { text, json } if text == "0x1F" && json == 31));
        assert_eq!((a.at.line, a.at.column, a.at.length), (1, 4, 4));
        let NodeKind::List(items) = &root.get("bé").unwrap().kind else {
            panic!("a list");
        };
        let texts: Vec<(&str, usize)> = items
            .iter()
            .map(|item| match &item.kind {
                NodeKind::Scalar { text, .. } => (text.as_str(), item.at.column),
                _ => ("", item.at.column),
            })
            .collect();
        assert_eq!(
            texts,
            [
                ("1.10", 6),
                ("x y", 12),
                ("2", 19),
                ("no", 24),
                ("", 28),
                ("TRUE", 31)
            ]
        );
        assert_eq!(items[3].describe(), "text", "`no` is no boolean");
    }

    #[test]
    fn all_duplicate_keys_are_reported_with_their_place() {
        let text = errors("a: 1\nb: {x: 1, x: 2}\na: 2\n");
        assert!(
            text.contains("a.yaml:2:11") && text.contains("a.yaml:3:1"),
            "{text}"
        );
        let text = errors("h: {1: a, 0x1: b}\n");
        assert!(text.contains("duplicate key"), "{text}");
    }

    #[test]
    fn bombs_are_refused_at_once_with_a_line() {
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for i in 1..10 {
            let parts = vec![format!("*a{}", i - 1); 9].join(", ");
            laughs += &format!("a{i}: &a{i} [{parts}]\n");
        }
        let mut ladder = String::from("a0: &a0 [x]\n");
        for i in 1..900 {
            let (open, close) = ("[".repeat(20), "]".repeat(20));
            ladder += &format!("a{i}: &a{i} {open}*a{}{close}\n", i - 1);
        }
        let mut block = String::new();
        for depth in 0..300 {
            block += &format!("{}a:\n", " ".repeat(depth));
        }
        for bomb in [
            laughs,
            ladder,
            block,
            "[".repeat(500_000),
            "a: &a [*a]\n".into(),
            "{a: ".repeat(200_000),
            "- x\n".repeat(200_000),
        ] {
            let start = Instant::now();
            let text = errors(&bomb);
            assert!(text.contains("a.yaml:"), "{text}");
            assert!(text.len() < 2_000, "{} bytes of error text", text.len());
            // A bomb that went off would take minutes, or all memory; how many milliseconds it
            // takes to refuse one depends on the machine.
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{:?} for {text}",
                start.elapsed()
            );
        }
    }

    #[test]
    fn keys_are_merged_and_those_that_are_written_count() {
        let mut findings = Findings::default();
        let text = "x-a: &a {k: 1, l: 0x2}\nx-b: &b {l: 3, m: 4}\n\
                    c:\n  k: 5\n  <<: *a\nd: {<<: [*a, *b], n: {<<: *b, m: 6}}\nx-c: ~\n";
        let file = findings.add_file("a.yaml", text.to_owned());
        let root = parse(file, &mut findings).unwrap();
        assert_eq!(findings.len(), 0);
        let expected = serde_json::json!({
            "c": {"k": 5, "l": 2},
            "d": {"n": {"m": 6, "l": 3}, "k": 1, "l": 2, "m": 4},
        });
        assert_eq!(root.to_json(), expected);
        // What is wrong with a merged value is shown where it is written.
        let l = root.get("c").unwrap().get("l").unwrap();
        assert!(matches!(&l.kind, NodeKind::Scalar { text, .. } if text == "0x2"));
        assert_eq!((l.at.line, l.at.column), (1, 19));
        let errors = errors("a: &a {x: 1}\nb: {<<: *a, y: 1, y: 2}\n");
        assert!(errors.contains("duplicate key `y`"), "{errors}");
    }

    #[test]
    fn merged_scalars_second_documents_and_tags_are_refused() {
        for (text, part) in [
            ("a: &a 1\nb:\n  <<: *a\n", "`<<` merges a mapping"),
            ("b:\n  <<: *c\n", "invalid YAML"),
            ("a: 1\n---\nb: 1\n", "more than one YAML document"),
            ("a: !include x\n", "invalid YAML"),
            ("a: [1\nb: 2\n", "invalid YAML"),
            ("a:\n\tb: 1\n", "invalid YAML"),
        ] {
            let errors = errors(text);
            assert!(
                errors.contains(part) && errors.contains("a.yaml:"),
                "{text:?}: {errors}"
            );
        }
    }
}
