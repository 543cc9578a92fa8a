//! `perfctl try`: what it sends, what it shows of it, and its exit codes.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, answer, ok};
use crate::support::scenario::SCENARIO;
use crate::support::{Completed, Perfctl, Terminal, closed_port};

fn tried(scenario: &str, options: &str) -> Perfctl {
    Perfctl::new()
        .file(SCENARIO, scenario)
        .args(["try"])
        .args(options.split_whitespace())
}

#[track_caller]
fn assert_parts(completed: &Completed, parts: &[&str]) {
    let mut rest = completed.stdout.as_str();
    for part in parts {
        let at = rest.find(part);
        let at = at.unwrap_or_else(|| {
            panic!("`{part}` is not there, or too early:\n{}", completed.stdout)
        });
        rest = &rest[at + part.len()..];
    }
}

/// Requests of all kinds, of one user, without chance.
const ALL_KINDS: &str = "
variables: {team: load}
defaults:
  headers: {x-team: '{{ team }}', cookie: a=b}
  auth: {basic: {username: ann, password: pass-word}}
endpoints:
- {name: plain, get: '/plain?q={{ user_id }} x'}
- {name: json, post: /json, json: {id: '{{ user_id }}', text: ü}}
- {name: form, put: /form, form: {a: '1 2', b: '{{ team }}'}}
- {name: text, post: /text, body: 'a {{ team }}', compress: gzip}
- {name: empty, post: /empty}
- {name: head, head: /head}
- {name: own, get: /own, auth: none, headers: {Host: other.example, X-Own: '{{ user_id }}'}}
- {name: moved, get: /moved, keep_alive: false}
profiles: {quick: {stages: [{name: steady, users: 1, ramp: 0s, duration: 1s}]}}
";

fn the_bytes_are_those_of_a_run() {
    let server = Recording::start(|seen, _| match seen.path() {
        "/moved" => answer("302 Found", "location: /plain?moved\r\n", "over there"),
        "/head" => answer("200 OK", "", ""),
        _ => ok("{}"),
    });
    let scenario = format!("name: all\nhost: {}{ALL_KINDS}", server.url());
    // By path, since a run picks its tasks by chance.
    let sent = |from: usize| {
        let seen = server.seen();
        let requests = seen[from..].iter().map(|seen| {
            let request = (seen.line.clone(), seen.head.clone(), seen.body.clone());
            (seen.path().to_owned(), request)
        });
        requests.collect::<BTreeMap<_, _>>()
    };
    tried(&scenario, "-p quick").expect_status(0).run();
    let in_trial = sent(0);
    let before = server.seen().len();
    let run = Perfctl::new().file(SCENARIO, &scenario);
    let args = ["run", "-p", "quick", "-i", "200", "-u", "1"];
    run.args(args).expect_status(0).run();
    assert_eq!(in_trial.len(), 9, "{in_trial:?}");
    assert_eq!(in_trial, sent(before));
}

/// A shop whose list needs a token, and whose orders are slow to be ready.
fn shop() -> (Recording, String) {
    let states = AtomicUsize::new(0);
    let server = Recording::start(move |seen, _| match seen.path() {
        "/login" => ok(r#"{"token": "canary-canary"}"#),
        "/list" if seen.header("authorization") != Some("Bearer canary-canary") => {
            answer("401 Unauthorized", "", "")
        }
        "/list" => {
            // The time that a check shows has a unit in ASCII from a millisecond on.
            thread::sleep(Duration::from_millis(2));
            answer(
                "200 OK",
                "set-cookie: sid=canary\r\n",
                r#"{"items": [7, 8]}"#,
            )
        }
        "/order" => answer(
            "422 Unprocessable Content",
            "content-type: application/json\r\n",
            r#"{"message": "qty must be an integer"}"#,
        ),
        "/state" if states.fetch_add(1, Relaxed) < 2 => ok(r#"{"state": "open"}"#),
        "/state" => ok(r#"{"state": "ready"}"#),
        _ => ok("bye"),
    });
    let scenario = format!(
        "name: shop
host: {}
defaults: {{think_time: constant(1h)}}
users:
  shopper:
    on_start:
      name: log in
      post: /login
      form: {{user: ann, password: pass}}
      extract: {{token: $.token}}
    endpoints:
      - name: list
        get: /list
        weight: 1000
        headers: {{Authorization: 'Bearer {{{{ token }}}}'}}
        check: {{json: {{'$.items[*]': {{at_least: 7}}}}, max_duration: 1m}}
        extract: {{item: '$.items[1]'}}
    flows:
      - flow: buy
    on_stop: {{name: log out, post: /logout}}
flows:
  buy:
    steps:
      - poll: {{name: state, get: /state}}
        until: {{json: {{$.state: ready}}}}
        every: 10ms
        timeout: 30s
      - think: 1h
      - if: item == 9
        then: {{name: refund, post: /refund}}
      - {{name: order, post: /order, json: {{item: '{{{{ item }}}}'}}, check: {{status: 201}}}}
      - {{name: pay, post: /pay}}
",
        server.url()
    );
    (server, scenario)
}

fn each_request_is_shown_with_its_response_values_and_checks() {
    let (server, scenario) = shop();
    let completed = tried(&scenario, "")
        .expect_status(1)
        .expect_stderr("")
        .run();
    assert_parts(
        &completed,
        &[
            "on_start\nlog in\n  > POST /login HTTP/1.1\n  > host: 127.0.0.1:",
            "  > content-type: application/x-www-form-urlencoded\n",
            "  >\n  > user=ann&password=***\n",
            "  < HTTP/1.1 200\n",
            "  < {\"token\": \"***\"}\n",
            "  time    ",
            "connect ",
            "  check   ok: status 200\n",
            "  set     token = *** (13 characters)\n  result  ok\n",
            "\nlist\n  > GET /list HTTP/1.1\n",
            "  > authorization: ***\n",
            "  < set-cookie: ***\n",
            ", expected at most 1m\n",
            "  check   ok: `$.items[*]` is 7, 8, expected at least 7\n",
            "  set     item = 8\n",
            "\nflow buy\nstate\n",
            "  check   not yet: `$.state` is \"open\", expected \"ready\"\n",
            "  result  ok, but `until` does not hold yet\n",
            "  check   ok: `$.state` is \"ready\"\n  result  ok\n",
            "\norder\n",
            "  > {\"item\":8}\n",
            "  < HTTP/1.1 422\n",
            "  check   FAILED: status 422, expected 201\n",
            "  result  FAILED (http_4xx): qty must be an integer\n",
            "  next    check the body",
            "\nflow buy: FAILED, step `order` ended as http_4xx\n",
            "\non_stop\nlog out\n",
            "\nnot tried: `refund`, `pay` (",
            "\n7 requests: 6 ok, 1 failed; 1 flow failed\n",
        ],
    );
    assert!(completed.stdout.ends_with("; 1 flow failed\n"));
    assert!(!completed.stdout.contains("canary"), "{}", completed.stdout);
    assert!(!completed.stdout.contains('\u{1b}') && completed.stdout.is_ascii());
    assert!(!completed.dir.path().join("results").exists());
    let paths = server.paths();
    let expected = [
        "/login", "/list", "/state", "/state", "/state", "/order", "/logout",
    ];
    assert_eq!(paths, expected);
}

fn an_endpoint_or_flow_is_tried_with_what_comes_before_it() {
    for (name, expected) in [
        ("log in", "/login /logout"),
        ("list", "/login /list /logout"),
        ("state", "/login /state /state /state /logout"),
        ("log out", "/login /logout"),
    ] {
        let (server, scenario) = shop();
        let options = ["--endpoint", name];
        tried(&scenario, "").args(options).expect_status(0).run();
        assert_eq!(server.paths().join(" "), expected, "{name}");
    }
    let (_server, scenario) = shop();
    let completed = tried(&scenario, "--endpoint refund").expect_status(1).run();
    assert_parts(&completed, &["not tried: `refund` ("]);
    let (server, scenario) = shop();
    let completed = tried(&scenario, "--endpoint buyy").expect_status(2).run();
    for part in ["`buyy`: did you mean `buy`?", "`list`", "`log in`", "`buy`"] {
        assert!(completed.stderr.contains(part), "{}", completed.stderr);
    }
    assert_eq!(server.connections(), 0);
}

fn a_user_whose_start_fails_goes_no_further() {
    let server = Recording::start(|_, _| answer("503 Busy", "", "come back later"));
    let scenario = format!(
        "host: {}\nusers:\n  one:\n    on_start: {{name: log in, post: /login}}\n    \
         endpoints: [{{name: list, get: /list}}]\n    on_stop: {{name: log out, post: /logout}}\n",
        server.url()
    );
    let completed = tried(&scenario, "").expect_status(1).run();
    assert_parts(
        &completed,
        &[
            "result  FAILED (http_5xx): come back later\n",
            "on_start failed, so this user goes no further: step `log in` ended as http_5xx\n",
            "not tried: `list`, `log out`",
            "1 request: 0 ok, 1 failed\n",
        ],
    );
    assert_eq!(server.paths(), ["/login"]);
}

fn a_connection_that_fails_is_shown_with_its_cause_and_the_next_step() {
    let port = closed_port();
    let scenario = format!("host: http://{port}\nendpoints: [{{name: a, get: /a}}]\n");
    let completed = tried(&scenario, "").expect_status(1).run();
    assert_parts(
        &completed,
        &[
            "\na\n  > GET /a HTTP/1.1\n",
            "  result  FAILED (connect_refused): Connection refused",
            &format!("  next    nothing listens at {port}: start the service"),
            "1 request: 0 ok, 1 failed\n",
        ],
    );
    let unsent = format!(
        "host: http://{port}\nvariables: {{x: '{{{{ 1 / 0 }}}}'}}\n\
         endpoints: [{{name: a, get: '/{{{{ x }}}}'}}]\n"
    );
    let completed = tried(&unsent, "").expect_status(1).run();
    assert_parts(
        &completed,
        &["\na\n  result  FAILED (invalid_request), not sent: "],
    );
}

for_each_client! {
    the_bytes_are_those_of_a_run
    each_request_is_shown_with_its_response_values_and_checks
    an_endpoint_or_flow_is_tried_with_what_comes_before_it
    a_user_whose_start_fails_goes_no_further
    a_connection_that_fails_is_shown_with_its_cause_and_the_next_step
}

#[test]
fn a_terminal_gets_colors_and_a_plain_locale_gets_ascii() {
    let server = Recording::start(|_, _| answer("404 Not Found", "", "größer"));
    let scenario = format!("host: {}\nendpoints: [{{name: ä, get: /}}]\n", server.url());
    let run = |locale: &str| {
        tried(&scenario, "")
            .env("LANG", locale)
            .env("LC_ALL", "")
            .env("LC_CTYPE", "")
    };
    let utf8 = run("C.UTF-8").expect_status(1).run();
    assert!(utf8.stdout.contains("\nä\n") && utf8.stdout.contains("größer"));
    let ascii = run("C").expect_status(1).run();
    assert!(ascii.stdout.is_ascii(), "{}", ascii.stdout);
    let terminal = Terminal::new(80);
    let run = run("C").env("TERM", "xterm").stdout_on(&terminal);
    run.expect_status(1).run();
    let shown = terminal.read_colored();
    assert!(shown.contains("\u{1b}["), "{shown}");
}
