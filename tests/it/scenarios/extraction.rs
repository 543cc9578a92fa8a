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

const HTML: &str = r#"<!doctype html><title>Shop</title><h1> Log
in</h1><form><input type=hidden name=csrf value="a&amp;b"></form>
<ul class=items><li><a href="/item/1">One</a><li><a href="/item/2">Two <b>2</b></a><li>none</ul>"#;

const SELECTORS: &str = r#"
endpoints:
- name: page
  get: /page
  check: {css: {h1: {matches: "^Log\\sin$"}, .error: absent, "li > a": {matches: "^(One|Two 2)$"}}}
  extract:
    csrf: {css: "input[name=csrf]", attribute: VALUE}
    links: {css: ".items a", attribute: href, index: all}
    last: {css: ".items a", index: last}
    number: {css: ".items a:nth-child(1)", attribute: href, index: 1, regex: '(\d+)'}
    none: {css: td, default: missing}
- {name: send, post: "{{ links[1] }}", json: {csrf: "{{ csrf }}", links: "{{ links }}", last: "{{ last }}", number: "{{ number }}", none: "{{ none }}"}}
- {name: lacks, get: /page, extract: {x: {css: "table td"}}}
- {name: wrong, get: /page, check: {css: {title: Shops}}}
- {name: deep, get: /deep, check: {css: {h1: absent}}}"#;

fn values_are_found_by_css_selectors() {
    let server = Recording::start(|seen, _| match seen.path() {
        "/deep" => answer("200 OK", "", &"<div>".repeat(100_000)),
        _ => answer("200 OK", "content-type: text/html\r\n", HTML),
    });
    let scenario = format!("name: pages\nhost: {}\n{SELECTORS}\n", server.url());
    let tried = Perfctl::new().file(SCENARIO, scenario).args(["try"]);
    let completed = tried.expect_status(1).run();
    let sent = &server.seen()[1];
    assert_eq!(sent.path(), "/item/2");
    let sent: serde_json::Value = serde_json::from_str(&sent.text()).unwrap();
    let expected = serde_json::json!({
        "csrf": "a&b", "links": ["/item/1", "/item/2"], "last": "Two 2", "number": "2", "none": "missing",
    });
    assert_eq!(sent, expected);
    for why in [
        "`x` was not found: no value at `table td`",
        "`title` is \"Shop\", expected \"Shops\"",
        "nested more than 512 deep",
    ] {
        assert!(
            completed.stdout.contains(why),
            "{why}: {}",
            completed.stdout
        );
    }
}

fn a_check_sees_where_redirects_end() {
    let server = Recording::start(|seen, count| match seen.path() {
        "/start" => answer("302 Found", "location: /end?x=1\r\n", ""),
        "/job" if count > 5 => answer("303 See Other", "location: /done\r\n", ""),
        _ => answer("200 OK", "", "ok"),
    });
    let url = server.url();
    let scenario = format!(
        "name: urls
host: {url}
flows:
  urls:
    on_error: continue
    steps:
    - {{name: whole, get: /start, check: {{url: '{url}/end?x=1'}}}}
    - {{name: part, get: /start, check: {{url: {{matches: '/end\\?x=\\d$'}}, not: {{url: {{contains: /start}}}}}}}}
    - {{name: plain, get: /plain, check: {{url: {{contains: /plain}}}}}}
    - {{name: other, get: /start, check: {{url: {{contains: /start}}, fail_with: moved}}}}
    - {{poll: {{name: job, get: /job}}, until: {{url: {{contains: /done}}}}, every: 1ms}}
"
    );
    let tried = Perfctl::new().file(SCENARIO, scenario).args(["try"]);
    let stdout = tried.expect_status(1).run().stdout;
    let why =
        format!("moved: the URL is \"{url}/end?x=1\", expected a value that contains `/start`");
    assert!(stdout.contains(&why), "{stdout}");
    assert!(stdout.contains("1 failed"), "{stdout}");
    assert_eq!(server.seen().last().unwrap().path(), "/done");
}

for_each_client! {
    a_check_sees_where_redirects_end
    values_are_found_by_css_selectors
    values_are_found_between_two_texts
}
