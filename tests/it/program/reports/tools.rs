//! Files that other tools read, against what those tools write and read themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use perfctl::metrics::Outcome;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;

use crate::support::{Perfctl, skip};

const MIX: &str = "
- {name: list, get: /api/v1/invoices/, weight: 5, slo: {p95: 30s}}
- {name: gone, get: /status/404, check: {status: 200}, slo: {error_rate: {limit: 1%, advisory: true}}}
slo: {error_rate: 1%}";

fn scenario() -> Perfctl {
    Perfctl::scenario("demo", MIX).args(["-i", "200"])
}

fn recorded(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// The columns of a CSV file in order, each with the kinds of its values.
fn columns(text: &str) -> Vec<(String, BTreeSet<&'static str>)> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let mut columns: Vec<_> = headers
        .iter()
        .map(|one| (one.to_owned(), BTreeSet::new()))
        .collect();
    for record in reader.records().map(Result::unwrap) {
        for (value, (_, kinds)) in record.iter().zip(&mut columns) {
            kinds.insert(match value {
                "N/A" => "none",
                _ if value.parse::<f64>().is_ok() => "number",
                _ if value.ends_with('Z') && value.contains('T') => "time",
                _ => "text",
            });
        }
    }
    columns
}

#[test]
fn the_csv_files_are_those_of_locust_to_the_same_reader() {
    let run = scenario().args(["--csv", "x", "--csv-full-history", "--quiet"]);
    let completed = run.expect_status(1).run();
    for file in ["stats", "stats_history", "failures", "exceptions"] {
        let theirs = recorded(&format!("locust-2.47/locust_{file}.csv"));
        let ours = completed.read(format!("x_{file}.csv"));
        assert_eq!(ours.matches('\n').count(), ours.matches("\r\n").count());
        for ((our, kinds), (their, known)) in columns(&ours).iter().zip(columns(&theirs)) {
            assert_eq!(*our, their, "{file}");
            let unknown: Vec<_> = kinds
                .difference(&known)
                .filter(|kind| **kind != "none")
                .collect();
            assert!(unknown.is_empty(), "{file}, {our}: {unknown:?}");
        }
        assert_eq!(columns(&ours).len(), columns(&theirs).len(), "{file}");
        let names = |text: &str| -> BTreeSet<String> {
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let rows = reader.deserialize().map(Result::unwrap);
            rows.filter_map(|mut row: BTreeMap<String, String>| row.remove("Name"))
                .collect()
        };
        assert_eq!(names(&ours), names(&theirs), "{file}");
    }
}

#[test]
fn json_without_a_value_prints_the_statistics_of_locust() {
    let run = scenario().args(["--json", "--json-file", "out/x", "--only-summary"]);
    let completed = run.args(["--fail-on", "none"]).expect_stderr("").run();
    let ours = completed.json();
    assert_eq!(
        ours,
        serde_json::from_str::<Value>(&completed.read("out/x.json")).unwrap()
    );
    let theirs: Value = serde_json::from_str(&recorded("locust-2.47/locust.json")).unwrap();
    for theirs in theirs.as_array().unwrap() {
        let ours = ours.as_array().unwrap().iter();
        let ours = ours
            .clone()
            .find(|one| one["name"] == theirs["name"])
            .unwrap();
        let keys =
            |one: &Value| -> Vec<String> { one.as_object().unwrap().keys().cloned().collect() };
        assert_eq!(keys(ours), keys(theirs));
        for (key, value) in theirs.as_object().unwrap() {
            let is_alike = std::mem::discriminant(value) == std::mem::discriminant(&ours[key]);
            // Failures have no times here.
            assert!(
                is_alike || key == "min_response_time",
                "{key}: {}",
                ours[key]
            );
        }
    }
    let result = completed.result();
    let sum = |key: &str| -> u64 {
        let all = ours.as_array().unwrap().iter();
        all.map(|one| one[key].as_u64().unwrap()).sum()
    };
    assert_eq!(sum("num_requests"), result.count(Outcome::is_started));
    assert_eq!(sum("num_failures"), result.count(Outcome::is_failure));

    let taken = Perfctl::scenario("demo", MIX);
    let taken = Perfctl::after(taken.args(["--json", "x.yaml"]).expect_status(2).run());
    let ours = taken
        .args(["run", "demo", "--json", "--format", "json"])
        .expect_status(2);
    assert!(ours.run().stderr.contains("`--format json` is given too"));
}

#[test]
fn the_checks_of_locust_are_slos_by_their_names() {
    let met = [
        "--check-fail-ratio",
        "0.9",
        "--check-avg-response-time",
        "30000",
        "--check-rps",
        "0.01",
    ];
    let run = Perfctl::scenario("demo", "- {name: list, get: /health}").args(["-i", "50"]);
    let completed = run
        .args(met)
        .args(["--format", "json"])
        .expect_status(0)
        .run();
    let slos = completed.json()["slos"].clone();
    let of = |name: &str| {
        slos.as_array()
            .unwrap()
            .iter()
            .find(|slo| slo["name"] == name)
            .cloned()
    };
    for (name, metric, limit, unit) in [
        ("--check-fail-ratio", "error_rate", 90.0, "percent"),
        ("--check-avg-response-time", "mean", 30_000.0, "ms"),
        ("--check-rps", "throughput_rps", 0.01, "per_s"),
    ] {
        let slo = of(name).unwrap();
        assert_eq!(
            (&slo["metric"], &slo["unit"]),
            (&metric.into(), &unit.into())
        );
        assert_eq!((&slo["limit"], &slo["met"]), (&limit.into(), &true.into()));
    }
    let completed = scenario()
        .args(["--check-fail-ratio", "0.001"])
        .expect_status(1)
        .run();
    let text = &completed.stdout;
    assert!(
        text.contains("--check-fail-ratio is ") && text.contains("the limit is 0.1%"),
        "{text}"
    );
    let wrong = scenario()
        .args(["--check-fail-ratio", "5"])
        .expect_status(2)
        .run();
    assert!(
        wrong
            .stderr
            .contains("`5` is not a ratio: write 0.01 for 1%"),
        "{}",
        wrong.stderr
    );
}

/// The elements of a schema: the attributes that they may and must have, and the elements within.
#[derive(Default)]
struct Element {
    allowed: BTreeSet<String>,
    required: BTreeSet<String>,
    within: BTreeSet<String>,
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag
        .attributes()
        .map(Result::unwrap)
        .find(|one| one.key.as_ref() == name.as_bytes());
    Some(String::from_utf8_lossy(&found?.value).into_owned())
}

/// As far as `junit-10.xsd` needs it: it restricts nothing but names.
fn schema(xsd: &str) -> BTreeMap<String, Element> {
    let mut elements: BTreeMap<String, Element> = BTreeMap::new();
    let mut reader = quick_xml::Reader::from_str(xsd);
    let mut of = String::new();
    loop {
        let tag = match reader.read_event().unwrap() {
            Event::Eof => return elements,
            Event::Start(tag) | Event::Empty(tag) => tag,
            _ => continue,
        };
        let name = attribute(&tag, "name");
        match (tag.name().as_ref(), name, attribute(&tag, "ref")) {
            (b"xs:element", Some(name), _) => {
                elements.entry(name.clone()).or_default();
                of = name;
            }
            (b"xs:element", None, Some(within)) => {
                elements.get_mut(&of).unwrap().within.insert(within);
            }
            (b"xs:attribute", Some(name), _) => {
                let element = elements.get_mut(&of).unwrap();
                if attribute(&tag, "use").as_deref() == Some("required") {
                    element.required.insert(name.clone());
                }
                element.allowed.insert(name);
            }
            _ => {}
        }
    }
}

fn check_schema(xml: &str, elements: &BTreeMap<String, Element>) {
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut open: Vec<String> = Vec::new();
    loop {
        let event = reader.read_event().unwrap();
        let (Event::Start(tag) | Event::Empty(tag)) = &event else {
            match event {
                Event::End(_) => drop(open.pop()),
                Event::Eof => return,
                _ => {}
            }
            continue;
        };
        let name = String::from_utf8_lossy(tag.name().as_ref()).into_owned();
        let element = elements.get(&name).unwrap_or_else(|| panic!("<{name}>"));
        if let Some(parent) = open.last() {
            assert!(
                elements[parent].within.contains(&name),
                "<{name}> in <{parent}>"
            );
        }
        let given = tag.attributes().map(Result::unwrap);
        let given = given.map(|one| String::from_utf8_lossy(one.key.as_ref()).into_owned());
        let given: BTreeSet<String> = given.collect();
        let unknown: Vec<_> = given.difference(&element.allowed).collect();
        assert!(unknown.is_empty(), "<{name}> has {unknown:?}");
        assert!(
            element.required.is_subset(&given),
            "<{name}> has only {given:?}"
        );
        if matches!(event, Event::Start(_)) {
            open.push(name);
        }
    }
}

#[test]
fn junit_keeps_to_the_schema_of_jenkins() {
    let elements = schema(&recorded("junit-10.xsd"));
    assert_eq!(elements.len(), 10);
    let failed = scenario()
        .args(["--write", "junit=x.xml", "--quiet"])
        .expect_status(1)
        .run();
    let text = failed.read("x.xml");
    assert!(
        text.contains("<failure") && text.contains("<skipped"),
        "{text}"
    );
    check_schema(&text, &elements);
    // What GitLab shows of a test case.
    let cases = text.matches("<testcase ").count();
    for attribute in ["name", "classname", "time"] {
        let pattern =
            regex::Regex::new(&format!("<testcase [^>]*\\b{attribute}=\"[^\"]+\"")).unwrap();
        assert_eq!(pattern.find_iter(&text).count(), cases, "{attribute}");
    }
}

/// A Python that has the package `hdrhistogram`; see `.ci/run`.
fn python() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    [here, "python3".into()].into_iter().find(|python| {
        let status = Command::new(python).args(["-c", "import hdrh"]).output();
        status.is_ok_and(|output| output.status.success())
    })
}

/// Prints the sum of all intervals by tag: the buckets, each with its count.
const READ_HLOG: &str = "
import json, sys
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
new = lambda: HdrHistogram(1, 86_400_000_000, 3)
reader, by_tag = HistogramLogReader(sys.argv[1], new()), {}
while (interval := reader.get_next_interval_histogram()):
    by_tag.setdefault(interval.get_tag(), new()).add(interval)
print(json.dumps({tag: [[one.get_lowest_equivalent_value(bucket.value_iterated_to),
    bucket.count_added_in_this_iter_step] for bucket in one.get_recorded_iterator()]
    for tag, one in by_tag.items()}))
";

#[test]
fn the_histograms_are_read_by_the_package_of_hdrhistogram() {
    let Some(python) = python() else {
        return skip("the histogram log is read by the Python package `hdrhistogram`");
    };
    let files = [
        "--write",
        "hlog=x.hlog",
        "--write",
        "hgrm=x.hgrm",
        "--format",
        "json",
    ];
    let completed = scenario().args(files).run();
    let output = Command::new(python)
        .args(["-c", READ_HLOG])
        .arg(completed.dir.path().join("x.hlog"))
        .output()
        .unwrap();
    let found: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let json = completed.json();
    let result = completed.result();
    let list = &result.endpoints[0];
    assert_eq!(list.endpoint.name, "list");
    let buckets = list
        .phases
        .iter()
        .fold(BTreeMap::new(), |mut buckets, cell| {
            for (bucket, count) in cell.response.iter() {
                *buckets.entry(bucket).or_insert(0) += count;
            }
            buckets
        });
    let buckets: Vec<[u64; 2]> = buckets.into_iter().map(<[u64; 2]>::from).collect();
    assert_eq!(found["list"], serde_json::json!(buckets));
    let distribution = completed.read("x.hgrm");
    let total = &json["summary"]["response_ms"];
    let max = format!(
        "#[Max     = {:>12.3}, Total count    = {:>12}]",
        total["max"].as_f64().unwrap(),
        total["count"].as_u64().unwrap()
    );
    assert!(distribution.contains(&max), "{distribution}");
}
