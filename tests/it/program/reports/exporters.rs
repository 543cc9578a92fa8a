//! The numbers of a run for other tools, while it goes on.

mod collectors;
mod prometheus;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use perfctl::metrics::Outcome;

use crate::support::{Perfctl, Running};

const MIX: &str = "
- {name: health, get: /health, weight: 3}
- {name: gone, get: /status/404, check: {status: 200}}
flows:
  visit: {weight: 1, steps: [health]}";

/// A run of some seconds at a rate that no machine is too slow for.
fn scenario(seconds: u32) -> Perfctl {
    let run_time = format!("{seconds}s");
    let load = [
        "--rate",
        "40/s",
        "--no-progress",
        "--run-time",
        &run_time,
        "--fail-on",
        "none",
    ];
    Perfctl::scenario("demo", MIX).args(load)
}

/// Head and body of a page, asked for with this head field; `None` once the run is over.
fn page(address: &str, accept: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let limit = Some(Duration::from_secs(20));
    stream.set_read_timeout(limit).unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.to_owned(), body.to_owned()))
}

/// Where the page of a run is.
fn address(running: &mut Running) -> String {
    let noted = running.wait_for_stderr("/metrics\n");
    let (_, rest) = noted.split_once("metrics for Prometheus: http://").unwrap();
    rest.split_once('/').unwrap().0.to_owned()
}

/// The sum of all values of a metric whose labels have this text.
fn sum(page: &str, name: &str, labels: &str) -> f64 {
    let lines = page
        .lines()
        .filter(|line| line.starts_with(&format!("{name}{{")));
    let lines = lines.filter(|line| line.contains(labels));
    lines
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum()
}

#[test]
fn prometheus_finds_a_page_while_the_load_goes_on() {
    let mut running = scenario(4).args(["--prometheus", "127.0.0.1:0"]).spawn();
    let address = address(&mut running);
    let mut last = String::new();
    let (mut seen, mut has_target) = (0.0, false);
    while let Some((head, body)) = page(&address, "text/plain") {
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let requests = sum(&body, "perfctl_requests_total", "");
        assert!(requests >= seen, "a counter never falls");
        seen = requests;
        has_target |= body.contains("perfctl_target_arrivals_per_second{scenario=\"small\"} 40\n");
        last = body;
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(has_target, "{last}");
    let completed = running.wait();
    let result = completed.result();
    let started = result.count(Outcome::is_started) as f64;
    assert!(
        seen > 40.0 && seen <= started,
        "{seen} of {started}\n{last}"
    );
    let gone = sum(&last, "perfctl_requests_total", "outcome=\"http_4xx\"");
    let times = sum(
        &last,
        "perfctl_response_time_seconds_count",
        "endpoint=\"gone\"",
    );
    assert!(gone > 0.0 && gone == times, "{last}");
    let flows = sum(&last, "perfctl_flows_total", "flow=\"visit\"");
    assert!(
        flows > 0.0 && !last.contains("endpoint=\"visit\""),
        "{last}"
    );
}

#[test]
fn an_address_that_is_taken_ends_it_before_the_load() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let completed = scenario(1).args(["--prometheus", &address]).run();
    assert_eq!(completed.status, Some(4), "{}", completed.stderr);
    let said = format!("error: `--prometheus` cannot listen on {address}: Address already in use");
    assert!(completed.stderr.starts_with(&said), "{}", completed.stderr);
    assert!(completed.runs().is_empty());
    let wrong = scenario(1).args(["--prometheus", "here"]).run();
    assert_eq!(wrong.status, Some(2));
    assert!(
        wrong.stderr.contains("such as `9464` or `0.0.0.0:9464`"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn runs_that_follow_each_other_use_the_same_address() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap().to_string();
    drop(port);
    let repeated = scenario(1)
        .args(["--repeat", "3", "--prometheus", &address])
        .run();
    assert_eq!(repeated.status, Some(0), "{}", repeated.stderr);
    assert_eq!(repeated.runs().len(), 3);
}
