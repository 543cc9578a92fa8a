//! What templates are filled in with, as it is sent.

use crate::support::Perfctl;
use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, answer, ok};
use crate::support::scenario::outcomes;

/// The body of the only request of a scenario with this `json`.
fn json(json: &str, keys: &str) -> String {
    let service = Recording::ok();
    let keys = format!("- {{name: a, post: /, json: {json}}}\n{keys}");
    let completed = Perfctl::scenario(&service.url(), &keys)
        .file(
            "scenarios/rows.jsonl",
            "{\"n\": 7.50, \"t\": \"7\", \"l\": [1, null]}\n",
        )
        .file("scenarios/rows.csv", "n\n7\n")
        .args(["-i", "1", "-u", "1", "--seed", "7", "-e", "N=5"])
        .run();
    assert_eq!(
        outcomes(&completed.result()),
        "ok 1",
        "{}",
        completed.stdout
    );
    service.only().text()
}

fn a_value_that_is_nothing_but_one_template_keeps_its_type() {
    let keys =
        "variables: {number: 5, text: '5', zip: 01234, on: true, drawn: '{{ random_int(3, 3) }}',
  same: '{{ number }}', joined: '{{ number }}{{ text }}', later: '{{ drawn }}'}
data: {rows: rows.jsonl, cells: rows.csv}";
    for (template, sent) in [
        ("{{ random_int(2, 2) }}", "2"),
        ("{{ random_int(1, 1) + 1 }}", "2"),
        ("{{ random_float(2, 3) > 1 }}", "true"),
        ("{{ random_choice(4, 4) }}", "4"),
        ("{{ random_choice('4', '4') }}", "\"4\""),
        ("{{ random_choice(tea, tea) }}", "\"tea\""),
        ("{{ user_id }}", "1"),
        ("{{ user_id | string }}", "\"1\""),
        ("{{ iteration }}", "1"),
        ("{{ counter(a) }}", "1"),
        ("{{ true }}", "true"),
        ("{{ none }}", "null"),
        ("{{ 5 }}", "5"),
        ("{{ 'x' }}", "\"x\""),
        ("{{ env.N }}", "\"5\""),
        ("{{ env.N | int }}", "5"),
        ("{{ number }}", "5"),
        ("{{ number + 1 }}", "6"),
        ("{{ text }}", "\"5\""),
        ("{{ zip }}", "\"01234\""),
        ("{{ on }}", "true"),
        ("{{ drawn }}", "3"),
        ("{{ later }}", "3"),
        ("{{ same }}", "5"),
        ("{{ joined }}", "\"55\""),
        ("{{ rows.n }}", "7.50"),
        ("{{ rows }}", r#"{"n":7.50,"t":"7","l":[1,null]}"#),
        ("{{ dict(rows, t=rows.n).t }}", "7.5"),
        ("{{ rows['l'] }}", "[1,null]"),
        ("{{ cells }}", r#"{"n":"7"}"#),
        ("{{ rows.t }}", "\"7\""),
        ("{{ rows.l }}", "[1,null]"),
        ("{{ cells.n }}", "\"7\""),
        ("{{ cells.n | int }}", "7"),
        ("n{{ number }}", "\"n5\""),
        (" {{ number }}", "\" 5\""),
        ("{{ user_id }}{{ iteration }}", "\"11\""),
    ] {
        let body = json(
            &format!("{{\"k{{{{ user_id }}}}\": [\"{template}\"]}}"),
            keys,
        );
        assert_eq!(body, format!("{{\"k1\":[{sent}]}}"), "{template}");
    }
    let uuid = json("'{{ uuid }}'", "");
    assert!(
        uuid.starts_with('"') && uuid.ends_with('"') && uuid.len() == 38,
        "{uuid}"
    );
    let float: f64 = json("'{{ random_float(2, 3) }}'", "").parse().unwrap();
    assert!((2.0..3.0).contains(&float));
}

fn nothing_is_extracted_from_a_response_that_failed() {
    let service = Recording::start(|seen, number| match seen.path() {
        "/get" => ok(&format!("{{\"n\": {number}, \"m\": {number}}}")),
        _ => ok(""),
    });
    let completed = Perfctl::scenario(
        &service.url(),
        "- {name: unused, get: /unused, weight: 0}
flows:
  f:
    on_error: continue
    steps:
      - {name: get, get: /get, extract: {n: $.n, m: $.m}, check: {that: n < 1 and m < 1}}
      - {name: use, get: '/use/{{ n }}/{{ m }}'}",
    )
    .args(["-i", "2", "-u", "1"])
    .run();
    assert_eq!(
        outcomes(&completed.result()),
        "ok 3, check_failed 1",
        "{}",
        completed.stdout
    );
    assert_eq!(service.paths(), ["/get", "/use/0/0", "/get", "/use/0/0"]);
}

fn slices_are_filled_in() {
    let keys = "variables: {name: abcdef}\ndata: {rows: rows.jsonl}";
    let body = json(
        "['{{ name[:3] }}', '{{ name[1:-1] }}', '{{ rows.l[1:] }}', '{{ name[::2] }}']",
        keys,
    );
    assert_eq!(body, r#"["abc","bcde",[null],"ace"]"#);
    let completed = Perfctl::scenario("demo", "- get: '/{{ nme[:3] }}'\nvariables: {name: a}")
        .expect_status(2)
        .run();
    let shown = completed.stderr;
    assert!(
        shown.contains(":4:10") && shown.contains("did you mean `name`?"),
        "{shown}"
    );
}

fn lists_files_and_keys_are_filled_in() {
    let service = Recording::start(|_, _| answer("200 OK", "", ""));
    let completed = Perfctl::scenario(
        &service.url(),
        "- {name: unused, get: /unused, weight: 0}
flows:
  f:
    steps:
      - repeat: ['{{ user_id + 1 }}', tea, '{{ rows.n }}', {'a{{ user_id }}': ['{{ iteration }}']}]
        steps: [{name: item, post: '/{{ number }}', json: '{{ item }}'}]
      - repeat: 2
        variable: number
        steps: [{name: number, get: '/{{ number }}'}]
      - name: file
        post: /file
        multipart: {'p{{ user_id }}': {file: rows.csv, filename: 'n-{{ iteration }}\"{{ rows.t }}.csv'}}
      - {name: form, post: /form, form: {'f{{ user_id }}': '{{ rows.n }}'}}
variables: {number: 0}
data: {rows: rows.jsonl}",
    )
    .file("scenarios/rows.jsonl", "{\"n\": 7, \"t\": \"\\\"é\"}\n")
    .file("scenarios/rows.csv", "n\n7\n")
    .args(["-i", "1", "-u", "1"])
    .run();
    assert_eq!(
        outcomes(&completed.result()),
        "ok 8",
        "{}",
        completed.stdout
    );
    let seen = service.seen();
    let bodies: Vec<String> = seen[..4].iter().map(|seen| seen.text()).collect();
    assert_eq!(bodies, ["2", "\"tea\"", "7", r#"{"a1":[1]}"#]);
    assert_eq!(service.paths()[..6], ["/0", "/0", "/0", "/0", "/1", "/2"]);
    let head = "form-data; name=\"p1\"; filename=\"n-1%22%22é.csv\"\r\n";
    assert!(seen[6].text().contains(head), "{}", seen[6].text());
    assert_eq!(seen[7].text(), "f1=7");
}

for_each_client! {
    a_value_that_is_nothing_but_one_template_keeps_its_type
    nothing_is_extracted_from_a_response_that_failed
    slices_are_filled_in
    lists_files_and_keys_are_filled_in
}
