//! How plain templates are written: words, quotes, calls and their arguments.
//!
//! Not here: what they mean (`template`).

use serde_json::Value;

/// What all cookies are parts of.
pub(super) const COOKIE: &str = "cookie";

/// A choice as it is written: a number or a boolean without quotes is one.
pub(super) fn choice(text: &str) -> Value {
    match unquote(text) {
        Some(quoted) => quoted.into(),
        None if is_value(text) => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        None => text.into(),
    }
}

/// Whether a text without quotes is a number or a boolean.
pub(super) fn is_value(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| {
        let written = value.to_string();
        (value.is_number() || value.is_boolean()) && written == text
    })
}

/// Whether it is at most one name, rather than an expression.
pub(super) fn is_word(text: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    text.chars().all(allowed) && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// The length of the expression at the start of `text`, which begins with `{{`; braces in quotes
/// do not end it.
pub(super) fn end_of_expression(text: &str) -> Option<usize> {
    let mut quote = None;
    let bytes = text.as_bytes();
    for (i, byte) in bytes.iter().enumerate().skip(2) {
        match (quote, byte) {
            (None, b'\'' | b'"') => quote = Some(*byte),
            (Some(open), _) if *byte == open => quote = None,
            (None, b'}') if bytes.get(i + 1) == Some(&b'}') => return Some(i + 2),
            _ => {}
        }
    }
    None
}

/// The text between quotes, where nothing else stands.
pub(super) fn unquote(text: &str) -> Option<&str> {
    ['\'', '"'].into_iter().find_map(|quote| {
        let inside = text.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inside.contains(quote)).then_some(inside)
    })
}

/// Splits `name(a, 'b, c')` into name and arguments, which keep their quotes; a bare name has
/// none. `None` when there is more to it than one call.
pub(super) fn call(text: &str) -> Option<(&str, Vec<&str>)> {
    let Some((name, rest)) = text.split_once('(') else {
        return Some((text, Vec::new()));
    };
    let inside = rest.strip_suffix(')')?;
    let mut arguments = Vec::new();
    let (mut start, mut quote) = (0, None);
    for (i, c) in inside.char_indices() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if c == open => quote = None,
            (None, '(' | ')') => return None,
            (None, ',') => {
                arguments.push(inside[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    if !inside.trim().is_empty() {
        arguments.push(inside[start..].trim());
    }
    Some((name.trim(), arguments))
}
