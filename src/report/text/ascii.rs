//! Text in ASCII alone, for terminals that show nothing else.

use std::borrow::Cow;
use std::ffi::OsStr;

use unicode_width::UnicodeWidthChar;

/// Whether the environment asks for ASCII: by `TERM=dumb`, or by a locale without UTF-8, as `LANG=C` is. No
/// locale at all does not, since most containers and CI systems have none and show UTF-8.
pub fn is_ascii_wanted() -> bool {
    wants_ascii(|name| std::env::var_os(name))
}

fn wants_ascii<T: AsRef<OsStr>>(variable: impl Fn(&str) -> Option<T>) -> bool {
    let given = |name: &str| {
        let value = variable(name)?;
        let value = value.as_ref().to_string_lossy().to_ascii_lowercase();
        (!value.is_empty()).then_some(value)
    };
    // The first of them that is set decides: POSIX, section 8.2.
    let mut locales = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter();
    let is_utf8 = |locale: String| locale.contains("utf-8") || locale.contains("utf8");
    given("TERM").is_some_and(|term| term == "dumb")
        || locales
            .find_map(given)
            .is_some_and(|locale| !is_utf8(locale))
}

/// `text` as the terminal can show it.
pub fn on_screen(text: &str) -> Cow<'_, str> {
    match is_ascii_wanted() {
        true => to_ascii(text),
        false => Cow::Borrowed(text),
    }
}

/// `text` in ASCII, in as many columns. A character that has no likeness becomes `?`.
pub(crate) fn to_ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    // With the space behind it, so that the columns of a table stay where they are.
    let text = text.replace("≤ ", "<=").replace("≥ ", ">=");
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii() => ascii.push(c),
            'µ' => ascii.push('u'),
            '·' | '─' => ascii.push('-'),
            '│' => ascii.push('|'),
            '┌' | '┐' | '└' | '┘' => ascii.push('+'),
            '…' => ascii.push('~'),
            '✓' => ascii.push('+'),
            '✗' => ascii.push('x'),
            '━' | '■' | '█' => ascii.push('#'),
            '◆' | '•' => ascii.push('*'),
            '▁' => ascii.push('_'),
            '▂' => ascii.push('.'),
            '▃' => ascii.push('-'),
            '▄' => ascii.push('='),
            '▅' => ascii.push('+'),
            '▆' => ascii.push('%'),
            '▇' => ascii.push('@'),
            c => (0..c.width().unwrap_or(0)).for_each(|_| ascii.push('?')),
        }
    }
    Cow::Owned(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::width;
    use proptest::prelude::*;

    #[test]
    fn the_locale_and_the_terminal_decide() {
        let wants = |variables: &[(&str, &'static str)]| {
            let variables = variables.to_vec();
            wants_ascii(move |name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| *v))
        };
        assert!(!wants(&[]));
        assert!(!wants(&[("LANG", ""), ("TERM", "xterm")]));
        assert!(wants(&[("LANG", "C")]));
        assert!(wants(&[("LANG", "POSIX")]));
        assert!(!wants(&[("LANG", "C.UTF-8")]));
        assert!(!wants(&[("LANG", "en_US.utf8")]));
        assert!(wants(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(!wants(&[("LC_CTYPE", "de_DE.UTF-8"), ("LANG", "C")]));
        assert!(wants(&[("LANG", "en_US.UTF-8"), ("TERM", "dumb")]));
    }

    #[test]
    fn what_perfctl_draws_has_a_likeness() {
        let text = "✓ p95 ≤ 350 µs · 10/s  list…ces";
        assert_eq!(to_ascii(text), "+ p95 <=350 us - 10/s  list~ces");
        assert_eq!(to_ascii("請 ü"), "?? ?");
    }

    proptest! {
        #[test]
        fn any_text_becomes_ascii_of_the_same_width(text in "[ -~µ≤≥…✓請ü\u{301}]{0,40}") {
            let ascii = to_ascii(&text);
            prop_assert!(ascii.is_ascii());
            // `≤` alone is one column of a `?`.
            prop_assert_eq!(width(&ascii), width(&text));
        }
    }
}
