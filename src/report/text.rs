//! Text for a terminal: escaped, measured, shortened and wrapped.

mod ascii;
mod json;

use std::io::IsTerminal;
use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub(super) use self::ascii::to_ascii;
pub use self::ascii::{is_ascii_wanted, on_screen};
pub(crate) use self::json::JsonWriter;

/// The width where there is no terminal, and that of sentences on a wider one; columns.
pub const DEFAULT_COLUMNS: usize = 80;

/// The width of a terminal; 80 columns for anything else.
pub fn terminal_columns(stream: &(impl IsTerminal + AsFd)) -> usize {
    let size = match stream.is_terminal() {
        true => tcgetwinsize(stream).ok(),
        false => None,
    };
    match size.map(|size| usize::from(size.ws_col)) {
        // Some terminals do not know.
        None | Some(0) => DEFAULT_COLUMNS,
        Some(columns) => columns,
    }
}

/// Columns that `text` takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    // Nearly all text, and much faster to see than each character is to look up.
    if text.is_ascii() && !text.contains('\r') {
        return text.len();
    }
    text.width()
}

/// `text` on one line, without anything that could control a terminal or a CI system: control
/// characters and characters that are invisible or change the writing direction are escaped, and so
/// are the beginnings of workflow commands (`::error`, `##[group]`).
pub(super) fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => safe.extend(c.escape_default()),
            c if is_harmful(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    line_start(safe.replace("##[", "# #["))
}

/// Whether a character controls the terminal, is invisible, changes the writing direction, or may not
/// stand in XML.
fn is_harmful(c: char) -> bool {
    // Most characters are of ASCII.
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c,
            '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fffe}'..='\u{ffff}')
}

/// `text` as the content of an element of HTML or XML, or of an attribute in quotes.
pub(super) fn markup(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// Harmless text that is to begin a line, where `::error` would be a workflow command.
pub(super) fn line_start(text: String) -> String {
    match text.trim_start().strip_prefix("::") {
        Some(rest) => format!(": :{rest}"),
        None => text,
    }
}

/// `text` in at most `columns`; if it is longer, an ellipsis replaces its middle, since the
/// beginning and the end of names tell them apart.
pub(super) fn shorten(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let Some(room) = columns.checked_sub(1) else {
        return String::new();
    };
    let head = take(text.chars(), room.div_ceil(2));
    let tail = take(text.chars().rev(), room / 2);
    let tail: String = tail.chars().rev().collect();
    format!("{head}…{tail}")
}

/// As many characters as fit into `columns`.
pub(super) fn take(chars: impl Iterator<Item = char>, columns: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= columns
        })
        .collect()
}

/// `text` in lines of at most `columns`, the first after `first`, the others indented as far.
/// Words longer than a line are cut.
pub fn wrap(first: &str, text: &str, columns: usize) -> Vec<String> {
    let indent = width(first);
    let room = columns.saturating_sub(indent).max(10);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word = word.to_owned();
        if !line.is_empty() && width(&line) + 1 + width(&word) <= room {
            line.push(' ');
            line.push_str(&word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        word = line_start(word);
        while width(&word) > room {
            let head = take(word.chars(), room);
            word = line_start(word.split_off(head.len()));
            lines.push(head);
        }
        line = word;
    }
    lines.push(line);
    let margin = " ".repeat(indent);
    let margins = std::iter::once(first).chain(std::iter::repeat(margin.as_str()));
    margins
        .zip(lines)
        .map(|(margin, line)| format!("{margin}{line}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_text_can_control_the_terminal_or_a_ci_system() {
        assert_eq!(harmless("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\n");
        assert_eq!(harmless("  ::error::x"), ": :error::x");
        assert_eq!(harmless("a ##[group]"), "a # #[group]");
        assert_eq!(harmless("\u{202e}abc"), "\\u{202e}abc");
        assert_eq!(
            harmless("Rechnungen prüfen 請求書"),
            "Rechnungen prüfen 請求書"
        );
    }

    #[test]
    fn names_lose_their_middle() {
        assert_eq!(shorten("list invoices", 20), "list invoices");
        assert_eq!(shorten("list invoices", 8), "list…ces");
        assert_eq!(shorten("請求書一覧", 6), "請…覧");
        assert_eq!(shorten("abc", 1), "…");
        assert_eq!(shorten("abc", 0), "");
    }

    #[test]
    fn nothing_can_end_an_element_or_an_attribute() {
        assert_eq!(
            markup("</svg><script>\"&'"),
            "&lt;/svg&gt;&lt;script&gt;&quot;&amp;&#39;"
        );
    }

    proptest! {
        #[test]
        fn ascii_is_as_wide_as_any_text(text in "([ -~]|[\\x00-\\x7f]|\r\n){0,20}") {
            prop_assert_eq!(width(&text), text.width());
        }

        #[test]
        fn any_text_fits(text in ".{0,200}", columns in 0usize..90) {
            let safe = harmless(&text);
            prop_assert!(!safe.chars().any(char::is_control));
            let text = safe.replace('a', "::");
            for line in wrap("  ", &line_start(text), columns) {
                prop_assert!(!line.trim_start().starts_with("::"), "{line:?}");
            }
            prop_assert!(width(&shorten(&safe, columns)) <= columns);
            for line in wrap("  - ", &safe, columns) {
                prop_assert!(width(&line) <= columns.max(14), "{line:?}");
            }
        }
    }
}
