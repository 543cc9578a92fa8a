//! The segments of paths that need one look at a body.
//!
//! Not here: comparisons of filters (`comparison`), the look (`walk`).

use serde_json::value::RawValue;

use super::comparison::{Comparison, comparison, quoted};

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

/// The condition of a filter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    /// Where in an element the value is: names and positions.
    pub(super) path: Vec<Segment>,
    /// What must be true of it; `None` if it only has to be there.
    comparison: Option<Comparison>,
}

impl Condition {
    /// Whether it is true of an element that has this value.
    pub(super) fn holds(&self, value: Option<&RawValue>) -> bool {
        match (&self.comparison, value) {
            (None, value) => value.is_some(),
            (Some(comparison), None) => comparison.holds_of_nothing(),
            (Some(comparison), Some(value)) => comparison.holds(value.get()),
        }
    }
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
fn plain(text: &str) -> Option<(Segment, &str)> {
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

/// The condition that a valid filter consists of, and what follows it.
fn condition(text: &str) -> Option<(Condition, &str)> {
    let mut rest = text.trim_start().strip_prefix('@')?;
    let mut path = Vec::new();
    while rest.starts_with(['.', '[']) {
        let segment;
        (segment, rest) = plain(rest)?;
        matches!(segment, Segment::Name(_) | Segment::Index(_)).then(|| path.push(segment))?;
    }
    rest = rest.trim_start();
    let mut compared = None;
    if !rest.starts_with(']') {
        let comparison;
        (comparison, rest) = self::comparison(rest)?;
        compared = Some(comparison);
    }
    let condition = Condition {
        path,
        comparison: compared,
    };
    Some((condition, rest.trim_start()))
}
