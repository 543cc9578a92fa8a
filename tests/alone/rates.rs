//! High rates of arrivals: the generator delivers them, and does not stand in its own way.

use std::process::Command;

use perfctl::metrics::{Outcome, read_result};

use super::{alone, calibrated};

/// At this rate the gap between two arrivals is shorter than a sleep is worth, so the worker has to
/// share its thread with its users without sleeping. One that does not starts a hundredth of them.
const RATE_PER_S: u64 = 30_000;

/// A machine that is busy with something else may be too slow for the rate, but not again and again.
const TRIES: usize = 10;

#[test]
fn thirty_thousand_arrivals_a_second_are_delivered() {
    let _alone = alone();
    let (base, log) = calibrated::serve();
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("flat.yaml");
    let load = format!("{{name: flat, rate: {RATE_PER_S}, duration: 2s, max_users: 4000}}");
    std::fs::write(&profile, load).unwrap();
    let mut delivered = Vec::new();
    for number in 0..TRIES {
        let before = log.requests();
        let out = folder.path().join(number.to_string());
        let output = Command::new(env!("CARGO_BIN_EXE_perfctl"))
            .args(["run", &format!("{base}/now"), "--profile"])
            .arg(&profile)
            .args(["--client", "direct", "--workers", "1", "--quiet", "--out"])
            .arg(&out)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let run = std::fs::read_dir(&out).expect(&stderr).next().unwrap();
        let result = read_result(&run.unwrap().path()).unwrap();
        assert_eq!(result.count(|_| true), 2 * RATE_PER_S);
        assert_eq!(log.requests() - before, result.count(Outcome::is_started));
        let ok = result.count(|outcome| outcome == Outcome::Ok);
        delivered.push(ok as f64 / (2 * RATE_PER_S) as f64);
        if delivered.last() >= Some(&0.99) {
            return;
        }
    }
    panic!("delivered: {delivered:?}");
}
