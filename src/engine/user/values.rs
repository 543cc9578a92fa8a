//! What a virtual user knows: its variables, its counters, its random numbers, and the rows of data it
//! took.
//!
//! Here: when a value is set, also by a response. Not here: which row that is and how templates are
//! filled in (`plan`), or what happens to a user without a row (`user`).

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use serde_json::Value;

use crate::check::{self, CheckResult};
use crate::metrics::Outcome;
use crate::plan::{
    Check, Condition, Endpoint, ListItem, Model, OnEnd, Per, Plan, Scope, Secrets, Template, Turn,
    is_secret_header,
};
use crate::protocol::Response;

/// Which data the users of a worker take their values from.
pub(crate) struct Feeding {
    plan: Arc<Plan>,
    /// For each endpoint: the positions of the data it uses.
    by_endpoint: Vec<Vec<usize>>,
    /// For each variable: the position of the data it is a column of.
    by_variable: Vec<Option<usize>>,
    /// How often each user of this worker took a row of each data file. Users come and go, and one that
    /// comes back must not get a unique row again.
    taken: RefCell<HashMap<(usize, u64), u64>>,
    /// The variables whose names say that their values are secret.
    secret: Vec<usize>,
    /// How many users the load has in the closed model; 0 in the open model.
    users: u64,
}

impl Feeding {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        let mut by_variable = vec![None; plan.names.len()];
        for (position, feeder) in plan.data.iter().enumerate() {
            for (_, variable) in &feeder.columns {
                by_variable[*variable] = Some(position);
            }
        }
        let of_endpoint = |endpoint: &Endpoint| {
            let conditions = endpoint.checks.iter().filter_map(condition);
            let used = endpoint
                .templates()
                .flat_map(|template| template.variables());
            let conditions = conditions.flat_map(|(condition, _)| condition.variables());
            data_of(&by_variable, used.chain(conditions))
        };
        Self {
            by_endpoint: plan.endpoints.iter().map(of_endpoint).collect(),
            by_variable,
            taken: RefCell::default(),
            secret: (0..plan.names.len())
                .filter(|variable| is_secret_header(&plan.names[*variable].to_ascii_lowercase()))
                .collect(),
            users: match plan.load.model {
                Model::Closed => (plan.load.peak().ceil() as u64).max(1),
                Model::Open { .. } => 0,
            },
            plan,
        }
    }
}

/// The expression of a check that reads variables of the user, and the key of the check.
fn condition(check: &Check) -> Option<(&Condition, Option<&Arc<str>>)> {
    match check.bare() {
        (Check::That(condition), key) => Some((condition, key)),
        _ => None,
    }
}

/// The positions of the data that these variables are columns of, each once.
fn data_of(by_variable: &[Option<usize>], variables: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut data: Vec<usize> = variables
        .filter_map(|variable| *by_variable.get(variable)?)
        .collect();
    data.sort_unstable();
    data.dedup();
    data
}

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
        Self {
            outcome: Outcome::InvalidRequest,
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
    /// For each data file: the iteration in which a row was last taken, counted from 1 for the time
    /// before the first one; 0 for never.
    rows_of: Vec<u64>,
    /// The number of the arrival it runs, in the open model.
    arrival: u64,
    /// The status of the last response.
    status: Option<u16>,
    /// Why not all variables could be filled in.
    error: Option<RenderError>,
}

impl Values {
    /// The values of the user with this number, from 0, with the variables filled in.
    pub(crate) fn new(feeding: Rc<Feeding>, number: u64, rng: ChaCha12Rng) -> Self {
        let plan = feeding.plan.clone();
        let mut values = Self {
            number,
            iteration: 0,
            rng,
            variables: vec![None; plan.names.len()],
            counters: BTreeMap::new(),
            rows_of: vec![0; plan.data.len()],
            arrival: 0,
            status: None,
            error: None,
            feeding,
        };
        for (position, variable) in plan.variables.iter().enumerate() {
            match values.fill(&variable.value) {
                Ok(value) => values.variables[position] = Some(value),
                Err(error) => values.error = values.error.take().or(Some(error)),
            }
        }
        values
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
        Scope {
            names: &self.feeding.plan.names,
            variables: &self.variables,
            user_id: self.number + 1,
            iteration: self.iteration,
            counters: &mut self.counters,
            rng: &mut self.rng,
        }
    }

    /// Takes the rows that the templates of an endpoint use, unless they were already taken in this
    /// iteration.
    ///
    /// # Errors
    /// There is no further row, or none that can be read; or a variable of the user could not be
    /// filled in.
    pub(super) fn prepare(&mut self, endpoint: usize) -> Result<(), RenderError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        // By position, as nothing of the feeding can be borrowed while a row is taken.
        for i in 0..self.feeding.by_endpoint[endpoint].len() {
            self.take_row(self.feeding.by_endpoint[endpoint][i])?;
        }
        Ok(())
    }

    /// Takes the rows that these variables are columns of.
    fn take_rows(&mut self, variables: impl Iterator<Item = usize>) -> Result<(), RenderError> {
        let data = data_of(&self.feeding.by_variable, variables);
        data.into_iter()
            .try_for_each(|position| self.take_row(position))
    }

    /// Takes a row of the data at this position, if one is due.
    fn take_row(&mut self, position: usize) -> Result<(), RenderError> {
        let plan = &self.feeding.plan;
        let feeder = &plan.data[position];
        let is_due = match (feeder.per, self.rows_of[position]) {
            (_, 0) => true,
            (Per::User, _) => false,
            (Per::Iteration, taken_in) => taken_in != self.iteration + 1,
        };
        if !is_due {
            return Ok(());
        }
        self.rows_of[position] = self.iteration + 1;
        let turn = self.turn(position, feeder.per);
        let random = |count| self.rng.random_range(0..count);
        let Some(row) = feeder.row(turn, plan.seed, random) else {
            return Err(RenderError {
                outcome: Outcome::DataExhausted,
                text: format!(
                    "`{}` has no more rows: all {} rows of {} are used",
                    feeder.name,
                    feeder.rows.count(),
                    feeder.file
                ),
                end: Some(feeder.on_end),
            });
        };
        let mut row = feeder.rows.read(row)?;
        for (column, variable) in &feeder.columns {
            self.variables[*variable] = row.get_mut(*column).and_then(Option::take);
        }
        Ok(())
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

    /// Sets the variable at this position of the names of the plan.
    pub(crate) fn set(&mut self, variable: usize, value: Value) {
        self.variables[variable] = Some(value);
    }

    /// The value of a template now.
    ///
    /// # Errors
    /// Why it has none.
    pub(super) fn fill(&mut self, template: &Template) -> Result<Value, RenderError> {
        self.take_rows(template.variables())?;
        Ok(template.value(&mut self.scope())?)
    }

    /// A value of a list, of which parts may be filled in now.
    ///
    /// # Errors
    /// Why it has none.
    pub(super) fn item(&mut self, item: &ListItem) -> Result<Value, RenderError> {
        match item {
            ListItem::Known(value) => Ok(value.clone()),
            ListItem::Filled(json) => {
                self.take_rows(json.variables())?;
                let mut text = String::new();
                json.render(&mut self.scope(), &mut text)?;
                Ok(serde_json::from_str(&text).map_err(|error| error.to_string())?)
            }
        }
    }

    /// Whether a condition holds now.
    ///
    /// # Errors
    /// Why it cannot be evaluated.
    pub(crate) fn holds(&mut self, condition: &Condition) -> Result<bool, RenderError> {
        self.take_rows(condition.variables())?;
        let status = self.status;
        Ok(condition.holds(&mut self.scope(), status)?)
    }

    /// The result of a response that took `elapsed`. After a success, the user keeps the values that
    /// are extracted from it. A failure has a text if its outcome is `wanted`; secrets are hidden in
    /// it, also those of the user.
    pub(crate) fn judge(
        &mut self,
        endpoint: &Endpoint,
        (response, elapsed): (&Response, Duration),
        wanted: impl Fn(Outcome) -> bool,
    ) -> CheckResult {
        let secrets = &self.feeding.plan.secrets;
        let mut result = check::judge(endpoint, response, elapsed, secrets, &wanted, &mut self.rng);
        if result.text.is_some() {
            let own = self.secrets();
            if own.is_some() || !response.credentials.is_empty() {
                let own = own.as_ref().unwrap_or(secrets);
                let secrets = own.with(response.credentials.iter().map(String::as_str));
                // Once more, for the text. What is drawn for it must not change what is drawn next,
                // which would then depend on which texts are wanted.
                let rng = &mut self.rng.clone();
                result.text =
                    check::judge(endpoint, response, elapsed, &secrets, |_| true, rng).text;
            }
        }
        self.status = response.status;
        if result.outcome != Outcome::Ok {
            return result;
        }
        let mut before = Vec::with_capacity(result.extracted.len());
        for (variable, value) in result.extracted.drain(..) {
            before.push((variable, self.variables[variable].replace(value)));
        }
        for (expression, key) in endpoint.checks.iter().filter_map(condition) {
            let text = match self.holds(expression) {
                Ok(true) => continue,
                Ok(false) => format!("`{}` is false", expression.source()),
                Err(error) => error.text,
            };
            let outcome = Outcome::CheckFailed;
            let text = wanted(outcome).then_some(text);
            let own = text.as_ref().and_then(|_| self.secrets());
            // Nothing is kept of a response that failed; what came first is put back last.
            for (variable, value) in before.into_iter().rev() {
                self.variables[variable] = value;
            }
            let secrets = own.as_ref().unwrap_or(&self.feeding.plan.secrets);
            return CheckResult::failure(outcome, text.as_deref(), key.cloned(), secrets);
        }
        result
    }

    /// `text` without secrets, cut to what a sample keeps.
    pub(super) fn excerpt(&self, text: &str) -> String {
        let own = self.secrets();
        let secrets = own.as_ref().unwrap_or(&self.feeding.plan.secrets);
        check::excerpt(&secrets.hide(text))
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
