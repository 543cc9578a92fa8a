//! What a run tells about its findings: to those who read it, and to those whom its scenario names.

use std::fs;

use serde_json::Value;

use crate::support::Perfctl;
use crate::support::recording::{Recording, Seen, answer, ok};

/// A part of the webhook's URL.
const CANARY: &str = "T0PS3CRET/hook";

/// One of two instances fails, and a list takes a query for each item.
fn service(seen: &Seen, number: usize) -> String {
    if seen.path().ends_with(CANARY) {
        return match seen.path().starts_with("/refused") {
            true => answer("500 Oops", "", ""),
            false => ok("ok"),
        };
    }
    let instance = number % 2;
    let header = |queries: usize| {
        format!("server-timing: db;dur=2;desc=\"n={queries}\", worker;desc=\"w{instance}\"\r\n")
    };
    match seen.path() {
        "/list" => answer("200 OK", &header(40), &"x".repeat(2_000)),
        _ if instance == 1 => answer("503 Busy", &header(1), ""),
        _ => answer("200 OK", &header(1), "one"),
    }
}

const ENDPOINTS: &str = "- {name: list, get: /list}\n- {name: one, get: /one}";

#[test]
fn findings_are_in_the_report_explained_and_told_without_the_url_that_is_secret() {
    let server = Recording::start(service);
    let url = server.url();
    let hooks = "on_finding: {webhook: \"{{ env.HOOK }}\"}\n\
                 on_verdict: {command: 'cat > told.json', verdicts: pass}";
    let run = Perfctl::scenario(&url, &format!("{ENDPOINTS}\n{hooks}"))
        .env("HOOK", format!("{url}/{CANARY}"))
        .args(["-i", "200", "--seed", "1", "--format", "json"])
        .expect_status(0)
        .run();
    let json = run.json();
    let findings = json["findings"].as_array().unwrap();
    let rule = |rule: &str| findings.iter().find(|one| one["rule"] == rule);
    let instance = rule("bad_instance").unwrap_or_else(|| panic!("{findings:#?}"));
    assert_eq!(
        (&instance["part"], &instance["endpoint"]),
        (&"w1".into(), &"one".into())
    );
    assert_eq!(rule("n_plus_one").unwrap()["endpoint"], "list");
    assert_eq!(json["endpoints"][0]["avg_queries_per_request"], 40.0);
    assert_eq!(json["recommendations"][0]["priority"], "high");

    let seen = server.seen();
    let hook = seen
        .iter()
        .find(|one| one.path().ends_with(CANARY))
        .unwrap();
    assert_eq!(hook.header("content-type"), Some("application/json"));
    let told: Value = serde_json::from_str(&hook.text()).unwrap();
    let text = told["text"].as_str().unwrap();
    assert!(
        text.contains("findings in small, quick\n- critical: one: "),
        "{text}"
    );
    let told: Value = serde_json::from_str(&run.read("told.json")).unwrap();
    assert_eq!(
        (&told["event"], &told["verdict"]),
        (&"verdict".into(), &"pass".into())
    );
    assert_eq!(told["findings"].as_array().unwrap().len(), findings.len());

    let directory = run.runs().remove(0);
    for file in ["plan.json", "journal.jsonl", "result.json"] {
        let text = fs::read_to_string(directory.join(file)).unwrap();
        assert!(!text.contains(CANARY), "{file}");
    }
    let explained = Perfctl::after(run).args(["explain"]).expect_status(0).run();
    for part in [
        "bad_instance",
        "threshold 1%",
        "without `w1`, 0%",
        "priority high, effort low",
    ] {
        assert!(
            explained.stdout.contains(part),
            "{part}: {}",
            explained.stdout
        );
    }
}

#[test]
fn a_webhook_that_fails_is_a_line_and_changes_nothing() {
    let server = Recording::start(service);
    let url = server.url();
    let hooks = "on_verdict: {webhook: \"{{ env.HOOK }}\", timeout: 2s}";
    let scenario = format!("{ENDPOINTS}\n{hooks}");
    let refused = Perfctl::scenario(&url, &scenario)
        .env("HOOK", format!("{url}/refused/{CANARY}"))
        .args(["-i", "4"])
        .expect_status(0)
        .run();
    let line = "warning: the webhook of `on_verdict` failed: status 500\n";
    assert!(refused.stderr.contains(line), "{}", refused.stderr);
    assert!(!(refused.stderr + &refused.stdout).contains(CANARY));
    let unset = Perfctl::scenario(&url, &scenario)
        .env("HOOK", "")
        .args(["-i", "4"])
        .expect_status(0)
        .run();
    assert!(!unset.stderr.contains("webhook"), "{}", unset.stderr);
}

#[test]
fn faults_are_those_of_the_built_in_service() {
    let wrong = Perfctl::scenario("http://127.0.0.1:1", "- {name: one, get: /one}")
        .args(["--demo-fault", "leak"])
        .expect_status(2)
        .run();
    assert!(
        wrong.stderr.contains("add `--host demo`"),
        "{}",
        wrong.stderr
    );
}
