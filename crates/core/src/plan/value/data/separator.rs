//! What separates the columns of a CSV file.
//!
//! Here: recognizing it by the first line. Not here: splitting lines by it (`records`).

use super::records::DataError;

/// What separates columns where nothing is said, the usual one first.
const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];

/// The separator of a file whose first line is number `line`: the only one of the usual ones that
/// stands in it outside of quotes; a comma if there is none.
///
/// # Errors
/// There are several, so that any of them could be meant.
pub(super) fn recognized(line: u64, text: &str) -> Result<char, DataError> {
    let mut found: Vec<(char, usize)> = Vec::new();
    let mut is_quoted = false;
    for (i, c) in text.chars().enumerate() {
        is_quoted ^= c == '"';
        let is_new = found.iter().all(|(known, _)| *known != c);
        if !is_quoted && is_new && SEPARATORS.contains(&c) {
            found.push((c, i + 1));
        }
    }
    match found.as_slice() {
        [] => Ok(SEPARATORS[0]),
        [(only, _)] => Ok(*only),
        [(first, _), (second, column), ..] => Err(DataError::new(
            line,
            *column,
            format!(
                "both {} and {} could separate the columns: set `separator` to the one that does",
                separator_name(*first),
                separator_name(*second)
            ),
        )),
    }
}

/// How a separator is written in errors and previews: `` `;` ``, or the word for what cannot be seen.
pub fn separator_name(separator: char) -> String {
    match separator {
        '\t' => "a tab".into(),
        visible => format!("`{visible}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_the_only_one_in_the_first_line() {
        for (text, expected) in [
            ("id,name", ','),
            ("id;name\r\n", ';'),
            ("id\tna me", '\t'),
            ("id|name", '|'),
            ("id", ','),
            ("", ','),
            ("\"a,b\";c", ';'),
            ("\"a \"\"x;y\"\"\",c", ','),
            ("\"a\nb,c", ','),
        ] {
            assert_eq!(recognized(1, text), Ok(expected), "{text}");
        }
        let error = recognized(2, "a;b\tc").unwrap_err();
        assert_eq!((error.line, error.column), (2, 4));
        let part = "both `;` and a tab could separate";
        assert!(error.message.contains(part), "{}", error.message);
    }
}
