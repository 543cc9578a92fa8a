//! User classes and flows by the whole program: logging in, cookies, polling, what is counted and
//! what the reports say.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use perfctl::metrics::{Outcome, RunResult, Window};

use crate::support::Perfctl;
use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, ok};
use crate::support::scenario::outcomes;
use crate::support::serving::Serving;

/// A shop that only serves who is logged in: sessions by cookie, an invoice that is ready when it
/// was asked for three times.
#[derive(Default)]
struct Shop {
    logins: AtomicU64,
    logouts: AtomicU64,
    /// Requests for items, by session.
    items: Mutex<BTreeMap<String, u64>>,
    /// Requests for the status since the last upload, by session.
    asked: Mutex<BTreeMap<String, u64>>,
}

fn session(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    let mut cookies = cookies.split("; ");
    let session = cookies.find_map(|cookie| cookie.strip_prefix("sid="))?;
    Some(session.to_owned())
}

async fn log_in(State(shop): State<Arc<Shop>>) -> Response {
    let number = shop.logins.fetch_add(1, Relaxed);
    let cookie = format!("sid=s{number}; Path=/; HttpOnly");
    // As sites do: the cookie comes with a redirect.
    ([(header::SET_COOKIE, cookie)], Redirect::to("/items")).into_response()
}

async fn log_out(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> StatusCode {
    if session(&headers).is_none() {
        return StatusCode::UNAUTHORIZED;
    }
    shop.logouts.fetch_add(1, Relaxed);
    StatusCode::NO_CONTENT
}

async fn items(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> StatusCode {
    let Some(session) = session(&headers) else {
        return StatusCode::UNAUTHORIZED;
    };
    *shop.items.lock().unwrap().entry(session).or_default() += 1;
    StatusCode::OK
}

async fn upload(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> StatusCode {
    let session = session(&headers).unwrap_or_default();
    shop.asked.lock().unwrap().insert(session, 0);
    StatusCode::CREATED
}

async fn status(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> String {
    let mut asked = shop.asked.lock().unwrap();
    let count = asked
        .entry(session(&headers).unwrap_or_default())
        .or_default();
    *count += 1;
    let state = if *count >= 3 { "done" } else { "pending" };
    format!("{{\"state\": \"{state}\"}}")
}

fn shop() -> (Serving, Arc<Shop>) {
    let shop = Arc::new(Shop::default());
    let router = Router::new()
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .route("/items", get(items))
        .route("/invoices", post(upload))
        .route("/invoices/status", get(status))
        .route(
            "/broken",
            get(|| async { StatusCode::INTERNAL_SERVER_ERROR }),
        )
        .with_state(shop.clone());
    let serving = Serving::start(1024, |listener, _| async {
        axum::serve(listener, router).await.unwrap();
    });
    (serving, shop)
}

/// A run of `users` users for a second of the scenario of these keys.
fn run(serving: &Serving, users: usize, keys: &str) -> Perfctl {
    let text = format!(
        "name: shop\nhost: http://{}\n{keys}profiles: {{quick: {{stages: \
         [{{name: steady, users: {users}, ramp: 0s, duration: 1s}}]}}}}\n",
        serving.addr()
    );
    Perfctl::new()
        .file(crate::support::scenario::SCENARIO, text)
        .args(["run", "--profile", "quick", "--assume-healthy"])
}

fn position(result: &RunResult, name: &str) -> usize {
    let mut endpoints = result.endpoints.iter();
    endpoints.position(|e| e.endpoint.name == name).unwrap()
}

fn ended(result: &RunResult, name: &str, class: Outcome) -> u64 {
    let phases = result.endpoints[position(result, name)].phases.iter();
    phases.map(|cell| cell.count(|c| c == class)).sum()
}

const LOGIN: &str = "\
users:
  customer:
    think_time: constant(20ms)
    on_start: {name: log in, post: /login}
    on_stop: {name: log out, post: /logout}
    endpoints: [{name: items, get: /items}]
";

fn users_log_in_once_keep_their_cookie_and_log_out() {
    let (serving, shop) = shop();
    let completed = run(&serving, 5, LOGIN).expect_status(0).run();
    let result = completed.result();
    assert_eq!(shop.logins.load(Relaxed), 5);
    assert_eq!(shop.logouts.load(Relaxed), 5);
    assert_eq!(result.count(Outcome::is_failure), 0, "each was logged in");
    // The login of each was redirected to the items.
    let sent = ended(&result, "items", Outcome::Ok);
    let sessions = shop.items.lock().unwrap().clone();
    assert_eq!(
        (sessions.len(), sessions.values().sum::<u64>()),
        (5, sent + 5)
    );
    assert!(sessions.values().all(|count| *count > 2), "{sessions:?}");
    // What a user does when it stops is counted, but not graded.
    let measured = result.summary(Some(position(&result, "log out")), Window::Measured);
    assert_eq!(measured.requests, 0);
    assert_eq!(ended(&result, "log out", Outcome::Ok), 5);
    assert_eq!(result.run.phases.last().unwrap().name, "after the load");
}

fn a_user_who_cannot_log_in_ends_and_the_report_says_so() {
    let (serving, shop) = shop();
    let keys = LOGIN.replace("post: /login", "get: /broken");
    let completed = run(&serving, 3, &keys).run();
    let result = completed.result();
    let totals = result.run.ending.as_ref().unwrap().totals;
    assert_eq!((result.run.failed_starts(), totals.started), (3, 3));
    let starts = &result.run.starts["customer"];
    assert_eq!((starts.ended, starts.failed), (3, 3));
    let why = starts.why.as_deref().unwrap();
    assert!(why.starts_with("step `log in` ended as http_"), "{why}");
    assert_eq!(shop.logouts.load(Relaxed), 0);
    let text = "users ended because their `on_start` failed: 3";
    let shown = completed
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(shown.contains(text), "{shown}");
    let found = "customer: `on_start` failed for 3 of 3 users, the first: step `log in` ended";
    assert!(shown.contains(found), "{shown}");
    // Nor is it forgotten if perfctl is killed.
    let directory = completed.runs()[0].clone();
    let path = directory.join("journal.jsonl");
    let journal = std::fs::read_to_string(&path).unwrap();
    let (seconds, end) = journal.split_at(journal.find("{\"end\"").unwrap());
    assert_eq!(end.lines().count(), 1);
    std::fs::write(&path, seconds).unwrap();
    std::fs::remove_file(directory.join("result.json")).unwrap();
    let stored = directory.display().to_string();
    let recovered = Perfctl::new().args(["recover", &stored]).run();
    let shown: Vec<_> = recovered.stdout.split_whitespace().collect();
    let shown = shown.join(" ");
    assert!(shown.contains("perfctl was killed"), "{shown}");
    assert!(shown.contains(text) && shown.contains(found), "{shown}");
}

fn a_flow_waits_for_an_invoice_and_has_its_own_numbers_and_targets() {
    let (serving, _shop) = shop();
    let keys = "\
flows:
  invoice:
    think_time: constant(5ms)
    slo: {p95: 5s, error_rate: 1%}
    steps:
      - {name: upload, post: /invoices}
      - think: 50ms
      - poll: {name: status, get: /invoices/status}
        until: {json: {\"$.state\": done}}
        every: 10ms
        timeout: 5s
users:
  clerk: {on_start: {name: log in, post: /login}}
";
    let completed = run(&serving, 6, keys).args(["--format", "json"]).run();
    let result = completed.result();
    let json = completed.json();
    let flows = ended(&result, "invoice", Outcome::Ok);
    assert!(flows > 4, "{flows}");
    let uploads = ended(&result, "upload", Outcome::Ok);
    assert_eq!(ended(&result, "status", Outcome::Ok), 3 * flows);
    assert_eq!(uploads, flows);
    // The totals are those of requests.
    assert_eq!(result.count(Outcome::is_started), 4 * flows + 6);
    let flow = result.summary(Some(position(&result, "invoice")), Window::Measured);
    let (without, with) = (flow.response_us.min.unwrap(), flow.service_us.min.unwrap());
    assert!(without >= 20_000.0, "two waits of the poll: {without}");
    assert!(with - without >= 45_000.0, "{with} - {without}");
    let entry = json["endpoints"].as_array().unwrap();
    let entry = entry.iter().find(|e| e["endpoint"] == "invoice").unwrap();
    assert_eq!(entry["method"], "FLOW");
    assert_eq!(json["targets_met"], 2, "{}", json["slos"]);
}

#[test]
fn a_stored_run_with_flows_is_reported_and_recovered() {
    let (serving, _shop) = shop();
    let keys = "\
flows:
  bad: {think_time: constant(5ms), steps: [{name: broken, get: /broken}, {name: never, get: /items}]}
  good: {think_time: constant(5ms), weight: 4, on_error: continue, steps: [{name: new, post: /invoices}]}
";
    let completed = run(&serving, 2, keys).run();
    let result = completed.result();
    let (bad, good) = (
        ended(&result, "bad", Outcome::Http5xx),
        ended(&result, "good", Outcome::Ok),
    );
    assert!(bad > 0 && good > bad, "{bad} {good}");
    assert_eq!(ended(&result, "never", Outcome::Ok), 0);
    let stored = completed.runs()[0].display().to_string();
    let shown = Perfctl::new().args(["report", &stored]).run().stdout;
    assert!(
        shown.contains("Flows") && shown.contains("p95+think"),
        "{shown}"
    );
    let text = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("planned"), "{text}");
    std::fs::remove_file(completed.runs()[0].join("result.json")).unwrap();
    Perfctl::new().args(["recover", &stored]).run();
    let recovered = perfctl::metrics::read_result(&completed.runs()[0]).unwrap();
    assert_eq!(recovered.endpoints, result.endpoints);
}

for_each_client! {
    users_log_in_once_keep_their_cookie_and_log_out
    a_user_who_cannot_log_in_ends_and_the_report_says_so
    a_flow_waits_for_an_invoice_and_has_its_own_numbers_and_targets
}

/// A run of one user, and what came of it.
fn waited(users: &str, iterations: u32) -> (crate::support::Completed, Vec<String>) {
    let server = Recording::start(|_, _| ok("{\"wait_s\": 0.001}"));
    let text = format!(
        "host: {}\n{users}\nprofiles: {{quick: {{stages: [{{users: 1, ramp: 0s, duration: 30s}}]}}}}\n",
        server.url()
    );
    let completed = Perfctl::new()
        .file("scenarios/default.yaml", text)
        .args([
            "run",
            "--profile",
            "quick",
            "--fail-on",
            "none",
            "--iterations",
        ])
        .args([iterations.to_string()])
        .run();
    (completed, server.paths())
}

#[test]
fn think_times_are_computed_from_variables_and_responses() {
    let users = r#"
variables: {pause: "{{ random_float(0.001, 0.002) }}"}
users:
  one:
    think_time: "{{ wait_s }}"
    endpoints: [{endpoint: a, think_time: "{{ pause / 2 }}"}]
    flows: [f]
endpoints: [{name: a, get: /a, extract: {wait_s: $.wait_s}}]
flows: {f: {steps: [{name: b, get: /b, extract: {wait_s: $.wait_s}}, {think: "{{ (pause * 1000) | int }}ms"}]}}
"#;
    let (completed, paths) = waited(users, 20);
    assert_eq!(paths.len(), 20);
    assert_eq!(
        outcomes(&completed.result()),
        "ok 20",
        "{}",
        completed.stdout
    );
}

#[test]
fn a_think_time_that_is_none_is_a_failure_that_says_why() {
    let of_class =
        "users: {one: {think_time: \"{{ 1 - iteration * 2 }}\", endpoints: [{name: a, get: /a}]}}";
    let (completed, paths) = waited(of_class, 2);
    assert_eq!(paths, ["/a", "/a"]);
    assert_eq!(outcomes(&completed.result()), "ok 2, invalid_request 2");
    let shown: Vec<&str> = completed.stdout.split_whitespace().collect();
    let why = "a think time is `-1`, which is neither seconds from 0 nor a duration";
    assert!(shown.join(" ").contains(why), "{}", completed.stdout);

    let of_step = "flows: {f: {steps: [{get: /a}, {think: \"{{ 'x' ~ iteration }}\"}, {get: /b}]}}";
    let (completed, paths) = waited(of_step, 1);
    assert_eq!(paths, ["/a"], "the flow ends there");
    let result = completed.result();
    assert_eq!(outcomes(&result), "ok 1");
    let shown: Vec<&str> = completed.stdout.split_whitespace().collect();
    assert!(
        shown.join(" ").contains("think time"),
        "{}",
        completed.stdout
    );
}
