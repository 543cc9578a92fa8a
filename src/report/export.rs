//! Reports that CI systems and other tools read.
//!
//! Here: a file for each format, and what they share. Not here: reports for people, and perfctl's own
//! JSON.

mod github;
mod gitlab;
mod hdr;
mod junit;
mod k6;
mod locust;
mod locust_json;
mod locust_web;
mod samples;
mod seconds;
mod series;
mod taurus;

use std::borrow::Cow;

use super::contents::{Focus, Report};
use super::text::harmless;
use super::view;
use crate::grading::{Criterion, Verdict};

pub(super) use github::GithubReporter;
pub(super) use gitlab::GitlabReporter;
pub(super) use hdr::{HgrmReporter, HlogReporter};
pub(super) use junit::JunitReporter;
pub(super) use k6::K6Reporter;
pub use locust::{LocustCsv, locust_csv_paths, write_locust_csv};
pub(super) use locust_json::LocustReporter;
pub use locust_web::{LocustState, locust_requests};
pub use samples::{RunSamples, SampleLog};
pub(super) use series::{SeriesCsvReporter, SeriesJsonReporter};
pub(super) use taurus::TaurusReporter;

/// The verdict with what stands beside it and its reasons, a line each; `None` and the summary for a
/// quick look that has none.
fn verdict(report: &Report) -> (Option<Verdict>, Vec<String>) {
    if view::has_no_verdict(report) {
        return (None, vec![view::summary(&report.result)]);
    }
    let (says, reasons) = view::verdict(report);
    let lines = [vec![says], reasons].concat();
    (Some(report.grading.verdict), lines)
}

/// The SLOs that count: none in a comparison, and none where the numbers say nothing about them.
fn slos(report: &Report) -> impl Iterator<Item = &Criterion> {
    let count = report.focus == Focus::Run && view::are_judged(report);
    view::slos(report).filter(move |_| count)
}

/// `list invoices: p95 is 120 ms, the limit is ≤ 100 ms`.
fn slo_sentence(criterion: &Criterion) -> String {
    let name = view::criterion_name(criterion);
    let (measured, bound) = (view::measured(criterion), view::bound(criterion));
    format!("{name} is {measured}, the limit is {bound}")
}

/// `text` as a cell of a CSV file: harmless on a terminal, and no formula for a spreadsheet.
fn cell(text: &str) -> Cow<'_, str> {
    let text = harmless(text);
    match text.starts_with(['=', '+', '-', '@']) {
        true => Cow::Owned(format!("'{text}")),
        false => Cow::Owned(text),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use quick_xml::events::Event;
    use serde_json::Value;

    use super::*;
    use crate::report::{DEFAULT_COLUMNS, FORMATS, fixture};

    /// What an attacker would name an endpoint, besides what the fixture has.
    const HOSTILE: [&str; 9] = [
        "hostile ]]><script>alert(1)</script><![CDATA[",
        "hostile \" onload=\"alert(1)\" x='y' & &lt; &amp;",
        "=cmd|' /C calc'!A0",
        "+1+cmd()",
        "@SUM(1,2)",
        "-2+3",
        "hostile \u{202e}txt.exe\u{200b}\u{feff}",
        "hostile \u{0}\u{8}\u{1b}[2J\u{7f}\u{85}\u{fffe}",
        "hostile\n::error::x\r\n::set-output name=x::y,\"z\"\n# EOF",
    ];

    fn hostile() -> (Report, Vec<String>) {
        let long = "hostile long ".to_owned() + &"x".repeat(100_000);
        let names = HOSTILE.into_iter().chain([long.as_str()]);
        let mut report = fixture::hostile_with(&names.collect::<Vec<&str>>());
        report.result.run.scenario = HOSTILE.join(" ");
        // A row of the comparison and an SLO of each.
        let runs = std::slice::from_ref(&report.result);
        let baseline = crate::comparison::Baseline::of(runs.to_vec());
        let gate = crate::comparison::Threshold::default();
        let comparison = crate::comparison::compare(&baseline, runs, &gate).unwrap();
        let mut result = report.result;
        result.run.slos = result
            .endpoints
            .iter()
            .map(|endpoint| {
                let mut slo = result.run.slos[0].clone();
                slo.scope = crate::plan::SloScope::Endpoint(endpoint.endpoint.name.clone());
                slo
            })
            .collect();
        let names = result.endpoints.iter();
        let names = names
            .map(|endpoint| endpoint.endpoint.name.clone())
            .collect();
        (fixture::report(result, Some(comparison)), names)
    }

    /// Every value of an attribute and every text.
    fn texts_of_xml(xml: &str) -> BTreeSet<String> {
        let mut reader = quick_xml::Reader::from_str(xml);
        reader.config_mut().check_end_names = true;
        let mut texts = BTreeSet::new();
        let mut depth = 0;
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => break,
                Event::Start(tag) => {
                    depth += 1;
                    for attribute in tag.attributes() {
                        let value = attribute.unwrap();
                        let value = value.normalized_value(quick_xml::XmlVersion::Implicit1_0);
                        texts.insert(value.unwrap().into_owned());
                    }
                }
                Event::End(_) => depth -= 1,
                Event::CData(_) | Event::Comment(_) | Event::PI(_) => panic!("{xml}"),
                _ => {}
            }
        }
        assert_eq!(depth, 0);
        texts
    }

    fn check_csv(text: &str, names: &[String], column: &str) {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let headers = reader.headers().unwrap().clone();
        let column = headers.iter().position(|header| header == column).unwrap();
        let mut found = BTreeSet::new();
        // The reader refuses a record with another number of fields.
        for record in reader.records().map(Result::unwrap) {
            for cell in &record {
                let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
                assert!(!is_formula && !cell.contains('\n'), "{cell}");
            }
            found.insert(record[column].to_owned());
        }
        for name in names {
            assert!(found.contains(cell(name).as_ref()), "{name}");
        }
    }

    fn check(format: &str, text: &str, names: &[String]) {
        let control = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "{format}");
        assert!(!text.contains(['\u{202e}', '\u{feff}']), "{format}");
        let is_allowed = |line: &str| format == "github" && line.contains(" title=");
        let mut commands = text
            .lines()
            .filter(|line| line.trim_start().starts_with("::"));
        let command = commands.find(|line| !is_allowed(line));
        assert_eq!(command, None, "{format}");
        match format {
            "console" => {}
            "markdown" => assert!(!text.contains("<script")),
            // Its own script is the only one.
            "html" => assert_eq!(text.matches("<script").count(), 1, "{text}"),
            "github" => assert!(text.lines().count() <= 30, "{text}"),
            "junit" | "taurus" => {
                assert!(!text.contains("<script"), "{format}");
                let texts = texts_of_xml(text);
                for name in names {
                    let name = harmless(name);
                    let is_there = texts.iter().any(|text| text.contains(&name));
                    assert!(is_there, "{format}: {name}");
                }
            }
            "gitlab" => {
                let line = r#"^[a-z_0-9]+(\{([a-z]+="([^"\\]|\\.)*",?)+\})? [0-9.]+$"#;
                let line = regex::Regex::new(line).unwrap();
                let mut metrics = text.lines().filter(|line| !line.starts_with("# "));
                let wrong = metrics.find(|text| !line.is_match(text));
                assert_eq!(wrong, None);
                assert_eq!(text.matches("\n# EOF\n").count(), 1);
            }
            "json" | "k6" => drop(serde_json::from_str::<Value>(text).unwrap()),
            "series-csv" => check_csv(text, names, "name"),
            "series-json" => {
                let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
                let found: BTreeSet<String> = rows
                    .map(|row: Value| row["name"].as_str().unwrap().to_owned())
                    .collect();
                assert!(names.iter().all(|name| found.contains(name)));
            }
            "locust" => {
                let entries: Value = serde_json::from_str(text).unwrap();
                let entries = entries.as_array().unwrap().iter();
                let found: Vec<&str> = entries.map(|one| one["name"].as_str().unwrap()).collect();
                assert!(names.iter().all(|name| found.contains(&name.as_str())));
            }
            "hlog" => {
                let rows = text.lines().filter(|line| line.starts_with("Tag="));
                let is_plain =
                    |row: &str| !row.contains(char::is_whitespace) && row.matches(',').count() == 4;
                assert!(rows.clone().all(is_plain), "{text}");
                assert!(rows.count() >= names.len());
            }
            "hgrm" => assert!(!text.contains("hostile")),
            other => panic!("say what makes `{other}` harmless"),
        }
    }

    #[test]
    fn hostile_names_stay_inert_in_every_format() {
        let (report, names) = hostile();
        for format in FORMATS {
            let mut out = Vec::new();
            format
                .reporter
                .report(&report, DEFAULT_COLUMNS, &mut out)
                .unwrap();
            let text = String::from_utf8(out).unwrap();
            let text = match format.name {
                "console" => anstream::adapter::strip_str(&text).to_string(),
                _ => text,
            };
            check(format.name, &text, &names);
        }
    }

    #[test]
    fn hostile_names_stay_inert_in_the_files_of_locust() {
        let (report, names) = hostile();
        let directory = tempfile::tempdir().unwrap();
        let prefix = directory.path().join("x");
        write_locust_csv(&report.result, &prefix, true).unwrap();
        let [stats, history, failures, _] =
            locust_csv_paths(&prefix).map(|path| std::fs::read_to_string(path).unwrap());
        for text in [&stats, &history, &failures] {
            assert!(!text.contains(['\u{1b}', '\u{202e}', '\0']));
            check_csv(text, &names, "Name");
        }
    }
}
