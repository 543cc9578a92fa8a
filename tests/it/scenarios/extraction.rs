//! Values between two texts, taken out of pages and headers.

use crate::support::Perfctl;
use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, answer};
use crate::support::scenario::SCENARIO;

const PAGE: &str = r#"<form><input name="csrf"
 value="a+(b)"><li id=1>one</li><li id=2>two
three</li></form>"#;

const KEYS: &str = r#"
endpoints:
- name: page
  get: /page
  extract:
    csrf: {between: {left: "name=\"csrf\"\n value=\"", right: '"'}}
    last: {between: {left: "<li id=2>", right: "</li>"}, index: last}
    all: {between: {left: "<li id=", right: ">"}, index: all}
    none: {between: {left: "<td>", right: "</td>"}, default: missing}
    order: {header: location, between: {left: "/orders/", right: "?"}}
- {name: send, post: /send, json: {csrf: "{{ csrf }}", last: "{{ last }}", all: "{{ all }}", none: "{{ none }}", order: "{{ order }}"}}
- {name: lacks, get: /page, extract: {x: {between: {left: "<td", right: "(.*)"}}}}"#;

fn values_are_found_between_two_texts() {
    let server = Recording::start(|_, _| {
        let headers = "location: /orders/17?x=1\r\ncontent-type: text/html\r\n";
        answer("200 OK", headers, PAGE)
    });
    let scenario = format!("name: pages\nhost: {}\n{KEYS}\n", server.url());
    let tried = Perfctl::new().file(SCENARIO, scenario).args(["try"]);
    let completed = tried.expect_status(1).run();
    let sent: serde_json::Value = serde_json::from_str(&server.seen()[1].text()).unwrap();
    let expected = serde_json::json!({
        "csrf": "a+(b)", "last": "two\nthree", "all": ["1", "2"], "none": "missing", "order": "17",
    });
    assert_eq!(sent, expected);
    let why = "`x` was not found: no value between `<td` and `(.*)` in the body";
    assert!(completed.stdout.contains(why), "{}", completed.stdout);
}

for_each_client! {
    values_are_found_between_two_texts
}
