//! Conditions of filters: one value of an element, compared to a literal or only looked for.
//!
//! Here: whether it is true of what an element has. How values compare is that of `serde_json_path`, which is asked
//! wherever it is not evident.

use serde_json::Value;
use serde_json::value::RawValue;

use super::segment::{Segment, plain, quoted};

/// The condition of a filter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    /// Where in an element the value is: names and positions.
    pub(super) path: Vec<Segment>,
    /// What must be true of it; `None` if it only has to be there.
    comparison: Option<Comparison>,
}

/// What must be true of a value.
#[derive(Debug, Clone, PartialEq)]
struct Comparison {
    operator: Operator,
    literal: Literal,
    /// The same as a path into a list of that value.
    path: serde_json_path::JsonPath,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Longer ones first, since they begin like shorter ones.
const OPERATORS: [(&str, Operator); 6] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

#[derive(Debug, Clone, PartialEq)]
enum Literal {
    /// Finite.
    Number(f64),
    Text(String),
    /// `true`, `false` or `null`.
    Word,
}

impl Condition {
    /// Whether it is true of an element that has this value.
    pub(super) fn holds(&self, value: Option<&RawValue>) -> bool {
        let Some(comparison) = &self.comparison else {
            return value.is_some();
        };
        match value {
            // Nothing is not equal to any literal.
            None => comparison.operator == Operator::NotEqual,
            Some(value) => comparison.holds(value.get()),
        }
    }
}

impl Comparison {
    fn holds(&self, value: &str) -> bool {
        let ordering = match &self.literal {
            Literal::Number(number)
                if value.starts_with(|c: char| c == '-' || c.is_ascii_digit()) =>
            {
                let value = value.parse().ok().filter(|value: &f64| value.is_finite());
                value.and_then(|value| value.partial_cmp(number))
            }
            Literal::Text(text) => {
                let inner = value
                    .strip_prefix('"')
                    .and_then(|rest| rest.strip_suffix('"'));
                let plain = inner.filter(|inner| !inner.contains('\\'));
                plain.map(|plain| plain.cmp(text.as_str()))
            }
            _ => None,
        };
        match (ordering, self.operator) {
            (Some(ordering), Operator::Equal) => ordering.is_eq(),
            (Some(ordering), Operator::NotEqual) => ordering.is_ne(),
            (Some(ordering), Operator::Less) => ordering.is_lt(),
            (Some(ordering), Operator::LessOrEqual) => ordering.is_le(),
            (Some(ordering), Operator::Greater) => ordering.is_gt(),
            (Some(ordering), Operator::GreaterOrEqual) => ordering.is_ge(),
            (None, _) => serde_json::from_str(value)
                .is_ok_and(|value| !self.path.query(&Value::Array(vec![value])).is_empty()),
        }
    }
}

/// The condition that a valid filter consists of, and what follows it.
pub(super) fn condition(text: &str) -> Option<(Condition, &str)> {
    let mut rest = text.trim_start().strip_prefix('@')?;
    let mut path = Vec::new();
    while rest.starts_with(['.', '[']) {
        let segment;
        (segment, rest) = plain(rest)?;
        matches!(segment, Segment::Name(_) | Segment::Index(_)).then(|| path.push(segment))?;
    }
    rest = rest.trim_start();
    let mut comparison = None;
    let mut operators = OPERATORS.iter();
    let found = operators.find_map(|(text, one)| Some((text, *one, rest.strip_prefix(text)?)));
    if let Some((operator_text, operator, after)) = found {
        let from = after.trim_start();
        let literal;
        (literal, rest) = self::literal(from)?;
        let literal_text = &from[..from.len() - rest.len()];
        let path =
            serde_json_path::JsonPath::parse(&format!("$[?@ {operator_text} {literal_text}]"))
                .ok()?;
        comparison = Some(Comparison {
            operator,
            literal,
            path,
        });
        rest = rest.trim_start();
    }
    Some((Condition { path, comparison }, rest))
}

/// The literal that a text begins with, and what follows it.
fn literal(text: &str) -> Option<(Literal, &str)> {
    if text.starts_with(['\'', '"']) {
        let (text, rest) = quoted(text)?;
        return Some((Literal::Text(text.to_owned()), rest));
    }
    let (word, rest) = text.split_at(text.find([']', ' ', '&', '|', ')'])?);
    let literal = match word {
        "true" | "false" | "null" => Literal::Word,
        number => Literal::Number(
            number
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite())?,
        ),
    };
    Some((literal, rest))
}
