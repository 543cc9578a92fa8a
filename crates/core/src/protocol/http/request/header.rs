//! Header fields: checked values, and their size on the wire.

use ::http::StatusCode;
use ::http::header::{self, HeaderMap, HeaderName, HeaderValue};

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

/// The size of a request's head as HTTP/1.1 text: `GET /path?query HTTP/1.1`, the header fields, the
/// `host` that a client adds, and the line ends around them; bytes. `authority` is that of the URL.
pub(crate) fn size_of_request_head(
    method: &str,
    target: usize,
    authority: usize,
    headers: &HeaderMap,
) -> u64 {
    let line = method.len() + target + "  HTTP/1.1\r\n\r\n".len();
    let host = match headers.contains_key(header::HOST) {
        true => 0,
        false => "host: \r\n".len() + authority,
    };
    (line + host) as u64 + size_of_fields(headers)
}

/// The size of `HTTP/1.1 200 OK` and the empty line after the head; bytes.
pub(crate) fn size_of_status_line(status: StatusCode) -> u64 {
    let reason = status.canonical_reason().map_or(0, str::len);
    ("HTTP/1.1 200 \r\n\r\n".len() + reason) as u64
}
