//! One look finds what the whole body has, and refuses what it cannot tell.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn whole(path: &JsonPath, json: &[u8]) -> Option<Vec<Value>> {
    let value: Value = serde_json::from_slice(json).ok()?;
    Some(path.query(&value).into_iter().cloned().collect())
}

fn path(text: &str) -> JsonPath {
    JsonPath::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn paths_of_names_and_positions_need_one_look() {
    for plain in [
        "$",
        "$.a",
        "$.a.b_1",
        "$['a b'][0]",
        "$[\"x\"]",
        "$[*].id",
        "$.é[12].x",
        "$[?@.a]",
        "$.items[?@.id == 3].name",
        "$[?@['a b'][0].c<='x']",
        "$[? @ != null ][?@.b>-1.5e3]",
    ] {
        assert!(path(plain).segments.is_some(), "{plain}");
    }
    for other in [
        "$..a",
        "$.*",
        "$[-1]",
        "$[1:2]",
        "$[0,1]",
        "$[?@.a && @.b]",
        "$[?!@.a]",
        "$[?(@.a == 1)]",
        "$[?1 == @.a]",
        "$[?@.a == $.b]",
        "$[?@.a == @.b]",
        "$[?@.*]",
        "$[?@[-1] == 1]",
        "$[?@.a == '\\n']",
        "$[?@.a, ?@.b]",
        "$['a\\n']",
        "$ .a",
        "$[ 0 ]",
        "$['a','b']",
        "$.a..b",
        "$[?length(@.a) > 1]",
    ] {
        assert!(path(other).segments.is_none(), "{other}");
    }
}

#[test]
fn one_look_finds_what_the_whole_body_has() {
    let body = r#"{"a": {"x": 1}, "items": [{"id": 7}, {"id": 12345678901234567890.10, "a": null}, 3, "s", true, null, []],
        "é": "\u00e9\n", "a": {"b": [[1], [2, 3]], "b": {"c": "last"}}, "n": -0.0e7}"#;
    for text in [
        "$",
        "$.a",
        "$.a.x",
        "$.a.b",
        "$.a.b.c",
        "$.items[0].id",
        "$.items[1].id",
        "$.items[9]",
        "$.items[*].id",
        "$.items[*]",
        "$['é']",
        "$.n",
        "$.none",
        "$.items.id",
        "$[0]",
        "$.n.x",
        "$.items[2].id",
        "$.items[3][0]",
        "$.items[?@.id].id",
        "$.items[?@.id == 7]",
        "$.items[?@.id == 7.0].id",
        "$.items[?@.id > 7].a",
        "$.items[?@.a == null].id",
        "$.items[?@ == 's']",
        "$.items[?@.none != 1]",
        "$.items[?@[1] == 3][0]",
    ] {
        let path = path(text);
        let found = path.find(body.as_bytes()).expect(text);
        assert_eq!(Some(found), whole(&path, body.as_bytes()), "{text}");
    }
    assert_eq!(path("$[*]").find(b"{}"), None, "members of an object");
}

#[test]
fn what_is_no_json_is_found_wherever_the_fault_lies() {
    for body in [
        &b""[..],
        b"{",
        b"{\"a\": 1",
        b"{\"a\": 1}}",
        b"{\"a\": 1} x",
        b"{\"a\": 1, \"b\": [1,]}",
        b"{\"a\": 1, \"b\": 01}",
        b"{\"a\": 1, \"b\": \"\\q\"}",
        b"{\"a\": 1, \"b\": \"\xff\"}",
        b"{\"a\": 1, \"b\": \"\n\"}",
        b"{\"a\": 1, \"b\": nul}",
        b"{\"b\": \"\\ud83d\", \"a\": 1}",
        b"{\"b\": \"\\uD83dx\", \"a\": 1}",
        b"{\"a\": 1, b: 2}",
        b"[1, 2",
        b"{\"a\" 1}",
    ] {
        assert_eq!(
            path("$.a").find(body),
            None,
            "{}",
            String::from_utf8_lossy(body)
        );
        assert!(
            whole(&path("$.a"), body).is_none(),
            "{}",
            String::from_utf8_lossy(body)
        );
    }
}

#[test]
fn a_hostile_body_is_only_refused() {
    for open in ["[", "{\"a\":"] {
        let body = open.repeat(100_000);
        assert_eq!(path("$.a").find(body.as_bytes()), None);
        assert_eq!(path("$[0]").find(body.as_bytes()), None);
    }
    let steps = path(&format!("${}", ".a".repeat(1_000)));
    let body = format!("{}1{}", "{\"a\":".repeat(1_000), "}".repeat(1_000));
    assert_eq!(
        steps.find(body.as_bytes()),
        None,
        "deeper than the parser goes"
    );
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..4_i64).prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        "[a-c\"\\\\\u{e9}\u{1f600}\n]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-c]", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn one_look_is_the_same_as_reading_it_all(
        value in json(),
        steps in prop::collection::vec(
            prop_oneof![
                    4 => "\\.[a-c]", 2 => "\\[[0-3]\\]", 1 => Just("[*]".to_owned()), 1 => "\\['[a-c]'\\]",
                    2 => "\\[\\?@(\\.[a-c]|\\[[0-2]\\])?( ?(==|!=|<|<=|>|>=) ?(-?[0-3](\\.5)?|'[a-c]?'|null|true))?\\]",
                ], 0..5),
        cut in any::<prop::sample::Index>(),
        is_cut in prop::bool::weighted(0.2),
    ) {
        let path = path(&format!("${}", steps.concat()));
        prop_assert!(path.segments.is_some());
        let mut text = value.to_string().into_bytes();
        if is_cut {
            text.truncate(cut.index(text.len()));
        }
        if let Some(found) = path.find(&text) {
            prop_assert_eq!(Some(found), whole(&path, &text));
        } else if !is_cut {
            // Only members of an object, and halves of pairs, which are not in here.
            prop_assert!(steps.iter().any(|step| step == "[*]" || step.starts_with("[?")));
        }
    }
}
