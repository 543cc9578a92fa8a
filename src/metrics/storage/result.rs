//! The result of a run: lossless, versioned, mergeable. What is derived from it lives in
//! `statistics`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::metrics::{HealthSample, HttpVersion, Interval, Outcome, SparseHistogram};
use crate::plan::{ClientChoice, Endpoint, Fingerprint, Load, Phase, Plan, Service, Slo};
use crate::units::MAX_DURATION;

/// A whole run, as stored in `result.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Always [`RunResult::FORMAT`].
    pub format: String,
    /// Version of the format; [`RunResult::VERSION`] is the newest known. Older ones become the
    /// newest when they are read.
    #[serde(deserialize_with = "newest_version")]
    pub version: u32,
    /// What was run, where and how it ended.
    pub run: RunInfo,
    /// Per endpoint and phase, everything counted; in the order of `run.endpoints`.
    pub endpoints: Vec<EndpointResult>,
    /// Per phase and second of intended start: the counts and response times, for the gate and
    /// for charts. Ordered by phase, then second.
    pub timeline: Vec<Interval>,
    /// Virtual users running (closed model) or requests in flight (open) at each second of the run.
    pub users: Vec<u32>,
    /// The generator's own health at each second of the run; empty where it was not measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health: Vec<HealthSample>,
}

/// What was run, where, and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Name of the run's directory.
    pub id: String,
    /// Version of perfctl.
    pub perfctl_version: String,
    /// The scenario's name.
    pub scenario: String,
    /// The profile's name.
    pub profile: String,
    /// The target's base URL, without credentials, or `demo`.
    pub service: String,
    /// Wall-clock start of the load, RFC 3339 in UTC. Durations never come from this clock.
    pub started_at: String,
    /// The seed of all random choices.
    pub seed: u64,
    /// Worker threads.
    pub workers: usize,
    /// The load that was asked for.
    pub load: Load,
    /// Its phases; `timeline` and `endpoints` refer to them by position.
    pub phases: Vec<Phase>,
    /// What was graded against.
    pub slos: Vec<Slo>,
    /// SLOs that did not apply, with the reason.
    pub skipped_slos: Vec<String>,
    /// The endpoints in the plan's order, and behind them its flows.
    pub endpoints: Vec<EndpointInfo>,
    /// Whether two runs asked for the same.
    pub fingerprint: Fingerprint,
    /// The machine that made the load.
    pub machine: Machine,
    /// Which start of that machine it was; `None` where the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// What the user says it is one session with, such as the id of a CI job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Which build of the target was measured, such as a commit, by the user's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// What carried the requests; older results know only the one.
    #[serde(default, skip_serializing_if = "ClientChoice::is_default")]
    pub client: ClientChoice,
    /// Whether any certificate was taken for good, by the scenario's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// Whether the generator's speed was left out of the judgement, by the user's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assume_healthy: bool,
    /// How it ended; `None` when perfctl itself was killed.
    pub ending: Option<Ending>,
}

/// An endpoint as reports name it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointInfo {
    /// The key of the statistics.
    pub name: String,
    /// The HTTP method; `FLOW` for a flow.
    pub method: String,
    /// Whether it is a flow: a transaction of several requests, which is no request itself and
    /// has no part in the totals. Its response time leaves out the think times within it, its
    /// service time has them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_flow: bool,
}

impl EndpointInfo {
    /// Of an endpoint of a plan.
    pub fn of(endpoint: &Endpoint) -> Self {
        Self {
            name: endpoint.name.clone(),
            method: endpoint.method.as_str().to_owned(),
            is_flow: false,
        }
    }

    /// Of all endpoints of a plan, and behind them its flows.
    pub fn all(plan: &Plan) -> Vec<Self> {
        let flows = plan.flows.iter().map(|flow| Self {
            name: flow.name.clone(),
            method: "FLOW".to_owned(),
            is_flow: true,
        });
        plan.endpoints.iter().map(Self::of).chain(flows).collect()
    }
}

/// The machine that made the load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its name.
    pub host: String,
    /// Operating system and kernel release.
    pub kernel: String,
    /// Cores perfctl may use.
    pub cpus: usize,
    /// The processor's name; empty where it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cpu: String,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}, {} x {})",
            self.host,
            self.kernel,
            self.cpus,
            match self.cpu.as_str() {
                "" => "unknown CPU",
                cpu => cpu,
            }
        )
    }
}

/// How the load ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Signal number that stopped it early: 2 (SIGINT) or 15 (SIGTERM).
    pub signal: Option<u8>,
    /// Whether it ended early because a user had no further row of data.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_data: bool,
    /// When no further request was started, from the start of the load; us.
    pub stopped_at_us: u64,
    /// When the last request had ended, from the start of the load; us.
    pub drained_at_us: u64,
    /// The workers' own counts, to check the samples against.
    pub totals: Totals,
}

/// What the workers counted on their own, apart from the samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Requests that were to be started.
    pub planned: u64,
    /// Requests that were started.
    pub started: u64,
    /// Arrivals dropped because the generator was late, among all that were dropped.
    #[serde(default)]
    pub dropped_late: u64,
    /// Virtual users that ended because their `on_start` failed; in an open load, arrivals that
    /// were dropped for it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_starts: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Totals {
    /// Adds those of another worker.
    pub fn add(&mut self, other: Self) {
        self.planned += other.planned;
        self.started += other.started;
        self.dropped_late += other.dropped_late;
        self.failed_starts += other.failed_starts;
    }
}

/// One endpoint's counts in each phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointResult {
    /// Its name and method.
    pub endpoint: EndpointInfo,
    /// One cell per phase of the run.
    pub phases: Vec<Cell>,
}

/// Everything counted of some requests of one endpoint. Adding cells loses nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cell {
    /// Planned requests by how they ended.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Response times of successes: intended start to last byte.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub response: SparseHistogram,
    /// Ages of timed-out and interrupted requests: lower bounds of their response times.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub censored: SparseHistogram,
    /// Response times of all other failures.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub failed: SparseHistogram,
    /// Service times of successes: actual send to last byte.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub service: SparseHistogram,
    /// Actual minus intended start of all started requests.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub scheduling_delay: SparseHistogram,
    /// Actual send to the response's head, of successes.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub ttfb: SparseHistogram,
    /// The response's head to its last byte, of successes.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub download: SparseHistogram,
    /// Name resolution, of requests that opened a connection and were given a name.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub dns: SparseHistogram,
    /// TCP, of requests that opened a connection.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub connect: SparseHistogram,
    /// TLS handshakes, of requests that opened a TLS connection.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub tls: SparseHistogram,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Connections opened.
    pub connections: u64,
    /// Requests, redirects included, that went over a connection opened before.
    pub reused: u64,
    /// TLS handshakes done.
    pub tls_handshakes: u64,
    /// By remote address: requests that opened a connection and were answered. At most
    /// [`Cell::MAX_REMOTES`] addresses; further ones are counted as `other`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub remotes: BTreeMap<String, u64>,
    /// By HTTP version: requests that opened a connection and were answered.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<HttpVersion, u64>,
    /// Redirects followed; each is a further request to the target.
    pub redirects: u64,
    /// By name: what the target said of its components in `Server-Timing`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<String, Component>,
    /// One failure's text per outcome.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub examples: BTreeMap<Outcome, String>,
    /// Per outcome, how many failures had which `fail_with`. The scenario bounds their number.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub failure_keys: BTreeMap<Outcome, BTreeMap<String, u64>>,
}

/// What the target said of one of its components.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Component {
    /// The `dur` values.
    pub time: SparseHistogram,
    /// `desc=hit`.
    pub hits: u64,
    /// `desc=miss`.
    pub misses: u64,
}

/// The name of all remote addresses that are not told apart.
const OTHER: &str = "other";

/// Files of the versions before hold the same in a longer form (see `timeline`), and are written
/// anew in the newest.
fn newest_version<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let version = u32::deserialize(from)?;
    Ok(match version {
        1..RunResult::VERSION => RunResult::VERSION,
        other => other,
    })
}

impl RunResult {
    /// Identifies the file.
    pub const FORMAT: &'static str = "perfctl-result";
    /// The version this perfctl writes, and the newest it reads.
    pub const VERSION: u32 = 2;
    /// The largest sum of all counters, bytes included, so that sums over a file, and over many
    /// files, cannot overflow.
    const MAX_COUNT: u64 = 1 << 53;

    /// Everything counted of requests, by endpoint: without flows, whose requests are counted
    /// under their endpoints.
    pub fn requests(&self) -> impl Iterator<Item = &EndpointResult> + Clone {
        let endpoints = self.endpoints.iter();
        endpoints.filter(|endpoint| !endpoint.endpoint.is_flow)
    }

    /// The cells of requests in an interval, without those of flows.
    pub fn request_cells<'a>(&self, interval: &'a Interval) -> impl Iterator<Item = &'a Cell> {
        let cells = interval.cells.iter();
        let is_flow = |position: usize| self.endpoints[position].endpoint.is_flow;
        cells
            .filter(move |(position, _)| !is_flow(*position))
            .map(|(_, cell)| cell)
    }

    /// Whether everything in it fits together, so that no later step can be misled or panic.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self) -> Result<(), String> {
        if self.format != Self::FORMAT {
            return Err(format!("its `format` is `{}`", self.format));
        }
        if self.version != Self::VERSION {
            return Err(format!(
                "it has version {}, and this perfctl reads versions up to {}",
                self.version,
                Self::VERSION
            ));
        }
        let phases = self.run.phases.len();
        if self.endpoints.len() != self.run.endpoints.len()
            || self.endpoints.iter().any(|e| e.phases.len() != phases)
        {
            return Err("its endpoints do not match its phases".into());
        }
        if self.run.phases.iter().any(|p| p.end_us < p.start_us) {
            return Err("a phase ends before it starts".into());
        }
        let stages = self.run.load.stages.iter();
        let mut lengths = stages
            .flat_map(|stage| [stage.ramp, stage.duration])
            .chain([self.run.load.warmup]);
        if lengths.any(|length| length > MAX_DURATION) {
            return Err("its load is longer than any load can be".into());
        }
        let cells = self.endpoints.iter().flat_map(|e| &e.phases);
        let interval_cells = self.timeline.iter().flat_map(|i| i.cells.iter());
        let known = |(endpoint, _): &(usize, Cell)| *endpoint < self.endpoints.len();
        if self.timeline.iter().any(|i| i.phase >= phases) || !interval_cells.clone().all(known) {
            return Err("its timeline names a phase or endpoint it does not have".into());
        }
        let all = cells.chain(interval_cells.map(|(_, cell)| cell));
        if !all
            .clone()
            .flat_map(Cell::histograms)
            .chain(self.health.iter().map(|second| &second.loop_lag))
            .all(SparseHistogram::is_sound)
        {
            return Err("a histogram is damaged".into());
        }
        let lags = self.health.iter().map(|second| second.loop_lag.count());
        let counts = all.flat_map(Cell::counts).chain(lags);
        let sum = counts.fold(0u64, u64::saturating_add);
        if sum > Self::MAX_COUNT {
            return Err("its counts are larger than any run can make them".into());
        }
        Ok(())
    }
}

impl RunInfo {
    /// The part of it that is known before the load starts.
    pub fn new(plan: &Plan, id: &str, target: &str, started_at: String, machine: Machine) -> Self {
        Self {
            id: id.to_owned(),
            perfctl_version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: plan.scenario.clone(),
            profile: plan.profile.clone(),
            service: match plan.service {
                Service::Demo => "demo".to_owned(),
                Service::Url(_) => target.to_owned(),
            },
            started_at,
            seed: plan.seed,
            workers: plan.workers,
            load: plan.load.clone(),
            phases: plan.phases(),
            slos: plan.slos.clone(),
            skipped_slos: plan.skipped_slos.clone(),
            endpoints: EndpointInfo::all(plan),
            fingerprint: plan.fingerprint(),
            machine,
            boot_id: None,
            session: None,
            build: None,
            client: plan.transport.client,
            insecure: plan.transport.tls.insecure,
            assume_healthy: false,
            ending: None,
        }
    }
}

impl RunInfo {
    /// Whether both are about the same run. Runs started in the same second by different jobs may
    /// have the same name.
    pub fn is_same_run(&self, other: &Self) -> bool {
        (&self.id, &self.started_at) == (&other.id, &other.started_at)
    }
}

impl Cell {
    /// How many remote addresses are told apart.
    pub const MAX_REMOTES: usize = 16;

    /// Counts answered requests that opened a connection to `remote`.
    pub(crate) fn add_remote(&mut self, remote: &str, count: u64) {
        let is_known = self.remotes.contains_key(remote);
        let others = usize::from(self.remotes.contains_key(OTHER));
        let key = match is_known || self.remotes.len() - others < Self::MAX_REMOTES {
            true => remote,
            false => OTHER,
        };
        *self.remotes.entry(key.to_owned()).or_default() += count;
    }

    /// Adds all of `other`; the first example of each outcome stays.
    pub fn merge(&mut self, other: &Self) {
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(*outcome).or_default() += count;
        }
        self.response.merge(&other.response);
        self.censored.merge(&other.censored);
        self.failed.merge(&other.failed);
        self.service.merge(&other.service);
        self.scheduling_delay.merge(&other.scheduling_delay);
        self.ttfb.merge(&other.ttfb);
        self.download.merge(&other.download);
        self.dns.merge(&other.dns);
        self.connect.merge(&other.connect);
        self.tls.merge(&other.tls);
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.connections += other.connections;
        self.reused += other.reused;
        self.tls_handshakes += other.tls_handshakes;
        for (remote, count) in &other.remotes {
            self.add_remote(remote, *count);
        }
        for (version, count) in &other.versions {
            *self.versions.entry(*version).or_default() += count;
        }
        self.redirects += other.redirects;
        for (name, component) in &other.components {
            let mine = self.components.entry(name.clone()).or_default();
            mine.time.merge(&component.time);
            mine.hits += component.hits;
            mine.misses += component.misses;
        }
        for (outcome, text) in &other.examples {
            self.examples
                .entry(*outcome)
                .or_insert_with(|| text.clone());
        }
        for (outcome, keys) in &other.failure_keys {
            let mine = self.failure_keys.entry(*outcome).or_default();
            for (key, count) in keys {
                *mine.entry(key.clone()).or_default() += count;
            }
        }
    }

    /// How many planned requests ended in a outcome that `select` takes.
    pub fn count(&self, select: impl Fn(Outcome) -> bool) -> u64 {
        self.outcomes
            .iter()
            .filter(|(outcome, _)| select(**outcome))
            .map(|(_, count)| count)
            .sum()
    }

    /// Every counter that is ever summed up.
    fn counts(&self) -> impl Iterator<Item = u64> {
        let buckets = self.histograms().map(SparseHistogram::count);
        let components = self.components.values();
        [
            self.bytes_in,
            self.bytes_out,
            self.connections,
            self.reused,
            self.tls_handshakes,
            self.redirects,
        ]
        .into_iter()
        .chain(self.outcomes.values().copied())
        .chain(
            self.failure_keys
                .values()
                .flat_map(|keys| keys.values().copied()),
        )
        .chain(self.remotes.values().copied())
        .chain(self.versions.values().copied())
        .chain(components.flat_map(|component| [component.hits, component.misses]))
        .chain(buckets)
    }

    fn histograms(&self) -> impl Iterator<Item = &SparseHistogram> {
        [
            &self.response,
            &self.censored,
            &self.failed,
            &self.service,
            &self.scheduling_delay,
            &self.ttfb,
            &self.download,
            &self.dns,
            &self.connect,
            &self.tls,
        ]
        .into_iter()
        .chain(self.components.values().map(|component| &component.time))
    }
}
