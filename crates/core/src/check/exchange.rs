//! A request and its response as people may see them: as text, without secrets, and cut to a length.
//!
//! Not here: how they are laid out (`report`), or which of them are kept (`metrics`).

use http::HeaderMap;
use http::header::{self, HeaderValue};

use super::message::{readable, without_secret_fields};
use super::text::escaped;
use crate::metrics::{BodyText, ExchangeText, HttpVersion, MessageText};
use crate::plan::{Secrets, is_secret_header};
use crate::protocol::Hop;
use crate::units::{format_bytes, format_counted};

/// How much of an exchange is shown; bytes.
#[derive(Debug, Clone, Copy)]
pub struct ExchangeLimits {
    /// Of each body.
    pub body: usize,
    /// Of the header fields of each message together.
    pub headers: usize,
    /// Of each header field, and of a request line.
    pub line: usize,
}

impl ExchangeLimits {
    /// Everything that was kept.
    pub const NONE: Self = Self {
        body: usize::MAX,
        headers: usize::MAX,
        line: usize::MAX,
    };
    /// Of a failure that is stored in the result.
    pub const SAMPLE: Self = Self {
        body: 2_000,
        headers: 4_000,
        line: 1_000,
    };
}

/// How much of a body that is not compressed is looked at for this much text; bytes. A secret may be
/// longer than what is shown in its place.
const MARGIN: usize = 16 << 10;

/// What was sent and received, without `secrets` and other values whose names say that they are secret.
pub fn exchange_text(hop: &Hop, secrets: &Secrets, limits: ExchangeLimits) -> ExchangeText {
    let version = match hop.version {
        Some(HttpVersion::Http2) => "HTTP/2",
        Some(HttpVersion::Http10) => "HTTP/1.0",
        Some(HttpVersion::Http11) | None => "HTTP/1.1",
    };
    let target = without_secret_query(&hop.target);
    let line = format!("{} {target} {version}", hop.method);
    let fields = header_lines(&hop.request_headers, Some(&hop.authority), secrets);
    let length = hop.request_length.unwrap_or(0);
    let body = (&hop.request_body[..], length, "from a file");
    let request = message(
        secrets.hide(&line).as_ref(),
        (
            fields,
            body_text(&hop.request_headers, body, secrets, limits),
        ),
        limits,
    );
    let response = hop.status.map(|status| {
        let fields = header_lines(&hop.response_headers, None, secrets);
        let body = (&hop.response_body[..], hop.response_length, "not kept");
        let body = body_text(&hop.response_headers, body, secrets, limits);
        message(&format!("{version} {status}"), (fields, body), limits)
    });
    ExchangeText {
        redirects: 0,
        request,
        response,
    }
}

fn message(
    line: &str,
    (fields, body): (Vec<String>, Option<BodyText>),
    limits: ExchangeLimits,
) -> MessageText {
    let mut room = limits.headers;
    let mut headers = Vec::new();
    let mut unkept_headers = 0;
    for field in fields {
        let field = beginning(&escaped(&field), limits.line);
        match room.checked_sub(field.len()) {
            Some(rest) => {
                room = rest;
                headers.push(field);
            }
            None => unkept_headers += 1,
        }
    }
    MessageText {
        line: beginning(&escaped(line), limits.line),
        headers,
        unkept_headers,
        body,
    }
}

/// At most this many bytes of `text`, with an ellipsis where something was cut off.
fn beginning(text: &str, most: usize) -> String {
    match text.len() <= most {
        true => text.to_owned(),
        false => format!("{}…", &text[..boundary(text, most)]),
    }
}

/// The last place between two characters of `text` within its first `most` bytes.
fn boundary(text: &str, most: usize) -> usize {
    let mut at = most.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// `name: value` of each header field; `host` first, if it is not among them already.
fn header_lines(headers: &HeaderMap, host: Option<&str>, secrets: &Secrets) -> Vec<String> {
    let host = match headers.get(header::HOST) {
        None => host.map(str::to_owned),
        Some(host) => Some(text(host)),
    };
    let host = host.map(|host| format!("host: {host}"));
    let others = headers.iter().filter(|(name, _)| *name != header::HOST);
    let others = others.map(|(name, value)| match is_secret_header(name.as_str()) {
        true => format!("{name}: ***"),
        false if *name == header::LOCATION || *name == header::REFERER => {
            format!("{name}: {}", without_secret_query(&text(value)))
        }
        false => format!("{name}: {}", text(value)),
    });
    let all = host.into_iter().chain(others);
    all.map(|line| secrets.hide(&line).into_owned()).collect()
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// The beginning of a body of this many bytes with these headers. Only the first bytes of it may be
/// there, or none; then `absent` says why.
fn body_text(
    headers: &HeaderMap,
    (body, length, absent): (&[u8], u64, &str),
    secrets: &Secrets,
    limits: ExchangeLimits,
) -> Option<BodyText> {
    if length == 0 && body.is_empty() {
        return None;
    }
    let noted = |note: String| BodyText {
        size_bytes: length,
        text: None,
        is_cut: false,
        note: Some(note),
    };
    if body.is_empty() {
        return Some(noted(format!("{} {absent}", format_bytes(length))));
    }
    let enough = limits.body.saturating_add(MARGIN);
    let seen = match headers.contains_key(header::CONTENT_ENCODING) {
        true => body,
        false => &body[..body.len().min(enough)],
    };
    let Some(mut readable) = readable(headers, seen) else {
        let bytes = format_counted(length, "byte");
        return Some(noted(match media_type(headers) {
            Some(kind) => format!("{bytes} of {}", escaped(&secrets.hide(&kind))),
            None => format!("{bytes}, not text"),
        }));
    };
    let mut is_cut = (body.len() as u64) < length || seen.len() < body.len();
    if readable.len() > enough {
        readable.truncate(boundary(&readable, enough));
        is_cut = true;
    }
    let hidden = without_secret_fields(&readable);
    let hidden = match is_form(headers) {
        true => without_secret_pairs(&hidden),
        false => hidden.into_owned(),
    };
    let hidden = secrets.hide(&hidden);
    let lines: Vec<String> = hidden.trim_end().lines().map(escaped).collect();
    let mut text = lines.join("\n");
    if text.len() > limits.body {
        text.truncate(boundary(&text, limits.body));
        is_cut = true;
    }
    Some(BodyText {
        size_bytes: length,
        text: Some(text),
        is_cut,
        note: None,
    })
}

/// Such as `image/png`, without parameters.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let kind = text(headers.get(header::CONTENT_TYPE)?);
    let kind = kind.split(';').next().unwrap_or_default().trim();
    // A service may write anything there.
    (!kind.is_empty() && kind.len() <= 100).then(|| kind.to_owned())
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| {
        kind.as_bytes()
            .starts_with(b"application/x-www-form-urlencoded")
    })
}

/// A URL, or its path, without the values in its query whose names say that they are secret.
fn without_secret_query(url: &str) -> String {
    match url.split_once('?') {
        Some((path, query)) => format!("{path}?{}", without_secret_pairs(query)),
        None => url.to_owned(),
    }
}

/// A form without the values of fields whose names say that they are secret.
fn without_secret_pairs(form: &str) -> String {
    let pairs = form.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_secret_header(&name.to_ascii_lowercase()) => format!("{name}=***"),
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn shown(headers: &HeaderMap, body: &[u8], length: u64) -> BodyText {
        let secrets = Secrets::new(["canary-canary"]);
        let body = (body, length, "from a file");
        body_text(headers, body, &secrets, ExchangeLimits::SAMPLE).unwrap()
    }

    #[test]
    fn secrets_are_hidden_in_headers_and_bodies() {
        let secrets = Secrets::new(["canary-canary"]);
        let sent = headers(&[
            ("accept", "*/*"),
            ("authorization", "Bearer x"),
            ("x-trace", "of canary-canary"),
            ("location", "/next?token=abc&page=2"),
        ]);
        assert_eq!(
            header_lines(&sent, Some("localhost:1"), &secrets),
            [
                "host: localhost:1",
                "accept: */*",
                "authorization: ***",
                "x-trace: of ***",
                "location: /next?token=***&page=2",
            ]
        );
        let form = headers(&[("content-type", "application/x-www-form-urlencoded")]);
        for (headers, body, expected) in [
            (&form, "user=ann&password=x", "user=ann&password=***"),
            (
                &sent,
                r#"{"password": "x", "a": 1}"#,
                r#"{"password": "***", "a": 1}"#,
            ),
            (&sent, "it is canary-canary", "it is ***"),
        ] {
            let body = shown(headers, body.as_bytes(), body.len() as u64);
            assert_eq!(body.text.as_deref(), Some(expected));
        }
    }

    /// One that starts within what is shown, and ends behind it.
    #[test]
    fn a_secret_at_the_cut_is_hidden() {
        let body = format!("{}canary-canary", "x".repeat(1_995));
        let body = shown(&HeaderMap::new(), body.as_bytes(), body.len() as u64);
        let text = body.text.unwrap();
        assert!(!text.contains("canary") && text.ends_with("x***"), "{text}");
        let cut = format!("{}canary-canary", "x".repeat(2_000));
        let cut = shown(&HeaderMap::new(), cut.as_bytes(), cut.len() as u64);
        assert_eq!((cut.text.unwrap().len(), cut.is_cut), (2_000, true));
    }

    #[test]
    fn a_long_body_is_cut_and_one_that_is_no_text_is_named() {
        let none = HeaderMap::new();
        let png = headers(&[("content-type", "image/png; x=1")]);
        let note = |headers, body: &[u8], length| shown(headers, body, length).note.unwrap();
        let absent = (&b""[..], 0, "from a file");
        let limits = ExchangeLimits::SAMPLE;
        assert!(body_text(&none, absent, &Secrets::default(), limits).is_none());
        assert_eq!(note(&none, b"", 9_000_000), "9.0 MB from a file");
        assert_eq!(note(&none, b"\0\x01\xff", 1_234), "1,234 bytes, not text");
        assert_eq!(note(&png, b"\x89PNG\0", 1_234), "1,234 bytes of image/png");
        assert_eq!(note(&none, b"a\x1b[31m\nb", 7), "7 bytes, not text");
        let long = shown(&none, "é".repeat(50_000).as_bytes(), 100_000);
        assert_eq!((long.text.unwrap().len(), long.is_cut), (2_000, true));
        let hidden = shown(&none, "a\u{202e}b\r\nc".as_bytes(), 8);
        assert_eq!(hidden.text.as_deref(), Some("a\\u{202e}b\nc"));
    }

    #[test]
    fn hostile_heads_are_cut_and_inert() {
        let mut fields = headers(&[("x-bidi", "a")]);
        let value = HeaderValue::from_str(&"v".repeat(100_000)).unwrap();
        fields.insert("x-long", value);
        for number in 0..200 {
            let name = format!("x-{number}");
            let name: http::HeaderName = name.parse().unwrap();
            let value = HeaderValue::from_bytes("\u{202e}x\t".as_bytes()).unwrap();
            fields.insert(name, value);
        }
        let hop = Hop {
            method: "GET".to_owned(),
            target: format!("/{}", "p".repeat(100_000)),
            authority: "localhost".to_owned(),
            request_headers: fields.clone(),
            request_body: Default::default(),
            request_length: None,
            version: None,
            status: Some(500),
            response_headers: fields,
            response_body: Default::default(),
            response_length: 0,
            duration: Default::default(),
            failure: None,
        };
        let text = exchange_text(&hop, &Secrets::default(), ExchangeLimits::SAMPLE);
        for message in [&text.request, text.response.as_ref().unwrap()] {
            let size: usize = message.headers.iter().map(String::len).sum();
            assert!(size <= 4_000 && message.line.len() <= 1_003, "{message:?}");
            assert!(message.unkept_headers > 0);
            let lines = message.headers.iter();
            let mut chars = lines.flat_map(|line| line.chars());
            assert!(!chars.any(|c| c.is_control() || c == '\u{202e}'));
        }
    }
}
