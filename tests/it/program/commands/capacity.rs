//! `perfctl capacity` and `perfctl validate-target`. How well capacities are found is tested in `src/capacity/tests.rs`.

use std::fs;

use perfctl::demo::{Behavior, Demo};
use perfctl::metrics::read_result;
use perfctl::plan::Arrivals;
use serde_json::Value;

use crate::support::scenario::SCENARIO;
use crate::support::{Completed, Perfctl};

fn search(path: &str, options: &str, status: i32) -> Completed {
    let service = Demo::start(0, Behavior::default()).unwrap();
    Perfctl::new()
        .args(["capacity", &format!("http://{}{path}", service.addr())])
        .args(options.split(' '))
        .args("--slo error_rate<1% --hold 1s --workers 1 --format json".split(' '))
        .expect_status(status)
        .run()
}

#[test]
fn what_holds_at_the_highest_level_is_a_lower_bound_and_is_stored() {
    let run = search(
        "/health",
        "--start 20 --max 40 --at-least 30 --arrivals poisson",
        0,
    );
    let found = run.json();
    assert_eq!(
        (&found["outcome"], &found["holds"]),
        (&"at_least".into(), &40.0.into())
    );
    assert_eq!(found["verdict"], "pass");
    let levels = found["levels"].as_array().unwrap();
    let purposes: Vec<_> = levels.iter().map(|level| &level["purpose"]).collect();
    assert_eq!(purposes, ["bracket", "bracket", "confirm"], "{found:#}");
    assert!(run.stderr.contains("20.0/s  holds"), "{}", run.stderr);

    let [search] = &*run.runs() else {
        panic!("one directory for the search");
    };
    assert_eq!(
        fs::read_to_string(search.join("capacity.json")).unwrap(),
        run.stdout
    );
    let level = search
        .join("levels")
        .join(levels[0]["run"].as_str().unwrap());
    let level = read_result(&level).unwrap();
    let load = level.run.load;
    assert_eq!((load.peak(), load.arrivals), (20.0, Arrivals::Poisson));
}

#[test]
fn a_service_that_misses_an_slo_at_any_rate_fails() {
    let found = search("/status/500", "--start 40", 1).json();
    assert_eq!(
        (&found["outcome"], &found["verdict"]),
        (&"below".into(), &"fail".into())
    );
    let levels = found["levels"].as_array().unwrap();
    assert!(
        levels
            .iter()
            .all(|level| level["missed"][0] == "error_rate"),
        "{found:#}"
    );
}

/// A search for users with this scenario.
fn search_users(scenario: &str, options: &str, status: i32) -> Completed {
    Perfctl::new()
        .file(SCENARIO, format!("name: small\nhost: demo\n{scenario}"))
        .file("scenarios/rows.csv", "id\n1\n2\n3\n4\n5\n")
        .args("capacity --users --max 4 --workers 1 --format json".split(' '))
        .args(options.split_whitespace())
        .expect_status(status)
        .run()
}

#[test]
fn a_level_that_ends_by_itself_is_an_error_of_the_search() {
    let slo = "slo: {error_rate: 1%}\n";
    for (scenario, help) in [
        (
            "data: {rows: {file: rows.csv, mode: unique}}\nendpoints: [{get: '/health?{{ rows.id }}'}]\n",
            "`on_end: wrap`",
        ),
        (
            "data: {rows: {file: rows.csv, mode: unique, on_end: stop_user}}\nendpoints: [{get: '/health?{{ rows.id }}'}]\n",
            "`on_end: wrap`",
        ),
        (
            "flows: {buy: {steps: [{get: /health}, {stop: run}]}}\n",
            "`stop: run`",
        ),
        (
            "flows: {buy: {steps: [{get: /health}, {stop: user}]}}\n",
            "`stop: user`",
        ),
    ] {
        let run = search_users(&format!("{slo}{scenario}"), "--hold 1s", 4);
        let said = &run.stderr;
        assert!(said.contains("error: at 1 user, "), "{scenario}: {said}");
        assert!(said.contains(help), "{scenario}: {said}");
    }
}

#[test]
fn users_of_whom_nothing_is_measured_hold_nothing() {
    let slo = "slo: {error_rate: 1%}\nendpoints: [{get: /health}]\n";
    let found = search_users(slo, "--hold 1s --think-time 100s --at-least 1", 3).json();
    assert_eq!(
        (&found["outcome"], &found["holds"], &found["verdict"]),
        (&"unknown".into(), &Value::Null, &"inconclusive".into())
    );
    assert_eq!(found["levels"][0]["verdict"], "unknown");
    let notes = found["notes"].to_string();
    assert!(notes.contains("at 1 user, nothing measured"), "{notes}");
}

#[test]
fn limits_that_abort_a_run_do_not_end_a_level() {
    let broken = "slo: {p95: 5s}\nabort: {error_rate: '> 0% for 2s'}\n\
        endpoints: [{get: /status/500, think_time: 20ms}]\n";
    // A warm-up of 3 s, in which the limit would be broken.
    let found = search_users(broken, "--hold 8s", 1);
    assert!(!found.stderr.contains("abort"), "{}", found.stderr);
    assert_eq!(found.json()["outcome"], "below");
}

#[test]
fn a_capacity_needs_an_slo_and_time() {
    let refused = |more: &str| {
        let run = Perfctl::new()
            .args(["capacity", "http://127.0.0.1:9/"])
            .args(more.split_whitespace())
            .expect_status(2)
            .run();
        run.stderr
    };
    let none = refused("");
    assert!(
        none.contains("no SLO") && none.contains("--slo 'p95<500ms'"),
        "{none}"
    );
    let only_throughput = refused("--slo throughput_rps>5");
    assert!(only_throughput.contains("no SLO"), "{only_throughput}");
    let short = refused("--slo p95<1s --budget 1m");
    assert!(short.contains("budget is too short"), "{short}");
    let half = refused("--slo p95<1s --users --max 1.5");
    assert!(half.contains("whole numbers"), "{half}");
}

/// Loads of the usual names that take a second.
const SHORT: &str = "profiles:
  smoke: {stages: [{name: s, users: 1, ramp: 0s, duration: 1s}]}
  light: {stages: [{name: l, users: 2, ramp: 0s, duration: 1s}]}
  medium: {stages: [{name: m, users: 3, ramp: 0s, duration: 1s}]}
";

fn validated(scenario: &str, status: i32) -> (Value, Value) {
    let run = Perfctl::new()
        .file(
            SCENARIO,
            format!("name: small\nhost: demo\n{SHORT}{scenario}"),
        )
        .args(["validate-target", "--format", "json"])
        .expect_status(status)
        .run();
    let files = fs::read_dir(run.dir.path().join("results")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let name = |path: &std::path::PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut files = files.filter(|path| name(path).starts_with("performance_validation_results_"));
    let stored = fs::read_to_string(files.next().unwrap()).unwrap();
    (run.json(), serde_json::from_str(&stored).unwrap())
}

#[test]
fn a_target_is_validated_by_four_runs_and_one_verdict() {
    let healthy = "slo: {p95: 5s, error_rate: 1%}\nendpoints: [{name: health, get: /health, think_time: 20ms}]\n";
    let (printed, stored) = validated(healthy, 0);
    assert_eq!(printed, stored);
    assert_eq!(printed["verdict"], "pass");
    let checks = printed["checks"].as_array().unwrap();
    let names: Vec<_> = checks.iter().map(|check| &check["name"]).collect();
    assert_eq!(names, ["health", "smoke", "light", "medium"]);
    assert_eq!(checks[0]["total_requests"], 1);
    assert_eq!(printed["targets_failing"], 0, "{printed:#}");
}

#[test]
fn what_is_not_healthy_is_put_under_no_load() {
    let broken =
        "slo: {p95: 5s}\nendpoints: [{name: health, get: /status/500}, {name: home, get: /}]\n";
    let (printed, _) = validated(broken, 1);
    assert_eq!(
        printed["checks"].as_array().unwrap().len(),
        1,
        "{printed:#}"
    );
    assert_eq!(printed["is_complete"], false);
}
