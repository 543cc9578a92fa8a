//! Values extracted from a response into variables of the user. Carried out in `crate::check`.

use serde::Serialize;
use serde_json::Value;

use super::check::Pattern;
use super::css::CssSelector;
use super::json_path::JsonPath;
use crate::plan::value::expression::Condition;

/// One value to extract from a response that passed its checks.
#[derive(Debug, Clone, Serialize)]
pub struct Extraction {
    /// The variable's name.
    pub name: String,
    /// Its position in the names of the plan.
    #[serde(skip)]
    pub variable: usize,
    /// Where to look.
    pub from: ExtractionSource,
    /// Takes a part of the texts found there: the first group, or the whole match if there is no group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<Pattern>,
    /// The texts around the value, where `regex` was made from these.
    #[serde(skip)]
    pub between: Option<[String; 2]>,
    /// Which of several values.
    pub pick: Pick,
    /// The value if nothing is found; with `None`, the request fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// Where in a response a value is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtractionSource {
    /// The nodes that an RFC 9535 path finds in the JSON body.
    Json(JsonPath),
    /// The elements that a selector finds in the HTML body.
    Css {
        /// Which elements.
        selector: CssSelector,
        /// The lower-case name of the attribute that has the value; with `None`, their text is.
        #[serde(skip_serializing_if = "Option::is_none")]
        attribute: Option<String>,
    },
    /// The values of the header of this (lower-case) name.
    Header(String),
    /// The values that `set-cookie` gives the cookie of this name.
    Cookie(String),
    /// The body as text.
    Body,
    /// What a function of the script gives. Unlike the others, it is evaluated by the engine, which knows the
    /// variables.
    Script(Condition),
}

/// Which of several values is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pick {
    /// The one at this position, from 0.
    Index(usize),
    /// The last one.
    Last,
    /// Any, by the random numbers of the user.
    Random,
    /// All of them, as a list.
    All,
}

impl Extraction {
    /// The call of a function of the script that gives the value, if it is one.
    pub fn call(&self) -> Option<&Condition> {
        match &self.from {
            ExtractionSource::Script(call) => Some(call),
            _ => None,
        }
    }

    /// Whether it needs the body.
    pub fn needs_body(&self) -> bool {
        matches!(
            self.from,
            ExtractionSource::Json(_)
                | ExtractionSource::Css { .. }
                | ExtractionSource::Body
                | ExtractionSource::Script(_)
        )
    }

    /// Whether it needs the headers.
    pub fn needs_headers(&self) -> bool {
        matches!(
            self.from,
            ExtractionSource::Header(_) | ExtractionSource::Cookie(_) | ExtractionSource::Script(_)
        )
    }
}
