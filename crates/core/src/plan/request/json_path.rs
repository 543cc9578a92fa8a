//! Paths into JSON bodies, by RFC 9535, and finding their values without keeping the rest of the body.
//!
//! Not here: what is made of the values (`check`).

mod comparison;
mod segment;
mod walk;

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use segment::{Segment, segments};

/// A path into a JSON body. Serialized and shown in its normal form.
#[derive(Debug, Clone)]
pub struct JsonPath {
    path: serde_json_path::JsonPath,
    /// Its segments, if none needs more than one look at the body.
    segments: Option<Vec<Segment>>,
}

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, serde_json_path::ParseError> {
        Ok(Self {
            path: serde_json_path::JsonPath::parse(text)?,
            segments: segments(text),
        })
    }

    /// The values it finds, in order.
    pub fn query<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        self.path.query(value).all()
    }

    /// The values it finds in a JSON text, of which nothing else is kept. `None` if that takes more than a
    /// look, or the text is no JSON: the caller then parses it as a whole, which also says what is wrong with it.
    pub fn find(&self, json: &[u8]) -> Option<Vec<Value>> {
        let segments = self.segments.as_ref()?;
        let text = std::str::from_utf8(json).ok()?;
        if may_have_surrogates(json) {
            return None;
        }
        let mut found = Vec::new();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        walk::walk(segments, &mut found, &mut deserializer).ok()?;
        deserializer.end().ok()?;
        Some(found)
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl Serialize for JsonPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether a text may have half of a UTF-16 pair, written as `\ud83d`. Where a value is skipped nobody looks
/// whether the other half follows.
fn may_have_surrogates(json: &[u8]) -> bool {
    let mut escapes = memchr::memmem::find_iter(json, b"\\u");
    escapes.any(|at| {
        json.get(at + 2)
            .is_none_or(|digit| matches!(digit, b'd' | b'D'))
    })
}

#[cfg(test)]
mod tests;
