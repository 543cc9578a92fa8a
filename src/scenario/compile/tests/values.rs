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
    json: {"{{ id | default('') }}": "{{ ids | default('') }}", name: "x {{ users.name | upper }}"}
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

/// With what keeps a scenario short, what other tools call otherwise, and a load that pauses.
pub(super) const REUSED: &str = r#"
x-shop: &shop {headers: {A: b}, timeout: 5s}
x-wait: &wait {think_time: constant(5s)}
host: HTTP://localhost:8000
data:
  users: {file: users.csv, separator: ",", mode: unique}
  same: {file: users.csv, separator: tab}
endpoints:
  - {<<: *shop, name: a, get: "/{{ users.name }}"}
  - {<<: [*wait, *shop], name: b, get: /b, timeout: 1s}
profiles:
  smoke: {stages: [{rate: 0, duration: 1s}, {rate: 9/s, ramp: 1s, duration: 1s}, {rate: 0/s, ramp: 1s, duration: 0}]}
"#;

#[test]
fn merged_keys_are_those_of_what_they_are_merged_into() {
    let plan = super::plan(REUSED, &Options::default());
    let timeouts: Vec<u64> = (plan.endpoints.iter().map(|e| e.timeout.as_secs())).collect();
    assert_eq!(timeouts, [5, 1]);
    assert!(
        plan.endpoints
            .iter()
            .all(|endpoint| endpoint.headers.len() == 1)
    );
    assert!(plan.classes[0].tasks[1].think_time.is_some());
    assert_eq!(plan.service, Service::Url("http://localhost:8000".into()));
    let levels: Vec<f64> = plan.load.stages.iter().map(|stage| stage.level).collect();
    assert_eq!(levels, [0.0, 9.0, 0.0]);
    // What is wrong with a merged key is said once, where it is written.
    let wrong = REUSED.replace("timeout: 5s", "timeout: soon");
    let error = try_compile(&wrong, "smoke", &Options::default()).unwrap_err();
    assert_eq!(error.matches("error:").count(), 1, "{error}");
    assert!(error.contains("shop.yaml:2:42"), "{error}");
    // Only at the top may keys have any name.
    let wrong = REUSED.replace("name: a", "name: a, x-note: y");
    let error = try_compile(&wrong, "smoke", &Options::default()).unwrap_err();
    assert!(error.contains("unknown key `x-note`"), "{error}");
}

#[test]
fn the_columns_of_data_are_separated_by_what_the_file_shows_or_the_key_says() {
    let compile = |file: &str, content: &str, key: &str| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.yaml");
        let text = format!(
            "host: demo\ndata: {{users: {{file: {file}{key}}}}}\nendpoints: [{{get: '/{{{{ users.mail }}}}'}}]\n"
        );
        std::fs::write(&path, text).unwrap();
        std::fs::write(dir.path().join(file), content).unwrap();
        let source = Source::File(path);
        compile_in(dir.path(), &source, "smoke", &Options::default()).map_err(|e| e.to_string())
    };
    for (file, content, key, separator) in [
        ("a.csv", "name,mail\na,b", "", ','),
        ("a.csv", "name;mail\na;b", "", ';'),
        ("a.csv", "name\tmail\na\tb", "", '\t'),
        ("a.csv", "name|mail\na|b", "", '|'),
        ("a.tsv", "na;me\tmail\na\tb", "", '\t'),
        ("a.csv", "na;me,mail\na,b", ", separator: ','", ','),
        ("a.csv", "na,me;mail\na;b", ", separator: ';'", ';'),
        ("a.csv", "na,me\tmail\na\tb", ", separator: tab", '\t'),
        ("a.csv", "na,me\tmail\na\tb", r#", separator: "\t""#, '\t'),
        ("a.csv", "na,me:mail\na:b", ", separator: ':'", ':'),
    ] {
        let rows = &compile(file, content, key).unwrap().data[0].rows;
        assert_eq!(rows.separator(), Some(separator), "{content}");
        assert_eq!(rows.read(0).unwrap()[1], Some("b".into()), "{content}");
    }
    for (file, content, key, part) in [
        (
            "a.csv",
            "a,b;mail\n1,2;3",
            "",
            "a.csv:1:4: both `,` and `;` could separate",
        ),
        (
            "a.csv",
            "name,mail\na,b",
            ", separator: '::'",
            "`::` cannot separate columns",
        ),
        (
            "a.csv",
            "name,mail\na,b",
            r#", separator: '"'"#,
            "cannot separate columns",
        ),
        (
            "a.jsonl",
            "{\"mail\": 1}",
            ", separator: ','",
            "`separator` is for CSV files",
        ),
    ] {
        let error = compile(file, content, key).unwrap_err();
        assert!(error.contains(part), "{error}");
        assert_eq!(error.matches("error:").count(), 1, "{error}");
    }
}

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
