//! Header fields: checked values, and their size on the wire.

use ::http::header::{HeaderMap, HeaderName, HeaderValue};

/// A value for the header `name`.
///
/// # Errors
/// When a character in it is not allowed. The error does not show the value, which may be a secret.
pub(crate) fn header_value(name: &HeaderName, value: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(value).map_err(|_| {
        format!("the value of header `{name}` has a character that is not allowed in headers")
    })
}

/// The size of header lines as HTTP/1.1 text: `name: value` and a line end each; bytes.
pub(crate) fn size_of_fields(headers: &HeaderMap) -> u64 {
    headers
        .iter()
        .map(|(name, value)| (name.as_str().len() + value.len() + ": \r\n".len()) as u64)
        .sum()
}
