//! What happens once a run, `setup` before the load and `teardown` after it; and what all users share.

use std::collections::BTreeSet;

use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, answer, ok};
use crate::support::scenario::{SCENARIO, outcomes, started, wait_until};
use crate::support::{Perfctl, Signal};

/// `perfctl run` of two users for a second, with these keys of a scenario.
fn run(server: &Recording, rest: &str) -> Perfctl {
    let profile = "profiles: {quick: {stages: [{users: 2, ramp: 0s, duration: 1s}]}}";
    let text = format!("host: {}\n{rest}\n{profile}\n", server.url());
    Perfctl::new()
        .file(SCENARIO, text)
        .args(["run", "--profile", "quick", "--seed", "7"])
}

for_each_client! {
    all_users_have_the_values_of_the_set_up_and_its_requests_are_not_measured
    a_failed_set_up_ends_the_run_before_the_load
    a_failed_tear_down_fails_the_run_and_keeps_its_result
}

fn all_users_have_the_values_of_the_set_up_and_its_requests_are_not_measured() {
    let server = Recording::start(|seen, _| match seen.path() {
        "/login" => answer(
            "200 OK",
            "set-cookie: who=setup\r\n",
            "{\"token\": \"t-0123456789\", \"items\": [4, 5]}",
        ),
        _ => ok("{}"),
    });
    let rest = r#"
variables: {own: "{{ uuid }}", batch: none, kind: "{{ 'a' }}"}
steps:
  enter:
    - name: log in
      post: /login
      extract: {token: $.token, items: $.items}
setup:
  - enter
  - set: {batch: "{{ uuid }}", size: "{{ items | length }}"}
  - {name: prepare, put: "/batches/{{ batch }}", json: {size: "{{ size }}"}}
teardown:
  - {name: remove, delete: "/batches/{{ batch }}", headers: {Authorization: "Bearer {{ token }}"}}
users:
  one:
    on_start: [{name: hello, get: "/hello/{{ token }}"}]
    endpoints: [{name: use, get: "/use/{{ batch }}/{{ size }}/{{ own }}/{{ kind }}", check: {that: "size == 2"}}]
"#;
    let completed = run(&server, rest)
        .args(["--iterations", "8", "--workers", "2"])
        .expect_status(0)
        .run();
    let seen = server.seen();
    let paths: Vec<&str> = seen.iter().map(|seen| seen.path()).collect();
    assert_eq!(paths.len(), 13, "{paths:?}");
    let batch = paths[1].strip_prefix("/batches/").unwrap();
    assert_eq!((paths[0], paths[12]), ("/login", paths[1]));
    assert!(seen[12].line.starts_with("DELETE"), "{}", seen[12].line);
    assert_eq!(seen[1].text(), "{\"size\":2}");
    let own: BTreeSet<&str> = paths[2..12]
        .iter()
        .filter(|path| **path != "/hello/t-0123456789")
        .map(|path| {
            let rest = path.strip_prefix(&format!("/use/{batch}/2/"));
            rest.unwrap_or_else(|| panic!("{path}"))
        })
        .collect();
    assert_eq!(own.len(), 2, "each user has its own: {own:?}");
    for (position, seen) in seen.iter().enumerate() {
        let is_around = [1, 12].contains(&position);
        let cookie = seen.header("cookie");
        assert_eq!(cookie, is_around.then_some("who=setup"), "{}", seen.line);
    }
    assert_eq!(
        seen[12].header("authorization"),
        Some("Bearer t-0123456789")
    );
    let result = completed.result();
    assert_eq!(started(&result), [("use", 8), ("hello", 2)]);
    for text in [
        completed.stdout.clone(),
        completed.stderr.clone(),
        completed.read(completed.runs()[0].join("result.json")),
        completed.read(completed.runs()[0].join("plan.json")),
    ] {
        assert!(!text.contains("t-0123456789"), "{text}");
    }
}

fn a_failed_set_up_ends_the_run_before_the_load() {
    let server = Recording::start(|seen, _| match seen.path() {
        "/tenants" => answer("503 Service Unavailable", "", "{\"detail\": \"no room\"}"),
        _ => ok("{}"),
    });
    let rest = "
setup: [{get: /first}, {name: create tenant, post: /tenants}, {get: /never}]
teardown: [{get: /never}]
endpoints: [{get: /never}]";
    let completed = run(&server, rest).expect_status(4).run();
    assert_eq!(server.paths(), ["/first", "/tenants"]);
    assert_eq!(
        completed.stderr,
        "error: `setup` failed: step `create tenant` (POST /tenants) ended as http_5xx: status 503; \
         the response says: no room\n  help: no load was sent; `perfctl try` shows its requests and \
         responses\n"
    );
    assert!(completed.runs().is_empty(), "{:?}", completed.runs());
}

fn a_failed_tear_down_fails_the_run_and_keeps_its_result() {
    let server = Recording::start(|seen, _| match seen.path() {
        "/count" => ok("{\"orders\": 3}"),
        _ => ok("{}"),
    });
    let rest = r#"
teardown:
  - {name: count, get: /count, extract: {orders: $.orders}}
  - {if: "orders != 4", then: {fail: "{{ orders }} orders"}}
  - {name: remove, delete: /orders}
endpoints: [{name: order, post: /orders}]
"#;
    let why = "`teardown` failed: 3 orders";
    for (options, status) in [("", 1), ("--fail-on regression", 0)] {
        let completed = run(&server, rest)
            .args(["--iterations", "4"])
            .args(options.split_whitespace())
            .expect_status(status)
            .run();
        let paths = server.paths();
        assert_eq!(paths[paths.len() - 2..], ["/count", "/orders"], "all steps");
        assert!(completed.stderr.contains(why), "{}", completed.stderr);
        let told = completed.stdout.matches("3 orders").count();
        assert_eq!(told, 1, "{}", completed.stdout);
        let result = completed.result();
        assert_eq!(outcomes(&result), "ok 4");
        let again = Perfctl::after(completed)
            .args(["report"])
            .expect_status(status)
            .run();
        assert!(again.stdout.contains("3 orders"), "{}", again.stdout);
    }
}

#[test]
fn the_tear_down_runs_after_a_signal() {
    let server = Recording::ok();
    let rest = "
setup: [{get: /setup}]
teardown: [{get: /teardown}]
endpoints: [{get: /load}]";
    let running = run(&server, rest)
        .args(["-t", "10m"])
        .expect_status(130)
        .spawn();
    wait_until("under load", || server.paths().len() > 10);
    running.signal(Signal::Int);
    running.wait();
    let paths = server.paths();
    let around = |path: &str| paths.iter().filter(|one| *one == path).count();
    assert_eq!((around("/setup"), around("/teardown")), (1, 1));
    assert_eq!(paths.last().map(String::as_str), Some("/teardown"));
}

#[test]
fn a_signal_ends_a_set_up_that_hangs() {
    let server = Recording::ok();
    let rest = "
setup: [{get: /setup}, {during: 10m, steps: [{think: 1s}]}]
teardown: [{get: /teardown}]
endpoints: [{get: /load}]";
    let running = run(&server, rest).expect_status(130).spawn();
    wait_until("in the set-up", || !server.paths().is_empty());
    running.signal(Signal::Int);
    let completed = running.wait();
    assert_eq!(server.paths(), ["/setup"]);
    assert!(
        completed.stderr.contains("no load was sent"),
        "{}",
        completed.stderr
    );
    assert!(completed.runs().is_empty());
}

#[test]
fn a_set_up_changes_no_request_of_the_load_and_runs_once_each_time() {
    let load = "endpoints: [{name: a, get: \"/a/{{ random_int(1, 1000000) }}/{{ uuid }}\"}]";
    let sent = |rest: &str, options: &str| {
        let server = Recording::ok();
        run(&server, rest)
            .args(["--iterations", "6"])
            .args(options.split_whitespace())
            .expect_status(0)
            .run();
        server.paths()
    };
    let of_load = |paths: &[String]| {
        let mut paths: Vec<String> = paths.to_vec();
        paths.retain(|path| path.starts_with("/a/"));
        paths.sort();
        paths
    };
    let without = sent(load, "");
    let rest = format!("setup: [{{get: \"/s/{{{{ random_int(1, 9) }}}}\"}}]\n{load}");
    let with = sent(&rest, "");
    assert_eq!((without.len(), with.len()), (6, 7));
    assert_eq!(of_load(&without), of_load(&with));
    let twice = sent(&rest, "--repeat 2");
    assert_eq!(
        (
            twice.len(),
            twice.iter().filter(|path| path.starts_with("/s/")).count()
        ),
        (14, 2)
    );
}

#[test]
fn a_trial_shows_set_up_and_tear_down() {
    let server = Recording::start(|seen, _| match seen.path() {
        "/bad" => answer("500 Oops", "", "{}"),
        _ => ok("{\"id\": 7}"),
    });
    let tried = |setup: &str, status| {
        let rest = format!(
            "host: {}\nsetup: [{{name: create, get: {setup}, extract: {{id: $.id}}}}]\n\
             teardown: [{{name: remove, delete: \"/{{{{ id }}}}\"}}]\n\
             endpoints: [{{name: use, get: \"/use/{{{{ id }}}}\"}}]\n",
            server.url()
        );
        let perfctl = Perfctl::new().file(SCENARIO, rest).args(["try"]);
        perfctl.expect_status(status).run().stdout
    };
    let shown = tried("/good", 0);
    let at = |part: &str| {
        shown
            .find(part)
            .unwrap_or_else(|| panic!("{part}: {shown}"))
    };
    let parts = [
        "\nsetup",
        "\ncreate",
        "id = 7",
        "GET /use/7",
        "\nteardown",
        "\nremove",
        "3 requests: 3 ok",
    ];
    assert!(parts.map(at).is_sorted(), "{shown}");
    let shown = tried("/bad", 1);
    assert!(
        shown.contains("setup failed, so nothing else is tried"),
        "{shown}"
    );
    assert!(!shown.contains("GET /use"), "{shown}");
}

#[test]
fn users_of_all_workers_share_counters_and_lists() {
    let server = Recording::ok();
    let rest = r#"
shared: {orders: 1000, accounts: [ann], used: []}
variables: {account: "{{ shared.pop('accounts') }}"}
setup:
  - {repeat: 3, variable: i, steps: [{push: {accounts: {name: "user-{{ i }}"}}}]}
teardown:
  - get: "/end/{{ shared.value('orders') }}/{{ shared.length('used') }}/{{ shared.length('accounts') }}"
  - {if: "shared.pop('accounts') is none", then: [{get: /empty}]}
flows:
  order:
    steps:
      - {name: place order, get: "/order/{{ shared.next('orders') }}/{{ account.name | default(account) }}"}
      - push: {used: "{{ account }}"}
      - {name: pick, get: "/pick/{{ shared.pick('used') | json }}"}
"#;
    let profile = "profiles: {quick: {stages: [{users: 4, ramp: 0s, duration: 1s}]}}";
    let text = format!("host: {}\n{rest}\n{profile}\n", server.url());
    let completed = Perfctl::new()
        .file(SCENARIO, text)
        .args(["run", "--profile", "quick", "--iterations", "40"])
        .args(["--workers", "2", "--repeat", "2"])
        .expect_status(0)
        .run();
    let paths = server.paths();
    let runs: Vec<&[String]> = paths.chunks(paths.len() / 2).collect();
    for run in runs {
        let orders = run.iter().filter_map(|path| path.strip_prefix("/order/"));
        let (numbers, accounts): (BTreeSet<u32>, BTreeSet<&str>) = orders
            .map(|order| order.split_once('/').unwrap())
            .map(|(number, account)| (number.parse::<u32>().unwrap(), account))
            .unzip();
        assert!(numbers.into_iter().eq(1000..1040), "{run:?}");
        // The user of the set-up took none.
        let own = ["ann", "user-1", "user-2", "user-3"];
        assert!(accounts.into_iter().eq(own), "{run:?}");
        let picked = run.iter().filter(|path| path.starts_with("/pick/"));
        assert!(
            picked.clone().all(|path| !path.ends_with("/null")),
            "{run:?}"
        );
        assert_eq!(picked.count(), 40);
        assert_eq!(run[80..], ["/end/1039/40/0", "/empty"]);
    }
    drop(completed);
}

#[test]
fn what_a_full_list_does_not_keep_is_said() {
    let server = Recording::ok();
    let rest = "
shared: {tokens: []}
setup: [{repeat: 100002, steps: [{push: {tokens: 1}}]}]
flows: {f: {steps: [{get: /}, {push: {tokens: 1}}]}}";
    let completed = run(&server, rest)
        .args(["--iterations", "3"])
        .expect_status(0)
        .run();
    let note = "shared list `tokens` was full: 5 items not kept";
    assert!(completed.stdout.contains(note), "{}", completed.stdout);
}

#[test]
fn debug_says_what_is_set_up_load_and_tear_down() {
    let server = Recording::ok();
    let rest = "
setup: [{name: create, get: /create}]
teardown: [{name: remove, get: /remove}]
endpoints: [{name: use, get: /use}]";
    let completed = run(&server, rest)
        .args(["--iterations", "1", "-u", "1", "--debug"])
        .run();
    let shown = &completed.stderr;
    let parts = [
        "\nsetup\n",
        "\ncreate\n",
        "\nload\n",
        "\nuse\n",
        "\nteardown\n",
        "\nremove\n",
    ];
    let at = |part: &str| {
        shown
            .find(part)
            .unwrap_or_else(|| panic!("{part}: {shown}"))
    };
    assert!(parts.map(at).is_sorted(), "{shown}");
}
