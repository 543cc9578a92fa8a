//! Reports that other tools read: the files that a run writes, and what their numbers are.

use std::path::Path;

use perfctl::metrics::{Outcome, RunResult, Window};
use serde_json::Value;

use crate::support::scenario::target;
use crate::support::{Completed, Perfctl};

/// Requests that succeed and that fail, in a flow and outside of one.
const MIX: &str = "
- {name: list, get: /api/v1/invoices/, weight: 5, slo: {p95: 30s, error_rate: 1%}}
- {name: '=gone, \"x\"', get: /status/404, check: {status: 200}, slo: {error_rate: 1%}}
flows:
  visit: {weight: 3, steps: [list, {get: /health, name: health}]}
slo: {error_rate: 1%, throughput_rps: 1}";

const FORMATS: [&str; 13] = [
    "console",
    "json",
    "markdown",
    "junit",
    "github",
    "gitlab",
    "taurus",
    "k6",
    "series-csv",
    "series-json",
    "locust",
    "hlog",
    "hgrm",
];

fn scenario() -> Perfctl {
    Perfctl::scenario("demo", MIX).args(["-i", "200"])
}

fn write_all(run: Perfctl) -> Perfctl {
    let files = FORMATS.map(|format| format!("--write={format}=out/of a run/{format}"));
    run.args(files)
        .args(["--csv", "out/locust", "--csv-full-history"])
        .args(["--summary-export", "out/summary.json"])
}

/// Whole run, and measured phases: requests, successes, failures.
fn counts(result: &RunResult) -> [[u64; 3]; 2] {
    let measured = result.summary(None, Window::Measured);
    [
        [
            result.count(Outcome::is_started),
            result.count(|outcome| outcome == Outcome::Ok),
            result.count(Outcome::is_failure),
        ],
        [measured.requests, measured.successes, measured.failures],
    ]
}

/// The cells of a CSV file by the names of their columns, a row each.
fn rows(text: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("`{text}`"))
}

#[track_caller]
fn attribute(xml: &str, tag: &str, name: &str) -> u64 {
    let pattern = format!("<{tag}[^>]* {name}=\"([0-9]+)\"");
    let pattern = regex::Regex::new(&pattern).unwrap();
    number(&pattern.captures(xml).unwrap_or_else(|| panic!("{xml}"))[1])
}

fn written(completed: &Completed, format: &str) -> String {
    completed.read(format!("out/of a run/{format}"))
}

#[test]
fn the_counts_of_every_file_are_those_of_the_result() {
    let completed = write_all(scenario())
        .expect_status(1)
        .expect_stderr("")
        .run();
    let result = completed.result();
    let [whole, measured] = counts(&result);
    assert!(measured[1] > 50 && measured[2] > 5, "{measured:?}");

    let json: Value = serde_json::from_str(&written(&completed, "json")).unwrap();
    assert_eq!(json["total_requests"], measured[0]);

    let k6: Value = serde_json::from_str(&written(&completed, "k6")).unwrap();
    let metrics = &k6["metrics"];
    assert_eq!(metrics["http_reqs"]["count"], measured[0]);
    assert_eq!(metrics["http_req_failed"]["passes"], measured[2]);
    assert_eq!(metrics["checks"]["passes"], measured[1]);
    assert_eq!(metrics["checks"]["fails"], measured[2]);
    assert_eq!(
        written(&completed, "k6"),
        completed.read("out/summary.json")
    );

    let metrics = written(&completed, "gitlab");
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        number(line.unwrap().trim())
    };
    assert_eq!(value("perfctl_requests "), measured[0]);
    assert_eq!(value("perfctl_failures "), measured[2]);

    let taurus = written(&completed, "taurus");
    assert_eq!(attribute(&taurus, "throughput", "value"), measured[0]);
    assert_eq!(attribute(&taurus, "succ", "value"), measured[1]);
    assert_eq!(attribute(&taurus, "fail", "value"), measured[2]);

    let series = rows(&written(&completed, "series-csv"));
    let requests = series.iter().filter(|row| row["kind"] == "endpoint");
    let sum = |field: &str| requests.clone().map(|row| number(&row[field])).sum::<u64>();
    assert_eq!(["started", "successes", "failures"].map(sum), whole);
    assert!(series.iter().any(|row| row["kind"] == "flow"));
    let lines = written(&completed, "series-json");
    assert_eq!(lines.lines().count(), series.len());

    let stats = rows(&completed.read("out/locust_stats.csv"));
    let last = stats.last().unwrap();
    assert_eq!((&*last["Type"], &*last["Name"]), ("", "Aggregated"));
    assert_eq!(number(&last["Request Count"]), whole[0]);
    assert_eq!(number(&last["Failure Count"]), whole[2]);
    let names: Vec<&str> = stats.iter().map(|row| &*row["Name"]).collect();
    assert_eq!(names, ["'=gone, \"x\"", "health", "list", "Aggregated"]);
    let history = rows(&completed.read("out/locust_stats_history.csv"));
    let last = history.last().unwrap();
    assert_eq!(&*last["Name"], "Aggregated");
    assert_eq!(number(&last["Total Request Count"]), whole[0]);
    assert_eq!(number(&last["Total Failure Count"]), whole[2]);
    assert_eq!(
        history.len() % 4,
        0,
        "a row each second for each of three endpoints and for all"
    );
    let failures = rows(&completed.read("out/locust_failures.csv"));
    let sum = failures
        .iter()
        .map(|row| number(&row["Occurrences"]))
        .sum::<u64>();
    assert_eq!(sum, whole[2]);

    let junit = written(&completed, "junit");
    let missed = json["slos"].as_array().unwrap().iter();
    let missed = missed.filter(|slo| slo["met"] == false).count() as u64;
    assert!(missed >= 2, "{junit}");
    assert_eq!(attribute(&junit, "testsuites", "failures"), missed + 1);
    let annotations = written(&completed, "github");
    assert_eq!(
        annotations.lines().count() as u64,
        missed + 1,
        "{annotations}"
    );
    assert!(!written(&completed, "console").contains('\u{1b}'));
    assert!(written(&completed, "console").starts_with("FAIL"));
    assert!(written(&completed, "markdown").starts_with("<!-- perfctl-report -->\n## FAIL"));
}

/// The fields that `load_performance` of GitLab and scripts around k6 read, and their sense.
#[test]
fn the_summary_of_k6_has_its_fields_and_a_missed_slo_is_true() {
    let run = scenario().args(["--format", "k6"]).expect_status(1).run();
    let json = run.json();
    let metrics = &json["metrics"];
    for (metric, fields) in [
        ("http_reqs", &["count", "rate"][..]),
        (
            "http_req_waiting",
            &["avg", "min", "med", "max", "p(90)", "p(95)"],
        ),
        (
            "http_req_duration",
            &["avg", "min", "med", "max", "p(90)", "p(95)"],
        ),
        ("http_req_failed", &["value", "passes", "fails"]),
        ("checks", &["passes", "fails"]),
        ("vus", &["value", "min", "max"]),
    ] {
        for field in fields {
            assert!(metrics[metric][field].is_number(), "{metric} {field}");
        }
    }
    assert!(metrics["http_req_waiting"]["p(95)"].as_f64() > Some(0.0));
    assert_eq!(
        metrics["http_reqs"]["thresholds"]["throughput_rps ≥ 1.00/s"],
        false
    );
    assert_eq!(
        metrics["http_req_failed"]["thresholds"]["error_rate ≤ 1%"],
        true
    );
    let group = &json["root_group"];
    for field in ["name", "path", "id", "groups", "checks"] {
        assert!(!group[field].is_null(), "{field}");
    }
}

#[test]
fn a_stored_run_writes_the_same_files_as_the_run() {
    let first = write_all(scenario()).run();
    let names = [
        "junit",
        "github",
        "gitlab",
        "taurus",
        "k6",
        "series-csv",
        "series-json",
        "locust",
        "hlog",
        "hgrm",
    ];
    let before = names.map(|name| written(&first, name));
    let csv = first.read("out/locust_stats_history.csv");
    std::fs::remove_dir_all(first.dir.path().join("out")).unwrap();
    let again = write_all(Perfctl::after(first).args(["report"]));
    let again = again.expect_status(1).expect_stderr("").run();
    for (name, before) in names.iter().zip(before) {
        let flat = |text: &str| text.replace("`perfctl run --", "`--");
        assert_eq!(flat(&written(&again, name)), flat(&before), "{name}");
    }
    assert_eq!(again.read("out/locust_stats_history.csv"), csv);
    for name in names {
        let printed = Perfctl::new().args(["report".as_ref(), again.runs()[0].as_os_str()]);
        let printed = printed.args(["--format", name]).expect_status(1).run();
        assert_eq!(printed.stdout, written(&again, name), "{name}");
    }
}

#[test]
fn a_quiet_run_and_a_comparison_write_files_too() {
    let quiet = scenario().args(["--quiet", "--write", "junit=x.xml"]);
    let quiet = quiet.expect_status(1).run();
    assert_eq!(quiet.stdout.lines().count(), 1, "{}", quiet.stdout);
    assert!(quiet.read("x.xml").contains("<testsuites"));
    let other = scenario().args(["--quiet"]).run();
    let compare = Perfctl::new().args(["compare".as_ref(), quiet.runs()[0].as_os_str()]);
    let compare = compare.args([other.runs()[0].as_os_str()]).args([
        "--gate",
        "simple",
        "--max-regression",
        "100%",
        "--write",
        "junit=x.xml",
    ]);
    let junit = compare.expect_stderr("").run().read("x.xml");
    assert!(junit.contains("perfctl.baseline"), "{junit}");
    assert!(
        !junit.contains("perfctl.slo"),
        "SLOs do not count in a comparison: {junit}"
    );
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_sent() {
    let (demo, url) = target(0);
    for (options, status, part) in [
        (
            &["--write", "junit=file/x.xml"][..],
            4,
            "error: cannot write `file",
        ),
        (&["--write", "k6=dir"], 4, "error: cannot write `dir`"),
        (
            &["--write", "json=/dev/none"],
            4,
            "error: cannot write `/dev/none`",
        ),
        (&["--csv", "file/x"], 4, "error: cannot write `file"),
        (&["--summary-export", "dir"], 4, "error: cannot write `dir`"),
        (
            &["--write", "xunit=x.xml"],
            2,
            "unknown format `xunit`; known: console, json,",
        ),
        (
            &["--write", "junit"],
            2,
            "the file is missing; write `junit=FILE`",
        ),
        (
            &["--write", "junit="],
            2,
            "the file is missing; write `junit=FILE`",
        ),
        (
            &["--write", "k6=x", "--write", "junit=x"],
            2,
            "two reports are to be written to `x`",
        ),
        (&["--csv-full-history"], 2, "--csv <PREFIX>"),
    ] {
        let run = Perfctl::scenario(&url, "- {name: health, get: /health}")
            .file("file", "")
            .file("dir/x", "")
            .args(["-i", "5"])
            .args(options);
        let completed = run.expect_status(status).expect_stdout("").run();
        assert!(
            completed.stderr.contains(part),
            "{options:?}: {}",
            completed.stderr
        );
        assert!(completed.runs().is_empty());
    }
    assert_eq!(demo.requests(), 0);
}

#[test]
fn a_file_that_cannot_be_written_afterwards_is_a_4_and_the_others_are_written() {
    let stored = scenario().run();
    let stored = stored.runs()[0].clone();
    let run = Perfctl::new().args(["report".as_ref(), stored.as_os_str()]);
    let run = run.args(["--write", "k6=/dev/full", "--write", "junit=x.xml"]);
    let completed = run.expect_status(4).run();
    assert!(
        completed.stderr.contains("cannot write `/dev/full`"),
        "{}",
        completed.stderr
    );
    assert!(
        completed.stdout.starts_with("FAIL"),
        "the report is printed"
    );
    assert!(completed.read("x.xml").contains("</testsuites>"));
}

#[test]
fn the_outputs_of_the_process_can_be_named_as_files() {
    let run = scenario().args(["--quiet", "--write", "github=/dev/stdout"]);
    let completed = run.expect_status(1).run();
    let lines: Vec<&str> = completed.stdout.lines().collect();
    assert!(lines[0].starts_with("FAIL "), "{lines:?}");
    assert!(
        lines[1].starts_with("::error title=perfctl%3A FAIL::"),
        "{lines:?}"
    );
    // What other programs write to the same file comes behind it.
    let script = "exec > out.txt; \"$0\" \"$@\"; echo end; exit";
    let run = Perfctl::after_shell(script).quick("demo", MIX);
    let run = run.args(["-i", "200", "--quiet", "--write", "github=/dev/stdout"]);
    let text = run.expect_status(0).run().read("out.txt");
    assert!(
        text.contains("\n::error ") && text.ends_with("\nend\n"),
        "{text}"
    );
    assert!(Path::new("/dev/stdout").is_symlink());
}
