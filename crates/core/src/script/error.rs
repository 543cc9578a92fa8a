//! What goes wrong in a script, and where.

use std::cell::Cell;
use std::fmt;

use rquickjs::{CaughtError, Ctx, Value};

use super::files::Sources;

thread_local! {
    /// Whether a script failed on this thread since it was last asked.
    static HAS_FAILED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a script failed on this thread since the last call. The library for expressions hands on nothing but
/// the text of an error.
pub fn take_failure() -> bool {
    HAS_FAILED.take()
}

/// An error of a script. The text may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError {
    /// What is wrong, such as `TypeError: not a function`.
    pub message: String,
    /// What to do about it, if that is known.
    pub help: Option<String>,
    /// Where, if that is known.
    pub place: Option<ScriptPlace>,
}

/// A place in a file of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptPlace {
    /// The path of the file from the scenario's folder.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The text of the line.
    pub source_line: String,
}

impl ScriptError {
    /// With this message, and no place.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            place: None,
        }
    }

    /// At this place of a file, counted from 1.
    pub(super) fn at(self, sources: &Sources, file: &str, line: usize, column: usize) -> Self {
        let place = sources.line(file, line).map(|source_line| ScriptPlace {
            file: file.to_owned(),
            line,
            column,
            source_line,
        });
        Self { place, ..self }
    }

    /// What the engine has caught.
    pub(super) fn caught<'js>(ctx: &Ctx<'js>, error: rquickjs::Error, sources: &Sources) -> Self {
        match CaughtError::from_error(ctx, error) {
            CaughtError::Exception(exception) => {
                Self::thrown(&exception.into_object().into_value(), sources)
            }
            CaughtError::Value(value) => Self::thrown(&value, sources),
            CaughtError::Error(error) => Self::new(error.to_string()),
        }
    }

    /// What was thrown, which may be anything.
    pub(super) fn thrown(value: &Value<'_>, sources: &Sources) -> Self {
        let Some(object) = value.as_object().filter(|_| value.is_error()) else {
            let text = match value.as_string().map(|text| text.to_string()) {
                Some(Ok(text)) => text,
                _ => format!("a value of type {} was thrown", value.type_name()),
            };
            return Self::new(text);
        };
        let text = |key: &str| object.get::<_, Option<String>>(key).ok().flatten();
        let (name, message) = (text("name"), text("message"));
        let message = match (name, message.filter(|text| !text.is_empty())) {
            (Some(name), Some(message)) if name != "Error" => format!("{name}: {message}"),
            (_, Some(message)) => message,
            (name, None) => name.unwrap_or_else(|| "Error".to_owned()),
        };
        let error = Self::new(message);
        let stack = text("stack").unwrap_or_default();
        match frames(&stack).find(|(file, ..)| sources.contains(file)) {
            Some((file, line, column)) => error.at(sources, file, line, column),
            None => error,
        }
    }

    /// Notes that a script has failed on this thread.
    pub(super) fn noted(self) -> Self {
        HAS_FAILED.set(true);
        self
    }
}

/// The places in a stack, the innermost first: each stands at the end of a line, perhaps in parentheses.
fn frames(stack: &str) -> impl Iterator<Item = (&str, usize, usize)> {
    stack.lines().filter_map(|line| {
        let place = line.rsplit(['(', ' ']).next()?.trim_end_matches(')');
        let (rest, column) = place.rsplit_once(':')?;
        let (file, line) = rest.rsplit_once(':')?;
        Some((file, line.parse().ok()?, column.parse().ok()?))
    })
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let Some(place) = &self.place else {
            return Ok(());
        };
        let (file, line, column) = (&place.file, place.line, place.column);
        let written = place.source_line.trim();
        write!(f, ", at {file}:{line}:{column}: `{written}`")
    }
}
