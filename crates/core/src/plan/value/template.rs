//! Templates, split into literal text and slots when the plan is made, and how they are rendered.
//!
//! Here: the parsed form and rendering, which the engine does for each request. Not here: parsing
//! `{{ ... }}` (`scenario`), which needs locations for its errors.

use std::sync::Arc;

use rand::RngExt;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::escape::Escape;
use super::expression::Expression;
use super::generators::{count, since_epoch, uuid};
use super::request_view::RequestPart;
use super::scope::Scope;

/// Text with slots. Serialized and shown as it was written, so that the value of an environment
/// variable never leaves the process.
#[derive(Clone)]
pub struct Template {
    source: Arc<str>,
    parts: Vec<TemplatePart>,
    /// The value, where it is known and not a text.
    known: Option<Value>,
    /// Whether the filled-in text is JSON, whose value is meant.
    is_json: bool,
}

/// A part of a template.
#[derive(Clone)]
pub enum TemplatePart {
    /// Copied as it is.
    Literal(String),
    /// Filled in for each request.
    Slot {
        /// What is filled in.
        slot: Slot,
        /// How the value is escaped.
        escape: Escape,
    },
}

/// What fills a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// The variable at this position of the names of the plan.
    Variable(usize),
    /// Counts up each time the user renders a counter of this name; from 1.
    Counter(String),
    /// The value of an expression.
    Expression(Arc<Expression>),
    /// The number of the virtual user, from 1.
    UserId,
    /// The number of the iteration of the user, from 1.
    Iteration,
    /// Uniform in the inclusive range.
    RandomInt(i64, i64),
    /// One of these, with equal probability.
    RandomChoice(Vec<Value>),
    /// A random UUID (version 4), from the seeded generator.
    Uuid,
    /// Seconds since 1970-01-01 UTC.
    Timestamp,
    /// Milliseconds since 1970-01-01 UTC.
    TimestampMs,
}

impl Template {
    /// A template of these parts; joins neighboring literals.
    pub fn new(source: impl Into<Arc<str>>, parts: Vec<TemplatePart>) -> Self {
        let mut joined: Vec<TemplatePart> = Vec::with_capacity(parts.len());
        for part in parts {
            match (joined.last_mut(), part) {
                (Some(TemplatePart::Literal(text)), TemplatePart::Literal(more)) => {
                    text.push_str(&more)
                }
                (_, part) => joined.push(part),
            }
        }
        Self {
            source: source.into(),
            parts: joined,
            known: None,
            is_json: false,
        }
    }

    /// A value that is known, as written.
    pub fn known(source: impl Into<Arc<str>>, value: Value) -> Self {
        let (text, known) = match value {
            Value::String(text) => (text, None),
            value => (value.to_string(), Some(value)),
        };
        Self {
            known,
            ..Self::new(source, vec![TemplatePart::Literal(text)])
        }
    }

    /// The value that this JSON describes, once it is filled in.
    pub fn of_json(self) -> Self {
        let known = self.as_constant();
        let known = known.and_then(|text| serde_json::from_str(text).ok());
        Self {
            is_json: known.is_none(),
            known,
            ..self
        }
    }

    /// The value, if nothing is filled in for each request.
    pub fn as_known(&self) -> Option<Value> {
        let text = self.as_constant()?;
        Some(self.known.clone().unwrap_or_else(|| text.into()))
    }

    /// The same, shown as something else.
    pub fn shown_as(self, source: &str) -> Self {
        Self {
            source: source.into(),
            ..self
        }
    }

    /// A template without slots.
    pub fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(text.as_str(), vec![TemplatePart::Literal(text.clone())])
    }

    /// As it was written, with unfilled slots.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The source, which is shared with the clones.
    pub fn shared_source(&self) -> &Arc<str> {
        &self.source
    }

    /// Whether the source has no slot at all, not even one that was filled in when the plan was made.
    pub fn is_literal_source(&self) -> bool {
        !self.source.contains("{{")
    }

    /// The text, if nothing is filled in for each request.
    pub fn as_constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [TemplatePart::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The parts.
    pub fn parts(&self) -> &[TemplatePart] {
        &self.parts
    }

    /// The positions of the variables it uses; the same one may occur twice.
    pub fn variables(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().flat_map(|part| match part {
            TemplatePart::Slot {
                slot: Slot::Variable(index),
                ..
            } => vec![*index],
            TemplatePart::Slot {
                slot: Slot::Expression(expression),
                ..
            } => expression.variables().collect(),
            _ => Vec::new(),
        })
    }

    /// Whether it is nothing but one slot.
    pub fn is_one_slot(&self) -> bool {
        matches!(self.parts.as_slice(), [TemplatePart::Slot { .. }])
    }

    /// Whether it reads this part of the request that it is a part of.
    pub fn reads_request(&self, part: RequestPart) -> bool {
        self.parts.iter().any(|one| {
            matches!(one, TemplatePart::Slot { slot: Slot::Expression(expression), .. }
                if expression.reads_request(part))
        })
    }

    /// Whether it reads any part of the request that it is a part of.
    pub fn signs_request(&self) -> bool {
        let mut parts = RequestPart::ALL.into_iter();
        parts.any(|(_, part)| self.reads_request(part))
    }

    /// The filled-in value. What is nothing but one slot keeps its type, as does JSON; anything else is a text.
    ///
    /// # Errors
    /// As those of [`Self::render`].
    pub fn value(&self, scope: &mut Scope<'_>) -> Result<Value, String> {
        if let Some(known) = &self.known {
            return Ok(known.clone());
        }
        if let ([TemplatePart::Slot { slot, .. }], false) = (self.parts.as_slice(), self.is_json) {
            return slot.value(scope);
        }
        let mut text = String::new();
        self.render(scope, &mut text)?;
        if self.is_json {
            return serde_json::from_str(&text).map_err(|error| error.to_string());
        }
        Ok(text.into())
    }

    /// As [`Self::render`], but what is nothing but one slot without a value is not filled in. Returns whether it
    /// was.
    ///
    /// # Errors
    /// As those of [`Self::render`].
    pub fn render_value(&self, scope: &mut Scope<'_>, out: &mut String) -> Result<bool, String> {
        match self.parts.as_slice() {
            [TemplatePart::Slot { slot, escape }] => match slot {
                Slot::Variable(index) if scope.variable(*index)?.is_null() => Ok(false),
                Slot::Expression(expression) => expression.render_value(*escape, scope, out),
                slot => slot.render(*escape, scope, out).map(|()| true),
            },
            _ => self.render(scope, out).map(|()| true),
        }
    }

    /// Appends the filled-in text to `out`.
    ///
    /// # Errors
    /// A variable is not set, or an expression fails; for people. `out` then ends with an incomplete
    /// text.
    pub fn render(&self, scope: &mut Scope<'_>, out: &mut String) -> Result<(), String> {
        for part in &self.parts {
            match part {
                TemplatePart::Literal(text) => out.push_str(text),
                TemplatePart::Slot { slot, escape } => slot.render(*escape, scope, out)?,
            }
        }
        Ok(())
    }
}

impl Slot {
    fn render(
        &self,
        escape: Escape,
        scope: &mut Scope<'_>,
        out: &mut String,
    ) -> Result<(), String> {
        match self {
            Self::Variable(index) => escape.push_value(scope.variable(*index)?, out),
            Self::Expression(expression) => expression.render(escape, scope, out)?,
            Self::Counter(name) => push_integer(out, count(scope.counters, name)),
            Self::RandomChoice(choices) => {
                escape.push_value(&choices[scope.rng.random_range(0..choices.len())], out);
            }
            Self::Uuid => escape.push(&uuid(scope.rng).to_string(), out),
            // The rest are whole numbers, which need no escape.
            Self::UserId => push_integer(out, scope.user_id),
            Self::Iteration => push_integer(out, scope.iteration),
            Self::RandomInt(low, high) => {
                push_integer(out, scope.rng.random_range(*low..=*high));
            }
            Self::Timestamp => push_integer(out, since_epoch().as_secs()),
            Self::TimestampMs => push_integer(out, since_epoch().as_millis()),
        }
        Ok(())
    }
}

impl Slot {
    fn value(&self, scope: &mut Scope<'_>) -> Result<Value, String> {
        Ok(match self {
            Self::Variable(index) => scope.variable(*index)?.clone(),
            Self::Expression(expression) => expression.json(scope)?,
            Self::RandomChoice(choices) => {
                choices[scope.rng.random_range(0..choices.len())].clone()
            }
            Self::Uuid => uuid(scope.rng).to_string().into(),
            Self::Counter(name) => count(scope.counters, name).into(),
            Self::UserId => scope.user_id.into(),
            Self::Iteration => scope.iteration.into(),
            Self::RandomInt(low, high) => scope.rng.random_range(*low..=*high).into(),
            Self::Timestamp => since_epoch().as_secs().into(),
            Self::TimestampMs => (since_epoch().as_millis() as u64).into(),
        })
    }
}

fn push_integer(out: &mut String, value: impl itoa::Integer) {
    out.push_str(itoa::Buffer::new().format(value));
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.source)
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;

    fn render(parts: Vec<TemplatePart>, seed: u64) -> String {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let variables = [
            Some("a \"b\" &c".into()),
            None,
            Some(serde_json::json!([1, "x"])),
        ];
        let mut scope = Scope {
            names: &["a".into(), "token".into(), "list".into()],
            variables: &variables,
            shared: None,
            user_id: 7,
            iteration: 3,
            counters: &mut BTreeMap::new(),
            rng: &mut rng,
            request: None,
        };
        let mut out = String::new();
        match Template::new("", parts).render(&mut scope, &mut out) {
            Ok(()) => out,
            Err(error) => error,
        }
    }

    fn slot(slot: Slot, escape: Escape) -> TemplatePart {
        TemplatePart::Slot { slot, escape }
    }

    #[test]
    fn values_are_escaped_for_their_surroundings() {
        let variable = || Slot::Variable(0);
        assert_eq!(
            render(vec![slot(variable(), Escape::None)], 1),
            "a \"b\" &c"
        );
        assert_eq!(
            render(vec![slot(variable(), Escape::Json)], 1),
            "a \\\"b\\\" &c"
        );
        assert_eq!(
            render(vec![slot(variable(), Escape::Form)], 1),
            "a+%22b%22+%26c"
        );
    }

    #[test]
    fn an_unset_variable_is_named_and_json_is_written_as_json() {
        assert_eq!(
            render(vec![slot(Slot::Variable(1), Escape::None)], 1),
            "variable `token` is not set yet"
        );
        assert_eq!(
            render(vec![slot(Slot::Variable(2), Escape::Json)], 1),
            "[1,\\\"x\\\"]"
        );
        let value = |index| render(vec![slot(Slot::Variable(index), Escape::JsonValue)], 1);
        assert_eq!(
            (value(0).as_str(), value(2).as_str()),
            (r#""a \"b\" &c""#, "[1,\"x\"]")
        );
    }

    #[test]
    fn counters_count_by_name() {
        let counter = |name: &str| slot(Slot::Counter(name.into()), Escape::None);
        let parts = vec![counter("a"), counter("a"), counter("b"), counter("a")];
        assert_eq!(render(parts, 1), "1213");
    }

    #[test]
    fn the_same_seed_renders_the_same_text() {
        let parts = || {
            vec![
                TemplatePart::Literal("u".into()),
                slot(Slot::UserId, Escape::None),
                slot(Slot::Uuid, Escape::None),
                slot(Slot::RandomInt(i64::MIN, i64::MAX), Escape::None),
                slot(
                    Slot::RandomChoice(vec!["x".into(), "y".into()]),
                    Escape::None,
                ),
            ]
        };
        assert_eq!(render(parts(), 42), render(parts(), 42));
        assert_ne!(render(parts(), 42), render(parts(), 43));
    }

    #[test]
    fn the_value_of_a_filled_slot_is_not_shown() {
        let template = Template::new(
            "Bearer {{ env.TOKEN }}",
            vec![TemplatePart::Literal("Bearer s3cret".into())],
        );
        assert_eq!(template.as_constant(), Some("Bearer s3cret"));
        assert!(!format!("{template:?}").contains("s3cret"));
        assert!(!serde_json::to_string(&template).unwrap().contains("s3cret"));
    }
}
