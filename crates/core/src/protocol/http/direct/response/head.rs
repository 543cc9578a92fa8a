//! Parsing the head of a response: its status, how its body ends, and the few header fields that
//! perfctl itself uses.
//!
//! Pure over bytes. The other fields become a map only where something looks at them: a map costs
//! more than all the rest of a small response.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use httparse::{ParserConfig, Status};

use super::body::{Chunks, Framing};
use crate::metrics::{HttpVersion, Outcome};
use crate::protocol::Failure;
use crate::protocol::http::failure::conflicting_lengths;

/// The longest head; bytes.
pub(crate) const MAX_HEAD: usize = 256 << 10;
/// The most header fields.
const MAX_FIELDS: usize = 100;
/// How much of a response that is not HTTP its failure quotes; bytes.
const MAX_SHOWN: usize = 64;

/// A parsed head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// 100 to 999.
    pub(crate) status: u16,
    pub(crate) version: HttpVersion,
    pub(crate) framing: Framing,
    /// Whether the connection can be used again, once the body is complete.
    pub(crate) is_kept_alive: bool,
    /// How long the head is; bytes.
    pub(crate) length: usize,
}

impl Head {
    /// Whether another head follows, for the same request.
    pub(crate) fn is_interim(&self) -> bool {
        // After 101, the connection switches to another protocol, although none was requested.
        (100..200).contains(&self.status) && self.status != 101
    }
}

/// How a head is to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadOptions {
    /// Whether it responds to a HEAD request, and therefore has no body.
    pub(crate) is_bodyless: bool,
    /// Whether all header fields are kept, rather than only those that perfctl uses.
    pub(crate) all_fields: bool,
}

/// The head that `bytes` begin with; `None` when it is not complete. The fields to keep are added
/// to `fields`.
///
/// # Errors
/// When it is not a valid head of HTTP/1.
pub(crate) fn parse(
    bytes: &[u8],
    options: HeadOptions,
    fields: &mut HeaderMap,
) -> Result<Option<Head>, Failure> {
    // Not cleared, since that costs more than reading a small head.
    let mut headers = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let mut config = ParserConfig::default();
    // As the other client does: folded lines are one (RFC 9112, section 5.2), and a line that is no
    // field is none, while the rest is read.
    config.allow_obsolete_multiline_headers_in_responses(true);
    config.ignore_invalid_headers_in_responses(true);
    let parsed = config.parse_response_with_uninit_headers(&mut response, bytes, &mut headers);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if bytes.len() > MAX_HEAD => {
            return Err(too_long());
        }
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            let text = format!("the response has more than {MAX_FIELDS} header fields");
            return Err(Failure::new(Outcome::Protocol, text));
        }
        Err(error) => return Err(not_http(&error.to_string(), bytes)),
    };
    if length > MAX_HEAD {
        return Err(too_long());
    }
    let (status, version) = match (response.code, response.version) {
        (Some(status @ 100..=999), Some(0)) => (status, HttpVersion::Http10),
        (Some(status @ 100..=999), Some(1)) => (status, HttpVersion::Http11),
        _ => return Err(not_http("invalid HTTP status", bytes)),
    };
    let mut head_fields = HeadFields::default();
    for header in response.headers.iter() {
        let value = unfolded(header.value);
        let is_used = head_fields
            .read_field(header.name, &value, status)
            .map_err(|why| not_http(why, bytes))?;
        if is_used || options.all_fields {
            keep(header.name, &value, fields)
                .ok_or_else(|| not_http("invalid header field", bytes))?;
        }
    }
    let framing = head_fields.framing(status, version, options.is_bodyless);
    let framing = framing.map_err(|error| match error {
        FramingError::TwoLengths => conflicting_lengths(),
        FramingError::Coding => not_http("HTTP/1.0 has no transfer coding", bytes),
    })?;
    let is_kept_alive = framing != Framing::UntilClose
        && status != 101
        && match version {
            HttpVersion::Http11 => !head_fields.close,
            _ => head_fields.keep_alive && !head_fields.close,
        };
    Ok(Some(Head {
        status,
        version,
        framing,
        is_kept_alive,
        length,
    }))
}

/// All fields of a head that was parsed before.
pub(crate) fn all_fields(head: &[u8]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    let options = HeadOptions {
        is_bodyless: true,
        all_fields: true,
    };
    // What is wrong with it was said then.
    let _ = parse(head, options, &mut fields);
    fields
}

fn too_long() -> Failure {
    let text = format!("the response head is larger than {} KiB", MAX_HEAD >> 10);
    Failure::new(Outcome::Protocol, text)
}

/// The failure of a response that is not HTTP, with its first bytes.
pub(crate) fn not_http(why: &str, bytes: &[u8]) -> Failure {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_SHOWN)]);
    Failure::new(
        Outcome::Protocol,
        format!("the response is not HTTP ({why}); it starts with `{start}`"),
    )
}

/// A value in one line: where it was folded, there is a space.
fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\n') {
        return Cow::Borrowed(value);
    }
    let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    Cow::Owned(lines.collect::<Vec<_>>().join(&b' '))
}

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Adds a field to a map. `None` when it is not valid.
fn keep(name: &str, value: &[u8], fields: &mut HeaderMap) -> Option<()> {
    let name = match name.eq_ignore_ascii_case(SERVER_TIMING.as_str()) {
        // In each response, if in any.
        true => SERVER_TIMING,
        false => HeaderName::from_bytes(name.as_bytes()).ok()?,
    };
    let value = HeaderValue::from_bytes(value).ok()?;
    fields.try_append(name, value).ok()?;
    Some(())
}

/// What the header fields say about the body and the connection.
#[derive(Default)]
struct HeadFields {
    length: Option<u64>,
    /// Whether the last `transfer-encoding` ends with chunks; `None` without any.
    is_chunked: Option<bool>,
    close: bool,
    keep_alive: bool,
}

/// Why the end of a body cannot be determined.
enum FramingError {
    TwoLengths,
    Coding,
}

impl HeadFields {
    /// Reads one field. Whether it is always kept in the map of the response.
    fn read_field(&mut self, name: &str, value: &[u8], status: u16) -> Result<bool, &'static str> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        // By the length first: most fields are none of these.
        match name.len() {
            8 if is("location") => return Ok((300..400).contains(&status)),
            10 if is("set-cookie") => return Ok(true),
            10 if is("connection") => match value {
                // As most servers write it.
                b"keep-alive" => self.keep_alive = true,
                b"close" => self.close = true,
                list => {
                    for option in elements(list) {
                        self.close |= option.eq_ignore_ascii_case(b"close");
                        self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                    }
                }
            },
            13 if is("server-timing") => return Ok(true),
            14 if is("content-length") => {
                // One number, as a rule, and otherwise a list of the same one.
                match number(value) {
                    Some(length) => self.set_length(length)?,
                    None => {
                        for element in elements(value) {
                            let length = number(element).ok_or("invalid content-length")?;
                            self.set_length(length)?;
                        }
                    }
                }
            }
            16 if is("www-authenticate") => return Ok(status == 401),
            17 if is("transfer-encoding") => {
                let last = elements(value).last().unwrap_or_default();
                self.is_chunked = Some(last.eq_ignore_ascii_case(b"chunked"));
            }
            _ => {}
        }
        Ok(false)
    }

    fn set_length(&mut self, length: u64) -> Result<(), &'static str> {
        match self.length.replace(length) {
            Some(before) if before != length => Err("two different values of content-length"),
            _ => Ok(()),
        }
    }

    /// How the body ends: RFC 9112, section 6.3.
    fn framing(
        &self,
        status: u16,
        version: HttpVersion,
        bodyless: bool,
    ) -> Result<Framing, FramingError> {
        if self.length.is_some() && self.is_chunked.is_some() {
            return Err(FramingError::TwoLengths);
        }
        if bodyless || status < 200 || matches!(status, 204 | 304) {
            return Ok(Framing::Length(0));
        }
        match (self.is_chunked, self.length) {
            (Some(_), _) if version == HttpVersion::Http10 => Err(FramingError::Coding),
            (Some(true), _) => Ok(Framing::Chunked(Chunks::default())),
            (None, Some(length)) => Ok(Framing::Length(length)),
            (Some(false), _) | (None, None) => Ok(Framing::UntilClose),
        }
    }
}

/// The elements of a list, without the space around them.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn number(text: &[u8]) -> Option<u64> {
    let mut number: u64 = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    (!text.is_empty()).then_some(number)
}
