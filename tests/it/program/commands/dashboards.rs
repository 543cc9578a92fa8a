//! The dashboard of `perfctl export grafana`, what a hostile scenario does to exported files, and `deploy/`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use perfctl::monitoring;
use perfctl::scenario::{self, Options};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::export::{METRIC, check_rules, export, promtool};
use crate::support::documents::{read, root};
use crate::support::{Perfctl, skip};

/// Names that would break a query, a template, YAML, or a terminal.
const HOSTILE: &str = r##"
name: "a\"b\\ {% .Value }} $run [[run]]: - #x\e[31m\u202e"
host: demo
endpoints:
  - name: "}} {%x%} $endpoint \"q\" \\ ${run} 'y'\n- z"
    get: "/a.b+(c)/{{ random_int(1, 9) }}"
    slo: {p95: 1s, error_rate: 1%, throughput_rps: 5, mean: 1s}
slo: {p99: 2s, availability: 99%, max: 1s}
"##;

fn dashboard(scenario: &str) -> Value {
    serde_json::from_str(&export(scenario, &["grafana"]).stdout).unwrap()
}

/// All queries of a dashboard, with values for its variables.
fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets
        .map(|target| {
            let query = target["expr"].as_str().unwrap();
            let mut query = query.replace("$__rate_interval", "1m");
            for variable in ["scenario", "run", "endpoint"] {
                query = query.replace(&format!("${variable}"), "x");
            }
            assert!(!query.contains('$') && !query.contains("[["), "{query}");
            query
        })
        .collect()
}

#[track_caller]
fn check_queries(dashboard: &Value) {
    let queries = queries(dashboard);
    assert!(queries.len() > 15);
    let rules = queries
        .iter()
        .enumerate()
        .map(|(i, query)| json!({"record": format!("x:{i}"), "expr": query}));
    let rules = json!({"groups": [{"name": "x", "rules": rules.collect::<Vec<_>>()}]});
    check_rules(&rules.to_string());
}

/// Reads a dashboard by Grafana's own schema, and checks that nothing of it is unknown there.
#[track_caller]
fn check_schema(dashboard: &Value) {
    const SCRIPT: &str = "
import json, sys
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard
import grafana_foundation_sdk.cog.plugins as plugins
plugins.register_default_plugins()
def lost(before, after, path=''):
    if isinstance(before, dict) and isinstance(after, dict):
        return [x for key in before for x in lost(before[key], after.get(key, '(nothing)'), f'{path}.{key}')]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [x for i, (a, b) in enumerate(zip(before, after)) for x in lost(a, b, f'{path}[{i}]')]
    return [] if before == after else [f'{path}: {before} became {after}']
before = json.load(sys.stdin)
after = json.loads(JSONEncoder().encode(dashboard.Dashboard.from_json(before)))
sys.exit('\\n'.join(lost(before, after)) or 0)
";
    let python = root().join("target/python/bin/python");
    let has_schema = Command::new(&python)
        .args(["-c", "import grafana_foundation_sdk"])
        .stderr(Stdio::null())
        .status();
    if !has_schema.is_ok_and(|status| status.success()) {
        return skip("there is no grafana-foundation-sdk in target/python");
    }
    let mut reader = Command::new(python)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = reader.stdin.take().unwrap();
    stdin.write_all(dashboard.to_string().as_bytes()).unwrap();
    drop(stdin);
    let done = reader.wait_with_output().unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn grafana_and_prometheus_understand_the_whole_dashboard() {
    let dashboard = dashboard(&read("tests/formats/monitoring/every-slo.yaml"));
    check_schema(&dashboard);
    check_queries(&dashboard);
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels
        .iter()
        .map(|panel| panel["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids.len(), panels.len());
    let mut taken = BTreeSet::new();
    for panel in panels {
        let place = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24);
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{panel}");
            }
        }
    }
    // The limit of each SLO that can be shown is a line.
    let find = |title: &str| panels.iter().find(|panel| panel["title"] == title).unwrap();
    let steps = &find("p99")["fieldConfig"]["defaults"]["thresholds"]["steps"];
    assert_eq!(
        *steps,
        json!([
            {"color": "green", "value": null},
            {"color": "orange", "value": 1.0},
            {"color": "red", "value": 2.0},
        ])
    );
    let steps = &find("throughput_rps")["fieldConfig"]["defaults"]["thresholds"]["steps"];
    assert_eq!(
        *steps,
        json!([{"color": "red", "value": null}, {"color": "green", "value": 100.0}])
    );
}

/// What a run exports: 3 successes and 1 failure a second for each `rate`, none of which takes longer than 50 ms.
/// `of_all` are the labels of all series, and `of_info` those of the one that describes the run.
fn exports(of_all: &str, of_info: &str, rate: u64) -> Vec<Value> {
    let counts = |per_second: u64| format!("0+{}x40", per_second * 15);
    let requests = |outcome: &str, values: String| {
        let labels =
            format!("endpoint=\"a\",phase=\"steady\",measured=\"true\",outcome=\"{outcome}\"");
        (
            format!("perfctl_requests_total{{{of_all},{labels}}}"),
            values,
        )
    };
    let times = |le: &str| {
        let labels =
            format!("endpoint=\"a\",phase=\"steady\",measured=\"true\",class=\"ok\",le=\"{le}\"");
        let name = format!("perfctl_response_time_seconds_bucket{{{of_all},{labels}}}");
        (name, counts(3 * rate))
    };
    let series = [
        requests("ok", counts(3 * rate)),
        requests("http_5xx", counts(rate)),
        times("0.05"),
        times("+Inf"),
        (format!("perfctl_users{{{of_all}}}"), "7+0x40".to_owned()),
        (
            format!("perfctl_run_info{{{of_info}}}"),
            "1+0x40".to_owned(),
        ),
    ];
    series
        .map(|(name, values)| json!({"series": name, "values": values}))
        .to_vec()
}

#[test]
fn the_dashboard_shows_the_run_that_is_chosen() {
    let dashboard =
        dashboard("name: x\nhost: demo\nendpoints: [{name: a, get: /}]\nslo: {error_rate: 1%}\n");
    let panels = dashboard["panels"].as_array().unwrap();
    // Two runs that are read from their pages, whose series have no name of the run, and two that were sent.
    let page = |instance: &str, run: &str, rate| {
        let of_all = format!("scenario=\"x\",instance=\"{instance}\"");
        exports(&of_all, &format!("{of_all},run=\"{run}\""), rate)
    };
    let sent = |run: &str, rate| {
        let of_all = format!("scenario=\"x\",run=\"{run}\"");
        exports(&of_all, &of_all, rate)
    };
    let other = "scenario=\"y\",run=\"page 1\"";
    let series = [
        page("h:1", "page 1", 10),
        page("h:2", "page 2", 20),
        sent("sent 1", 40),
        sent("sent 2", 80),
        exports(other, other, 1000),
    ]
    .concat();
    let query = |title: &str, runs: &str| {
        let panel = panels.iter().find(|panel| panel["title"] == title);
        let query = panel.unwrap()["targets"][0]["expr"].as_str().unwrap();
        let query = query.replace("$__rate_interval", "1m");
        let query = query.replace("$scenario", "x").replace("$endpoint", ".*");
        query.replace("$run", runs)
    };
    let mut tests = Vec::new();
    for (runs, throughput, users) in [
        ("page 1", 30.0, 7),
        ("sent 1", 120.0, 7),
        ("(page 2|sent 2)", 300.0, 14),
        (".*", 450.0, 28),
    ] {
        for (title, value) in [
            ("Throughput", json!(throughput)),
            ("Error rate", json!(0.25)),
            ("p95", json!(0.0475)),
        ] {
            let samples = json!([{"labels": "{}", "value": value}]);
            tests.push(
                json!({"expr": query(title, runs), "eval_time": "5m", "exp_samples": samples}),
            );
        }
        let samples = json!([{"labels": "{}", "value": users}]);
        let sum = format!("sum ({})", query("Users", runs));
        tests.push(json!({"expr": sum, "eval_time": "5m", "exp_samples": samples}));
    }
    let labels = "{instance=\"h:1\"}";
    tests.push(json!({
        "expr": query("error_rate", "page 1"),
        "eval_time": "5m",
        "exp_samples": [{"labels": labels, "value": 0.25}],
    }));
    let test = json!({"interval": "15s", "input_series": series, "promql_expr_test": tests});
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("test.yml"),
        json!({"tests": [test]}).to_string(),
    )
    .unwrap();
    promtool(&["test", "rules", "test.yml"], dir.path());
}

#[test]
fn names_of_a_scenario_cannot_break_what_is_exported() {
    let dashboard = dashboard(HOSTILE);
    check_queries(&dashboard);
    check_schema(&dashboard);
    assert!(dashboard["uid"].as_str().unwrap().len() <= 40);
    for args in [&["alerts"][..], &["alerts", "--metric", METRIC], &["slo"]] {
        let done = export(HOSTILE, args);
        let control = done.stdout.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "{}", done.stdout);
        assert!(!done.stdout.contains('\u{202e}'), "{}", done.stdout);
        if args[0] == "alerts" {
            check_rules(&done.stdout);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_name_is_read_from_the_rules_as_it_is(
        endpoint in "[^{]{1,20}|[a-z \"\\\\#:$\\[\\-]{1,12}",
        query in "[a-z \"\\\\#:$\\[\\-]{1,12}",
    ) {
        let scenario = json!({
            "host": "demo",
            "name": "x",
            "endpoints": [{"name": endpoint, "get": "/", "slo": {"p95": "1s"}}],
            "observe": {"prometheus": "/", "metrics": {"y": format!("y{{z={query:?}}}")}},
            "slo": {"observed_y": "5"},
        });
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.yaml");
        fs::write(&path, scenario.to_string()).unwrap();
        // Some names are refused.
        let source = scenario::Source::File(path);
        if let Ok(plan) = scenario::compile(&source, "smoke", &Options::default()) {
            let name = &plan.endpoints[0].name;
            let rules = monitoring::alert_rules(&plan, None).content;
            let read: Value = serde_saphyr::from_str(&rules).unwrap();
            let rules = read["groups"][0]["rules"].as_array().unwrap();
            let of_endpoint = rules.iter().find_map(|rule| rule["labels"].get("endpoint"));
            prop_assert_eq!(of_endpoint, Some(&json!(name)));
        }
    }
}

#[test]
fn options_that_cannot_be_meant_are_refused() {
    for (args, part) in [
        (&["alerts", "--metric", "a{b=\"c\"}"][..], "`--selector`"),
        (
            &["alerts", "--metric", "5xx"],
            "is not the name of a metric",
        ),
        (&["slo", "--selector", "job=api"], "in quotes"),
        (
            &["slo", "--buckets", "0.1,x"],
            "`x` is not a number of seconds",
        ),
        (
            &["slo", "--route-label", "a-b"],
            "is not the name of a label",
        ),
        (&["slo", "--errors", "("], "unclosed group"),
        (&["grafana", "missing"], "scenario `missing` not found"),
        (&["grafana", "--slo", "p95"], "missing `<` or `>`"),
    ] {
        let done = Perfctl::new()
            .file(
                "scenarios/default.yaml",
                "host: demo\nendpoints: [{get: /}]\n",
            )
            .args(["export"])
            .args(args)
            .expect_status(2)
            .run();
        assert!(done.stderr.contains(part), "{args:?}: {}", done.stderr);
    }
}

#[test]
fn the_files_of_deploy_are_those_that_are_written_now() {
    for (args, path) in [
        ("grafana", "deploy/grafana/dashboards/default.json"),
        ("alerts", "deploy/prometheus/default.rules.yml"),
    ] {
        let export = Perfctl::new().file("scenarios/default.yaml", read("scenarios/default.yaml"));
        let done = export
            .args(["export", args, "-o", "made"])
            .expect_status(0)
            .run();
        assert!(done.stderr.starts_with("wrote made ("), "{}", done.stderr);
        assert!(
            done.read("made") == read(path),
            "{path} is old: cargo run -- export {args} -o {path}"
        );
    }
}

#[test]
fn prometheus_grafana_and_compose_can_read_the_files_of_deploy() {
    let deploy = root().join("deploy");
    promtool(
        &[
            "check",
            "config",
            "--syntax-only",
            "prometheus/prometheus.yml",
        ],
        &deploy,
    );
    promtool(&["check", "rules", "prometheus/default.rules.yml"], &deploy);
    for path in [
        "grafana/provisioning/datasources/prometheus.yaml",
        "grafana/provisioning/dashboards/perfctl.yaml",
    ] {
        let text = fs::read_to_string(deploy.join(path)).unwrap();
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read["apiVersion"], 1, "{path}");
    }
    let checked = Command::new("check-jsonschema")
        .args(["--builtin-schema", "vendor.compose-spec", "compose.yaml"])
        .current_dir(&deploy)
        .output();
    match checked {
        Err(_) => skip("there is no check-jsonschema"),
        Ok(done) => assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stdout)
        ),
    }
}
