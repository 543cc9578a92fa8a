//! Locust's web interface, held to what Locust itself responded, and to the rules of the server.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;

use serde_json::{Value, json};

use super::{Reply, Server};
use crate::support::Perfctl;
use crate::support::documents::read;

/// What Locust 2.47.0 responded; `tests/formats/README.md` says how it was asked.
fn recorded(name: &str) -> Value {
    let text = read(&format!("tests/formats/locust-2.47/web/{name}.json"));
    serde_json::from_str(&text).unwrap()
}

/// The names of all fields; those of the members of a list together.
fn names(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, one) in fields {
                let at = format!("{at}.{name}");
                names(one, &at, found);
                found.insert(at);
            }
        }
        Value::Array(members) => {
            for one in members {
                names(one, &format!("{at}[]"), found);
            }
        }
        _ => {}
    }
}

fn names_of(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    names(value, "", &mut found);
    found
}

impl Server {
    fn locust(&self, method: &str, path: &str, form: &str) -> Reply {
        let bearer = self.bearer();
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        // As `curl -X POST` and `requests.post(url)` do it.
        let headers = match form.is_empty() {
            true => &headers[..1],
            false => &headers[..],
        };
        self.send(method, path, headers, form)
    }

    fn numbers(&self) -> Value {
        self.locust("GET", "/stats/requests", "").expect(200).json()
    }

    /// Waits until this holds of the numbers.
    #[track_caller]
    fn wait_for_numbers(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let start = std::time::Instant::now();
        loop {
            let numbers = self.numbers();
            if holds(&numbers) {
                return numbers;
            }
            let waited = start.elapsed();
            assert!(waited.as_secs() < 120, "not {what}: {numbers:#}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

#[test]
fn a_script_for_locust_starts_changes_reads_and_stops_a_run() {
    let server = Server::start(&["--locust-api", "small"]);
    let nothing = server.numbers();
    assert_eq!(
        (&nothing["state"], &nothing["user_count"]),
        (&json!("ready"), &json!(0))
    );
    for (form, status, why) in [
        ("user_count=x&spawn_rate=1", 422, "must be a whole number"),
        ("user_count=1&spawn_rate=inf", 422, "spawn_rate"),
        ("user_count=1&run_time=soon", 422, "run_time"),
        ("user_count=1&user_classes=Small", 422, "`user_classes`"),
        ("user_count=1&host=http://169.254.169.254", 403, "host"),
        ("user_count=1&profile=../long", 422, "profile"),
    ] {
        let refused = server.locust("POST", "/swarm", form).expect(status).json();
        assert_eq!(names_of(&refused), names_of(&recorded("swarm_refused")));
        assert_eq!(refused["success"], false);
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
    }
    assert_eq!(server.get("/").json()["count"], 0, "nothing was started");
    let form = "user_count=3&spawn_rate=100&run_time=50&profile=long&host=";
    let mut started = server.locust("POST", "/swarm", form).expect(200).json();
    let id = started["id"].as_str().unwrap().to_owned();
    started.as_object_mut().unwrap().remove("id");
    assert_eq!(names_of(&started), names_of(&recorded("swarm")));
    assert_eq!(
        (&started["success"], &started["message"]),
        (&json!(true), &json!("Swarming started"))
    );
    let numbers = server.wait_for_numbers("failing", |numbers| {
        let is_running = numbers["state"] == "running" && numbers["user_count"] == 3;
        is_running && numbers["errors"][0].is_object() && numbers["stats"][2].is_object()
    });
    assert_eq!(
        names_of(&numbers),
        names_of(&recorded("requests")),
        "{numbers:#}"
    );
    let total = numbers["stats"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&total["name"], &total["method"]),
        (&json!("Aggregated"), &json!(""))
    );
    let ratio = total["num_failures"].as_f64().unwrap() / total["num_requests"].as_f64().unwrap();
    assert_eq!(numbers["fail_ratio"], ratio);
    assert!(
        numbers["current_rps"].as_f64().unwrap() > 1.0,
        "{numbers:#}"
    );
    assert_eq!(numbers["total_rps"], total["total_rps"]);
    let error = &numbers["errors"][0];
    assert_eq!(
        (&error["method"], &error["name"]),
        (&json!("GET"), &json!("gone"))
    );
    assert!(
        error["first_seen"].as_f64() <= error["last_seen"].as_f64(),
        "{error}"
    );
    // While it goes on, it has other users, and nothing else can be changed.
    let form = "user_count=6&spawn_rate=1&run_time=50s";
    let mut changed = server.locust("POST", "/swarm", form).expect(200).json();
    assert_eq!(
        changed.as_object_mut().unwrap().remove("id"),
        Some(json!(id))
    );
    assert_eq!(names_of(&changed), names_of(&recorded("swarm")));
    assert_eq!(
        (&changed["host"], &changed["run_time"]),
        (&started["host"], &started["run_time"])
    );
    let form = "user_count=6&spawn_rate=1";
    let changed = server.locust("POST", "/swarm", form).expect(200).json();
    assert_eq!(
        (&changed["id"], &changed["run_time"]),
        (&json!(id), &Value::Null)
    );
    let other = server.locust("POST", "/swarm", "user_count=6&profile=quick");
    assert!(other.expect(409).body.contains(&id));
    server.wait_for_numbers("6 users", |numbers| numbers["user_count"] == 6);
    for method in ["GET", "POST"] {
        let kept = server.locust(method, "/stats/reset", "").expect(409);
        assert!(kept.body.contains("never reset"), "{kept:?}");
    }
    let csv = |path: &str| {
        let reply = server.locust("GET", path, "").expect(200);
        assert!(reply.head.contains("content-type: text/csv"), "{reply:?}");
        reply.body
    };
    for (path, file) in [
        ("/stats/requests/csv", "stats"),
        ("/stats/failures/csv", "failures"),
        ("/stats/requests_full_history/csv", "stats_history"),
        ("/exceptions/csv", "exceptions"),
    ] {
        let theirs = read(&format!("tests/formats/locust-2.47/locust_{file}.csv"));
        assert_eq!(csv(path).lines().next(), theirs.lines().next(), "{path}");
    }
    assert!(csv("/stats/requests/csv").contains("GET,gone,"));
    let tasks = server.locust("GET", "/tasks", "").expect(200).json();
    let shares = &tasks["per_class"]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap()["tasks"];
    assert_eq!(
        shares,
        &json!({"list": {"ratio": 0.75}, "gone": {"ratio": 0.25}})
    );
    let their_tasks = recorded("tasks");
    for name in ["per_class", "total"] {
        let fields = |value: &Value| {
            let class = value[name]
                .as_object()
                .unwrap()
                .values()
                .next()
                .unwrap()
                .clone();
            class
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(fields(&tasks), fields(&their_tasks));
    }
    let exceptions = server.locust("GET", "/exceptions", "").expect(200).json();
    assert_eq!(exceptions, json!({"exceptions": []}));
    let logs = server.locust("GET", "/logs", "").expect(200).json();
    assert!(
        logs["master"].is_array() && logs["workers"].is_object(),
        "{logs}"
    );
    let stopped = server.locust("POST", "/stop", "").expect(200).json();
    assert_eq!(stopped, recorded("stop"));
    // At once: it responds when the run is over.
    assert_eq!(server.get(&format!("/{id}")).json()["state"], "ended");
    let ended = server.numbers();
    assert_eq!(ended["state"], "stopped");
    let total = ended["stats"].as_array().unwrap().last().unwrap()["num_requests"].clone();
    let stats = csv("/stats/requests/csv");
    assert!(
        stats.contains(&format!(",Aggregated,{total},")),
        "{total}: {stats}"
    );
    assert_eq!(names_of(&ended), names_of(&recorded("requests")));
    assert_eq!(ended["user_count"], 0);
    // Locust counts everything, the report what is measured; this run has no ramp.
    let report = server.get(&format!("/{id}/report?format=locust")).json();
    let counts = report
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["num_requests"].as_u64());
    let total = ended["stats"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(total["num_requests"].as_u64(), counts.sum());
    let shown = server.get(&format!("/{id}")).json();
    assert!(
        shown["adjusted"]
            .as_str()
            .unwrap()
            .contains("held at 6 users")
    );
    // As earlier versions of Locust: nothing is left to stop.
    server.locust("GET", "/stop", "").expect(200);
    let form = "user_count=1&spawn_rate=1&profile=long";
    server.locust("POST", "/swarm", form).expect(200);
    server.locust("POST", "/stop", "").expect(200);
    assert_eq!(server.get("/active").json()["active"], Value::Null);
}

#[test]
fn a_run_that_was_started_in_another_way_is_not_taken_over() {
    let server = Server::start(&["--locust-api", "small"]);
    let id = server.begin("long");
    server.wait_until(&id, "sending", |shown| {
        shown["elapsed_s"].as_f64() > Some(0.0)
    });
    let other = server
        .locust("POST", "/swarm", "user_count=6&spawn_rate=1")
        .expect(409);
    assert!(other.body.contains("in another way"), "{other:?}");
    let same = "user_count=6&spawn_rate=1&profile=long";
    server.locust("POST", "/swarm", same).expect(200);
    server.locust("POST", "/stop", "").expect(200);
}

#[test]
fn files_of_a_run_that_goes_on_need_only_what_is_new_in_its_journal() {
    let server = Server::start(&["--locust-api", "small"]);
    let id = server.begin("long");
    let count = || {
        let stats = server.locust("GET", "/stats/requests/csv", "");
        let total = stats.body.lines().last().unwrap_or_default().to_owned();
        let count = total.strip_prefix(",Aggregated,").unwrap_or_default();
        count.split(',').next().unwrap().parse::<u64>().unwrap_or(0)
    };
    crate::support::scenario::wait_until("counted", || count() > 0);
    // Whoever began at its start again would find no journal.
    let journal = server.running.dir().join("results").join(&id);
    let journal = std::fs::OpenOptions::new()
        .write(true)
        .open(journal.join("journal.jsonl"))
        .unwrap();
    journal.write_all_at(b"x", 0).unwrap();
    assert!(count() > 0);
    let failures = server.locust("GET", "/stats/failures/csv", "").expect(200);
    assert!(failures.body.contains("GET,gone,"), "{failures:?}");
    journal.write_all_at(b"{", 0).unwrap();
    server.locust("POST", "/stop", "").expect(200);
    let shown = server.wait_for(&id, "ended");
    assert_eq!(shown["report"]["total_requests"], count());
}

#[test]
fn shares_of_tasks_need_no_limits_and_those_of_one_name_are_added() {
    let scenario = "name: small\nhost: demo\nendpoints:\n- {name: list, get: /a, weight: 1}\n\
                    - {name: list, get: /b, weight: 2}\n- {name: other, get: /c, weight: 1}\n";
    let program = Perfctl::new().file("scenarios/small.yaml", scenario);
    let server = Server::of(program, &["--locust-api", "small", "--max-users", "1"]);
    let start = json!({"scenario": "small"});
    server.post("/start", &start).expect(403);
    let tasks = server.locust("GET", "/tasks", "").expect(200).json();
    let class = tasks["total"].as_object().unwrap().values().next().unwrap();
    assert_eq!(
        class["tasks"],
        json!({"list": {"ratio": 0.75}, "other": {"ratio": 0.25}})
    );
}

#[test]
fn paths_of_locust_need_the_option_and_the_token_in_the_header() {
    let server = Server::start(&["--locust-api", "small"]);
    let without = Server::start(&[]);
    let bearer = server.bearer();
    let token = ("authorization", bearer.as_str());
    let form = ("content-type", "application/x-www-form-urlencoded");
    let mut count = 0;
    for route in perfctl::serve::LOCUST_ROUTES {
        let (method, path) = (route.method, route.path);
        without.locust(method, path, "").expect(404);
        server.send(method, path, &[form], "").expect(401);
        let path_with_token = format!("{path}?token={}", server.token);
        server
            .send(method, &path_with_token, &[form], "")
            .expect(401);
        // A page that knows the token could still not use it.
        for foreign in [
            ("origin", "http://evil.example"),
            ("sec-fetch-site", "cross-site"),
        ] {
            server
                .send(method, path, &[token, form, foreign], "")
                .expect(403);
        }
        count += 1;
    }
    assert!(count > 10);
    for kind in ["application/json", "text/plain", "multipart/form-data"] {
        let kind = ("content-type", kind);
        server
            .send("POST", "/swarm", &[token, kind], "")
            .expect(415);
    }
    // A form of which is not said that it is one.
    let untold = server.send("POST", "/swarm", &[token], "user_count=1");
    untold.expect(415);
    assert_eq!(server.get("/").json()["count"], 0, "nothing was started");
    let text = read("docs/serve.md");
    for route in perfctl::serve::LOCUST_ROUTES {
        assert!(
            text.contains(&format!("`{}`", route.path)),
            "{}",
            route.path
        );
    }
    let refused = Perfctl::new()
        .file("scenarios/small.yaml", super::SCENARIO)
        .args(["serve", "--listen", "127.0.0.1:0", "--locust-api", "smal"])
        .expect_status(2)
        .run();
    assert!(
        refused.stderr.contains("did you mean `small`?"),
        "{}",
        refused.stderr
    );
}
