//! Values of variables as values of the library for expressions.

use minijinja::value::Value;
use minijinja::{Error, ErrorKind};
use serde_json::Number;

use crate::plan::value::request_view::{RequestPart, RequestView};

/// A part of a request. A body that is no text can still be signed.
pub(super) fn request_part(request: &RequestView, part: RequestPart) -> Value {
    match part {
        RequestPart::Method => Value::from(request.method),
        RequestPart::Url => Value::from(request.url.as_str()),
        RequestPart::Path => Value::from(request.path.as_str()),
        RequestPart::Query => Value::from(request.query.as_str()),
        RequestPart::Body => match std::str::from_utf8(&request.body) {
            Ok(text) => Value::from(text),
            Err(_) => Value::from_bytes(request.body.to_vec()),
        },
        RequestPart::Headers => {
            let headers = request.headers.iter();
            Value::from_pairs(headers.map(|(name, value)| (name.as_str(), value.as_str())))
        }
    }
}

/// The same value for an expression. Whole numbers stay exact; one that is too large to compute with is an
/// error where it is used.
pub(super) fn convert(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(value) => Value::from(*value),
        serde_json::Value::Number(value) => number(value),
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => Value::from_iter(items.iter().map(convert)),
        serde_json::Value::Object(entries) => Value::from_pairs(
            entries
                .iter()
                .map(|(name, value)| (name.as_str(), convert(value))),
        ),
    }
}

fn number(number: &Number) -> Value {
    if let Some(whole) = number.as_i64() {
        return Value::from(whole);
    }
    if let Some(whole) = number.as_u64() {
        return Value::from(whole);
    }
    let text = number.to_string();
    if text
        .bytes()
        .all(|byte| byte == b'-' || byte.is_ascii_digit())
    {
        return text.parse::<i128>().map_or_else(
            |_| {
                let why = format!("{text} has too many digits to compute with");
                Value::from(Error::new(ErrorKind::InvalidOperation, why))
            },
            Value::from,
        );
    }
    Value::from(number.as_f64().unwrap_or(f64::NAN))
}
