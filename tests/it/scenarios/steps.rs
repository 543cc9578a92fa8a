//! Steps that set, stop and repeat, by the whole program: what is sent, and how it counts.

use crate::support::Perfctl;
use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, ok};
use crate::support::scenario::{cells, outcomes};
use perfctl::metrics::Outcome;

/// A program with a scenario of these flows, and one user that goes through each iteration `times` times.
fn flows(server: &Recording, rest: &str, times: u32) -> Perfctl {
    let text = format!(
        "host: {}\n{rest}\nprofiles: {{quick: {{stages: [{{users: 1, ramp: 0s, duration: 1s}}]}}}}\n",
        server.url()
    );
    Perfctl::new()
        .file("scenarios/default.yaml", text)
        .args(["run", "--profile", "quick", "--seed", "7", "--iterations"])
        .args([times.to_string()])
}

for_each_client! {
    one_value_is_sent_in_several_places
    loops_have_the_length_that_their_values_say
    a_loop_over_something_else_fails_its_flow
    named_steps_take_arguments
}

fn one_value_is_sent_in_several_places() {
    let server = Recording::start(|_, _| ok("{\"id\": 7}"));
    let rest = r#"
variables: {n: 0}
flows:
  order:
    variables: {order: "{{ uuid }}", short: "{{ order[:8] }}"}
    steps:
      - set: {n: "{{ n + 1 }}", line: {order: "{{ short }}", count: "{{ n }}", list: [1, "{{ n }}"]}}
      - {name: create, put: "/orders/{{ order }}", json: {id: "{{ order }}", n: "{{ n }}", line: "{{ line }}"}}
      - name: item
        post: "/items/{{ item_id }}"
        variables: {item_id: "{{ uuid }}", tag: "{{ item_id }}/{{ n }}"}
        json: {id: "{{ item_id }}", tag: "{{ tag }}"}
      - burst: 2
        requests: {name: twice, get: "/twice/{{ key }}/{{ key }}", variables: {key: "{{ uuid }}"}}
      - {name: last, get: "/last/{{ order }}/{{ item_id }}"}
"#;
    flows(&server, rest, 2).expect_status(0).run();
    let seen = server.seen();
    assert_eq!(seen.len(), 10);
    let mut orders = Vec::new();
    for (n, seen) in (1..).zip(seen.chunks(5)) {
        let order = seen[0].path().strip_prefix("/orders/").unwrap();
        let short = &order[..8];
        let line = format!("{{\"order\":\"{short}\",\"count\":{n},\"list\":[1,{n}]}}");
        let body: serde_json::Value = serde_json::from_str(&seen[0].text()).unwrap();
        assert_eq!(body["id"], order);
        assert_eq!(body["n"], n, "a number stays one");
        assert_eq!(body["line"].to_string(), line);
        let item = seen[1].path().strip_prefix("/items/").unwrap();
        let text = format!("{{\"id\":\"{item}\",\"tag\":\"{item}/{n}\"}}");
        assert_eq!(seen[1].text(), text);
        let keys = seen[2..4].iter().map(|seen| {
            let parts: Vec<&str> = seen.path().split('/').collect();
            assert_eq!(parts[2], parts[3]);
            parts[2].to_owned()
        });
        let keys: Vec<String> = keys.collect();
        assert_ne!(keys[0], keys[1], "each request of a burst has its own");
        assert_eq!(seen[4].path(), format!("/last/{order}/{item}"));
        orders.push(order.to_owned());
    }
    assert_ne!(orders[0], orders[1], "each iteration has its own");
}

#[test]
fn a_trial_shows_what_steps_set() {
    let server = Recording::ok();
    let text = format!(
        "host: {}\nflows: {{f: {{steps: [{{set: {{n: 1, my_password: hidden1}}}}, \
         {{name: a, get: '/{{{{ n }}}}/{{{{ m }}}}', variables: {{m: [2]}}}}, \
         {{during: 1h, steps: {{name: b, get: /b}}}}]}}}}\n",
        server.url()
    );
    let completed = Perfctl::new()
        .file("scenarios/default.yaml", text)
        .args(["try"])
        .expect_status(0)
        .run();
    assert_eq!(server.paths(), ["/1/%5B2%5D", "/b"]);
    for part in [
        "set     n = 1\n",
        "set     my_password = ***",
        "set     m = [2]\n",
    ] {
        assert!(completed.stdout.contains(part), "{}", completed.stdout);
    }
    assert!(
        !completed.stdout.contains("hidden1"),
        "{}",
        completed.stdout
    );
}

#[test]
fn a_step_ends_its_flow_its_user_or_the_load() {
    let server = Recording::ok();
    let rest = r#"
endpoints: [{name: bye, get: "/bye/{{ user_id }}", weight: 0}, {name: gone, get: "/gone/{{ user_id }}", weight: 0}]
users:
  buyer:
    flows: [buy]
    on_stop: [bye, {if: user_id == 1, then: {stop: flow}}, gone]
flows:
  buy:
    steps:
      - {name: a, get: "/a/{{ user_id }}"}
      - inner
      - {if: user_id == 1, then: {stop: user}}
      - {repeat: 5, steps: [{name: b, get: "/b/{{ user_id }}"}, {stop: flow}]}
      - {name: never, get: /never}
  inner:
    steps: [{random: [{steps: {stop: flow}}]}, {name: nor this, get: /never}]
"#;
    let completed = flows(&server, rest, 6)
        .args(["-u", "2"])
        .expect_status(0)
        .run();
    let mut paths = server.paths();
    paths.sort_unstable();
    let expected = [
        "/a/1", "/a/2", "/a/2", "/a/2", "/b/2", "/b/2", "/b/2", "/bye/1", "/bye/2", "/gone/2",
    ];
    assert_eq!(paths, expected);
    let result = completed.result();
    let totals = result.run.ending.as_ref().unwrap().totals;
    assert_eq!(totals.stopped_users, 1);
    let note = "the scenario ended 1 user early";
    assert!(completed.stdout.contains(note), "{}", completed.stdout);
    assert_eq!(
        outcomes(&result),
        "ok 10",
        "a flow that is left has not failed"
    );
    let buy = cells(&result, "buy").map(|cell| cell.count(|outcome| outcome == Outcome::Ok));
    assert_eq!(buy.sum::<u64>(), 4);

    let server = Recording::ok();
    let rest = "flows: {f: {steps: [{name: a, get: /a}, {if: iteration == 3, then: {stop: run}}, {name: b, get: /b}]}}";
    let text = format!(
        "host: {}\n{rest}\nprofiles: {{quick: {{stages: [{{users: 1, ramp: 0s, duration: 20s}}]}}}}\n",
        server.url()
    );
    let completed = Perfctl::new()
        .file("scenarios/default.yaml", text)
        .args(["run", "--profile", "quick", "--workers", "1"])
        .expect_status(0)
        .run();
    assert_eq!(server.paths(), ["/a", "/b", "/a", "/b", "/a"]);
    let result = completed.result();
    assert!(result.run.ending.as_ref().unwrap().stopped_by_scenario);
    let shown: Vec<&str> = completed.stdout.split_whitespace().collect();
    let note = "the load was stopped by the scenario after";
    assert!(shown.join(" ").contains(note), "{}", completed.stdout);
}

#[test]
fn a_step_fails_its_flow_with_a_text() {
    let server = Recording::start(|_, _| ok("{\"left\": 0}"));
    let rest = r#"
flows:
  buy:
    steps:
      - {name: a, get: /a, extract: {left: $.left}}
      - {if: left == 0, then: {fail: "only {{ left }} left"}}
      - {name: never, get: /never}
  other: {steps: [{name: b, get: /b}, {fail: sold out}]}
"#;
    let completed = flows(&server, rest, 40).run();
    let result = completed.result();
    let failures = |name: &str| -> Vec<(String, String)> {
        let failures = cells(&result, name).flat_map(|cell| cell.failure_counts.iter());
        let failures = failures.map(|one| {
            assert_eq!(one.outcome, Outcome::CheckFailed);
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            (text(&one.key), text(&one.example))
        });
        failures.collect()
    };
    let one = |key: &str, example: &str| vec![(key.to_owned(), example.to_owned())];
    assert_eq!(failures("buy"), one("only {{ left }} left", "only 0 left"));
    assert_eq!(failures("other"), one("sold out", "sold out"));
    assert!(!server.paths().contains(&"/never".to_owned()));
    let shown: Vec<&str> = completed.stdout.split_whitespace().collect();
    let shown = shown.join(" ");
    for text in [
        "all 40 flows failed: ",
        "of the flow `other` failed, and no SLO is about that",
    ] {
        assert!(shown.contains(text), "{shown}");
    }

    let server = Recording::ok();
    let rest = "users: {u: {on_start: [{fail: no account}], endpoints: [{name: a, get: /a}]}}";
    let completed = flows(&server, rest, 2).run();
    let shown: Vec<&str> = completed.stdout.split_whitespace().collect();
    for text in [
        "FAIL nothing measured: `on_start` failed for u: 1 of 1, the first: no account",
        "the load was that much lower; u: 1 of 1, the first: no account",
    ] {
        assert!(shown.join(" ").contains(text), "{}", completed.stdout);
    }
    assert!(server.paths().is_empty());
}

fn loops_have_the_length_that_their_values_say() {
    let server = Recording::start(|seen, _| match seen.path() {
        "/list" => ok("{\"items\": [\"x\", \"y\"], \"count\": 3, \"none\": [], \"text\": \"2\"}"),
        _ => ok(""),
    });
    let rest = r#"
flows:
  f:
    steps:
      - {name: list, get: /list, extract: {items: $.items, count: $.count, none: $.none, text: $.text}}
      - {repeat: "{{ items }}", steps: {name: item, get: "/item/{{ item }}"}}
      - {repeat: "{{ items[:1] }}", variable: one, steps: {name: one, get: "/one/{{ one }}"}}
      - {repeat: "{{ count - 1 }}", variable: n, steps: {name: n, get: "/n/{{ n }}"}}
      - {repeat: "{{ text }}", while: item < 2, steps: {name: text, get: "/text/{{ item }}"}}
      - {repeat: "{{ none }}", steps: {name: never, get: /never}}
      - {repeat: "{{ 0 }}", steps: never}
      - parallel: "{{ items }}"
        variable: url
        request: {name: part, get: "/part/{{ url }}/{{ key }}", variables: {key: "{{ url }}!"}}
      - {parallel: "{{ none }}", request: never}
      - {during: 150ms, variable: turn, while: turn <= 2, steps: {name: during, get: "/during/{{ turn }}"}}
      - {during: 30ms, steps: [{think: 20ms}, {name: some, get: /some}]}
      - {name: end, get: "/end/{{ url }}/{{ n }}"}
"#;
    flows(&server, rest, 1).expect_status(0).run();
    let mut paths = server.paths();
    paths[7..9].sort_unstable();
    let some = paths.iter().filter(|path| *path == "/some").count();
    assert!((1..=2).contains(&some), "{paths:?}");
    paths.retain(|path| path != "/some");
    let expected = [
        "/list",
        "/item/x",
        "/item/y",
        "/one/x",
        "/n/1",
        "/n/2",
        "/text/1",
        "/part/x/x%21",
        "/part/y/y%21",
        "/during/1",
        "/during/2",
        "/end/y/2",
    ];
    assert_eq!(paths, expected);
}

fn a_loop_over_something_else_fails_its_flow() {
    let values = format!(
        "{{\"minus\": -1, \"half\": 1.5, \"map\": {{}}, \"all\": {:?}}}",
        [0; 1001]
    );
    let server = Recording::start(move |_, _| ok(&values));
    let rest = r#"
users:
  u:
    on_start: {name: a, get: /a, extract: {minus: $.minus, half: $.half, map: $.map, all: $.all}}
    flows: [minus, half, map, many, single, crowd]
flows:
  minus: {steps: [{repeat: "{{ minus }}", steps: {name: never, get: /never}}]}
  half: {steps: [{repeat: "{{ half }}", steps: never}]}
  map: {steps: [{repeat: "{{ map }}", steps: never}]}
  many: {steps: [{repeat: "{{ 1000001 }}", steps: never}]}
  single: {steps: [{parallel: "{{ minus }}", request: never}]}
  crowd: {steps: [{parallel: "{{ all }}", request: never}]}
"#;
    let completed = flows(&server, rest, 60).run();
    let result = completed.result();
    assert_eq!(server.paths(), ["/a"]);
    for (flow, part) in [
        (
            "minus",
            "`repeat` needs a whole number from 0 to 1000000 or a list, and this is none: -1",
        ),
        ("half", "none: 1.5"),
        ("map", "none: {}"),
        ("many", "none: 1000001"),
        ("single", "`parallel` needs a list, and this is none: -1"),
        ("crowd", "at most 1000 requests at once"),
    ] {
        let failures = cells(&result, flow).flat_map(|cell| cell.failure_counts.iter());
        let texts: Vec<&str> = failures.filter_map(|one| one.example.as_deref()).collect();
        assert!(
            texts.iter().any(|text| text.contains(part)),
            "{flow}: {texts:?}"
        );
    }
}

fn named_steps_take_arguments() {
    let server = Recording::start(|_, number| ok(&format!("{{\"id\": {number}}}")));
    let included = r#"
steps:
  buy:
    - {name: cart, post: /cart, json: {item: "{{ item }}", n: "{{ n }}"}, extract: {id: $.id}}
    - {step: pay, with: {item: "{{ n }}", n: "{{ item }}"}}
    - {name: done, get: "/done/{{ item }}"}
  pay: {name: payment, post: "/pay/{{ item }}/{{ n }}"}
"#;
    let rest = r#"
include: buy.yaml
variables: {item: own}
flows:
  f:
    steps:
      - {step: buy, with: {item: "{{ item }}/{{ user_id }}", n: 2}}
      - {repeat: [tea], variable: kind, steps: {step: buy, with: {item: "{{ kind }}", n: [1]}}}
      - {step: last, with: {note: "{{ id }}"}}
      - {if: note is defined, then: {name: never, get: /never}}
endpoints: [{name: last, get: "/last/{{ item }}/{{ note }}"}]
"#;
    flows(&server, rest, 1)
        .file("scenarios/buy.yaml", included)
        .expect_status(0)
        .run();
    let sent = server
        .seen()
        .into_iter()
        .map(|seen| format!("{} {}", seen.path(), seen.text()));
    let expected = [
        "/cart {\"item\":\"own/1\",\"n\":2}",
        "/pay/2/own%2F1 ",
        "/done/own%2F1 ",
        "/cart {\"item\":\"tea\",\"n\":[1]}",
        "/pay/%5B1%5D/tea ",
        "/done/tea ",
        "/last/own/3 ",
    ];
    assert_eq!(sent.collect::<Vec<_>>(), expected);
}
