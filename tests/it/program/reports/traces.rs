//! Traces, from the scenario to the service and to the reports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use serde_json::Value;

use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, Seen, answer, ok};
use crate::support::{Completed, Perfctl};

/// How long the server takes for the first sampled requests of `/a`.
const DELAY: Duration = Duration::from_millis(40);
/// How many these are.
const DELAYED: usize = 5;

/// The parts of a header that is one of version 00.
#[track_caller]
fn parts(seen: &Seen) -> (String, String, bool) {
    let header = seen
        .header("traceparent")
        .unwrap_or_else(|| panic!("{}", seen.head));
    let form = regex::Regex::new("^00-([0-9a-f]{32})-([0-9a-f]{16})-0([01])$").unwrap();
    let found = form.captures(header).unwrap_or_else(|| panic!("{header}"));
    assert_ne!(found[1], "0".repeat(32));
    assert_ne!(found[2], "0".repeat(16));
    (found[1].to_owned(), found[2].to_owned(), &found[3] == "1")
}

/// A server that is slow at first, redirects, and fails.
fn service(elsewhere: &str) -> Recording {
    let delayed = AtomicUsize::new(0);
    let away = format!("location: {elsewhere}/away\r\n");
    Recording::start(move |seen, _| match seen.path() {
        "/a" => {
            if parts(seen).2 && delayed.fetch_add(1, Relaxed) < DELAYED {
                std::thread::sleep(DELAY);
            }
            ok("")
        }
        "/moved" => answer("302 Found", "location: /landed\r\n", ""),
        "/left" => answer("302 Found", &away, ""),
        "/broken" => answer("500 Internal Server Error", "", ""),
        _ => ok(""),
    })
}

fn run(service: &Recording, elsewhere: &Recording, trace: &str) -> Completed {
    let endpoints = format!(
        "- {{name: a, get: /a}}\n- {{name: moved, get: /moved}}\n- {{name: left, get: /left}}\n\
         - {{name: broken, get: /broken}}\n- {{name: own, get: /own, headers: {{Traceparent: mine}}}}\n\
         trace: {trace}\nallow_redirects_to: [\"{}\"]",
        elsewhere.addr()
    );
    Perfctl::scenario(&service.url(), &endpoints)
        .args([
            "-u",
            "1",
            "-i",
            "150",
            "--seed",
            "7",
            "--samples",
            "x.jsonl",
        ])
        .args([
            "--write",
            "json=report.json",
            "--write",
            "markdown=report.md",
        ])
        .args(["--html", "page.html", "--fail-on", "none"])
        .expect_status(0)
        .run()
}

fn traces_lead_from_the_report_to_what_the_service_saw() {
    let elsewhere = Recording::ok();
    let service = service(&elsewhere.url());
    let mapping = "{sampled: 50%, url: \"http://jaeger.example/trace/{trace_id}\"}";
    let completed = run(&service, &elsewhere, mapping);

    let all = service.seen();
    let own = |seen: &&Seen| seen.path() == "/own";
    assert!(
        all.iter()
            .filter(own)
            .all(|seen| seen.header("traceparent") == Some("mine"))
    );
    let traced: Vec<&Seen> = all.iter().filter(|seen| !own(seen)).collect();
    let spans: BTreeSet<String> = traced.iter().map(|seen| parts(seen).1).collect();
    assert_eq!(spans.len(), traced.len(), "no span twice");
    let begun: Vec<&&Seen> = traced
        .iter()
        .filter(|seen| seen.path() != "/landed")
        .collect();
    let ids: BTreeSet<String> = begun.iter().map(|seen| parts(seen).0).collect();
    assert_eq!(ids.len(), begun.len(), "no trace twice");
    for pair in traced.windows(2).filter(|pair| pair[0].path() == "/moved") {
        let ((before, ..), (after, ..)) = (parts(pair[0]), parts(pair[1]));
        assert_eq!((before, pair[1].path()), (after, "/landed"));
    }
    assert!(!elsewhere.seen().is_empty());
    assert!(
        elsewhere
            .seen()
            .iter()
            .all(|seen| seen.header("traceparent").is_none())
    );
    let sampled = begun.iter().filter(|seen| parts(seen).2).count();
    assert!(
        (begun.len() / 3..begun.len() * 2 / 3).contains(&sampled),
        "{sampled}"
    );

    // Each sampled request, and its time.
    let rows = completed.read("x.jsonl");
    let rows = rows
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut times: BTreeMap<(String, String), f64> = BTreeMap::new();
    for row in rows.filter(|row| !row["trace_id"].is_null()) {
        let text = |field: &str| row[field].as_str().unwrap().to_owned();
        times.insert(
            (text("endpoint"), text("trace_id")),
            row["response_ms"].as_f64().unwrap(),
        );
    }
    assert_eq!(times.len(), sampled);
    let of_a = begun.iter().filter(|seen| seen.path() == "/a");
    let of_a: Vec<String> = of_a
        .map(|seen| parts(seen))
        .filter(|one| one.2)
        .map(|one| one.0)
        .collect();
    for id in &of_a[..DELAYED] {
        let time_ms = times[&("a".to_owned(), id.clone())];
        assert!(time_ms >= DELAY.as_secs_f64() * 1e3, "{time_ms}");
    }
    let report: Value = serde_json::from_str(&completed.read("report.json")).unwrap();
    let named = |list: &str, endpoint: &str| {
        let entries = report["traces"][list].as_array().unwrap().iter();
        let entries = entries.filter(|one| one["endpoint"] == endpoint);
        entries
            .map(|one| one["trace_id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let mut slowest: Vec<(f64, &String)> = times
        .iter()
        .filter(|((endpoint, _), _)| endpoint == "a")
        .map(|((_, id), time_ms)| (*time_ms, id))
        .collect();
    slowest.sort_by(|one, other| other.0.total_cmp(&one.0));
    let slowest: BTreeSet<String> = slowest[..5].iter().map(|(_, id)| (*id).clone()).collect();
    assert_eq!(
        named("slowest", "a").into_iter().collect::<BTreeSet<_>>(),
        slowest
    );
    let broken = begun
        .iter()
        .filter(|seen| seen.path() == "/broken")
        .map(|seen| parts(seen));
    let broken: Vec<String> = broken
        .filter(|one| one.2)
        .map(|one| one.0)
        .take(3)
        .collect();
    assert_eq!(named("failed", "broken"), broken);
    // Those that are kept with their responses are the first of all, sampled or not.
    for sample in report["failure_samples"].as_array().unwrap() {
        let id = sample["trace_id"].as_str();
        let headers = sample["request"]["headers"].to_string();
        assert_eq!(id.is_some(), headers.contains("-01\""), "{sample}");
        assert!(headers.contains(&format!("traceparent: 00-{}", id.unwrap_or_default())));
    }

    let id = &broken[0];
    assert!(completed.stdout.contains(id), "{}", completed.stdout);
    let link = format!("http://jaeger.example/trace/{id}");
    assert!(
        completed
            .read("report.md")
            .contains(&format!("[{id}]({link})"))
    );
    let page = completed.read("page.html").replace("&#x2f;", "/");
    assert!(page.contains(&format!("href=\"{link}\"")));

    // The same seed samples the same requests, under other ids.
    let again = self::service(&elsewhere.url());
    run(&again, &elsewhere, "50%");
    let flags = |seen: &[Seen]| {
        let traced = seen.iter().filter(|seen| !own(seen));
        traced
            .map(|seen| (seen.path().to_owned(), parts(seen).2))
            .collect::<Vec<_>>()
    };
    assert_eq!(flags(&again.seen()), flags(&all));
    let seen = again.seen();
    let mut others = seen
        .iter()
        .filter(|seen| !own(seen))
        .map(|seen| parts(seen).0);
    assert!(others.all(|id| !ids.contains(&id)));
}

for_each_client! {
    traces_lead_from_the_report_to_what_the_service_saw
}

#[test]
fn a_trial_shows_the_header_and_without_a_trace_there_is_none() {
    let service = Recording::ok();
    let tried = Perfctl::new()
        .file(
            "scenarios/x.yaml",
            format!(
                "host: {}\nendpoints: [{{get: /}}]\ntrace: true\n",
                service.url()
            ),
        )
        .args(["try", "x"])
        .expect_status(0)
        .run();
    assert!(
        tried.stdout.contains("traceparent: 00-"),
        "{}",
        tried.stdout
    );
    let plain = Recording::ok();
    Perfctl::scenario(&plain.url(), "- {get: /}\ntrace: false")
        .args(["-i", "2"])
        .expect_status(0)
        .run();
    assert!(
        plain
            .seen()
            .iter()
            .all(|seen| seen.header("traceparent").is_none())
    );
}
