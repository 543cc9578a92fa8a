//! What the body of a response says to people, of whatever kind it is: its message, or its beginning.
//!
//! Not here: whether the response passes (`conditions`).

use std::borrow::Cow;
use std::sync::LazyLock;

use http::HeaderMap;
use regex::{Captures, Regex};
use serde_json::Value;

use super::decode;
use super::text::{MAX_SAID, cut, excerpt};
use crate::plan::{Secrets, is_secret_header};
use crate::protocol::Response;

/// The message of a JSON body, or else the beginning of a body that is text: on one line, without
/// `secrets`, at most 200 characters. `None` where there is nothing to read.
pub fn said(response: &Response, secrets: &Secrets) -> Option<String> {
    let text = readable(&response.headers, &response.body)?;
    let json: Option<Value> = serde_json::from_str(&text).ok();
    let message = json.as_ref().and_then(message);
    let said = message.as_deref().unwrap_or(&text);
    let said = without_secret_fields(said);
    let words: Vec<&str> = said.split_whitespace().collect();
    let shown = secrets.hide_beginning(&words.join(" "), MAX_SAID + 1);
    let shown = cut(&excerpt(&shown), MAX_SAID);
    (!shown.is_empty()).then_some(shown)
}

/// A body, or its beginning, as text; `None` where it is none.
pub fn readable(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let plain = decode::beginning(headers, body);
    let plain = plain.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&plain);
    let text = match std::str::from_utf8(plain) {
        Ok(text) => text,
        // Only a beginning was kept, which may end within a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&plain[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let is_text = |c: char| !c.is_control() || c.is_whitespace();
    text.chars().all(is_text).then(|| text.to_owned())
}

/// `text` without the values of JSON fields whose names say that they are secret: the response to a
/// login has a token that nobody knows yet.
pub fn without_secret_fields(text: &str) -> Cow<'_, str> {
    /// The name of a field, and its value, which may be cut off.
    static FIELD: LazyLock<Regex> = LazyLock::new(|| {
        let field = r#"("([^"\\]{1,64})"\s*:\s*")(?:[^"\\]|\\.)*"#;
        Regex::new(field).expect("the pattern is valid")
    });
    FIELD.replace_all(text, |field: &Captures<'_>| {
        match is_secret_header(&field[2].to_ascii_lowercase()) {
            true => format!("{}***", &field[1]),
            false => field[0].to_owned(),
        }
    })
}

/// The message in what services commonly answer: `message`, `detail`, `error` and such, also the
/// first of several errors, as FastAPI, GraphQL and JSON:API write them.
fn message(json: &Value) -> Option<Cow<'_, str>> {
    const KEYS: [&str; 7] = [
        "message",
        "detail",
        "error_description",
        "error",
        "msg",
        "errors",
        "title",
    ];
    match json {
        Value::String(text) => (!text.trim().is_empty()).then_some(text.into()),
        Value::Array(items) => message(items.first()?),
        Value::Object(fields) => {
            let found = KEYS.iter().find_map(|key| message(fields.get(*key)?))?;
            Some(match fields.get("loc").and_then(place) {
                Some(place) => format!("{place}: {found}").into(),
                None => found,
            })
        }
        _ => None,
    }
}

/// Where FastAPI found the error, such as `body.qty`.
fn place(loc: &Value) -> Option<String> {
    let parts = loc.as_array()?.iter();
    let parts: Vec<String> = parts
        .map(|part| match part {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join("."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said_of(body: &[u8]) -> Option<String> {
        let response = Response {
            body: body.to_vec().into(),
            ..Response::default()
        };
        said(&response, &Secrets::new(["canary-canary"]))
    }

    #[test]
    fn the_message_of_a_json_body_is_found_wherever_it_commonly_is() {
        for (body, expected) in [
            (
                r#"{"message": "qty must be an integer"}"#,
                "qty must be an integer",
            ),
            (r#"{"code": 7, "detail": "Not Found"}"#, "Not Found"),
            (r#"{"error": "no such user"}"#, "no such user"),
            (
                r#"{"error": {"code": 3, "message": "too many"}}"#,
                "too many",
            ),
            (
                r#"{"error": "invalid_grant", "error_description": "the code has expired"}"#,
                "the code has expired",
            ),
            (
                r#"{"detail": [{"loc": ["body", "items", 0, "qty"], "msg": "not an integer"}]}"#,
                "body.items.0.qty: not an integer",
            ),
            (r#"{"errors": [{"message": "no field"}]}"#, "no field"),
            (r#""just text""#, "just text"),
            (r#"{"status": "bad"}"#, r#"{"status": "bad"}"#),
            (
                r#"{"access_token": "a\"bc", "type": "x", "refreshToken":"de"#,
                r#"{"access_token": "***", "type": "x", "refreshToken":"***"#,
            ),
            (r#"{"message": 5}"#, r#"{"message": 5}"#),
            ("<html>\n  <b>Bad</b>\n</html>", "<html> <b>Bad</b> </html>"),
            (
                r#"{"message": "the key canary-canary is wrong"}"#,
                "the key *** is wrong",
            ),
        ] {
            assert_eq!(said_of(body.as_bytes()).as_deref(), Some(expected));
        }
    }

    #[test]
    fn nothing_is_said_where_there_is_no_text() {
        for body in [&b""[..], b"  \n", b"\x89PNG\r\n\x1a\n\0\0", b"\x1f\x8b\x08"] {
            assert_eq!(said_of(body), None, "{body:?}");
        }
    }

    #[test]
    fn a_beginning_may_end_anywhere() {
        let body = "é".repeat(300);
        let shown = said_of(&body.as_bytes()[..599]).unwrap();
        assert_eq!(shown.chars().count(), MAX_SAID);
        assert!(shown.ends_with('…'));
        let json = r#"{"message": "cut off"#;
        assert_eq!(said_of(json.as_bytes()).as_deref(), Some(json));
    }

    proptest! {
        #[test]
        fn whatever_a_body_is_it_is_shown_on_one_line(body in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Some(shown) = said_of(&body) {
                prop_assert!(shown.chars().count() <= MAX_SAID && !shown.chars().any(char::is_control));
            }
        }
    }
}
