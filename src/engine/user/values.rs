//! What a virtual user knows: its variables, counters, and the rows of data it took.
//!
//! Here: when a value is set, also by a response. Not here: which row that is (`plan`), what becomes of a user without
//! one (`user`), or how templates are filled in (`plan`).

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use serde_json::Value;

use crate::check::{self, CheckResult};
use crate::metrics::Outcome;
use crate::plan::{
    Check, Condition, Endpoint, Model, OnEnd, Per, Plan, Scope, Secrets, Turn, is_secret_header,
};
use crate::protocol::Response;

/// What the users of a worker share about values.
pub(crate) struct Feeding {
    plan: Arc<Plan>,
    /// By endpoint: the data it uses, as positions in the plan's.
    by_endpoint: Vec<Vec<usize>>,
    /// By name: the data a variable is a column of.
    by_variable: Vec<Option<usize>>,
    /// How often each user of this worker took a row of each data. Users come and go, and a row
    /// that is to be unique must not be dealt out again to one that comes back.
    taken: RefCell<HashMap<(usize, u64), u64>>,
    /// Variables whose values are not to be shown, by their names.
    secret: Vec<usize>,
    /// How many users a closed load has; 0 in an open one.
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
            let asked = endpoint.checks.iter().filter_map(condition);
            let used = endpoint
                .templates()
                .flat_map(|template| template.variables());
            let asked = asked.flat_map(|(condition, _)| condition.variables());
            data_of(&by_variable, used.chain(asked))
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

/// The condition of a check that the user's variables decide, and its key.
fn condition(check: &Check) -> Option<(&Condition, Option<&Arc<str>>)> {
    match check.bare() {
        (Check::That(condition), key) => Some((condition, key)),
        _ => None,
    }
}

/// The data that these variables are columns of, each once.
fn data_of(by_variable: &[Option<usize>], variables: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut data: Vec<usize> = variables
        .filter_map(|variable| *by_variable.get(variable)?)
        .collect();
    data.sort_unstable();
    data.dedup();
    data
}

/// Why a request cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// The class it ends in.
    pub outcome: Outcome,
    /// What happened, for people.
    pub text: String,
    /// What that means for more than the request.
    pub end: Option<OnEnd>,
}

impl From<String> for Unfit {
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
    /// The user's number, from 0.
    number: u64,
    /// In the order of the plan's names.
    variables: Vec<Option<Value>>,
    counters: BTreeMap<String, u64>,
    /// Per data: the iteration in which a row was last taken; 0 for never.
    rows_of: Vec<u64>,
    /// The number of the arrival that is being carried out, in an open load.
    arrival: u64,
    /// The status of the last response.
    status: Option<u16>,
    /// Why the variables could not all be filled in.
    unfit: Option<Unfit>,
}

impl Values {
    /// Those of the user with this number, from 0, with the variables filled in.
    pub(crate) fn new(feeding: &Feeding, number: u64, rng: &mut ChaCha12Rng) -> Self {
        let plan = &feeding.plan;
        let mut values = Self {
            number,
            variables: vec![None; plan.names.len()],
            counters: BTreeMap::new(),
            rows_of: vec![0; plan.data.len()],
            arrival: 0,
            status: None,
            unfit: None,
        };
        for (position, variable) in plan.variables.iter().enumerate() {
            let data = data_of(&feeding.by_variable, variable.value.variables());
            let mut text = String::new();
            let filled = values.take_rows(feeding, &data, 0, rng).and_then(|()| {
                let mut scope = values.scope(feeding, 0, rng);
                Ok(variable.value.render(&mut scope, &mut text)?)
            });
            match filled {
                Ok(()) => values.variables[position] = Some(text.into()),
                Err(unfit) => values.unfit = values.unfit.take().or(Some(unfit)),
            }
        }
        values
    }

    /// The next iteration is that of arrival k.
    pub(crate) fn arrive(&mut self, k: u64) {
        self.arrival = k;
    }

    /// What templates see. The rows they use must have been taken.
    pub(crate) fn scope<'a>(
        &'a mut self,
        feeding: &'a Feeding,
        iteration: u64,
        rng: &'a mut ChaCha12Rng,
    ) -> Scope<'a> {
        Scope {
            names: &feeding.plan.names,
            variables: &self.variables,
            user_id: self.number + 1,
            iteration,
            counters: &mut self.counters,
            rng,
        }
    }

    /// Sees to it that the templates of an endpoint can be filled in: takes the rows they use, if
    /// they were not yet taken in this iteration.
    ///
    /// # Errors
    /// There is no further row, or none that can be read; or a variable of the user could not be
    /// filled in.
    pub(crate) fn prepare(
        &mut self,
        feeding: &Feeding,
        endpoint: usize,
        iteration: u64,
        rng: &mut ChaCha12Rng,
    ) -> Result<(), Unfit> {
        if let Some(unfit) = &self.unfit {
            return Err(unfit.clone());
        }
        self.take_rows(feeding, &feeding.by_endpoint[endpoint], iteration, rng)
    }

    fn take_rows(
        &mut self,
        feeding: &Feeding,
        data: &[usize],
        iteration: u64,
        rng: &mut ChaCha12Rng,
    ) -> Result<(), Unfit> {
        let plan = &feeding.plan;
        for &position in data {
            let feeder = &plan.data[position];
            let is_due = match (feeder.per, self.rows_of[position]) {
                (_, 0) => true,
                (Per::User, _) => false,
                (Per::Iteration, taken_in) => taken_in != iteration + 1,
            };
            if !is_due {
                continue;
            }
            self.rows_of[position] = iteration + 1;
            let turn = self.turn(feeding, position, feeder.per);
            let random = |count| rng.random_range(0..count);
            let Some(row) = feeder.row(turn, plan.seed, random) else {
                return Err(Unfit {
                    outcome: Outcome::DataExhausted,
                    text: format!(
                        "`{}` ({}, {} rows) has no further row",
                        feeder.name,
                        feeder.file,
                        feeder.rows.count()
                    ),
                    end: Some(feeder.on_end),
                });
            };
            let mut row = feeder.rows.read(row)?;
            for (column, variable) in &feeder.columns {
                self.variables[*variable] = row.get_mut(*column).and_then(Option::take);
            }
        }
        Ok(())
    }

    fn turn(&self, feeding: &Feeding, position: usize, per: Per) -> Turn {
        let (user, users) = (self.number, feeding.users);
        match per {
            // The arrivals of an open load are numbered, whichever user takes them.
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
                let mut taken = feeding.taken.borrow_mut();
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

    /// Gives the variable at this position of the plan's names a value.
    pub(crate) fn set(&mut self, variable: usize, value: Value) {
        self.variables[variable] = Some(value);
    }

    /// Whether a condition holds now.
    ///
    /// # Errors
    /// Why it cannot be said.
    pub(crate) fn holds(
        &mut self,
        condition: &Condition,
        feeding: &Feeding,
        iteration: u64,
        rng: &mut ChaCha12Rng,
    ) -> Result<bool, Unfit> {
        let data = data_of(&feeding.by_variable, condition.variables());
        self.take_rows(feeding, &data, iteration, rng)?;
        let status = self.status;
        Ok(condition.holds(&mut self.scope(feeding, iteration, rng), status)?)
    }

    /// How a response that took `elapsed` is counted. Of a success, the user keeps what was taken
    /// out of it. The text of a failure whose class is `wanted` is without secrets, also those of
    /// the user.
    pub(crate) fn judge(
        &mut self,
        feeding: &Feeding,
        endpoint: &Endpoint,
        (response, elapsed): (&Response, Duration),
        wanted: impl Fn(Outcome) -> bool,
        iteration: u64,
        rng: &mut ChaCha12Rng,
    ) -> CheckResult {
        let plan = &feeding.plan;
        let secrets = &plan.secrets;
        let mut judgement = check::judge(endpoint, response, elapsed, secrets, &wanted, rng);
        if judgement.text.is_some() {
            let own = self.secrets(feeding);
            if own.is_some() || !response.credentials.is_empty() {
                let own = own.as_ref().unwrap_or(secrets);
                let secrets = own.with(response.credentials.iter().map(String::as_str));
                // Once more, for the text. What is drawn for it must not change what is drawn next,
                // which would depend on who wants to know.
                let rng = &mut rng.clone();
                judgement.text =
                    check::judge(endpoint, response, elapsed, &secrets, |_| true, rng).text;
            }
        }
        self.status = response.status;
        for (variable, value) in judgement.extracted.drain(..) {
            self.set(variable, value);
        }
        if judgement.outcome != Outcome::Ok {
            return judgement;
        }
        for (asked, key) in endpoint.checks.iter().filter_map(condition) {
            let text = match self.holds(asked, feeding, iteration, rng) {
                Ok(true) => continue,
                Ok(false) => format!("`{}` does not hold", asked.source()),
                Err(unfit) => unfit.text,
            };
            let outcome = Outcome::CheckFailed;
            let text = wanted(outcome).then_some(text);
            let own = text.as_ref().and_then(|_| self.secrets(feeding));
            let secrets = own.as_ref().unwrap_or(secrets);
            return CheckResult::failure(outcome, text.as_deref(), key.cloned(), secrets);
        }
        judgement
    }

    /// Those of the plan, and what only this user knows; `None` if that is nothing more.
    pub(crate) fn secrets(&self, feeding: &Feeding) -> Option<Secrets> {
        let own = feeding.secret.iter();
        let own: Vec<&str> = own
            .filter_map(|variable| self.variables[*variable].as_ref()?.as_str())
            .collect();
        (!own.is_empty()).then(|| feeding.plan.secrets.with(own))
    }
}
