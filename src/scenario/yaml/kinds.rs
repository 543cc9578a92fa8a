//! Lists, mappings and scalars in each other's place: what to write instead.
//!
//! Not here: syntax (`slips`), and keys in the wrong place (`misplaced`).

use super::slips::{is_item, spaced};
use super::tree::{Node, NodeKind};

/// What to write in place of a value that is not the list or the mapping that is expected.
pub(super) fn of_kind(node: &Node, wants_list: bool, keys: &[&str]) -> Option<String> {
    match (&node.kind, wants_list) {
        (NodeKind::Scalar { text, .. }, false) => {
            spaced(text).map(|text| format!("write a space after the colon: `{text}`"))
        }
        (NodeKind::Scalar { text, .. }, true) => {
            let item = text.strip_prefix('-')?;
            Some(format!("write a space after the `-`: `- {item}`"))
        }
        (NodeKind::Map(entries), true) => match entries.first() {
            Some((key, _)) if is_item(&key.text) => Some(format!(
                "write a space after each `-`: `- {}: ...`",
                &key.text[1..]
            )),
            _ => Some("write `- ` before each entry".to_owned()),
        },
        (NodeKind::Null, false) if keys.contains(&"host") => {
            Some("the file is empty: `perfctl init` writes a scenario to start with".to_owned())
        }
        (NodeKind::List(_), false) if keys.contains(&"host") => {
            Some("write `endpoints:` before this list".to_owned())
        }
        // Flows, and branches of a random choice.
        (NodeKind::List(_), false) if keys.contains(&"steps") && keys.contains(&"weight") => {
            Some("write `steps:` before this list".to_owned())
        }
        (NodeKind::List(_), false) if keys.is_empty() => {
            Some("write names and values: `NAME: ...`".to_owned())
        }
        (NodeKind::List(_), false) => Some("write keys and values, without `-`".to_owned()),
        _ => None,
    }
}

/// What to write for a value of a kind that people expect under this key.
pub(super) fn of_key(key: &str, node: &Node) -> Option<&'static str> {
    match (key, node.describe()) {
        ("users", "a number") => Some(
            "this is for user classes; how many users run is part of the load: `--users 5`, or `users` in a profile",
        ),
        ("slo", "text") => Some("write `slo: {p95: 500ms, error_rate: 1%}`"),
        ("slo", "a list") => Some("write each as a key: `slo: {p95: 500ms, error_rate: 1%}`"),
        ("check" | "until" | "not", "a number") => Some("write `{status: 200}`"),
        ("json" | "header" | "headers" | "form", "a list") => {
            Some("write names and values, without `-`")
        }
        _ => None,
    }
}
