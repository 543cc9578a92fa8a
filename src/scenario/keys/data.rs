//! The keys of data files, secrets and shared values.
//!
//! Not here: opening them (`names::data`).

use serde_json::{Value, json};

use crate::error::Diagnostic;
use crate::plan::{DataFormat, OnEnd, Per, RowOrder, SharedStart};
use crate::scenario::yaml::decode::{Decode, parse};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::{mapping, words};
use crate::scenario::yaml::tree::Node;

/// A value that all users share: a counter, or a list.
#[derive(Debug, Clone)]
pub(crate) struct SharedFile(pub SharedStart);

impl Decode for SharedFile {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let json = node.to_json();
        let start = match (&json, json.as_i64()) {
            (_, Some(first)) => SharedStart::Counter(first),
            (Value::Array(items), _) if !json.to_string().contains("{{") => {
                SharedStart::List(items.clone())
            }
            (Value::Array(_), _) => {
                let diagnostic = Diagnostic::new("the items of a shared list cannot be templates")
                    .help("leave the list empty, and add them in `setup`: `push: {NAME: ...}`");
                findings.report(Some(node.at), diagnostic);
                return None;
            }
            _ => {
                let message = format!("expected a counter or a list, found {}", node.describe());
                let diagnostic = Diagnostic::new(message).help(
                    "write the first number of a counter, such as `orders: 1`, or the items of a list: `tokens: []`",
                );
                findings.report(Some(node.at), diagnostic);
                return None;
            }
        };
        Some(Self(start))
    }

    fn schema() -> Value {
        json!({"type": ["integer", "array"]})
    }
}

mapping! {
    /// Source of a secret. Exactly one key.
    SecretFile {
        /// Environment variable, or `-e NAME=VALUE`.
        env: String,
        /// File whose content is the secret, without the line break at its end. A relative path starts at the scenario's folder.
        file: String,
    }
}

mapping! {
    /// A data file, and how its rows are assigned to users. Its path alone needs no mapping.
    DataFile or file {
        /// CSV file whose first line names the columns, or a file with one JSON object per line or with one JSON array of objects, in the scenario's folder or below.
        file(required): String,
        /// DataFormat: `csv`, `jsonl` or `json`. Defaults to what the file extension says.
        format: DataFormat,
        /// What separates the columns of a CSV file: one character, or `tab`. Defaults to what the first line shows: `,`, `;`, a tab or `|`.
        separator: Separator,
        /// Order of the rows: `sequential` (default), `random`, `shuffle` or `unique`.
        mode: RowOrder,
        /// When a user takes a row: in each `iteration` (default), or once per `user`.
        per: Per,
        /// What happens when the rows run out: `wrap` (default), `stop_user` or `stop_run` (default with `unique`).
        on_end: OnEnd,
    }
}

/// What separates the columns of a CSV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Separator(pub char);

impl Decode for Separator {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse(
            "a character such as `;`, or `tab`",
            node,
            findings,
            |text| {
                let only = |text: &str| {
                    let mut chars = text.chars();
                    chars.next().filter(|_| chars.next().is_none())
                };
                let separator = match text {
                    "tab" | "\\t" => Some('\t'),
                    _ => only(text).filter(|c| !matches!(c, '"' | '\r' | '\n' | '\0')),
                };
                separator.map(Self).ok_or_else(|| {
                format!(
                    "`{}` cannot separate columns: write one character in quotes, such as `\";\"` or `\"|\"`, or `tab`",
                    text.escape_debug()
                )
            })
            },
        )
    }

    fn schema() -> Value {
        json!({"type": "string", "examples": [",", ";", "tab", "|"]})
    }
}

words! {
    DataFormat {
        "csv" => Self::Csv,
        "jsonl" => Self::Jsonl,
        "json" => Self::Json,
    }
}

words! {
    RowOrder {
        "sequential" => Self::Sequential,
        "random" => Self::Random,
        "shuffle" => Self::Shuffle,
        "unique" => Self::Unique,
    }
}

words! {
    Per {
        "iteration" => Self::Iteration,
        "user" => Self::User,
    }
}

words! {
    OnEnd {
        "wrap" => Self::Wrap,
        "stop_user" => Self::StopUser,
        "stop_run" => Self::StopRun,
    }
}
