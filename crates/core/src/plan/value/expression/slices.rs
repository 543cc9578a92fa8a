//! Finds the slices of an expression, in whose objects the library does not look for names.

/// The source with `[a:b]` written as `[a][b]`, which has the same names; `None` where there is no slice.
pub(super) fn as_items(source: &str) -> Option<String> {
    let mut rewritten = String::with_capacity(source.len());
    // Of each open bracket: which one, and where it stands in what was rewritten.
    let mut open: Vec<(char, usize)> = Vec::new();
    let mut has_slice = false;
    let mut quote = None;
    let mut is_escaped = false;
    for c in source.chars() {
        if let Some(end) = quote {
            quote = (c != end || is_escaped).then_some(end);
            is_escaped = c == '\\' && !is_escaped;
            rewritten.push(c);
            continue;
        }
        match c {
            '\'' | '"' => {
                quote = Some(c);
                rewritten.push(c);
            }
            '[' | '{' | '(' => {
                open.push((c, rewritten.len()));
                rewritten.push(c);
            }
            ':' if matches!(open.last(), Some(('[', _))) => {
                has_slice = true;
                fill(&mut rewritten);
                rewritten.push_str("][");
            }
            ']' => {
                if open
                    .pop()
                    .is_some_and(|(_, start)| rewritten.len() > start + 1)
                {
                    fill(&mut rewritten);
                }
                rewritten.push(c);
            }
            '}' | ')' => {
                open.pop();
                rewritten.push(c);
            }
            c => rewritten.push(c),
        }
    }
    has_slice.then_some(rewritten)
}

/// Something between brackets, where there is nothing.
fn fill(rewritten: &mut String) {
    if rewritten.trim_end().ends_with('[') {
        rewritten.push('0');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_written_as_items() {
        for (source, expected) in [
            ("name[:3]", Some("name[0][3]")),
            ("name[1:]", Some("name[1][0]")),
            ("name[ : ]", Some("name[ 0][ 0]")),
            ("name[::2]", Some("name[0][0][2]")),
            ("a[b[1:n]:][c]", Some("a[b[1][n]][0][c]")),
            ("name[0]", None),
            ("{'a': 1}[x]", None),
            ("[{'a': 1}]", None),
            ("'[1:2]' ~ x['a:b']", None),
            ("'it\\'s [' ~ x[:1]", Some("'it\\'s [' ~ x[0][1]")),
            ("[] + x[:1]", Some("[] + x[0][1]")),
        ] {
            assert_eq!(as_items(source).as_deref(), expected, "{source}");
        }
    }
}
