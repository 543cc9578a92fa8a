//! Tests of the service over real connections to 127.0.0.1.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

/// A keep-alive connection.
struct Browser(BufReader<TcpStream>);

#[derive(Debug)]
struct Received {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Received {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The value of a header; names come in lower case.
    fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Browser {
    fn open(demo: &Demo) -> Self {
        let stream = TcpStream::connect(demo.addr()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, method: &str, path: &str, body: &str) -> Received {
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: demo\r\ncontent-length: {length}\r\n\r\n");
        // A service that refuses a body may close while it is still being sent; its response counts.
        let _ = self.0.get_mut().write_all((head + body).as_bytes());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(
                self.0.read_line(&mut head).unwrap(),
                0,
                "closed after {head:?}"
            );
        }
        let mut received = Received {
            status: head[9..12].parse().unwrap(),
            head,
            body: Vec::new(),
        };
        if method != "HEAD" {
            let length = received
                .header("content-length")
                .map_or(0, |n| n.parse().unwrap());
            received.body.resize(length, 0);
            self.0.read_exact(&mut received.body).unwrap();
        }
        received
    }

    fn get(&mut self, path: &str) -> Received {
        self.send("GET", path, "")
    }
}

fn start(behavior: Behavior) -> Demo {
    Demo::start(0, behavior).unwrap()
}

#[test]
fn every_path_responds_as_listed() {
    let demo = start(Behavior {
        processing_time: Duration::from_millis(1),
        ..Behavior::default()
    });
    let mut browser = Browser::open(&demo);
    let cases = [
        ("GET", "/", "", 200, "/health"),
        ("GET", "/health", "", 200, "healthy"),
        (
            "GET",
            "/api/v1/invoices/1000",
            "",
            200,
            r#""number":"INV-001000""#,
        ),
        ("GET", "/api/v1/invoices/1001", "", 404, "no such invoice"),
        ("GET", "/api/v1/invoices/0", "", 404, "no such invoice"),
        ("GET", "/api/v1/invoices/x", "", 404, "no such invoice"),
        ("GET", "/api/v1/invoices/?limit=x", "", 422, "limit"),
        (
            "POST",
            "/api/v1/invoices/",
            r#"{"number":"A-1"}"#,
            201,
            r#"{"id":1001,"number":"A-1","status":"received"}"#,
        ),
        ("GET", "/api/v1/invoices/1001", "", 200, r#""id":1001"#),
        ("POST", "/api/v1/invoices/", "[]", 422, "JSON object"),
        ("POST", "/api/v1/invoices/", "", 422, "JSON object"),
        (
            "POST",
            "/api/v1/auth/dev-token",
            "{}",
            200,
            r#""token_type":"bearer""#,
        ),
        (
            "POST",
            "/api/v1/invoices/upload",
            "12345",
            201,
            r#""bytes":5}"#,
        ),
        (
            "POST",
            "/api/v1/processing/",
            "{}",
            200,
            r#"{"status":"done"}"#,
        ),
        ("GET", "/api/v1/jobs/ffffffffff-1", "", 404, "no such job"),
        ("GET", "/api/v1/jobs/x", "", 404, "no such job"),
        ("GET", "/status/418", "", 418, "418"),
        ("GET", "/status/204", "", 204, ""),
        ("GET", "/status/199", "", 400, "status"),
        ("GET", "/bytes/5", "", 200, "xxxxx"),
        ("GET", "/bytes/99999999999", "", 400, "bytes"),
        ("GET", "/delay/1", "", 200, "1 ms"),
        ("GET", "/delay/-1", "", 400, "milliseconds"),
        ("GET", "/redirect/x", "", 400, "hops"),
        ("GET", "/nothing", "", 404, "not found"),
        ("DELETE", "/health", "", 405, "not allowed"),
        ("HEAD", "/health", "", 200, ""),
    ];
    for (method, path, body, status, part) in cases {
        let received = browser.send(method, path, body);
        assert_eq!(received.status, status, "{method} {path}");
        assert!(
            received.text().contains(part),
            "{method} {path}: {}",
            received.text()
        );
        assert_eq!(
            received.header("server-timing").is_some(),
            path.starts_with("/api/"),
            "{path}"
        );
    }
    assert_eq!(demo.requests(), cases.len() as u64);
}

#[test]
fn a_list_holds_as_many_invoices_as_asked_for() {
    let demo = start(Behavior::default());
    let mut browser = Browser::open(&demo);
    for (query, items) in [
        ("", 20),
        ("?limit=3", 3),
        ("?a=b&limit=0", 0),
        ("?limit=1000", 100),
    ] {
        let received = browser.get(&format!("/api/v1/invoices/{query}"));
        let list: serde_json::Value = serde_json::from_slice(&received.body).unwrap();
        assert_eq!(list["items"].as_array().unwrap().len(), items, "{query}");
        assert_eq!(list["total"], 1000);
    }
}

#[test]
fn every_request_counts_once_on_every_connection() {
    let demo = start(Behavior::default());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut browser = Browser::open(&demo);
                for i in 0..250 {
                    browser.get(if i % 2 == 0 { "/health" } else { "/nothing" });
                }
            });
        }
    });
    assert_eq!(demo.requests(), 1000);
    let page = Browser::open(&demo).get("/metrics");
    for line in [
        r#"http_requests_total{path="/health",status="200"} 500"#,
        r#"http_requests_total{path="(not found)",status="404"} 500"#,
        "http_requests_in_flight 1",
        "http_request_duration_seconds_count 1000",
    ] {
        assert!(
            page.text().lines().any(|l| l == line),
            "{line} in {}",
            page.text()
        );
    }
}

#[test]
fn a_login_gives_the_token_that_the_account_asks_for() {
    let demo = start(Behavior::default());
    let mut browser = Browser::open(&demo);
    let login = "/api/v1/auth/login";
    let wrong = r#"{"username": "ada", "password": "secret-bob"}"#;
    assert_eq!(browser.send("POST", login, wrong).status, 401);
    assert_eq!(browser.send("POST", login, "ada").status, 422);
    assert_eq!(browser.get("/api/v1/account").status, 401);
    let right = r#"{"username": "ada", "password": "secret-ada"}"#;
    let received = browser.send("POST", login, right);
    assert_eq!(received.status, 200);
    let login: serde_json::Value = serde_json::from_slice(&received.body).unwrap();
    let token = login["access_token"].as_str().unwrap();
    // A header that the path of the request smuggles in.
    let path = format!("/api/v1/account HTTP/1.1\r\nauthorization: Bearer {token}\r\nx:");
    let account = browser.get(&path);
    assert_eq!(account.status, 200, "{}", account.text());
    assert_eq!(account.text(), r#"{"username":"ada","open_invoices":3}"#);
}

#[test]
fn faults_show_in_what_the_service_says_of_itself() {
    let of = |faults: &[Fault]| {
        start(Behavior {
            faults: faults.to_vec(),
            ..Behavior::default()
        })
    };
    let timing = |browser: &mut Browser, path: &str| {
        let received = browser.get(path);
        received.header("server-timing").unwrap().to_owned()
    };
    let list = "/api/v1/invoices/?limit=7";
    let healthy = of(&[]);
    let text = timing(&mut Browser::open(&healthy), list);
    assert!(
        text.contains("desc=\"n=1\"") && text.contains("worker;desc=\"w"),
        "{text}"
    );
    assert!(!text.contains("queue"), "{text}");

    let demo = of(&[
        Fault::NPlusOne,
        Fault::SlowDb,
        Fault::Saturation,
        Fault::Leak,
    ]);
    let mut browser = Browser::open(&demo);
    let begun = Instant::now();
    let text = timing(&mut browser, list);
    assert!(
        begun.elapsed() >= Duration::from_millis(111),
        "90 and 20 and 1"
    );
    assert!(
        text.contains("desc=\"n=8\"") && text.contains("queue;dur="),
        "{text}"
    );
    let db_ms = text["db;dur=".len()..].split(';').next().unwrap();
    let db_ms: f64 = db_ms.parse().unwrap();
    assert!(db_ms > 90.0, "{text}");
    let received = browser.get("/metrics");
    let page = received.text();
    for line in ["db_pool_size 4", "db_pool_in_use 0", "heap_bytes 64016384"] {
        assert!(page.lines().any(|one| one == line), "{line} in {page}");
    }

    let demo = of(&[Fault::BadInstance]);
    let mut browser = Browser::open(&demo);
    let mut failed = 0;
    for _ in 0..60 {
        let received = browser.get("/api/v1/invoices/1");
        if received.status == 503 {
            failed += 1;
            let timing = received.header("server-timing").unwrap();
            assert!(timing.contains("\"w3\""), "{timing}");
        }
    }
    assert!((1..20).contains(&failed), "{failed}");
    assert_eq!(browser.get("/health").status, 200);
}

#[test]
fn redirects_take_as_many_hops_as_asked_for() {
    let demo = start(Behavior::default());
    let mut browser = Browser::open(&demo);
    let mut path = "/redirect/3".to_owned();
    let mut hops = 0;
    while let Some(next) = browser.get(&path).header("location") {
        path = next.to_owned();
        hops += 1;
    }
    assert_eq!((hops, path.as_str()), (3, "/health"));
    let received = browser.get("/redirect/loop");
    assert_eq!(received.header("location"), Some("/redirect/loop"));
}

#[test]
fn a_seed_decides_which_requests_fail() {
    let failures = |seed| {
        let demo = start(Behavior {
            error_percent: 10.0,
            seed,
            ..Behavior::default()
        });
        let mut browser = Browser::open(&demo);
        let failed: Vec<usize> = (0..1000)
            .filter(|_| browser.get("/health").status == 503)
            .collect();
        assert_eq!(demo.requests(), 1000);
        failed
    };
    let first = failures(1);
    assert!((70..130).contains(&first.len()), "{}", first.len());
    assert_eq!(first, failures(1));
    assert_ne!(first, failures(2));
}

#[test]
fn a_delay_is_never_shorter_than_asked_for() {
    let demo = start(Behavior {
        latency: Duration::from_millis(30),
        ..Behavior::default()
    });
    let start = Instant::now();
    Browser::open(&demo).get("/health");
    assert!(start.elapsed() >= Duration::from_millis(30));
}

#[test]
fn the_slow_share_takes_ten_times_the_latency_and_at_least_a_second() {
    let behavior = |latency_ms, slow_percent| Behavior {
        latency: Duration::from_millis(latency_ms),
        slow_percent,
        ..Behavior::default()
    };
    assert_eq!(behavior(20, 0.0).delay(0), Duration::from_millis(20));
    assert_eq!(behavior(20, 100.0).delay(0), Duration::from_secs(1));
    assert_eq!(behavior(200, 100.0).delay(0), Duration::from_secs(2));
    let slow = (0..10_000)
        .filter(|&n| behavior(20, 5.0).delay(n) > Duration::from_millis(20))
        .count();
    assert!((400..600).contains(&slow), "{slow}");
}

#[test]
fn a_job_is_done_a_while_after_it_began() {
    let demo = start(Behavior::default());
    let mut browser = Browser::open(&demo);
    let begun = Instant::now();
    let received = browser.send("POST", "/api/v1/jobs/", "{}");
    assert_eq!(received.status, 202);
    let job: serde_json::Value = serde_json::from_slice(&received.body).unwrap();
    let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
    while browser.get(&path).text() == r#"{"status":"processing"}"# {
        browser.get("/delay/20");
    }
    assert_eq!(browser.get(&path).text(), r#"{"status":"done"}"#);
    // The id counts whole milliseconds.
    assert!(begun.elapsed() >= Duration::from_millis(299));
}

#[test]
fn a_large_upload_is_counted_and_one_too_large_is_refused() {
    let demo = start(Behavior::default());
    let mut browser = Browser::open(&demo);
    let megabytes = "x".repeat(3_000_000);
    let received = browser.send("POST", "/api/v1/invoices/upload", &megabytes);
    assert!(
        received.text().ends_with(r#""bytes":3000000}"#),
        "{}",
        received.text()
    );
    assert_eq!(
        browser.send("POST", "/api/v1/invoices/", &megabytes).status,
        413
    );
    assert_eq!(demo.requests(), 2);
}

#[test]
fn a_large_response_is_as_long_as_its_path_says() {
    let demo = start(Behavior::default());
    let received = Browser::open(&demo).get("/bytes/200000");
    assert_eq!(received.body.len(), 200_000);
}

#[test]
fn a_port_in_use_is_an_error_with_help() {
    let demo = start(Behavior::default());
    let error = Demo::start(demo.addr().port(), Behavior::default()).unwrap_err();
    assert!(error.to_string().contains("--port 0"), "{error}");
    assert_eq!(error.exit(), crate::error::Exit::Error);
}

#[test]
fn a_dropped_service_is_gone_and_its_port_is_free() {
    let demo = start(Behavior::default());
    let mut browser = Browser::open(&demo);
    browser.get("/health");
    let addr = demo.addr();
    drop(demo);
    let mut rest = Vec::new();
    assert_eq!(browser.0.read_to_end(&mut rest).unwrap_or(0), 0);
    assert!(TcpStream::connect(addr).is_err());
    assert!(Demo::start(addr.port(), Behavior::default()).is_ok());
}

#[test]
fn no_response_is_sent_in_a_stall() {
    let every = Duration::from_millis(200);
    let lasting = every - Duration::from_nanos(1);
    let start_of_test = Instant::now();
    let demo = start(Behavior {
        stall: Some(Stall { every, lasting }),
        ..Behavior::default()
    });
    Browser::open(&demo).get("/health");
    assert!(start_of_test.elapsed() >= every);
}

#[test]
fn a_stall_is_the_last_part_of_its_period() {
    let stall: Stall = "10s,1s".parse().unwrap();
    for (elapsed_ms, wait_ms) in [
        (0, 0),
        (8_999, 0),
        (9_000, 1_000),
        (9_999, 1),
        (10_000, 0),
        (19_500, 500),
    ] {
        let wait = stall.wait(Duration::from_millis(elapsed_ms));
        assert_eq!(wait, Duration::from_millis(wait_ms), "{elapsed_ms} ms");
    }
}

#[test]
fn stalls_are_read_as_users_write_them() {
    let stall: Stall = "10s, 500ms".parse().unwrap();
    assert_eq!(stall.every, Duration::from_secs(10));
    assert_eq!(stall.lasting, Duration::from_millis(500));
    for text in [
        "",
        "10s",
        "1s,1s",
        "1s,2s",
        "1s,0",
        "0,0",
        "a,b",
        "1s,1ms,1ms",
    ] {
        assert!(text.parse::<Stall>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn a_response_is_held_until_a_stall_ends_and_not_held_outside(
        every_ms in 2u64..100_000, share in 0.0f64..1.0, elapsed_us in 0u64..1_000_000_000_000,
    ) {
        let every = Duration::from_millis(every_ms);
        let lasting = every.mul_f64(share).max(Duration::from_millis(1)).min(every - Duration::from_millis(1));
        let stall = Stall { every, lasting };
        let elapsed = Duration::from_micros(elapsed_us);
        let wait = stall.wait(elapsed);
        prop_assert!(wait <= lasting);
        prop_assert_eq!(stall.wait(elapsed + wait), Duration::ZERO);
        if wait > Duration::ZERO {
            prop_assert_eq!((elapsed + wait).as_nanos() % every.as_nanos(), 0);
        } else {
            let position = elapsed.as_nanos() % every.as_nanos();
            prop_assert!(position < (every - lasting).as_nanos());
        }
    }
}
