//! Each exit code, and what leads to it. Those of signals are in `signals`.

use crate::support::recording::{Recording, answer};
use crate::support::scenario::{SCENARIO, count, quick, target};
use crate::support::{Fault, Misbehaving, Perfctl};
use perfctl::metrics::Outcome;

const HEALTH: &str = "- {name: health, get: /health}";
const GONE: &str = "- {name: gone, get: /status/404}";
/// Some requests fail, but not most.
const SOME: &str =
    "- {name: health, get: /health, weight: 4}\n- {name: gone, get: /status/404, weight: 2}";

fn run(endpoints: &str, options: &str) -> Perfctl {
    Perfctl::scenario("demo", endpoints)
        .args(["-i", "20"])
        .args(options.split_whitespace())
}

#[test]
fn a_run_that_meets_its_slos_is_a_0() {
    let slos = "--slo error_rate<1% --slo p95<30s --slo availability>99%";
    let completed = run(HEALTH, slos).expect_status(0).run();
    assert!(completed.stdout.starts_with("PASS"), "{}", completed.stdout);
}

#[test]
fn a_missed_slo_is_a_1() {
    let completed = run(GONE, "--slo error_rate<1%").expect_status(1).run();
    assert!(completed.stdout.starts_with("FAIL"), "{}", completed.stdout);
    run(GONE, "--slo error_rate<1% --fail-on regression")
        .expect_status(0)
        .run();
}

#[test]
fn failed_requests_are_a_1_or_another_number_only_if_configured() {
    for (endpoint, options, status) in [
        (SOME, "", 0),
        (SOME, "--fail-on errors", 1),
        (SOME, "--fail-on slo,regression,errors", 1),
        (HEALTH, "--fail-on errors", 0),
        (SOME, "--exit-code-on-error 77", 77),
        (SOME, "--exit-code-on-error 0", 0),
        (HEALTH, "--exit-code-on-error 77", 0),
        // Anything worse than failed requests keeps its code.
        (SOME, "--exit-code-on-error 77 --slo error_rate<1%", 1),
    ] {
        ends(endpoint, options, status);
    }
}

/// The run ends with this code, and so does its report later.
#[track_caller]
fn ends(endpoint: &str, options: &str, status: i32) -> String {
    let completed = run(endpoint, options).args(["--seed", "1"]).run();
    assert_eq!(completed.status, Some(status), "{endpoint} {options}");
    let stdout = completed.stdout.clone();
    let directory = completed.runs()[0].clone();
    let report = Perfctl::after(completed).args(["report".as_ref(), directory.as_os_str()]);
    let report = report.expect_status(status).run().stdout;
    assert_eq!(report.lines().next(), stdout.lines().next(), "{options}");
    stdout
}

#[test]
fn a_run_in_which_every_request_fails_is_a_1_without_slos_too_and_has_no_grade() {
    for (options, status) in [
        ("", 1),
        ("--fail-on errors", 1),
        ("--slo p95<30s", 1),
        ("--slo error_rate<100%", 1),
        // As Locust does, if that is asked for.
        ("--exit-code-on-error 77", 77),
        ("--exit-code-on-error 0", 0),
        ("--exit-code-on-error 77 --slo p95<30s", 1),
    ] {
        let text = ends(GONE, options, status);
        let wanted = "FAIL  all 20 requests failed: gone: status 404";
        assert!(text.starts_with(wanted), "{options}: {text}");
        assert!(!text.contains("grade"), "{options}: {text}");
    }
    let text = ends(GONE, "--fail-on none", 0);
    assert!(text.starts_with("PASS  no grade"), "{text}");
    assert!(text.contains("all 20 requests failed: gone: "), "{text}");
    ends(GONE, "--fail-on regression", 0);
}

#[test]
fn a_login_that_fails_is_a_1_and_the_first_thing_that_is_said() {
    let scenario = "host: demo
users:
  clerk:
    on_start: {name: log in, get: /status/401}
    endpoints: [{name: health, get: /health, slo: {p95: 1s}}]
slo: {error_rate: 1%, availability: 99.9%}
";
    for (load, share) in [
        (["-u", "20", "-r", "20"], "20 of 20 users"),
        (["--rate", "20", "-u", "5"], "requests"),
    ] {
        let completed = Perfctl::new()
            .file(SCENARIO, scenario)
            .args(["run", "-t", "1s"])
            .args(load)
            .expect_status(1)
            .run();
        let text = &completed.stdout;
        let first = text.lines().next().unwrap();
        assert!(
            first.starts_with("FAIL  ") && first.contains("log in: status 401"),
            "{text}"
        );
        let verdict = text.split("\n\n").next().unwrap();
        assert!(verdict.contains(share), "{text}");
        assert!(!text.contains("grade "), "{text}");
        assert!(!verdict.contains("no data"), "{text}");
    }
}

#[test]
fn a_limit_that_is_broken_for_a_while_aborts_the_run_which_is_a_1_and_no_baseline() {
    let service = Recording::start(|_, _| answer("500 Internal Server Error", "", ""));
    let run = Perfctl::scenario(
        &service.url(),
        "- {name: root, get: /}\nabort: {error_rate: \"> 90% for 1h\"}",
    );
    let completed = run
        .args([
            "--rate",
            "20",
            "--run-time",
            "5m",
            "--save-baseline",
            "base.json",
        ])
        .args(["--abort", "error_rate > 20% for 2s"])
        .expect_status(1)
        .run();
    let result = completed.result();
    let ending = result.run.ending.as_ref().unwrap();
    assert_eq!(
        ending.aborted.as_deref(),
        Some("error_rate above 20% for 2s")
    );
    assert!(ending.stopped_at_us >= 2_000_000, "{ending:?}");
    let reason = completed
        .stdout
        .lines()
        .find(|line| line.contains("aborted after"));
    let reason = reason.unwrap_or_else(|| panic!("{}", completed.stdout));
    assert!(
        reason.contains(" of 5m: error_rate above 20% for 2s"),
        "{reason}"
    );
    assert!(completed.stdout.starts_with("FAIL"), "{}", completed.stdout);
    assert!(
        completed
            .stderr
            .contains("aborting: error_rate above 20% for 2s")
    );
    assert!(
        completed.stderr.contains("not saved as a baseline"),
        "{}",
        completed.stderr
    );
    let stored = completed.runs()[0].display().to_string();
    let added = Perfctl::after(completed).args(["baseline", "add", "base.json", &stored]);
    let added = added.expect_status(4).run();
    assert!(added.stderr.contains("did not finish"), "{}", added.stderr);
}

#[test]
fn invalid_usage_is_a_2_and_nothing_is_sent() {
    let server = Misbehaving::start(Fault::Ok);
    for (options, part) in [
        ("--no-such-flag", "--no-such-flag"),
        ("-u 0", "number of users"),
        ("-t soon", "soon"),
        ("--slo p95>1s", "p95>1s"),
        ("--fail-on nonsense", "nonsense"),
        ("--format nonsense", "nonsense"),
        ("--iterations 0", "iterations"),
        ("-T nonsense", "no endpoint matches `--tags`"),
        ("-p nonsense", "nonsense"),
        ("-H nonsense", "http://"),
        ("-e nonsense", "KEY=VALUE"),
        ("no/such/scenario.yaml", "no/such/scenario.yaml"),
    ] {
        let mut run = Perfctl::new().file(SCENARIO, quick(&server.url(), HEALTH));
        run = run.args(["run"]).args(options.split_whitespace());
        let completed = run.expect_status(2).expect_stdout("").run();
        assert!(
            completed.stderr.starts_with("error: "),
            "{}",
            completed.stderr
        );
        assert!(
            completed.stderr.contains(part),
            "{options}: {}",
            completed.stderr
        );
        assert!(completed.runs().is_empty(), "{options}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn help_and_version_are_a_0() {
    for args in ["--help", "--version", "run --help", "baseline add --help"] {
        let run = Perfctl::new().args(args.split(' '));
        let completed = run.expect_status(0).expect_stderr("").run();
        assert!(!completed.stdout.is_empty());
    }
}

#[test]
fn too_little_to_compare_is_a_3() {
    // Arrivals by a schedule, so that five requests cannot differ in their throughput.
    let few = || Perfctl::scenario("demo", HEALTH).args(["--rate", "5", "-t", "1s"]);
    let base = few().args(["--save-baseline", "base.json"]);
    let base = base.expect_status(0).run();
    let base = base.dir.path().join("base.json");
    let run = few().args([
        "--gate=simple".as_ref(),
        "--baseline".as_ref(),
        base.as_os_str(),
    ]);
    let text = run.expect_status(3).run().stdout;
    assert!(text.starts_with("INCONCLUSIVE"), "{text}");
    assert!(text.contains("too few samples"), "{text}");
}

#[test]
fn a_generator_without_descriptors_is_invalid_which_is_a_3() {
    let server = Misbehaving::start(Fault::Ok);
    let completed = Perfctl::with_descriptors(30)
        .quick(&server.url(), "- {name: root, get: /}")
        .args(["-u", "40", "-i", "400", "--format", "json"])
        .args(["--save-baseline", "base.json"])
        .run();
    let (result, json) = (completed.result(), completed.json());
    assert!(count(&result, Outcome::LocalFd) > 0);
    assert_eq!(json["verdict"], "invalid");
    assert!(json["grade"].is_null() && json["health_score"].is_null());
    assert_eq!(completed.status, Some(3), "{}", completed.stderr);
    assert!(!completed.dir.path().join("base.json").exists());
    assert!(completed.stderr.contains("INVALID"), "{}", completed.stderr);
}

#[test]
fn what_cannot_be_compared_is_a_4_before_anything_is_sent() {
    let base = run(HEALTH, "--save-baseline base.json")
        .expect_status(0)
        .run();
    let base = base.dir.path().join("base.json");
    let server = Misbehaving::start(Fault::Ok);
    for (endpoints, options, part) in [
        (GONE, "-i 20", "different endpoints"),
        (
            "- {name: health, get: /other}",
            "-i 20",
            "another version of the scenario",
        ),
        (HEALTH, "-i 20 -u 3", "another load"),
        (HEALTH, "-i 20 --rate 5", "load model"),
        (HEALTH, "-i 20 --client direct", "used the client `reqwest`"),
    ] {
        let run = Perfctl::scenario(&server.url(), endpoints)
            .args(options.split(' '))
            .args([
                "--gate=simple".as_ref(),
                "--baseline".as_ref(),
                base.as_os_str(),
            ]);
        let completed = run.expect_status(4).expect_stdout("").run();
        assert!(
            completed.stderr.contains("not comparable"),
            "{}",
            completed.stderr
        );
        assert!(completed.stderr.contains(part), "{}", completed.stderr);
        assert!(completed.runs().is_empty(), "no run was started");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_missing_or_damaged_baseline_is_a_4_before_anything_is_sent() {
    let server = Misbehaving::start(Fault::Ok);
    for text in [None, Some(""), Some("{}"), Some("{\"format\":\"other\"}")] {
        let mut run = Perfctl::get_root(&server.url());
        if let Some(text) = text {
            run = run.file("base.json", text);
        }
        let completed = run
            .args(["--baseline", "base.json"])
            .expect_status(4)
            .expect_stdout("")
            .run();
        assert!(
            completed.stderr.contains("base.json"),
            "{}",
            completed.stderr
        );
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn an_unwritable_directory_for_results_is_a_4_before_anything_is_sent() {
    let server = Misbehaving::start(Fault::Ok);
    let completed = Perfctl::get_root(&server.url())
        .file("taken", "a file")
        .args(["--out", "taken/results"])
        .expect_status(4)
        .expect_stdout("")
        .run();
    assert!(
        completed.stderr.contains("taken/results"),
        "{}",
        completed.stderr
    );
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_baseline_that_cannot_be_saved_is_a_4_before_anything_is_sent() {
    let server = Misbehaving::start(Fault::Ok);
    for path in ["no/such/dir/base.json", "taken/base.json", "scenarios"] {
        let completed = Perfctl::get_root(&server.url())
            .file("taken", "a file")
            .args(["--save-baseline", path])
            .expect_status(4)
            .expect_stdout("")
            .run();
        assert!(
            completed.stderr.starts_with("error: cannot write") && completed.stderr.contains(path),
            "{}",
            completed.stderr
        );
        assert!(completed.runs().is_empty(), "no run was started");
        assert_eq!(std::fs::read_dir(completed.dir.path()).unwrap().count(), 2);
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_baseline_that_is_not_replaced_stays_as_it_was() {
    for old in [None, Some("old")] {
        let mut failing = run(GONE, "--slo error_rate<1% --save-baseline base.json");
        if let Some(old) = old {
            failing = failing.file("base.json", old);
        }
        let completed = failing.expect_status(1).run();
        let path = completed.dir.path().join("base.json");
        assert_eq!(std::fs::read_to_string(path).ok().as_deref(), old);
        let mut files: Vec<_> = std::fs::read_dir(completed.dir.path())
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        files.retain(|name| name.to_string_lossy().contains("base.json"));
        assert_eq!(files.len(), usize::from(old.is_some()), "{files:?}");
    }
}

#[test]
fn a_run_slower_than_its_baseline_is_a_1_and_a_faster_one_a_0() {
    let (_fast, fast) = target(0);
    let (_slow, slow) = target(500);
    let on = |url: &str| Perfctl::scenario(url, HEALTH).args(["-u", "40", "-i", "400"]);
    let saved = |url| {
        on(url)
            .args(["--save-baseline", "base.json"])
            .expect_status(0)
            .run()
    };
    let (of_fast, of_slow) = (saved(&fast), saved(&slow));
    let base = |of: &crate::support::Completed| of.dir.path().join("base.json");

    let worse = on(&slow).args([
        "--gate=simple".as_ref(),
        "--baseline".as_ref(),
        base(&of_fast).as_os_str(),
    ]);
    let completed = worse.args(["--format", "json"]).expect_status(1).run();
    let json = completed.json();
    assert_eq!(json["verdict"], "fail");
    assert!(
        json["reasons"][0].as_str().unwrap().contains("regressed"),
        "{json}"
    );
    assert!(json["comparison"].is_object());

    let better = on(&fast).args([
        "--gate=simple".as_ref(),
        "--baseline".as_ref(),
        base(&of_slow).as_os_str(),
    ]);
    better.expect_status(0).run();
    let allowed = on(&slow).args([
        "--gate=simple".as_ref(),
        "--baseline".as_ref(),
        base(&of_fast).as_os_str(),
    ]);
    allowed.args(["--fail-on", "slo"]).expect_status(0).run();
}
