//! The keys of `check` and `extract`: what is expected of a response, and what is taken out of it.
//!
//! Not here: what the keys mean (`request::checks`, `request::extract`).

use std::time::Duration;

use serde_json::{Value, json};

use crate::scenario::yaml::decode::{At, Decode, OneOrMany, Pairs, Size, parse};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::mapping;
use crate::scenario::yaml::tree::Node;

mapping! {
    /// Conditions on a response.
    CheckFile {
        /// Codes (`200`), ranges (`200-299`) or classes (`2xx`).
        status: OneOrMany<At<String>>,
        /// The longest response time that passes.
        max_duration: Duration,
        /// The fewest bytes of the body, on the wire.
        min_size: Size,
        /// The most bytes of the body, on the wire.
        max_size: Size,
        /// By header: `exists`, `absent`, the value that must stand there, or what it must be like.
        headers: Pairs<Node>,
        /// Text that the body must contain.
        body_contains: OneOrMany<At<String>>,
        /// Regular expression that the body must match somewhere.
        body_matches: OneOrMany<At<String>>,
        /// By JSONPath: `exists`, `absent`, the value that must stand there, or what it must be like.
        json: Pairs<Node>,
        /// Expression that must hold; it knows the user's variables, those extracted as well, and `status`.
        that: OneOrMany<At<String>>,
        /// Conditions of which none may hold.
        not: NotFile,
        /// What a failure of these conditions is called; it is counted under this key.
        fail_with: String,
    }
}

/// Conditions within conditions.
#[derive(Debug, Clone)]
pub(crate) struct NotFile(pub Box<CheckFile>);

impl Decode for NotFile {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        CheckFile::decode(node, findings).map(|file| Self(Box::new(file)))
    }

    fn schema() -> Value {
        // Not spelled out again, or it would never end.
        json!({"type": "object"})
    }
}

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

mapping! {
    /// Where in a response a value stands, and what becomes of it; a JSONPath alone needs no mapping.
    ExtractionFile or json {
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
