//! Compiling what users know: data, extraction, secrets, expressions.

use super::*;

/// With every key about values.
pub(super) const VALUES: &str = r#"
host: demo
variables: {size: "20", who: "{{ size | int + 1 }}"}
secrets: {key: {env: KEY}}
data:
  users: {file: users.csv, format: csv, mode: shuffle, per: iteration, on_end: wrap}
endpoints:
  - post: /a/{{ users.id }}?s={{ hmac_sha256(key, size) }}
    json: {"{{ id }}": "{{ ids }}", name: "x {{ users.name | upper }}"}
    extract:
      id: $.id
      ids: {json: "$.items[*].id", index: all, default: []}
      sid: {cookie: sid, regex: "(.+)", default: ""}
      next: {header: Location, index: last, default: null}
    check:
      - {status: [200, 4xx], min_size: 1, max_size: 1MB, headers: {X-A: {matches: "^a"}}}
      - {not: {body_contains: error, body_matches: "(?i)oops"}, fail_with: error in the text}
      - {json: {"$.n": {above: 1, at_most: 7}}, that: "{{ id == users.id and status < 500 }}"}
"#;

#[test]
fn values_find_their_places_in_the_plan() {
    let options = Options {
        env: [("KEY".to_owned(), "secret-key".to_owned())].into(),
        ..Options::default()
    };
    let plan = super::plan(VALUES, &options);
    assert_eq!(
        plan.names,
        [
            "size",
            "who",
            "id",
            "ids",
            "sid",
            "next",
            "users.name",
            "users.id"
        ]
    );
    assert_eq!(plan.data[0].columns, [(1, 6), (0, 7)]);
    let endpoint = &plan.endpoints[0];
    let taken: Vec<usize> = endpoint.extract.iter().map(|one| one.variable).collect();
    assert_eq!(taken, [2, 3, 4, 5]);
    assert_eq!(endpoint.checks.len(), 8);
    assert!(endpoint.keeps_body());
    let Body::Template(body) = &endpoint.body else {
        panic!("{:?}", endpoint.body)
    };
    let values = ["20", "21", "7", "[1]", "", "", "Ann", "3"].map(str::to_owned);
    assert_eq!(render(body, &values), r#"{"7":"[1]","name":"x ANN"}"#);
    let written = serde_json::to_string(&plan).unwrap();
    assert!(
        !written.contains("secret-key") && !written.contains("Ann"),
        "{written}"
    );
    // Whoever changes what is extracted changes the scenario.
    let other = VALUES.replace("index: last", "index: 0");
    let other = super::plan(&other, &options);
    assert_ne!(plan.fingerprint().scenario, other.fingerprint().scenario);
}
