//! CSS selectors: which elements of an HTML body are meant. Carried out in `crate::check`.

use std::fmt;
use std::sync::Arc;

use scraper::Selector;
use serde::{Serialize, Serializer};

/// A CSS selector; compared, shown and serialized as its text.
#[derive(Clone)]
pub struct CssSelector {
    text: Arc<str>,
    selector: Selector,
}

impl CssSelector {
    /// The longest selector; bytes. What is nested in it is read by recursion.
    const MAX_LENGTH: usize = 1_000;

    /// Reads a selector, or several with commas between them.
    ///
    /// # Errors
    /// What is wrong with it, on one line.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > Self::MAX_LENGTH {
            return Err(format!("it is longer than {} bytes", Self::MAX_LENGTH));
        }
        match Selector::parse(text) {
            Ok(selector) => Ok(Self {
                text: text.into(),
                selector,
            }),
            // The library names its own types, not what is wrong.
            Err(_) if text.trim().is_empty() => Err("it is empty".to_owned()),
            Err(_) => Err("not a selector, or one that only a browser knows".to_owned()),
        }
    }

    /// What the library for HTML matches.
    pub fn selector(&self) -> &Selector {
        &self.selector
    }
}

impl fmt::Debug for CssSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

impl fmt::Display for CssSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for CssSelector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
