//! Runs that are stopped or killed, or whose output nobody reads.

use std::path::Path;

use crate::support::scenario::{count, outcomes, target, wait_until};
use crate::support::{Fault, Misbehaving, Perfctl, Signal, Terminal, skip};
use perfctl::demo::Demo;
use perfctl::metrics::{Outcome, read_result};

const HEALTH: &str = "- {name: health, get: /health}";

/// The demo, and a run on it that is long enough to be stopped.
fn on_demo(options: &str) -> (Demo, Perfctl) {
    let (demo, url) = target(20);
    let run = Perfctl::scenario(&url, HEALTH)
        .args(["-t", "10m"])
        .args(options.split_whitespace());
    (demo, run)
}

/// How many seconds the journal in `dir` holds, beside its header.
fn seconds(dir: &Path) -> usize {
    let journal = std::fs::read_to_string(dir.join("journal.jsonl")).unwrap_or_default();
    journal.matches('\n').count().saturating_sub(1)
}

/// `perfctl recover` of a run that another process left behind.
fn recover(dir: &Path) -> crate::support::Completed {
    Perfctl::new()
        .args(["recover".as_ref(), dir.as_os_str()])
        .expect_status(3)
        .run()
}

#[test]
fn a_signal_ends_the_load_and_leaves_a_whole_report() {
    for (signal, number, status) in [
        (Signal::Hup, 1, 129),
        (Signal::Int, 2, 130),
        (Signal::Quit, 3, 131),
        (Signal::Term, 15, 143),
    ] {
        let (demo, run) = on_demo("--format json --full --save-baseline base.json");
        let run = run.expect_status(status).spawn();
        wait_until("under load", || demo.requests() > 10);
        run.signal(signal);
        let completed = run.wait();
        let (result, json) = (completed.result(), completed.json());
        assert_eq!(result.run.ending.as_ref().unwrap().signal, Some(number));
        assert_eq!(
            count(&result, Outcome::Ok),
            demo.requests(),
            "those in flight finished"
        );
        assert_eq!(json["verdict"], "inconclusive");
        assert_eq!(json["result"], serde_json::to_value(&result).unwrap());
        assert!(
            completed.stderr.contains("stopping"),
            "{}",
            completed.stderr
        );
        assert!(
            completed.stderr.contains("not saved as a baseline"),
            "{}",
            completed.stderr
        );
        assert!(!completed.dir.path().join("base.json").exists());
    }
}

#[test]
fn a_missed_slo_of_an_interrupted_run_still_exits_with_the_code_of_the_signal() {
    let (demo, run) = on_demo("--slo p50<1us");
    let run = run.expect_status(130).spawn();
    wait_until("under load", || demo.requests() > 10);
    run.signal(Signal::Int);
    assert!(run.wait().stdout.starts_with("FAIL"));
}

#[test]
fn a_second_signal_leaves_at_once_and_the_journal_is_recovered() {
    let hangs = Misbehaving::start(Fault::Hang);
    let (demo, url) = target(0);
    let endpoints = format!(
        "- {{name: health, get: /health, weight: 50}}\n- {{name: hangs, get: {}/}}",
        hangs.url()
    );
    let mut run = Perfctl::scenario(&url, &endpoints)
        .args(["-t", "10m", "-s", "10m", "--timeout", "10m"])
        .expect_status(131)
        .expect_stdout("")
        .spawn();
    wait_until("hanging", || hangs.requests() == 2);
    let dir = run.run_dir();
    // The current second, and one more to be sure.
    let before = seconds(&dir);
    wait_until("in the journal", || seconds(&dir) >= before + 2);
    run.signal(Signal::Hup);
    run.wait_for_stderr("stopping");
    // A terminal that closes may send it twice: that is not yet somebody who asks again.
    run.signal(Signal::Hup);
    let before = seconds(&dir);
    wait_until("still waiting", || seconds(&dir) > before);
    run.signal(Signal::Quit);
    let completed = run.wait();
    assert!(!dir.join("result.json").exists());

    let text = recover(&dir).stdout;
    assert!(text.starts_with("INCONCLUSIVE"), "{text}");
    let result = read_result(&dir).unwrap();
    assert_eq!(count(&result, Outcome::Ok), demo.requests());
    assert_eq!(result.run.ending, None);
    drop(completed);
}

#[test]
fn a_terminal_that_is_closed_stops_the_run_and_the_result_is_stored() {
    let mut setsid = std::process::Command::new("setsid");
    let tried = setsid.arg("--version").output();
    if !tried.is_ok_and(|output| output.status.success()) {
        skip("a session of its own needs `setsid`");
        return;
    }
    for options in ["", "--format json --repeat 2"] {
        let (demo, run) = on_demo(options);
        let terminal = Terminal::new(80);
        let run = run.on_terminal(&terminal).expect_status(129).spawn();
        wait_until("under load", || demo.requests() > 10);
        drop(terminal);
        let result = run.wait().result();
        assert_eq!(result.run.ending.as_ref().unwrap().signal, Some(1));
        assert_eq!(count(&result, Outcome::Ok), demo.requests());
    }
}

#[test]
fn under_nohup_a_closed_terminal_stops_nothing() {
    let (demo, url) = target(20);
    let run = Perfctl::after_shell("trap '' HUP")
        .quick(&url, HEALTH)
        .args(["-t", "10m"])
        .expect_status(143)
        .spawn();
    wait_until("under load", || demo.requests() > 10);
    run.signal(Signal::Hup);
    let before = demo.requests();
    wait_until("still under load", || demo.requests() > before + 50);
    run.signal(Signal::Term);
    assert_eq!(run.wait().result().run.ending.unwrap().signal, Some(15));
}

#[test]
fn two_runs_in_one_folder_have_a_directory_each() {
    let (demo, first) = on_demo("-i 100 --save-baseline base.json");
    let (_demo, second) = on_demo("-i 200 --save-baseline base.json");
    let out = first.dir().join("results");
    let first = first.expect_status(0).spawn();
    let second = second.args(["--out".as_ref(), out.as_os_str()]);
    let second = second.expect_status(0).spawn();
    let second = second.wait();
    let first = first.wait();
    assert!(second.runs().is_empty());
    let mut counts: Vec<u64> = first
        .runs()
        .iter()
        .map(|dir| count(&read_result(dir).unwrap(), Outcome::Ok))
        .collect();
    counts.sort();
    assert_eq!(counts, [100, 200]);
    assert_eq!(demo.requests(), 100);
}

#[test]
fn a_killed_run_is_recovered_up_to_its_last_second() {
    let (demo, run) = on_demo("");
    let run = run.spawn();
    wait_until("under load", || demo.requests() > 0);
    let dir = run.run_dir();
    wait_until("in the journal", || seconds(&dir) >= 2);
    run.signal(Signal::Kill);
    let completed = run.wait();
    assert_eq!(completed.status, None);

    let refused = Perfctl::new().args(["report".as_ref(), dir.as_os_str()]);
    let refused = refused.expect_status(4).run();
    assert!(
        refused.stderr.contains("perfctl recover"),
        "{}",
        refused.stderr
    );
    let recovered = recover(&dir);
    let result = read_result(&dir).unwrap();
    let ok = count(&result, Outcome::Ok);
    assert_eq!(outcomes(&result), format!("ok {ok}"));
    assert!(
        ok > 0 && ok <= demo.requests(),
        "{ok} of {}",
        demo.requests()
    );

    let again = Perfctl::new().args(["report".as_ref(), dir.as_os_str()]);
    assert_eq!(again.expect_status(3).run().stdout, recovered.stdout);
    let twice = Perfctl::new().args(["recover".as_ref(), dir.as_os_str()]);
    twice.expect_status(2).run();
}

#[test]
fn a_torn_last_line_is_left_out_and_a_torn_line_before_it_refused() {
    let done = Perfctl::scenario("demo", HEALTH).args(["-i", "50"]);
    let done = done.expect_status(0).run();
    let journal = done.read(done.runs()[0].join("journal.jsonl"));
    let lines: Vec<&str> = journal.lines().collect();
    let torn = format!(
        "{}\n{}",
        lines[..lines.len() - 1].join("\n"),
        "{\"end\":{\"sig"
    );
    let dir = |text: &str| {
        Perfctl::new()
            .file("run/journal.jsonl", text)
            .args(["recover", "run"])
    };
    let completed = dir(&torn).expect_status(3).run();
    let result = read_result(&completed.dir.path().join("run")).unwrap();
    assert_eq!(outcomes(&result), "ok 50");
    let damaged = journal.replacen("{\"commit\"", "{\"comm", 1);
    let completed = dir(&damaged).expect_status(4).expect_stdout("").run();
    assert!(completed.stderr.contains("line 2"), "{}", completed.stderr);
    dir("").expect_status(4).expect_stdout("").run();
}

#[test]
fn with_nobody_to_read_the_report_the_result_is_stored_and_the_exit_code_kept() {
    for (options, status) in [
        ("", 0),
        ("--slo max<1us", 1),
        ("--format json", 0),
        ("--format markdown", 0),
        ("--quiet", 0),
        ("--format json --slo max<1us", 1),
    ] {
        let completed = Perfctl::scenario("demo", HEALTH)
            .args(["-i", "50"])
            .args(options.split_whitespace())
            .args(
                ["--save-baseline", "base.json"]
                    .iter()
                    .take(if status == 0 { 2 } else { 0 }),
            )
            .stdout_closed()
            .expect_status(status)
            .run();
        assert_eq!(outcomes(&completed.result()), "ok 50", "{options}");
        let saved = completed.dir.path().join("base.json").exists();
        assert_eq!(saved, status == 0, "{options}");
        // Nothing but what the baseline cannot be used for.
        let expected = if saved {
            "warning: `base.json`: run "
        } else {
            ""
        };
        let stderr = &completed.stderr;
        assert!(
            stderr.starts_with(expected) && stderr.lines().count() <= 1,
            "{stderr}"
        );
        assert_eq!(stderr.is_empty(), !saved, "{stderr}");
    }
}

#[test]
fn the_other_commands_need_no_reader_either() {
    for args in [
        "profiles",
        "schema",
        "completions bash",
        "init x",
        "list",
        "--help",
    ] {
        let run = Perfctl::new().args(args.split(' ')).stdout_closed();
        run.expect_status(0).expect_stderr("").run();
    }
}
