//! Tests of `check`: tables, hostile input, properties.

use crate::plan::JsonPath;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use rand::SeedableRng;
use serde_json::json;

use super::server_timing::{MAX_COMPONENT_NAME, MAX_COMPONENTS};
use super::text::MAX_TEXT;
use super::*;
use crate::plan::{Body, Expectation, Method, StatusRange, Template};

mod conditions;

fn endpoint(checks: Vec<Check>) -> Endpoint {
    Endpoint {
        variables: Vec::new(),
        name: "x".into(),
        group: None,
        measures: Vec::new(),
        scripted: false,
        method: Method::Get,
        url: Template::literal("/"),
        host: None,
        headers: Vec::new(),
        body: Body::None,
        gzip: false,
        auth: None,
        wire: Default::default(),
        timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(1),
        max_redirects: 0,
        max_body: 1_000,
        checks,
        extract: Vec::new(),
        tags: Vec::new(),
    }
}

fn response(status: u16, body: &[u8]) -> Response {
    Response {
        status: Some(status),
        body: body.to_vec().into(),
        ..Response::default()
    }
}

fn judge(
    endpoint: &Endpoint,
    response: &Response,
    elapsed: Duration,
    secrets: &Secrets,
) -> CheckResult {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    super::judge(endpoint, response, elapsed, secrets, |_, _| true, &mut rng)
}

#[test]
fn a_text_that_is_not_wanted_is_not_built() {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let (endpoint, response) = (endpoint(Vec::new()), response(503, b""));
    let secrets = Secrets::default();
    let mut text = |wanted: Outcome| {
        let wanted = |outcome, _| outcome == wanted;
        super::judge(
            &endpoint,
            &response,
            Duration::ZERO,
            &secrets,
            wanted,
            &mut rng,
        )
        .texts
        .map(|texts| texts.text)
    };
    assert_eq!(text(Outcome::Http4xx), None);
    assert_eq!(text(Outcome::Http5xx).as_deref(), Some("status 503"));
}

fn text_of(judged: &CheckResult) -> Option<String> {
    judged.texts.as_ref().map(|texts| texts.text.clone())
}

/// What the body says is shown beside the text, unless the text quotes it or is not about it.
#[test]
fn a_failure_has_an_excerpt_of_the_body() {
    let excerpt = |checks: Vec<Check>, status, body: &str| {
        let response = response(status, body.as_bytes());
        let elapsed = Duration::from_millis(20);
        let judged = judge(&endpoint(checks), &response, elapsed, &Secrets::default());
        judged.texts.unwrap().excerpt
    };
    let body = r#"{"message": "qty must be an integer"}"#;
    let message = Some("qty must be an integer".to_owned());
    assert_eq!(excerpt(vec![], 422, body), message);
    assert_eq!(excerpt(vec![status(&[(201, 201)])], 200, body), message);
    let unmet = json_check("$.id", Expectation::Exists);
    assert_eq!(excerpt(vec![unmet.clone()], 200, body), message);
    assert_eq!(excerpt(vec![unmet], 200, "<html>"), None, "quoted");
    let slow = Check::MaxDuration(Duration::from_millis(5));
    assert_eq!(excerpt(vec![slow], 200, body), None);
    assert_eq!(excerpt(vec![], 500, ""), None);
}

fn verdict(checks: Vec<Check>, status: u16, body: &str) -> (Outcome, String) {
    let judged = judge(
        &endpoint(checks),
        &response(status, body.as_bytes()),
        Duration::from_millis(20),
        &Secrets::new(["canary-canary"]),
    );
    (judged.outcome, text_of(&judged).unwrap_or_default())
}

fn status(ranges: &[(u16, u16)]) -> Check {
    Check::Status(
        ranges
            .iter()
            .map(|&(low, high)| StatusRange { low, high })
            .collect(),
    )
}

fn json_check(path: &str, expect: Expectation) -> Check {
    Check::Json {
        path: JsonPath::parse(path).unwrap(),
        expect,
    }
}

#[test]
fn without_a_status_check_2xx_and_3xx_pass() {
    for (status, outcome) in [
        (200, Outcome::Ok),
        (204, Outcome::Ok),
        (302, Outcome::Ok),
        (399, Outcome::Ok),
        (199, Outcome::CheckFailed),
        (400, Outcome::Http4xx),
        (499, Outcome::Http4xx),
        (500, Outcome::Http5xx),
        (599, Outcome::Http5xx),
        (600, Outcome::CheckFailed),
    ] {
        assert_eq!(verdict(vec![], status, "").0, outcome, "{status}");
    }
    assert_eq!(verdict(vec![], 503, "").1, "status 503");
}

#[test]
fn a_status_check_says_what_passes() {
    let cases = [
        (404, vec![(404, 404)], Outcome::Ok, ""),
        (
            200,
            vec![(201, 204), (404, 404)],
            Outcome::CheckFailed,
            "status 200, expected 201-204 or 404",
        ),
        (
            302,
            vec![(200, 200)],
            Outcome::CheckFailed,
            "status 302, expected 200",
        ),
        (
            404,
            vec![(200, 200), (201, 201), (204, 204)],
            Outcome::Http4xx,
            "status 404, expected 200, 201 or 204",
        ),
        (
            500,
            vec![(200, 299)],
            Outcome::Http5xx,
            "status 500, expected 200-299",
        ),
    ];
    for (code, ranges, outcome, text) in cases {
        let found = verdict(vec![status(&ranges)], code, "");
        assert_eq!(found, (outcome, text.to_owned()), "{code} {ranges:?}");
    }
}

#[test]
fn the_other_checks_say_what_was_expected_and_what_was_found() {
    let items = r#"{"items":[{"id":7,"total":1.0}],"big":9007199254740993}"#;
    let cases: Vec<(Check, &str, &str)> = vec![
        (Check::MaxDuration(Duration::from_millis(20)), "", ""),
        (
            Check::MaxDuration(Duration::from_millis(19)),
            "",
            "took 20.0 ms, expected at most 19ms",
        ),
        (Check::BodyContains("items".into()), items, ""),
        (
            Check::BodyContains("items".into()),
            "",
            "the body does not contain `items`; it is empty",
        ),
        (
            Check::BodyContains("items".into()),
            "<p>\n",
            "the body does not contain `items`; it starts with `<p>`",
        ),
        (json_check("$.items[0].id", Expectation::Exists), items, ""),
        (
            json_check("$.items[1].id", Expectation::Exists),
            items,
            "`$.items[1].id` was not found",
        ),
        (json_check("$.error", Expectation::Absent), items, ""),
        (
            json_check("$.items[0].id", Expectation::Absent),
            items,
            "`$.items[0].id` is 7, expected nothing there",
        ),
        (
            json_check("$.items[0].id", Expectation::Equals(json!(7.0))),
            items,
            "",
        ),
        (
            json_check("$.items[0].total", Expectation::Equals(json!(1))),
            items,
            "",
        ),
        (
            json_check(
                "$.big",
                Expectation::Equals(json!(9_007_199_254_740_992u64)),
            ),
            items,
            "`$.big` is 9007199254740993, expected 9007199254740992",
        ),
        (
            json_check("$.items[*].id", Expectation::Equals(json!("7"))),
            items,
            "`$.items[*].id` is 7, expected \"7\"",
        ),
        (
            json_check("$.none", Expectation::Equals(json!(null))),
            items,
            "`$.none` was not found, expected null",
        ),
        (
            json_check("$", Expectation::Exists),
            "<html>",
            "the body is not JSON (expected value at line 1 column 1); it starts with `<html>`",
        ),
        (
            json_check("$", Expectation::Absent),
            "",
            "the body is not JSON (EOF while parsing a value at line 1 column 0); it is empty",
        ),
    ];
    for (check, body, text) in cases {
        let outcome = match text {
            "" => Outcome::Ok,
            _ => Outcome::CheckFailed,
        };
        let label = format!("{check:?}");
        assert_eq!(
            verdict(vec![check], 200, body),
            (outcome, text.to_owned()),
            "{label}"
        );
    }
}

#[test]
fn a_failure_of_the_protocol_comes_before_the_status_and_the_status_before_the_body() {
    let checks = || vec![Check::BodyContains("a".into()), status(&[(200, 200)])];
    assert_eq!(verdict(checks(), 500, "").0, Outcome::Http5xx);
    let failed = Response {
        failure: Some(Failure {
            outcome: Outcome::BodyTruncated,
            text: "5 of 10 bytes\n".into(),
        }),
        ..response(500, b"")
    };
    let judged = judge(
        &endpoint(checks()),
        &failed,
        Duration::ZERO,
        &Secrets::default(),
    );
    assert_eq!(judged.outcome, Outcome::BodyTruncated);
    assert_eq!(text_of(&judged).as_deref(), Some("5 of 10 bytes\\n"));
    let nothing = judge(
        &endpoint(vec![]),
        &Response::default(),
        Duration::ZERO,
        &Secrets::default(),
    );
    assert_eq!(nothing.outcome, Outcome::Other);
}

#[test]
fn hostile_bodies_become_short_harmless_text() {
    let deep = "[".repeat(100_000);
    let body = format!("\u{1b}[31m\r\n::error::x\u{202e}{}", "é".repeat(5_000));
    for body in [deep.as_str(), body.as_str()] {
        for check in [
            json_check("$..*", Expectation::Exists),
            Check::BodyContains("zzz".into()),
        ] {
            let (outcome, text) = verdict(vec![check], 200, body);
            assert_eq!(outcome, Outcome::CheckFailed);
            assert!(text.chars().count() <= MAX_TEXT, "{text}");
            assert!(!text.contains(['\u{1b}', '\n', '\r', '\u{202e}']), "{text}");
        }
    }
    let invalid = judge(
        &endpoint(vec![Check::BodyContains("ok".into())]),
        &response(200, b"\xff\xfe ok"),
        Duration::ZERO,
        &Secrets::default(),
    );
    assert_eq!(invalid.outcome, Outcome::Ok);
}

#[test]
fn a_secret_that_the_service_repeats_is_not_quoted() {
    let path = || JsonPath::parse("$.token").unwrap();
    let long = format!("{}canary-canary", " x".repeat(55));
    for (check, body) in [
        (
            Check::BodyContains("ok".into()),
            "you said canary-canary".to_owned(),
        ),
        (Check::BodyContains("ok".into()), long),
        (
            Check::Json {
                path: path(),
                expect: Expectation::Exists,
            },
            "canary-canary".to_owned(),
        ),
        (
            Check::Json {
                path: path(),
                expect: Expectation::Absent,
            },
            json!({"token": "canary-canary"}).to_string(),
        ),
    ] {
        let (outcome, text) = verdict(vec![check], 200, &body);
        assert_eq!(outcome, Outcome::CheckFailed);
        assert!(!text.contains("canary"), "{text}");
    }
}

/// `Server-Timing` with these values.
fn timing(values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.append("server-timing", value);
    }
    headers
}

#[test]
fn server_timing_as_servers_write_it() {
    let of = |name, duration_us, hit| ServerTiming {
        name,
        duration_us,
        hit,
        count: None,
        instance: None,
    };
    let cases: Vec<(&[&str], Vec<ServerTiming>)> = vec![
        (&[], vec![]),
        (
            &["db;dur=12.3, cache;desc=hit;dur=0.1, miss"],
            vec![
                of("db", Some(12_300), None),
                of("cache", Some(100), Some(true)),
                of("miss", None, None),
            ],
        ),
        (
            &["a", "b;dur=1"],
            vec![of("a", None, None), of("b", Some(1_000), None)],
        ),
        (
            &["cache; DESC = \"MISS\" ; DUR=\"2\""],
            vec![of("cache", Some(2_000), Some(false))],
        ),
        (
            &["a;desc=\"x, y; dur=9 \\\" ,z\";dur=1,b"],
            vec![of("a", Some(1_000), None), of("b", None, None)],
        ),
        (
            &["a;dur=1;dur=2;desc=hit;desc=miss"],
            vec![of("a", Some(1_000), Some(true))],
        ),
        (
            &["a;dur=-1, b;dur=nan, c;dur=1e300, d;dur=x, e;dur, f;dur="],
            ["a", "b", "c", "d", "e", "f"]
                .map(|n| of(n, None, None))
                .into(),
        ),
        (
            &[",,;dur=1, a b, é;dur=3, <script>, ok"],
            vec![of("ok", None, None)],
        ),
        (
            &["a;desc=\"never closed, b;dur=1"],
            vec![of("a", None, None)],
        ),
        (&["\t db ; dur = 1 "], vec![of("db", Some(1_000), None)]),
    ];
    for (values, expected) in cases {
        let headers = timing(values);
        let found: Vec<_> = components(&headers).collect();
        assert_eq!(found, expected, "{values:?}");
    }
}

#[test]
fn counts_and_instances_are_read_where_they_are_meant() {
    for (value, expected) in [
        ("db;dur=4;desc=\"n=37\"", (Some(37), None)),
        ("db;desc=n=0", (Some(0), None)),
        ("db;desc=\"n=-1\"", (None, None)),
        ("db;desc=\"n=1000001\"", (None, None)),
        ("db;desc=\"37\"", (None, None)),
        ("worker;desc=\"w3\"", (None, Some("w3"))),
        ("Pod;desc=\"web-7f:8000\"", (None, Some("web-7f:8000"))),
        ("worker;desc=\"<b>\"", (None, None)),
        ("db;desc=\"w3\"", (None, None)),
    ] {
        let headers = timing(&[value]);
        let found = components(&headers).map(|one| (one.count, one.instance));
        assert_eq!(found.collect::<Vec<_>>(), [expected], "{value}");
    }
}

#[test]
fn server_timing_is_bounded() {
    let many = "a;dur=1,".repeat(5_000);
    let count = |values: &[&str]| components(&timing(values)).count();
    assert_eq!(count(&[&many, &many]), MAX_COMPONENTS);
    assert_eq!(count(&[&"n".repeat(MAX_COMPONENT_NAME)]), 1);
    assert_eq!(count(&[&"n".repeat(MAX_COMPONENT_NAME + 1)]), 0);
}

proptest! {
    #[test]
    fn no_server_timing_makes_it_panic_or_grow(value in "([a-z,;=\"\\\\ .0-9é-]|dur=|desc=hit){0,200}") {
        for component in components(&timing(&[&value])) {
            prop_assert!((1..=MAX_COMPONENT_NAME).contains(&component.name.len()));
        }
    }

    #[test]
    fn a_written_component_is_read_back(name in "[A-Za-z0-9_-]{1,40}", us in 0u64..10_000_000_000, hit: bool) {
        let desc = if hit { "hit" } else { "miss" };
        let text = format!("{name};desc={desc};dur={}", us as f64 / 1e3);
        let expected = ServerTiming { name: &name, duration_us: Some(us), hit: Some(hit), count: None, instance: None };
        let headers = timing(&[&text]);
        prop_assert_eq!(components(&headers).collect::<Vec<_>>(), vec![expected]);
    }

    #[test]
    fn an_excerpt_is_one_short_line_and_stays_as_it_is(text in any::<String>()) {
        let shown = excerpt(&text);
        prop_assert!(shown.chars().count() <= MAX_TEXT);
        prop_assert!(!shown.chars().any(char::is_control));
        prop_assert_eq!(excerpt(&shown), shown);
    }

    #[test]
    fn no_body_makes_a_check_panic(body in any::<Vec<u8>>()) {
        let checks = vec![json_check("$..a", Expectation::Exists), Check::BodyContains("b".into())];
        judge(&endpoint(checks), &response(200, &body), Duration::ZERO, &Secrets::default());
    }
}

#[test]
fn each_check_is_reported_with_what_was_found() {
    let found = response(
        200,
        br#"{"state": "open", "ids": [1, 2, 3, 4], "key": "canary-canary"}"#,
    );
    let fail_with = |key: &str, check| Check::FailWith {
        key: key.into(),
        check: Box::new(check),
    };
    let not = |check| Check::Not(Box::new(check));
    let equals = |text: &str| Expectation::Equals(json!(text));
    let checks = vec![
        json_check("$.state", equals("open")),
        fail_with("closed", json_check("$.state", equals("closed"))),
        json_check("$.ids[*]", Expectation::Exists),
        json_check("$.none", Expectation::Absent),
        json_check("$.key", Expectation::Contains("can".into())),
        not(Check::BodyContains("error".into())),
        Check::MaxDuration(Duration::from_millis(5)),
        status(&[(200, 204)]),
    ];
    let (endpoint, secrets) = (endpoint(checks), Secrets::new(["canary-canary"]));
    let elapsed = Duration::from_millis(20);
    let result = judge(&endpoint, &found, elapsed, &secrets);
    let reports = |result: &CheckResult, endpoint: &Endpoint, response: &Response| {
        let reports = super::reports(endpoint, (response, elapsed), result, &secrets);
        let texts = reports.into_iter().map(|one| match one.state {
            CheckState::Ok => one.text,
            CheckState::Failed => format!("FAILED {}", one.text),
            CheckState::Skipped => format!("skipped {}", one.text),
        });
        texts.collect::<Vec<_>>()
    };
    let shown = reports(&result, &endpoint, &found);
    assert_eq!(
        shown,
        [
            "`$.state` is \"open\"",
            "FAILED closed: `$.state` is \"open\", expected \"closed\"",
            "`$.ids[*]` is 1, 2, 3 and 1 more",
            "`$.none` was not found, as expected",
            "`$.key` is \"***\", expected a value that contains `can`",
            "not body_contains error",
            "FAILED took 20.0 ms, expected at most 5ms",
            "status 200, expected 200-204",
        ]
    );
    let failed = Response {
        failure: Some(Failure::new(Outcome::Reset, "reset")),
        ..response(200, b"")
    };
    assert!(reports(&result, &endpoint, &failed).is_empty());
    let bare = self::endpoint(Vec::new());
    let missing = response(404, b"");
    let result = judge(&bare, &missing, elapsed, &secrets);
    let shown = reports(&result, &bare, &missing);
    assert_eq!(shown, ["FAILED status 404, expected 2xx or 3xx"]);
}
