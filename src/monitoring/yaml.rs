//! Writing YAML: a tree of JSON values as a document that people can read.
//!
//! Not here: reading YAML (`scenario`), or what is written.

use serde_json::Value;

use super::promql::printed;

/// Comments, one a line, and then each of the documents. Texts of several lines, and queries, are written as blocks.
pub(super) fn documents(comments: &[String], documents: &[Value]) -> String {
    let mut out = String::new();
    for comment in comments {
        let comment: String = comment.chars().map(printed).collect();
        out += &format!("# {comment}\n");
    }
    for (i, document) in documents.iter().enumerate() {
        if i > 0 {
            out += "---\n";
        }
        push(document, 0, &mut out);
    }
    out
}

/// A value in lines of its own.
fn push(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                *out += &format!("{pad}{}:", scalar(key));
                push_inside(value, indent + 2, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for value in list {
                let mut item = String::new();
                push(value, indent + 2, &mut item);
                // The dash stands in the indentation of the first line.
                *out += &format!("{pad}- {}", item.get(indent + 2..).unwrap_or_default());
            }
        }
        other => *out += &format!("{pad}{}\n", text(other)),
    }
}

/// A value behind its key.
fn push_inside(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if map.is_empty() => *out += " {}\n",
        Value::Array(list) if list.is_empty() => *out += " []\n",
        Value::Object(_) | Value::Array(_) => {
            out.push('\n');
            push(value, indent, out);
        }
        Value::String(block) if is_block(block) => {
            *out += " |-\n";
            for line in block.lines() {
                *out += &format!("{}{line}\n", " ".repeat(indent));
            }
        }
        other => *out += &format!(" {}\n", text(other)),
    }
}

/// Whether a text is written as it is, in lines of its own: quotes in it need no escapes there.
fn is_block(text: &str) -> bool {
    let prints = |c: char| c == '\n' || !printed(c).starts_with('\\') || c == '\\';
    let is_queried = text.contains('\n') || text.contains('"');
    is_queried
        && !text.starts_with([' ', '\n'])
        && !text.ends_with('\n')
        && text.chars().all(prints)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// A text in one line: plain where YAML could take it for nothing else, and otherwise in quotes.
fn scalar(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_ -./".contains(c);
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(is_plain)
        && !text.ends_with(' ');
    let is_taken = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        .iter()
        .any(|taken| text.eq_ignore_ascii_case(taken));
    // Such as `30s`, and `1h30m`.
    let is_time = text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| "smhdw".contains(c))
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || "smhdw".contains(c));
    if is_word && !is_taken || is_time {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c => quoted += &printed(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn people_can_read_it() {
        let value = json!({
            "groups": [{"name": "a: b", "on": true, "list": ["x", 1.5, []], "none": {}},
                       {"expr": "a{b=\"c\"}\n/ d > 1"}],
        });
        let comments = ["one\ntwo".to_owned()];
        assert_eq!(
            documents(&comments, &[value, json!({"a": "no"})]),
            "\
# one\\u000atwo
groups:
  - name: \"a: b\"
    \"on\": true
    list:
      - x
      - 1.5
      - []
    none: {}
  - expr: |-
      a{b=\"c\"}
      / d > 1
---
a: \"no\"
"
        );
    }
}
