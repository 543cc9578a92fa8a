//! Header fields and bodies of a request or response as people may see them: without secrets, on
//! lines, cut to what can be read.
//!
//! Not here: what else is said of a request (`trial`).

use http::HeaderMap;
use http::header::{self, HeaderValue};

use crate::check::{readable, without_secret_fields};
use crate::plan::{Secrets, is_secret_header};
use crate::report::plain;
use crate::units::format_bytes;

/// The most lines of a body.
const MAX_LINES: usize = 20;
/// The most characters of a body.
const MAX_CHARACTERS: usize = 1_000;

/// `name: value` of each header field; `host` first, if it is not among them already.
pub fn header_lines(headers: &HeaderMap, host: Option<&str>, secrets: &Secrets) -> Vec<String> {
    let host = match headers.get(header::HOST) {
        None => host.map(str::to_owned),
        Some(host) => Some(text(host)),
    };
    let host = host.map(|host| format!("host: {host}"));
    let others = headers.iter().filter(|(name, _)| *name != header::HOST);
    let others = others.map(|(name, value)| match is_secret_header(name.as_str()) {
        true => format!("{name}: ***"),
        false => format!("{name}: {}", text(value)),
    });
    let all = host.into_iter().chain(others);
    all.map(|line| plain(&secrets.hide(&line))).collect()
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// The beginning of a body of this many bytes with these headers, on lines. Only the first bytes of it
/// may be there.
pub fn body_lines(
    headers: &HeaderMap,
    (body, length): (&[u8], u64),
    secrets: &Secrets,
) -> Vec<String> {
    if length == 0 && body.is_empty() {
        return Vec::new();
    }
    let size = format_bytes(length);
    if body.is_empty() {
        return vec![format!("({size} from a file)")];
    }
    let Some(text) = readable(headers, body) else {
        return vec![format!("({size}, not text)")];
    };
    let text = without_secret_fields(&text);
    let text = match is_form(headers) {
        true => without_secret_pairs(&text),
        false => text.into_owned(),
    };
    let text = secrets.hide(&text);
    let mut room = MAX_CHARACTERS;
    let mut lines = Vec::new();
    let mut is_cut = (body.len() as u64) < length;
    for line in text.trim_end().lines() {
        if lines.len() == MAX_LINES || room == 0 {
            is_cut = true;
            break;
        }
        let shown: String = line.chars().take(room).collect();
        is_cut |= shown.len() < line.len();
        room -= shown.chars().count().min(room);
        lines.push(plain(&shown));
    }
    if is_cut {
        lines.push(format!("... ({size} in all)"));
    }
    lines
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| {
        kind.as_bytes()
            .starts_with(b"application/x-www-form-urlencoded")
    })
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

    #[test]
    fn secrets_are_hidden_in_headers_and_bodies() {
        let secrets = Secrets::new(["canary-canary"]);
        let sent = headers(&[
            ("accept", "*/*"),
            ("authorization", "Bearer x"),
            ("x-trace", "of canary-canary"),
        ]);
        assert_eq!(
            header_lines(&sent, Some("localhost:1"), &secrets),
            [
                "host: localhost:1",
                "accept: */*",
                "authorization: ***",
                "x-trace: of ***"
            ]
        );
        let form = headers(&[("content-type", "application/x-www-form-urlencoded")]);
        for (headers, body, shown) in [
            (&form, "user=ann&password=x", "user=ann&password=***"),
            (
                &sent,
                r#"{"password": "x", "a": 1}"#,
                r#"{"password": "***", "a": 1}"#,
            ),
            (&sent, "it is canary-canary", "it is ***"),
        ] {
            let lines = body_lines(headers, (body.as_bytes(), body.len() as u64), &secrets);
            assert_eq!(lines, [shown]);
        }
    }

    #[test]
    fn a_long_body_is_cut_and_one_that_is_no_text_is_named() {
        let (none, secrets) = (HeaderMap::new(), Secrets::default());
        let lines = |body: &[u8], length| body_lines(&none, (body, length), &secrets);
        assert!(lines(b"", 0).is_empty());
        assert_eq!(lines(b"", 9_000_000), ["(9.0 MB from a file)"]);
        assert_eq!(lines(b"\0\x01\xff", 3), ["(3 B, not text)"]);
        let long = lines("x\n".repeat(100).as_bytes(), 200);
        assert_eq!(long.len(), MAX_LINES + 1);
        assert_eq!(long.last().unwrap(), "... (200 B in all)");
        let wide = lines("y".repeat(5_000).as_bytes(), 5_000);
        assert_eq!((wide[0].len(), wide.len()), (MAX_CHARACTERS, 2));
        assert_eq!(lines(b"a\x1b[31m\nb", 7), ["(7 B, not text)"]);
        assert_eq!(lines(b"::error::a\r\n\tb", 13), [": :error::a", "\\tb"]);
    }
}
