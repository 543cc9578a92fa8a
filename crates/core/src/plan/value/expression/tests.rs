//! Tests of `expression`: its values, its errors, its limits.

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use super::*;

const NAMES: [&str; 4] = ["name", "items", "unset", "users.id"];

fn resolve(path: &str) -> Result<(InputName, Input), String> {
    let whole = |input| Ok(((path.to_owned(), None), input));
    let parts: Vec<&str> = path.split('.').collect();
    match parts.as_slice() {
        ["name", ..] => Ok((("name".into(), None), Input::Variable(0))),
        ["items", ..] => Ok((("items".into(), None), Input::Variable(1))),
        ["unset"] => whole(Input::Variable(2)),
        ["users", "id", ..] => Ok((("users".into(), Some("id".into())), Input::Variable(3))),
        ["env", "KEY"] => {
            let path = ("env".into(), Some("KEY".into()));
            Ok((path, Input::Known("key".into())))
        }
        ["user_id"] => whole(Input::UserId),
        ["iteration"] => whole(Input::Iteration),
        ["status"] => whole(Input::Status),
        _ => Err(format!("unknown variable `{path}`")),
    }
}

fn with_scope<T>(seed: u64, use_it: impl FnOnce(&mut Scope<'_>) -> T) -> T {
    use_it(&mut Scope {
        names: &NAMES.map(str::to_owned),
        variables: &[
            Some(json!("Ann \"B\"")),
            Some(json!([{"id": 7}, {"id": 8.5}])),
            None,
            Some(json!("12")),
        ],
        shared: None,
        user_id: 7,
        iteration: 3,
        counters: &mut BTreeMap::new(),
        rng: &mut ChaCha12Rng::seed_from_u64(seed),
        request: None,
    })
}

fn text(source: &str) -> Result<String, String> {
    let expression = Expression::compile::<String>(source, resolve)?;
    with_scope(1, |scope| render(&expression, scope))
}

fn render(expression: &Expression, scope: &mut Scope<'_>) -> Result<String, String> {
    let mut text = String::new();
    expression.render(Escape::None, scope, &mut text)?;
    Ok(text)
}

#[test]
fn expressions_have_these_values() {
    for (source, expected) in [
        ("name | upper", "ANN \"B\""),
        ("name | length + 1", "8"),
        ("items[0].id", "7"),
        ("name[:3]", "Ann"),
        ("users.id[1:]", "2"),
        ("items[:1]", r#"[{"id":7}]"#),
        ("user_id | string ~ 1", "71"),
        ("name | raw", "Ann \"B\""),
        ("items", r#"[{"id":7},{"id":8.5}]"#),
        ("items[1].id > 8 and user_id == 7", "true"),
        ("'a' if iteration > 2 else 'b'", "a"),
        ("unset | default('none yet')", "none yet"),
        ("unset is defined", "false"),
        ("users.id | int + 1", "13"),
        ("'x' ~ users.id ~ '|nofilter'", "x12|nofilter"),
        (r"'it\'s |no filter' | length", "15"),
        ("(86400 * 365) | date", "1971-01-01T00:00:00Z"),
        ("0 | date('%d.%m.%Y')", "01.01.1970"),
        ("'a b/ä' | urlencode", "a%20b%2F%C3%A4"),
        ("'user:pass' | base64", "dXNlcjpwYXNz"),
        ("'dXNlcjpwYXNz' | base64_decode", "user:pass"),
        ("'????' | base64url", "Pz8_Pw"),
        ("counter('a') + counter('a') + counter('b')", "4"),
        // RFC 4231, test case 2; FIPS 180-4.
        (
            "hmac_sha256('Jefe', 'what do ya want for nothing?')",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            "'what do ya want for nothing?' | hmac_sha256('Jefe', 'base64')",
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=",
        ),
        (
            "md5('abc') ~ sha1('abc', 'base64')",
            "900150983cd24fb0d6963f7d28e17f72qZk+NkcGgWq6PiVxeFDCbJzQ2J0=",
        ),
        (
            "('what do ya want for nothing?' | hmac_sha1('Jefe')) ~ sha512('abc')[:8]",
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79ddaf35a1",
        ),
        (
            "hmac_sha512('Jefe', 'what do ya want for nothing?')[:16]",
            "164b7a7bfcf819e2",
        ),
        (
            "sha256('abc')",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        // The signing key of Amazon's own example, in which each signature is the next one's key.
        (
            "hmac_sha256(hmac_sha256(hmac_sha256(hmac_sha256(\
             'AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', '20150830', 'raw'), 'us-east-1', \
             'raw'), 'iam', 'raw'), 'aws4_request')",
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9",
        ),
        // RFC 4231, test case 3: key and text are bytes that are not text.
        (
            "hmac_sha256('qqqqqqqqqqqqqqqqqqqqqqqqqqo=' | base64_decode, \
             '3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d0=' | base64_decode)",
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        ),
        ("hmac_sha256(env.KEY, name) | length", "64"),
        ("uuid() | length", "36"),
        ("random_text(5) | length", "5"),
        ("random_choice(['x']) ~ random_choice('y', 'y')", "xy"),
        ("(random_float(1, 2) | int)", "1"),
        ("name | replace('Ann', 'Bob')", "Bob \"B\""),
    ] {
        assert_eq!(text(source).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn errors_are_found_before_the_run_if_possible() {
    for (source, part) in [
        ("nmae | upper", "unknown variable `nmae`"),
        ("name | uper", "did you mean `upper`?"),
        (
            "name is definde",
            "unknown test `definde`: did you mean `defined`?",
        ),
        ("shuffle(items)", "unknown variable `shuffle`"),
        ("uuid | upper", "write `uuid()`"),
        ("1 +", "not an expression"),
        ("name | upper %}", "not an expression"),
        ("", "not an expression"),
    ] {
        let error = Expression::compile::<String>(source, resolve).unwrap_err();
        assert!(error.contains(part), "{source}: {error}");
    }
}

#[test]
fn an_expression_that_fails_says_why() {
    for (source, part) in [
        ("unset | upper", "variable `unset` is not set yet"),
        ("items[9].id", "value is missing"),
        ("name | int", "`{{ name | int }}`: it fails"),
        ("name + 1", "it fails"),
        ("1 / 0", "it fails"),
        ("random_int(5, 1)", "the range is empty"),
        ("random_choice([])", "nothing to choose"),
        ("hmac_sha256('a', 'b', 'c')", "'hex', 'base64'"),
        ("'?' | base64_decode", "not base64"),
        ("'/w==' | base64_decode", "bytes that are not text"),
        ("9e99 | date", "out of range"),
        ("0 | date('%')", "date: "),
        ("'ab' * 999999", "longer than 1 MB"),
        ("'ab' * 999999999999", "takes more than"),
        (
            "('a' * 1000) | replace('a', 'b' * 9999)",
            "longer than 1 MB",
        ),
        ("random_text(99999999)", "longer than 1 MB"),
    ] {
        let error = text(source).unwrap_err();
        assert!(error.contains(part), "{source}: {error}");
    }
}

#[test]
fn the_same_seed_gives_the_same_values_one_after_the_other() {
    let expression =
        Expression::compile::<String>("random_int(1, 1000000) ~ uuid()", resolve).unwrap();
    let twice = |seed| {
        with_scope(seed, |scope| {
            (
                render(&expression, scope).unwrap(),
                render(&expression, scope).unwrap(),
            )
        })
    };
    assert_eq!(twice(1), twice(1));
    assert_ne!(twice(1), twice(2));
    let (first, second) = twice(1);
    assert_ne!(first, second);
}

#[test]
fn a_condition_sees_variables_and_the_last_status() {
    for (source, status, expected) in [
        ("status == 200", Some(200), true),
        ("status == 200", Some(404), false),
        ("status is none", None, true),
        ("items | length > 1", None, true),
        ("unset is defined and unset", None, false),
        ("name", None, true),
        ("''", None, false),
    ] {
        let condition = Condition::new(Expression::compile::<String>(source, resolve).unwrap());
        let holds = with_scope(1, |scope| condition.holds(scope, status));
        assert_eq!(holds, Ok(expected), "{source}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_an_expression_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "name", "items", "unset", "user_id", "|", "upper", "date", "(", ")", "[", "]", "*",
                "-1", "99999999999", "+", "'a'", "~", "if", "else", "is", "not", ".", ",", "round",
                "random_int", "random_text", "base64_decode", "in", "é", "\"", "%", "**", "//", ":",
            ]),
            0..12,
        ),
    ) {
        let _ = text(&words.join(" "));
    }
}

#[test]
fn whole_numbers_are_computed_with_exactly_or_not_at_all() {
    let value = |source: &str, number: &str| {
        let expression = Expression::compile::<String>(source, resolve).unwrap();
        let number: serde_json::Value = serde_json::from_str(number).unwrap();
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let mut scope = Scope {
            names: &NAMES.map(str::to_owned),
            variables: &[Some(number)],
            shared: None,
            user_id: 1,
            iteration: 1,
            counters: &mut BTreeMap::new(),
            rng: &mut rng,
            request: None,
        };
        expression.json(&mut scope).map(|value| value.to_string())
    };
    for (number, next) in [
        ("9007199254740992", "9007199254740993"),
        ("18446744073709551615", "18446744073709551616"),
        (
            "-170141183460469231731687303715884105728",
            "-170141183460469231731687303715884105727",
        ),
    ] {
        assert_eq!(value("name + 1", number).as_deref(), Ok(next));
        assert_eq!(value("name", number).as_deref(), Ok(number));
    }
    let error = value("name + 1", &"9".repeat(40)).unwrap_err();
    assert!(error.contains("too many digits"), "{error}");
}

#[test]
fn lists_texts_and_dates_are_made_as_in_jinja_and_python() {
    for (source, expected) in [
        ("range(3)", "[0,1,2]"),
        ("range(1, 8, 3) | list", "[1,4,7]"),
        ("items | map(attribute='id') | join('-')", "7-8.5"),
        ("['a', 'b'] | map('upper') | list", r#"["A","B"]"#),
        ("items | selectattr('id', 'gt', 7)", r#"[{"id":8.5}]"#),
        ("items | selectattr('id', '==', 7) | length", "1"),
        ("items | rejectattr('id', 'gt', 7) | first", r#"{"id":7}"#),
        ("range(5) | select('odd') | list", "[1,3]"),
        ("range(5) | reject('odd') | sum", "6"),
        ("[2, 1, 2] | unique | sort", "[1,2]"),
        (
            "items | sort(attribute='id', reverse=true) | map(attribute='id') | first",
            "8.5",
        ),
        ("range(5) | batch(2)", "[[0,1],[2,3],[4]]"),
        ("range(4) | slice(2)", "[[0,1],[2,3]]"),
        ("{'b': 1, 'a': 2} | dictsort", r#"[["a",2],["b",1]]"#),
        ("{'b': 1} | items", r#"[["b",1]]"#),
        ("dict(a=1)", r#"{"a":1}"#),
        ("{'a': [user_id]}.get('a')", "[7]"),
        ("items[0].get('x', 3)", "3"),
        ("{'a': 1}.keys() | list", r#"["a"]"#),
        ("'%05d' | format(user_id)", "00007"),
        ("'{:>3}|{}'.format(user_id, 'x')", "  7|x"),
        ("name.split(' ')[0]", "Ann"),
        ("name.startswith('Ann') and not name.endswith('x')", "true"),
        ("','.join(['a', 'b'])", "a,b"),
        ("' a '.strip()", "a"),
        ("'a\nb'.splitlines() | length", "2"),
        ("'a\nb' | lines | last", "b"),
        ("0 | date('%H:%M %Z', 'Europe/Berlin')", "01:00 CET"),
        ("0 | date(none, '+02:00')", "1970-01-01T02:00:00+02:00"),
        ("'1970-01-02' | timestamp", "86400"),
        ("'1970-01-01T01:00:00+01:00' | timestamp", "0"),
        ("'1970-01-01T01:00' | timestamp('Europe/Berlin')", "0"),
        (
            "('2026-01-31' | timestamp + 86400) | date('%Y-%m-%d')",
            "2026-02-01",
        ),
        ("now() - timestamp() < 2", "true"),
        (
            "fake.email.endswith('x') or fake.name() != fake.name",
            "true",
        ),
        ("fake.boolean in [true, false]", "true"),
    ] {
        assert_eq!(text(source).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn misspelled_names_of_the_library_are_found_before_the_run() {
    for (source, part) in [
        (
            "items | mapp(attribute='id')",
            "unknown filter `mapp`: did you mean `map`?",
        ),
        (
            "items | map('uper')",
            "unknown filter `uper`: did you mean `upper`?",
        ),
        ("items | select('od')", "unknown test `od`"),
        (
            "items | selectattr('id', 'numbr')",
            "unknown test `numbr`: did you mean `number`?",
        ),
        (
            "name.spilt(',')",
            "unknown method `spilt`: did you mean `split`?",
        ),
        ("rang(3)", "unknown function `rang`: did you mean `range`?"),
        (
            "fake.nmae",
            "unknown value of `fake`: `nmae`: did you mean `name`?",
        ),
        ("fake.nmae() | upper", "did you mean `name`?"),
        ("now() + now", "`now` is a function: write `now()`"),
    ] {
        let error = Expression::compile::<String>(source, resolve).unwrap_err();
        assert!(error.contains(part), "{source}: {error}");
    }
}

#[test]
fn no_expression_takes_much_time_or_memory() {
    for source in [
        "range(100000) | map('string') | join('x' * 900000)",
        "('a' * 900000).replace('', 'b' * 900000)",
        "'{:>999999999}'.format(1)",
        "'%999999999d' | format(1)",
        "'%.999999999f' | format(1)",
        "'%*d' | format(999999999, 1)",
        "'{:{}}'.format(1, 999999999)",
        "('%(a)999d' * 20000) | format(a=1)",
        "range(99999) | slice(999999999)",
        "range(99999) | batch(999999999, 1)",
        "[0] | batch(999999999, 1)",
        "range(99999) | map('replace', '', 'a' * 900000) | list",
        "range(99999999)",
        "[0] * 99999999",
    ] {
        // Of this thread: what else the machine does is no matter of the expression.
        let cpu_s = || clock_gettime(ClockId::ThreadCPUTime).tv_sec;
        let start_s = cpu_s();
        let result = text(source);
        assert!(cpu_s() - start_s < 5, "{source}");
        assert!(result.is_err(), "{source}: {}", result.unwrap().len());
    }
}

#[test]
fn what_is_the_same_in_every_request_is_known_before_the_run() {
    for (source, expected) in [
        ("env.KEY | upper", Some(json!("KEY"))),
        ("range(2)", Some(json!([0, 1]))),
        ("'now' ~ env.KEY", Some(json!("nowkey"))),
        ("env.KEY | raw", None),
        ("now()", None),
        ("timestamp() > 0", None),
        ("user_id + 1", None),
        ("name", None),
        ("random_int(1, 1)", None),
        ("env.KEY + 1", None),
    ] {
        let expression = Expression::compile::<String>(source, resolve).unwrap();
        assert_eq!(expression.fixed(), expected, "{source}");
    }
}
