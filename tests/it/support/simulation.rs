//! Simulated runs: like those against a real service, but instant.

use std::collections::BTreeMap;
use std::time::Duration;

use perfctl::metrics::{
    Cell, Ending, EndpointInfo, EndpointResult, FailureSamples, Interval, Machine, Outcome,
    RunInfo, RunResult, SparseHistogram, Totals, Traces,
};
use perfctl::plan::{Arrivals, Fingerprint, Load, Model, Stage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Median response time; us.
const MEDIAN_US: f64 = 20_000.0;

/// What each run is like.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Length of a run; s.
    pub seconds: u64,
    /// Requests of each endpoint in a second.
    pub per_second: u64,
    /// The endpoints' names.
    pub endpoints: Vec<String>,
}

impl Default for Shape {
    /// The least that the gate judges a p95 by.
    fn default() -> Self {
        Self {
            seconds: 60,
            per_second: 35,
            endpoints: ["list invoices", "create invoice"]
                .map(String::from)
                .to_vec(),
        }
    }
}

/// Runs like those against a real service: requests differ, seconds of a run depend on each other, runs
/// differ a little, and occasions differ more.
pub struct Simulation {
    shape: Shape,
    rng: ChaCha8Rng,
    /// Seconds of single requests, sorted, around 1; reused, since a test makes
    /// tens of millions of requests.
    seconds: Vec<Vec<f64>>,
    /// Relative standard deviation between occasions.
    between: f64,
}

impl Simulation {
    /// With this relative standard deviation between occasions.
    pub fn new(seed: u64, shape: Shape, between: f64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut second = || {
            let mut draws: Vec<f64> = (0..shape.per_second)
                .map(|_| (0.3 * normal(&mut rng)).exp())
                .collect();
            draws.sort_by(f64::total_cmp);
            draws
        };
        let seconds = (0..512).map(|_| second()).collect();
        Self {
            shape,
            rng,
            seconds,
            between,
        }
    }

    fn normal(&mut self) -> f64 {
        normal(&mut self.rng)
    }

    /// What the runs of an occasion share: how fast the machine is.
    pub fn machine(&mut self) -> f64 {
        self.between * self.normal()
    }

    /// This many runs of an occasion of their own, all slower by `factor`.
    pub fn occasion(&mut self, name: &str, runs: usize, factor: f64) -> Vec<RunResult> {
        let level = self.machine() + factor.ln();
        let mut runs: Vec<RunResult> = (0..runs).map(|_| self.run(name, level)).collect();
        for (number, run) in runs.iter_mut().enumerate() {
            run.run.id = format!("{name}-{number}");
        }
        runs
    }

    /// A run whose logarithm is this much above the usual.
    pub fn run(&mut self, occasion: &str, level: f64) -> RunResult {
        let level = level + 0.003 * self.normal();
        let mut result = template(&self.shape, occasion, occasion);
        for endpoint in 0..self.shape.endpoints.len() {
            let own = level + 0.003 * self.normal();
            self.fill(&mut result, endpoint, own);
        }
        result
    }

    fn fill(&mut self, result: &mut RunResult, endpoint: usize, level: f64) {
        let mut mood = 0.0;
        for second in 0..self.shape.seconds as usize {
            // Each second takes over most of the one before.
            mood = 0.8 * mood + 0.006 * self.normal();
            let scale = MEDIAN_US * (level + mood).exp();
            let draws = &self.seconds[self.rng.random_range(0..self.seconds.len())];
            let mut times: Vec<u64> = draws.iter().map(|draw| (draw * scale) as u64).collect();
            let cell = Cell {
                outcomes: BTreeMap::from([(Outcome::Ok, self.shape.per_second)]),
                response: SparseHistogram::of(&mut times),
                ..Cell::default()
            };
            result.timeline[second].cells.push((endpoint, cell));
        }
    }
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (a, b): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

/// A sound run whose seconds are still empty.
pub fn template(shape: &Shape, id: &str, occasion: &str) -> RunResult {
    let Shape {
        seconds,
        per_second,
        ..
    } = *shape;
    let load = Load {
        model: Model::Open { max_users: 100 },
        stages: vec![Stage {
            name: "steady".into(),
            level: 70.0,
            ramp: Duration::ZERO,
            duration: Duration::from_secs(seconds),
            classes: Vec::new(),
        }],
        warmup: Duration::ZERO,
        stop_timeout: Duration::from_secs(30),
        iterations: None,
        throttle: None,
        arrivals: Arrivals::Uniform,
        shape: None,
    };
    let count = seconds * per_second;
    let info = |name: &String| EndpointInfo {
        name: name.clone(),
        method: "GET".into(),
        is_flow: false,
        is_templated: false,
    };
    let infos: Vec<EndpointInfo> = shape.endpoints.iter().map(info).collect();
    // The gate reads the seconds; the whole only has to account for every request.
    let whole = || Cell {
        outcomes: BTreeMap::from([(Outcome::Ok, count)]),
        response: SparseHistogram {
            buckets: vec![20_000, count],
            sum_us: 20_000 * count,
            min_us: 20_000,
            max_us: 20_000,
        },
        ..Cell::default()
    };
    let total = count * infos.len() as u64;
    RunResult {
        format: RunResult::FORMAT.into(),
        version: RunResult::VERSION,
        endpoints: infos
            .iter()
            .map(|endpoint| EndpointResult {
                endpoint: endpoint.clone(),
                phases: vec![whole()],
            })
            .collect(),
        timeline: (0..seconds)
            .map(|second| Interval {
                phase: 0,
                second,
                cells: Vec::new(),
            })
            .collect(),
        users: vec![3; seconds as usize],
        health: Vec::new(),
        failure_samples: FailureSamples::default(),
        traces: Traces::default(),
        observations: Vec::new(),
        run: RunInfo {
            id: id.into(),
            perfctl_version: "0.1.0".into(),
            scenario: "simulated".into(),
            profile: "smoke".into(),
            quick_look: false,
            environment: None,
            service: "http://127.0.0.1:1".into(),
            started_at: "2026-11-21T00:00:00Z".into(),
            seed: 1,
            workers: 1,
            phases: load.phases(),
            load,
            slos: Vec::new(),
            skipped_slos: Vec::new(),
            endpoints: infos,
            fingerprint: Fingerprint {
                scenario: "0123456789abcdef".into(),
                load: "fedcba9876543210".into(),
            },
            machine: Machine {
                host: "simulated".into(),
                kernel: "Linux 6.12".into(),
                cpus: 2,
                cpu: String::new(),
            },
            boot_id: None,
            occasion: Some(occasion.into()),
            command: None,
            build: None,
            client: Default::default(),
            insecure: false,
            full_handshakes: false,
            assume_healthy: false,
            debug: false,
            fail_on: None,
            exit_code_on_error: None,
            samples: None,
            observed: Vec::new(),
            trace: None,
            adjustments: Vec::new(),
            stopped_at_us: None,
            starts: Default::default(),
            ending: Some(Ending {
                panic: None,
                dead_worker: None,
                signal: None,
                stopped_at_us: seconds * 1_000_000,
                drained_at_us: seconds * 1_000_000,
                out_of_data: false,
                stopped_by_scenario: false,
                decided: false,
                aborted: None,
                failed_teardown: None,
                unkept_items: Default::default(),
                totals: Totals {
                    stopped_users: 0,
                    planned: total,
                    started: total,
                    dropped_late: 0,
                    dropped_late_measured: 0,
                    throttled: 0,
                    throttled_us: 0,
                    panics: 0,
                },
            }),
        },
    }
}
