//! Comparing a value to the literal of a filter.
//!
//! How values compare is that of `serde_json_path`, which is asked wherever it is not evident. Not here: where the
//! value is (`segment`).

use serde_json::Value;

/// What must be true of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Comparison {
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

impl Comparison {
    /// Whether it is true where there is no value: nothing is not equal to any literal.
    pub(super) fn holds_of_nothing(&self) -> bool {
        self.operator == Operator::NotEqual
    }

    /// Whether it is true of a value in JSON.
    pub(super) fn holds(&self, value: &str) -> bool {
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

/// The comparison that a text begins with, and what follows it; both operator and literal must be there.
pub(super) fn comparison(text: &str) -> Option<(Comparison, &str)> {
    let mut operators = OPERATORS.iter();
    let found = operators.find_map(|(word, one)| Some((word, *one, text.strip_prefix(word)?)));
    let (word, operator, after) = found?;
    let from = after.trim_start();
    let (literal, rest) = literal(from)?;
    let written = &from[..from.len() - rest.len()];
    let path = serde_json_path::JsonPath::parse(&format!("$[?@ {word} {written}]")).ok()?;
    let comparison = Comparison {
        operator,
        literal,
        path,
    };
    Some((comparison, rest))
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

/// The quoted text that a text begins with, and what follows it. `None` with escapes.
pub(super) fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next()?;
    let (quoted, rest) = text[1..].split_once(quote)?;
    (!quoted.contains('\\')).then_some((quoted, rest))
}
