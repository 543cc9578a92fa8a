//! Steps that set, stop and repeat, by the whole program: what is sent, and how it counts.

use crate::support::Perfctl;
use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, ok};

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
         {{name: a, get: '/{{{{ n }}}}/{{{{ m }}}}', variables: {{m: [2]}}}}]}}}}\n",
        server.url()
    );
    let completed = Perfctl::new()
        .file("scenarios/default.yaml", text)
        .args(["try"])
        .expect_status(0)
        .run();
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
