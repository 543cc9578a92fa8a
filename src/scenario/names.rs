//! What templates can name: variables, secrets, data, the environment, and what is always there.
//!
//! Here: which names there are, and what they mean. Not here: how they are written within braces
//! (`template`).

pub(super) mod constant;
pub(super) mod cookies;
pub(super) mod data;
pub(super) mod given;
mod request;
pub(super) mod script;
pub(super) mod shared;
mod syntax;
pub(super) mod template;
mod url;
pub(super) mod uses;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::env::VarError;
use std::sync::Arc;

use serde_json::Value;

use super::yaml::decode::list;
use super::yaml::findings::Span;
use crate::error::{Diagnostic, did_you_mean};
use crate::plan::{
    Input, InputName, ListItem, MeasureUnit, Per, SharedStart, Slot, Template, is_secret_header,
};
use crate::script::Script;
use syntax::COOKIE;
use uses::{Use, UseLog, needed_by_slot};

/// The names of functions and values that are always there, as long as expressions are plain. A
/// variable may have the name of the last two, which came later than variables.
pub(super) const BUILT_IN: [&str; 9] = [
    "user_id",
    "iteration",
    "random_int",
    "random_choice",
    "uuid",
    "timestamp",
    "timestamp_ms",
    "counter",
    "now",
];

/// The name of what all users share.
const SHARED: &str = "shared";

/// Names that nothing else may have.
fn is_reserved(name: &str) -> bool {
    name == "env" || (BUILT_IN.contains(&name) && !["counter", "now"].contains(&name))
}

/// What expressions can name.
#[derive(Default)]
pub(super) struct Names<'a> {
    /// Values of `env.NAME` that come before those of the process environment.
    pub env: BTreeMap<&'a str, &'a str>,
    /// The only variables of the process environment there are; all where it is `None`.
    pub visible_env: Option<&'a BTreeSet<String>>,
    /// The variables defined so far, in order, with their values.
    pub variables: Vec<(String, Template)>,
    /// Names and values of secrets.
    pub secrets: Vec<(String, String)>,
    /// The data files.
    pub data: Vec<DataColumns>,
    /// The script, if there is one.
    pub script: Option<Arc<Script>>,
    /// The counters and lists that all users share.
    pub shared: Vec<(String, SharedStart)>,
    /// Whether the scenario's variables are being defined, which are filled in once for each user.
    pub defining: bool,
    /// Names that responses will set, which the scenario's variables cannot use.
    pub later: BTreeSet<String>,
    /// The variables that change during the run.
    changing: BTreeSet<String>,
    /// What there is beside the variables: names that are only set during the run, and the columns
    /// of data that something uses.
    extra: RefCell<Vec<ExtraName>>,
    /// Names whose definition was reported. What is said of their uses would only follow from that.
    pub broken: BTreeSet<String>,
    /// Secrets that were asked for.
    pub taken: RefCell<BTreeSet<String>>,
    /// The measures so far, with their units.
    pub measures: RefCell<BTreeMap<String, MeasureUnit>>,
    /// Whether what is read now can see the rest of its request.
    sees_request: Cell<bool>,
    /// The think times that are computed so far, with their places.
    pub waits: RefCell<Vec<(Span, ListItem)>>,
    /// Where values are used that are set during the run.
    pub log: UseLog,
}

/// A data file that feeds users.
pub(super) struct DataColumns {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// When a row is taken.
    pub per: Per,
}

/// A name beside the variables.
struct ExtraName {
    name: String,
    origin: VariableSource,
}

/// Where the value of a name comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum VariableSource {
    /// Something sets it during the run.
    Run,
    /// The data at this position, and the column at that one.
    Data(usize, usize),
    /// A cookie of the user.
    Cookie,
}

/// What a name means.
pub(super) enum NameValue {
    /// Known now.
    Known(Value),
    /// Filled in for each request.
    Slot(Slot),
}

impl<'a> Names<'a> {
    /// Those of a run with these values of `env.NAME`.
    pub fn new(env: &'a BTreeMap<String, String>) -> Self {
        let env = env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        Self {
            env: env.collect(),
            ..Self::default()
        }
    }

    /// Makes a name known that is set during the run, and returns its position in the plan's
    /// names. To be called when all variables are defined. A variable of that name is its value
    /// until then.
    pub fn declare(&mut self, name: &str) -> usize {
        self.changing.insert(name.to_owned());
        self.changing(name).unwrap_or_default()
    }

    /// The position of a name that was declared.
    pub fn changing(&self, name: &str) -> Option<usize> {
        let known = self.changing.contains(name);
        let variable = self.variables.iter().position(|(known, _)| known == name);
        known.then(|| variable.unwrap_or_else(|| self.position(name, VariableSource::Run)))
    }

    fn position(&self, name: &str, origin: VariableSource) -> usize {
        let mut extra = self.extra.borrow_mut();
        let found = extra.iter().position(|known| known.name == name);
        let position = found.unwrap_or_else(|| {
            extra.push(ExtraName {
                name: name.to_owned(),
                origin,
            });
            extra.len() - 1
        });
        self.variables.len() + position
    }

    /// All names, in the order of their positions.
    pub fn all(&self) -> Vec<String> {
        let variables = self.variables.iter().map(|(name, _)| name.clone());
        let extra = self.extra.borrow();
        variables
            .chain(extra.iter().map(|extra| extra.name.clone()))
            .collect()
    }

    /// The columns of the data at `position` that are used: where in the row, and in the names. The
    /// whole row is behind its last column.
    pub fn columns(&self, position: usize) -> Vec<(usize, usize)> {
        let extra = self.extra.borrow();
        let used = extra.iter().enumerate().filter_map(|(i, extra)| {
            let VariableSource::Data(data, column) = extra.origin else {
                return None;
            };
            (data == position).then_some((column, self.variables.len() + i))
        });
        used.collect()
    }

    /// Logs what a slot at this place needs that is set during the run.
    fn note_slot(&self, slot: &Slot, at: impl Fn() -> Span) {
        let mut needed = needed_by_slot(slot);
        needed.retain(|variable| self.is_set_during_run(*variable));
        self.log.add(needed.into_iter().map(|variable| Use {
            at: at(),
            variable,
            inherited: None,
        }));
    }

    /// Whether the variable at this position has no value when a user starts.
    pub fn is_set_during_run(&self, position: usize) -> bool {
        let extra = self.extra.borrow();
        let name = position
            .checked_sub(self.variables.len())
            .and_then(|position| extra.get(position));
        name.is_some_and(|name| name.origin == VariableSource::Run)
    }

    /// What a name on its own means; `None` when there is no such name, or it is a function.
    pub fn value(&self, name: &str) -> Option<Result<NameValue, Diagnostic>> {
        if let Some(index) = self.variables.iter().position(|(known, _)| known == name) {
            let known = self.variables[index].1.as_known();
            return Some(Ok(match known.filter(|_| !self.changing.contains(name)) {
                Some(value) => NameValue::Known(value),
                None => NameValue::Slot(Slot::Variable(index)),
            }));
        }
        if let Some(position) = self.changing(name) {
            return Some(Ok(NameValue::Slot(Slot::Variable(position))));
        }
        if let Some((_, value)) = self.secrets.iter().find(|(known, _)| known == name) {
            self.taken.borrow_mut().insert(value.clone());
            return Some(Ok(NameValue::Known(value.as_str().into())));
        }
        let (first, column) = name.split_once('.').unwrap_or((name, ""));
        if self.broken.contains(first) {
            // There is no plan, so nothing is ever filled in.
            return Some(Ok(NameValue::Slot(Slot::Variable(self.variables.len()))));
        }
        let Some(position) = self.data.iter().position(|data| data.name == first) else {
            return self.cookie(name);
        };
        // What cannot be a mistyped name may still be an expression that begins with one.
        let is_name = column.chars().all(|c| c.is_alphanumeric() || c == '_');
        let is_known = self.data[position]
            .columns
            .iter()
            .any(|known| known == column);
        (is_name || is_known).then(|| self.column(position, column))
    }

    /// What a column of data means, or with an empty name the whole row.
    fn column(&self, position: usize, column: &str) -> Result<NameValue, Diagnostic> {
        let data = &self.data[position];
        let name = &data.name;
        let index = match column {
            "" => Some(data.columns.len()),
            _ => data.columns.iter().position(|known| known == column),
        };
        let Some(index) = index else {
            let columns = data.columns.iter().map(String::as_str);
            let diagnostic = Diagnostic::new(format!("`{name}` has no column `{column}`"))
                .help(format!("columns: {}", list(columns.clone())));
            return Err(match did_you_mean(column, columns) {
                Some(close) => diagnostic.label(format!("did you mean `{name}.{close}`?")),
                None => diagnostic,
            });
        };
        let full = match column {
            "" => name.clone(),
            _ => format!("{name}.{column}"),
        };
        if self.defining && data.per == Per::Iteration {
            return Err(Diagnostic::new(format!(
                "`{name}` takes a new row in each iteration, but variables are set only once per user"
            ))
            .help(format!(
                "use `{{{{ {full} }}}}` where it is needed, or set `per: user` for `{name}`"
            )));
        }
        if column.is_empty() {
            // What hides secrets looks at the columns.
            for (index, column) in data.columns.iter().enumerate() {
                if is_secret_header(&column.to_ascii_lowercase()) {
                    self.position(
                        &format!("{name}.{column}"),
                        VariableSource::Data(position, index),
                    );
                }
            }
        }
        Ok(NameValue::Slot(Slot::Variable(
            self.position(&full, VariableSource::Data(position, index)),
        )))
    }

    /// As [`Self::input`], for an expression that may ask whether an environment variable is set.
    pub fn input_of(&self, source: &str, path: &str) -> Result<(InputName, Input), Diagnostic> {
        if let Some(functions) = self.functions(source, path) {
            return functions;
        }
        if let Some(input) = self.shared_input(source, path) {
            return input;
        }
        match path.split_once('.') {
            None if path == "now" && is_called(source, path) && self.value(path).is_none() => {
                Err(self.unknown(path))
            }
            Some(("env", name)) if asks(source, path) && self.find_environment(name)?.is_none() => {
                Ok((("env".to_owned(), Some(name.to_owned())), Input::Unset))
            }
            None if path == COOKIE && self.value(path).is_none() => self.cookies_in(source),
            _ => self.input(path),
        }
    }

    /// What a name within an expression means: `users.address.city` is the column `address`
    /// of the data `users`, looked into.
    pub fn input(&self, path: &str) -> Result<(InputName, Input), Diagnostic> {
        let mut parts = path.splitn(3, '.');
        let first = parts.next().unwrap_or_default();
        let second = parts.next();
        let one = |input| Ok(((first.to_owned(), None), input));
        let two = |input| Ok(((first.to_owned(), second.map(str::to_owned)), input));
        let input = |value| match value {
            NameValue::Known(value) => Input::Known(value),
            NameValue::Slot(Slot::Variable(index)) => Input::Variable(index),
            // No other slot has a name of its own.
            NameValue::Slot(_) => Input::Known(Value::Null),
        };
        match (first, second) {
            ("user_id", None) => return one(Input::UserId),
            ("iteration", None) => return one(Input::Iteration),
            ("now", None) if self.value("now").is_none() => return one(Input::Now),
            ("env", Some(name)) => return two(Input::Known(self.environment(name)?.into())),
            _ => {}
        }
        if self.data.iter().any(|data| data.name == first) {
            let name =
                second.map_or_else(|| first.to_owned(), |second| format!("{first}.{second}"));
            if let Some(value) = self.value(&name) {
                return two(input(value?));
            }
        }
        if let Some(value) = self.value(first) {
            return one(input(value?));
        }
        if let Some(input) = self.request_part(path) {
            return two(input?);
        }
        match self.cookie(path) {
            Some(value) => self.checked_cookie(path).and_then(|()| two(input(value?))),
            None => Err(self.unknown(path)),
        }
    }

    /// The value of an environment variable, which must be set.
    pub fn environment(&self, name: &str) -> Result<String, Diagnostic> {
        self.find_environment(name)?.ok_or_else(|| {
            let message = format!("environment variable `{name}` is not set");
            Diagnostic::new(message).help(format!(
                "set it, pass `-e {name}=...`, or give it a default: `{{{{ env.{name} | default('...') }}}}`"
            ))
        })
    }

    /// The value of an environment variable, if it is set.
    fn find_environment(&self, name: &str) -> Result<Option<String>, Diagnostic> {
        let given = self.env.get(name).map(|value| (*value).to_owned());
        // A name that cannot be one makes the standard library panic on some systems.
        let is_name = !name.is_empty() && !name.contains(['=', '\0']);
        let value = match given {
            None if is_name && self.sees(name) => match std::env::var(name) {
                Ok(value) => Some(value),
                Err(VarError::NotPresent) => None,
                Err(VarError::NotUnicode(_)) => {
                    let message = format!("environment variable `{name}` is not UTF-8 text");
                    let help = format!("set it to UTF-8 text, or pass `-e {name}=...`");
                    return Err(Diagnostic::new(message).help(help));
                }
            },
            given => given,
        };
        if let Some(value) = &value {
            self.taken.borrow_mut().insert(value.clone());
        }
        Ok(value)
    }

    /// Whether there is this variable of the process environment, as far as templates are concerned.
    fn sees(&self, name: &str) -> bool {
        self.visible_env
            .is_none_or(|visible| visible.contains(name))
    }

    /// There is no such name.
    pub fn unknown(&self, name: &str) -> Diagnostic {
        if name == COOKIE {
            return self.cookie_without_name();
        }
        if self.defining && self.later.contains(name) {
            return Diagnostic::new(format!(
                "`{name}` is set during the run, but variables are filled in when the user starts"
            ))
            .help(format!(
                "use `{{{{ {name} }}}}` in the requests that need it"
            ));
        }
        if name == "js"
            && self.script.is_some()
            && let Some(Err(diagnostic)) = self.functions(name, name)
        {
            return diagnostic;
        }
        let variables = self.variables.iter().map(|(name, _)| name.clone());
        let columns = self.data.iter().flat_map(|data| {
            let name = &data.name;
            data.columns
                .iter()
                .take(10)
                .map(move |column| format!("{name}.{column}"))
        });
        let known: BTreeSet<String> = (self.changing.iter().cloned())
            .chain(self.secrets.iter().map(|(name, _)| name.clone()))
            .chain(columns)
            .filter(|name| variables.clone().all(|variable| variable != *name))
            .collect();
        let known: Vec<String> = variables.chain(known).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).chain(BUILT_IN).collect();
        let diagnostic = Diagnostic::new(format!("unknown variable `{name}`")).help(format!(
            "known: {}, `env.NAME`",
            list(known.iter().copied())
        ));
        let of_cookies = name
            .split_once('.')
            .map(|(_, rest)| format!("cookie.{rest}"));
        match did_you_mean(name, known.into_iter().chain(of_cookies.as_deref())) {
            Some(close) => diagnostic.label(format!("did you mean `{close}`?")),
            None => diagnostic,
        }
    }

    /// Whether something may be given this name, which must not have another meaning.
    pub fn check_new(&self, name: &str) -> Result<(), String> {
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!(
                "`{name}` is not a valid name: use letters, digits and `_`"
            ));
        }
        if is_reserved(name) || name == SHARED && !self.shared.is_empty() {
            return Err(format!("`{name}` is a reserved name: choose another"));
        }
        let is_data = self.data.iter().any(|data| data.name == name);
        let is_secret = self.secrets.iter().any(|(known, _)| known == name);
        if name == "js" && self.script.is_some() {
            return Err(
                "`js` is the name of the functions of the script: choose another".to_owned(),
            );
        }
        match (is_data, is_secret) {
            (true, _) => Err(format!(
                "`{name}` is already the name of a data file: choose another"
            )),
            (_, true) => Err(format!(
                "`{name}` is already the name of a secret: choose another"
            )),
            _ => Ok(()),
        }
    }
}

/// Whether `name` is called in an expression.
fn is_called(source: &str, name: &str) -> bool {
    let mut ends = source
        .match_indices(name)
        .map(|(at, _)| &source[at + name.len()..]);
    ends.any(|rest| rest.trim_start().starts_with('('))
}

/// Whether an expression asks if `path` has a value, or has another one for it.
fn asks(source: &str, path: &str) -> bool {
    let ends = source
        .match_indices(path)
        .map(|(at, _)| &source[at + path.len()..]);
    ends.map(str::trim_start).any(|rest| {
        let mut words = rest.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '|'));
        let mut words = words
            .by_ref()
            .filter(|word| !word.is_empty() && *word != "not");
        let (first, second) = (words.next(), words.next());
        match first {
            Some("|") => second == Some("default"),
            Some("|default") => true,
            Some("is") => matches!(second, Some("defined" | "undefined")),
            _ => false,
        }
    })
}
