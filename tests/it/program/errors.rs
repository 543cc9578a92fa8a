//! What a run keeps of responses that it did not expect, and how it counts them.

use crate::support::Perfctl;
use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, answer, ok};
use crate::support::scenario::SCENARIO;
use serde_json::Value;

/// Errors of a JSON report, as `(endpoint, type, status, check, example)`.
fn errors(report: &Value) -> Vec<(String, String, u64, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = report["errors"].as_array().unwrap().iter();
    let mut errors: Vec<_> = errors
        .map(|error| {
            (
                text(&error["endpoint"]),
                text(&error["error_type"]),
                error["status"].as_u64().unwrap_or_default(),
                text(&error["check"]),
                text(&error["example"]),
            )
        })
        .collect();
    errors.sort();
    errors
}

fn what_an_unexpected_response_says_is_shown_with_its_error() {
    let server = Recording::start(|seen, number| match seen.path() {
        "/order" if number % 2 == 0 => answer(
            "422 Unprocessable Content",
            "",
            r#"{"message": "qty must be an integer"}"#,
        ),
        "/order" => answer("404 Not Found", "", r#"{"detail": "no such shop"}"#),
        "/page" => answer("500 Oops", "", &format!("<h1>{}", "x".repeat(100_000))),
        "/created" => ok(r#"{"access_token": "canary-canary", "old": true}"#),
        "/state" => ok(r#"{"state": "open"}"#),
        "/empty" => answer("503 Busy", "", ""),
        "/binary" => answer("502 Bad", "", "\u{0}\u{1}\u{2}"),
        _ => answer("404 Not Found", "", "gone, as expected"),
    });
    let endpoints = "\
- {name: expected, get: /gone, check: {status: 404}}
- {name: order, post: /order}
- {name: page, get: /page}
- {name: created, get: /created, check: {status: 201}}
- {name: state, get: /state, check: [{json: {$.state: exists}}, {json: {$.state: {equals: closed}}}]}
- {name: empty, get: /empty}
- {name: binary, get: /binary}";
    let completed = Perfctl::scenario(&server.url(), endpoints)
        .args(["-i", "200", "-u", "1", "--workers", "1", "--seed", "4"])
        .args(["--format", "json"])
        .run();
    assert!(!completed.stdout.contains("canary"), "{}", completed.stdout);
    let page = format!("500: <h1>{}…", "x".repeat(195));
    let expected = [
        ("binary", "http_5xx", 502, "", "status 502"),
        (
            "created",
            "check_failed",
            200,
            "status",
            r#"status 200, expected 201: {"access_token": "***", "old": true}"#,
        ),
        ("empty", "http_5xx", 503, "", "status 503"),
        ("order", "http_4xx", 404, "", "404: no such shop"),
        ("order", "http_4xx", 422, "", "422: qty must be an integer"),
        ("page", "http_5xx", 500, "", &page),
        (
            "state",
            "check_failed",
            200,
            "$.state",
            r#"`$.state` is "open", expected "closed"; the response: {"state": "open"}"#,
        ),
    ];
    let expected = expected.map(|(endpoint, kind, status, check, example)| {
        let texts = [endpoint, kind, check, example].map(str::to_owned);
        let [endpoint, kind, check, example] = texts;
        (endpoint, kind, status, check, example)
    });
    assert_eq!(errors(&completed.json()), expected);
}

/// A login that each user makes once, during the ramp, does not look as if it had not happened.
fn requests_and_failures_of_the_ramp_are_counted_beside_the_others() {
    let server = Recording::start(|seen, number| match (seen.path(), number) {
        // The first request of all.
        (_, 0) => answer("401 Unauthorized", "", r#"{"error": "wrong password"}"#),
        _ => ok(""),
    });
    let scenario = format!(
        "name: small\nhost: {}\n\
         users:\n  shopper:\n    on_start: {{name: login, post: /login}}\n    \
         endpoints: [{{name: list, get: /list}}]\n\
         profiles: {{quick: {{stages: [{{name: steady, users: 3, ramp: 1s, duration: 1s}}]}}}}\n",
        server.url()
    );
    let run = |format: &str| {
        Perfctl::new()
            .file(SCENARIO, &scenario)
            .args(["run", "--profile", "quick", "--think-time", "50ms"])
            .args(["--format", format])
            .run()
            .stdout
    };
    let report: Value = serde_json::from_str(&run("json")).unwrap();
    let endpoints = report["endpoints"].as_array().unwrap();
    let login = endpoints.iter().find(|one| one["endpoint"] == "login");
    let login = login.unwrap();
    assert_eq!(
        (&login["total_requests"], &login["unmeasured_requests"]),
        (&0.into(), &3.into())
    );
    let error = &report["errors"][0];
    assert_eq!(
        (&error["requests"], &error["unmeasured_requests"]),
        (&0.into(), &1.into())
    );
    assert_eq!(error["example"], "401: wrong password");
}

/// No request failed, so that only the flow can say why it did.
fn a_flow_that_fails_without_a_failed_request_says_why() {
    let server = Recording::start(|_, _| ok(r#"{"state": "open"}"#));
    let flows = "\
- {name: list, get: /list}
flows:
  wait:
    steps:
      - poll: {name: state, get: /state}
        until: {json: {$.state: ready}}
        every: 5ms
        timeout: 20ms
  broken:
    steps:
      - {name: again, get: /state, check: {status: 201}}";
    let completed = Perfctl::scenario(&server.url(), flows)
        .args(["-i", "30", "-u", "1", "--workers", "1", "--seed", "4"])
        .args(["--format", "json"])
        .run();
    let example = "no response to the poll of `state` matched `until` within 20ms";
    let expected = [
        ("again", "check_failed", 200, "status"),
        ("wait", "check_failed", 0, "poll"),
    ];
    let found = errors(&completed.json());
    assert_eq!(found.last().unwrap().4, example);
    let found = found.iter().map(|(endpoint, kind, status, check, _)| {
        (endpoint.as_str(), kind.as_str(), *status, check.as_str())
    });
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

for_each_client! {
    a_flow_that_fails_without_a_failed_request_says_why
    what_an_unexpected_response_says_is_shown_with_its_error
    requests_and_failures_of_the_ramp_are_counted_beside_the_others
}
