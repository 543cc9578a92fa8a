//! The numbers are exact: what perfctl says it sent is what the service received.

use crate::support::clients::for_each_client;
use crate::support::scenario::{count, outcomes, started, target};
use crate::support::{Completed, Fault, Misbehaving, Perfctl};
use perfctl::metrics::{Outcome, RunResult};

const MIX: &str = "
- {name: health, get: /health, weight: 3}
- {name: list, get: /api/v1/invoices/?limit=1, weight: 2}
- {name: token, post: /api/v1/auth/dev-token, weight: 1, json: {user: a}}
- {name: hops, get: /redirect/2, weight: 1}
- {name: gone, get: /status/404, weight: 1}";

fn redirects(result: &RunResult) -> u64 {
    let cells = result.endpoints.iter().flat_map(|e| &e.phases);
    cells.map(|cell| cell.redirects).sum()
}

fn run(url: &str, options: &str) -> Completed {
    Perfctl::scenario(url, MIX)
        .args(options.split_whitespace())
        .args(["--format", "json", "--full", "--no-progress"])
        .expect_status(0)
        .expect_stderr("")
        .run()
}

fn a_hundred_thousand_requests_are_counted_alike_by_perfctl_and_the_service() {
    let (demo, url) = target(0);
    let completed = run(&url, "--iterations 100000 --seed 1 --workers 2");
    let (result, json) = (completed.result(), completed.json());
    let totals = result.run.ending.as_ref().unwrap().totals;
    assert_eq!((totals.planned, totals.started), (100_000, 100_000));
    assert_eq!(json["total_requests"], 100_000);
    let stored = serde_json::to_value(&result).unwrap();
    assert_eq!(json["result"], stored, "printed as it is stored");

    let started = started(&result);
    let hops = started[3].1;
    let gone = started[4].1;
    assert_eq!(redirects(&result), 2 * hops);
    assert_eq!(demo.requests(), 100_000 + 2 * hops);
    let (ok, not_found) = (
        count(&result, Outcome::Ok),
        count(&result, Outcome::Http4xx),
    );
    assert_eq!((ok, not_found), (100_000 - gone, gone));

    for ((name, count), weight) in started.into_iter().zip([3.0, 2.0, 1.0, 1.0, 1.0]) {
        let share = count as f64 / 100_000.0;
        assert!((share - weight / 8.0).abs() < 0.01, "{name}: {share}");
    }
}

fn a_run_for_a_time_is_counted_as_exactly_in_both_models() {
    for options in ["-u 5 -t 1s", "--rate 100 -t 5s"] {
        let (demo, url) = target(0);
        let result = run(&url, options).result();
        let total = result.count(Outcome::is_started);
        assert!(total > 0);
        assert_eq!(demo.requests(), total + redirects(&result), "{options}");
        assert_eq!(count(&result, Outcome::Interrupted), 0, "{options}");
    }
}

fn a_seed_gives_the_same_requests_on_any_number_of_workers() {
    for load in ["--iterations 2000 -u 7", "--rate 200 -t 5s -u 1000"] {
        let requests = |options: &str| {
            let completed = run("demo", &format!("{load} {options}"));
            started(&completed.result())
                .into_iter()
                .map(|(name, count)| (name.to_owned(), count))
                .collect::<Vec<_>>()
        };
        let first = requests("--seed 7 --workers 1");
        assert_eq!(first, requests("--seed 7 --workers 1"), "{load}");
        assert_eq!(first, requests("--seed 7 --workers 2"), "{load}");
        assert_ne!(first, requests("--seed 8 --workers 1"), "{load}");
    }
}

fn an_open_load_starts_exactly_rate_times_time() {
    let (demo, url) = target(0);
    let endpoints = "- {name: health, get: /health}";
    let result = Perfctl::scenario(&url, endpoints)
        .args(["--rate", "100", "-t", "5s"])
        .expect_status(0)
        .run()
        .result();
    assert_eq!(outcomes(&result), "ok 500");
    assert_eq!(demo.requests(), 500);
}

/// As a real user has, whatever the size of the bodies.
fn a_user_keeps_one_connection() {
    for size in [1_000, 100_000, 1_000_000] {
        let server = Misbehaving::start(Fault::BigBody(size));
        let completed = Perfctl::scenario(&server.url(), "- {get: /}")
            .args(["-u", "64", "-i", "1000"])
            .run();
        let result = completed.result();
        assert_eq!(outcomes(&result), "ok 1000", "{size}");
        assert_eq!(server.connections(), 64, "{size}");
    }
}

for_each_client! {
    a_user_keeps_one_connection
    a_hundred_thousand_requests_are_counted_alike_by_perfctl_and_the_service
    a_run_for_a_time_is_counted_as_exactly_in_both_models
    a_seed_gives_the_same_requests_on_any_number_of_workers
    an_open_load_starts_exactly_rate_times_time
}
