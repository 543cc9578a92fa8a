//! What the command line and the environment say about a run.
//!
//! Here: the options themselves. Not here: how they are written on a command line (`cli`), and what
//! they do to a plan (`compile`, `load`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::plan::{Arrivals, ClientChoice, ConnectTo, Metric, ThinkTime};

/// A limit that has an option of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitOption {
    /// The option, such as `--check-fail-ratio`, which names the SLO.
    pub option: &'static str,
    /// What it limits, over all requests.
    pub metric: Metric,
    /// In the unit of the metric.
    pub limit: f64,
}

/// What the command line and the environment say about a run. `None` leaves it to the
/// scenario and the profile.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The environment of the scenario that applies.
    pub environment: Option<String>,
    /// Base URL, or `demo`; replaces the scenario's `host`.
    pub host: Option<String>,
    /// The highest number of users, 1 to 1 000 000; in the open model, of requests in flight.
    pub users: Option<u32>,
    /// Users started per second.
    pub spawn_rate: Option<f64>,
    /// How long the load is held, at most 30 days.
    pub run_time: Option<Duration>,
    /// The highest arrival rate per second; selects the open model.
    pub rate: Option<f64>,
    /// How arrivals are spaced in the open model.
    pub arrivals: Option<Arrivals>,
    /// Ends the run after this many iterations.
    pub iterations: Option<u64>,
    /// Only endpoints with one of these tags run; all when empty.
    pub tags: Vec<String>,
    /// Endpoints with one of these tags do not run.
    pub exclude_tags: Vec<String>,
    /// Only user classes of these names run; all when empty.
    pub user_classes: Vec<String>,
    /// Values of `env.NAME`, before those of the process environment.
    pub env: BTreeMap<String, String>,
    /// The only variables of the process environment that templates see; all of them where this is `None`.
    pub visible_env: Option<BTreeSet<String>>,
    /// Values of the scenario's variables, in place of those it has.
    pub variables: BTreeMap<String, String>,
    /// The seed of all random choices; random by default.
    pub seed: Option<u64>,
    /// Worker threads, 1 to 1024; by default one for each core that may be used.
    pub workers: Option<usize>,
    /// Most requests per second; replaces the profile's.
    pub throttle: Option<f64>,
    /// Limits of other tools' options, which are SLOs by their names.
    pub limits: Vec<LimitOption>,
    /// SLOs such as `p95<500ms`.
    pub slos: Vec<String>,
    /// What aborts the run, such as `error_rate > 20% for 10s`.
    pub abort: Vec<String>,
    /// Replaces the timeout in the scenario's `defaults`.
    pub timeout: Option<Duration>,
    /// What carries the requests; replaces the scenario's `client`.
    pub client: Option<ClientChoice>,
    /// Replaces every think time of the scenario, and every wait in its flows.
    pub think_time: Option<ThinkTime>,
    /// Where to connect instead, before the scenario's `connect_to`.
    pub connect_to: Vec<ConnectTo>,
    /// How long requests in flight can go on at the end.
    pub stop_timeout: Option<Duration>,
}

impl Options {
    /// Whether a user class of this name runs.
    pub(super) fn takes_class(&self, name: &str) -> bool {
        self.user_classes.is_empty() || self.user_classes.iter().any(|one| one == name)
    }
}
