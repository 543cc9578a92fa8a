//! A load of hours without a service: sessions that respond by a script, under tokio's paused clock,
//! through everything that the numbers of a run go through.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use perfctl::engine::simulate;
use perfctl::metrics::{
    Fold, HealthSample, JournalWriter, Machine, RunInfo, RunResult, Usage, write_atomically,
};
use perfctl::plan::Plan;
use perfctl::protocol::{Client, Phases, Request, Response, Session};
use perfctl::scenario::{Options, Source, compile};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The median of the scripted response times, and roughly the ratio by which they vary.
const MEDIAN_US: f64 = 20_000.0;
const SPREAD: f64 = 0.3;

/// Responds after a time that differs from request to request, as with a real service.
#[derive(Clone)]
pub struct ScriptedSession(Rc<RefCell<ChaCha8Rng>>);

impl ScriptedSession {
    fn new() -> Self {
        Self(Rc::new(RefCell::new(ChaCha8Rng::seed_from_u64(1))))
    }

    /// Log-normal.
    fn delay(&self) -> Duration {
        let mut rng = self.0.borrow_mut();
        let (a, b): (f64, f64) = (rng.random(), rng.random());
        let normal = (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        Duration::from_micros((MEDIAN_US * (SPREAD * normal).exp()) as u64)
    }
}

impl Client for ScriptedSession {
    type Session = Self;

    fn session(&self) -> Self {
        self.clone()
    }

    fn companion(&self, _: &Self) -> Self {
        self.clone()
    }
}

impl Session for ScriptedSession {
    async fn prepare(&mut self, _: &Request<'_>) -> Option<Duration> {
        None
    }

    async fn execute(&mut self, _: &Request<'_>, response: &mut Response) {
        let delay = self.delay();
        tokio::time::sleep(delay).await;
        *response = Response {
            status: Some(200),
            phases: Phases {
                ttfb: Some(delay),
                download: Some(Duration::from_micros(30)),
                ..Phases::default()
            },
            reused: 1,
            bytes_in: 1_000,
            bytes_out: 200,
            ..Response::default()
        };
    }
}

/// An open model of this many seconds, spread evenly over this many endpoints.
pub fn plan(directory: &Path, endpoints: usize, rate_per_s: f64, seconds: u64) -> Plan {
    let mut scenario = String::from("host: http://127.0.0.1:1\nendpoints:\n");
    for number in 0..endpoints {
        scenario +=
            &format!("  - {{name: endpoint {number}, get: '/{number}/{{{{ user_id }}}}'}}\n");
    }
    let profile = "users: 50\nduration: 1s\n";
    let path = directory.join("volume.yaml");
    std::fs::write(&path, scenario).expect("the file can be written");
    let profile_path = directory.join("steady.yaml");
    std::fs::write(&profile_path, profile).expect("the file can be written");
    let options = Options {
        rate: Some(rate_per_s),
        users: Some(500),
        run_time: Some(Duration::from_secs(seconds)),
        workers: Some(1),
        seed: Some(1),
        ..Options::default()
    };
    compile(
        &Source::File(path),
        &profile_path.to_string_lossy(),
        &options,
    )
    .expect("the scenario is valid")
}

/// Runs the plan into `journal.jsonl` and `result.json` of the directory. Calls `each_second` after
/// each second was folded and stored.
pub fn run(plan: Plan, directory: &Path, mut each_second: impl FnMut()) -> RunResult {
    let plan = Arc::new(plan);
    let machine = Machine {
        host: "simulated".into(),
        kernel: "none".into(),
        cpus: 2,
        cpu: String::new(),
    };
    let info = RunInfo::new(
        &plan,
        "volume",
        "simulated",
        "2026-11-21T00:00:00Z".into(),
        machine,
    );
    let path = directory.join("journal.jsonl");
    let mut journal = JournalWriter::create(&path, &info).expect("the file can be written");
    let mut fold = Fold::new(plan.phases(), plan.check_names());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime can be created");
    let ending = runtime.block_on(simulate(&plan, ScriptedSession::new(), |tick| {
        // As long as that of a real run.
        let some = |used| {
            Some(Usage {
                used,
                limit: 20_000,
            })
        };
        let health = HealthSample {
            open_files: some(70),
            local_ports: some(120),
            ..HealthSample::of(std::slice::from_ref(&tick), (4_321, 1_000_000), 2.0)
        };
        let (mut commit, _) = fold.fold(&mut [tick]);
        commit.health = Some(health);
        assert!(journal.commit(&commit));
        each_second();
    }));
    assert!(journal.end(ending));
    let (result, refused) = journal.into_result().expect("the journal is complete");
    assert!(refused.is_none());
    write_atomically(&directory.join("result.json"), &result).expect("the file can be written");
    result
}
