//! What requests are counted as: names that several endpoints share, and groups.

use perfctl::metrics::RunResult;

use crate::support::Perfctl;
use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, answer, ok};
use crate::support::scenario::SCENARIO;

/// A run of one user and this many iterations.
fn run(host: &str, keys: &str, iterations: u32) -> Perfctl {
    let profile = "profiles: {quick: {stages: [{name: steady, users: 1, ramp: 0s, duration: 5s}]}}";
    Perfctl::new()
        .file(
            SCENARIO,
            format!("name: names\nhost: {host}\n{keys}\n{profile}\n"),
        )
        .args(["run", "-p", "quick", "--fail-on", "none", "--seed", "1"])
        .args(["-i", &iterations.to_string()])
}

/// Method, name and number of requests of each row.
fn rows(result: &RunResult) -> Vec<String> {
    let rows = result.endpoints.iter();
    rows.map(|row| {
        let counts = row.phases.iter().map(|cell| cell.count(|_| true));
        let (method, name) = (&row.endpoint.method, &row.endpoint.name);
        format!("{method} {name} {}", counts.sum::<u64>())
    })
    .collect()
}

const SHARED: &str = "
users: {buyer: {flows: [breakfast]}}
endpoints:
- {name: buy tea, group: buy, post: /tea, slo: {error_rate: 1%}}
- {name: milk, group: buy, post: /milk, check: {status: 201}}
flows:
  breakfast:
    on_error: continue
    steps:
    - buy tea
    - milk
    - {name: look, get: /a}
    - {name: look, get: /b, check: {body_contains: b}}
    - {name: look, post: /c, check: {status: 201}}";

fn endpoints_of_one_name_share_a_row_and_keep_their_checks() {
    let server = Recording::start(|seen, _| match seen.path() {
        "/milk" => answer("500 Oops", "", ""),
        _ => ok("no"),
    });
    let run = run(&server.url(), SHARED, 4).args(["--samples", "x.jsonl"]);
    let completed = run.run();
    let result = completed.result();
    assert_eq!(
        rows(&result),
        ["POST buy 8", "GET/POST look 12", "FLOW breakfast 4"]
    );
    assert_eq!(server.paths()[..5], ["/tea", "/milk", "/a", "/b", "/c"]);
    let causes = |row: usize| {
        let counts = result.endpoints[row].phases.iter();
        let failures = counts.flat_map(|cell| cell.failure_counts.iter());
        let mut causes: Vec<(Option<String>, u64)> =
            failures.map(|one| (one.check.clone(), one.count)).collect();
        causes.sort();
        causes
    };
    assert_eq!(causes(0), [(Some("status".into()), 4)]);
    let of_look = [
        (Some("body_contains b".into()), 4),
        (Some("status".into()), 4),
    ];
    assert_eq!(causes(1), of_look);
    let samples = &result.failure_samples.kept;
    assert!(samples.iter().any(|one| one.endpoint == 1));
    assert!(samples.iter().all(|one| one.endpoint < 2));
    let scopes: Vec<_> = result
        .run
        .slos
        .iter()
        .map(|slo| slo.scope.endpoint())
        .collect();
    assert!(scopes.contains(&Some("buy")), "{scopes:?}");
    assert!(
        completed.stdout.contains("50%  CRITICAL"),
        "{}",
        completed.stdout
    );
    let labels = completed.read("x.jsonl");
    assert_eq!(labels.matches(r#""endpoint":"buy""#).count(), 8, "{labels}");
}

fn each_endpoint_of_a_name_is_tried() {
    let server = Recording::ok();
    let scenario = format!("name: names\nhost: {}\n{SHARED}\n", server.url());
    let tried = Perfctl::new().file(SCENARIO, scenario);
    let args = ["try", "--endpoint", "look"];
    tried.args(args).expect_status(1).run();
    assert_eq!(server.paths(), ["/tea", "/milk", "/a", "/b", "/c"]);
}

const TEMPLATED: &str = "
variables: {kind: tea}
defaults: {max_redirects: 0}
endpoints:
- {name: plain, get: /plain, weight: 0}
flows:
  mixed:
    on_error: continue
    steps:
    - {name: 'get {{ kind }}', get: /a}
    - {name: counted, group: 'n {{ iteration }}', get: /n, check: {status: 404}}
    - {name: fixed, group: get tea, get: /b}
    - {group: '{{ user_id if user_id > 1 }}', get: /c}
users: {one: {flows: [mixed]}}";

fn templates_name_rows_of_which_there_are_not_too_many() {
    let server = Recording::ok();
    let run = run(&server.url(), TEMPLATED, 210);
    let completed = run.args(["--samples", "x.jsonl"]).run();
    let result = completed.result();
    let rows = rows(&result);
    assert_eq!(rows.len(), 2 + 1 + 200, "{rows:?}");
    // In `other`: names beyond 200, and empty ones.
    assert_eq!(
        rows[..5],
        [
            "GET get tea 420",
            "GET other 220",
            "FLOW mixed 210",
            "GET n 1 1",
            "GET n 2 1"
        ]
    );
    let causes = &result.endpoints[3].phases[0].failure_counts;
    assert!(
        causes
            .iter()
            .all(|one| one.check.as_deref() == Some("status"))
    );
    assert!(
        result
            .failure_samples
            .kept
            .iter()
            .any(|one| one.endpoint == 3)
    );
    assert!(
        completed.stdout.contains("more than 200 names"),
        "{}",
        completed.stdout
    );
    let labels = completed.read("x.jsonl");
    assert_eq!(labels.lines().count(), 840);
    assert_eq!(labels.matches(r#""endpoint":"get tea""#).count(), 420);
    assert_eq!(
        labels.matches(r#""endpoint":"n 7","method":"GET""#).count(),
        1
    );
}

fn a_run_with_few_names_shows_no_other_row() {
    let server = Recording::ok();
    let keys = "endpoints: [{group: 'kind {{ random_choice(\"a\", \"b\") }}', get: /a}]";
    let completed = run(&server.url(), keys, 40)
        .args(["--workers", "2", "-u", "2"])
        .run();
    let rows = rows(&completed.result());
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!(rows[0], "GET other 0");
    let shown = &completed.stdout;
    assert!(
        shown.contains("kind a") && shown.contains("kind b"),
        "{shown}"
    );
    assert!(
        !shown.contains("\n  other ") && !shown.contains("200 names"),
        "{shown}"
    );
}

const MEASURED: &str = "
flows:
  chat:
    on_error: continue
    steps:
    - name: ask
      get: /ask
      extract: {used: $.used}
      measure:
      - {name: tokens, value: '{{ used }}'}
      - {name: size, value: '{{ used * 1000 }}', unit: bytes}
    - {measure: {name: wait-s, value: '{{ used / 4 }}', unit: ms}}
    - {name: broken, get: /broken, extract: {text: $.text}, measure: {name: words, value: '{{ text }}'}}
slo: {measure_tokens_p95: 5, measure_size_mean: 1MB, measure_wait-s_p50: 2ms, p95: 30s}";

fn numbers_of_the_scenario_have_percentiles_and_slos() {
    let server = Recording::start(|_, number| {
        ok(&format!(
            r#"{{"used": {}, "text": "much"}}"#,
            number / 2 + 1
        ))
    });
    let run = run(&server.url(), MEASURED, 10).args(["--write", "json=x.json"]);
    let completed = run
        .args(["--html", "x.html", "--write", "markdown=x.md"])
        .run();
    let json: serde_json::Value = serde_json::from_str(&completed.read("x.json")).unwrap();
    let measures = &json["summary"]["measures"];
    let number = |name: &str, field: &str| measures[name][field].as_f64().unwrap();
    assert_eq!(
        (number("tokens", "count"), number("tokens", "mean")),
        (10.0, 5.5)
    );
    assert_eq!(
        (number("tokens", "min"), number("tokens", "max")),
        (1.0, 10.0)
    );
    assert_eq!(
        (number("size", "mean"), number("wait-s", "max")),
        (5500.0, 2.5)
    );
    assert_eq!(measures["size"]["unit"], "bytes");
    assert_eq!(measures["words"], serde_json::Value::Null);
    let shown = &completed.stdout;
    for part in [
        "Measures",
        "measure_tokens_p95",
        "CRITICAL",
        "wait-s",
        "5.5 kB",
        "`much` is not a number",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let slo = |name: &str| {
        let all = json["slos"].as_array().unwrap().iter();
        let mut found = all.filter(|slo| slo["name"] == name);
        found.next().unwrap()["met"].as_bool().unwrap()
    };
    let met = [
        "measure_tokens_p95",
        "measure_size_mean",
        "measure_wait-s_p50",
    ]
    .map(slo);
    assert_eq!(met, [false, true, true]);
    for page in ["x.html", "x.md"] {
        assert!(completed.read(page).contains("Measures"), "{page}");
    }
}

fn a_trial_shows_what_is_measured() {
    let server = Recording::start(|_, _| ok(r#"{"used": 3, "text": "1"}"#));
    let scenario = format!("name: names\nhost: {}\n{MEASURED}\n", server.url());
    let tried = Perfctl::new().file(SCENARIO, scenario).args(["try"]);
    let shown = tried.expect_status(0).run().stdout;
    for part in [
        "measure tokens 3",
        "measure size 3.0 kB",
        "measure wait-s 750 µs",
        "measure words 1",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

for_each_client! {
    numbers_of_the_scenario_have_percentiles_and_slos
    a_trial_shows_what_is_measured
    templates_name_rows_of_which_there_are_not_too_many
    a_run_with_few_names_shows_no_other_row
    endpoints_of_one_name_share_a_row_and_keep_their_checks
    each_endpoint_of_a_name_is_tried
}
