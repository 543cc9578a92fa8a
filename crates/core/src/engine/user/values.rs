//! What a virtual user knows: its variables, its counters, its random numbers, and the rows of data it
//! took.
//!
//! Here: when a value is set by a row. Not here: what a response sets (`response`) and the scenario (`assign`), which
//! row that is and how templates are filled in (`plan`), or what happens to a user without a row (`user`).

mod assign;
mod cookies;
pub(crate) mod feeding;
pub(crate) mod rendering;
pub(crate) mod response;
mod script;

use std::collections::BTreeMap;
use std::rc::Rc;

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use serde_json::Value;

use crate::check;
use crate::metrics::Outcome;
use crate::plan::{
    Condition, ListItem, Measure, OnEnd, Per, Row, RowOrder, Scope, Secrets, Template, Turn,
};
use crate::protocol::Cookies;
use crate::script::take_failure;
use feeding::{Feeding, data_of};

/// How many users or arrivals ahead rows of a large file are read.
const AHEAD: u64 = 256;

/// Why a request cannot be rendered, or a condition cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RenderError {
    /// What the request counts as.
    pub outcome: Outcome,
    /// What happened, for people. May hold secrets.
    pub text: String,
    /// What ends besides the request.
    pub end: Option<OnEnd>,
}

impl From<String> for RenderError {
    fn from(text: String) -> Self {
        let outcome = match take_failure() {
            true => Outcome::ScriptError,
            false => Outcome::InvalidRequest,
        };
        Self {
            outcome,
            text,
            end: None,
        }
    }
}

/// The values of one user.
pub(crate) struct Values {
    feeding: Rc<Feeding>,
    /// The number of the user, from 0.
    number: u64,
    /// The number of its iteration, from 1; 0 before the first one.
    iteration: u64,
    /// Its random numbers; in the open model, those of the arrival it runs.
    pub(super) rng: ChaCha12Rng,
    /// In the order of the names of the plan.
    variables: Vec<Option<Value>>,
    counters: BTreeMap<String, u64>,
    /// For each data file: the row that was last taken.
    rows: Vec<TakenRow>,
    /// The number of the arrival it runs, in the open model.
    arrival: u64,
    /// The status of the last response.
    status: Option<u16>,
    /// Its cookies, where templates read some.
    cookies: Option<Box<dyn Cookies>>,
    /// Whether the variables are filled in.
    is_filled: bool,
    /// Why not all variables could be filled in.
    error: Option<RenderError>,
}

/// A value as templates show it.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The row of a data file that a user took last.
#[derive(Clone, Default)]
struct TakenRow {
    /// The iteration, counted from 1 for the time before the first one; 0 for never.
    iteration: u64,
    /// Why there was none. What needs it in the same iteration cannot be sent either.
    error: Option<Box<RenderError>>,
}

impl Values {
    /// The values of the user with this number, from 0.
    pub(crate) fn new(feeding: Rc<Feeding>, number: u64, rng: ChaCha12Rng) -> Self {
        let plan = &feeding.plan;
        Self {
            number,
            iteration: 0,
            rng,
            variables: feeding.given.clone(),
            counters: BTreeMap::new(),
            rows: vec![TakenRow::default(); plan.data.len()],
            arrival: 0,
            status: None,
            cookies: None,
            is_filled: plan.variables.is_empty(),
            error: None,
            feeding,
        }
    }

    /// Whether the variables are filled in.
    pub(super) fn is_filled(&self) -> bool {
        self.is_filled
    }

    /// Fills in the variables. To be called before anything else is filled in.
    pub(crate) async fn fill(&mut self) {
        let plan = self.feeding.plan.clone();
        for (position, variable) in plan.variables.iter().enumerate() {
            if self.variables[position].is_some() {
                // The set-up has set it for all users.
                continue;
            }
            let data = self.data_of(variable.value.variables());
            let filled = self.take_rows(&data).await;
            let filled = filled.and_then(|()| Ok(variable.value.value(&mut self.scope())?));
            match filled {
                Ok(value) => self.variables[position] = Some(value),
                Err(error) => self.error = self.error.take().or(Some(error)),
            }
        }
        self.is_filled = true;
    }

    /// The next iteration is arrival `k`, with these random numbers.
    pub(super) fn arrive(&mut self, k: u64, rng: ChaCha12Rng) {
        self.arrival = k;
        self.rng = rng;
    }

    /// The next iteration starts.
    pub(crate) fn iterate(&mut self) {
        self.iteration += 1;
    }

    /// What templates see. The rows they use must have been taken.
    pub(super) fn scope(&mut self) -> Scope<'_> {
        if self.cookies.is_some() {
            self.refresh_cookies();
        }
        Scope {
            names: &self.feeding.plan.names,
            variables: &self.variables,
            shared: self.feeding.plan.shared.as_ref(),
            user_id: self.number + 1,
            iteration: self.iteration,
            counters: &mut self.counters,
            rng: &mut self.rng,
            request: None,
        }
    }

    /// Whether the request of an endpoint can be filled in, as far as that does not depend on it.
    ///
    /// # Errors
    /// A variable of the user could not be filled in.
    pub(super) fn check(&self) -> Result<(), RenderError> {
        self.error.clone().map_or(Ok(()), Err)
    }

    /// The data that these variables are columns of, by position.
    pub(super) fn data_of(&self, variables: impl Iterator<Item = usize>) -> Vec<usize> {
        data_of(&self.feeding.by_variable, variables)
    }

    /// Takes a row of each of these data, unless it was already taken in this iteration. Only here may
    /// a user have to wait for a disk, on which its worker does not wait.
    ///
    /// # Errors
    /// There is no further row, or none that can be read.
    pub(crate) async fn take_rows(&mut self, data: &[usize]) -> Result<(), RenderError> {
        for &position in data {
            let Some(number) = self.choose_row(position)? else {
                continue;
            };
            let feeding = self.feeding.clone();
            let rows = &feeding.plan.data[position].rows;
            let row = match rows.read_now(number) {
                Some(row) => row,
                None => rows.fetch(number).await,
            };
            self.keep_row(position, row)?;
            if !rows.is_in_memory()
                && let Some(next) = self.next_row(position)
            {
                rows.read_ahead(next);
            }
        }
        Ok(())
    }

    /// The number of the row to take from the data at this position; `None` if none is due.
    fn choose_row(&mut self, position: usize) -> Result<Option<u64>, RenderError> {
        let plan = &self.feeding.plan;
        let feeder = &plan.data[position];
        let last = &self.rows[position];
        let is_due = match (feeder.per, last.iteration) {
            (_, 0) => true,
            (Per::User, _) => false,
            (Per::Iteration, taken_in) => taken_in != self.iteration + 1,
        };
        if !is_due {
            return last.error.as_deref().cloned().map_or(Ok(None), Err);
        }
        let turn = self.turn(position, feeder.per);
        let random = |count| self.rng.random_range(0..count);
        let row = feeder
            .row(turn, plan.seed, random)
            .ok_or_else(|| RenderError {
                outcome: Outcome::DataExhausted,
                text: format!(
                    "`{}` has no more rows: all {} rows of {} are used",
                    feeder.name,
                    feeder.rows.count(),
                    feeder.file
                ),
                end: Some(feeder.on_end),
            });
        self.rows[position] = TakenRow {
            iteration: self.iteration + 1,
            error: row.as_ref().err().cloned().map(Box::new),
        };
        row.map(Some)
    }

    /// Sets the variables that are columns of the data at this position.
    fn keep_row(&mut self, position: usize, row: Result<Row, String>) -> Result<(), RenderError> {
        let mut row = row.map_err(|text| {
            let error = RenderError::from(text);
            self.rows[position].error = Some(Box::new(error.clone()));
            error
        })?;
        let feeder = &self.feeding.plan.data[position];
        let names = feeder.rows.columns();
        let whole = feeder.columns.iter().find(|used| used.0 == names.len());
        if let Some((_, variable)) = whole {
            let pairs = names.iter().zip(&row);
            let pairs =
                pairs.filter_map(|(name, value)| Some((name.clone(), value.as_ref()?.clone())));
            self.variables[*variable] = Some(Value::Object(pairs.collect()));
        }
        for (column, variable) in &feeder.columns {
            if *column < row.len() {
                self.variables[*variable] = row[*column].take();
            }
        }
        Ok(())
    }

    /// A row of the data at this position that is taken soon: the next one of this user, or in the open
    /// model that of a later arrival. `None` if only chance decides.
    fn next_row(&self, position: usize) -> Option<u64> {
        let plan = &self.feeding.plan;
        let feeder = &plan.data[position];
        let (user, users) = (self.number, self.feeding.users);
        let turn = match (feeder.per, users) {
            _ if feeder.mode == RowOrder::Random => return None,
            (Per::User, _) => Turn {
                taken: 0,
                user: user + AHEAD,
                users: users.max(1),
            },
            (Per::Iteration, 0) => Turn {
                taken: self.arrival + AHEAD,
                user: 0,
                users: 1,
            },
            (Per::Iteration, _) => Turn {
                taken: *self.feeding.taken.borrow().get(&(position, user))?,
                user,
                users,
            },
        };
        feeder.row(turn, plan.seed, |_| 0)
    }

    /// The turn at which this user takes its next row of the data at this position.
    fn turn(&self, position: usize, per: Per) -> Turn {
        let (user, users) = (self.number, self.feeding.users);
        match per {
            // In the open model the arrivals are numbered, whichever user takes them.
            Per::Iteration if users == 0 => Turn {
                taken: self.arrival,
                user: 0,
                users: 1,
            },
            // The same each time the user comes back.
            Per::User => Turn {
                taken: 0,
                user,
                users: users.max(1),
            },
            Per::Iteration => {
                let mut taken = self.feeding.taken.borrow_mut();
                let taken = taken.entry((position, user)).or_default();
                *taken += 1;
                Turn {
                    taken: *taken - 1,
                    user,
                    users,
                }
            }
        }
    }

    /// The value of the variable at this position of the names of the plan.
    pub(super) fn get(&self, variable: usize) -> Option<&Value> {
        self.variables.get(variable)?.as_ref()
    }

    /// Sets the variable at this position of the names of the plan.
    pub(crate) fn set(&mut self, variable: usize, value: Value) {
        self.variables[variable] = Some(value);
    }

    /// The text of a template.
    ///
    /// # Errors
    /// Why it cannot be filled in.
    pub(super) async fn text(&mut self, template: &Template) -> Result<String, RenderError> {
        let data = self.data_of(template.variables());
        self.take_rows(&data).await?;
        let mut text = String::new();
        template.render(&mut self.scope(), &mut text)?;
        Ok(text)
    }

    /// A value of a list, of which parts may be filled in now.
    ///
    /// # Errors
    /// Why it has none.
    pub(super) async fn item(&mut self, item: &ListItem) -> Result<Value, RenderError> {
        if let Some(template) = item.template() {
            let data = self.data_of(template.variables());
            self.take_rows(&data).await?;
        }
        self.filled(item)
    }

    /// The same, of which the rows were taken.
    fn filled(&mut self, item: &ListItem) -> Result<Value, RenderError> {
        match item {
            ListItem::Known(value) => Ok(value.clone()),
            ListItem::Filled(json) => {
                let mut text = String::new();
                json.render(&mut self.scope(), &mut text)?;
                Ok(serde_json::from_str(&text).map_err(|error| error.to_string())?)
            }
        }
    }

    /// Adds an item to the shared list at this position.
    pub(super) fn push(&self, list: usize, item: Value) {
        if let Some(shared) = &self.feeding.plan.shared {
            shared.push(list, item);
        }
    }

    /// Whether a condition holds now. The rows it uses must have been taken.
    ///
    /// # Errors
    /// Why it cannot be evaluated.
    pub(crate) fn holds(&mut self, condition: &Condition) -> Result<bool, RenderError> {
        let status = self.status;
        Ok(condition.holds(&mut self.scope(), status)?)
    }

    /// The values of measures now, as they are kept. The rows they use must have been taken.
    ///
    /// # Errors
    /// Which has none, and why.
    pub(super) fn measured(&mut self, measures: &[Measure]) -> Result<Vec<u64>, String> {
        let kept = measures.iter().map(|measure| {
            let failed = |why: String| format!("measure `{}`: {why}", measure.name);
            let value = measure.value.value(&mut self.scope()).map_err(failed)?;
            let number = match &value {
                Value::Number(number) => number.as_f64(),
                Value::String(text) => text.trim().parse().ok(),
                _ => None,
            };
            let kept = number.and_then(|number| measure.unit.kept(number));
            kept.ok_or_else(|| failed(format!("`{}` is not a number from 0", as_text(&value))))
        });
        kept.collect()
    }

    /// `text` without secrets, cut to what a sample keeps.
    pub(super) fn excerpt(&self, text: &str) -> String {
        let own = self.secrets();
        let secrets = own.as_ref().unwrap_or(&self.feeding.plan.secrets);
        check::excerpt(&secrets.hide(text))
    }

    /// The secrets of the plan, those that only this user knows, and the `credentials` it sent.
    pub(super) fn secrets_with(&self, credentials: &[String]) -> Secrets {
        let own = self.secrets();
        let secrets = own.as_ref().unwrap_or(&self.feeding.plan.secrets);
        secrets.with(credentials.iter().map(String::as_str))
    }

    /// The secrets of the plan and those that only this user knows; `None` if it knows no others.
    fn secrets(&self) -> Option<Secrets> {
        let own = self.feeding.secret.iter();
        let own: Vec<&str> = own
            .filter_map(|variable| self.variables[*variable].as_ref()?.as_str())
            .collect();
        (!own.is_empty()).then(|| self.feeding.plan.secrets.with(own))
    }
}
