//! `perfctl export`: what Prometheus and Grafana say of the files, and whether the alerts fire when they should.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use snapbox::{assert_data_eq, file};

use crate::support::documents::{read, root};
use crate::support::{Completed, Perfctl, skip};

const SCENARIO: &str = "tests/formats/monitoring/every-slo.yaml";

/// What the service is said to export.
pub(super) const METRIC: &str = "http_server_request_duration_seconds";

pub(super) fn export(scenario: &str, args: &[&str]) -> Completed {
    let export = Perfctl::new().file("scenarios/default.yaml", scenario);
    export.args(["export"]).args(args).expect_status(0).run()
}

fn exported(args: &[&str]) -> Completed {
    export(&read(SCENARIO), args)
}

/// What promtool says; it must find no fault.
#[track_caller]
pub(super) fn promtool(args: &[&str], dir: &Path) {
    let done = match Command::new("promtool")
        .args(args)
        .current_dir(dir)
        .output()
    {
        Err(_) => return skip("there is no promtool"),
        Ok(done) => done,
    };
    let said = [done.stdout, done.stderr].concat();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[track_caller]
pub(super) fn check_rules(rules: &str) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.rules.yml"), rules).unwrap();
    promtool(&["check", "rules", "x.rules.yml"], dir.path());
}

fn rules(text: &str) -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(text).unwrap();
    file["groups"][0]["rules"].as_array().unwrap().clone()
}

#[test]
fn every_kind_of_slo_is_written_or_left_out_with_a_reason() {
    let of_load = exported(&["alerts"]);
    check_rules(&of_load.stdout);
    let notes = of_load
        .stderr
        .lines()
        .filter(|line| line.starts_with("note: "));
    let comments = of_load
        .stdout
        .lines()
        .filter(|line| line.starts_with("# `"));
    let comments = comments.map(|line| line.replacen("# ", "note: ", 1));
    let notes: Vec<String> = notes.map(str::to_owned).collect();
    assert_eq!(notes, comments.collect::<Vec<_>>());
    assert_eq!(notes.len(), 5, "{notes:?}");
    let of_service = exported(&["alerts", "--metric", METRIC, "--selector", "{job=\"api\"}"]);
    check_rules(&of_service.stdout);
    let buckets = ["slo", "--buckets", "0.25, 0.3,0.5,1,2"];
    let slo = exported(&buckets);
    for (done, golden) in [
        (of_load, "load-test.rules.yml"),
        (of_service, "service.rules.yml"),
        (slo, "slo.yaml"),
    ] {
        let golden = root().join("tests/formats/monitoring").join(golden);
        let golden = snapbox::Data::read_from(&golden, None).raw();
        assert_data_eq!(done.stdout, golden);
    }
    let dashboard = exported(&["grafana"]).stdout;
    assert_data_eq!(
        dashboard,
        file!["../../../formats/monitoring/dashboard.json"].raw()
    );
}

/// The labels of the alerts that fire, as series.
fn firing(rules: &[Value], run: Option<&str>) -> Vec<Value> {
    let series = rules.iter().map(|rule| {
        let mut labels: BTreeMap<&str, &str> = BTreeMap::new();
        for (label, value) in rule["labels"].as_object().unwrap() {
            labels.insert(label, value.as_str().unwrap());
        }
        labels.insert("alertname", rule["alert"].as_str().unwrap());
        labels.insert("alertstate", "firing");
        // The service's metrics know no run.
        let is_of_service = |expr: &str| expr.contains("count(perfctl_users");
        if let Some(run) = run.filter(|_| !is_of_service(rule["expr"].as_str().unwrap())) {
            labels.insert("run", run);
        }
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}={value:?}"))
            .collect();
        json!({"labels": format!("ALERTS{{{}}}", labels.join(",")), "value": 1})
    });
    series.collect()
}

/// Series that are there, and the alerts that fire at some times.
struct World {
    interval: &'static str,
    series: Vec<(String, &'static str)>,
    expected: Vec<(&'static str, Vec<Value>)>,
}

#[track_caller]
fn check_worlds(rules: &str, evaluated_every: &str, worlds: &[World]) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.rules.yml"), rules).unwrap();
    let tests = worlds.iter().map(|world| {
        let series = world.series.iter();
        let series = series.map(|(name, values)| json!({"series": name, "values": values}));
        let expected = world.expected.iter().map(|(at, alerts)| {
            json!({"expr": "ALERTS{alertstate=\"firing\"}", "eval_time": at, "exp_samples": alerts})
        });
        json!({
            "interval": world.interval,
            "input_series": series.collect::<Vec<_>>(),
            "promql_expr_test": expected.collect::<Vec<_>>(),
        })
    });
    let tests = json!({
        "rule_files": ["x.rules.yml"],
        "evaluation_interval": evaluated_every,
        "tests": tests.collect::<Vec<_>>(),
    });
    fs::write(dir.path().join("test.yml"), tests.to_string()).unwrap();
    promtool(&["test", "rules", "test.yml"], dir.path());
}

/// A load test, every 15 s: what ends well and what fails, and in which buckets the times are.
fn load_test(
    ok: &'static str,
    failed: &'static str,
    fast: &'static str,
    slow: &'static str,
) -> Vec<(String, &'static str)> {
    let mut series = Vec::new();
    // A stage may be called so, and is measured all the same.
    let all = "scenario=\"every-slo\",run=\"r1\",phase=\"warmup\",measured=\"true\"";
    for (metric, row) in [
        ("response", "endpoint=\"list invoices\""),
        ("response", "endpoint=\"one invoice\""),
        ("flow", "flow=\"upload\""),
    ] {
        let counter = if metric == "flow" {
            "flows"
        } else {
            "requests"
        };
        let mut add = |name: &str, labels: &str, values| {
            series.push((format!("{name}{{{all},{row},{labels}}}"), values));
        };
        add(&format!("perfctl_{counter}_total"), "outcome=\"ok\"", ok);
        add(
            &format!("perfctl_{counter}_total"),
            "outcome=\"http_5xx\"",
            failed,
        );
        let times = format!("perfctl_{metric}_time_seconds");
        add(&format!("{times}_bucket"), "class=\"ok\",le=\"0.05\"", fast);
        add(&format!("{times}_bucket"), "class=\"ok\",le=\"60\"", fast);
        add(&format!("{times}_bucket"), "class=\"ok\",le=\"+Inf\"", slow);
        add(&format!("{times}_count"), "class=\"ok\"", slow);
    }
    series
}

fn sums(values: &'static str) -> Vec<(String, &'static str)> {
    let all = "scenario=\"every-slo\",run=\"r1\",phase=\"warmup\",measured=\"true\",class=\"ok\"";
    let endpoints = ["list invoices", "one invoice"];
    let name =
        |endpoint| format!("perfctl_response_time_seconds_sum{{{all},endpoint=\"{endpoint}\"}}");
    endpoints.map(|endpoint| (name(endpoint), values)).to_vec()
}

/// What the service exports: how full the pool is, queries, hits and lookups of the cache, fast and slow queries.
fn service(
    pool: &'static str,
    queries: &'static str,
    hits: &'static str,
    fast: &'static str,
) -> Vec<(String, &'static str)> {
    [
        ("db_pool_in_use", pool),
        ("db_pool_size", "100+0x500"),
        ("db_queries_total{path=\"/api/7\"}", queries),
        ("db_queries_total{path=\"/api/x\"}", "0+9000x500"),
        ("cache_hits_total", hits),
        ("cache_lookups_total", "0+100x500"),
        ("db_query_duration_seconds_bucket{le=\"0.1\"}", fast),
        ("db_query_duration_seconds_bucket{le=\"1\"}", "0+100x500"),
        ("db_query_duration_seconds_bucket{le=\"+Inf\"}", "0+100x500"),
    ]
    .map(|(name, values)| (name.to_owned(), values))
    .to_vec()
}

fn users(values: &'static str) -> Vec<(String, &'static str)> {
    vec![(
        "perfctl_users{scenario=\"every-slo\",run=\"r1\"}".to_owned(),
        values,
    )]
}

#[test]
fn each_alert_of_a_load_test_fires_when_its_slo_is_missed_and_no_other_time() {
    let text = exported(&["alerts"]).stdout;
    let all = firing(&rules(&text), Some("r1"));
    assert!(all.len() > 15, "{}", all.len());
    let bad_service = || service("99+0x120", "0+1x120", "0+1x120", "0+1x120");
    let missed = World {
        interval: "15s",
        series: [
            load_test("0+10x120", "0+10x120", "0+1x120", "0+10x120"),
            sums("0+900x120"),
            bad_service(),
            users("5+0x120"),
        ]
        .concat(),
        expected: vec![("15m", all.clone())],
    };
    let mut elsewhere = Vec::new();
    for labels in [
        "scenario=\"every-slo\",run=\"r1\",phase=\"ramp\",measured=\"false\"",
        "scenario=\"every-slo\",run=\"r1\",phase=\"ramp to 2\",measured=\"false\"",
        "scenario=\"every-slo\",run=\"r1\",phase=\"warmup\",measured=\"false\"",
        "scenario=\"every-slo\",run=\"r1\",phase=\"after the load\",measured=\"false\"",
        "scenario=\"other\",run=\"r2\",phase=\"steady\",measured=\"true\"",
    ] {
        let failed = format!(
            "perfctl_requests_total{{{labels},endpoint=\"one invoice\",outcome=\"http_5xx\"}}"
        );
        let slow = format!(
            "perfctl_response_time_seconds_bucket{{{labels},endpoint=\"one invoice\",class=\"ok\",le=\"+Inf\"}}"
        );
        elsewhere.extend([(failed, "0+9000x120"), (slow, "0+9000x120")]);
    }
    // Neither what the end of a run cut off nor what the generator could not do is a failure of the service. The times of
    // failures do not count, either.
    for (labels, name) in [
        ("outcome=\"interrupted\"", "requests_total"),
        (
            "class=\"failed\",le=\"+Inf\"",
            "response_time_seconds_bucket",
        ),
    ] {
        let name = format!(
            "perfctl_{name}{{scenario=\"every-slo\",run=\"r1\",phase=\"steady\",measured=\"true\",endpoint=\"one invoice\",{labels}}}"
        );
        elsewhere.push((name, "0+900x120"));
    }
    let good_service = || service("50+0x120", "0+3000x120", "0+99x120", "0+99x120");
    let met = World {
        interval: "15s",
        series: [
            load_test("0+3000x120", "0+0x120", "0+3000x120", "0+3000x120"),
            sums("0+100x120"),
            good_service(),
            users("5+0x120"),
            elsewhere,
        ]
        .concat(),
        expected: ["45s", "2m", "15m"].map(|at| (at, Vec::new())).to_vec(),
    };
    // The run is over after 5 minutes: a rate of a window that is half empty is no miss.
    let over = World {
        interval: "15s",
        series: [
            load_test(
                "0+3000x20 stale",
                "0+0x20 stale",
                "0+3000x20 stale",
                "0+3000x20 stale",
            ),
            sums("0+100x20 stale"),
            users("5+0x20 stale"),
        ]
        .concat(),
        expected: ["1m", "5m15s", "5m45s", "6m", "6m30s", "8m"]
            .map(|at| (at, Vec::new()))
            .to_vec(),
    };
    // Without load, nobody is told what a service does.
    let idle = World {
        interval: "15s",
        series: bad_service(),
        expected: vec![("15m", Vec::new())],
    };
    check_worlds(&text, "15s", &[missed, met, over, idle]);
}

/// What the service exports in production, every minute: all requests, those that fail, and those within each bucket.
fn production(
    all: &'static str,
    failed: &'static str,
    fast: &'static str,
    sum: &'static str,
) -> Vec<(String, &'static str)> {
    let mut series = Vec::new();
    let mut add = |name: &str, labels: &str, values| {
        for route in ["/api/v1/invoices/", "/api/v1/invoices/{id}/items"] {
            let of = "job=\"api\",http_request_method=\"GET\"";
            series.push((
                format!("{METRIC}_{name}{{{of},http_route=\"{route}\"{labels}}}"),
                values,
            ));
        }
    };
    add("count", ",http_response_status_code=\"200\"", all);
    add("count", ",http_response_status_code=\"503\"", failed);
    for le in ["0.25", "0.5", "10"] {
        add("bucket", &format!(",le=\"{le}\""), fast);
    }
    add("bucket", ",le=\"+Inf\"", all);
    add("sum", "", sum);
    series
}

#[test]
fn each_alert_of_a_service_fires_when_its_budget_burns_and_no_other_time() {
    let text = exported(&["alerts", "--metric", METRIC, "--selector", "job=\"api\""]).stdout;
    let all = rules(&text);
    let (missing, slos): (Vec<Value>, Vec<Value>) = all
        .iter()
        .cloned()
        .partition(|rule| rule["alert"] == "ServiceMetricIsMissing");
    let burns = |rule: &&Value, burn: &str| rule["labels"]["burn"] == burn;
    let bad_service = service("99+0x500", "0+1x500", "0+1x500", "0+1x500");
    let good_service = service("50+0x500", "0+30000x500", "0+99x500", "0+99x500");
    let missed = World {
        interval: "1m",
        series: [
            production("0+60x500", "0+60x500", "0+6x500", "0+900x500"),
            bad_service,
        ]
        .concat(),
        expected: vec![("8h", firing(&slos, None))],
    };
    let met = World {
        interval: "1m",
        series: [
            production("0+100000x500", "0+1x500", "0+99999x500", "0+100x500"),
            good_service.clone(),
        ]
        .concat(),
        expected: vec![("20m", Vec::new()), ("8h", Vec::new())],
    };
    // Everything failed for half an hour, and has been well for 10 minutes: what burns fast is over, what burns slowly
    // is not yet.
    let recovered = World {
        interval: "1m",
        series: [
            production(
                "0+100x440 44000+0x30 44000+100x60",
                "0+0x440 0+100x30 3000+0x60",
                "0+100x440 44000+100x90",
                "0+1x500",
            ),
            good_service,
        ]
        .concat(),
        expected: vec![("8h", {
            let of_failures = slos.iter().filter(|rule| {
                let slo = rule["labels"]["slo"].as_str().unwrap();
                let is_low = rule["labels"].get("endpoint").is_some();
                ["error_rate", "availability"].contains(&slo)
                    && !burns(rule, "fast")
                    && (burns(rule, "steady") || slo == "availability" || !is_low)
            });
            firing(&of_failures.cloned().collect::<Vec<_>>(), None)
        })],
    };
    // The service has other metrics.
    let other = World {
        interval: "1m",
        series: vec![("other".to_owned(), "1+0x30")],
        expected: vec![
            ("10m", Vec::new()),
            ("20m", missing.iter().flat_map(absent).collect()),
        ],
    };
    check_worlds(&text, "5m", &[missed, met, recovered, other]);
}

/// The alerts of a rule whose series are not there: `absent` knows the labels that have one value.
fn absent(rule: &Value) -> Vec<Value> {
    let expr = rule["expr"].as_str().unwrap();
    let bounds = ["0.25", "0.5"]
        .into_iter()
        .filter(|le| expr.contains(&format!("le=\"{le}\"")));
    let mut sets = vec![String::new()];
    sets.extend(bounds.map(|le| format!(",le=\"{le}\"")));
    sets.into_iter()
        .map(|le| {
            let labels = format!("alertname=\"ServiceMetricIsMissing\",alertstate=\"firing\",job=\"api\"{le},scenario=\"every-slo\",severity=\"warning\"");
            json!({"labels": format!("ALERTS{{{labels}}}"), "value": 1})
        })
        .collect()
}
