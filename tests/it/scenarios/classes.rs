//! User classes that send requests in their own way, and which of them run.

use std::collections::BTreeMap;

use crate::support::Perfctl;
use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, ok};
use crate::support::scenario::SCENARIO;

/// Two classes with everything of their own, one with nothing, and requests of all kinds of steps.
const CLASSES: &str = "
defaults: {headers: {x-team: load, x-kind: default}, auth: {bearer: of-defaults}}
users:
  web: {headers: {X-Kind: web}, flows: [mixed]}
  mobile:
    host: MOBILE/api
    headers: {x-kind: 'mobile {{ user_id }}', X-Of-Class: yes}
    auth: {basic: {username: ann, password: pass}}
    flows: [mixed]
  plain: {flows: [mixed]}
endpoints:
- {name: a, get: /a, weight: 0}
flows:
  mixed:
    steps:
    - a
    - {name: own, get: /own, headers: {x-kind: own}, auth: none}
    - {poll: {name: p, get: /p, extract: {done: $.done}}, until: {that: done == 1}}
    - {parallel: [{get: /q}]}
    - {name: elsewhere, get: 'WEB/whole'}
    - {name: bare, get: /bare, headers: {x-of-class: null}, auth: none}
profiles: {quick: {stages: [{name: steady, users: 3, ramp: 0s, duration: 5s}]}}";

/// A server whose every answer ends the poll.
fn done() -> Recording {
    Recording::start(|_, _| ok(r#"{"done": 1}"#))
}

fn scenario(web: &Recording, mobile: &Recording) -> String {
    let keys = CLASSES
        .replace("MOBILE", &mobile.url())
        .replace("WEB", &web.url());
    format!("name: classes\nhost: {}\n{keys}\n", web.url())
}

/// Path, kind and credentials of all requests, with their numbers.
fn sent(server: &Recording) -> BTreeMap<String, usize> {
    let mut sent = BTreeMap::new();
    for seen in server.seen() {
        let header = |name| seen.header(name).unwrap_or("-");
        assert_eq!(header("x-team"), "load");
        let (kind, auth) = (header("x-kind"), header("authorization"));
        let text = format!("{} {kind} {auth}", seen.path());
        *sent.entry(text).or_default() += 1;
    }
    sent
}

fn classes_have_hosts_headers_and_credentials_of_their_own() {
    let (web, mobile) = (done(), done());
    let run = Perfctl::new().file(SCENARIO, scenario(&web, &mobile));
    let args = ["run", "-p", "quick", "-i", "3", "--fail-on", "errors"];
    let completed = run.args(args).expect_status(0).run();
    let basic = "Basic YW5uOnBhc3M=";
    let of_mobile: Vec<String> = ["/a", "/p", "/q"]
        .map(|path| format!("/api{path} mobile 2 {basic}"))
        .into_iter()
        .chain([
            "/api/own own -".to_owned(),
            "/api/bare mobile 2 -".to_owned(),
        ])
        .collect();
    let known: Vec<String> = sent(&mobile).into_keys().collect();
    for expected in &of_mobile {
        assert!(known.contains(expected), "{expected}: {known:?}");
    }
    assert_eq!(known.len(), 5, "{known:?}");
    for seen in mobile.seen() {
        let is_left_out = seen.header("x-of-class").is_none();
        assert_eq!(is_left_out, seen.path() == "/api/bare", "{}", seen.path());
    }
    let of_web = sent(&web);
    for path in ["/a", "/p", "/q", "/whole"] {
        for kind in ["web", "default"] {
            let key = format!("{path} {kind} Bearer of-defaults");
            assert_eq!(of_web.get(&key), Some(&1), "{key}: {of_web:?}");
        }
    }
    assert_eq!(of_web.get("/own own -"), Some(&2), "{of_web:?}");
    assert_eq!(of_web.get(&format!("/whole mobile 2 {basic}")), Some(&1));
    // One row for each name, whichever class sends it.
    let result = completed.result();
    let names: Vec<&str> = (result.endpoints.iter())
        .map(|row| row.endpoint.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["a", "own", "p", "GET /q", "elsewhere", "bare", "mixed"]
    );
}

fn only_the_chosen_classes_run() {
    let (web, mobile) = (done(), done());
    let text = scenario(&web, &mobile);
    let run = || Perfctl::new().file(SCENARIO, &text);
    let args = ["try", "--user-classes", "web, plain"];
    run().args(args).run();
    let sent = sent(&web);
    assert!(sent.keys().any(|key| key.starts_with("/a web")), "{sent:?}");
    assert!(
        sent.keys().any(|key| key.starts_with("/a default")),
        "{sent:?}"
    );
    assert_eq!(mobile.seen().len(), 0);
    let args = ["run", "-p", "quick", "--user-classes", "moblie"];
    let failed = run().args(args).expect_status(2).run();
    for part in [
        "unknown user class `moblie`",
        "did you mean `mobile`?",
        "`plain`",
    ] {
        assert!(failed.stderr.contains(part), "{}", failed.stderr);
    }
}

fn a_class_of_weight_0_runs_only_if_it_is_chosen() {
    let (web, mobile) = (done(), done());
    let text = scenario(&web, &mobile).replace("mobile:\n", "mobile:\n    weight: 0\n");
    assert!(text.contains("weight: 0"));
    let run = || Perfctl::new().file(SCENARIO, &text);
    run().args(["try"]).expect_status(0).run();
    assert_eq!(mobile.seen().len(), 0);
    let args = ["try", "--user-classes", "mobile"];
    run().args(args).expect_status(0).run();
    assert!(!mobile.seen().is_empty());
}

fn a_host_of_the_command_line_is_that_of_all_classes() {
    let (web, mobile) = (done(), done());
    let text = scenario(&web, &mobile);
    let host = web.url();
    let args = ["try", "--user-classes", "mobile", "--host", &host];
    Perfctl::new().file(SCENARIO, text).args(args).run();
    assert_eq!(mobile.seen().len(), 0);
    assert!(sent(&web).keys().any(|key| key.starts_with("/a mobile")));
}

for_each_client! {
    classes_have_hosts_headers_and_credentials_of_their_own
    only_the_chosen_classes_run
    a_class_of_weight_0_runs_only_if_it_is_chosen
    a_host_of_the_command_line_is_that_of_all_classes
}
