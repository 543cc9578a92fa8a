//! Values taken out of a response into a user's variables. Carried out in `crate::check`.

use serde::Serialize;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::check::{Pattern, as_text};

/// One value to take out of a response that passed its checks.
#[derive(Debug, Clone, Serialize)]
pub struct Extraction {
    /// The variable's name.
    pub name: String,
    /// Its position in the plan's names.
    #[serde(skip)]
    pub variable: usize,
    /// Where to look.
    pub from: ExtractionSource,
    /// What to take of the texts found there: the first group, or the match where it has no group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<Pattern>,
    /// Which of several.
    pub pick: Pick,
    /// What to take when there is nothing; `None` fails the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// Where in a response a value stands.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtractionSource {
    /// The nodes that an RFC 9535 path finds in the JSON body.
    #[serde(serialize_with = "as_text")]
    Json(JsonPath),
    /// The values of the header of this (lower-case) name.
    Header(String),
    /// The values of this name that `set-cookie` sets.
    Cookie(String),
    /// The body as text.
    Body,
}

/// Which of several values is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pick {
    /// The one at this position, from 0.
    Index(usize),
    /// The last one.
    Last,
    /// Any, by the user's own random numbers.
    Random,
    /// All of them, as a list.
    All,
}

impl Extraction {
    /// Whether the body has to be kept.
    pub fn needs_body(&self) -> bool {
        matches!(
            self.from,
            ExtractionSource::Json(_) | ExtractionSource::Body
        )
    }
    /// Whether it is taken out of a header.
    pub fn needs_headers(&self) -> bool {
        matches!(
            self.from,
            ExtractionSource::Header(_) | ExtractionSource::Cookie(_)
        )
    }
}
