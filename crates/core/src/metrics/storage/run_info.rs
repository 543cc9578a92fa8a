//! What was run, where, and how it ended: everything of a result but its numbers.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::metrics::{Adjustment, ObservedInfo, Starts, Totals, TraceInfo};
use crate::plan::{ClientChoice, Endpoint, Fingerprint, Load, Phase, Plan, Service, Slo};

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
    /// Whether it is a quick look: a single request, given on the command line.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quick_look: bool,
    /// The scenario's environment that was chosen, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The service's base URL, without credentials, or `demo`.
    pub service: String,
    /// Wall-clock start of the load, RFC 3339 in UTC. Durations never come from this clock.
    pub started_at: String,
    /// The seed of all random choices.
    pub seed: u64,
    /// Worker threads.
    pub workers: usize,
    /// The planned load.
    pub load: Load,
    /// Its phases; `timeline` and `endpoints` refer to them by position.
    pub phases: Vec<Phase>,
    /// The SLOs it is graded by.
    pub slos: Vec<Slo>,
    /// SLOs that did not apply, with the reason.
    pub skipped_slos: Vec<String>,
    /// The rows of the statistics: those of the endpoints in the plan's order, followed by its flows.
    pub endpoints: Vec<EndpointInfo>,
    /// Equal for two runs of the same scenario and load.
    pub fingerprint: Fingerprint,
    /// The machine that made the load.
    pub machine: Machine,
    /// Which boot of that machine it was; `None` where the system does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// The occasion it was made on, as the user names it (`--occasion`), such as the id of a CI
    /// job: runs of one occasion share the state of the machine. `None` where the user does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occasion: Option<String>,
    /// The command that made it, as it can be pasted into a shell, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Which build of the service was measured, such as a commit, as the user names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// The client that carried the requests.
    #[serde(default, skip_serializing_if = "ClientChoice::is_default")]
    pub client: ClientChoice,
    /// Whether the scenario skipped the verification of certificates.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// Whether no TLS session was resumed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub full_handshakes: bool,
    /// Whether the load generator's health was left out of the verdict (`--assume-healthy`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assume_healthy: bool,
    /// Whether requests and responses were printed (`--debug`), which takes time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub debug: bool,
    /// What was to fail it (`--fail-on`), as the option spells it; `None` for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_on: Option<String>,
    /// The exit code for a run that passes although requests failed (`--exit-code-on-error`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code_on_error: Option<u8>,
    /// What was written of single requests (`--samples`), if anything was to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<SampleCounts>,
    /// What was observed of the service; `observations` refer to it by position.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed: Vec<ObservedInfo>,
    /// How its requests were traced, if they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceInfo>,
    /// How the load was changed by hand while it went on, in order of time; empty for a run as planned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adjustments: Vec<Adjustment>,
    /// When the load ended, from its start, of a run that has not ended itself; us. `None` while the load goes on, and
    /// where `ending` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at_us: Option<u64>,
    /// How the `on_start` of users ended, by the names of their classes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub starts: BTreeMap<String, Starts>,
    /// How it ended; `None` when perfctl itself was killed.
    pub ending: Option<Ending>,
}

/// An endpoint as reports name it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointInfo {
    /// The key of the statistics.
    pub name: String,
    /// The HTTP method; `FLOW` for a flow. Of several endpoints, all their methods, such as `GET/POST`.
    pub method: String,
    /// Whether it is a flow: a transaction of several requests, which is not a request itself and
    /// not part of the totals. Its response time leaves out the think times within it, its service
    /// time includes them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_flow: bool,
    /// Whether a template made the name, or it is the row of requests whose names have no rows. Which
    /// rows there are then depends on the run, so that they are not compared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_templated: bool,
}

impl EndpointInfo {
    /// Of an endpoint that has its row for itself.
    fn of(endpoint: &Endpoint) -> Self {
        Self {
            name: endpoint.row().to_owned(),
            method: endpoint.method.as_str().to_owned(),
            is_flow: false,
            is_templated: endpoint.is_row_templated(),
        }
    }

    /// The rows of all endpoints of a plan, followed by its flows.
    pub fn all(plan: &Plan) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for (endpoint, row) in plan.endpoints.iter().zip(plan.rows()) {
            let of_endpoint = Self::of(endpoint);
            match all.get_mut(row) {
                None => all.push(of_endpoint),
                Some(shared) => {
                    shared.is_templated &= of_endpoint.is_templated;
                    let mut known = shared.method.split('/');
                    if known.all(|method| method != of_endpoint.method) {
                        shared.method = format!("{}/{}", shared.method, of_endpoint.method);
                    }
                }
            }
        }
        all.extend(plan.flows.iter().map(|flow| Self {
            name: flow.name.clone(),
            method: "FLOW".to_owned(),
            is_flow: true,
            is_templated: false,
        }));
        all
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

impl Machine {
    /// This machine.
    pub fn this() -> Self {
        let uname = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let names = cpus.lines().filter_map(|line| line.split_once(':'));
        let mut models = names.filter(|(key, _)| key.trim() == "model name");
        Self {
            host: text(uname.nodename()),
            kernel: format!("{} {}", text(uname.sysname()), text(uname.release())),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: models
                .next()
                .map_or_else(String::new, |(_, name)| name.trim().to_owned()),
        }
    }
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

/// How many requests have a row in the file of `--samples`, which is written while the load goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleCounts {
    /// The file, as the user named it.
    pub file: String,
    /// Requests with a row.
    pub written: u64,
    /// Requests without one.
    pub dropped: u64,
    /// Why the file could not be written to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// How the load ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Signal number that stopped it early: 1 (SIGHUP), 2 (SIGINT), 3 (SIGQUIT) or 15 (SIGTERM).
    pub signal: Option<u8>,
    /// Whether it ended early because a user ran out of data.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_data: bool,
    /// Whether a step of the scenario ended it early.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped_by_scenario: bool,
    /// The limit that ended it early because it was broken for a while, such as `error_rate above 20% for 10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted: Option<String>,
    /// Whether it ended early because it had shown what it was made for, as a level of `perfctl capacity`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub decided: bool,
    /// Why the tear-down failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_teardown: Option<String>,
    /// How many items were not kept because a shared list was full, by the names of the lists.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unkept_items: BTreeMap<String, u64>,
    /// The message of the first panic of a virtual user: a bug of perfctl.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic: Option<String>,
    /// The message of the panic that a worker died of, which ended the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_worker: Option<String>,
    /// When no further request was started, from the start of the load; us.
    pub stopped_at_us: u64,
    /// When the last request had ended, from the start of the load; us.
    pub drained_at_us: u64,
    /// The workers' own counts, to check the samples against.
    pub totals: Totals,
}

impl RunInfo {
    /// Whether the load was changed by hand, so that it is not that of the plan.
    pub fn is_adjusted(&self) -> bool {
        !self.adjustments.is_empty()
    }

    /// How often `on_start` failed: how many users ended for that, or in the open model, how many arrivals were dropped.
    pub fn failed_starts(&self) -> u64 {
        self.starts.values().map(|starts| starts.failed).sum()
    }

    /// The part of it that is known before the load starts.
    pub fn new(plan: &Plan, id: &str, service: &str, started_at: String, machine: Machine) -> Self {
        Self {
            id: id.to_owned(),
            perfctl_version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: plan.scenario.clone(),
            profile: plan.profile.clone(),
            quick_look: plan.quick_look,
            environment: plan.environment.clone(),
            service: match plan.service {
                Service::Demo => "demo".to_owned(),
                Service::Url(_) => service.to_owned(),
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
            occasion: None,
            command: None,
            build: None,
            client: plan.transport.client,
            insecure: plan.transport.tls.insecure,
            full_handshakes: plan.transport.tls.full_handshakes,
            assume_healthy: false,
            debug: false,
            fail_on: None,
            exit_code_on_error: None,
            samples: None,
            observed: ObservedInfo::all(plan.observe.as_deref()),
            trace: TraceInfo::of(plan),
            adjustments: Vec::new(),
            stopped_at_us: None,
            starts: BTreeMap::new(),
            ending: None,
        }
    }

    /// Whether both describe the same run. Runs that different jobs started in the same second may
    /// have the same name.
    pub fn is_same_run(&self, other: &Self) -> bool {
        (&self.id, &self.started_at) == (&other.id, &other.started_at)
    }
}
