//! Templates, split at compile time into literal text and slots, and how they are rendered.
//!
//! Here: the parsed form and rendering, which the engine does for each request. Not here:
//! parsing `{{ ... }}` (`scenario`), which needs places for its errors.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rand::{Rng, RngExt};
use rand_chacha::ChaCha12Rng;
use serde::{Serialize, Serializer};

/// Text with slots. Serialized and shown as it was written, so that the value of an environment
/// variable never leaves the process.
#[derive(Clone)]
pub struct Template {
    source: Arc<str>,
    parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Clone)]
pub enum Part {
    /// Copied as it is.
    Literal(String),
    /// Filled in for each request.
    Slot {
        /// With what.
        slot: Slot,
        /// How the value is protected from its surroundings.
        escape: Escape,
    },
}

/// What fills a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// The variable at this position of the plan's variables.
    Variable(usize),
    /// The virtual user's number, from 1.
    UserId,
    /// The number of the user's iteration, from 1.
    Iteration,
    /// Uniform in the inclusive range.
    RandomInt(i64, i64),
    /// One of these, uniformly.
    RandomChoice(Vec<String>),
    /// A random UUID (version 4), from the seeded generator.
    Uuid,
    /// Seconds since 1970-01-01 UTC.
    Timestamp,
    /// Milliseconds since 1970-01-01 UTC.
    TimestampMs,
}

/// How a value is protected from its surroundings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// Not at all.
    None,
    /// As the inside of a JSON string.
    Json,
    /// As a value of a URL-encoded form.
    Form,
}

/// What a template sees while it is rendered.
pub struct Scope<'a> {
    /// The user's variables, in the plan's order.
    pub variables: &'a [String],
    /// The virtual user's number, from 1.
    pub user_id: u64,
    /// The iteration's number, from 1.
    pub iteration: u64,
    /// The source of all random values.
    pub rng: &'a mut ChaCha12Rng,
}

impl Template {
    /// A template of these parts; neighbouring literals are joined.
    pub fn new(source: impl Into<Arc<str>>, parts: Vec<Part>) -> Self {
        let mut joined: Vec<Part> = Vec::with_capacity(parts.len());
        for part in parts {
            match (joined.last_mut(), part) {
                (Some(Part::Literal(text)), Part::Literal(more)) => text.push_str(&more),
                (_, part) => joined.push(part),
            }
        }
        Self {
            source: source.into(),
            parts: joined,
        }
    }

    /// A template without slots.
    pub fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(text.as_str(), vec![Part::Literal(text.clone())])
    }

    /// As it was written, slots unfilled.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the source has no slot at all, not even one that was filled when the plan was made.
    pub fn is_literal_source(&self) -> bool {
        !self.source.contains("{{")
    }

    /// The text, when nothing has to be filled in for each request.
    pub fn as_constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The pieces.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Appends the filled-in text to `out`.
    pub fn render(&self, scope: &mut Scope<'_>, out: &mut String) {
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Slot { slot, escape } => slot.render(*escape, scope, out),
            }
        }
    }
}

impl Slot {
    fn render(&self, escape: Escape, scope: &mut Scope<'_>, out: &mut String) {
        match self {
            Self::Variable(index) => escape.push(&scope.variables[*index], out),
            Self::RandomChoice(choices) => {
                escape.push(&choices[scope.rng.random_range(0..choices.len())], out);
            }
            // The rest is made of digits, letters and hyphens, which no surroundings misread.
            Self::UserId => push_display(out, scope.user_id),
            Self::Iteration => push_display(out, scope.iteration),
            Self::RandomInt(low, high) => {
                push_display(out, scope.rng.random_range(*low..=*high));
            }
            Self::Uuid => {
                let mut bytes = [0; 16];
                scope.rng.fill_bytes(&mut bytes);
                push_display(out, uuid::Builder::from_random_bytes(bytes).into_uuid());
            }
            Self::Timestamp => push_display(out, since_epoch().as_secs()),
            Self::TimestampMs => push_display(out, since_epoch().as_millis()),
        }
    }
}

impl Escape {
    /// Appends `value`, protected.
    pub fn push(self, value: &str, out: &mut String) {
        match self {
            Self::None => out.push_str(value),
            Self::Json => {
                let quoted = serde_json::Value::from(value).to_string();
                out.push_str(&quoted[1..quoted.len() - 1]);
            }
            Self::Form => out.extend(url::form_urlencoded::byte_serialize(value.as_bytes())),
        }
    }
}

fn push_display(out: &mut String, value: impl std::fmt::Display) {
    write!(out, "{value}").expect("writing to a string cannot fail");
}

fn since_epoch() -> std::time::Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
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
    use super::*;
    use rand::SeedableRng;

    fn render(parts: Vec<Part>, seed: u64) -> String {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let variables = ["a \"b\" &c".to_owned()];
        let mut scope = Scope {
            variables: &variables,
            user_id: 7,
            iteration: 3,
            rng: &mut rng,
        };
        let mut out = String::new();
        Template::new("", parts).render(&mut scope, &mut out);
        out
    }

    fn slot(slot: Slot, escape: Escape) -> Part {
        Part::Slot { slot, escape }
    }

    #[test]
    fn values_are_protected_from_their_surroundings() {
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
    fn the_same_seed_renders_the_same_text() {
        let parts = || {
            vec![
                Part::Literal("u".into()),
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
            vec![Part::Literal("Bearer s3cret".into())],
        );
        assert_eq!(template.as_constant(), Some("Bearer s3cret"));
        assert!(!format!("{template:?}").contains("s3cret"));
        assert!(!serde_json::to_string(&template).unwrap().contains("s3cret"));
    }
}
