//! Requests as bytes: those of an endpoint are encoded once, with slots for what differs; any other
//! is written from its parts.
//!
//! Both give the same bytes for the same request, except for the order of the header fields.

use std::io::Write as _;
use std::rc::Rc;

use ::http::header::{self, HeaderValue};
use url::{Position, Url};

use super::connection::origin::Origin;
use crate::plan::{Auth, Body, Endpoint, Method, Trace, TraceContext};
use crate::protocol::Rendered;
use crate::protocol::http::request::outgoing::{Outgoing, announces_empty, authority};
use crate::protocol::http::request::payload::MAX_JOINED;
use crate::protocol::http::request::prepared::{PreparedRequest, is_set_per_request};

/// The longest path that is written without being parsed; bytes. A longer one takes the general way,
/// which knows how long a URL may be.
const MAX_PATH: usize = 8 << 10;

/// An endpoint's request as bytes.
pub(super) struct EncodedRequest {
    pub(super) origin: Rc<Origin>,
    /// Whether its method is HEAD, so that a response has no body.
    pub(super) is_head: bool,
    /// Whether it has a length though it has no body.
    announces_empty: bool,
    segments: Vec<Segment>,
    /// Whether one of them is [`Segment::Secret`].
    has_secret: bool,
}

/// A stretch of a request.
enum Segment {
    Literal(Vec<u8>),
    /// The path below the base, with its query.
    Path,
    /// The value of the header at this position of the endpoint's.
    Header(usize),
    /// The credentials.
    Secret,
    /// The field with the trace of the request, if it is traced.
    Trace,
    /// The line with the length of the body, the end of the head, and the body.
    Body,
}

impl EncodedRequest {
    /// Encodes `prepared`, which is what the endpoint always sends below `base`. `None` where its
    /// requests must be built one by one: for example, where a body has several parts that vary, or
    /// where the credentials depend on the server. `to_proxy` are those for the proxy, if they are part of
    /// each request. If it `is_traced`, its requests may have a trace.
    pub(super) fn new(
        endpoint: &Endpoint,
        prepared: &PreparedRequest,
        base: &str,
        origin: Origin,
        to_proxy: Option<&HeaderValue>,
        is_traced: bool,
    ) -> Option<Self> {
        let fixed = &prepared.request;
        let announces_empty = announces_empty(&fixed.method);
        if !has_simple_body(endpoint) || fixed.contents.is_some() {
            return None;
        }
        let mut encoder = Encoder::default();
        encoder.text(endpoint.method.as_str());
        encoder.text(" ");
        if origin.is_passed_on() {
            encoder.text(&fixed.url[..Position::BeforePath]);
        }
        match endpoint.url.as_constant() {
            Some(_) => encoder.text(fixed.target()),
            None => {
                encoder.text(&base_path(base, endpoint)?);
                encoder.slot(Segment::Path);
            }
        }
        encoder.text(" HTTP/1.1\r\n");
        let is_rendered = |name: &str| {
            let mut headers = endpoint.headers.iter();
            headers.any(|header| header.name == name && header.value.as_constant().is_none())
        };
        if !fixed.headers.contains_key(header::HOST) && !is_rendered("host") {
            encoder.text(&format!("host: {}\r\n", authority(&fixed.url)));
        }
        for (name, value) in &fixed.headers {
            if !is_rendered(name.as_str()) {
                write_field(name.as_str(), value, &mut encoder.literal);
            }
        }
        let name = header::PROXY_AUTHORIZATION;
        if let Some(value) = to_proxy
            && !fixed.headers.contains_key(&name)
            && !is_rendered(name.as_str())
        {
            write_field(name.as_str(), value, &mut encoder.literal);
        }
        for (position, header) in endpoint.headers.iter().enumerate() {
            if header.value.as_constant().is_none() {
                encoder.text(&format!("{}: ", header.name));
                encoder.slot(Segment::Header(position));
                encoder.text("\r\n");
            }
        }
        if let Some(auth) = varying_header(endpoint)? {
            let scheme = match auth {
                Auth::Bearer(_) => "Bearer ",
                _ => "",
            };
            encoder.text(&format!("{}: {scheme}", auth.header_name()?));
            encoder.slot(Segment::Secret);
            encoder.text("\r\n");
        }
        if is_traced {
            encoder.slot(Segment::Trace);
        }
        match (&fixed.body, endpoint.body.varies()) {
            (_, true) => encoder.slot(Segment::Body),
            (Some(body), false) if body.len() > MAX_JOINED => return None,
            (body, false) => {
                let body = body.as_deref().unwrap_or_default();
                write_body(body, announces_empty, &mut encoder.literal);
            }
        }
        let segments = encoder.finish();
        let is_secret = |segment: &Segment| matches!(segment, Segment::Secret);
        Some(Self {
            origin: Rc::new(origin),
            is_head: endpoint.method == Method::Head,
            announces_empty,
            has_secret: segments.iter().any(is_secret),
            segments,
        })
    }

    /// Whether what was rendered fits into the slots as it is. Otherwise the request is built the
    /// general way, which escapes or rejects it.
    pub(super) fn can_encode(&self, rendered: Option<&Rendered>) -> bool {
        let Some(rendered) = rendered else {
            return true;
        };
        self.segments.iter().all(|segment| match segment {
            Segment::Literal(_) | Segment::Trace => true,
            Segment::Path => rendered.url.len() <= MAX_PATH && is_plain(&rendered.url),
            Segment::Header(position) => {
                // One that is not sent has no field.
                let value = rendered.headers.get(*position).and_then(Option::as_ref);
                value.is_some_and(|value| value.bytes().all(is_field_byte))
            }
            Segment::Secret => {
                let secret = secret(rendered);
                secret.is_some_and(|secret| secret.bytes().all(is_field_byte))
            }
            Segment::Body => rendered
                .body
                .as_ref()
                .is_some_and(|b| b.len() <= MAX_JOINED),
        })
    }

    /// The credentials in a request that were not known before the run, and must not be shown.
    pub(super) fn secret<'a>(&self, rendered: Option<&'a Rendered>) -> Option<&'a str> {
        rendered.filter(|_| self.has_secret).and_then(secret)
    }

    /// Appends the bytes of a request; what was rendered [can be encoded](Self::can_encode).
    pub(super) fn write(
        &self,
        rendered: Option<&Rendered>,
        trace: Option<&TraceContext>,
        bytes: &mut Vec<u8>,
    ) {
        for segment in &self.segments {
            match (segment, rendered) {
                (Segment::Literal(literal), _) => bytes.extend_from_slice(literal),
                (Segment::Trace, _) => {
                    if let Some(trace) = trace {
                        let value = trace.header(0);
                        let name = Trace::HEADER.as_bytes();
                        for part in [name, b": ", &value, b"\r\n"] {
                            bytes.extend_from_slice(part);
                        }
                    }
                }
                (Segment::Path, Some(rendered)) => bytes.extend_from_slice(rendered.url.as_bytes()),
                (Segment::Header(position), Some(rendered)) => {
                    let value = rendered.headers.get(*position).and_then(Option::as_ref);
                    bytes.extend_from_slice(value.map_or(b"", |value| value.as_bytes()));
                }
                (Segment::Secret, Some(rendered)) => {
                    bytes.extend_from_slice(secret(rendered).unwrap_or_default().as_bytes());
                }
                (Segment::Body, Some(rendered)) => {
                    let body = rendered.body.as_deref().unwrap_or_default();
                    write_body(body.as_bytes(), self.announces_empty, bytes);
                }
                (_, None) => {}
            }
        }
    }
}

/// The credentials that were rendered.
pub(super) fn secret(rendered: &Rendered) -> Option<&str> {
    rendered.auth.first().map(String::as_str)
}

/// The credentials in a header of their own that vary from request to request. `None` where there
/// are some that no slot can hold.
pub(super) fn varying_header(endpoint: &Endpoint) -> Option<Option<&Auth>> {
    match endpoint.auth.as_deref() {
        None => Some(None),
        Some(Auth::Digest(_) | Auth::OAuth2(_)) => None,
        Some(auth) if !is_set_per_request(auth, endpoint) => Some(None),
        Some(auth @ Auth::Bearer(_)) => Some(Some(auth)),
        Some(auth @ Auth::ApiKey { .. }) if auth.header_name().is_some() => Some(Some(auth)),
        Some(_) => None,
    }
}

/// Whether the body is always the same, or one text that has a slot.
fn has_simple_body(endpoint: &Endpoint) -> bool {
    let has_slot = matches!(endpoint.body, Body::Template(_)) && !endpoint.gzip;
    has_slot || !endpoint.body.varies()
}

/// What comes before the path of an endpoint whose URL varies. `None` where the endpoint may render
/// a whole URL.
pub(super) fn base_path(base: &str, endpoint: &Endpoint) -> Option<String> {
    if !endpoint.url.source().starts_with('/') {
        return None;
    }
    let base = Url::parse(base).ok()?;
    Some(base.path().trim_end_matches('/').to_owned())
}

/// Whether a path with a query is sent exactly as it is: it has none of the characters that URLs
/// encode, and no dot segments, which they resolve.
fn is_plain(target: &str) -> bool {
    let mut before = 0;
    for byte in target.bytes() {
        let kind = KINDS[usize::from(byte)];
        // `/%2e%2e/` means the same as `/../`.
        if kind == 0 || before & SLASH != 0 && kind & DOT != 0 {
            return false;
        }
        before = kind;
    }
    target.starts_with('/')
}

/// A byte that URLs do not encode.
const PLAIN: u8 = 1;
/// That is a slash.
const SLASH: u8 = 2;
/// That begins a dot segment behind a slash.
const DOT: u8 = 4;

/// What each byte is; 0 for those that URLs encode.
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        if (byte as u8).is_ascii_alphanumeric() {
            kinds[byte] = PLAIN;
        }
        byte += 1;
    }
    let others = b"-_.~/?&=%:@!$()*+,;";
    let mut position = 0;
    while position < others.len() {
        kinds[others[position] as usize] = PLAIN;
        position += 1;
    }
    kinds[b'/' as usize] = PLAIN | SLASH;
    kinds[b'.' as usize] = PLAIN | DOT;
    kinds[b'%' as usize] = PLAIN | DOT;
    kinds
};

/// Whether `HeaderValue::from_str` allows it.
fn is_field_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

/// A request that is being encoded.
#[derive(Default)]
struct Encoder {
    segments: Vec<Segment>,
    /// What follows them.
    literal: Vec<u8>,
}

impl Encoder {
    fn text(&mut self, text: &str) {
        self.literal.extend_from_slice(text.as_bytes());
    }

    fn slot(&mut self, segment: Segment) {
        let literal = std::mem::take(&mut self.literal);
        self.segments.extend([Segment::Literal(literal), segment]);
    }

    fn finish(mut self) -> Vec<Segment> {
        self.segments.push(Segment::Literal(self.literal));
        self.segments
    }
}

/// Appends the head of any request, and its body where that is held in memory and small. A proxy that
/// it `is_passed_on` by has to see the whole URL.
pub(super) fn write(outgoing: &Outgoing, is_passed_on: bool, bytes: &mut Vec<u8>) {
    let url = &outgoing.url;
    bytes.extend_from_slice(outgoing.method.as_str().as_bytes());
    bytes.push(b' ');
    if is_passed_on {
        bytes.extend_from_slice(url[..Position::BeforePath].as_bytes());
    }
    bytes.extend_from_slice(outgoing.target().as_bytes());
    bytes.extend_from_slice(b" HTTP/1.1\r\n");
    if !outgoing.headers.contains_key(header::HOST) {
        bytes.extend_from_slice(format!("host: {}\r\n", authority(url)).as_bytes());
    }
    for (name, value) in &outgoing.headers {
        write_field(name.as_str(), value, bytes);
    }
    write_length(outgoing.length(), bytes);
    if let Some(body) = &outgoing.body
        && is_joined(outgoing)
    {
        bytes.extend_from_slice(body);
    }
}

/// Whether the body of a request is written together with its head, so that nothing is left.
pub(super) fn is_joined(outgoing: &Outgoing) -> bool {
    let is_small = |length: u64| length <= MAX_JOINED as u64;
    outgoing.contents.is_none() && outgoing.length().is_none_or(is_small)
}

fn write_field(name: &str, value: &HeaderValue, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(b": ");
    bytes.extend_from_slice(value.as_bytes());
    bytes.extend_from_slice(b"\r\n");
}

/// The end of the head and a body. An empty body is none, which is announced or not.
fn write_body(body: &[u8], announces_empty: bool, bytes: &mut Vec<u8>) {
    let is_announced = announces_empty || !body.is_empty();
    write_length(is_announced.then_some(body.len() as u64), bytes);
    bytes.extend_from_slice(body);
}

fn write_length(length: Option<u64>, bytes: &mut Vec<u8>) {
    if let Some(length) = length {
        // Writing to memory cannot fail.
        let _ = write!(bytes, "content-length: {length}\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
