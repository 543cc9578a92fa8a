//! The plan of a run: everything the engine, the grading and the reports need to know, resolved
//! and immutable.
//!
//! Here: plain data and pure functions of it. Not here: how a plan is written in YAML
//! (`scenario`), how it is carried out (`engine`), or what came of it (`metrics`).

#[cfg(test)]
pub(crate) mod fixture;
mod load;
mod request;
mod slo;
mod step;
mod transport;
mod value;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

pub use load::{Arrivals, Load, Model, Phase, Shape, Stage};
pub use request::auth::{Auth, Credentials, KeyPlace, OAuth2};
pub use request::body::{Body, Content, FilePart, Piece};
pub use request::check::{Check, Expectation, Pattern, StatusRange};
pub use request::endpoint::{Endpoint, Header, Method, is_secret_header};
pub use request::extract::{Extraction, Pick, Source};
pub use slo::{Direction, Metric, Percentile, Slo, SloScope};
pub use step::{Branch, Expected, Flow, Step, first_request, width};
pub use transport::{Authorities, ClientChoice, HttpChoice, Identity, Proxy, Tls, Transport, Wire};
pub use value::data::{Fault, Feeder, Format, Mode, OnEnd, Per, Rows, Turn};
pub use value::expression::{Condition, Expression, Input, Path};
pub use value::secrets::Secrets;
pub use value::template::{Escape, Part, Scope, Slot, Template};

/// A resolved run. Shared by all workers behind an `Arc`.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The scenario's `name`.
    pub scenario: String,
    /// The profile's name, such as `smoke`.
    pub profile: String,
    /// Where relative endpoint URLs go.
    pub service: Service,
    /// How targets are reached.
    #[serde(skip_serializing_if = "Transport::is_default")]
    pub transport: Transport,
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
    /// The flows; in samples and results they stand behind the endpoints.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<Flow>,
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
pub enum Service {
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
    /// Share of the users that are of this class, relative to the other classes without a fixed
    /// count; in an open load, of the arrivals, relative to all others. At least 1.
    #[serde(skip_serializing_if = "is_one")]
    pub weight: u32,
    /// In a closed load: this many users, started before those that are shared out by weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_count: Option<u32>,
    /// What the user waits between two iterations.
    pub think_time: ThinkTime,
    /// What the user does once, before its first iteration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_start: Vec<Step>,
    /// What the user does once, after its last iteration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_stop: Vec<Step>,
    /// The choices of one iteration, picked by weight.
    pub tasks: Vec<Task>,
}

impl UserClass {
    /// How many requests a user of this class may have in flight at once.
    pub fn width(&self) -> usize {
        let tasks = self.tasks.iter().map(|task| task.steps.as_slice());
        let all = tasks.chain([self.on_start.as_slice(), &self.on_stop]);
        all.map(width).max().unwrap_or(0)
    }
}

fn is_one(weight: &u32) -> bool {
    *weight == 1
}

/// One choice of an iteration: a list of steps run in order.
#[derive(Debug, Clone, Serialize)]
pub struct Task {
    /// Relative weight, at least 1.
    pub weight: u32,
    /// What the user waits after it, or paces it by, in place of its class's think time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think_time: Option<ThinkTime>,
    /// The steps.
    pub steps: Vec<Step>,
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
    /// An exponentially distributed wait of this mean after an iteration, which makes the
    /// iterations of a fast target a Poisson process. `poisson(n)` is a mean of `1/n` seconds.
    #[serde(rename = "poisson_us", with = "crate::units::micros")]
    Poisson(Duration),
}

impl ThinkTime {
    /// The mean wait of an iteration that takes no time itself.
    pub fn mean(self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Constant(wait) | Self::Pacing(wait) | Self::Poisson(wait) => wait,
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
            // As before there were flows and data, so that baselines made then go on to count.
            scenario: match (self.flows.is_empty(), self.data.is_empty()) {
                (true, true) => hash(&scenario),
                (true, false) => hash(&(scenario, &self.data)),
                (false, true) => hash(&(scenario, &self.flows)),
                (false, false) => hash(&(scenario, &self.flows, &self.data)),
            },
            load: self.load_fingerprint(),
        }
    }

    fn load_fingerprint(&self) -> String {
        let is_closed = matches!(self.load.model, Model::Closed);
        let stages = self.load.stages.iter();
        let targets: Vec<f64> = stages.map(|stage| stage.level).collect();
        match self.load.arrivals {
            // As before there was a choice, so that baselines made then go on to count.
            Arrivals::Uniform => hash(&(is_closed, targets)),
            Arrivals::Poisson => hash(&(is_closed, targets, Arrivals::Poisson)),
        }
    }

    /// The phases of the run: those of its load and, where a user may start requests after the end
    /// of the load (the rest of a flow, or `on_stop`), one for these.
    pub fn phases(&self) -> Vec<Phase> {
        let mut phases = self.load.phases();
        let goes_on = |class: &UserClass| {
            let is_long = |task: &Task| !matches!(task.steps.as_slice(), [Step::Request(_)]);
            !class.on_stop.is_empty()
                || !class.on_start.is_empty()
                || class.tasks.iter().any(is_long)
        };
        if self.classes.iter().any(goes_on) {
            let end = self.load.total();
            phases.push(Phase {
                name: "after the load".into(),
                start_us: crate::units::as_us(end),
                end_us: crate::units::as_us(end + self.load.stop_timeout),
                measured: false,
            });
        }
        phases
    }

    /// The name of what samples and results know by this position, endpoint or flow.
    pub fn subject(&self, position: usize) -> &str {
        let flow = || &self.flows[position - self.endpoints.len()].name;
        self.endpoints.get(position).map_or_else(flow, |e| &e.name)
    }

    /// What an iteration of a class does on average, and what it waits at least: its think time
    /// and those within its flows.
    pub fn expected(&self, class: &UserClass) -> Expected {
        let mut expected = Expected::nothing(self.endpoints.len(), self.flows.len());
        let total: f64 = class.tasks.iter().map(|task| f64::from(task.weight)).sum();
        for task in &class.tasks {
            let share = f64::from(task.weight) / total;
            let within_s = expected.wait_s;
            expected.add(&task.steps, share);
            let within_s = expected.wait_s - within_s;
            let think = task.think_time.unwrap_or(class.think_time);
            let after_s = share * think.mean().as_secs_f64();
            // Pacing contains what the iteration itself takes.
            expected.wait_s += match think {
                ThinkTime::Pacing(_) => (after_s - within_s).max(0.0),
                _ => after_s,
            };
        }
        expected
    }

    /// The share of each class among the users when the load is highest, or among the arrivals;
    /// sums to 1.
    pub fn class_shares(&self) -> Vec<f64> {
        let is_open = matches!(self.load.model, Model::Open { .. });
        let fixed = |class: &UserClass| class.fixed_count.filter(|_| !is_open).map(f64::from);
        let fixed_users: f64 = self.classes.iter().filter_map(fixed).sum();
        let users = self.load.peak().max(fixed_users);
        let by_weight = self.classes.iter().filter(|class| fixed(class).is_none());
        let weights: f64 = by_weight.map(|class| f64::from(class.weight)).sum();
        let share = |class: &UserClass| match fixed(class) {
            Some(count) => count / users,
            None => (1.0 - fixed_users / users) * f64::from(class.weight) / weights,
        };
        self.classes.iter().map(share).collect()
    }

    /// The share of each endpoint among all requests, from the weights; sums to 1. The waits of
    /// the classes have no part in it.
    pub fn shares(&self) -> Vec<f64> {
        let mut shares = vec![0.0; self.endpoints.len()];
        for (class, share) in self.classes.iter().zip(self.class_shares()) {
            let requests = self.expected(class).requests;
            let sums = shares.iter_mut().zip(requests);
            sums.for_each(|(sum, requests)| *sum += share * requests);
        }
        let total: f64 = shares.iter().sum();
        if total > 0.0 {
            let normed = |share: &mut f64| *share = without_noise(*share / total);
            shares.iter_mut().for_each(normed);
        }
        shares
    }

    /// Requests of an iteration on average, over all classes.
    pub fn requests_per_iteration(&self) -> f64 {
        let classes = self.classes.iter().zip(self.class_shares());
        let requests =
            classes.map(|(class, share)| share * self.expected(class).requests.iter().sum::<f64>());
        without_noise(requests.sum())
    }

    /// The highest request rate per second that the load can offer, or `None` where only the
    /// target's speed limits it (a closed model without think time).
    pub fn highest_rate_per_s(&self) -> Option<f64> {
        let peak = self.load.peak();
        match self.load.model {
            Model::Open { .. } => Some(peak * self.requests_per_iteration()),
            Model::Closed => {
                let classes = self.classes.iter().zip(self.class_shares());
                let of_users = classes.filter(|(_, share)| *share > 0.0);
                let rates = of_users.map(|(class, share)| {
                    let expected = self.expected(class);
                    let requests: f64 = expected.requests.iter().sum();
                    (expected.wait_s > 0.0).then(|| peak * share * requests / expected.wait_s)
                });
                rates.sum::<Option<f64>>().map(without_noise)
            }
        }
    }
}

/// A sum of shares without the noise of its last digits, so that it can be compared to a whole
/// number.
fn without_noise(sum: f64) -> f64 {
    (sum * 1e12).round() / 1e12
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
