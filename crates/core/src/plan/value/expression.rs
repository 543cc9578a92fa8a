//! Expressions in `{{ ... }}` that are more than a name: filters, functions, comparisons,
//! `a if b else c`. Compiled when the plan is made, evaluated for each request.
//!
//! Here: everything that depends on the library for expressions. Not here: plain names, which templates
//! fill in themselves, and which names exist (`scenario`).

mod convert;
mod dates;
mod digests;
mod fake;
mod functions;
mod loan;
mod script;
mod sharing;
mod slices;
mod spelling;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use minijinja::{Environment, ErrorKind, Value};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use serde::{Serialize, Serializer};

use super::escape::Escape;
use super::generators::since_epoch;
use super::request_view::RequestPart;
use super::scope::Scope;
use crate::script::Script;
use convert::convert;
use functions::MAX_TEXT;
use loan::Loan;
use sharing::SharedObject;

/// The most steps of one evaluation, as the library counts them; it takes 64 bytes of a text it makes for one.
const FUEL: u64 = 100_000;
/// The deepest nesting of parentheses and the like.
const MAX_DEPTH: usize = 50;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_DEPTH);
    environment.set_unknown_method_callback(functions::method);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    functions::add(&mut environment);
    environment
});

/// A compiled expression. Serialized and shown as it was written.
pub struct Expression {
    source: Arc<str>,
    compiled: minijinja::Expression<'static, 'static>,
    inputs: Vec<(InputName, Input)>,
    /// Whether it may use a random number or a counter.
    draws: bool,
    /// Whether its value may depend on when it is evaluated.
    reads_clock: bool,
    /// Whether it may have a value although a variable has none.
    may_lack: bool,
}

/// How an expression names an input: `name`, or `name.part`.
pub type InputName = (String, Option<String>);

/// What an expression reads.
#[derive(Debug, Clone)]
pub enum Input {
    /// The variable at this position of the names of the plan.
    Variable(usize),
    /// Variables at these positions, by their names within it.
    Members(Vec<(String, usize)>),
    /// A part of the request that the expression is a part of.
    Request(RequestPart),
    /// A value known before the run. It may be a secret, so it is not shown.
    Known(serde_json::Value),
    /// An environment variable that is not set, of which the expression asks whether it is.
    Unset,
    /// The virtual user's number, from 1.
    UserId,
    /// The number of the user's iteration, from 1.
    Iteration,
    /// Seconds since 1970-01-01 UTC.
    Now,
    /// The counters and lists that all users share.
    Shared,
    /// The status of the last response of the user; nothing before the first, or if none came.
    Status,
    /// The functions of the script.
    Script(Arc<Script>),
    /// The response that is judged, for functions of the script.
    Response,
}

impl Expression {
    /// Compiles `source`, the text between the braces. Calls `resolve` for each name, with all its parts
    /// as written, such as `users.name`. It returns which of them name the input; the other parts look
    /// into its value.
    ///
    /// # Errors
    /// What is wrong, as a text, or the error of `resolve`.
    pub fn compile<E: From<String>>(
        source: &str,
        mut resolve: impl FnMut(&str) -> Result<(InputName, Input), E>,
    ) -> Result<Self, E> {
        let compiled = ENVIRONMENT
            .compile_expression_owned(source.to_owned())
            .map_err(|error| E::from(explain(&error)))?;
        let mut names: Vec<String> = match slices::as_items(source) {
            None => compiled.undeclared_variables(true),
            // The library does not look for names in what is sliced.
            Some(source) => ENVIRONMENT
                .compile_expression_owned(source)
                .map_err(|error| E::from(explain(&error)))?
                .undeclared_variables(true),
        }
        .into_iter()
        .collect();
        // The library returns them in no particular order.
        names.sort_unstable();
        let mut inputs = Vec::new();
        let mut functions = Vec::new();
        for name in &names {
            match resolve(name) {
                Ok(input) => inputs.push(input),
                Err(_) if spelling::is_function(name) => functions.push(name.as_str()),
                Err(error) if name.starts_with("js.") => return Err(error),
                Err(error) => match fake::check(name) {
                    Some(checked) => checked.map_err(E::from)?,
                    None => {
                        let misspelled = spelling::misspelled(source, name);
                        return Err(misspelled.map_or(error, E::from));
                    }
                },
            }
        }
        spelling::check_names(source, &functions)?;
        let calls_script = inputs
            .iter()
            .any(|(_, input)| matches!(input, Input::Script(_)));
        Ok(Self {
            source: source.into(),
            compiled,
            inputs,
            draws: calls_script || spelling::draws(source),
            reads_clock: spelling::read_clock(&functions),
            may_lack: may_lack(source),
        })
    }

    /// The positions of the variables it reads.
    pub fn variables(&self) -> impl Iterator<Item = usize> {
        self.inputs.iter().flat_map(|(_, input)| {
            let (one, members) = match input {
                Input::Variable(index) => (Some(*index), &[][..]),
                Input::Members(members) => (None, members.as_slice()),
                _ => (None, &[][..]),
            };
            one.into_iter()
                .chain(members.iter().map(|(_, index)| *index))
        })
    }

    /// Whether it reads this part of the request.
    pub fn reads_request(&self, part: RequestPart) -> bool {
        let mut inputs = self.inputs.iter();
        inputs.any(|(_, input)| matches!(input, Input::Request(read) if *read == part))
    }

    /// The positions of the variables without which it has no value. None of them if it asks whether one is set,
    /// or may leave one out.
    pub fn required_variables(&self) -> impl Iterator<Item = usize> {
        self.variables().filter(|_| !self.may_lack)
    }

    /// Whether it reads the response that is judged.
    pub fn reads_response(&self) -> bool {
        let mut inputs = self.inputs.iter();
        inputs.any(|(_, input)| matches!(input, Input::Response))
    }

    /// Appends its value, lists and mappings as JSON.
    ///
    /// # Errors
    /// Why it has no value, for people. Does not quote values.
    pub fn render(
        &self,
        escape: Escape,
        scope: &mut Scope<'_>,
        out: &mut String,
    ) -> Result<(), String> {
        let value = self.value(scope, None)?;
        self.push(&value, escape, out)
    }

    /// As [`Self::render`], unless the value is none. Returns whether there is one.
    ///
    /// # Errors
    /// As those of [`Self::render`].
    pub fn render_value(
        &self,
        escape: Escape,
        scope: &mut Scope<'_>,
        out: &mut String,
    ) -> Result<bool, String> {
        let value = self.value(scope, None)?;
        let is_there = !value.is_none();
        if is_there {
            self.push(&value, escape, out)?;
        }
        Ok(is_there)
    }

    fn push(&self, value: &Value, escape: Escape, out: &mut String) -> Result<(), String> {
        let too_long = || self.failed("the text is longer than 1 MB");
        match value.as_str() {
            Some(text) if text.len() > MAX_TEXT => return Err(too_long()),
            // As it is in a URL, after `raw` or `urlencode`.
            Some(text) if escape == Escape::Url && value.is_safe() => out.push_str(text),
            Some(text) => escape.push(text, out),
            None if value.as_bytes().is_some() => {
                return Err(self.failed("its value is bytes that are not text"));
            }
            None => {
                let mut json = BoundedBuffer(Vec::new());
                serde_json::to_writer(&mut json, value).map_err(|error| match error.is_io() {
                    true => too_long(),
                    false => self.failed(&error.to_string()),
                })?;
                let json = String::from_utf8_lossy(&json.0);
                escape.push_json(&json, out);
            }
        }
        Ok(())
    }

    /// Its value, with its type.
    ///
    /// # Errors
    /// As those of [`Self::render`].
    pub fn json(&self, scope: &mut Scope<'_>) -> Result<serde_json::Value, String> {
        let mut json = String::new();
        self.render(Escape::JsonValue, scope, &mut json)?;
        serde_json::from_str(&json).map_err(|error| self.failed(&error.to_string()))
    }

    /// Its value, if it is the same in every request: neither a user, nor chance, nor the clock has a part
    /// in it. `None` also where it fails, or is not to be encoded in URLs.
    pub fn fixed(&self) -> Option<serde_json::Value> {
        let is_known = |input: &Input| matches!(input, Input::Known(_) | Input::Unset);
        if self.draws || self.reads_clock || !self.inputs.iter().all(|(_, input)| is_known(input)) {
            return None;
        }
        let mut scope = Scope {
            names: &[],
            variables: &[],
            shared: None,
            user_id: 0,
            iteration: 0,
            counters: &mut BTreeMap::new(),
            rng: &mut ChaCha12Rng::seed_from_u64(0),
            request: None,
        };
        let value = self.value(&mut scope, None).ok()?;
        let fixed = (!value.is_safe()).then(|| self.json(&mut scope).ok());
        fixed.flatten()
    }

    fn value(&self, scope: &mut Scope<'_>, status: Option<u16>) -> Result<Value, String> {
        let context = self.context(scope, status);
        let result = if self.draws {
            Loan::during(scope, || self.compiled.eval(context))
        } else {
            self.compiled.eval(context)
        };
        let wrong = match result {
            Ok(value) if !value.is_undefined() => return Ok(value),
            Ok(_) => "it has no value".to_owned(),
            Err(error) => explain(&error),
        };
        // Says more than "undefined", which an unset variable most often causes.
        match self
            .variables()
            .find_map(|index| scope.variable(index).err())
        {
            Some(unset) => Err(unset),
            None => Err(self.failed(&wrong)),
        }
    }

    fn context(&self, scope: &Scope<'_>, status: Option<u16>) -> Value {
        let mut context: BTreeMap<&str, Value> = BTreeMap::new();
        let mut rows: BTreeMap<&str, BTreeMap<&str, Value>> = BTreeMap::new();
        for ((name, part), input) in &self.inputs {
            let value = match input {
                Input::Variable(index) => match scope.variable(*index) {
                    Ok(value) => convert(value),
                    // Left undefined for `default` and `is defined`, within a mapping that there is.
                    Err(_) => {
                        if part.is_some() {
                            rows.entry(name).or_default();
                        }
                        continue;
                    }
                },
                Input::Known(value) => convert(value),
                Input::Members(members) => {
                    let row = rows.entry(name).or_default();
                    for (member, index) in members {
                        if let Ok(value) = scope.variable(*index) {
                            row.insert(member, convert(value));
                        }
                    }
                    continue;
                }
                Input::Request(part) => match scope.request {
                    Some(request) => convert::request_part(request, *part),
                    None => continue,
                },
                // Undefined in a mapping that there is.
                Input::Unset => {
                    rows.entry(name).or_default();
                    continue;
                }
                Input::Shared => match scope.shared {
                    Some(shared) => Value::from_object(SharedObject(shared.clone())),
                    None => continue,
                },
                Input::UserId => Value::from(scope.user_id),
                Input::Iteration => Value::from(scope.iteration),
                Input::Now => Value::from(since_epoch().as_secs()),
                Input::Status => Value::from(status),
                Input::Script(script) => Value::from_object(script::Functions(script.clone())),
                Input::Response => Value::from_object(script::LentResponse),
            };
            match part {
                Some(part) => drop(rows.entry(name).or_default().insert(part, value)),
                None => drop(context.insert(name, value)),
            }
        }
        for (name, row) in rows {
            // The whole row may be there too.
            let row = || Value::from_pairs(row);
            context.entry(name).or_insert_with(row);
        }
        Value::from_pairs(context)
    }

    fn failed(&self, why: &str) -> String {
        format!("`{{{{ {} }}}}`: {why}", self.source)
    }
}

/// The JSON of a value, which stops where it becomes too long: a list may be repeated without end.
struct BoundedBuffer(Vec<u8>);

impl std::io::Write for BoundedBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_TEXT {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An expression that is true or false.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Condition(Arc<Expression>);

impl Condition {
    /// A condition of this expression.
    pub fn new(expression: Expression) -> Self {
        Self(Arc::new(expression))
    }

    /// The positions of the variables it reads.
    pub fn variables(&self) -> impl Iterator<Item = usize> {
        self.0.variables()
    }

    /// The positions of the variables without which it cannot be evaluated.
    pub fn required_variables(&self) -> impl Iterator<Item = usize> {
        self.0.required_variables()
    }

    /// Whether it reads the response that is judged.
    pub fn reads_response(&self) -> bool {
        self.0.reads_response()
    }

    /// The expression.
    pub fn expression(&self) -> &Expression {
        &self.0
    }

    /// As it was written, without braces; shared with the clones.
    pub fn shared_source(&self) -> &Arc<str> {
        &self.0.source
    }

    /// As it was written, without braces.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Whether it is true for a user whose last response had this status. As in Python, an empty text or
    /// list, 0 and nothing are false.
    ///
    /// # Errors
    /// Why it cannot be evaluated, for people.
    pub fn holds(&self, scope: &mut Scope<'_>, status: Option<u16>) -> Result<bool, String> {
        self.0.value(scope, status).map(|value| value.is_true())
    }
}

/// Whether an expression asks for variables that are not set, or does not always read all of them.
fn may_lack(source: &str) -> bool {
    let mut words = source.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.any(|word| {
        matches!(
            word,
            "default" | "defined" | "undefined" | "if" | "and" | "or"
        )
    })
}

/// What went wrong, on one line, without the internals of the library.
fn explain(error: &minijinja::Error) -> String {
    let what = match error.kind() {
        ErrorKind::OutOfFuel => return format!("it takes more than {FUEL} steps"),
        ErrorKind::UndefinedError => "a value is missing",
        ErrorKind::SyntaxError => "not an expression",
        _ => "it fails",
    };
    match error.detail() {
        Some(detail) => format!("{what}: {}", detail.replace('\n', " ")),
        None if error.kind() == ErrorKind::UndefinedError => what.to_owned(),
        None => error.kind().to_string(),
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Expression {}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.source)
    }
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

#[cfg(test)]
mod tests;
