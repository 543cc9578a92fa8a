//! Runs that a server starts, shows, ends, and finds again.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::{SCENARIO, Server};
use crate::support::scenario::wait_until;
use crate::support::{Perfctl, Signal};

/// The numbers of the events in a stream.
fn seconds(stream: &str) -> Vec<Value> {
    let data = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let all = data.map(|data| serde_json::from_str::<Value>(data).unwrap());
    all.filter(|second| second["second"].is_u64()).collect()
}

/// What `perfctl report --format json` prints.
fn printed(server: &Server, id: &str) -> Value {
    let program = std::process::Command::new(env!("CARGO_BIN_EXE_perfctl"))
        .current_dir(server.running.dir())
        .args(["report", id, "--format", "json"])
        .output()
        .unwrap();
    serde_json::from_slice(&program.stdout).unwrap()
}

/// The process of the run that a server has started.
fn process(server: &Server) -> u64 {
    let path = server.running.dir().join("results/.serve/state.json");
    let state: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    state["active"]["process"]["id"].as_u64().unwrap()
}

#[test]
fn a_run_is_started_shown_and_reported_with_the_numbers_of_the_command_line() {
    let server = Server::start(&[]);
    let wrong = json!({"scenario": "small", "profile": "quik"});
    let refused = server.post("/start", &wrong).expect(422);
    assert!(
        refused.body.contains("quik") && refused.body.contains("quick"),
        "{refused:?}"
    );
    let close = server
        .post("/validate", &json!({"scenario": "smal"}))
        .expect(422)
        .json();
    assert_eq!(close["help"], "did you mean `small`?");
    let preview = server.post(
        "/validate",
        &json!({"scenario": "small", "profile": "quick"}),
    );
    assert!(
        preview.expect(200).json()["preview"]
            .as_str()
            .unwrap()
            .contains("2 users")
    );
    let id = server.begin("quick");
    assert_eq!(server.get("/active").json()["active"], id);
    let report = format!("/{id}/report?format=json");
    server.get(&report).expect(409);
    let busy = server
        .post("/start", &json!({"scenario": "small"}))
        .expect(409)
        .json();
    assert_eq!(busy["active"], id);
    // To its end.
    let stream = server.get(&format!("/{id}/events")).expect(200);
    assert!(
        stream
            .body
            .contains("event: end\ndata: {\"state\":\"ended\"}"),
        "{stream:?}"
    );
    let streamed = seconds(&stream.body);
    assert!(streamed.len() >= 2, "{stream:?}");
    // After a gap.
    let path = format!("/api/v1/performance/load-test/{id}/events");
    let bearer = server.bearer();
    let headers = [("authorization", bearer.as_str()), ("last-event-id", "0")];
    let rest = server.send("GET", &path, &headers, "");
    assert_eq!(seconds(&rest.body), &streamed[1..]);
    let series = server
        .get(&format!("/{id}/series?from=1"))
        .expect(200)
        .json();
    assert_eq!(series["seconds"].as_array().unwrap(), &streamed[1..]);
    assert_eq!(series["next"], streamed.len());
    let shown = server.wait_for(&id, "ended");
    let expected = printed(&server, &id);
    for name in [
        "total_requests",
        "error_rate_percent",
        "p95_response_time_ms",
        "slos",
        "verdict",
        "errors",
    ] {
        assert_eq!(shown["report"][name], expected[name], "{name}");
    }
    assert_eq!(server.get(&report).expect(200).json(), expected);
    for (format, start) in [("html", "<!"), ("markdown", "#"), ("series-csv", "second")] {
        let text = server
            .get(&format!("/{id}/report?format={format}"))
            .expect(200)
            .body;
        assert!(text.to_lowercase().contains(start), "{format}: {text}");
    }
    server
        .get(&format!("/{id}/report?format=nonsense"))
        .expect(422);
    for name in ["result.json", "plan.json", "journal.jsonl"] {
        let file = server.get(&format!("/{id}/files/{name}")).expect(200).body;
        let stored = server.running.dir().join("results").join(&id).join(name);
        assert_eq!(file, std::fs::read_to_string(stored).unwrap());
    }
    let listed = server.get("/").json();
    assert_eq!(listed["runs"][0]["id"], id.as_str());
    assert_eq!(
        listed["runs"][0]["total_requests"],
        expected["total_requests"]
    );
    // A short run is no good baseline, and the reason is said.
    let compared = server
        .get(&format!("/{id}/report?baseline={id}"))
        .expect(409);
    assert!(compared.body.contains("cannot be compared"), "{compared:?}");
}

#[test]
fn runs_wait_in_a_queue_and_are_cancelled_once() {
    let server = Server::start(&[]);
    let first = server.begin("long");
    let later = |profile: &str| {
        let body = json!({"scenario": "small", "profile": profile, "queue": true});
        server.post("/start", &body)
    };
    let queued: Vec<String> = (0..10)
        .map(|place| {
            let reply = later("quick").expect(202).json();
            assert_eq!(
                (&reply["state"], &reply["place"]),
                (&json!("queued"), &json!(place + 1))
            );
            reply["id"].as_str().unwrap().to_owned()
        })
        .collect();
    later("quick").expect(409);
    assert_eq!(server.get("/active").json()["queue"], json!(queued));
    for id in &queued[1..] {
        for _ in 0..2 {
            let cancelled = server
                .post(&format!("/{id}/cancel"), &json!({}))
                .expect(202)
                .json();
            assert_eq!(cancelled["state"], "cancelled");
        }
        let shown = server.get(&format!("/{id}")).json();
        assert_eq!(shown["state"], "cancelled", "{shown}");
        assert!(!server.running.dir().join("results").join(id).exists());
    }
    server.wait_until(&first, "sending", |shown| {
        shown["elapsed_s"].as_f64() > Some(1.0)
    });
    // A second signal would end it without a result.
    for _ in 0..3 {
        let cancelled = server
            .post(&format!("/{first}/cancel"), &json!({}))
            .expect(202)
            .json();
        assert!(
            cancelled["state"] == "stopping" || cancelled["state"] == "ended",
            "{cancelled}"
        );
    }
    let ended = server.wait_for(&first, "ended");
    assert!(
        ended["report"]["total_requests"].as_u64() > Some(0),
        "{ended:#}"
    );
    assert_eq!(ended["report"]["verdict"], "inconclusive", "{ended:#}");
    let cancelled = server
        .post(&format!("/{first}/cancel"), &json!({}))
        .expect(202)
        .json();
    assert_eq!(cancelled["state"], "ended");
    server.wait_for(&queued[0], "ended");
}

#[test]
fn a_server_that_is_killed_finds_its_run_again_with_the_same_numbers() {
    let mut server = Server::start(&[]);
    let id = server.begin("long");
    let last = json!({"scenario": "small", "profile": "quick", "queue": true});
    let last = server.post("/start", &last).expect(202).json()["id"].clone();
    let last = last.as_str().unwrap().to_owned();
    server.wait_until(&id, "sending", |shown| {
        shown["elapsed_s"].as_f64() > Some(2.0)
    });
    let before = server.get(&format!("/{id}/series")).json()["seconds"].clone();
    server.running.signal(Signal::Kill);
    let token = server.token.clone();
    server = Server::of(Perfctl::after(server.running.wait()), &[]);
    assert_ne!(server.token, token);
    let active = server.get("/active").json();
    assert_eq!(
        (&active["active"], &active["queue"]),
        (&json!(id), &json!([last]))
    );
    let series = server.get(&format!("/{id}/series")).json()["seconds"].clone();
    let count = before.as_array().unwrap().len();
    assert_eq!(
        &series.as_array().unwrap()[..count],
        before.as_array().unwrap().as_slice()
    );
    server
        .post(&format!("/{id}/cancel"), &json!({}))
        .expect(202);
    let shown = server.wait_for(&id, "ended");
    let expected = printed(&server, &id);
    assert_eq!(
        shown["report"]["total_requests"],
        expected["total_requests"]
    );
    server.wait_for(&last, "ended");
}

#[test]
fn a_run_that_was_killed_with_its_server_is_recovered() {
    let server = Server::start(&[]);
    let id = server.begin("long");
    server.wait_until(&id, "sending", |shown| {
        shown["elapsed_s"].as_f64() > Some(1.0)
    });
    let run = process(&server);
    server.running.signal(Signal::Kill);
    let dead = server.running.wait();
    let kill = format!("kill -KILL {run}");
    let killed = std::process::Command::new("sh")
        .args(["-c", &kill])
        .status();
    assert!(killed.unwrap().success());
    wait_until("gone", || {
        let state = std::fs::read_to_string(format!("/proc/{run}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    });
    let server = Server::of(Perfctl::after(dead), &[]);
    let shown = server.wait_for(&id, "ended");
    assert!(
        shown["report"]["total_requests"].as_u64() > Some(0),
        "{shown:#}"
    );
    assert_eq!(
        shown["report"]["total_requests"],
        printed(&server, &id)["total_requests"]
    );
    assert_eq!(server.get("/active").json()["active"], Value::Null);
}

#[test]
fn a_run_that_cannot_start_says_why() {
    // Good as far as is known before: only the connection shows that nobody is there.
    let scenario =
        "name: s\nhost: demo\nsetup: [{name: s, get: /status/500}]\nendpoints: [{get: /health}]\n";
    let server = Server::of(Perfctl::new().file("scenarios/small.yaml", scenario), &[]);
    let id = server.begin("smoke");
    let shown = server.wait_for(&id, "failed");
    assert!(
        shown["why"].as_str().unwrap().contains("`setup` failed"),
        "{shown}"
    );
    server.get(&format!("/{id}/report")).expect(409);
    assert_eq!(
        server.get("/").json()["without_result"][0]["id"],
        id.as_str()
    );
}

#[test]
fn runs_of_a_command_line_appear_and_are_not_disturbed() {
    let server = Server::start(&[]);
    let folder = server.running.dir().join("results");
    let out = folder.to_str().unwrap().to_owned();
    let mut run = Perfctl::new()
        .file("small.yaml", SCENARIO)
        .args(["run", "small.yaml", "--profile", "long", "--out", &out])
        .spawn();
    let active = || server.get("/active").json()["active"].clone();
    wait_until("running", || active().is_string());
    let id = active().as_str().unwrap().to_owned();
    let refused = server.post("/start", &json!({"scenario": "small", "profile": "quick"}));
    assert_eq!(refused.expect(409).json()["active"], id);
    server.wait_until(&id, "sending", |shown| {
        shown["elapsed_s"].as_f64() > Some(1.0)
    });
    // It has no process that this server knows.
    server
        .post(&format!("/{id}/cancel"), &json!({}))
        .expect(409);
    assert!(!run.has_ended());
    run.signal(Signal::Int);
    run.wait();
    server.wait_for(&id, "ended");
}

#[test]
fn a_server_that_is_stopped_leaves_its_run_alone_and_says_so() {
    let server = Server::start(&[]);
    let id = server.begin("long");
    server.wait_until(&id, "sending", |shown| {
        shown["elapsed_s"].as_f64() > Some(0.0)
    });
    let run = process(&server);
    server.running.signal(Signal::Int);
    let stopped = server.running.wait();
    assert_eq!(stopped.status, Some(0), "{}", stopped.stderr);
    let said = format!("the run `{id}` goes on; `kill -INT {run}` ends it");
    assert!(stopped.stdout.contains(&said), "{}", stopped.stdout);
    let kill = format!("kill -INT {run}");
    let killed = std::process::Command::new("sh")
        .args(["-c", &kill])
        .status();
    assert!(killed.unwrap().success());
    let server = Server::of(Perfctl::after(stopped), &[]);
    server.wait_for(&id, "ended");
}

#[test]
fn a_directory_has_one_server() {
    let server = Server::start(&[]);
    let folder = server.running.dir().join("results");
    let second = Perfctl::new()
        .args(["serve", "--listen", "127.0.0.1:0", "--results"])
        .args([folder.to_str().unwrap()])
        .expect_status(2)
        .run();
    assert!(
        second.stderr.contains("another server uses"),
        "{}",
        second.stderr
    );
}

#[test]
fn dashboards_find_the_newest_run_in_their_own_words() {
    let server = Server::start(&[]);
    let bearer = server.bearer();
    let view = |path: &str| {
        let path = format!("/api/v1/performance/{path}");
        server.send("GET", &path, &[("authorization", &bearer)], "")
    };
    view("health").expect(404);
    let id = server.begin("quick");
    view(&format!("health?id={id}")).expect(409);
    server.wait_for(&id, "ended");
    let report = printed(&server, &id);
    let health = view("health").expect(200).json();
    assert_eq!(health["run"], id.as_str());
    for name in [
        "health_score",
        "status",
        "total_requests",
        "critical_alerts",
        "high_alerts",
    ] {
        assert_eq!(health[name], report[name], "{name}");
    }
    let metrics = view("metrics").expect(200).json();
    let first = &metrics["endpoints"][0];
    assert_eq!(first["endpoint"], "list");
    assert_eq!(
        first["avg_queries_per_request"],
        report["endpoints"][0]["avg_queries_per_request"]
    );
    assert!(first["time_series"][0]["count"].is_u64(), "{first}");
    let compliance = view("prd-compliance").expect(200).json();
    assert_eq!(
        compliance["overall_compliance_status"], "compliant",
        "{compliance}"
    );
    assert_eq!(compliance["average_compliance_percentage"], 100.0);
    assert_eq!(
        compliance["compliance_summary"]["targets_met"],
        report["targets_met"]
    );
    let alerts = view("alerts").expect(200).json();
    let has_rule = |alerts: &Value| {
        let mut all = alerts["alerts"].as_array().unwrap().iter();
        all.any(|alert| alert["rule"] == "high_error_rate")
    };
    assert!(has_rule(&alerts), "{alerts:#}");
    assert!(has_rule(
        &view("alerts?severity=critical").expect(200).json()
    ));
    assert!(!has_rule(&view("alerts?severity=low").expect(200).json()));
    view("alerts?severity=none").expect(422);
    let recommendations = view("optimization/recommendations").expect(200).json();
    assert_eq!(
        recommendations["recommendations"],
        report["recommendations"]
    );
    assert_eq!(view("report?format=summary").json(), health);
    assert_eq!(
        view(&format!("report?format=detailed&id={id}")).json(),
        report
    );
    view("report?format=other").expect(422);
    view("health?id=..%2fx").expect(404);
}

#[test]
fn a_server_that_is_killed_while_it_starts_a_run_has_left_it_to_the_next_one() {
    let server = Server::start(&[]);
    // Once it responds, it has made the folder.
    server.get("/active").expect(200);
    let folder = server.running.dir().join("results/.serve");
    let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let state = folder.join("state.json");
    // Nothing is started that the next server would not know.
    std::fs::create_dir(&state).unwrap();
    let start = json!({"scenario": "small", "profile": "long"});
    server.post("/start", &start).expect(500);
    assert_eq!(server.get("/active").json()["active"], Value::Null);
    std::fs::remove_dir(&state).unwrap();
    let id = server.begin("long");
    server.running.signal(Signal::Kill);
    let dead = server.running.wait();
    // As it is before the number of the process is known.
    let text = std::fs::read_to_string(&state).unwrap();
    let mut known: Value = serde_json::from_str(&text).unwrap();
    assert!(known["active"]["process"]["id"].is_u64(), "{known}");
    known["active"]["process"] = Value::Null;
    std::fs::write(&state, known.to_string()).unwrap();
    for name in ["other.log", "other.sock", "other.sock.new"] {
        std::fs::write(folder.join(name), "").unwrap();
    }
    let server = Server::of(Perfctl::after(dead), &[]);
    assert_eq!(server.get("/active").json()["active"], id.as_str());
    let left = std::fs::read_dir(&folder).unwrap();
    let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.starts_with("other")).count(), 0);
    server.wait_until(&id, "sending", |shown| {
        shown["elapsed_s"].as_f64() > Some(0.0)
    });
    server
        .post(&format!("/{id}/cancel"), &json!({}))
        .expect(202);
    let shown = server.wait_for(&id, "ended");
    assert!(
        shown["report"]["total_requests"].as_u64() > Some(0),
        "{shown:#}"
    );
    // The signal has reached it.
    assert_eq!(shown["report"]["verdict"], "inconclusive", "{shown:#}");
    // Or before there is a process.
    server.running.signal(Signal::Kill);
    let dead = server.running.wait();
    known["active"]["id"] = json!("never");
    std::fs::write(&state, known.to_string()).unwrap();
    let server = Server::of(Perfctl::after(dead), &[]);
    let shown = server.wait_for("never", "failed");
    assert!(
        shown["why"].as_str().unwrap().contains("killed before"),
        "{shown}"
    );
}
