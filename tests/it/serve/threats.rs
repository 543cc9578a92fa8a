//! Each row of the threats in `docs/serve.md`: what is refused, and that the same without the attack is not.

use serde_json::{Value, json};

use super::{BASE, SCENARIO, Server};
use crate::support::Perfctl;

/// The routes that the token protects.
fn protected() -> impl Iterator<Item = (&'static str, String)> {
    let routes = perfctl::serve::ROUTES.iter();
    let protected = routes
        .filter(|route| route.path.starts_with("/api/") && !route.path.ends_with("dashboard"));
    protected.map(|route| {
        let path = route
            .path
            .replace("{id}", "x")
            .replace("{name}", "plan.json");
        (route.method, path)
    })
}

#[test]
fn nothing_but_the_page_is_open_without_the_token() {
    let server = Server::start(&[]);
    let wrong = format!("{}x", server.bearer());
    let mut count = 0;
    for (method, path) in protected() {
        for headers in [
            &[][..],
            &[("authorization", wrong.as_str())],
            &[("authorization", "Basic YTpi")],
        ] {
            let reply = server.send(method, &path, headers, "").expect(401);
            assert!(reply.head.contains("www-authenticate: bearer"), "{reply:?}");
        }
        // Nor behind the `?`, where logs would keep it.
        let path = format!("{path}?token={}", server.token);
        server.send(method, &path, &[], "").expect(401);
        count += 1;
    }
    assert!(count > 15, "{count}");
    server.get("/").expect(200);
    // The page has no secret.
    for path in [
        "/",
        "/serve.js",
        "/serve.css",
        "/api/v1/performance/dashboard",
    ] {
        let page = server.send("GET", path, &[], "").expect(200);
        assert!(!page.body.contains(&server.token));
    }
}

#[test]
fn an_address_that_others_can_reach_needs_a_token_of_the_operator() {
    let refused = Perfctl::new()
        .args(["serve", "--listen", "0.0.0.0:0"])
        .expect_status(2)
        .run();
    assert!(
        refused.stderr.contains("--token-file"),
        "{}",
        refused.stderr
    );
    let short = Perfctl::new()
        .file("token", "short\n")
        .args(["serve", "--listen", "127.0.0.1:0", "--token-file", "token"])
        .expect_status(2)
        .run();
    assert!(short.stderr.contains("at least 16"), "{}", short.stderr);
    let token = "0123456789abcdef0123456789abcdef";
    let program = Perfctl::new().file("token", format!("{token}\n"));
    let mut server = Server::of(program, &["--token-file", "token"]);
    assert_eq!(server.token, "", "it is not printed");
    server.get("/").expect(401);
    server.token = token.to_owned();
    server.get("/").expect(200);
}

#[test]
fn a_page_of_another_name_that_leads_here_gets_nothing() {
    let server = Server::start(&["--allow-host", "load.example.org"]);
    let bearer = server.bearer();
    let port = server.address.rsplit_once(':').unwrap().1;
    let ask = |host: &str, path: &str| {
        let headers = [("host", host), ("authorization", bearer.as_str())];
        server.send("GET", path, &headers, "").status
    };
    let api = format!("{BASE}/");
    for path in ["/", "/serve.js", api.as_str(), "/no/such/path"] {
        for host in [
            "evil.example",
            "evil.example:80",
            "127.0.0.1.evil.example",
            "127.0.0.1:1",
            "10.0.0.1",
            "",
        ] {
            assert_eq!(ask(host, path), 421, "{host} {path}");
        }
        assert_eq!(ask(&format!("evil.example:{port}"), path), 421, "{path}");
    }
    let own = [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
        "load.example.org".to_owned(),
        "LOAD.example.org:443".to_owned(),
    ];
    for host in own {
        assert_eq!(ask(&host, &api), 200, "{host}");
    }
    // Two names, or none, are none.
    let line = format!("host: {}\r\n", server.address);
    for hosts in [String::new(), format!("{line}{line}")] {
        let text = format!("GET / HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");
        let status = server.raw(&text).status;
        assert!(status == 421 || status == 400, "{status}");
    }
    let absolute = format!("GET http://evil.example/ HTTP/1.1\r\n{line}connection: close\r\n\r\n");
    server.raw(&absolute).expect(421);
}

#[test]
fn other_pages_can_start_and_read_nothing() {
    let server = Server::start(&[]);
    let bearer = server.bearer();
    let start = format!("{BASE}/start");
    let body = json!({"scenario": "small", "profile": "quick"}).to_string();
    let json = ("content-type", "application/json");
    let token = ("authorization", bearer.as_str());
    // Browsers tell where a request comes from, whatever else it has.
    for foreign in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:1"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        server
            .send("POST", &start, &[token, json, foreign], &body)
            .expect(403);
        server
            .send("GET", &format!("{BASE}/"), &[token, foreign], "")
            .expect(403);
    }
    // What a form can send.
    for kind in [
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/plain",
    ] {
        let kind = ("content-type", kind);
        server
            .send("POST", &start, &[token, kind], &body)
            .expect(415);
        let cancel = format!("{BASE}/x/cancel");
        server.send("POST", &cancel, &[token, kind], "").expect(415);
        let load = format!("{BASE}/x/load");
        server.send("PATCH", &load, &[token, kind], "").expect(415);
    }
    server.send("POST", &start, &[token], &body).expect(415);
    // What a link or an image can.
    for path in [&start, &format!("{BASE}/x/cancel")] {
        server.send("GET", path, &[token], "").expect(405);
    }
    // Nobody is told that he may ask.
    let origin = ("origin", "http://evil.example");
    let asking = [origin, ("access-control-request-method", "POST")];
    let asked = server.send("OPTIONS", &start, &asking, "");
    assert!(
        asked.status >= 400 && !asked.head.contains("access-control"),
        "{asked:?}"
    );
    assert_eq!(server.get("/").json()["count"], 0, "nothing was started");
    let own = format!("http://{}", server.address);
    let own = [
        token,
        json,
        ("origin", own.as_str()),
        ("sec-fetch-site", "same-origin"),
    ];
    let id = server.send("POST", &start, &own, &body).expect(202).json()["id"].clone();
    server.wait_for(id.as_str().unwrap(), "ended");
}

#[test]
fn a_run_goes_to_no_host_that_the_operator_has_not_allowed() {
    let metadata = "name: m\nhost: http://169.254.169.254\nendpoints: [{get: /latest/meta-data}]\n";
    let redirects = "name: r\nhost: demo\nendpoints: [{get: /health}]\nallow_redirects_to: ['169.254.169.254']\n";
    let absolute = "name: a\nhost: demo\nendpoints: [{get: 'http://169.254.169.254/latest'}]\n";
    let program = Perfctl::new()
        .file("scenarios/small.yaml", SCENARIO)
        .file("scenarios/metadata.yaml", metadata)
        .file("scenarios/redirects.yaml", redirects)
        .file("scenarios/absolute.yaml", absolute)
        .file("outside.yaml", SCENARIO);
    let allowed = [
        "127.0.0.1:8000",
        "169.254.169.254",
        "[::ffff:a9fe:a9fe]",
        "[fe80::1]",
    ];
    let options = allowed.iter().flat_map(|target| ["--allow-target", target]);
    let server = Server::of(program, &options.collect::<Vec<_>>());
    for path in ["/validate", "/start"] {
        let ask = |body: Value| server.post(path, &body).status;
        for host in [
            "http://evil.example",
            "http://127.0.0.1:8001",
            "http://127.0.0.1:8000@evil.example",
            "x",
        ] {
            assert_eq!(
                ask(json!({"scenario": "small", "host": host})),
                403,
                "{host}"
            );
        }
        // Although allowed.
        for host in [
            "http://169.254.169.254",
            "http://2852039166",
            "http://0xa9fea9fe/",
            "http://[::ffff:169.254.169.254]",
            "http://[fe80::1]",
        ] {
            assert_eq!(
                ask(json!({"scenario": "small", "host": host})),
                403,
                "{host}"
            );
        }
        for scenario in ["metadata", "redirects", "absolute"] {
            assert_eq!(ask(json!({"scenario": scenario})), 403, "{scenario}");
        }
        // Only names of the folder, and no text of a scenario.
        for scenario in [
            "../outside",
            "outside",
            "scenarios/small",
            "small.yaml",
            "/etc/passwd",
            "http://evil.example",
            SCENARIO,
        ] {
            let status = ask(json!({"scenario": scenario}));
            assert!(status == 422 || status == 400, "{status} {scenario}");
        }
        for profile in ["../outside.yaml", "/etc/passwd", "outside.yaml"] {
            assert_eq!(
                ask(json!({"scenario": "small", "profile": profile})),
                422,
                "{profile}"
            );
        }
        for key in ["yaml", "connect_to", "env", "out", "samples"] {
            assert_eq!(ask(json!({"scenario": "small", key: "x"})), 400, "{key}");
        }
        for tag in ["http://evil.example", "outside.yaml", "a,b"] {
            assert_eq!(
                ask(json!({"scenario": "small", "tags": [tag]})),
                422,
                "{tag}"
            );
        }
    }
    assert_eq!(server.get("/").json()["count"], 0, "nothing was started");
    let good = json!({"scenario": "small", "profile": "quick", "host": "http://127.0.0.1:8000"});
    server.post("/validate", &good).expect(200);
}

#[test]
fn the_environment_of_the_server_is_no_business_of_a_run() {
    let scenario = "name: s\nhost: demo\nendpoints: [{name: 'n {{ env.SERVE_SECRET }}', get: '/health?{{ env.SERVE_SECRET }}'}]\n\
                    profiles: {quick: {stages: [{users: 1, ramp: 0s, duration: 1s}]}}\n";
    let program = || {
        Perfctl::new()
            .file("scenarios/s.yaml", scenario)
            .env("SERVE_SECRET", "s3cret")
            .env("PERFCTL_USERS", "7")
    };
    let body = json!({"scenario": "s", "profile": "quick"});
    let server = Server::of(program(), &[]);
    for path in ["/validate", "/start"] {
        let refused = server.post(path, &body).expect(422);
        assert!(
            refused.body.contains("`SERVE_SECRET` is not set"),
            "{refused:?}"
        );
        assert!(!refused.body.contains("s3cret"));
    }
    let server = Server::of(program(), &["--pass-env", "SERVE_SECRET"]);
    let id = server.post("/start", &body).expect(202).json()["id"].clone();
    let id = id.as_str().unwrap();
    let shown = server.wait_for(id, "ended");
    assert!(
        shown["report"]["total_requests"].as_u64() > Some(0),
        "{shown:#}"
    );
    // Settings of perfctl itself are variables like any other.
    let plan = server
        .get(&format!("/{id}/files/plan.json"))
        .expect(200)
        .json();
    assert_eq!(plan["load"]["stages"][0]["level"], 1.0);
}

#[test]
fn names_lead_nowhere_but_to_runs_and_responses_are_nothing_but_what_they_say() {
    let server = Server::start(&[]);
    let id = server.begin("quick");
    server.wait_for(&id, "ended");
    for name in [
        "..",
        "%2e%2e",
        "..%2f..",
        "%2Fetc%2Fpasswd",
        ".serve",
        "%00",
        "%ff",
        "no-such-run",
    ] {
        for rest in ["", "/report", "/series", "/events", "/files/result.json"] {
            let status = server.get(&format!("/{name}{rest}")).status;
            assert_eq!(status, 404, "{name}{rest}");
        }
    }
    for name in [
        "..%2f.serve%2fstate.json",
        "state.json",
        "%2Fetc%2Fpasswd",
        "result.json%00",
        "lock",
    ] {
        server.get(&format!("/{id}/files/{name}")).expect(404);
    }
    let file = std::path::Path::new("results").join(&id).join("plan.json");
    let file = server.running.dir().join(file);
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
    server.get(&format!("/{id}/files/plan.json")).expect(404);
    let page = server.send("GET", "/", &[], "");
    let policy = "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'";
    assert!(page.head.contains(policy), "{page:?}");
    for path in [
        format!("/{id}"),
        format!("/{id}/report?format=html"),
        "/x".to_owned(),
    ] {
        let reply = server.get(&path);
        for header in [
            "; sandbox",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
        ] {
            assert!(reply.head.contains(header), "{path}: {}", reply.head);
        }
    }
    let report = server.get(&format!("/{id}/report?format=html")).expect(200);
    assert!(
        report.head.contains("content-disposition: attachment"),
        "{}",
        report.head
    );
}

#[test]
fn a_run_is_no_larger_than_the_operator_allows_and_leaves_a_line_in_the_log() {
    let options = [
        "--max-users",
        "5",
        "--max-rate",
        "50",
        "--max-duration",
        "3s",
        "--audit-log",
        "log/audit.jsonl",
    ];
    let server = Server::start(&options);
    let base = json!({"scenario": "small", "profile": "quick"});
    let with = |key: &str, value: Value| {
        let mut body = base.clone();
        body[key] = value;
        body
    };
    for path in ["/validate", "/start"] {
        for (key, value) in [
            ("users", json!(6)),
            ("rate", json!(51)),
            ("run_time", json!("4s")),
            ("profile", json!("long")),
        ] {
            server.post(path, &with(key, value)).expect(403);
        }
        server
            .post(path, &with("build", json!("x".repeat(70_000))))
            .expect(413);
        server.post(path, &with("build", json!("a\nb"))).expect(400);
    }
    let id = server.begin("quick");
    let shown = server.wait_for(&id, "ended");
    // Closed loads keep to the rate, too: without it, two users without waits would send thousands.
    let plan = server.get(&format!("/{id}/files/plan.json")).json();
    assert_eq!(plan["load"]["throttle"], 50.0, "{shown:#}");
    // How long iterations take is not known before.
    let many = server
        .post("/start", &with("iterations", json!(1_000_000)))
        .expect(202)
        .json();
    let many = many["id"].as_str().unwrap();
    server.wait_for(many, "ended");
    server
        .post(&format!("/{many}/cancel"), &json!({}))
        .expect(202);
    let log = std::fs::read_to_string(server.running.dir().join("log/audit.jsonl")).unwrap();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seen: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["action"].as_str().unwrap(),
                line["run"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [("start", id.as_str()), ("start", many), ("cancel", many)],
        "{log}"
    );
    assert!(
        lines[0]["peer"].as_str().unwrap().starts_with("127.0.0.1:"),
        "{log}"
    );
    assert!(!log.contains(&server.token));
}
