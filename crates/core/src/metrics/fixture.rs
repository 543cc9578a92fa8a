//! Hand-made results for the tests of grading, comparison and reports. They go through the fold
//! and the journal, like those of real runs.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    Ending, EndpointInfo, Example, Fold, JournalWriter, Machine, Outcome, RunInfo, RunResult,
    Sample, Tick, Totals,
};
use crate::plan::{Arrivals, Fingerprint, Load, Model, Slo, Stage};

/// Requests of one endpoint: outcome, response time in us, how many.
pub type Requests<'a> = &'a [(Outcome, u64, u64)];

/// 2 s ramp and 10 s steady load.
pub fn stage() -> Stage {
    Stage {
        name: "steady".into(),
        level: 5.0,
        ramp: Duration::from_secs(2),
        duration: Duration::from_secs(10),
        classes: Vec::new(),
    }
}

/// A run of [`stage`], its requests spread evenly over the steady phase.
pub fn run(endpoints: &[(&str, Requests<'_>)]) -> RunResult {
    let mut tick = Tick::default();
    for (position, (_, requests)) in endpoints.iter().enumerate() {
        for &(outcome, response_us, count) in *requests {
            for i in 0..count {
                let intended_us = 2_000_000 + i * 10_000_000 / count;
                let sample = sample(position as u16, outcome, intended_us, response_us);
                tick.samples.push(sample);
            }
            if outcome.is_failure() || outcome.is_local() {
                tick.examples.push(Example {
                    endpoint: position as u16,
                    cause: sample(position as u16, outcome, 0, 0).cause(),
                    texts: format!("an example of {}", outcome.name()).into(),
                });
            }
        }
    }
    let names: Vec<&str> = endpoints.iter().map(|(name, _)| *name).collect();
    of_stages(&names, vec![stage()], tick)
}

/// A closed run of 60 s at 50 requests a second of one endpoint and about 20 ms, the whole of it
/// slower by `factor`; an occasion of its own.
pub fn minute(number: usize, factor: f64) -> RunResult {
    minute_of(number, |i| {
        // A spread that is the same in each second, and another from second to second.
        let spread = 1.0 + 0.01 * ((i * 7919) % 41) as f64 + 0.002 * ((i / 50 * 31) % 7) as f64;
        let response_us = (20_000.0 * factor * spread) as u64;
        vec![sample(0, Outcome::Ok, i * 20_000, response_us)]
    })
}

/// A run of 60 s with the samples of each of 3,000 starts; there is a second endpoint.
pub fn minute_of(number: usize, samples: impl Fn(u64) -> Vec<Sample>) -> RunResult {
    let stage = Stage {
        name: "steady".into(),
        level: 5.0,
        ramp: Duration::ZERO,
        duration: Duration::from_secs(60),
        classes: Vec::new(),
    };
    let tick = Tick {
        samples: (0..3_000).flat_map(samples).collect(),
        ..Tick::default()
    };
    let mut result = of_stages(&["list invoices", "other"], vec![stage], tick);
    result.run.id = format!("run {number}");
    result.run.occasion = Some(format!("occasion {number}"));
    result
}

/// A sample whose service time is its response time.
pub fn sample(endpoint: u16, outcome: Outcome, intended_us: u64, response_us: u64) -> Sample {
    let started = outcome.is_started();
    Sample {
        response_us: if started { response_us } else { 0 },
        service_us: if started { response_us } else { 0 },
        status: std::num::NonZeroU16::new(match outcome {
            Outcome::Ok => 200,
            Outcome::Http4xx => 404,
            Outcome::Http5xx => 503,
            _ => 0,
        }),
        bytes_in: 1_000,
        bytes_out: 100,
        ..Sample::new(endpoint, outcome, intended_us)
    }
}

/// A closed run of these stages with these samples, ended as planned.
pub fn of_stages(endpoints: &[&str], stages: Vec<Stage>, tick: Tick) -> RunResult {
    let load = Load {
        model: Model::Closed,
        stages,
        warmup: Duration::ZERO,
        stop_timeout: Duration::from_secs(30),
        iterations: None,
        throttle: None,
        arrivals: Arrivals::Uniform,
        shape: None,
    };
    let run = RunInfo {
        id: "20261121T000000Z-ap-intake-smoke".into(),
        perfctl_version: "0.1.0".into(),
        scenario: "ap-intake".into(),
        profile: "smoke".into(),
        quick_look: false,
        environment: None,
        service: "http://localhost:8000".into(),
        started_at: "2026-11-21T00:00:00Z".into(),
        seed: 42,
        workers: 2,
        phases: load.phases(),
        load,
        slos: Vec::new(),
        skipped_slos: Vec::new(),
        endpoints: endpoints
            .iter()
            .map(|name| EndpointInfo {
                name: (*name).to_owned(),
                method: "GET".into(),
                is_flow: false,
                is_templated: false,
            })
            .collect(),
        fingerprint: Fingerprint {
            scenario: "0123456789abcdef".into(),
            load: "fedcba9876543210".into(),
        },
        machine: Machine {
            host: "builder".into(),
            kernel: "Linux 6.12".into(),
            cpus: 2,
            cpu: "Test CPU".into(),
        },
        boot_id: Some("5a1e".into()),
        occasion: None,
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
        ending: None,
    };
    let end_us = run.phases.last().unwrap().end_us;
    let planned = tick.samples.len() as u64;
    let dropped = tick
        .samples
        .iter()
        .filter(|s| !s.outcome.is_started())
        .count() as u64;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.jsonl");
    let mut journal = JournalWriter::create(&path, &run).unwrap();
    let (mut commit, _) =
        Fold::new(run.phases.clone(), vec![Vec::new(); run.endpoints.len()]).fold(&mut [tick]);
    commit.users = 5;
    assert!(journal.commit(&commit));
    assert!(journal.end(Ending {
        panic: None,
        dead_worker: None,
        signal: None,
        out_of_data: false,
        stopped_by_scenario: false,
        decided: false,
        aborted: None,
        failed_teardown: None,
        unkept_items: Default::default(),
        stopped_at_us: end_us,
        drained_at_us: end_us + 10_000,
        totals: Totals {
            planned,
            started: planned - dropped,
            dropped_late: 0,
            dropped_late_measured: 0,
            stopped_users: 0,
            throttled: 0,
            throttled_us: 0,
            panics: 0,
        },
    }));
    journal.into_result().unwrap().0
}

/// An SLO of weight 1 on all endpoints, named as in reports, such as `p95` or `error_rate`.
pub fn slo(name: &str, metric: crate::plan::Metric, limit: f64) -> Slo {
    Slo::new(name, crate::plan::SloScope::Total, metric, limit)
}

/// Where and how a stored file is damaged: a way down its tree, and what then stands there.
pub fn damage() -> impl Strategy<Value = (Vec<usize>, serde_json::Value)> {
    let with = prop::sample::select(vec![
        serde_json::json!(null),
        serde_json::json!(0),
        serde_json::json!(-1),
        serde_json::json!(u64::MAX),
        serde_json::json!(1e300),
        serde_json::json!(""),
        serde_json::json!([]),
        serde_json::json!([3, 1, 2]),
        serde_json::json!({}),
        serde_json::json!({"secs": u64::MAX, "nanos": 0}),
    ]);
    (prop::collection::vec(0usize..20, 1..9), with)
}

/// Replaces the leaf or subtree that `path` leads to, as a damaged or forged file might.
pub fn mutate(value: &mut serde_json::Value, path: &[usize], with: &serde_json::Value) {
    let children: Vec<&mut serde_json::Value> = match value {
        serde_json::Value::Array(items) => items.iter_mut().collect(),
        serde_json::Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    };
    let count = children.len();
    match (path, count) {
        ([], _) | (_, 0) => *value = with.clone(),
        ([first, rest @ ..], _) => {
            let child = children.into_iter().nth(first % count);
            child
                .into_iter()
                .for_each(|child| mutate(child, rest, with));
        }
    }
}
