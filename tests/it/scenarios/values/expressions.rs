//! Values that expressions make, as the service receives them.

use serde_json::{Value, json};

use crate::support::Perfctl;
use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, ok};
use crate::support::scenario::SCENARIO;

/// The JSON bodies of `perfctl run` with a user who sends `count` requests.
fn sent(endpoint: &str, count: &str, seed: &str) -> Vec<Value> {
    let server = Recording::start(|_, _| ok(""));
    Perfctl::scenario(&server.url(), endpoint)
        .args(["-i", count, "-u", "1", "--workers", "1", "--seed", seed])
        .expect_status(0)
        .run();
    let seen = server.seen().into_iter();
    seen.map(|seen| serde_json::from_slice(&seen.body).unwrap())
        .collect()
}

fn lists_texts_and_dates_are_sent_with_their_types() {
    let endpoint = "\
- post: /
  json:
    cart: \"{{ range(1, 4) | map('string') | list }}\"
    dear: \"{{ prices | selectattr('price', 'gt', 5) | map(attribute='name') | list }}\"
    number: \"{{ '%05d' | format(user_id) }}\"
    words: \"{{ 'a,b'.split(',') }}\"
    object: \"{{ {'user': user_id, 'tags': ['x']} }}\"
    day: \"{{ ('2026-02-28' | timestamp + 86400) | date('%d.%m.%Y', 'Europe/Berlin') }}\"
    is_now: \"{{ now - timestamp() < 5 and (now | date('%Y') | int) > 2020 }}\"
    year: \"{{ (now() | date('%Y')).startswith('2') }}\"
    now: '{{ now }}'
variables: {prices: \"{{ [{'name': 'tea', 'price': 4}, {'name': 'cake', 'price': 7}] }}\"}";
    let mut body = sent(endpoint, "1", "1").remove(0);
    assert!(body["now"].take().is_number());
    let expected = json!({
        "cart": ["1", "2", "3"],
        "dear": ["cake"],
        "number": "00001",
        "words": ["a", "b"],
        "object": {"user": 1, "tags": ["x"]},
        "day": "01.03.2026",
        "is_now": true,
        "year": true,
        "now": null,
    });
    assert_eq!(body, expected);
}

fn a_value_that_is_nothing_but_a_template_keeps_its_type_everywhere() {
    let endpoint = "\
- {name: a, post: /, json: '{{ cart }}'}
- name: b
  post: /
  json: {'{{ key }}-{{ user_id }}': '{{ cart[0] }}', all: ['{{ cart[1].price }}', '{{ user.tags }}']}
variables:
  price: 7
  cart: [{name: tea, price: 4}, {name: '{{ key2 }}', price: '{{ price }}', at: '{{ user_id }}'}]
  key: item
  user: {id: '{{ user_id }}', tags: [x, '{{ price }}', '{{ price }} EUR'], none: null}
".replace("key2", "price | string");
    let mut bodies = sent(&endpoint, "12", "1");
    bodies.sort_by_key(Value::to_string);
    bodies.dedup();
    let second = json!({"name": "7", "price": 7, "at": 1});
    let expected = [
        json!([{"name": "tea", "price": 4}, second]),
        json!({"item-1": {"name": "tea", "price": 4}, "all": [7, ["x", 7, "7 EUR"]]}),
    ];
    assert_eq!(bodies, expected);
}

fn the_seed_decides_what_is_made_up() {
    let endpoint = "\
- post: /
  json: {name: '{{ fake.name }}', mail: '{{ fake.email | upper }}', on: '{{ fake.boolean }}', at: '{{ fake.latitude }}'}";
    let first = sent(endpoint, "3", "7");
    assert_eq!(first, sent(endpoint, "3", "7"));
    assert_ne!(first, sent(endpoint, "3", "8"));
    assert_ne!(first[0], first[1], "each use makes up another one");
    for body in first {
        assert!(body["on"].is_boolean() && body["at"].is_number(), "{body}");
        assert!(body["mail"].as_str().unwrap().contains("@EXAMPLE."));
    }
}

fn a_header_without_a_value_is_not_sent() {
    let server = Recording::start(|_, _| ok(r#"{"token": null}"#));
    let scenario = "\
- name: a
  get: /a
  extract: {token: $.token}
  headers:
    X-Known: \"{{ env.PERFCTL_T_B | default(none) }}\"
    X-Default: \"{{ env.PERFCTL_T_B | default(none) }}\"
    X-Expression: '{{ user_id if user_id > 99 else none }}'
    X-Text: 'a{{ user_id if user_id > 99 else none }}'
    X-Sent: '{{ user_id if user_id > 0 else none }}'
    Accept: '{{ none if user_id else 1 }}'
- {name: b, get: /b, headers: {X-Token: '{{ token }}', X-One: '{{ token | default(1, true) }}'}}
variables: {token: x}
defaults: {headers: {x-default: d, X-Other: \"{{ env.PERFCTL_T_B | default(none) }}\"}}";
    Perfctl::scenario(&server.url(), scenario)
        .args(["-i", "20", "-u", "1", "--workers", "1", "--seed", "3"])
        .expect_status(0)
        .run();
    let seen = server.seen();
    let first = seen.iter().find(|seen| seen.path() == "/a").unwrap();
    for absent in ["x-known", "x-default", "x-expression", "x-other"] {
        assert_eq!(first.header(absent), None, "{absent}");
    }
    assert_eq!(first.header("x-text"), Some("anull"));
    assert_eq!(first.header("x-sent"), Some("1"));
    assert_eq!(first.header("accept"), Some("*/*"));
    let last = seen.iter().rfind(|seen| seen.path() == "/b").unwrap();
    assert_eq!(
        (last.header("x-token"), last.header("x-one")),
        (None, Some("1"))
    );
    assert_eq!(last.header("x-default"), Some("d"));
}

fn rows_of_a_json_array_are_sent_with_their_types() {
    let server = Recording::start(|_, _| ok(""));
    let scenario = "\
- {post: /, json: {id: '{{ rows.id }}', tags: '{{ rows.tags }}', odd: '{{ rows.id is odd }}'}}
data: {rows: rows.json}";
    Perfctl::scenario(&server.url(), scenario)
        .file(
            "scenarios/rows.json",
            "[\n {\"id\": 1, \"tags\": [\"a\"]},\n {\"id\": 2, \"tags\": []}\n]\n",
        )
        .args(["-i", "3", "-u", "1", "--workers", "1"])
        .expect_status(0)
        .run();
    let bodies = server.seen().into_iter();
    let bodies = bodies.map(|seen| String::from_utf8(seen.body.to_vec()).unwrap());
    let first = r#"{"id":1,"tags":["a"],"odd":true}"#;
    let second = r#"{"id":2,"tags":[],"odd":false}"#;
    assert_eq!(bodies.collect::<Vec<_>>(), [first, second, first]);
}

for_each_client! {
    a_header_without_a_value_is_not_sent
    rows_of_a_json_array_are_sent_with_their_types
    lists_texts_and_dates_are_sent_with_their_types
    a_value_that_is_nothing_but_a_template_keeps_its_type_everywhere
    the_seed_decides_what_is_made_up
}

#[test]
fn try_shows_what_was_made_up() {
    let completed = Perfctl::new()
        .file(
            SCENARIO,
            "host: demo\nendpoints: [{get: '/health?q={{ fake.first_name }}'}]\n",
        )
        .args(["try", SCENARIO, "--seed", "3"])
        .expect_status(0)
        .run();
    let line = completed.stdout.lines().find(|line| line.contains("> GET"));
    let line = line.unwrap_or_default();
    assert!(line.contains("?q=") && !line.contains("{{"), "{line}");
}
