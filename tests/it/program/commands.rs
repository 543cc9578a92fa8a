//! The commands other than `run`. Those that print reports are in `reports`, `recover` is in
//! `signals`, and `demo` is in `support::works`.

mod capacity;
mod dashboards;
mod export;
mod quick_look;
mod trial;

use crate::support::scenario::{SCENARIO, started, target};
use crate::support::{Completed, Fault, Misbehaving, Perfctl, closed_port};
use perfctl::plan::Model;
use serde_json::Value;

fn perfctl(args: &str) -> Perfctl {
    Perfctl::new().args(args.split(' '))
}

#[track_caller]
fn assert_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest.find(part);
        let at = at.unwrap_or_else(|| panic!("`{part}` is not there, or too early:\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn init_creates_files_that_validate_and_run_and_never_overwrites() {
    let first = perfctl("init").expect_status(0).expect_stderr("").run();
    for file in [SCENARIO, "scenarios/users.csv", "profiles/volume.yaml"] {
        assert!(first.stdout.contains(file), "{}", first.stdout);
        assert!(!first.read(file).is_empty());
    }
    let mine = Perfctl::after(first).file("profiles/smoke.yaml", "users: 3\nduration: 1s\n");
    let refused = mine.args(["init"]).expect_status(2).expect_stdout("").run();
    assert!(
        refused.stderr.contains("would be overwritten"),
        "{}",
        refused.stderr
    );
    assert!(refused.read("profiles/smoke.yaml").starts_with("users: 3"));

    let valid = Perfctl::after(refused)
        .args(["validate"])
        .expect_status(0)
        .expect_stderr("");
    let run = Perfctl::after(valid.run())
        .args(["run", "--iterations", "30", "--users", "30"])
        .args(["--fail-on", "errors"])
        .expect_status(0)
        .run();
    let result = run.result();
    assert_eq!(result.run.scenario, "invoices");
    let started = started(&result);
    // The login, three endpoints, and a flow with its three requests.
    assert_eq!(started.len(), 8);
    assert!(started.contains(&("log in", 30)), "{started:?}");
}

#[test]
fn a_minimal_init_creates_ten_lines_that_run() {
    let written = perfctl("init --minimal").expect_status(0).run();
    assert_eq!(written.read(SCENARIO).lines().count(), 10);
    assert!(!written.dir.path().join("profiles").exists());
    let run = Perfctl::after(written)
        .args(["run", "--iterations", "20", "--users", "20"])
        .args(["--fail-on", "errors"])
        .expect_status(0)
        .run();
    assert_eq!(started(&run.result()).len(), 2);
}

#[test]
fn init_writes_to_a_directory_and_nothing_for_ci_unasked() {
    let completed = perfctl("init new/folder").expect_status(0).run();
    assert!(
        completed
            .read("new/folder/scenarios/default.yaml")
            .contains("endpoints:")
    );
    assert!(!completed.dir.path().join("new/folder/.github").exists());
}

#[test]
fn validate_previews_a_run_and_sends_nothing() {
    let server = Misbehaving::start(Fault::Ok);
    let text = format!(
        "name: mine\nhost: {}\ndefaults: {{think_time: constant(500ms)}}\n\
         endpoints:\n- {{name: a, get: /a, weight: 3}}\n- {{name: b, post: /b}}\n\
         slo: {{p95: 250ms}}\n",
        server.url()
    );
    let validate = |options: &str| {
        let run = Perfctl::new().file(SCENARIO, &text).args(["validate"]);
        let run = run
            .args(options.split_whitespace())
            .expect_status(0)
            .expect_stderr("");
        run.run().stdout
    };
    let text = validate("-u 10 -r 10 -t 60s");
    assert_in_order(
        &text,
        &[
            "scenarios/default.yaml: ok",
            "mine",
            "smoke",
            &server.url(),
            "10 users",
            "500ms",
            "1m measured",
            "at most 1,250 (at most 20.0/s)",
            "a ",
            "GET /a",
            "75%",
            "b ",
            "POST /b",
            "25%",
            "p95",
            "<= 250 ms",
        ],
    );
    assert_in_order(
        &validate("--rate 50 -t 10s"),
        &["50.0/s (open)", "600 (50.0/s)"],
    );
    assert_in_order(&validate("-i 42"), &["requests", "42"]);
    assert_eq!(server.connections(), 0);
}

#[test]
fn validate_prints_the_errors_of_all_files_and_still_describes_the_good_one() {
    let completed = Perfctl::new()
        .file("scenarios/bad.yaml", "host: demo\ntypo: 1\nendpoints: []\n")
        .file(
            "scenarios/good.yaml",
            "host: demo\nendpoints: [{get: /health}]\n",
        )
        .file("profiles/bad.yaml", "users: x\n")
        .args(["validate"])
        .expect_status(2)
        .run();
    assert!(
        completed.stdout.contains("scenarios/good.yaml: ok"),
        "{}",
        completed.stdout
    );
    assert!(
        !completed.stdout.contains("bad.yaml"),
        "{}",
        completed.stdout
    );
    for part in ["scenarios/bad.yaml:2:1", "`typo`", "profiles/bad.yaml:1:8"] {
        assert!(
            completed.stderr.contains(part),
            "{part}: {}",
            completed.stderr
        );
    }
    let named = Perfctl::after(completed).args(["validate", "scenarios/good.yaml"]);
    named.expect_status(0).run();
    perfctl("validate no/such.yaml").expect_status(2).run();
    perfctl("validate").expect_status(2).run();
}

#[test]
fn profiles_are_listed_with_their_load_and_shown_as_yaml() {
    let list = perfctl("profiles").expect_status(0).run().stdout;
    for (name, load, duration) in [
        ("smoke", "5 users", "2m"),
        ("light", "20 users", "5m"),
        ("medium", "50 users", "10m"),
        ("heavy", "100 users", "15m"),
        ("stress", "200 users", "10m"),
        ("spike", "150 users", "5m"),
        ("volume", "50 users", "4h"),
    ] {
        let line = list
            .lines()
            .find(|line| line.trim_start().starts_with(name));
        let line = line.unwrap_or_else(|| panic!("{name}: {list}"));
        assert_in_order(line, &[load, duration]);
        let show = perfctl(&format!("profiles show {name}"))
            .expect_status(0)
            .run();
        assert!(
            show.stdout.contains(&format!("name: {name}")),
            "{}",
            show.stdout
        );
    }
    let unknown = perfctl("profiles show stres").expect_status(2).run();
    assert!(
        unknown.stderr.contains("did you mean `stress`?"),
        "{}",
        unknown.stderr
    );

    let own = Perfctl::new().file(
        "profiles/stress.yaml",
        "purpose: mine\nusers: 7\nduration: 1s\n",
    );
    let list = own.args(["profiles"]).expect_status(0).run().stdout;
    let line = list.lines().find(|line| line.contains("stress")).unwrap();
    assert_in_order(line, &["7 users", "1s", "mine", "profiles/stress.yaml"]);
}

#[test]
fn every_built_in_profile_can_be_run() {
    for name in [
        "smoke", "light", "medium", "heavy", "stress", "spike", "volume",
    ] {
        let result = Perfctl::new()
            .file(
                SCENARIO,
                "host: demo\nendpoints: [{name: health, get: /health}]\n",
            )
            .args(["run", "--profile", name, "-i", "10", "-u", "2"])
            .run()
            .result();
        assert_eq!(result.run.profile, name);
        assert!(matches!(result.run.load.model, Model::Closed), "{name}");
        assert_eq!(started(&result), [("health", 10)]);
    }
}

#[test]
fn list_names_scenarios_endpoints_and_weights() {
    let completed = Perfctl::new()
        .file(
            "scenarios/a.yaml",
            "name: first\nendpoints: [{name: x, get: /, weight: 7, tags: [t]}]\n",
        )
        .file("scenarios/b.yaml", "host: demo\nendpoints: [{post: /y}]\n")
        .args(["list"])
        .expect_status(0)
        .expect_stderr("")
        .run();
    let parts = [
        "a.yaml", "first", "x", "7", "t", "b.yaml", "demo", "POST /y", "1",
    ];
    assert_in_order(&completed.stdout, &parts);
    let none = perfctl("list").expect_status(0).run();
    assert!(none.stdout.contains("perfctl init"), "{}", none.stdout);
}

#[test]
fn schemas_are_json_and_know_the_keys() {
    for (kind, key) in [
        ("schema", "endpoints"),
        ("schema scenario", "slo"),
        ("schema profile", "users"),
    ] {
        let completed = perfctl(kind).expect_status(0).expect_stderr("").run();
        let schema: Value = completed.json();
        assert!(
            schema["$schema"]
                .as_str()
                .unwrap()
                .contains("json-schema.org")
        );
        assert!(schema["properties"][key].is_object(), "{kind}");
        assert_eq!(schema["additionalProperties"], false, "{kind}");
    }
}

#[test]
fn completions_are_written_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let run = perfctl(&format!("completions {shell}"))
            .expect_status(0)
            .run();
        assert!(run.stdout.contains("perfctl") && run.stdout.contains("save-baseline"));
    }
    perfctl("completions klingon").expect_status(2).run();
}

/// Runs 300 requests and stores them, in the directory of an earlier run or a new one.
fn stored(earlier: Option<Completed>, out: &str, endpoint: &str) -> Completed {
    let run = earlier.map_or_else(Perfctl::new, Perfctl::after);
    run.quick("demo", &format!("- {{name: it, get: {endpoint}}}"))
        .args(["-u", "30", "-i", "300", "--out", out])
        .expect_status(0)
        .run()
}

/// The only run below this folder.
fn only(completed: &Completed, folder: &str) -> String {
    let mut runs = completed.dir.path().join(folder).read_dir().unwrap();
    let name = runs.next().unwrap().unwrap().file_name();
    format!("{folder}/{}", name.to_str().unwrap())
}

#[test]
fn runs_are_collected_in_a_baseline_and_compared() {
    let slow = stored(None, "slow", "/delay/100");
    let path = only(&slow, "slow");
    let add = Perfctl::after(slow).args(["baseline", "add", "base.json", &path]);
    let added = add.expect_status(0).run();
    assert!(added.stdout.contains("now holds 1 run"), "{}", added.stdout);
    let shown = Perfctl::after(added).args(["baseline", "show", "base.json"]);
    let shown = shown.expect_status(0).run();
    assert_in_order(
        &shown.stdout,
        &[
            "run",
            "requests",
            path.strip_prefix("slow/").unwrap(),
            "300",
            "valid",
        ],
    );
    let listed = Perfctl::after(shown)
        .args(["baseline", "list"])
        .expect_status(0)
        .run();
    assert_in_order(&listed.stdout, &["base.json", "small", "quick", "1"]);

    let same = Perfctl::after(listed).args(["compare", "--gate=simple", "base.json", &path]);
    let same = same.expect_status(0).expect_stderr("").run();
    assert!(same.stdout.starts_with("PASS"), "{}", same.stdout);
    let other = stored(Some(same), "other", "/delay/1");
    let path = only(&other, "other");
    let compare = Perfctl::after(other).args(["compare", "--gate=simple", "base.json", &path]);
    let refused = compare.expect_status(4).expect_stdout("").run();
    assert!(
        refused.stderr.contains("another version of the scenario"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_regression_between_stored_runs_is_a_1() {
    // Runs against different hosts can be compared.
    let (_fast, fast_url) = target(0);
    let (_slow, slow_url) = target(100);
    let run = |run: Perfctl, url: &str, out: &str| {
        run.quick(url, "- {name: it, get: /health}")
            .args(["-u", "30", "-i", "300", "--out", out])
            .expect_status(0)
            .run()
    };
    let first = run(Perfctl::new(), &fast_url, "fast");
    let both = run(Perfctl::after(first), &slow_url, "slow");
    let (fast, slow) = (only(&both, "fast"), only(&both, "slow"));
    let worse = Perfctl::after(both).args(["compare", "--gate=simple", &fast, &slow]);
    let worse = worse.expect_status(1).run();
    assert!(worse.stdout.contains("regressed"), "{}", worse.stdout);
    let better = Perfctl::after(worse).args(["compare", "--gate=simple", &slow, &fast]);
    let better = better.expect_status(0).run();
    assert!(better.stdout.contains("improved"), "{}", better.stdout);
    let report =
        Perfctl::after(better).args(["report", "--gate=simple", &slow, "--baseline", &fast]);
    report.expect_status(1).run();
}

#[test]
fn a_missing_or_damaged_file_is_a_4_that_names_the_file() {
    let damaged = || {
        Perfctl::new()
            .file("x/result.json", "{\"format\":")
            .file("b.json", "[1]")
    };
    for args in [
        "report x",
        "report nothing",
        "report x/result.json",
        "compare b.json x",
        "compare x b.json",
        "baseline show b.json",
        "baseline add b.json x",
        "recover nothing",
        "baseline list nothing",
    ] {
        let completed = damaged()
            .args(args.split(' '))
            .expect_status(4)
            .expect_stdout("")
            .run();
        let named = ["x", "nothing", "b.json"]
            .iter()
            .any(|name| completed.stderr.contains(name));
        assert!(
            completed.stderr.starts_with("error: ") && named,
            "{args}: {}",
            completed.stderr
        );
    }
}

#[test]
fn an_unknown_command_lists_the_known_ones() {
    let completed = perfctl("rum").expect_status(2).expect_stdout("").run();
    assert!(completed.stderr.contains("run"), "{}", completed.stderr);
    let port = closed_port().port().to_string();
    Perfctl::new()
        .args(["demo", "--port", &port, "--errors", "101"])
        .expect_status(2)
        .run();
}
