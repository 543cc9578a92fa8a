//! The plan of a run: everything the engine, the grading and the reports need to know, resolved
//! and immutable.
//!
//! Here: plain data and pure functions of it. Not here: how a plan is written in YAML
//! (`scenario`), how it is carried out (`engine`), or what came of it (`metrics`).

mod check;
mod data;
mod endpoint;
mod expression;
mod extract;
#[cfg(test)]
pub(crate) mod fixture;
mod load;
mod secrets;
mod slo;
mod template;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

pub use check::{Check, Expectation, Pattern, StatusRange};
pub use data::{Fault, Feeder, Format, Mode, OnEnd, Per, Rows, Turn};
pub use endpoint::{Body, Endpoint, Header, Method, is_secret_header};
pub use expression::{Condition, Expression, Input, Path};
pub use extract::{Extraction, Pick, Source};
pub use load::{Arrivals, Load, Model, Phase, Stage};
pub use secrets::Secrets;
pub use slo::{Direction, Metric, Percentile, Slo, SloScope};
pub use template::{Escape, Part, Scope, Slot, Template};

/// A resolved run. Shared by all workers behind an `Arc`.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The scenario's `name`.
    pub scenario: String,
    /// The profile's name, such as `smoke`.
    pub profile: String,
    /// Where relative endpoint URLs go.
    pub target: Target,
    /// Hosts (`host:port`) that redirects may lead to: those the scenario itself names.
    pub allowed_hosts: BTreeSet<String>,
    /// The seed of every random choice of the run.
    pub seed: u64,
    /// How many worker threads; at least 1.
    pub workers: usize,
    /// Variables of the scenario, in order; each virtual user renders them once when it starts.
    pub variables: Vec<Variable>,
    /// The names of everything a user's templates can name: the variables, in order, then what is
    /// only set during the run, and the columns of data that are used.
    #[serde(skip)]
    pub names: Vec<String>,
    /// The data that users are fed with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<Feeder>,
    /// What virtual users do. A simple scenario has one class.
    pub classes: Vec<UserClass>,
    /// The endpoints; their position is their identity in samples and results.
    pub endpoints: Vec<Endpoint>,
    /// How much load, and for how long.
    pub load: Load,
    /// The targets to grade against.
    pub slos: Vec<Slo>,
    /// Targets that do not apply to this run, each with the reason, for the report.
    pub skipped_slos: Vec<String>,
    /// What must not be shown though the target may repeat it. Never stored.
    #[serde(skip)]
    pub secrets: Secrets,
}

/// What the load is put on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The built-in target, started for the run.
    Demo,
    /// An `http://` or `https://` base URL without a trailing slash; credentials never stand in it.
    Url(String),
}

/// A named value that templates can use.
#[derive(Debug, Clone, Serialize)]
pub struct Variable {
    /// The name in `{{ name }}`.
    pub name: String,
    /// Its value; may use the variables before it.
    pub value: Template,
}

/// A kind of virtual user: which tasks it picks from and how long it waits in between.
#[derive(Debug, Clone, Serialize)]
pub struct UserClass {
    /// The name shown in reports.
    pub name: String,
    /// What the user waits between two iterations.
    pub think_time: ThinkTime,
    /// The choices of one iteration, picked by weight.
    pub tasks: Vec<Task>,
}

/// One choice of an iteration: a list of steps run in order.
#[derive(Debug, Clone, Serialize)]
pub struct Task {
    /// Relative weight, at least 1.
    pub weight: u32,
    /// The steps.
    pub steps: Vec<Step>,
}

/// One thing a virtual user does.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Sends the request of the endpoint with this position.
    Request(usize),
}

/// The wait of a virtual user between iterations, with Locust's meanings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ThinkTime {
    /// No wait.
    None,
    /// Always the same wait after an iteration.
    #[serde(rename = "constant_us", with = "crate::units::micros")]
    Constant(Duration),
    /// A uniformly distributed wait after an iteration.
    #[serde(rename = "between_us")]
    Between(
        #[serde(with = "crate::units::micros")] Duration,
        #[serde(with = "crate::units::micros")] Duration,
    ),
    /// Iterations start this far apart; a slow iteration is followed at once by the next.
    /// `constant_throughput(n)` is a pacing of `1/n` seconds.
    #[serde(rename = "pacing_us", with = "crate::units::micros")]
    Pacing(Duration),
}

impl ThinkTime {
    /// The mean wait of an iteration that takes no time itself.
    pub fn mean(self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Constant(wait) | Self::Pacing(wait) => wait,
            Self::Between(low, high) => (low + high) / 2,
        }
    }
}

/// Hashes that say whether two runs asked for the same thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Fingerprint {
    /// Of what virtual users do: classes, endpoints, checks, variables. SHA-256, 16 hex digits.
    pub scenario: String,
    /// Of how much load: the model and the stages' levels, not for how long. SHA-256, 16 hex digits.
    pub load: String,
}

impl Plan {
    /// Identifies scenario and load; the target, the seed, the SLOs and secrets have no part in it,
    /// so a run against staging can be compared to one against a developer's machine.
    pub fn fingerprint(&self) -> Fingerprint {
        let scenario = (
            &self.scenario,
            &self.variables,
            &self.classes,
            &self.endpoints,
        );
        Fingerprint {
            scenario: match self.data.is_empty() {
                // As before there was data, so that baselines made then go on to count.
                true => hash(&scenario),
                false => hash(&(scenario, &self.data)),
            },
            load: self.load_fingerprint(),
        }
    }

    fn load_fingerprint(&self) -> String {
        let is_closed = matches!(self.load.model, Model::Closed);
        let stages = self.load.stages.iter();
        let targets: Vec<f64> = stages.map(|stage| stage.target).collect();
        match self.load.arrivals {
            // As before there was a choice, so that baselines made then go on to count.
            Arrivals::Uniform => hash(&(is_closed, targets)),
            Arrivals::Poisson => hash(&(is_closed, targets, Arrivals::Poisson)),
        }
    }

    /// The share of each endpoint among all requests, from the tasks' weights; sums to 1.
    pub fn shares(&self) -> Vec<f64> {
        let mut shares = vec![0.0; self.endpoints.len()];
        for class in &self.classes {
            for task in &class.tasks {
                for Step::Request(endpoint) in &task.steps {
                    shares[*endpoint] += f64::from(task.weight);
                }
            }
        }
        let total: f64 = shares.iter().sum();
        if total > 0.0 {
            shares.iter_mut().for_each(|share| *share /= total);
        }
        shares
    }

    /// The highest request rate per second that the load can offer, or `None` where only the
    /// target's speed limits it (a closed model without think time).
    pub fn highest_rate_per_s(&self) -> Option<f64> {
        let peak = self.load.peak();
        match self.load.model {
            Model::Open { .. } => Some(peak),
            Model::Closed => {
                let think = self
                    .classes
                    .iter()
                    .map(|class| class.think_time.mean())
                    .min()?;
                (think > Duration::ZERO).then(|| peak / think.as_secs_f64())
            }
        }
    }
}

/// The first 16 hexadecimal digits of the SHA-256 of the value's JSON.
fn hash(value: &impl Serialize) -> String {
    let json = serde_json::to_vec(value).expect("plan data is serializable");
    Sha256::digest(&json)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
