//! The plan of a run: everything the engine, the grading and the reports need to know, resolved
//! and immutable.
//!
//! Here: plain data and pure functions of it. Not here: how a plan is written in YAML (`scenario`), how
//! it is carried out (`engine`), or its results (`metrics`).

#[cfg(any(test, feature = "fixtures"))]
pub mod fixture;
mod lifecycle;
mod load;
mod observation;
mod request;
mod selection;
mod slo;
mod step;
mod think_time;
mod transport;
mod user_class;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::script::Script;

pub use lifecycle::Lifecycle;
pub use lifecycle::hook::{FindingSeverity, Hook, HookTarget, Hooks, ToldVerdict};
pub use load::{Arrivals, Load, Model, Phase, Segment, Shape, Stage};
pub use observation::{
    HOST_METRICS, HostTarget, Observe, ObservedMetric, ObservedUnit, Selector, unquoted,
};
pub use perfctl_histogram::Percentile;
pub use request::auth::{Auth, Credentials, KeyPlace, OAuth2};
pub use request::body::{Body, BodyFile, BodyPiece, FileContent};
pub use request::check::{Check, CheckName, Expectation, Pattern, StatusRange};
pub use request::css::CssSelector;
pub use request::endpoint::{Endpoint, Header, Method, is_secret_header};
pub use request::extract::{Extraction, ExtractionSource, Pick};
pub use request::json_path::JsonPath;
pub use request::measure::{Measure, MeasureUnit};
pub use request::target::{check_target, encoded_target, has_dot_segments, push_written};
pub use slo::{
    AbortRule, Direction, Extreme, GradeLimit, Metric, ObservedNumber, ObservedPart, Scale, Slo,
    SloScope,
};
pub use step::{
    Branch, CookieChange, ExpectedWork, Flow, ScriptStep, Step, Stop, first_request, has_effect,
};
pub use think_time::ThinkTime;
pub use transport::trace::{Trace, TraceContext, TraceId};
pub use transport::{
    Authorities, ClientChoice, ConnectTo, HttpChoice, Identity, NoProxy, Proxy, Tls, Transport,
    Wire,
};
pub use user_class::{Task, UserClass};
pub use value::assignment::{Assignment, ListItem, Push};
pub use value::data::{
    DataError, DataFormat, Feeder, OnEnd, Per, Row, RowOrder, Rows, Turn, separator_name,
};
pub use value::decimal::Decimal;
pub use value::escape::Escape;
pub use value::expression::{Condition, Expression, Input, InputName};
pub use value::request_view::{RequestPart, RequestView};
pub use value::scope::Scope;
pub use value::secrets::Secrets;
pub use value::shared::{SharedStart, SharedValues};
pub use value::template::{Slot, Template, TemplatePart};

/// Most texts of failing steps that are told apart.
const MAX_FAILURE_TEXTS: usize = 200;

/// A resolved run. Shared by all workers behind an `Arc`.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The scenario's `name`.
    pub scenario: String,
    /// The profile's name, such as `smoke`.
    pub profile: String,
    /// Whether it is a quick look: a single request, given on the command line.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub quick_look: bool,
    /// The scenario's environment that was chosen, if one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Where relative endpoint URLs go.
    pub service: Service,
    /// How the service is reached.
    #[serde(skip_serializing_if = "Transport::is_default")]
    pub transport: Transport,
    /// Hosts (`host:port`) that redirects may lead to: those that the scenario names.
    pub allowed_hosts: BTreeSet<String>,
    /// The seed of every random choice of the run.
    pub seed: u64,
    /// How many worker threads; at least 1.
    pub workers: usize,
    /// Variables of the scenario, in order; each virtual user renders them once when it starts.
    pub variables: Vec<Variable>,
    /// The names of everything that templates can use: the variables, in order, then values that are
    /// only set during the run, then the used columns of data.
    #[serde(skip)]
    pub names: Vec<String>,
    /// The cookies that templates read: their names, and their positions in `names`.
    #[serde(skip)]
    pub cookies: Vec<(String, usize)>,
    /// The script, whose functions expressions and steps call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<Arc<Script>>,
    /// The data that users take rows from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<Feeder>,
    /// The think times that are computed, as seconds or durations; empty if the run has others in their place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<ListItem>,
    /// What virtual users do. A simple scenario has one class.
    pub classes: Vec<UserClass>,
    /// The endpoints; their position is their identity in samples and results.
    pub endpoints: Vec<Endpoint>,
    /// The flows; in samples and results they come after the endpoints.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<Flow>,
    /// The counters and lists that all users share.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "shared_starts"
    )]
    pub shared: Option<Arc<SharedValues>>,
    /// What is observed of the service while the load goes on, besides its responses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observe: Option<Box<Observe>>,
    /// How requests are traced, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Box<Trace>>,
    /// What happens once, before the load and after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Box<Lifecycle>>,
    /// Whom the run tells about its verdict and its findings. Never stored.
    #[serde(skip)]
    pub hooks: Option<Box<Hooks>>,
    /// The variables, by their positions in the names, that all users have from the set-up of this run.
    #[serde(skip)]
    pub given: Vec<(usize, Value)>,
    /// How much load, and for how long.
    pub load: Load,
    /// The SLOs to grade against.
    pub slos: Vec<Slo>,
    /// What ends the run early.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub abort: Vec<AbortRule>,
    /// SLOs that do not apply to this run, each with the reason, for the report.
    pub skipped_slos: Vec<String>,
    /// What must not be shown even if the service repeats it. Never stored.
    #[serde(skip)]
    pub secrets: Secrets,
}

/// The service under test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// The built-in service, started for the run.
    Demo,
    /// An `http://` or `https://` base URL without a trailing slash. It never contains credentials.
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

/// Hashes that tell whether two runs have the same scenario and the same load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Fingerprint {
    /// Of what virtual users do: classes, endpoints, checks, variables. SHA-256, 16 hex digits.
    pub scenario: String,
    /// Of how much load: the model and the stages' levels, not for how long. SHA-256, 16 hex digits.
    pub load: String,
}

impl Plan {
    /// Identifies scenario and load. It does not depend on the service, the seed, the SLOs or secrets,
    /// so that a run against staging can be compared to one against a developer's machine.
    pub fn fingerprint(&self) -> Fingerprint {
        let scenario = (
            &self.scenario,
            &self.variables,
            &self.classes,
            &self.endpoints,
        );
        let shared = |hashed: String| match &self.shared {
            Some(shared) => hash(&(hashed, &**shared)),
            None => hashed,
        };
        let waits = |hashed: String| match self.waits.is_empty() {
            true => hashed,
            false => hash(&(hashed, &self.waits)),
        };
        let script = |hashed: String| match &self.script {
            Some(script) => hash(&(hashed, script)),
            None => hashed,
        };
        Fingerprint {
            // As it was before flows and data existed, so that old baselines stay valid.
            scenario: script(waits(shared(
                match (self.flows.is_empty(), self.data.is_empty()) {
                    (true, true) => hash(&scenario),
                    (true, false) => hash(&(scenario, &self.data)),
                    (false, true) => hash(&(scenario, &self.flows)),
                    (false, false) => hash(&(scenario, &self.flows, &self.data)),
                },
            ))),
            load: self.load_fingerprint(),
        }
    }

    fn load_fingerprint(&self) -> String {
        let is_closed = matches!(self.load.model, Model::Closed);
        let stages = self.load.stages.iter();
        let levels: Vec<f64> = stages.map(|stage| stage.level).collect();
        if let Some(throttle) = self.load.throttle {
            return hash(&(is_closed, levels, "throttle", throttle));
        }
        match self.load.arrivals {
            // As it was before there was a choice, so that old baselines stay valid.
            Arrivals::Uniform => hash(&(is_closed, levels)),
            Arrivals::Poisson => hash(&(is_closed, levels, Arrivals::Poisson)),
        }
    }

    /// The phases of the run: those of its load, and one more if users may start requests after the end
    /// of the load (the rest of a flow, or `on_stop`).
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

    /// The name of the endpoint or flow with this position in samples and results.
    pub fn subject(&self, position: usize) -> &str {
        let flow = || &self.flows[position - self.endpoints.len()].name;
        self.endpoints.get(position).map_or_else(flow, |e| &e.name)
    }

    /// The row of the statistics that each endpoint and flow counts in, by position. Endpoints of one
    /// group or name share a row; rows are in the order of their first endpoint.
    pub fn rows(&self) -> Vec<usize> {
        let mut known = BTreeMap::new();
        let endpoints = self.endpoints.iter().map(Endpoint::row);
        let names = endpoints.chain(self.flows.iter().map(|flow| flow.name.as_str()));
        names
            .map(|name| {
                let next = known.len();
                *known.entry(name).or_insert(next)
            })
            .collect()
    }

    /// What the checks of each endpoint are called, in their order.
    pub fn check_names(&self) -> Vec<Vec<CheckName>> {
        let endpoints = self.endpoints.iter();
        endpoints
            .map(|endpoint| endpoint.checks.iter().map(Check::name).collect())
            .collect()
    }

    /// The texts of the steps that fail, as written, each once. Failures of a flow by a step whose text is
    /// not among them have no name.
    pub fn failure_texts(&self) -> Vec<Arc<str>> {
        let mut texts = Vec::new();
        for class in &self.classes {
            let tasks = class.tasks.iter().map(|task| task.steps.as_slice());
            let lists = tasks.chain([class.on_start.as_slice(), &class.on_stop]);
            lists.for_each(|steps| step::add_failures(steps, MAX_FAILURE_TEXTS, &mut texts));
        }
        texts
    }

    /// What an iteration of a class does on average, and how long it waits at least: its think time and
    /// the think times in its flows.
    pub fn expected(&self, class: &UserClass) -> ExpectedWork {
        let mut expected = ExpectedWork::nothing(self.endpoints.len(), self.flows.len());
        let total: f64 = class.tasks.iter().map(|task| f64::from(task.weight)).sum();
        for task in &class.tasks {
            let share = f64::from(task.weight) / total;
            let within_s = expected.wait_s;
            expected.add(&task.steps, share);
            let within_s = expected.wait_s - within_s;
            let think = task.think_time.unwrap_or(class.think_time);
            let after_s = share * think.mean().as_secs_f64();
            // Pacing includes the time of the iteration itself.
            expected.wait_s += match think {
                ThinkTime::Pacing(_) => (after_s - within_s).max(0.0),
                _ => after_s,
            };
        }
        expected
    }

    /// The share of each class among the users at the highest level of the load, or among the arrivals.
    /// They sum to 1.
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

    /// The share of each endpoint among all requests, from the weights. They sum to 1. Think times are
    /// not considered.
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

    /// The highest requests/s that the load can reach, or `None` if only the speed of the service
    /// limits it (a closed model without think time), or think times are computed.
    pub fn highest_rate_per_s(&self) -> Option<f64> {
        let rate = self.rate_of_users_per_s();
        match (rate, self.load.throttle) {
            (Some(rate), Some(throttle)) => Some(rate.min(throttle)),
            (rate, throttle) => rate.or(throttle),
        }
    }

    /// The same without a throttle.
    fn rate_of_users_per_s(&self) -> Option<f64> {
        let peak = self.load.peak();
        match self.load.model {
            Model::Open { .. } => Some(peak * self.requests_per_iteration()),
            Model::Closed if !self.waits.is_empty() => None,
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

/// As they are at the beginning of a run.
fn shared_starts<S: Serializer>(
    shared: &Option<Arc<SharedValues>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    shared.as_deref().serialize(serializer)
}

/// A sum of shares without rounding errors, so that it can be compared to a whole number.
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
