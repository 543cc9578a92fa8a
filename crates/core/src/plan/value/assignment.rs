//! Values that are set while a user runs: those of lists, and of `set` and `variables`.
//!
//! Here: plain data. Not here: how they are filled in (`template`), and when (`engine`).

use serde::Serialize;
use serde_json::Value;

use super::template::Template;

/// A value of a list, or one that a variable is set to.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum ListItem {
    /// Always the same.
    Known(Value),
    /// JSON that is filled in when its turn comes.
    Filled(Template),
}

impl ListItem {
    /// What is filled in, if anything is.
    pub fn template(&self) -> Option<&Template> {
        match self {
            Self::Known(_) => None,
            Self::Filled(template) => Some(template),
        }
    }
}

/// A variable, and what it is set to.
#[derive(Debug, Clone, Serialize)]
pub struct Assignment {
    /// The position of the variable in the names of the plan.
    pub variable: usize,
    /// Its value, which may use those that are set before it.
    pub value: ListItem,
}

/// An item that is added to a shared list.
#[derive(Debug, Clone, Serialize)]
pub struct Push {
    /// The position of the list among the shared values.
    pub list: usize,
    /// The item.
    pub item: ListItem,
}
