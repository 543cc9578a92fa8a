//! What the service says of itself while the load goes on, from the scenario to the reports.

use serde_json::Value;

use crate::support::recording::{Recording, answer};
use crate::support::{Completed, Fault, Misbehaving, Perfctl, closed_port};

/// A run of 3 s with this observation.
fn observing(host: &str, observe: &str) -> Perfctl {
    let scenario = format!(
        "host: {host}\nendpoints: [{{name: root, get: /}}]\n\
         profiles: {{short: {{rate: 50, duration: 3s}}}}\nslo: {{error_rate: 1%}}\n\
         observe:\n  every: 1s\n{observe}"
    );
    Perfctl::new()
        .file("scenarios/observed.yaml", scenario)
        .args([
            "run",
            "observed",
            "--profile",
            "short",
            "--write",
            "json=report.json",
        ])
}

/// The entries of `observed` in the JSON report, by name and part.
fn entries(run: &Completed) -> Vec<(String, Value)> {
    let report: Value = serde_json::from_str(&run.read("report.json")).unwrap();
    let entries = report["observed"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            let part = entry["part"]
                .as_str()
                .map_or(String::new(), |part| format!(" {part}"));
            (
                format!("{}{part}", entry["name"].as_str().unwrap()),
                entry.clone(),
            )
        })
        .collect()
}

#[test]
fn metrics_of_the_service_are_in_all_reports() {
    let observe = "
  prometheus: /metrics
  metrics:
    requests: http_requests_total{path=\"/\"}
    in_flight: http_requests_in_flight
    took: http_request_duration_seconds
    mean: http_request_duration_seconds_sum / http_request_duration_seconds_count
    cache: cache_hits_total / cache_requests_total
";
    let run = observing("demo", observe)
        .args(["--html", "page.html", "--write", "markdown=report.md"])
        .expect_status(0)
        .run();
    let entries = entries(&run);
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    let all = [
        "requests",
        "in_flight",
        "took mean",
        "took p50",
        "took p95",
        "took p99",
        "mean",
    ];
    assert_eq!(names[..7], all);
    assert_eq!(names[7..], ["cache"]);
    let number = |name: &str, field: &str| {
        let (_, entry) = entries.iter().find(|(known, _)| known == name).unwrap();
        entry[field].as_f64().unwrap_or_else(|| panic!("{entry}"))
    };
    let rate = number("requests", "overall");
    assert!(rate > 10.0 && rate < 100.0, "{rate}");
    assert!(
        number("in_flight", "min") >= 1.0,
        "its own request is in flight"
    );
    assert!(number("took p50", "overall") <= number("took p99", "overall"));
    let (mean, same) = (number("took mean", "overall"), number("mean", "overall"));
    assert!((mean - same).abs() < 1e-9, "{mean} {same}");
    let cache = &entries[7].1;
    assert_eq!(cache["overall"], Value::Null);
    assert_eq!(
        cache["not_observed"],
        "`/metrics`: there is no `cache_hits_total`"
    );
    for text in [&run.stdout, &run.read("report.md"), &run.read("page.html")] {
        assert!(text.contains("Observed"), "{text}");
        assert!(text.contains("took p95"), "{text}");
        assert!(text.contains("there is no"), "{text}");
    }
    assert!(run.read("page.html").contains("id=\"observed-0-t\""));
    assert_eq!(
        run.stderr.matches("there is no").count(),
        1,
        "{}",
        run.stderr
    );
}

#[test]
fn a_page_that_is_dead_is_said_though_others_have_the_metrics() {
    let dead = format!("http://{}/metrics", closed_port());
    let observe = format!(
        "  prometheus: [/metrics, \"{dead}\"]\n  metrics: {{in_flight: http_requests_in_flight}}\n"
    );
    let run = observing("demo", &observe).expect_status(0).run();
    let (_, entry) = &entries(&run)[0];
    assert!(entry["overall"].as_f64().is_some(), "{entry}");
    let said = entry["not_observed"].as_str().unwrap();
    assert!(said.contains(&dead) && said.contains("refused"), "{said}");
}

#[test]
fn what_cannot_be_observed_is_said_and_changes_nothing_else() {
    let service = Recording::ok();
    let (silent, page) = (
        Misbehaving::start(Fault::Hang),
        Misbehaving::start(Fault::Ok),
    );
    for (url, why) in [
        (format!("http://{}/", closed_port()), "refused"),
        (silent.url(), "no response within 1s"),
        (page.url(), "line 1 is not in the format of Prometheus"),
    ] {
        let observe =
            format!("  prometheus: {url}\n  metrics: {{pool: db_pool, cache: hits / all}}\n");
        let run = observing(&service.url(), &observe).expect_status(0).run();
        let entries = entries(&run);
        assert_eq!(entries.len(), 2);
        for (_, entry) in &entries {
            let said = entry["not_observed"].as_str().unwrap();
            assert!(said.contains(why), "{said}");
            assert_eq!(entry["overall"], Value::Null);
        }
        assert!(
            run.stdout.contains("`pool`, `cache` not observed"),
            "{}",
            run.stdout
        );
        // At the end, an exporter that hung before is not waited for again.
        let report: Value = serde_json::from_str(&run.read("report.json")).unwrap();
        assert_eq!(report["total_requests"], 150);
    }
}

#[test]
fn a_counter_that_starts_anew_has_no_negative_rate() {
    let service = Recording::ok();
    let exporter = Recording::start(|_, number| {
        let jobs = [1_000, 1_010, 5, 15]
            .get(number)
            .copied()
            .unwrap_or(15 + number);
        let page = format!("# TYPE jobs counter\njobs_total{{a=\"1\"}} {jobs}\n# EOF\n");
        answer(
            "200 OK",
            "content-type: application/openmetrics-text\r\n",
            &page,
        )
    });
    let observe = format!(
        "  prometheus: {}\n  metrics: {{jobs: jobs}}\n",
        exporter.url()
    );
    let run = observing(&service.url(), &observe).expect_status(0).run();
    let (_, entry) = &entries(&run)[0];
    assert!(entry["min"].as_f64().unwrap() >= 0.0, "{entry}");
    assert!(entry["max"].as_f64().unwrap() < 100.0, "{entry}");
    assert_eq!(
        (&entry["unit"], &entry["not_observed"]),
        (&"per_s".into(), &Value::Null)
    );
}

#[test]
fn processes_of_this_machine_are_observed() {
    let run = observing("demo", "  host: local\n  process: perfctl\n")
        .expect_status(0)
        .run();
    let entries = entries(&run);
    let of = |name: &str| &entries.iter().find(|(known, _)| known == name).unwrap().1;
    assert_eq!(
        (&of("host_cpu")["unit"], &of("host_memory")["unit"]),
        (&"count".into(), &"bytes".into())
    );
    assert!(
        of("host_memory")["min"].as_f64().unwrap() > 1e6,
        "{entries:?}"
    );
    let nobody = observing("demo", "  host: local\n  process: no-such-program\n");
    for (_, entry) in self::entries(&nobody.expect_status(0).run()) {
        assert_eq!(
            entry["not_observed"],
            "there is no process `no-such-program`"
        );
    }
}

#[test]
fn what_is_observed_is_graded_with_warnings_letters_windows_and_budgets() {
    let observe = "
  prometheus: /metrics
  metrics:
    requests: http_requests_total
    in_flight: http_requests_in_flight
    missing: no_such_metric
budgets:
  observed_requests: 1
  error_rate: 1%
";
    let scenario = "
host: demo
endpoints: [{name: root, get: /api/v1/invoices/}]
profiles: {short: {rate: 50, duration: 3s}}
slo:
  observed_in_flight_max: {warning: 0, critical: 1000}
  observed_requests: {at_least: 1000}
  observed_missing: 1
  p95: {window: 1s, grades: {A: 20s, B: 30s}}
  error_rate: {limit: 1%, window: 1h}
  database_query_time_p95: {limit: 10s, window: 1s}
";
    let run = Perfctl::new()
        .file(
            "scenarios/graded.yaml",
            format!("{scenario}observe:\n  every: 1s{observe}"),
        )
        .args(["run", "graded", "--profile", "short"])
        .args(["--write", "json=report.json", "--write", "junit=junit.xml"])
        .args(["--slo", "observed_in_flight_min<500"])
        .expect_status(1)
        .run();
    let report: Value = serde_json::from_str(&run.read("report.json")).unwrap();
    let slos = report["slos"].as_array().unwrap();
    let slo = |name: &str| {
        let mut slos = slos.iter();
        slos.find(|slo| slo["name"] == name && slo["budget"] == false)
            .unwrap_or_else(|| panic!("{name}: {report}"))
    };
    let warning = slo("observed_in_flight_max");
    assert_eq!(warning["severity"], "WARNING", "{warning}");
    assert_eq!(warning["critical_limit"], 1000.0);
    assert_eq!(slo("observed_in_flight_min")["met"], true);
    assert_eq!(slo("observed_requests")["unit"], "per_s");
    let missing = slo("observed_missing");
    assert!(
        missing["no_data"]
            .as_str()
            .unwrap()
            .contains("no_such_metric")
    );
    let p95 = slo("p95");
    assert_eq!(
        (&p95["grade"], &p95["window_length_s"]),
        (&"A".into(), &1.0.into())
    );
    assert_eq!(slo("error_rate")["window_length_s"], 3.0);
    // Of the components of each second.
    let database = slo("database_query_time_p95");
    assert!(database["value"].is_number(), "{database}");
    assert_eq!(database["window_length_s"], 1.0);
    let violations = report["budgets"].as_array().unwrap();
    let [violation] = violations.as_slice() else {
        panic!("{violations:?}")
    };
    assert_eq!(
        (&violation["metric"], &violation["budget"]),
        (&"observed_requests".into(), &1.0.into())
    );
    let fields: Vec<&String> = violation.as_object().unwrap().keys().collect();
    assert_eq!(fields.len(), 5, "{fields:?}");
    let reasons: Vec<&str> = report["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(Value::as_str)
        .collect();
    assert!(
        reasons[0].starts_with("observed_requests is "),
        "{reasons:?}"
    );
    assert!(reasons[0].ends_with("the limit is 1000/s"), "{reasons:?}");
    assert!(
        reasons[1].starts_with("observed_missing: no data: `/metrics`: "),
        "{reasons:?}"
    );
    assert!(
        reasons[2].starts_with("observed_requests (budget) is "),
        "{reasons:?}"
    );
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    let cut = "3s were measured, less than the window of `error_rate` (1h)";
    assert!(
        run.stdout.replace("\n    ", " ").contains(cut),
        "{}",
        run.stdout
    );
    assert!(run.read("junit.xml").contains("p95 in the worst 1s"));
}
