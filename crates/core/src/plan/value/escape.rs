//! How a filled-in value is escaped for the text around it.

use crate::plan::request::target::push_filled;

/// How a value is escaped for the text around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// Not at all.
    None,
    /// As the inside of a JSON string.
    Json,
    /// As a whole JSON value: a text with its quotes, anything else as it is.
    JsonValue,
    /// As a value of a URL-encoded form.
    Form,
    /// As a path segment or a value of the query of a URL.
    Url,
    /// As a name in quotes in the head of a part of a multipart body, as browsers write it.
    Quoted,
}

impl Escape {
    /// Appends `value`, escaped.
    pub fn push(self, value: &str, out: &mut String) {
        match self {
            Self::None => out.push_str(value),
            Self::Json => {
                let quoted = serde_json::Value::from(value).to_string();
                out.push_str(&quoted[1..quoted.len() - 1]);
            }
            Self::JsonValue => {
                out.push('"');
                Self::Json.push(value, out);
                out.push('"');
            }
            Self::Url => push_filled(value, out),
            Self::Quoted => out.push_str(
                &value
                    .replace('"', "%22")
                    .replace('\r', "%0D")
                    .replace('\n', "%0A"),
            ),
            Self::Form => out.extend(url::form_urlencoded::byte_serialize(value.as_bytes())),
        }
    }

    /// Appends a value: a text escaped, anything else as JSON.
    pub(super) fn push_value(self, value: &serde_json::Value, out: &mut String) {
        match value {
            serde_json::Value::String(text) => self.push(text, out),
            value => self.push_json(&value.to_string(), out),
        }
    }

    /// Appends a value that is not a text, written as JSON.
    pub(super) fn push_json(self, json: &str, out: &mut String) {
        match self {
            Self::JsonValue => out.push_str(json),
            _ => self.push(json, out),
        }
    }
}
