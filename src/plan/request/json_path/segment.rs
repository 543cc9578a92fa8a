//! The segments of paths that need one look at a body.
//!
//! Not here: what filters let through (`condition`), the look (`walk`).

use super::condition::{Condition, condition};

/// What is taken of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Segment {
    /// The member of an object with this name.
    Name(String),
    /// The element of a list at this position, from 0.
    Index(usize),
    /// Every element of a list.
    Elements,
    /// The elements of a list for which this is true.
    Filter(Condition),
}

/// The segments of a valid path that has nothing but names, positions, `[*]`, and filters with one condition.
pub(super) fn segments(path: &str) -> Option<Vec<Segment>> {
    let mut rest = path.strip_prefix('$')?;
    let mut segments = Vec::new();
    while !rest.is_empty() {
        let segment;
        (segment, rest) = match rest.strip_prefix("[?") {
            Some(inner) => {
                let (condition, rest) = condition(inner)?;
                (Segment::Filter(condition), rest.strip_prefix(']')?)
            }
            None => plain(rest)?,
        };
        segments.push(segment);
    }
    Some(segments)
}

/// The segment that a text begins with, unless it is a filter, and what follows it.
pub(super) fn plain(text: &str) -> Option<(Segment, &str)> {
    let Some(inner) = text.strip_prefix('[') else {
        let inner = text.strip_prefix('.')?;
        let is_end = |c: char| !(c.is_alphanumeric() || c == '_' || !c.is_ascii());
        let (name, rest) = inner.split_at(inner.find(is_end).unwrap_or(inner.len()));
        return Some((
            (!name.is_empty()).then(|| Segment::Name(name.to_owned()))?,
            rest,
        ));
    };
    if inner.starts_with(['\'', '"']) {
        let (name, rest) = quoted(inner)?;
        return Some((Segment::Name(name.to_owned()), rest.strip_prefix(']')?));
    }
    let (inner, rest) = inner.split_once(']')?;
    let segment = match inner {
        "*" => Segment::Elements,
        index if index.bytes().all(|byte| byte.is_ascii_digit()) => {
            Segment::Index(index.parse().ok()?)
        }
        _ => return None,
    };
    Some((segment, rest))
}

/// The quoted text that a text begins with, and what follows it. `None` with escapes.
pub(super) fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next()?;
    let (quoted, rest) = text[1..].split_once(quote)?;
    (!quoted.contains('\\')).then_some((quoted, rest))
}
