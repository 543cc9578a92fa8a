//! Which scenarios use a value before it can be set.

use crate::scenario::compile::compile_in;
use crate::scenario::{Options, Source};

const LOGIN: &str = "{name: login, post: /login, extract: {token: $.token, id: $.id}}";

/// The errors of a scenario, each as `line:column`, and the whole text.
fn errors(text: &str, tags: &[&str]) -> (Vec<String>, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.yaml");
    let text = format!("host: demo\n{}", text.replace("LOGIN", LOGIN));
    std::fs::write(&path, text).unwrap();
    let options = Options {
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..Options::default()
    };
    let Err(error) = compile_in(dir.path(), &Source::File(path), "smoke", &options) else {
        return (Vec::new(), String::new());
    };
    let shown = error.to_string();
    let places = shown.lines().filter_map(|line| {
        let (_, place) = line.trim().strip_prefix("--> ")?.split_once("shop.yaml:")?;
        Some(place.to_owned())
    });
    (places.collect(), shown)
}

#[test]
fn what_may_be_set_before_is_no_error() {
    for text in [
        // In any order, an earlier iteration may have set it.
        "endpoints: [{get: '/{{ token }}'}, LOGIN]",
        "users: {u: {on_start: LOGIN, endpoints: [{get: '/{{ token }}'}], on_stop: {get: '/o/{{ id }}'}}}",
        "users: {u: {endpoints: [LOGIN], on_stop: {get: '/o/{{ id }}'}}}",
        "flows: {f: {steps: [LOGIN, {get: '/{{ token }}'}]}}",
        "flows: {f: {steps: [{if: user_id > 1, then: LOGIN}, {get: '/{{ token }}'}]}}",
        "flows: {f: {steps: [{random: [{steps: LOGIN}, {steps: {get: /}}]}, {get: '/{{ token }}'}]}}",
        "flows: {f: {steps: [{parallel: [LOGIN]}, {burst: 2, requests: {get: '/{{ token }}'}}]}}",
        "flows: {f: {steps: [{poll: LOGIN, until: {that: token != ''}}, {get: '/{{ token }}'}]}}",
        "flows: {f: {steps: [{repeat: 2, while: user_id > 1, steps: LOGIN}, {get: '/{{ token }}'}]}}",
        // Set by the end of the first repetition, or iteration.
        "flows: {f: {steps: {repeat: 2, steps: [{if: user_id > 1, then: {get: '/{{ token }}'}}, LOGIN]}}}",
        "flows: {f: {on_error: continue, steps: [{get: '/{{ token }}'}, LOGIN]}}",
        // A value to begin with, or none needed.
        "variables: {token: ''}\nflows: {f: {steps: [{get: '/{{ token }}'}, LOGIN]}}",
        "flows: {f: {steps: [{get: \"/{{ token | default('') }}\"}, LOGIN]}}",
        "flows: {f: {steps: [{if: token is defined and token != '', then: {get: /}}, LOGIN]}}",
        "flows: {f: {steps: [{if: token is undefined, then: LOGIN}, {get: '/{{ token }}'}]}}",
        // Steps and endpoints set it.
        "flows: {f: {steps: [{set: {a: 1, b: '{{ a }}'}}, {get: '/{{ b }}'}]}}",
        "flows: {f: {variables: {a: 1, b: '{{ a }}'}, steps: [{get: '/{{ b }}'}]}}",
        "endpoints: [{variables: {a: 1, b: '{{ a }}'}, get: '/{{ b }}'}]",
        "variables: {n: 0}\nflows: {f: {steps: [{set: {n: '{{ n + 1 }}'}}, {get: '/{{ n }}'}]}}",
        "flows: {f: {steps: [{name: x, get: /, variables: {a: 1}}, {get: '/{{ a }}'}]}}",
        // Arguments.
        "endpoints: [{name: x, get: '/{{ a }}'}]\nflows: {f: {steps: [{step: x, with: {a: 1}}]}}",
        "steps: {s: [{get: '/{{ a }}', extract: {b: $.b}}]}\nflows: {f: {steps: [{step: s, with: {a: 1}}, {get: '/{{ b }}'}]}}",
        // Its own response has it by then.
        "endpoints: [{get: /, extract: {n: $.n}, check: {that: n > 1}}]",
        "flows: {f: {steps: [{repeat: [a, '{{ user_id }}'], steps: {get: '/{{ item }}'}}]}}",
        "flows: {f: {steps: [{repeat: 3, variable: n, steps: {get: '/{{ n }}'}}, {get: '/last/{{ n }}'}]}}",
        // What does not run needs nothing.
        "endpoints: [{get: '/{{ token }}', weight: 0}, {name: login, post: /l, weight: 0, extract: {token: $.t}}, {get: /}]",
        "defaults: {headers: {A: '{{ token }}'}}\nusers: {u: {on_start: {post: /l, headers: {a: null}, extract: {token: $.t}}, endpoints: [{get: /}]}}",
        "defaults: {headers: {A: '{{ token }}'}}\nusers: {u: {on_start: {post: /l, headers: {a: x}, extract: {token: $.t}}, endpoints: [{get: /}]}}",
        "defaults: {auth: {bearer: '{{ token }}'}}\nusers: {u: {on_start: {post: /l, auth: none, extract: {token: $.t}}, endpoints: [{get: /}]}}",
    ] {
        let (_, shown) = errors(text, &[]);
        assert_eq!(shown, "", "{text}");
    }
}

#[test]
fn what_cannot_be_set_before_is_shown_once_and_where_it_is_used() {
    for (text, places) in [
        (
            "flows: {f: {steps: [{get: '/{{ token }}'}, LOGIN, {get: '/x/{{ token }}'}]}}",
            &["2:29"][..],
        ),
        (
            "endpoints: [{get: '/{{ next }}', extract: {next: $.n}}]",
            &["2:21"],
        ),
        (
            "users: {u: {on_start: [{get: '/{{ id }}'}, LOGIN], endpoints: [{get: '/{{ token }}'}]}}",
            &["2:32"],
        ),
        (
            "users: {u: {on_stop: [{get: '/{{ id }}'}, LOGIN], endpoints: [{get: /}]}}",
            &["2:31"],
        ),
        (
            "flows: {f: {steps: [{if: token != '', then: {get: /}}, LOGIN]}}",
            &["2:26"],
        ),
        (
            "flows: {f: {steps: [{repeat: ['{{ token }}'], steps: {get: /}}, LOGIN]}}",
            &["2:31"],
        ),
        (
            "flows: {f: {steps: [{repeat: 9, while: id < 3, steps: LOGIN}]}}",
            &["2:40"],
        ),
        (
            "users: {u: {on_start: {parallel: [LOGIN, {get: '/{{ id }}'}]}, endpoints: [{get: /}]}}",
            &["2:109"],
        ),
        (
            "flows: {f: {steps: [{get: '/{{ item }}'}, {repeat: [1], steps: {get: /}}]}}",
            &["2:29"],
        ),
        (
            "flows: {f: {steps: [{get: /, check: {that: id > 1}}, LOGIN]}}",
            &["2:44"],
        ),
        // Each waits for the other.
        (
            "endpoints: [{get: '/a/{{ b }}', extract: {a: $.a}}, {get: '/b/{{ a }}', extract: {b: $.b}}]",
            &["2:23", "2:63"],
        ),
        // What another endpoint would set is no second error.
        (
            "endpoints: [{get: '/a/{{ a }}', extract: {a: $.a}}, {get: '/b/{{ a }}'}]",
            &["2:23"],
        ),
        // The same header of several requests is one error.
        (
            "defaults: {headers: {A: '{{ token }}'}}\nflows: {f: {steps: [{get: /}, LOGIN, {get: /x}]}}",
            &["2:26"],
        ),
        (
            "defaults: {auth: {bearer: '{{ token }}'}}\nflows: {f: {steps: [LOGIN]}}",
            &["2:28"],
        ),
    ] {
        let (found, shown) = errors(text, &[]);
        assert_eq!(found, places, "{text}\n{shown}");
    }
}

#[test]
fn the_explanation_names_what_sets_the_value_and_the_way_out() {
    let (_, shown) = errors(
        "defaults: {headers: {X-Key: '{{ token }}'}}\nflows: {f: {steps: [{name: home, get: /}, LOGIN]}}",
        &[],
    );
    for part in [
        "`home` and `login` would be sent with the header `X-Key` of `defaults` before `token` is set",
        "only the response to `login` sets it",
        "write `headers: {X-Key: null}` there",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    let text = "endpoints:\n- {name: login, post: /l, extract: {token: $.t}}\n- {get: '/{{ token }}', tags: read}";
    assert_eq!(errors(text, &[]).1, "");
    let (_, shown) = errors(text, &["read"]);
    assert!(shown.contains("`token` is never set"), "{shown}");
    assert!(
        shown.contains("`login` would: check tags and weights"),
        "{shown}"
    );
    let (_, shown) = errors(
        "users:\n  a: {on_start: LOGIN, endpoints: [list]}\n  b: {endpoints: [list]}\nendpoints: [{name: list, get: '/{{ id }}'}]",
        &[],
    );
    assert!(
        shown.contains("nothing that users of `b` do sets it"),
        "{shown}"
    );
}
