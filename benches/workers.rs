//! How the engine scales with its workers: `cargo bench --bench workers`. The goal is that two workers
//! reach 1.8 times the rate of one.
//!
//! The sessions are simulated, so that no server uses the cores: each request keeps its worker busy for
//! as long as a client would, and then has its response. Everything else is the real engine: picking
//! tasks, templates, checks, samples, folding, journal. These are measurements of a machine, not tests.

use std::hint::spin_loop;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use perfctl::engine::{self, LoadControl, Stopper};
use perfctl::error::Error;
use perfctl::metrics::{Fold, JournalWriter, Machine, RunInfo};
use perfctl::plan::Plan;
use perfctl::protocol::{Client, Phases, Request, Response, Session};
use perfctl::scenario::{Options, Source, compile};

/// The simulated clients: how long a request keeps its worker busy.
const CLIENTS: [(&str, Duration); 3] = [
    ("at once", Duration::ZERO),
    ("5 µs", Duration::from_micros(5)),
    ("15 µs", Duration::from_micros(15)),
];
const USERS: u32 = 64;
const RUN_TIME: Duration = Duration::from_secs(3);
/// Pairs of runs; the median of their ratios counts.
const ROUNDS: usize = 5;

/// Keeps its worker busy for this long, and responds.
#[derive(Clone, Copy)]
struct BusySession(Duration);

impl Client for BusySession {
    type Session = Self;

    fn session(&self) -> Self {
        *self
    }

    fn companion(&self, _: &Self) -> Self {
        *self
    }
}

impl Session for BusySession {
    async fn prepare(&mut self, _: &Request<'_>) -> Option<Duration> {
        None
    }

    async fn execute(&mut self, _: &Request<'_>, response: &mut Response) {
        let begun = Instant::now();
        while begun.elapsed() < self.0 {
            spin_loop();
        }
        *response = Response {
            status: Some(200),
            phases: Phases {
                ttfb: Some(self.0),
                download: Some(Duration::ZERO),
                ..Phases::default()
            },
            reused: 1,
            bytes_in: 245,
            bytes_out: 100,
            ..Response::default()
        };
    }
}

fn main() {
    for (name, busy) in CLIENTS {
        let mut ratios = Vec::new();
        let mut rates = Vec::new();
        for _ in 0..ROUNDS {
            let (one, two) = (rate_per_s(1, busy), rate_per_s(2, busy));
            ratios.push(two / one);
            rates.push(one);
        }
        ratios.sort_unstable_by(f64::total_cmp);
        rates.sort_unstable_by(f64::total_cmp);
        println!(
            "requests of {name:<8} one worker {:>9.0}/s  two {:.2} x ({:.2} .. {:.2})",
            rates[ROUNDS / 2],
            ratios[ROUNDS / 2],
            ratios[0],
            ratios[ROUNDS - 1],
        );
    }
}

/// Requests/s of a run with this many workers.
fn rate_per_s(workers: usize, busy: Duration) -> f64 {
    let directory = tempfile::tempdir().expect("a folder can be created");
    let plan = Arc::new(plan(workers));
    let info = RunInfo::new(&plan, "workers", "simulated", String::new(), machine());
    let journal = directory.path().join("journal.jsonl");
    let mut journal = JournalWriter::create(&journal, &info).expect("the file can be written");
    let mut fold = Fold::new(plan.phases(), plan.check_names());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be created");
    let make_client = move || Ok::<_, Error>(BusySession(busy));
    let stopper = Stopper::default();
    let control = LoadControl::new(&plan);
    let run = engine::run(
        plan.clone(),
        make_client,
        &stopper,
        &control,
        None,
        |mut ticks, health, _| {
            let (mut commit, _) = fold.fold(&mut ticks);
            commit.health = Some(health);
            assert!(journal.commit(&commit));
            ControlFlow::Continue(())
        },
    );
    let ending = runtime.block_on(run).expect("the run succeeds");
    ending.totals.started as f64 / (ending.stopped_at_us as f64 / 1e6)
}

fn plan(workers: usize) -> Plan {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench");
    let profile = bench.join("steady.yaml");
    let options = Options {
        users: Some(USERS),
        run_time: Some(RUN_TIME),
        workers: Some(workers),
        seed: Some(1),
        ..Options::default()
    };
    let source = Source::File(bench.join("scenario.yaml"));
    compile(&source, &profile.to_string_lossy(), &options).expect("the scenario is valid")
}

fn machine() -> Machine {
    Machine {
        host: "simulated".into(),
        kernel: String::new(),
        cpus: 2,
        cpu: String::new(),
    }
}
