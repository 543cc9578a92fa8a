//! The numbers survive a full disk and a stopped load generator.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use crate::support::scenario::{count, quick, target, wait_until};
use crate::support::{Perfctl, Signal, skip};
use perfctl::demo::Demo;
use perfctl::metrics::{Outcome, read_result};

const HEALTH: &str = "- {name: health, get: /health}";

/// Rows 39 and T12: late starts are part of the response times, every arrival is accounted for, and
/// the run is INVALID.
#[test]
fn a_generator_that_was_stopped_for_two_seconds_says_so() {
    let (demo, url) = target(1);
    let run = Perfctl::scenario(&url, HEALTH)
        .args(["--rate", "50", "-t", "6s", "--save-baseline", "base.json"])
        .env("PERFCTL_ASSUME_HEALTHY", "0")
        .spawn();
    wait_until("under load", || demo.requests() > 50);
    run.signal(Signal::Stop);
    std::thread::sleep(Duration::from_secs(2));
    run.signal(Signal::Continue);
    let completed = run.wait();
    assert!(
        completed.stdout.starts_with("INVALID  no grade"),
        "{}",
        completed.stdout
    );
    assert!(
        completed.stdout.contains("the load generator stalled for"),
        "{}",
        completed.stdout
    );
    let result = completed.result();
    assert_eq!(result.count(|_| true), 300);
    let longest_us = result.endpoints[0]
        .phases
        .iter()
        .map(|cell| cell.response.max_us)
        .max();
    assert!(longest_us > Some(1_800_000), "{longest_us:?}");
    assert!(!completed.dir.path().join("base.json").exists());

    let stored = Perfctl::new().args(["report".as_ref(), completed.runs()[0].as_os_str()]);
    stored.expect_status(3).run();
}

/// Runs the program by a shell script that first takes the disk away; the journal is copied to
/// `saved` before the script ends.
fn with_full_disk(demo_url: &str, dir: &Path, before: &str, shell: &[&str]) -> Output {
    let scenario = dir.join("scenario.yaml");
    std::fs::write(&scenario, quick(demo_url, HEALTH)).unwrap();
    std::fs::create_dir(dir.join("results")).unwrap();
    let program = env!("CARGO_BIN_EXE_perfctl");
    let script = format!(
        "{before} && {{ {program} run scenario.yaml --profile quick --rate 200 -t 6s; code=$?; \
         cp results/*/journal.jsonl saved; exit $code; }}"
    );
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).arg(script).current_dir(dir);
    command.output().unwrap()
}

/// Row 36: the load continues, the error is shown, the report is complete, and what was committed is
/// intact.
fn check_full_disk(demo: &Demo, dir: &Path, output: &Output) {
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(4), "{stdout}{stderr}");
    assert!(stderr.contains("the journal cannot be written"), "{stderr}");
    assert!(stderr.contains("error: cannot write"), "{stderr}");
    // On a slow machine, some arrivals are dropped.
    let started = demo.requests();
    let shown = if started < 1_000 {
        started.to_string()
    } else {
        format!("1,{:03}", started - 1_000)
    };
    let accounting = format!(
        "planned 1,200 = started {shown} + dropped {}",
        1_200 - started
    );
    assert!(stdout.contains(&accounting), "{accounting}: {stdout}");

    let journal = PathBuf::from("run/journal.jsonl");
    let saved = std::fs::read(dir.join("saved")).unwrap();
    let recovered = Perfctl::new()
        .file(journal.to_str().unwrap(), saved)
        .args(["recover", "run"])
        .expect_status(3)
        .run();
    let result = read_result(&recovered.dir.path().join("run")).unwrap();
    let ok = count(&result, Outcome::Ok);
    assert!(
        ok > 0 && ok < started,
        "the load continued: {ok} of {started}"
    );
    assert_eq!(result.run.ending, None);
}

#[test]
fn a_file_that_may_not_grow_does_not_stop_the_load() {
    let (demo, url) = target(0);
    let dir = tempfile::tempdir().unwrap();
    // The kernel sends SIGXFSZ, which ends a program that does not handle it. 4 or 8 KiB, as the
    // shell counts.
    let before = "ulimit -f 8";
    let output = with_full_disk(&url, dir.path(), before, &["sh", "-c"]);
    // The copy must not be larger than may be written, and is not: it is the file itself.
    check_full_disk(&demo, dir.path(), &output);
}

#[test]
fn a_report_larger_than_a_file_may_be_is_an_error_and_no_crash() {
    let run = Perfctl::after_shell("exec > report.json; ulimit -f 8")
        .quick("demo", HEALTH)
        .args(["-i", "20", "--format", "json", "--out", "results"]);
    let completed = run.expect_status(4).run();
    assert!(
        completed.stderr.contains("standard output"),
        "{}",
        completed.stderr
    );
}

#[test]
fn a_full_disk_does_not_stop_the_load() {
    let mount = "mount -t tmpfs -o size=8k none results";
    let shell = ["unshare", "--mount", "sh", "-c"];
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("results")).unwrap();
    let possible = Command::new(shell[0])
        .args(&shell[1..])
        .arg(mount)
        .current_dir(dir.path())
        .output();
    if !possible.is_ok_and(|output| output.status.success()) {
        skip("a file system of its own needs root and `unshare`");
        return;
    }
    let (demo, url) = target(0);
    let dir = tempfile::tempdir().unwrap();
    let output = with_full_disk(&url, dir.path(), mount, &shell);
    check_full_disk(&demo, dir.path(), &output);
}
