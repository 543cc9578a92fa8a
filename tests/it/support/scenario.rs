//! Small scenarios, and what came of running them.

use std::time::{Duration, Instant};

use perfctl::demo::{Behavior, Demo};
use perfctl::metrics::{Cell, Outcome, RunResult, read_result};
use serde_json::Value;

use super::{Completed, LIMIT, Perfctl};

/// Where [`Perfctl::scenario`] writes its file.
pub const SCENARIO: &str = "scenarios/default.yaml";

impl Perfctl {
    /// `perfctl run --profile quick` (two users at once, for a second) of a scenario with these
    /// endpoints, each a YAML mapping. More keys of the scenario may follow the endpoints.
    pub fn scenario(host: &str, endpoints: &str) -> Self {
        Self::new().quick(host, endpoints)
    }

    /// The same for a program made ready otherwise.
    pub fn quick(self, host: &str, endpoints: &str) -> Self {
        self.file(SCENARIO, quick(host, endpoints))
            .args(["run", "--profile", "quick"])
    }

    /// `perfctl run` of GET requests for `/`, named `root`.
    pub fn get_root(host: &str) -> Self {
        Self::scenario(host, "- {name: root, get: /}")
    }
}

/// The scenario's text.
pub fn quick(host: &str, endpoints: &str) -> String {
    format!(
        "name: small\nhost: {host}\nendpoints:\n{endpoints}\n\
         profiles: {{quick: {{stages: [{{name: steady, users: 2, ramp: 0s, duration: 1s}}]}}}}\n"
    )
}

impl Completed {
    /// What `--format json` printed.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }

    /// The stored result of the only run; every planned start stands in it exactly once.
    #[track_caller]
    pub fn result(&self) -> RunResult {
        let runs = self.runs();
        assert_eq!(runs.len(), 1, "{runs:?}\n{}\n{}", self.stdout, self.stderr);
        let result = read_result(&runs[0]).unwrap_or_else(|error| panic!("{error}"));
        let totals = result.run.ending.as_ref().expect("it ended").totals;
        assert_eq!(totals.planned, result.count(|_| true));
        assert_eq!(totals.started, result.count(Outcome::is_started));
        result
    }
}

/// The built-in target, each of whose answers takes so long, and its URL.
pub fn target(latency_ms: u64) -> (Demo, String) {
    let latency = Duration::from_millis(latency_ms);
    let behavior = Behavior {
        latency,
        ..Behavior::default()
    };
    let demo = Demo::start(0, behavior).unwrap();
    let url = format!("http://{}", demo.addr());
    (demo, url)
}

/// How many requests ended in this outcome.
pub fn count(result: &RunResult, outcome: Outcome) -> u64 {
    result.count(|c| c == outcome)
}

/// The outcomes that occurred and their counts, such as `ok 3, reset 1`.
pub fn outcomes(result: &RunResult) -> String {
    let seen = Outcome::ALL.map(|outcome| (outcome.name(), count(result, outcome)));
    let seen = seen.iter().filter(|(_, count)| *count > 0);
    let texts: Vec<String> = seen.map(|(name, n)| format!("{name} {n}")).collect();
    texts.join(", ")
}

/// Requests started, by endpoint.
pub fn started(result: &RunResult) -> Vec<(&str, u64)> {
    let endpoints = result.endpoints.iter();
    endpoints
        .map(|endpoint| {
            let cells = endpoint.phases.iter();
            let count = cells.map(|cell| cell.count(Outcome::is_started)).sum();
            (endpoint.endpoint.name.as_str(), count)
        })
        .collect()
}

/// Waits until `holds`, which must come to be whatever the speed of the machine.
#[track_caller]
pub fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LIMIT, "not {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What an endpoint or a flow counted, by phase.
pub fn cells<'r>(result: &'r RunResult, name: &str) -> impl Iterator<Item = &'r Cell> {
    let mut endpoints = result.endpoints.iter();
    let found = endpoints.find(|one| one.endpoint.name == name);
    found
        .unwrap_or_else(|| panic!("{name} in {:?}", started(result)))
        .phases
        .iter()
}
