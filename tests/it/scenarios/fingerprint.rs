//! Old baselines remain valid: a scenario that says nothing new keeps its fingerprint.

use crate::support::Perfctl;

const ENDPOINTS: &str = "
- {get: '/a?n={{ random_int(1, 9) }}', weight: 3, tags: [x], check: {status: [200, 404]}}
- {post: /b, json: {a: '{{ user_id }}'}}
- {put: /c, body_file: b.json}
- {post: /d, form: {a: b}, max_redirects: 0}
defaults: {timeout: 5s, headers: {Authorization: Bearer x, Accept: text/plain}}
variables: {size: '20'}";

#[test]
fn a_scenario_of_the_first_version_keeps_its_fingerprint_and_its_plan() {
    let completed = Perfctl::new()
        .file("scenarios/b.json", "{\"a\":1}\n")
        .quick("demo", ENDPOINTS)
        .args(["-i", "1"])
        .run();
    let fingerprint = completed.result().run.fingerprint;
    assert_eq!(fingerprint.scenario, "3ab82bd85fdcb5c2");
    assert_eq!(fingerprint.load, "d0d4fbfa5eb8efa3");
    let plan = completed.read(completed.runs()[0].join("plan.json"));
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let keys = |value: &serde_json::Value| {
        let keys = value.as_object().unwrap().keys();
        keys.map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        keys(&plan),
        "scenario profile service allowed_hosts seed workers variables classes endpoints load slos skipped_slos"
    );
    assert_eq!(
        keys(&plan["endpoints"][0]),
        "name method url headers body timeout_us connect_timeout_us max_redirects max_body checks tags"
    );
}
