//! What a run prints: formats and fields, their width, and the report of a stored run.

mod dashboard;
mod exporters;
mod failures;
mod files;
mod findings;
mod observed;
mod pages;
mod samples;
mod screen;
mod stored;
mod tools;
mod traces;

use std::path::Path;
use std::time::Instant;

use crate::support::scenario::outcomes;
use crate::support::{Completed, Perfctl, Terminal};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

const MIX: &str = "
- {name: list, get: /api/v1/invoices/, weight: 5, slo: {p95: 30s, error_rate: 1%}}
- {name: gone, get: /status/404, check: {status: 200}, slo: {error_rate: 1%}}
- {name: down, get: /status/503, slo: {p95: 30s}}
slo: {error_rate: 1%, availability: 99.9%}";

fn run(options: &[&str]) -> Completed {
    Perfctl::scenario("demo", MIX)
        .args(["-i", "300", "--seed", "4294967295"])
        .args(options)
        .expect_stderr("")
        .run()
}

#[track_caller]
fn assert_narrow(text: &str) {
    for line in text.lines() {
        assert!(line.width() <= 80, "{} columns: {line}", line.width());
    }
}

#[test]
fn the_console_report_has_the_verdict_first_and_then_its_parts_in_order() {
    let completed = run(&[]);
    let text = &completed.stdout;
    let parts = [
        "FAIL  grade ",
        "small · quick · demo",
        "seed 4294967295",
        "SLOs  ",
        "CRITICAL",
        "Endpoints  300 requests",
        "Total",
        "Errors",
        "http_5xx 503  down",
        "e.g. 503",
        "http_4xx 404  gone",
        "status 404, expected 200",
        "Notes",
        "planned 300 = started 300 + dropped 0",
    ];
    let mut rest = text.as_str();
    for part in parts {
        let at = rest.find(part);
        let at = at.unwrap_or_else(|| panic!("`{part}` is not there, or too early:\n{text}"));
        rest = &rest[at..];
    }
    assert!(text.starts_with("FAIL"));
    let directory = completed.runs()[0].file_name().unwrap().to_owned();
    assert!(text.contains(directory.to_str().unwrap()), "{text}");
    assert!(!text.contains('\u{1b}'), "no colors without a terminal");
}

#[test]
fn the_json_report_has_the_field_names_of_earlier_tools() {
    let completed = run(&["--format", "json"]);
    let json = completed.json();
    for (field, holds) in [
        ("format", json["format"] == "perfctl-report"),
        ("version", json["version"] == 1),
        ("health_score", json["health_score"].is_number()),
        ("status", json["status"] == "fail"),
        ("total_requests", json["total_requests"] == 300),
        (
            "error_rate_percent",
            json["error_rate_percent"].as_f64() > Some(10.0),
        ),
        (
            "avg_response_time_ms",
            json["avg_response_time_ms"].is_number(),
        ),
        (
            "p95_response_time_ms",
            json["p95_response_time_ms"].is_number(),
        ),
        ("critical_alerts", json["critical_alerts"] == 4),
        ("high_alerts", json["high_alerts"] == 0),
        ("targets_met", json["targets_met"] == 2),
        ("targets_close", json["targets_close"] == 0),
        ("targets_failing", json["targets_failing"] == 4),
    ] {
        assert!(holds, "{field}: {}", json[field]);
    }
    let endpoints = json["endpoints"].as_array().unwrap();
    let names: Vec<&str> = endpoints
        .iter()
        .filter_map(|e| e["endpoint"].as_str())
        .collect();
    assert_eq!(names, ["list", "gone", "down"]);
    let list = &endpoints[0];
    for field in [
        "total_requests",
        "avg_duration_ms",
        "p95_duration_ms",
        "error_rate_percent",
    ] {
        assert!(list[field].is_number(), "{field}");
    }
    let series = list["time_series"].as_array().unwrap();
    let counts = series
        .iter()
        .map(|second| second["count"].as_u64().unwrap());
    assert_eq!(
        counts.sum::<u64>(),
        list["total_requests"].as_u64().unwrap()
    );
    assert!(series[0]["avg_ms"].is_number() && series[0]["p95_ms"].is_number());
    let all = json["time_series"].as_array().unwrap().iter();
    let all = all.map(|second| second["count"].as_u64().unwrap());
    assert_eq!(all.sum::<u64>(), 300);
    let response = &list["summary"]["response_ms"];
    for field in [
        "min",
        "mean",
        "standard_deviation",
        "p50",
        "p90",
        "p95",
        "p99",
        "p99.9",
        "max",
    ] {
        assert!(response[field].is_number(), "{field}: {response}");
    }
}

#[test]
fn the_markdown_report_is_a_heading_and_tables() {
    let text = run(&["--format", "markdown"]).stdout;
    let start = "<!-- perfctl-report -->\n## FAIL: grade ";
    assert!(text.starts_with(start), "{text}");
    for part in [
        "<summary>Endpoints: 3<",
        "| name |",
        "| list |",
        "<summary>Errors: 2 kinds<",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
}

#[test]
fn quiet_is_one_line_with_the_verdict_and_no_progress() {
    let completed = run(&["--quiet"]);
    assert_eq!(completed.stdout.lines().count(), 1, "{}", completed.stdout);
    assert!(
        completed.stdout.starts_with("FAIL "),
        "{}",
        completed.stdout
    );
    assert!(
        completed.stdout.contains("results/"),
        "{}",
        completed.stdout
    );
    // An explicit format is for a program, which needs everything.
    run(&["--quiet", "--format", "json"]).json();
}

#[test]
fn without_a_terminal_there_is_a_line_of_progress_every_ten_seconds() {
    let run = |option: Option<&str>| {
        Perfctl::scenario("demo", "- {name: health, get: /health}")
            .args(["-t", "10500ms", "--rate", "20"])
            .args(option)
            .expect_status(0)
            .spawn()
    };
    let start = Instant::now();
    let runs = [run(None), run(Some("--no-progress")), run(Some("--quiet"))];
    let [lines, without, quiet] = runs.map(|run| run.wait().stderr);
    let most = start.elapsed().as_secs() / 10;
    let count = lines.lines().count() as u64;
    assert!((1..=most).contains(&count), "{lines}");
    for part in ["left", "in flight", "/s", "p95", "0 failed"] {
        assert!(lines.contains(part), "{part}: {lines}");
    }
    assert_eq!((without.as_str(), quiet.as_str()), ("", ""));
}

#[test]
fn no_line_is_wider_than_80_columns() {
    let long = "a very long name of an endpoint, longer than anybody would ever wish to read it";
    let endpoints = format!(
        "- {{name: \"{long}\", get: /status/404, think_time: 10ms, slo: {{p99.9: 1us, error_rate: 1%}}}}\n\
         - {{name: \"請求書一覧請求書一覧請求書一覧請求書一覧請求書一覧\", get: /health, think_time: 10ms}}\n"
    );
    let options = [
        ["--rate", "100"],
        ["-i", "100"],
        ["--slo", "p95<1us"],
        ["-u", "7"],
    ];
    for option in options {
        let ready = || {
            Perfctl::scenario("demo", &endpoints)
                .args(["-t", "1s", "--seed", "18446744073709551615"])
                .args(option)
        };
        let completed = ready()
            .args(["--save-baseline", "base.json", "--fail-on", "none"])
            .run();
        assert_narrow(&completed.stdout);
        let base = completed.dir.path().join("base.json");
        let compared = ready()
            .args([
                "--gate=simple".as_ref(),
                "--baseline".as_ref(),
                base.as_os_str(),
            ])
            .run();
        assert!(compared.stdout.contains("Baseline"), "{}", compared.stdout);
        assert_narrow(&compared.stdout);
        for command in [["validate"].as_slice(), &["list"], &["profiles"]] {
            let text = Perfctl::new()
                .file(
                    "scenarios/a.yaml",
                    crate::support::scenario::quick("demo", &endpoints),
                )
                .args(command)
                .run()
                .stdout;
            assert!(!text.is_empty());
            assert_narrow(&text);
        }
    }
}

#[test]
fn a_stored_run_is_printed_again_as_it_was() {
    for format in ["console", "json", "markdown"] {
        let first = run(&["--format", format]);
        let dir = first.runs().remove(0);
        let dir = dir.strip_prefix(first.dir.path()).unwrap().to_owned();
        let printed = first.stdout.clone();
        let report = |earlier: Completed, path: &Path| {
            let run = Perfctl::after(earlier).args(["report", "--format", format]);
            run.args([path]).expect_status(1).expect_stderr("").run()
        };
        let again = report(first, &dir);
        // But options are now those of the command that made the run, which moves the ends of lines.
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        match format {
            "json" => assert_eq!(again.stdout, printed),
            _ => assert_eq!(
                flat(&again.stdout),
                flat(&printed).replace("`--", "`perfctl run --")
            ),
        }
        let stored = again.stdout.clone();
        assert_eq!(report(again, &dir.join("result.json")).stdout, stored);
    }
}

#[test]
fn every_run_stores_its_plan_journal_and_result() {
    let completed = run(&[]);
    let dir = &completed.runs()[0];
    for file in ["plan.json", "result.json"] {
        let json: Value = serde_json::from_str(&completed.read(dir.join(file))).unwrap();
        assert!(json.is_object(), "{file}");
    }
    let journal = completed.read(dir.join("journal.jsonl"));
    assert!(
        journal
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
    assert!(outcomes(&completed.result()).contains("http_4xx"));
}

#[test]
fn a_report_is_as_wide_as_the_terminal() {
    let names = ["invoices", "receipts", "payments"]
        .map(|what| format!("GET /api/v1/tenants/acme/{what}/7/lines"));
    let endpoints = names
        .each_ref()
        .map(|name| format!("- {{name: \"{name}\", get: /health}}\n"));
    let completed = Perfctl::scenario("demo", &endpoints.concat())
        .args(["-i", "60"])
        .expect_status(0)
        .run();
    assert_narrow(&completed.stdout);
    let stored = completed.runs()[0].clone();
    for columns in [50, 80, 200] {
        let terminal = Terminal::new(columns);
        let report = Perfctl::new().args(["report".as_ref(), stored.as_os_str()]);
        report.stdout_on(&terminal).expect_status(0).run();
        let text = terminal.read();
        let widest = text.lines().map(UnicodeWidthStr::width).max();
        let table = text.lines().find(|line| line.contains("requests  failed"));
        assert!(widest <= Some(columns.into()), "{columns}: {text}");
        assert!(table.is_some(), "{text}");
        for name in &names {
            assert!(text.contains(name), "{name} in {columns} columns: {text}");
        }
        let is_above = text.lines().any(|line| line.trim() == names[0]);
        assert_eq!(is_above, columns < 200, "{text}");
    }
}
