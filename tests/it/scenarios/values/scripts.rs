//! Functions of a script in values, checks and extractions: what is sent, and how it counts.

mod steps;

use serde_json::json;

use crate::support::Perfctl;
use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, answer, ok};
use crate::support::scenario::{count, outcomes};
use perfctl::metrics::Outcome;

/// A program with a scenario of these keys and a script.
fn running(server: &Recording, script: &str, rest: &str) -> Perfctl {
    let text = format!(
        "host: {}\nscript: shop.js\n{rest}\nprofiles: {{quick: {{stages: [{{users: 1, ramp: 0s, duration: 1s}}]}}}}\n",
        server.url()
    );
    Perfctl::new()
        .file("scenarios/default.yaml", text)
        .file("scenarios/shop.js", script)
}

/// The same, with one user who goes through `times` iterations.
fn scripted(server: &Recording, script: &str, rest: &str, times: u32) -> Perfctl {
    running(server, script, rest)
        .args(["run", "--profile", "quick", "--seed", "7", "--iterations"])
        .args([times.to_string()])
}

for_each_client! {
    functions_give_values_of_all_types
    functions_check_and_extract
    a_response_knows_what_was_requested
    a_function_that_fails_ends_its_iteration_and_nothing_else
}

fn functions_give_values_of_all_types() {
    let server = Recording::start(|_, _| ok("{}"));
    let script = "
        import { secret } from './lib/keys.js';
        let sent = 0;
        export const next = () => ++sent;
        export const sign = (body) => crypto.hmac('sha256', secret, JSON.stringify(body));
        export const item = (id) => ({ id, tags: ['a', null], price: 2.5 });
        export const pick = () => Math.floor(Math.random() * 1e9);
    ";
    let rest = r#"
variables: {order: {id: 5}}
endpoints:
  - post: "/orders/{{ js.next() }}"
    headers: {x-signature: "{{ js.sign(order) }}"}
    json: {item: "{{ js.item(order.id) }}", n: "{{ js.item(3).id + 1 }}", random: "{{ js.pick() }}"}
"#;
    let sent = || {
        let program = scripted(&server, script, rest, 2);
        let program = program.file("scenarios/lib/keys.js", "export const secret = 'k';");
        program.expect_status(0).run();
        let seen = server.seen();
        let last = &seen[seen.len() - 2..];
        assert_eq!([last[0].path(), last[1].path()], ["/orders/1", "/orders/2"]);
        assert_eq!(last[0].header("x-signature").unwrap().len(), 64);
        let body: serde_json::Value = serde_json::from_str(&last[1].text()).unwrap();
        assert_eq!(
            body["item"],
            json!({"id": 5, "tags": ["a", null], "price": 2.5})
        );
        assert_eq!(body["n"], 4);
        body["random"].clone()
    };
    assert_eq!(sent(), sent(), "the same seed gives the same requests");
}

fn a_response_knows_what_was_requested() {
    let server = Recording::ok();
    let script = "export const at = (response, url) => response.url === url;";
    let rest = r#"
endpoints:
  - {get: "/item/{{ iteration }}", check: {js: "at(response, '/item/' ~ iteration)"}}
"#;
    let completed = scripted(&server, script, rest, 3).run();
    assert_eq!(outcomes(&completed.result()), "ok 3");
}

fn functions_check_and_extract() {
    let server = Recording::start(|seen, _| {
        let age = if seen.path() == "/old" { 9 } else { 1 };
        let headers = format!("x-age: {age}\r\n");
        answer("200 OK", &headers, "{\"ids\": [7, 8], \"token\": \"t-1\"}")
    });
    let script = "
        export const isFresh = (response, limit) => Number(response.headers.get('X-Age')) < limit;
        export const last = (response) => response.json().ids.at(-1);
        export const none = () => null;
        export const whole = (r) => `${r.status} ${r.ok} ${r.elapsedMs > 0} ${r.url} ${r.text().length}`;
    ";
    let rest = r#"
variables: {limit: 5}
flows:
  read:
    on_error: continue
    steps:
      - name: fresh
        get: /new
        check: {js: ["isFresh(response, limit)", "last(response)"]}
        extract: {id: {js: last(response)}, other: {js: none(response), default: [1]}, whole: {js: whole(response)}}
      - {name: send, post: /send, json: {id: "{{ id }}", other: "{{ other }}", whole: "{{ whole }}"}}
      - {name: stale, get: /old, check: {js: "isFresh(response, limit)", fail_with: too old}, extract: {id: {js: none(response), default: 0}}}
      - {name: lacks, get: /new, extract: {id: {js: none(response)}}}
"#;
    let completed = scripted(&server, script, rest, 1).run();
    let body: serde_json::Value = serde_json::from_str(&server.seen()[1].text()).unwrap();
    assert_eq!(
        body,
        json!({"id": 8, "other": [1], "whole": "200 true true /new 31"})
    );
    let result = completed.result();
    assert_eq!(outcomes(&result), "ok 2, check_failed 2");
    let shown = completed.read(completed.runs()[0].join("result.json"));
    assert!(shown.contains("too old"), "{shown}");
    assert!(
        shown.contains("`id` was not found: `js.none(response)` is null"),
        "{shown}"
    );
}

fn a_function_that_fails_ends_its_iteration_and_nothing_else() {
    let server = Recording::start(|_, _| ok("{\"a\": 1}"));
    let script = "
        export const value = (n) => { if (n === 2) throw new Error('no value'); return n; };
        export const slow = (n) => { while (n === 3) {} return true; };
        export const broken = (r, n) => n !== 4 || r.json().x.y;
    ";
    let rest = r#"
endpoints:
  - name: one
    get: "/{{ js.value(iteration) }}/{{ js.slow(iteration) }}"
    variables: {n: "{{ iteration }}"}
    check: {js: "broken(response, n)"}
"#;
    let completed = scripted(&server, script, rest, 6).run();
    let result = completed.result();
    assert_eq!(outcomes(&result), "ok 3, script_error 3");
    assert_eq!(count(&result, Outcome::ScriptError), 3);
    assert_eq!(server.seen().len(), 4, "two were not sent");
    let text = completed.read(completed.runs()[0].join("result.json"));
    for part in ["no value, at shop.js:2:", "property 'y' of undefined"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}
