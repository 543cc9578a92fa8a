//! What the options of `perfctl run` do, and which source of a setting takes precedence.

use std::time::Duration;

use crate::support::recording::Recording;
use crate::support::scenario::{count, outcomes, started};
use crate::support::{Completed, Fault, Misbehaving, Perfctl};
use perfctl::metrics::Outcome;

const TAGGED: &str = "
- {name: a, get: /health, tags: [x]}
- {name: b, get: /health, tags: [x, y]}
- {name: c, get: /health}";

fn run(endpoints: &str, options: &str) -> Completed {
    Perfctl::scenario("demo", endpoints)
        .args(options.split_whitespace())
        .expect_status(0)
        .expect_stderr("")
        .run()
}

#[test]
fn tags_choose_the_endpoints_that_run() {
    for (options, expected) in [
        ("", "abc"),
        ("-T x", "ab"),
        ("--tags y", "b"),
        ("-T x -E y", "a"),
        ("--exclude-tags x", "c"),
        ("-T x,y --exclude-tags y", "a"),
    ] {
        let completed = run(TAGGED, &format!("-i 60 --seed 1 {options}"));
        let result = completed.result();
        let names: String = started(&result).iter().map(|(name, _)| *name).collect();
        assert_eq!(names, expected, "{options}");
        assert!(started(&result).iter().all(|(_, count)| *count > 0));
    }
}

#[test]
fn users_spawn_rate_and_run_time_make_the_load() {
    let result = run("- {name: d, get: /delay/50}", "-u 6 -r 6 -t 1s").result();
    let load = &result.run.load;
    assert_eq!((load.peak(), load.total()), (6.0, Duration::from_secs(2)));
    let phases: Vec<&str> = result.run.phases.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(phases, ["ramp", "steady"]);
    assert_eq!(result.users.iter().max(), Some(&6));
}

#[test]
fn iterations_end_the_run_at_exactly_that_number() {
    let result = run(TAGGED, "-u 7 --iterations 1001").result();
    assert_eq!(outcomes(&result), "ok 1001");
}

#[test]
fn a_rate_selects_the_open_model() {
    let completed = run(TAGGED, "--rate 120/m -t 2s --format json");
    assert_eq!(outcomes(&completed.result()), "ok 4");
    let rate = completed.json()["summary"]["successes_per_s"]
        .as_f64()
        .unwrap();
    assert!((rate - 2.0).abs() < 0.01, "{rate}");
}

#[test]
fn an_slo_can_be_for_one_endpoint() {
    let endpoints = "- {name: good one, get: /health}\n- {name: bad, get: /status/500}";
    let run = |slo: &str, status| {
        let run = Perfctl::scenario("demo", endpoints).args(["-i", "40", "--slo", slo]);
        run.expect_status(status).run()
    };
    run("good one:error_rate<1%", 0);
    run("bad:error_rate<1%", 1);
    run("error_rate<99%", 0);
}

#[test]
fn a_value_of_the_command_line_overrides_the_environment() {
    let endpoint = "- {name: status, get: '/status/{{ env.CODE }}'}";
    let run = || {
        Perfctl::scenario("demo", endpoint)
            .args(["-i", "3"])
            .env("CODE", "503")
    };
    assert_eq!(outcomes(&run().run().result()), "http_5xx 3");
    let given = run().args(["-e", "CODE=404"]).run();
    assert_eq!(outcomes(&given.result()), "http_4xx 3");
}

#[test]
fn scenario_environment_and_command_line_override_the_load_of_a_profile() {
    let profile = "name: quick\nusers: 4\nduration: 10m\n";
    let scenario = |with: &str| format!("host: demo\nendpoints: [{{get: /health}}]\n{with}");
    let over = "profiles: {quick: {users: 3}}\n";
    for (with, env, option, users) in [
        ("", None, None, 4.0),
        (over, None, None, 3.0),
        (over, Some("2"), None, 2.0),
        (over, Some("2"), Some("1"), 1.0),
    ] {
        let mut run = Perfctl::new()
            .file("profiles/quick.yaml", profile)
            .file("scenarios/default.yaml", scenario(with))
            .args(["run", "--iterations", "8"])
            .env("PERFCTL_PROFILE", "quick");
        if let Some(users) = env {
            run = run.env("PERFCTL_USERS", users);
        }
        if let Some(users) = option {
            run = run.args(["-u", users]);
        }
        let result = run.expect_status(0).run().result();
        assert_eq!(result.run.load.peak(), users, "{with}{env:?}{option:?}");
        assert_eq!(result.run.profile, "quick");
    }
}

#[test]
fn environment_and_command_line_override_the_host_of_a_scenario() {
    let servers = [(); 4].map(|()| Misbehaving::start(Fault::Ok));
    let urls = servers.each_ref().map(Misbehaving::url);
    let run = || {
        Perfctl::get_root(&urls[0])
            .args(["-i", "3"])
            .expect_status(0)
    };
    run().run();
    let alias = || run().env("LOAD_TEST_BASE_URL", &urls[1]);
    alias().run();
    alias().env("PERFCTL_HOST", &urls[2]).run();
    let options = ["--host", urls[3].as_str()];
    alias().env("PERFCTL_HOST", &urls[2]).args(options).run();
    let requests = servers.each_ref().map(Misbehaving::requests);
    assert_eq!(requests, [3; 4], "each source took precedence once");
    // CI systems set variables without a value to an empty text.
    run()
        .env("LOAD_TEST_BASE_URL", "")
        .env("PERFCTL_HOST", "")
        .run();
    assert_eq!(servers[0].requests(), 6);
}

#[test]
fn environment_and_command_line_override_the_timeout_of_a_scenario() {
    let server = Misbehaving::start(Fault::Hang);
    let endpoints = "- {name: root, get: /}\ndefaults: {timeout: 10m}";
    let run = || Perfctl::scenario(&server.url(), endpoints).args(["-i", "2"]);
    let timed_out = |run: Perfctl| {
        let result = run.expect_status(1).run().result();
        assert_eq!(outcomes(&result), "timeout_headers 2");
    };
    timed_out(run().env("LOAD_TEST_TIMEOUT", "0.2"));
    timed_out(
        run()
            .env("LOAD_TEST_TIMEOUT", "600")
            .env("PERFCTL_TIMEOUT", "200ms"),
    );
    timed_out(
        run()
            .env("PERFCTL_TIMEOUT", "10m")
            .args(["--timeout", "200ms"]),
    );
    let bad = run()
        .env("LOAD_TEST_TIMEOUT", "soon")
        .expect_status(2)
        .run();
    assert!(bad.stderr.contains("LOAD_TEST_TIMEOUT"), "{}", bad.stderr);
}

#[test]
fn environment_and_command_line_set_the_directory_of_results() {
    let folder =
        |completed: &Completed, name: &str| completed.dir.path().join(name).read_dir().is_ok();
    let run = || Perfctl::get_root("demo").args(["-i", "3"]).expect_status(0);
    let alias = || run().env("LOAD_TEST_REPORTS_PATH", "one");
    assert!(folder(&alias().run(), "one"));
    let own = alias().env("PERFCTL_OUT", "two").run();
    assert!(folder(&own, "two") && !folder(&own, "one"));
    let option = alias()
        .env("PERFCTL_OUT", "two")
        .args(["--out", "a/b"])
        .run();
    assert!(folder(&option, "a/b") && !folder(&option, "two"));
    let empty = run().env("LOAD_TEST_REPORTS_PATH", "").run();
    assert_eq!(empty.runs().len(), 1, "an empty variable is ignored");
}

#[test]
fn a_scenario_is_found_by_default_alone_by_name_by_path_and_by_url() {
    let server = Misbehaving::start(Fault::Ok);
    let text = |name: &str| {
        format!(
            "name: {name}\nhost: {}\nendpoints: [{{get: /}}]\n",
            server.url()
        )
    };
    let in_files = |files: &[&str], given: &[&str]| {
        let mut run = Perfctl::new().args(["run", "-i", "2"]).args(given);
        for file in files {
            run = run.file(&format!("scenarios/{file}.yaml"), text(file));
        }
        run.run()
    };
    for (files, given, expected) in [
        (vec!["a", "b", "default"], vec![], "default"),
        (vec!["a"], vec![], "a"),
        (vec!["a", "b", "default"], vec!["b"], "b"),
        (vec!["a", "b"], vec!["scenarios/a.yaml"], "a"),
    ] {
        let completed = in_files(&files, &given);
        assert_eq!(completed.status, Some(0), "{}", completed.stderr);
        assert_eq!(completed.result().run.scenario, expected);
    }
    let many = in_files(&["a", "b"], &[]);
    assert_eq!(many.status, Some(2));
    for part in ["no scenario given", "scenarios/a.yaml", "scenarios/b.yaml"] {
        assert!(many.stderr.contains(part), "{}", many.stderr);
    }
    let none = in_files(&[], &[]);
    assert_eq!(none.status, Some(2));
    assert!(none.stderr.contains("perfctl init"), "{}", none.stderr);

    let before = server.requests();
    let url = in_files(&[], &[&format!("{}/x?y=1", server.url())]);
    assert_eq!(url.status, Some(0), "{}", url.stderr);
    assert_eq!(server.requests() - before, 2);
    assert_eq!(url.result().endpoints.len(), 1);
}

#[test]
fn a_profile_is_found_by_name_and_by_path() {
    let server = Misbehaving::start(Fault::Ok);
    for given in ["mine", "other/place.yaml"] {
        let result = Perfctl::new()
            .file("profiles/mine.yaml", "{users: 3, duration: 1s}")
            .file("other/place.yaml", "{users: 3, duration: 1s}")
            .args(["run", &server.url(), "-i", "6", "--profile", given])
            .run()
            .result();
        assert_eq!(result.run.load.peak(), 3.0, "{given}");
    }
}

#[test]
fn the_host_demo_is_the_built_in_service() {
    let server = Misbehaving::start(Fault::Ok);
    let run = Perfctl::scenario(&server.url(), "- {name: health, get: /health}");
    let result = run.args(["-i", "9", "--host", "demo"]).run().result();
    assert_eq!(count(&result, Outcome::Ok), 9);
    assert_eq!(server.connections(), 0);
}

#[test]
fn without_think_time_a_scenario_is_tried_at_once() {
    let text = "host: demo\ndefaults: {think_time: constant(1h)}\n\
        endpoints: [{name: a, get: /health}]\nflows: {f: {steps: [a, think: 1h, a]}}\n";
    for (options, shown) in [
        ("--no-think-time", "think time  none"),
        ("--think-time 1ms", "think time  1ms"),
    ] {
        let file = || Perfctl::new().file("shop.yaml", text);
        let arguments = |command: &str| -> Vec<String> {
            let words = format!("{command} shop.yaml -u 2 -i 20 {options}");
            words.split(' ').map(str::to_owned).collect()
        };
        let completed = file().args(arguments("run")).expect_status(0).run();
        assert_eq!(outcomes(&completed.result()), "ok 40");
        let previewed = file().args(arguments("validate")).expect_status(0).run();
        assert!(previewed.stdout.contains(shown), "{}", previewed.stdout);
    }
    let of_variable = Perfctl::new()
        .file("shop.yaml", text)
        .env("PERFCTL_THINK_TIME", "none");
    of_variable
        .args(["run", "shop.yaml", "-i", "5"])
        .expect_status(0)
        .run();
}

#[test]
fn variables_without_a_value_are_not_set_and_those_that_are_no_text_are_named() {
    let empty = [
        "PERFCTL_PROFILE",
        "PERFCTL_HOST",
        "PERFCTL_USERS",
        "PERFCTL_SPAWN_RATE",
        "PERFCTL_RUN_TIME",
        "PERFCTL_RATE",
        "PERFCTL_ARRIVALS",
        "PERFCTL_ITERATIONS",
        "PERFCTL_TAGS",
        "PERFCTL_EXCLUDE_TAGS",
        "PERFCTL_SEED",
        "PERFCTL_WORKERS",
        "PERFCTL_TIMEOUT",
        "PERFCTL_THINK_TIME",
        "PERFCTL_CLIENT",
        "PERFCTL_STOP_TIMEOUT",
        "PERFCTL_BASELINE",
        "PERFCTL_SAVE_BASELINE",
        "PERFCTL_REPEAT",
        "PERFCTL_GATE",
        "PERFCTL_MARGIN",
        "PERFCTL_TOLERANCE",
        "PERFCTL_MAX_REGRESSION",
        "PERFCTL_INCONCLUSIVE",
        "PERFCTL_OCCASION",
        "PERFCTL_BUILD",
        "PERFCTL_FAIL_ON",
        "PERFCTL_EXIT_CODE_ON_ERROR",
        "PERFCTL_OUT",
        "PERFCTL_FORMAT",
        "PERFCTL_QUIET",
        "PERFCTL_NO_PROGRESS",
        "LOAD_TEST_BASE_URL",
        "LOAD_TEST_TIMEOUT",
        "LOAD_TEST_REPORTS_PATH",
    ];
    let run = empty
        .iter()
        .fold(Perfctl::scenario("demo", TAGGED), |run, name| {
            run.env(name, "")
        });
    let completed = run.args(["-i", "3"]).expect_status(0).run();
    assert_eq!(outcomes(&completed.result()), "ok 3");

    let bytes = std::os::unix::ffi::OsStrExt::from_bytes(b"a\xff");
    let bytes: &std::ffi::OsStr = bytes;
    for name in [
        "PERFCTL_USERS",
        "PERFCTL_HOST",
        "LOAD_TEST_BASE_URL",
        "LOAD_TEST_TIMEOUT",
    ] {
        let run = Perfctl::new()
            .file("shop.yaml", "endpoints: [{get: /}]\n")
            .env(name, bytes);
        let completed = run.args(["validate", "shop.yaml"]).expect_status(2).run();
        assert!(
            completed
                .stderr
                .contains(&format!("{name} is not UTF-8 text")),
            "{}",
            completed.stderr
        );
    }
    let text = "host: demo\nendpoints: [{get: '/{{ env.WORD }}'}]\n";
    for (value, part) in [(bytes, "`WORD` is not UTF-8 text"), ("".as_ref(), "")] {
        let run = Perfctl::new().file("shop.yaml", text).env("WORD", value);
        let status = if part.is_empty() { 0 } else { 2 };
        let completed = run
            .args(["validate", "shop.yaml"])
            .expect_status(status)
            .run();
        assert!(completed.stderr.contains(part) && !completed.stderr.contains("not set"));
    }
}

#[test]
fn a_throttle_holds_back_users_and_says_so() {
    let server = Recording::ok();
    let completed = Perfctl::get_root(&server.url())
        .args([
            "--throttle",
            "40/s",
            "-u",
            "8",
            "-t",
            "2s",
            "--workers",
            "2",
        ])
        .expect_status(0)
        .run();
    let sent = server.paths().len();
    assert!((1..=82).contains(&sent), "{sent}");
    let result = completed.result();
    assert_eq!(result.run.load.throttle, Some(40.0));
    let shown: Vec<&str> = completed.stdout.split_whitespace().collect();
    let note = "the throttle of 40.0/s held back the load: users waited for their turn";
    assert!(shown.join(" ").contains(note), "{}", completed.stdout);

    let refused = Perfctl::get_root(&server.url())
        .args(["--throttle", "40/s", "--rate", "10"])
        .expect_status(2)
        .run();
    let why = "`throttle` needs users, but this load has an arrival rate";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
}
