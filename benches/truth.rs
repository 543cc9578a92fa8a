//! Whether the numbers are right, measured with real sockets: `cargo bench --bench truth`.
//!
//! A calibrated server in this process notes what it really did; perfctl runs as a process of its
//! own against it, and the two are put side by side. Goals and figures: `docs/measurement.md`.
//! These are measurements of a machine, not tests: the exact properties are tested in virtual time.

#[path = "../tests/it/support/servers/calibrated.rs"]
mod calibrated;

use std::process::Command;

use calibrated::{Log, serve};
use serde_json::Value;

/// Measures one goal against the server at this base URL, and prints its rows.
type Measurement = fn(&str, &Log);

fn main() {
    // `cargo bench` passes arguments of its own; a word selects the measurements that contain it.
    let wanted = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let (base, log) = serve();
    println!(
        "{:<34} {:>12} {:>12} {:>12}",
        "measurement", "goal", "reached", "difference"
    );
    let measurements: [(&str, Measurement); 4] = [
        ("counts", counts),
        ("stalls", stalls),
        ("delays", delays),
        ("scheduling_delay", scheduling_delay),
    ];
    for (name, measure) in measurements {
        if wanted
            .as_ref()
            .is_none_or(|wanted| name.contains(wanted.as_str()))
        {
            measure(&base, &log);
        }
    }
}

fn row(name: &str, goal: f64, reached: f64, unit: &str) {
    let difference = reached - goal;
    println!(
        "{name:<34} {goal:>9.2} {unit:<2} {reached:>9.2} {unit:<2} {difference:>+9.2} {unit:<2}"
    );
}

/// T3: a million requests, counted on both sides.
fn counts(base: &str, log: &Log) {
    let before = log.requests();
    let report = perfctl(&[&format!("{base}/"), "--iterations", "1000000", "-u", "32"]);
    let served = log.requests() - before;
    let counted = report["summary"]["requests"].as_u64().unwrap_or(0);
    row(
        "T3 requests, server and perfctl",
        served as f64,
        counted as f64,
        "",
    );
}

/// T4: the percentiles of a target that stalls for the last second of every ten, and the control.
fn stalls(base: &str, _: &Log) {
    let url = format!("{base}/stall");
    let open = perfctl(&[&url, "--rate", "200", "-t", "60s", "-u", "1000"]);
    for (name, percentile, goal_s) in [
        ("p95", "p95", 0.50),
        ("p99", "p99", 0.90),
        ("p99.9", "p99.9", 0.99),
    ] {
        let reached = latency_ms(&open, "response_ms", percentile);
        row(
            &format!("T4 open, 200/s, {name}"),
            goal_s * 1e3,
            reached,
            "ms",
        );
    }
    let closed = perfctl(&[&url, "-u", "1", "-t", "60s"]);
    row(
        "T4 control: one closed user, p99",
        10.0,
        latency_ms(&closed, "response_ms", "p99"),
        "ms",
    );
}

/// T5: known delays, against what the server noted.
fn delays(base: &str, log: &Log) {
    for path in [
        "fixed/1",
        "fixed/10",
        "fixed/100",
        "exponential/10",
        "bimodal/5",
    ] {
        let url = format!("{base}/{path}");
        let report = perfctl(&[&url, "--rate", "500", "-t", "20s", "-u", "2000"]);
        let held_us = log.held_us(&format!("/{path}"));
        for (percentile, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)] {
            let goal_ms = calibrated::percentile(&held_us, share) as f64 / 1e3;
            let reached = latency_ms(&report, "response_ms", percentile);
            row(&format!("T5 {path}, {percentile}"), goal_ms, reached, "ms");
        }
    }
}

/// T6: how late requests start at 5,000/s with one worker: by perfctl's own clock, and by when
/// the server had them, counted from the earliest.
fn scheduling_delay(base: &str, log: &Log) {
    log.arrivals();
    let url = format!("{base}/stamp");
    // A plan's ramp would hide the schedule in a curve: everything at once, at a constant rate.
    let report = perfctl(&[
        &url,
        "--rate",
        "5000",
        "-t",
        "20s",
        "--workers",
        "1",
        "--profile",
        "benches/steady.yaml",
    ]);
    for (percentile, goal_us) in [("p50", 20.0), ("p99", 100.0)] {
        let reached = latency_ms(&report, "scheduling_delay_ms", percentile) * 1e3;
        row(
            &format!("T6 scheduling delay, own clock, {percentile}"),
            goal_us,
            reached,
            "us",
        );
    }
    let mut arrivals = log.arrivals();
    arrivals.sort_unstable();
    let Some(first) = arrivals.first().copied() else {
        return;
    };
    let late: Vec<f64> = arrivals
        .iter()
        .enumerate()
        .map(|(k, at)| at.duration_since(first).as_secs_f64() * 1e6 - k as f64 * 200.0)
        .collect();
    let earliest = late.iter().copied().fold(f64::INFINITY, f64::min);
    let mut late: Vec<f64> = late.into_iter().map(|us| us - earliest).collect();
    late.sort_unstable_by(f64::total_cmp);
    for (percentile, share, goal_us) in [("p50", 0.5, 20.0), ("p99", 0.99, 100.0)] {
        let reached = late[(share * late.len() as f64) as usize];
        row(
            &format!("T6 scheduling delay, at the server, {percentile}"),
            goal_us,
            reached,
            "us",
        );
    }
}

/// Runs perfctl and returns its JSON report.
fn perfctl(args: &[&str]) -> Value {
    let out = std::env::temp_dir().join(format!("perfctl-truth-{}", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_perfctl"))
        .args(["run", "--format", "json", "--no-progress", "--out"])
        .arg(&out)
        .args(args)
        .output()
        .expect("perfctl can be started");
    let _ = std::fs::remove_dir_all(&out);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "no report ({error}): {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

fn latency_ms(report: &Value, which: &str, number: &str) -> f64 {
    report["summary"][which][number]
        .as_f64()
        .unwrap_or(f64::NAN)
}
