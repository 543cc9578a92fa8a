//! Tests of the conditions themselves: values, headers, sizes, patterns, `not`, `fail_with`.

use super::*;
use crate::plan::{CheckName, Decimal, Pattern};

fn decimal(text: &str) -> Decimal {
    Decimal::parse(text).unwrap()
}

fn not(check: Check) -> Check {
    Check::Not(Box::new(check))
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).unwrap()
}

/// The text of the failure of one condition on a body, or nothing.
fn text_of_check(check: Check, body: &str) -> String {
    let (outcome, text) = verdict(vec![check], 200, body);
    assert_eq!(outcome == Outcome::Ok, text.is_empty());
    text
}

#[test]
fn values_are_compared_and_matched() {
    let body = r#"{"total": 12.5, "text": "42", "name": "Ann", "tags": ["a", "b"], "on": true}"#;
    let json = |path: &str, expect| text_of_check(json_check(path, expect), body);
    for (path, expect) in [
        ("$.total", Expectation::Above(decimal("12"))),
        ("$.total", Expectation::AtMost(decimal("12.5"))),
        ("$.text", Expectation::AtLeast(decimal("42"))),
        ("$.text", Expectation::Below(decimal("42.1"))),
        ("$.name", Expectation::Matches(pattern("^A.n$"))),
        ("$.total", Expectation::Matches(pattern("^12"))),
        ("$.name", Expectation::Contains("nn".into())),
        ("$.tags", Expectation::Contains("b".into())),
        ("$.tags[*]", Expectation::Matches(pattern("a|b"))),
        (
            "$.total",
            Expectation::All(vec![
                Expectation::Above(decimal("1")),
                Expectation::Below(decimal("13")),
            ]),
        ),
    ] {
        assert_eq!(json(path, expect), "", "{path}");
    }
    for (path, expect, text) in [
        (
            "$.total",
            Expectation::Above(decimal("12.5")),
            "`$.total` is 12.5, expected above 12.5",
        ),
        (
            "$.name",
            Expectation::Below(decimal("1")),
            "`$.name` is \"Ann\", expected below 1",
        ),
        (
            "$.none",
            Expectation::AtLeast(decimal("1")),
            "`$.none` was not found, expected at least 1",
        ),
        (
            "$.name",
            Expectation::Matches(pattern("^B")),
            "`$.name` is \"Ann\", expected a value that matches `^B`",
        ),
        (
            "$.tags[*]",
            Expectation::Contains("a".into()),
            "`$.tags[*]` is \"b\", expected a value that contains `a`",
        ),
        (
            "$.total",
            Expectation::All(vec![
                Expectation::Above(decimal("1")),
                Expectation::Below(decimal("2")),
            ]),
            "`$.total` is 12.5, expected below 2",
        ),
    ] {
        assert_eq!(json(path, expect), text);
    }
}

#[test]
fn headers_sizes_and_patterns_are_checked() {
    let mut found = response(200, b"<b>hello</b>");
    found
        .headers
        .insert("x-rate", HeaderValue::from_static("9"));
    found.body_bytes = 12;
    let header = |name: &str, expect| Check::Header {
        name: name.into(),
        expect,
    };
    for (check, expected) in [
        (header("x-rate", Expectation::Exists), ""),
        (header("x-rate", Expectation::Below(decimal("10"))), ""),
        (header("x-rate", Expectation::Equals("9".into())), ""),
        (header("x-none", Expectation::Absent), ""),
        (
            header("x-none", Expectation::Exists),
            "header `x-none` was not found",
        ),
        (
            header("x-rate", Expectation::Equals("8".into())),
            "header `x-rate` is \"9\", expected \"8\"",
        ),
        (Check::MinSize(12), ""),
        (Check::MaxSize(12), ""),
        (
            Check::MinSize(13),
            "the body has 12 B, expected at least 13 B",
        ),
        (
            Check::MaxSize(11),
            "the body has 12 B, expected at most 11 B",
        ),
        (Check::BodyMatches(pattern("<b>(.*)</b>")), ""),
        (
            Check::BodyMatches(pattern("^hello")),
            "the body does not match `^hello`; it starts with `<b>hello</b>`",
        ),
    ] {
        let judged = judge(
            &endpoint(vec![check]),
            &found,
            Duration::ZERO,
            &Secrets::default(),
        );
        assert_eq!(text_of(&judged).unwrap_or_default(), expected);
    }
}

#[test]
fn a_condition_that_must_not_hold_fails_if_it_does_or_cannot_be_judged() {
    let contains = |text: &str| Check::BodyContains(text.into());
    assert_eq!(text_of_check(not(contains("error")), "fine"), "");
    assert_eq!(
        text_of_check(not(contains("error")), "an error"),
        "the body contains `error`"
    );
    let exists = json_check("$.error", Expectation::Exists);
    assert_eq!(text_of_check(not(exists.clone()), "{}"), "");
    assert_eq!(
        text_of_check(not(exists.clone()), r#"{"error": 1}"#),
        "`$.error` was found, expected otherwise"
    );
    assert!(text_of_check(not(exists), "<html>").starts_with("the body is not JSON"));
    // A status that is named in any way takes the place of the default.
    for (code, outcome) in [
        (404, Outcome::Ok),
        (503, Outcome::Http5xx),
        (200, Outcome::Ok),
    ] {
        let unwanted = not(status(&[(500, 599)]));
        assert_eq!(verdict(vec![unwanted], code, "").0, outcome, "{code}");
    }
}

#[test]
fn a_failure_names_the_check_that_failed() {
    let fail_with = |key: &str, check| Check::FailWith {
        key: key.into(),
        check: Box::new(check),
    };
    let checks = vec![
        fail_with("late", Check::MaxDuration(Duration::from_millis(5))),
        fail_with("gone", status(&[(200, 200)])),
    ];
    let failed = |code, ms| {
        let found = response(code, b"");
        let elapsed = Duration::from_millis(ms);
        let judged = judge(
            &endpoint(checks.clone()),
            &found,
            elapsed,
            &Secrets::default(),
        );
        (judged.outcome, judged.check, text_of(&judged))
    };
    let text = "gone: status 404, expected 200".to_owned();
    // The status comes first, whatever the order in the file.
    assert_eq!(failed(404, 9), (Outcome::Http4xx, Some(1), Some(text)));
    assert_eq!(failed(200, 9).1, Some(0));
    assert_eq!(failed(200, 1), (Outcome::Ok, None, None));
    let names: Vec<CheckName> = checks.iter().map(Check::name).collect();
    assert_eq!(
        names,
        ["late", "gone"].map(|key| CheckName::Key(key.into()))
    );
}

proptest::proptest! {
    /// A number of any length is equal to itself and to nothing beside it, and is extracted as it was.
    #[test]
    fn json_numbers_are_exact(number in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,30})?(e-?[0-9]{1,3})?") {
        let body = format!("\u{feff}{{\"n\": {number}}}");
        let value: serde_json::Value = serde_json::from_str(&number).unwrap();
        let check = |expect| text_of_check(json_check("$.n", expect), &body);
        let bound = || decimal(&number);
        for expect in [
            Expectation::Equals(value.clone()),
            Expectation::AtMost(bound()),
            Expectation::AtLeast(bound()),
        ] {
            proptest::prop_assert_eq!(check(expect), "");
        }
        proptest::prop_assert_ne!(check(Expectation::Above(bound())), "");
        proptest::prop_assert_ne!(check(Expectation::Below(bound())), "");
        if !number.contains('e') {
            let point = if number.contains('.') { "" } else { "." };
            let above = decimal(&format!("{number}{point}{}1", "0".repeat(20)));
            let (near, far) = match number.starts_with('-') {
                true => (Expectation::Above(above.clone()), Expectation::Below(above)),
                false => (Expectation::Below(above.clone()), Expectation::Above(above)),
            };
            proptest::prop_assert_eq!(check(near), "");
            proptest::prop_assert_ne!(check(far), "");
            proptest::prop_assert_eq!(value.to_string(), number);
        }
    }
}
