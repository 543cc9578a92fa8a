//! A row for each request, written while the load goes on.

use std::collections::BTreeMap;
use std::io::Read;

use perfctl::metrics::Outcome;
use serde_json::Value;

use crate::support::Perfctl;

const MIX: &str = "
- {name: list, get: '/api/v1/invoices/?token=x', weight: 5}
- {name: '=gone, \"x\"', get: /status/404, check: {status: 200, fail_with: 'not, there'}}
flows:
  visit: {weight: 3, steps: [list, {get: /health, name: health}]}";

const COLUMNS: &str = "timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,\
                       failureMessage,bytes,sentBytes,grpThreads,allThreads,URL,Latency,IdleTime,Connect";

fn scenario() -> Perfctl {
    Perfctl::scenario("demo", MIX).args(["-i", "200"])
}

#[test]
fn a_jtl_file_has_the_columns_of_jmeter_and_a_row_for_each_request() {
    let run = scenario().args(["--samples", "x.jtl", "--fail-on", "none"]);
    let completed = run.expect_status(0).run();
    let text = completed.read("x.jtl");
    assert_eq!(text.lines().next(), Some(COLUMNS));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    let result = completed.result();
    assert_eq!(rows.len() as u64, result.count(Outcome::is_started));
    let successes = rows.iter().filter(|row| row["success"] == "true").count();
    assert_eq!(
        successes as u64,
        result.count(|outcome| outcome == Outcome::Ok)
    );
    for row in &rows {
        let number = |column: &str| row[column].parse::<u64>().unwrap();
        assert!(number("elapsed") >= number("Latency"), "{row:?}");
        assert!(number("timeStamp") > 1_700_000_000_000 && number("allThreads") > 0);
        assert!(number("bytes") > 0 && number("sentBytes") > 0);
        let is_gone = row["label"] == "'=gone, \"x\"";
        let code = if is_gone { "404 Not Found" } else { "200 OK" };
        assert_eq!(
            format!("{} {}", row["responseCode"], row["responseMessage"]),
            code
        );
        let failure = if is_gone { "not, there (http_4xx)" } else { "" };
        assert_eq!(row["failureMessage"], failure);
        assert!(row["URL"].starts_with("http://127.0.0.1:") && !row["URL"].contains('?'));
    }
    let labels = |name: &str| rows.iter().filter(|row| row["label"] == name).count();
    assert!(
        labels("health") > 0 && labels("visit") == 0,
        "a flow is no request"
    );
    assert!(
        completed.stdout.contains("in x.jtl\n"),
        "{}",
        completed.stdout
    );
}

#[test]
fn lines_of_json_follow_each_other_over_several_runs_and_are_packed() {
    let run = scenario().args(["--samples", "out/x.jsonl.gz", "--repeat", "2"]);
    let completed = run.args(["--fail-on", "none"]).run();
    let packed = std::fs::read(completed.dir.path().join("out/x.jsonl.gz")).unwrap();
    let mut text = String::new();
    let mut reader = flate2::read::MultiGzDecoder::new(packed.as_slice());
    reader.read_to_string(&mut text).unwrap();
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for run in completed.runs() {
        let result = perfctl::metrics::read_result(&run).unwrap();
        let of_run = rows
            .iter()
            .filter(|row| row["run"] == result.run.id.as_str());
        let of_run: Vec<&Value> = of_run.collect();
        assert_eq!(of_run.len() as u64, result.count(Outcome::is_started));
        for (outcome, name) in [(Outcome::Ok, "ok"), (Outcome::Http4xx, "http_4xx")] {
            let rows = of_run.iter().filter(|row| row["outcome"] == name);
            assert_eq!(rows.count() as u64, result.count(|one| one == outcome));
        }
        let opened = of_run
            .iter()
            .filter(|row| row["connect_ms"].is_number())
            .count();
        assert!((1..of_run.len()).contains(&opened), "{opened}");
    }
    let gone = rows.iter().find(|row| row["status"] == 404).unwrap();
    assert_eq!(gone["endpoint"], "=gone, \"x\"");
    assert_eq!(
        (&gone["check"], &gone["method"]),
        (&"not, there".into(), &"GET".into())
    );
    assert_eq!(gone["is_measured"], true);
    let ms = |field: &str| gone[field].as_f64().unwrap();
    assert!(ms("response_ms") >= ms("service_ms") && ms("service_ms") >= ms("ttfb_ms"));
}

#[test]
fn a_full_disk_ends_the_file_and_not_the_run() {
    let run = scenario().args(["--samples", "x.jtl", "--fail-on", "none"]);
    std::os::unix::fs::symlink("/dev/full", run.dir().join("x.jtl")).unwrap();
    let completed = run.expect_status(4).run();
    let text = &completed.stderr;
    assert!(
        text.contains("error: cannot write `x.jtl`: No space left"),
        "{text}"
    );
    assert!(text.contains("the load continues without them"), "{text}");
    let screen = completed
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        screen.contains("warning: `x.jtl` could not be written: No space"),
        "{screen}"
    );
    let result = completed.result();
    let counts = result.run.samples.clone().unwrap();
    assert_eq!(
        (counts.written, counts.dropped),
        (0, result.count(Outcome::is_started))
    );
}

#[test]
fn the_name_tells_the_format_and_is_checked_before_the_load() {
    for (options, status, part) in [
        (
            &["x.txt"][..],
            2,
            "the name must end in .jtl or .csv (JTL), or .jsonl or .json",
        ),
        (&["file/x.jtl"], 4, "error: cannot write `file"),
        (
            &["x.csv", "--write", "json=x.csv"],
            2,
            "to be written to `x.csv`",
        ),
    ] {
        let run = scenario()
            .file("file", "")
            .args(["--samples"])
            .args(options);
        let completed = run.expect_status(status).expect_stdout("").run();
        assert!(completed.stderr.contains(part), "{}", completed.stderr);
        assert!(completed.runs().is_empty());
    }
}
