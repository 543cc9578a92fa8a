//! The texts of failed checks: short, and safe to show.

use crate::plan::Secrets;

/// The longest text of a failure, in characters.
pub(super) const MAX_TEXT: usize = 300;
/// How much of a body or value is quoted within a text, in characters.
pub(super) const MAX_QUOTE: usize = 120;

/// How much of a body is shown beside a text, in characters.
pub(super) const MAX_SAID: usize = 200;
/// What stands in front of the beginning of a body.
pub(super) const STARTS_WITH: &str = "; it starts with `";

/// How a body begins, to be appended to a text.
pub(super) fn beginning(body: &str, secrets: &Secrets) -> String {
    match body.trim() {
        "" => "; it is empty".to_owned(),
        body => {
            let shown = secrets.hide_beginning(body, MAX_QUOTE);
            format!("{STARTS_WITH}{}`", cut(&shown, MAX_QUOTE))
        }
    }
}

/// `text` cut at `max` characters, with an ellipsis where something was cut off.
pub(super) fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max - 1).chain(['…']).collect(),
    }
}

/// `text` on one line and safe for a terminal: control characters, line separators and characters
/// that change the direction of writing are escaped, and at most 300 characters are left.
pub fn excerpt(text: &str) -> String {
    let mut shown = String::new();
    // Escaping only makes text longer, so no more than this is ever needed.
    for c in text.chars().take(MAX_TEXT + 1) {
        push_escaped(c, &mut shown);
    }
    cut(&shown, MAX_TEXT)
}

/// `text` with what [`excerpt`] escapes, but whole.
pub(super) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    text.chars().for_each(|c| push_escaped(c, &mut shown));
    shown
}

fn push_escaped(c: char, shown: &mut String) {
    match c {
        c if c.is_control() => shown.extend(c.escape_default()),
        '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => {
            shown.extend(c.escape_unicode());
        }
        c => shown.push(c),
    }
}
