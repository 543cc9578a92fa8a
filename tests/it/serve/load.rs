//! Loads that are changed while they go on.

use serde_json::{Value, json};

use super::{SCENARIO, Server};
use crate::support::{Perfctl, Signal};

/// What the server keeps of runs that go on.
fn files_of(server: &Server) -> Vec<String> {
    let files = std::fs::read_dir(server.running.dir().join("results/.serve")).unwrap();
    let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn the_load_of_a_run_is_changed_also_by_a_later_server_and_the_run_is_adjusted() {
    let mut server = Server::start(&["--max-users", "50"]);
    let id = server.begin("long");
    let waits = json!({"scenario": "small", "profile": "quick", "queue": true});
    let waits = server.post("/start", &waits).expect(202).json()["id"].clone();
    let waits = waits.as_str().unwrap().to_owned();
    let load = format!("/{id}/load");
    server.wait_until(&id, "sending", |shown| {
        shown["elapsed_s"].as_f64() > Some(0.0)
    });
    let planned = server.get(&load).expect(200).json();
    let expected = json!({
        "id": id, "users": 2, "rate": null, "paused": false, "adjusted": false, "most": 50.0, "why": null,
    });
    assert_eq!(planned, expected);
    // Nothing of this changes anything.
    for (body, status, why) in [
        (json!({}), 200, "\"adjusted\":false"),
        (json!({"paused": null}), 200, "\"adjusted\":false"),
        (json!({"users": 2.5}), 400, "cannot be read"),
        (json!({"user": 2}), 400, "`users`"),
        (json!({"users": -1}), 400, "cannot be read"),
        (json!({"users": 51}), 403, "at most 50"),
        (json!({"rate": 5, "paused": true}), 422, "number of users"),
    ] {
        let refused = server.patch(&load, &body).expect(status);
        assert!(refused.body.contains(why), "{refused:?}");
    }
    let waiting = server.patch(&format!("/{waits}/load"), &json!({"users": 3}));
    assert!(waiting.expect(409).body.contains("waits"));
    server.patch("/none/load", &json!({"users": 3})).expect(404);
    assert_eq!(server.get(&load).json(), expected);
    let users = |server: &Server, users: u64| {
        server.wait_until(&id, &format!("{users} users"), |_| {
            let series = server.get(&format!("/{id}/series")).json();
            let last = series["seconds"].as_array().unwrap().last().cloned();
            last.is_some_and(|last| last["users"] == users)
        });
    };
    let changed = server.patch(&load, &json!({"users": 7})).expect(200).json();
    assert_eq!(
        (&changed["users"], &changed["adjusted"]),
        (&json!(7), &json!(true))
    );
    users(&server, 7);
    // Changes within 2 s are told as one.
    server.wait_until(&id, "7 users for a while", |_| {
        let series = server.get(&format!("/{id}/series")).json();
        let seconds = series["seconds"].as_array().unwrap().iter();
        seconds.filter(|second| second["users"] == 7).count() >= 4
    });
    // The way to the run outlives the server.
    server.running.signal(Signal::Kill);
    server = Server::of(Perfctl::after(server.running.wait()), &[]);
    server
        .patch(&load, &json!({"users": 4, "paused": true}))
        .expect(200);
    users(&server, 4);
    let is_still = |_: &Value| {
        let seconds = server.get(&format!("/{id}/series")).json()["seconds"].clone();
        let seconds = seconds.as_array().unwrap().clone();
        seconds.last().is_some_and(|last| last["requests"] == 0)
    };
    server.wait_until(&id, "paused", is_still);
    let shown = server
        .patch(&load, &json!({"paused": false}))
        .expect(200)
        .json();
    assert_eq!(shown["paused"], false);
    server.wait_until(&id, "going on", |shown| !is_still(shown));
    let before = files_of(&server);
    assert!(
        before.iter().any(|name| name.ends_with(".sock")),
        "{before:?}"
    );
    server
        .post(&format!("/{id}/cancel"), &json!({}))
        .expect(202);
    let shown = server.wait_for(&id, "ended");
    let over = server.patch(&load, &json!({"users": 3})).expect(409);
    assert!(over.body.contains("over"), "{over:?}");
    let report = &shown["report"];
    assert_eq!(
        (&report["verdict"], &report["grade"]),
        (&json!("inconclusive"), &Value::Null)
    );
    let how = shown["adjusted"].as_str().unwrap();
    assert!(
        how.contains("held at 7 users")
            && how.contains("held at 4 users")
            && how.contains("paused from"),
        "{how}"
    );
    let left = files_of(&server);
    let left = left.iter().filter(|name| before.contains(name));
    let left: Vec<&String> = left
        .filter(|name| name.contains(&id) || name.contains(".sock"))
        .collect();
    assert_eq!(left, Vec::<&String>::new());
    let log = std::fs::read_to_string(server.running.dir().join("results/.serve/audit.jsonl"));
    let lines = log.unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let changes: Vec<Value> = lines
        .filter(|line| line["action"].as_str().unwrap().contains("change"))
        .collect();
    let actions: Vec<_> = changes
        .iter()
        .map(|line| line["action"].as_str().unwrap())
        .collect();
    // Each is followed by what became of it.
    assert_eq!(
        actions,
        [
            "change",
            "not_changed",
            "change",
            "changed",
            "change",
            "changed",
            "change",
            "changed"
        ],
        "{changes:#?}"
    );
    let why = changes[1]["details"]["why"].as_str().unwrap();
    assert!(why.contains("number of users"), "{why}");
    assert_eq!(changes[2]["details"]["users"], 7, "{changes:#?}");
    assert_eq!(changes[3]["details"]["users"], 7, "{changes:#?}");
    server.wait_for(&waits, "ended");
}

#[test]
fn the_rate_of_arrivals_is_changed_and_kept_below_that_of_the_server() {
    let scenario = SCENARIO.replace(
        "users: 2, ramp: 0s, duration: 40s",
        "rate: 20, ramp: 0s, duration: 40s",
    );
    let program = Perfctl::new().file("scenarios/small.yaml", scenario);
    let server = Server::of(program, &["--max-rate", "100"]);
    let id = server.begin("long");
    let load = format!("/{id}/load");
    server.wait_until(&id, "sending", |shown| {
        shown["elapsed_s"].as_f64() > Some(0.0)
    });
    let refused = server.patch(&load, &json!({"rate": 101})).expect(403);
    assert!(refused.body.contains("at most 100"), "{refused:?}");
    server.patch(&load, &json!({"users": 5})).expect(422);
    // Ten times the planned rate could be set, if the server allowed it.
    assert_eq!(server.get(&load).json()["most"], 100.0);
    // What is planned and what is held are known in a pause, too.
    let paused = server.patch(&load, &json!({"paused": true})).expect(200);
    assert_eq!(
        (&paused.json()["rate"], &paused.json()["paused"]),
        (&json!(20.0), &json!(true))
    );
    server.patch(&load, &json!({"paused": false})).expect(200);
    let changed = server
        .patch(&load, &json!({"rate": 62.5}))
        .expect(200)
        .json();
    assert_eq!(
        (&changed["rate"], &changed["users"]),
        (&json!(62.5), &Value::Null)
    );
    for paused in [true, false] {
        let changed = server.patch(&load, &json!({"paused": paused})).expect(200);
        assert_eq!(changed.json()["rate"], 62.5, "{changed:?}");
    }
    server.wait_until(&id, "faster", |_| {
        let seconds = server.get(&format!("/{id}/series")).json()["seconds"].clone();
        let seconds = seconds.as_array().unwrap().clone();
        seconds
            .iter()
            .any(|one| one["requests"].as_u64() > Some(50))
    });
    server
        .post(&format!("/{id}/cancel"), &json!({}))
        .expect(202);
    let shown = server.wait_for(&id, "ended");
    assert!(
        shown["adjusted"]
            .as_str()
            .unwrap()
            .contains("held at 62.5/s"),
        "{shown}"
    );
}

#[test]
fn the_load_of_a_run_with_long_names_is_changed_and_without_a_socket_the_reason_is_said() {
    let (name, profile) = ("n".repeat(60), "p".repeat(60));
    let scenario = SCENARIO
        .replace("name: small", &format!("name: {name}"))
        .replace("  long:", &format!("  {profile}:"));
    let server = Server::of(Perfctl::new().file("scenarios/small.yaml", scenario), &[]);
    let id = server.begin(&profile);
    let load = format!("/{id}/load");
    server.wait_until(&id, "sending", |shown| {
        shown["elapsed_s"].as_f64() > Some(0.0)
    });
    let changed = server.patch(&load, &json!({"users": 3})).expect(200);
    assert_eq!(changed.json()["users"], 3);
    let sockets = files_of(&server).into_iter();
    let sockets: Vec<_> = sockets.filter(|name| name.ends_with(".sock")).collect();
    let [socket] = sockets.as_slice() else {
        panic!("{sockets:?}");
    };
    let folder = server.running.dir().join("results/.serve");
    std::fs::remove_file(folder.join(socket)).unwrap();
    let refused = server.patch(&load, &json!({"users": 4})).expect(409).json();
    assert!(
        refused["error"].as_str().unwrap().contains("socket"),
        "{refused}"
    );
    assert!(
        refused["help"].as_str().unwrap().contains(".serve/"),
        "{refused}"
    );
    server
        .post(&format!("/{id}/cancel"), &json!({}))
        .expect(202);
    server.wait_for(&id, "ended");
}
