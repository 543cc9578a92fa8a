//! High rates of arrivals: the generator delivers them, and does not stand in its own way.

use std::path::Path;
use std::process::Command;

use perfctl::metrics::{Outcome, RunResult, read_result};

use super::{alone, calibrated};

/// At this rate the gap between two arrivals is shorter than a sleep is worth, so the worker has to
/// share its thread with its users without sleeping. One that does not starts a hundredth of them.
const RATE_PER_S: u64 = 30_000;

/// A machine that is busy with something else may be too slow for the rate, but not again and again.
const TRIES: usize = 10;

/// Loads the service for `profile` with one worker.
fn run(url: &str, profile: &str, folder: &Path) -> RunResult {
    std::fs::create_dir(folder).unwrap();
    let file = folder.join("flat.yaml");
    std::fs::write(&file, profile).unwrap();
    let out = folder.join("out");
    let output = Command::new(env!("CARGO_BIN_EXE_perfctl"))
        .args(["run", url, "--profile"])
        .arg(&file)
        .args(["--client", "direct", "--workers", "1", "--quiet", "--out"])
        .arg(&out)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let run = std::fs::read_dir(&out).expect(&stderr).next().unwrap();
    read_result(&run.unwrap().path()).unwrap()
}

/// How many requests of the phase `steady` had an outcome that `select` takes.
fn steady(result: &RunResult, select: impl Fn(Outcome) -> bool + Copy) -> u64 {
    let phases = &result.run.phases;
    let intervals = result.timeline.iter();
    intervals
        .filter(|interval| phases[interval.phase].name == "steady")
        .flat_map(|interval| result.request_cells(interval))
        .map(|cell| cell.count(select))
        .sum()
}

#[test]
fn thirty_thousand_arrivals_a_second_are_delivered() {
    let _alone = alone();
    let (base, log) = calibrated::serve();
    let url = format!("{base}/now");
    let folder = tempfile::tempdir().unwrap();
    let mut delivered = Vec::new();
    for number in 0..TRIES {
        let folder = folder.path().join(number.to_string());
        std::fs::create_dir(&folder).unwrap();
        // A machine on which the same worker does not get to the rate when nothing has to be on time is asked
        // for less: half of what it got to.
        let flat_out = "{name: flat, stages: [{users: 64, ramp: 0s, duration: 1s}]}";
        let capacity_per_s =
            run(&url, flat_out, &folder.join("closed")).count(|outcome| outcome == Outcome::Ok);
        let rate_per_s = RATE_PER_S.min(capacity_per_s / 2);
        // The users connect before the steady phase: a server that accepts hundreds of connections at once does
        // nothing else meanwhile, and that is its own affair.
        let on_time = format!(
            "{{name: flat, max_users: 500, stages: [{{name: ramp, rate: {rate_per_s}, ramp: 500ms, duration: 500ms}}, \
             {{name: steady, rate: {rate_per_s}, ramp: 0s, duration: 2s}}]}}"
        );
        let before = log.requests();
        let result = run(&url, &on_time, &folder.join("open"));
        assert!(result.count(|_| true).abs_diff(11 * rate_per_s / 4) <= 1);
        assert_eq!(log.requests() - before, result.count(Outcome::is_started));
        let planned = steady(&result, |_| true);
        assert!(planned.abs_diff(2 * rate_per_s) <= 1, "{planned}");
        let ok = steady(&result, |outcome| outcome == Outcome::Ok);
        delivered.push((rate_per_s, ok as f64 / planned as f64));
        if delivered.last().is_some_and(|(_, share)| *share >= 0.99) {
            return;
        }
    }
    panic!("rate per second and the share delivered: {delivered:?}");
}
