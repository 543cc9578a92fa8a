//! The words of a `curl` command, as a shell splits them.

use crate::error::Error;

/// The words of a command, over several lines or not, with the quotes of bash.
///
/// # Errors
/// Wrong usage if a quote is not closed.
pub fn split(text: &str) -> Result<Vec<String>, Error> {
    let unclosed = || {
        Error::usage_help(
            "the curl command ends within a quote or after a backslash",
            "give the whole command, as the browser copies it with \"Copy as cURL (bash)\"",
        )
    };
    let text = text.replace("\r\n", "\n");
    let plain = without_ansi_quotes(&text).ok_or_else(unclosed)?;
    shlex::split(&plain).ok_or_else(unclosed)
}

/// `text` with each `$'...'` in single quotes, which shlex knows. `None` if one is not closed, or is not
/// text.
fn without_ansi_quotes(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut quote = None;
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '$') if chars.peek() == Some(&'\'') => {
                chars.next();
                let decoded = ansi(&mut chars)?;
                plain += &format!("'{}'", decoded.replace('\'', "'\\''"));
                continue;
            }
            // A line that goes on; shlex would take it for an empty word.
            (None, '\\') if chars.peek() == Some(&'\n') => {
                chars.next();
                continue;
            }
            (None | Some('"'), '\\') => {
                plain.push(c);
                plain.extend(chars.next());
                continue;
            }
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
        plain.push(c);
    }
    Some(plain)
}

/// What stands in `$'...'`, up to its end.
fn ansi(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut bytes = Vec::new();
    let push = |bytes: &mut Vec<u8>, c: char| {
        bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    };
    loop {
        let c = match chars.next()? {
            '\'' => return String::from_utf8(bytes).ok(),
            '\\' => chars.next()?,
            c => {
                push(&mut bytes, c);
                continue;
            }
        };
        let mut digits = |most: usize, radix: u32| {
            let mut value = None;
            for _ in 0..most {
                let Some(digit) = chars.peek().and_then(|c| c.to_digit(radix)) else {
                    break;
                };
                value = Some(value.unwrap_or(0) * radix + digit);
                chars.next();
            }
            value
        };
        match c {
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            'r' => bytes.push(b'\r'),
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'e' | 'E' => bytes.push(27),
            'f' => bytes.push(12),
            'v' => bytes.push(11),
            '\\' | '\'' | '"' | '?' => push(&mut bytes, c),
            'x' => bytes.push(digits(2, 16)? as u8),
            'u' => push(&mut bytes, char::from_u32(digits(4, 16)?)?),
            'U' => push(&mut bytes, char::from_u32(digits(8, 16)?)?),
            '0'..='7' => {
                let first = c.to_digit(8)?;
                let (value, scale) = match digits(2, 8) {
                    None => (0, 1),
                    Some(rest) if rest < 8 => (rest, 8),
                    Some(rest) => (rest, 64),
                };
                bytes.push((first * scale + value) as u8);
            }
            c => {
                bytes.push(b'\\');
                push(&mut bytes, c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        for (text, expected) in [
            (
                "curl 'http://h/a b' -d \"x\\\"y\"",
                &["curl", "http://h/a b", "-d", "x\"y"][..],
            ),
            (
                "curl \\\n  -H 'a: b' \\\r\n  http://h",
                &["curl", "-H", "a: b", "http://h"],
            ),
            (
                r"curl -d $'it\'s\n\u00e9\x41\\'",
                &["curl", "-d", "it's\n\u{e9}A\\"],
            ),
            (r#"curl "$'x'" '$'"#, &["curl", "$'x'", "$"]),
            (r"curl a$'\t'b", &["curl", "a\tb"]),
        ] {
            assert_eq!(split(text).unwrap(), expected, "{text}");
        }
        for bad in [
            "curl 'a",
            "curl $'a",
            "curl \"a",
            "curl a\\",
            r"curl $'\xff'",
        ] {
            assert!(
                split(bad)
                    .unwrap_err()
                    .to_string()
                    .contains("within a quote"),
                "{bad}"
            );
        }
    }
}
