//! How large the files of a four-hour run are, and how long reading them takes: `cargo bench --bench
//! volume`. The goals are 30 MB and 1 s.
//!
//! The run is simulated: 20 endpoints, scripted sessions, virtual time.

#[path = "../tests/alone/scripted.rs"]
mod scripted;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

const ENDPOINTS: usize = 20;
const SECONDS: u64 = 4 * 3600;

fn main() {
    for rate_per_s in [20.0, 50.0, 200.0, 1_000.0] {
        let directory = tempfile::tempdir().expect("a folder can be created");
        let path = directory.path();
        let plan = scripted::plan(path, ENDPOINTS, rate_per_s, SECONDS);
        scripted::run(plan, path, || {});
        let megabytes = |name: &str| {
            let length = std::fs::metadata(path.join(name)).map_or(0, |file| file.len());
            length as f64 / 1e6
        };
        println!(
            "{rate_per_s:>5}/s: result {:>5.1} MB, journal {:>6.1} MB, report {:.2} s, compare {:.2} s, \
             page {:.2} s",
            megabytes("result.json"),
            megabytes("journal.jsonl"),
            took_s(path, &["report", "result.json"]),
            took_s(path, &["compare", "result.json", "result.json"]),
            took_s(path, &["report", "result.json", "--format", "html"]),
        );
    }
}

/// How long a command of perfctl takes in this folder; the best of three.
fn took_s(directory: &Path, arguments: &[&str]) -> f64 {
    let once = || {
        let begun = Instant::now();
        let status = Command::new(env!("CARGO_BIN_EXE_perfctl"))
            .args(arguments)
            .current_dir(directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.is_ok(), "perfctl can be started");
        begun.elapsed().as_secs_f64()
    };
    (0..3).map(|_| once()).fold(f64::INFINITY, f64::min)
}
