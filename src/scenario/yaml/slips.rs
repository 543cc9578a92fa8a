//! Slips that beginners make in the syntax of YAML, found in the text around a place, and how to mend them.
//!
//! Not here: lists and mappings in each other's place (`kinds`), and keys of other tools (`counterparts`).

use super::findings::Span;
use crate::error::Diagnostic;

/// What is allowed where nothing better is known.
const HELP: &str =
    "quote text that contains `: ` or ` #`, or starts with `{` or `*`; indent with spaces";

/// A syntax error that the YAML crate found in `text` at this place, and calls `what`: its cause, where that is a
/// common slip.
pub(crate) fn syntax(text: &str, at: Option<Span>, what: &str) -> (Option<Span>, Diagnostic) {
    let lines: Vec<&str> = text.lines().collect();
    if let Some(at) = at
        && let Some((line, slip)) = slip(&lines, at, what)
    {
        let (column, length) = (slip.column, slip.length);
        let place = Span {
            line,
            column,
            length,
            ..at
        };
        return (Some(place), slip.diagnostic);
    }
    let diagnostic = Diagnostic::new(format!("invalid YAML: {what}")).help(HELP);
    (at, diagnostic)
}

/// The likeliest slip around a place, and the number of its line.
fn slip(lines: &[&str], at: Span, what: &str) -> Option<(usize, Slip)> {
    // An error at the end of the file is behind its last line.
    let until = &lines[..at.line.min(lines.len())];
    let numbered = |index: usize| Some((index + 1, *lines.get(index)?));
    let here = numbered(at.line.checked_sub(1)?);
    let mut earlier = (0..at.line - 1).rev().filter_map(numbered);
    let before = earlier.find(|(_, line)| !line.trim().is_empty());
    let found = |line: Option<(usize, &str)>, slip: &dyn Fn(&str) -> Option<Slip>| {
        line.and_then(|(number, line)| Some((number, slip(line)?)))
    };
    found(here, &tab)
        .or_else(|| found(before, &tab))
        .or_else(|| found(numbered(at.line), &tab))
        .or_else(|| found(here, &template))
        .or_else(|| found(here, &|line| special(line, at.column)))
        .or_else(|| found(here, &glued))
        .or_else(|| found(before, &glued))
        .or_else(|| open_quote(until, what))
        .or_else(|| open_bracket(lines, until))
        .or_else(|| found(here, &|line| missing_comma(line, what)))
        .or_else(|| found(before, &|line| missing_colon(line, what)))
        .or_else(|| {
            found(here, &|line| {
                misaligned(line, before.map(|(_, line)| line), what)
            })
        })
}

/// A slip, and the columns of its line.
struct Slip {
    column: usize,
    length: usize,
    diagnostic: Diagnostic,
}

impl Slip {
    /// One at these bytes of a line.
    fn new(line: &str, start: usize, end: usize, message: &str, label: String) -> Option<Self> {
        Some(Self {
            column: line.get(..start)?.chars().count() + 1,
            length: line.get(start..end)?.chars().count().max(1),
            diagnostic: Diagnostic::new(message).label(label),
        })
    }
}

fn tab(line: &str) -> Option<Slip> {
    let start = line.find(|c: char| c != ' ')?;
    let tabs = line[start..].chars().take_while(|c| *c == '\t').count();
    let label = "use spaces, such as two for each level".to_owned();
    (tabs > 0)
        .then(|| {
            Slip::new(
                line,
                start,
                start + tabs,
                "a tab indents this line, which YAML does not allow",
                label,
            )
        })
        .flatten()
}

/// A template without quotes, where braces mean a mapping.
fn template(line: &str) -> Option<Slip> {
    let is_quoted = |before: &str| {
        ['"', '\'']
            .iter()
            .any(|quote| before.matches(*quote).count() % 2 == 1)
    };
    let mut places = line.match_indices("{{").map(|(place, _)| place);
    let place = places.find(|place| !is_quoted(&line[..*place]))?;
    let before = &line[..place];
    let is_flow = before.contains(['{', '[']);
    let starts = [": ", "- ", "[", ", ", "{"];
    let start = starts
        .iter()
        .filter_map(|text| Some(before.rfind(text)? + text.len()))
        .max()?;
    let start = start + line[start..].len() - line[start..].trim_start().len();
    if start < place && !is_flow {
        return None;
    }
    let mut end = place + line[place..].rfind("}}")? + 2;
    if is_flow {
        // The braces of the template itself, and what follows until the value ends.
        end = place + line[place..].find("}}")? + 2;
        end += line[end..]
            .find([',', '}', ']'])
            .unwrap_or(line.len() - end);
    } else {
        end += line[end..].find(" #").unwrap_or(line.len() - end);
    }
    let value = line[start..end].trim_end();
    let label = format!("write `{}`", quoted(value));
    let message = "a template needs quotes here: without them, `{` starts a mapping";
    Slip::new(line, start, start + value.len(), message, label)
}

/// A value in the quotes that it does not contain.
fn quoted(value: &str) -> String {
    let quote = if value.contains('"') { '\'' } else { '"' };
    format!("{quote}{value}{quote}")
}

/// A value that starts with a character that means something in YAML.
fn special(line: &str, column: usize) -> Option<Slip> {
    // The crate may point behind it.
    let starts = [column, column.saturating_sub(1)]
        .into_iter()
        .find_map(|column| {
            let (start, c) = line.char_indices().nth(column.checked_sub(1)?)?;
            let is_value = line[..start]
                .trim_end()
                .ends_with([':', '-', ',', '[', '{']);
            (is_value && "@`%*&!".contains(c)).then_some((start, c))
        });
    let start = match starts {
        // A tag, of which the end is shown.
        None => {
            let start = line
                .char_indices()
                .nth(column.saturating_sub(1))
                .map_or(line.len(), |(i, _)| i);
            let tag = line[..start].rfind('!')?;
            Some(tag).filter(|tag| line[..*tag].ends_with([' ', '[', '{', ',']))?
        }
        Some((start, _)) => start,
    };
    let is_flow = line[..start].contains(['{', '[']);
    let rest = &line[start..];
    let ends: &[char] = if is_flow { &[',', '}', ']'] } else { &['#'] };
    let value = rest[..rest.find(ends).unwrap_or(rest.len())].trim_end();
    let c = value.chars().next()?;
    // An alias or an anchor, about which something else is wrong.
    let is_name = value[c.len_utf8()..].starts_with(|c: char| c.is_ascii_alphanumeric());
    if "*&".contains(c) && is_name {
        return None;
    }
    let message = format!("text that starts with `{c}` needs quotes");
    let label = format!("write `{}`", quoted(value));
    Slip::new(line, start, start + value.len(), &message, label)
}

/// A dash or a colon without the space after it.
fn glued(line: &str) -> Option<Slip> {
    let start = line.len() - line.trim_start().len();
    let rest = &line[start..];
    if let Some(item) = rest.strip_prefix('-')
        && item.starts_with(|c: char| c.is_ascii_alphabetic())
    {
        let message = "a list item needs a space after its `-`";
        return Slip::new(
            line,
            start,
            line.trim_end().len(),
            message,
            format!("write `- {item}`"),
        );
    }
    let start = start + rest.len() - rest.trim_start_matches("- ").len();
    let spaced = spaced(&line[start..])?;
    let message = "a key needs a space after its `:`";
    Slip::new(
        line,
        start,
        line.trim_end().len(),
        message,
        format!("write `{spaced}`"),
    )
}

/// `key:value` with the space that it lacks.
pub(crate) fn spaced(text: &str) -> Option<String> {
    let (key, value) = text.split_once(':')?;
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_value =
        !value.is_empty() && !value.starts_with([' ', '\t', ':']) && !value.starts_with("//");
    (is_key && is_value && !value.contains(": ")).then(|| format!("{key}: {}", value.trim_end()))
}

/// A quote that is still open where the crate gave up.
fn open_quote(lines: &[&str], what: &str) -> Option<(usize, Slip)> {
    if !what.contains("quoted scalar") {
        return None;
    }
    let opens = |line: &str| {
        let code = line.split(" #").next().unwrap_or(line);
        (code.matches('"').count() % 2 == 1)
            .then(|| code.rfind('"'))
            .flatten()
            .or_else(|| {
                (code.matches('\'').count() % 2 == 1)
                    .then(|| code.rfind('\''))
                    .flatten()
            })
    };
    let (index, start) = lines
        .iter()
        .enumerate()
        .rev()
        .find_map(|(i, line)| Some((i, opens(line)?)))?;
    let line = lines[index];
    let label = match lines.get(index)?.get(start..=start)? {
        "'" => "close it on the same line; within `'...'`, write `''` for `'`".to_owned(),
        _ => "close it on the same line".to_owned(),
    };
    let slip = Slip::new(
        line,
        start,
        line.trim_end().len(),
        "this quote is never closed",
        label,
    )?;
    Some((index + 1, slip))
}

/// A bracket that is still open where the crate gave up, and at the end of the file.
fn open_bracket(lines: &[&str], until: &[&str]) -> Option<(usize, Slip)> {
    let (open, closed) = lines
        .iter()
        .map(|line| brackets(line))
        .fold((0, 0), |sum, one| (sum.0 + one.0.len(), sum.1 + one.1));
    if open <= closed {
        return None;
    }
    let mut last = until.iter().enumerate().rev();
    let (index, start) = last.find_map(|(i, line)| Some((i, *brackets(line).0.last()?)))?;
    let message = "this bracket is never closed";
    let slip = Slip::new(
        until[index],
        start,
        start + 1,
        message,
        "close it".to_owned(),
    )?;
    Some((index + 1, slip))
}

/// An entry of a mapping or a list in brackets that follows another without a comma.
fn missing_comma(line: &str, what: &str) -> Option<Slip> {
    let start = line.len() - line.trim_start().len();
    let message = "within brackets, commas separate the entries";
    let label = "a comma is missing here, or before this line".to_owned();
    let is_flow = what.contains("parsing a flow") || what.contains("':' indicator");
    is_flow
        .then(|| Slip::new(line, start, line.trim_end().len(), message, label))
        .flatten()
}

/// A line before the place where the crate gave up that is no key and value.
fn missing_colon(line: &str, what: &str) -> Option<Slip> {
    let start = line.len() - line.trim_start().len();
    let content = line.trim();
    let (key, value) = content.split_once(' ')?;
    let is_key = key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let is_bare = !content.contains([':', '#', '"', '\'']) && !value.is_empty();
    (what.contains("mapping values are not allowed") && is_key && is_bare)
        .then(|| {
            let label = format!("write `{key}: {value}`");
            let message = "a key needs a `:` after it";
            Slip::new(line, start, start + content.len(), message, label)
        })
        .flatten()
}

/// The brackets of a line that are not closed in it, and how many it closes that are none of its own.
fn brackets(line: &str) -> (Vec<usize>, usize) {
    let mut open = Vec::new();
    let mut closed = 0;
    let mut quote = None;
    for (i, c) in line.char_indices() {
        match (quote, c) {
            (Some(end), _) if c == end => quote = None,
            (Some(_), _) => {}
            // Within a word, it is an apostrophe.
            (None, '"' | '\'') if !line[..i].ends_with(|c: char| c.is_alphanumeric()) => {
                quote = Some(c)
            }
            (None, '{' | '[') => open.push(i),
            (None, '}' | ']') if open.pop().is_none() => closed += 1,
            (None, '#') if i == 0 || line[..i].ends_with(' ') => break,
            _ => {}
        }
    }
    (open, closed)
}

/// A line that is indented like nothing before it.
fn misaligned(line: &str, before: Option<&str>, what: &str) -> Option<Slip> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let start = indent(line);
    let end = line.trim_end().len();
    if what.contains("expected '-' indicator") {
        let message = "this line belongs neither to the list above it nor to its last item";
        let label = "indent it like the keys of the item, or start it with `- `".to_owned();
        return Slip::new(line, start, end, message, label);
    }
    if !what.contains("mapping values are not allowed") {
        return None;
    }
    let content = line.trim_start().trim_start_matches("- ");
    let colons = content.matches(": ").count() + usize::from(content.trim_end().ends_with(':'));
    if colons > 1 {
        let (_, value) = content.split_once(": ")?;
        let value = value.trim_end();
        let start = line.find(value)?;
        let message = "text that contains `: ` needs quotes";
        let is_key = |key: &str| key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let label = match value.split_once(": ") {
            Some((key, _)) if is_key(key) => {
                format!("write `{}`, or `{{{value}}}` for a mapping", quoted(value))
            }
            _ => format!("write `{}`", quoted(value)),
        };
        return Slip::new(line, start, start + value.len(), message, label);
    }
    let before = before?;
    let content = before.trim_start().trim_start_matches("- ");
    let columns = before.len() - content.len();
    (start > columns)
        .then(|| {
            let message =
                "this line is indented further than the one above it, which has a value already";
            Slip::new(
                line,
                start,
                end,
                message,
                format!("start it in column {}", columns + 1),
            )
        })
        .flatten()
}

/// Whether a key is a list item whose dash has no space after it.
pub(super) fn is_item(key: &str) -> bool {
    key.strip_prefix('-')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_space_is_missing_only_after_a_key() {
        for (text, expected) in [
            ("get:/a", Some("get: /a")),
            ("weight:3", Some("weight: 3")),
            ("http://host", None),
            ("get: /a", None),
            ("::1", None),
            ("a b:c", None),
            ("get:", None),
            ("", None),
        ] {
            assert_eq!(spaced(text).as_deref(), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_and_no_place_makes_an_explanation_panic(
            text in "([-{}\\[\\]:,#'\"@!%\\té a-z\n]|\\{\\{){0,60}",
            line in 0_usize..9,
            column in 0_usize..30,
            what in 0_usize..4,
        ) {
            let whats = ["", "quoted scalar", "expected '-' indicator", "mapping values are not allowed"];
            let at = Span { line, column, ..Span::default() };
            let (_, diagnostic) = syntax(&text, Some(at), whats[what]);
            proptest::prop_assert!(!diagnostic.message.is_empty());
            let _ = syntax(&text, None, whats[what]);
        }
    }
}
