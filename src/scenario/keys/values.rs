//! The keys of values: data, secrets, what is taken out of a response, what is expected of it. The
//! doc comments are what editors show.
//!
//! Here: as in `file`, of which this is a part. Not here: what the keys mean together.

use serde_json::{Value, json};

use crate::error::did_you_mean;
use crate::plan::{DataFormat, OnEnd, Per, RowOrder};
use crate::scenario::yaml::decode::{
    At, Decode, Field, describe, entries, key_text, list, mapping, missing_key, object, parse,
    unknown_key,
};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::tree::{Kind, Node};

mapping! {
    /// What to expect of a value; all that is given must be so.
    ExpectationFile {
        /// This value.
        equals: Node,
        /// A text with this in it, or a list that has it.
        contains: String,
        /// A text that matches this regular expression somewhere.
        matches: String,
        /// A number above this.
        above: Number,
        /// A number below this.
        below: Number,
        /// A number that is this or above.
        at_least: Number,
        /// A number that is this or below.
        at_most: Number,
    }
}

mapping! {
    /// Where in a response a value stands, and what becomes of it.
    ExtractionFile {
        /// A JSONPath into the body.
        json: String,
        /// A header.
        header: String,
        /// A cookie that the response sets.
        cookie: String,
        /// A regular expression, of which the first group is taken; looks into the body unless there is another place.
        regex: String,
        /// Which of several: a number from 0 (the default), `last`, `random`, or `all` as a list.
        index: String,
        /// The value where there is none; without it, the request fails.
        default: Node,
    }
}

/// An extraction: a JSONPath alone, or a mapping.
#[derive(Debug, Clone)]
pub(crate) struct ExtractFile(pub ExtractionFile);

impl Decode for ExtractFile {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        if matches!(node.kind, Kind::Map(_)) {
            return ExtractionFile::decode(node, findings).map(Self);
        }
        let json = At::decode(node, findings)?;
        Some(Self(ExtractionFile {
            json: Field::Given(json, node.at),
            ..ExtractionFile::default()
        }))
    }

    fn schema() -> Value {
        json!({"anyOf": [String::schema(), ExtractionFile::schema()]})
    }
}

mapping! {
    /// Where a secret comes from: exactly one of these.
    SecretFile {
        /// An environment variable, or `-e NAME=VALUE`.
        env: String,
        /// A file whose content is the secret, without a line break at its end; its path as it is, or from the scenario's folder.
        file: String,
    }
}

mapping! {
    /// A data file, and how its rows are dealt out.
    FeederFile {
        /// A CSV file with a header, or a file with a JSON object on each line; in the scenario's folder or below.
        file(required): String,
        /// How it is written; by the end of its name otherwise.
        format: DataFormat,
        /// The order of the rows; `sequential` by default.
        mode: RowOrder,
        /// When a user takes a row: in each `iteration` (the default), or once for the `user`.
        per: Per,
        /// What happens when there is no further row; `wrap` by default, `stop_run` with `unique`.
        on_end: OnEnd,
    }
}

/// Data: the path of a file alone, or a mapping.
#[derive(Debug, Clone)]
pub(crate) struct DataFile(pub FeederFile);

impl Decode for DataFile {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        if matches!(node.kind, Kind::Map(_)) {
            return FeederFile::decode(node, findings).map(Self);
        }
        let file = At::decode(node, findings)?;
        Some(Self(FeederFile {
            file: Field::Given(file, node.at),
            ..FeederFile::default()
        }))
    }

    fn schema() -> Value {
        json!({"anyOf": [String::schema(), FeederFile::schema()]})
    }
}

/// A finite number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number(pub f64);

impl Decode for Number {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse("a number", node, findings, |text| {
            let number = text.parse().ok().filter(|number: &f64| number.is_finite());
            number.ok_or_else(|| format!("`{text}` is not a number"))
        })
        .map(Self)
    }

    fn schema() -> Value {
        json!({"type": "number"})
    }
}

/// Decodes one of several words.
macro_rules! choice {
    ($name:ident { $( $word:literal => $value:expr, )* }) => {
        impl Decode for $name {
            fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
                parse("a word", node, findings, |text| match text {
                    $( $word => Ok($value), )*
                    _ => Err(no_choice(text, &[$( $word ),*])),
                })
            }

            fn schema() -> Value {
                json!({"enum": [$( $word ),*]})
            }
        }
    };
}

fn no_choice(text: &str, words: &[&str]) -> String {
    let words = || words.iter().copied();
    match did_you_mean(text, words()) {
        Some(close) => format!("`{text}` is not known here: did you mean `{close}`?"),
        None => format!("`{text}` is not known here: write one of {}", list(words())),
    }
}

choice!(DataFormat {
    "csv" => DataFormat::Csv,
    "jsonl" => DataFormat::Jsonl,
});

choice!(RowOrder {
    "sequential" => RowOrder::Sequential,
    "random" => RowOrder::Random,
    "shuffle" => RowOrder::Shuffle,
    "unique" => RowOrder::Unique,
});

choice!(Per {
    "iteration" => Per::Iteration,
    "user" => Per::User,
});

choice!(OnEnd {
    "wrap" => OnEnd::Wrap,
    "stop_user" => OnEnd::StopUser,
    "stop_run" => OnEnd::StopRun,
});
