//! Quick looks at a URL, pasted `curl` commands, and flags of other tools.

use perfctl::metrics::Outcome;

use crate::support::recording::{Recording, Seen, ok};
use crate::support::scenario::{count, outcomes, target, wait_until};
use crate::support::{Perfctl, Signal};

/// `perfctl run` with these arguments, one request of one user.
fn once(server: &Recording, arguments: &[&str]) -> Seen {
    let before = server.seen().len();
    let arguments = arguments.iter().map(|text| url(server, text));
    let run = Perfctl::new().args(["run", "-n", "1"]).args(arguments);
    run.expect_status(0).run();
    assert_eq!(server.seen().len(), before + 1);
    server.seen().pop().unwrap()
}

/// The text with the address of the server in place of `{url}`.
fn url(server: &Recording, text: &str) -> String {
    text.replace("{url}", &server.url())
}

#[test]
fn the_options_of_a_url_make_its_request() {
    let server = Recording::ok();
    let seen = once(&server, &["{url}/a?b=c"]);
    assert_eq!(
        (seen.line.as_str(), seen.length),
        ("GET /a?b=c HTTP/1.1", 0)
    );
    let seen = once(&server, &["{url}/a", "-X", "delete"]);
    assert_eq!(seen.line, "DELETE /a HTTP/1.1");
    let seen = once(&server, &["{url}", "-d", "a=1&b={{ iteration }}"]);
    assert_eq!(
        (seen.line.as_str(), seen.text().as_str()),
        ("POST / HTTP/1.1", "a=1&b=1")
    );
    let form = Some("application/x-www-form-urlencoded");
    assert_eq!(seen.header("content-type"), form);
    let seen = once(
        &server,
        &["{url}/a", "--json", "{\"qty\": 2.50}", "-m", "PUT"],
    );
    assert_eq!(
        (seen.line.as_str(), seen.text().as_str()),
        ("PUT /a HTTP/1.1", "{\"qty\": 2.50}")
    );
    assert_eq!(seen.header("content-type"), Some("application/json"));
    let headers = [
        "-H",
        "X-A: 1",
        "--header",
        "x-b:2",
        "-H",
        "Content-Type: text/csv",
        "-a",
        "a:b",
    ];
    let seen = once(&server, &[&["{url}/a", "-d", "x"], &headers[..]].concat());
    for (name, value) in [
        ("x-a", "1"),
        ("x-b", "2"),
        ("content-type", "text/csv"),
        ("authorization", "Basic YTpi"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
}

#[test]
fn a_body_may_be_a_file_anywhere_or_standard_input() {
    let server = Recording::ok();
    let run = || {
        Perfctl::new()
            .file("deep/body.bin", b"\xff{{ x }}\n")
            .args(["run", "-n", "1"])
    };
    run()
        .args([&server.url(), "-d", "@deep/body.bin"])
        .expect_status(0)
        .run();
    assert_eq!(
        server.only().body,
        b"\xff{{ x }}\n",
        "a file is sent as it is"
    );
    let outside = tempfile::tempdir().unwrap();
    let path = outside.path().join("a.json");
    std::fs::write(&path, "[1]").unwrap();
    let given = format!("@{}", path.display());
    run()
        .args([&server.url(), "--json", &given])
        .expect_status(0)
        .run();
    assert_eq!(server.seen()[1].text(), "[1]");
    let piped = Perfctl::after_shell("exec < body.txt").file("body.txt", "from a pipe\n");
    piped
        .args(["run", &server.url(), "-n", "1", "-d", "@-"])
        .expect_status(0)
        .run();
    assert_eq!(server.seen()[2].text(), "from a pipe\n");
}

#[test]
fn a_pasted_curl_command_is_sent_as_curl_would() {
    let server = Recording::ok();
    let browser = [
        "--",
        "curl",
        "{url}/api/orders?dry=1",
        "-X",
        "POST",
        "-H",
        "accept: */*",
        "-H",
        "Authorization: Bearer abc",
        "-b",
        "session=1; theme=dark",
        "--data-raw",
        "{\"sku\":\"{{ a }}\"}",
        "--compressed",
    ];
    let seen = once(&server, &browser);
    assert_eq!(seen.line, "POST /api/orders?dry=1 HTTP/1.1");
    assert_eq!(seen.text(), "{\"sku\":\"{{ a }}\"}");
    for (name, value) in [
        ("accept", "*/*"),
        ("authorization", "Bearer abc"),
        ("cookie", "session=1; theme=dark"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    let run = Perfctl::new()
        .file("a.csv", "a,b\n")
        .args(["run", "-n", "1", "--", "curl"]);
    let form = ["-F", "note={{ a }}", "-F", "file=@a.csv;type=text/csv"];
    run.args([&server.url()]).args(form).expect_status(0).run();
    let seen = server.seen().pop().unwrap();
    for part in [
        "name=\"note\"\r\n\r\n{{ a }}\r\n",
        "filename=\"a.csv\"\r\n",
        "text/csv\r\n\r\na,b\n",
    ] {
        let text = seen.text();
        assert!(text.to_lowercase().contains(part), "{part}: {text}");
    }
}

#[test]
fn a_curl_command_becomes_a_scenario_that_sends_the_same() {
    let server = Recording::ok();
    let command = format!(
        "curl \\\n  -X PUT '{}/api/orders/7?dry=1' \\\n  -H 'x-note: it'\\''s {{{{ a }}}}' \\\n  \
         --json $'{{\"name\": \"J\\u00f6rg\", \"lines\": [{{\"qty\": 2}}], \"note\": \"a longer text than fits\"}}'\n",
        server.url()
    );
    let made = Perfctl::new().file("command.txt", &command);
    let made = made
        .args(["init", "--from-curl", "command.txt"])
        .expect_status(0)
        .run();
    let path = "scenarios/put-api-orders-7.yaml";
    assert!(
        made.stdout.contains(&format!("next: perfctl run ./{path}")),
        "{}",
        made.stdout
    );
    let again = Perfctl::after(made).args(["init", "--from-curl", "command.txt"]);
    let again = again.expect_status(2).run();
    assert!(
        again.stderr.contains("would be overwritten"),
        "{}",
        again.stderr
    );
    let run = Perfctl::after(again).args(["run", path, "-u", "1", "-i", "1"]);
    run.expect_status(0).run();
    let seen = server.only();
    assert_eq!(seen.line, "PUT /api/orders/7?dry=1 HTTP/1.1");
    assert_eq!(seen.header("x-note"), Some("it's {{ a }}"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    let sent: serde_json::Value = serde_json::from_str(&seen.text()).unwrap();
    assert_eq!(
        (&sent["name"], &sent["lines"][0]["qty"]),
        (&"J\u{f6}rg".into(), &2.into())
    );
}

#[test]
fn a_quick_look_is_all_users_at_once_and_everything_counts() {
    let server = Recording::ok();
    let args = ["run", &server.url(), "-t", "1s", "--format", "json"];
    // Where scenarios go to is nothing to a URL.
    let run = Perfctl::new()
        .args(args)
        .env("PERFCTL_HOST", "http://127.0.0.1:1");
    let completed = run.expect_status(0).run();
    let (result, json) = (completed.result(), completed.json());
    assert_eq!((result.run.load.peak(), result.run.phases.len()), (50.0, 1));
    assert!(result.run.slos.is_empty() && result.run.quick_look);
    let sent = server.seen().len() as u64;
    assert_eq!(count(&result, Outcome::Ok), sent);
    assert_eq!(json["total_requests"], sent);
    assert_eq!(json["summary"]["statuses"]["200"], sent);
    assert!(json["summary"]["response_ms"]["p75"].is_number());
    let few = Recording::ok();
    Perfctl::new()
        .args(["run", &few.url(), "-n", "7"])
        .expect_status(0)
        .run();
    assert_eq!(
        (few.seen().len(), few.connections()),
        (7, 7),
        "no more users than requests"
    );
}

#[test]
fn the_report_of_a_quick_look_has_times_statuses_and_connections_and_no_grade() {
    let server = Recording::start(|_, number| match number {
        3 => "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".into(),
        _ => ok(""),
    });
    let run = Perfctl::new().args([
        "run",
        &format!("{}/x?key=1", server.url()),
        "-n",
        "10",
        "-c",
        "2",
    ]);
    let text = run.expect_status(0).run().stdout;
    let first = text.lines().next().unwrap();
    assert!(
        first.starts_with("10 requests in ") && first.ends_with(", 1 failed (10%)"),
        "{text}"
    );
    for part in [
        &format!("\nGET {}/x\n", server.url()),
        "\nResponse times  min ",
        "  p50 ",
        " p99.9\n",
        " ■■■",
        "  200 OK                          9    90%\n",
        "  503 Service Unavailable         1    10%\n",
        "\nConnections\n  2 opened, reused 8 times, ",
        "         1  http_5xx 503  GET /x\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("grade") && !text.contains("SLO"), "{text}");
    let judged = Perfctl::new().args(["run", &server.url(), "-n", "5", "--slo", "error_rate<1%"]);
    let text = judged.expect_status(0).run().stdout;
    assert!(
        text.starts_with("PASS  grade A+") && text.contains("Status codes"),
        "{text}"
    );
}

#[test]
fn a_quick_look_that_is_stopped_shows_all_there_is() {
    let (demo, url) = target(20);
    let run = Perfctl::new().args(["run", &format!("{url}/health"), "-t", "10m"]);
    let run = run.expect_status(130).spawn();
    wait_until("under load", || demo.requests() > 60);
    run.signal(Signal::Int);
    let text = run.wait().stdout;
    let first = text.lines().next().unwrap();
    assert!(
        first.starts_with("stopped after ") && first.contains(" of 10m: "),
        "{text}"
    );
    for part in ["p99.9", "■", "200 OK", "50 opened"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn options_of_a_url_with_a_scenario_say_the_next_step() {
    for (options, next) in [
        (
            "-X POST",
            "write the request into the scenario's `endpoints`",
        ),
        ("-d x", "write the request into the scenario's `endpoints`"),
        (
            "--header a:b",
            "write the request into the scenario's `endpoints`",
        ),
        (
            "-H a:b",
            "write it under `headers`, of `defaults` or an endpoint",
        ),
        (
            "-a a:b",
            "write the request into the scenario's `endpoints`",
        ),
        ("-k", "set `tls: {insecure: true}` in the scenario"),
        ("-n 5", "use `--iterations`"),
        (
            "-- curl http://127.0.0.1:1",
            "write the URL into the command",
        ),
    ] {
        let run = Perfctl::scenario("demo", "- {get: /health}").args(["default"]);
        let error = run.args(options.split(' ')).expect_status(2).run().stderr;
        assert!(error.contains(next), "{options}: {error}");
    }
    for (options, next) in [
        ("-d 30s", "for the duration, use `-t 30s`"),
        (
            "-T text/csv",
            "for a media type, use `-H 'content-type: ...'`",
        ),
        ("-H http://127.0.0.1:2", "remove one of them"),
        ("-d x --json x", "cannot be used with"),
        ("-n 5 -i 5", "cannot be used with"),
        ("-d @no/such/file", "--data: cannot use `no/such/file`"),
        (
            "-H content-length:x3",
            "the header `content-length` is set by perfctl",
        ),
    ] {
        let run = Perfctl::new().args(["run", "http://127.0.0.1:1"]);
        let error = run.args(options.split(' ')).expect_status(2).run().stderr;
        assert!(error.contains(next), "{options}: {error}");
    }
    let secret = Perfctl::new().args([
        "run",
        "http://127.0.0.1:1",
        "-H",
        "Authorization: s3cret {{ x",
    ]);
    let error = secret.expect_status(2).run().stderr;
    assert!(
        error.contains("`{{` without `}}`") && !error.contains("s3cret"),
        "{error}"
    );
}

#[test]
fn flags_of_other_tools_are_accepted_or_refused_in_a_line() {
    let (demo, url) = target(0);
    for accepted in [
        "--headless -u 1 -r 100 -t 1s",
        "--headless --only-summary --autostart --print-stats --reset-stats -i 2",
        "--vus 1 --iterations 2",
        "-c 1 -n 2 --latency --no-tui",
        "-c 1 -z 50ms --autoquit 5",
        "--vus 1 --duration 50ms",
        "-n 1 --check-fail-ratio 1 --json",
    ] {
        let before = demo.requests();
        let run = Perfctl::new().args(["run", &format!("{url}/health")]);
        run.args(accepted.split(' ')).expect_status(0).run();
        assert!(demo.requests() > before, "{accepted}");
    }
    for (refused, instead) in [
        ("-f locustfile.py", "give the scenario without a flag"),
        ("--master", "`--workers N` sets the threads"),
        ("--worker --master-host h", "`--workers N` sets the threads"),
        ("--processes -1", "`--workers N` sets the threads"),
        ("--loglevel DEBUG", "there is no log"),
        ("-L DEBUG", "there is no log"),
        ("--logfile x.log", "there is no log"),
        ("--web-port 8089", "there is no web UI"),
        ("--list", "use `perfctl list`"),
        ("-q 100", "use `--rate N`"),
        ("--rps 100", "use `--throttle N`"),
        ("--stage 5s:10", "write the stages into a profile"),
        ("-s 5s:10", "write the stages into a profile"),
        ("-disable-keepalive", "`keep_alive: false`"),
        ("-o x.json", "use `--write json=FILE`"),
    ] {
        let run = Perfctl::new().args(["run", "http://127.0.0.1:1"]);
        let error = run.args(refused.split(' ')).expect_status(2).run().stderr;
        assert!(
            error.contains(instead) && error.lines().count() == 1,
            "{refused}: {error}"
        );
    }
    let typo = Perfctl::new().args(["run", "http://127.0.0.1:1", "--mastre"]);
    let error = typo.expect_status(2).run().stderr;
    assert!(
        error.contains("'--mastre'") && !error.contains("tip:"),
        "{error}"
    );
    let typo = Perfctl::new().args(["run", "http://127.0.0.1:1", "--user", "3"]);
    let error = typo.expect_status(2).run().stderr;
    assert!(error.contains("'--users'"), "{error}");
    for script in ["locustfile.py", "test.js"] {
        let error = Perfctl::new()
            .args(["run", script])
            .expect_status(2)
            .run()
            .stderr;
        assert!(error.contains("perfctl runs scenarios in YAML"), "{error}");
    }
    for word in ["http://127.0.0.1:1/", "shop.yaml"] {
        let error = Perfctl::new().args([word]).expect_status(2).run().stderr;
        assert!(error.contains("use `perfctl run`"), "{error}");
    }
}

#[test]
fn tags_may_be_separated_by_spaces_and_followed_by_the_scenario() {
    let endpoints = "- {name: a, get: /health, tags: api}\n- {name: b, get: /health, tags: write}\n\
                     - {name: c, get: /health, tags: other}";
    let sent = |options: &str| {
        let run = Perfctl::scenario("demo", endpoints).args(options.split(' '));
        let result = run.args(["-i", "6"]).expect_status(0).run().result();
        let mut names: Vec<String> = result
            .endpoints
            .iter()
            .map(|e| e.endpoint.name.clone())
            .collect();
        names.sort();
        (names.join(" "), outcomes(&result))
    };
    for options in [
        "--tags api write",
        "--tags api,write",
        "--tags api --tags write",
        "--tags api write scenarios/default.yaml",
        "-T api write default",
        "default --tags api write",
        "-E other -T api write",
    ] {
        assert_eq!(
            sent(options),
            ("a b".to_owned(), "ok 6".to_owned()),
            "{options}"
        );
    }
    let two = Perfctl::scenario("demo", endpoints).args(["default", "--tags", "api", "x.yaml"]);
    let error = two.expect_status(2).run().stderr;
    assert!(error.contains("more than one scenario"), "{error}");
}
