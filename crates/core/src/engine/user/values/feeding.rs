//! What the users of a worker take their values from: data, and the set-up.
//!
//! Not here: which row a user takes, and when (`values`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::plan::{Check, Condition, Endpoint, Extraction, Model, Plan};

/// Which data the users of a worker take their values from.
pub(crate) struct Feeding {
    pub(super) plan: Arc<Plan>,
    /// For each endpoint: the positions of the data it uses.
    pub(super) by_endpoint: Vec<Vec<usize>>,
    /// For each variable: the position of the data it is a column of.
    pub(super) by_variable: Vec<Option<usize>>,
    /// How often each user of this worker took a row of each data file. Users come and go, and one that
    /// comes back must not get a unique row again.
    pub(super) taken: RefCell<HashMap<(usize, u64), u64>>,
    /// The variables whose names say that their values are secret.
    pub(super) secret: Vec<usize>,
    /// How many users the load has in the closed model; 0 in the open model.
    pub(super) users: u64,
    /// What users know when they begin, in the order of the names of the plan.
    pub(super) given: Vec<Option<Value>>,
}

impl Feeding {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        let mut by_variable = vec![None; plan.names.len()];
        for (position, feeder) in plan.data.iter().enumerate() {
            for (_, variable) in &feeder.columns {
                by_variable[*variable] = Some(position);
            }
        }
        let mut given = vec![None; plan.names.len()];
        for (variable, value) in &plan.given {
            given[*variable] = Some(value.clone());
        }
        let of_endpoint = |endpoint: &Endpoint| data_of(&by_variable, used_by(endpoint));
        Self {
            by_endpoint: plan.endpoints.iter().map(of_endpoint).collect(),
            by_variable,
            taken: RefCell::default(),
            secret: (0..plan.names.len())
                .filter(|variable| plan.is_secret_variable(*variable))
                .collect(),
            users: match plan.load.model {
                Model::Closed => (plan.load.peak().ceil() as u64).max(1),
                Model::Open { .. } => 0,
            },
            given,
            plan,
        }
    }

    /// The data that the endpoint at this position uses, by position.
    pub(crate) fn data_of_endpoint(&self, endpoint: usize) -> &[usize] {
        &self.by_endpoint[endpoint]
    }
}

/// The variables that an endpoint uses, in its request and its conditions.
pub(crate) fn used_by(endpoint: &Endpoint) -> impl Iterator<Item = usize> {
    let checks = endpoint.checks.iter().filter_map(Check::condition);
    let conditions = checks.chain(endpoint.extract.iter().filter_map(Extraction::call));
    let templates = endpoint
        .templates()
        .flat_map(|template| template.variables());
    templates.chain(conditions.flat_map(Condition::variables))
}

/// The positions of the data that these variables are columns of, each once.
pub(super) fn data_of(
    by_variable: &[Option<usize>],
    variables: impl Iterator<Item = usize>,
) -> Vec<usize> {
    let mut data: Vec<usize> = variables
        .filter_map(|variable| *by_variable.get(variable)?)
        .collect();
    data.sort_unstable();
    data.dedup();
    data
}
