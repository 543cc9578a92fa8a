//! The keys of `check` and `extract`: what is expected of a response, and what is taken out of it.
//!
//! Not here: what the keys mean (`request::checks`, `request::extract`).

use serde_json::{Value, json};

use crate::plan::{Decimal, MeasureUnit};
use crate::scenario::yaml::decode::{
    Decode, Located, OneOrMany, Pairs, Scalar, Size, TimeLimit, parse,
};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::{mapping, words};
use crate::scenario::yaml::tree::Node;

mapping! {
    /// Conditions that a response must meet.
    CheckFile {
        /// Status codes that pass: codes (`200`), ranges (`200-299`) or classes (`2xx`).
        status: OneOrMany<Located<String>>,
        /// Longest response time that passes.
        max_duration: TimeLimit,
        /// Smallest size of the body on the wire.
        min_size: Size,
        /// Largest size of the body on the wire.
        max_size: Size,
        /// By header: `exists`, `absent`, the exact value, or what to expect of it.
        headers: Pairs<Node>,
        /// What to expect of the URL that the response came from, after redirects: the whole URL, or what to expect of it.
        url: Node,
        /// Text that the body must contain.
        body_contains: OneOrMany<Located<String>>,
        /// Regular expression that must match somewhere in the body.
        body_matches: OneOrMany<Located<String>>,
        /// By JSONPath: `exists`, `absent`, the exact value, or what to expect of it.
        json: Pairs<Node>,
        /// By CSS selector, what to expect of the text of HTML elements: `exists`, `absent`, the exact text, or what to expect of it.
        css: Pairs<Node>,
        /// Expression that must be true. It can use `status` and the variables of the user, including those just extracted.
        that: OneOrMany<Located<String>>,
        /// Call of a function of the script that must return a truthy value, such as `isFresh(response)`. It can also use the variables of the user.
        js: OneOrMany<Located<String>>,
        /// Conditions, none of which may be met.
        not: NotFile,
        /// Name of the failure in reports when one of these conditions is not met.
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
    /// What to expect of a value. All of it must be true.
    ExpectationFile {
        /// Exactly this value.
        equals: Node,
        /// A text that contains this, or a list with this item.
        contains: String,
        /// A text that this regular expression matches somewhere.
        matches: String,
        /// A number greater than this.
        above: Decimal,
        /// A number less than this.
        below: Decimal,
        /// A number greater than or equal to this.
        at_least: Decimal,
        /// A number less than or equal to this.
        at_most: Decimal,
    }
}

impl Decode for Decimal {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse("a number", node, findings, |text| {
            Self::parse(text).ok_or_else(|| format!("`{text}` is not a number"))
        })
    }

    fn schema() -> Value {
        json!({"type": "number"})
    }
}

mapping! {
    /// Where to find a value in a response. A JSONPath alone needs no mapping.
    ExtractionFile or json {
        /// JSONPath into the body.
        json: String,
        /// CSS selector of HTML elements, whose text is the value.
        css: String,
        /// Attribute of the elements that `css` finds, whose value is used instead of their text.
        attribute: String,
        /// Name of a header.
        header: String,
        /// Name of a cookie that the response sets.
        cookie: String,
        /// Regular expression whose first group is the value. Searches the body unless another source is given.
        regex: String,
        /// Texts around the value. Searches the body unless another source is given.
        between: BetweenFile,
        /// Call of a function of the script that gives the value, such as `pick(response)`. `null` counts as nothing found.
        js: String,
        /// Which match to use: a number from 0 (default), `last`, `random`, or `all` as a list.
        index: String,
        /// Value to use when nothing is found. Without it, the request fails.
        default: Node,
    }
}

mapping! {
    /// The texts between which a value is.
    BetweenFile {
        /// Text before the value.
        left(required): String,
        /// Text after the value.
        right(required): String,
    }
}

mapping! {
    /// A number to keep, with percentiles in the report.
    MeasureFile {
        /// Name, under which values are kept together.
        name(required): String,
        /// What to measure: a number, usually a template.
        value(required): Scalar,
        /// Unit of the value: `count` (default), `ms` or `bytes`.
        unit: MeasureUnit,
    }
}

words! {
    MeasureUnit {
        "count" => Self::Count,
        "ms" => Self::Ms,
        "bytes" => Self::Bytes,
    }
}
