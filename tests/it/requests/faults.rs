//! Each fault of a service ends in its outcome, is counted once, and leaves a report.

use crate::support::clients::{self, for_each_client};
use crate::support::scenario::{count, outcomes};
use crate::support::{Completed, Fault, Misbehaving, Perfctl, closed_port};
use perfctl::metrics::{Cell, Outcome, RunResult};

/// Every request's cell in one.
fn all(result: &RunResult) -> Cell {
    let mut all = Cell::default();
    let cells = result.endpoints.iter().flat_map(|e| &e.phases);
    cells.for_each(|cell| all.merge(cell));
    all
}

/// Runs GET requests for `/` on a host, after which a report stands on standard output.
#[track_caller]
fn run(host: &str, options: &str) -> Completed {
    let completed = Perfctl::get_root(host)
        .args(["--workers", "1", "--format", "json", "--full"])
        .args(options.split_whitespace())
        // Every request may fail here; that the run completes is what counts.
        .args(["--fail-on", "none"])
        .expect_status(0)
        .expect_stderr("")
        .run();
    let printed = &completed.json()["result"];
    let stored = serde_json::to_value(completed.result()).unwrap();
    assert_eq!(*printed, stored);
    completed
}

fn a_refused_connection_is_connect_refused_and_the_run_completes() {
    let completed = run(
        &format!("http://{}", closed_port()),
        "-t 1s --think-time 10ms",
    );
    let result = completed.result();
    let refused = count(&result, Outcome::ConnectRefused);
    assert!(refused > 0);
    assert_eq!(outcomes(&result), format!("connect_refused {refused}"));
    let json = completed.json();
    assert_eq!(json["error_rate_percent"], 100.0);
    assert_eq!(json["summary"]["availability_percent"], 0.0);
    assert!(
        json["p95_response_time_ms"].is_null(),
        "fast failures are not fast responses"
    );
}

fn a_full_accept_queue_is_timeout_connect() {
    let server = Misbehaving::start(Fault::NeverAccept);
    let result = run(&server.url(), "-i 2 --timeout 300ms").result();
    assert_eq!(outcomes(&result), "timeout_connect 2");
}

fn a_name_that_does_not_resolve_is_dns_and_named() {
    let result = run("http://nothing.invalid", "-i 2").result();
    assert_eq!(outcomes(&result), "dns 2");
    let all = all(&result);
    let example = all.failure_counts.example(Outcome::Dns).unwrap();
    assert!(example.contains("nothing.invalid"), "{example}");
}

fn every_fault_on_the_wire_has_its_outcome_and_is_never_sent_twice() {
    let elsewhere = "http://127.0.0.1:1/".to_owned();
    for (fault, outcome, connections) in [
        (Fault::Ok, Outcome::Ok, 1),
        (Fault::ResetInHead, Outcome::Reset, 3),
        (Fault::ResetInBody, Outcome::Reset, 3),
        (Fault::CloseUnanswered, Outcome::ClosedEarly, 3),
        (Fault::Hang, Outcome::TimeoutHeaders, 3),
        (Fault::SlowHead, Outcome::TimeoutHeaders, 3),
        (Fault::EndlessBody, Outcome::TimeoutBody, 3),
        (Fault::ShortBody, Outcome::BodyTruncated, 3),
        (Fault::ExtraBytes, Outcome::Ok, 3),
        (Fault::Garbage, Outcome::Protocol, 3),
        (Fault::RedirectTo(elsewhere), Outcome::RedirectBlocked, 1),
        (Fault::RedirectInvalid, Outcome::RedirectInvalid, 1),
        (Fault::Informational, Outcome::Ok, 1),
        (Fault::NoContent, Outcome::Ok, 1),
        (Fault::NotModified, Outcome::Ok, 1),
        (Fault::TooManyRequests, Outcome::Http4xx, 1),
    ] {
        let server = Misbehaving::start(fault.clone());
        let patience = match outcome {
            Outcome::TimeoutHeaders | Outcome::TimeoutBody => "--timeout 500ms",
            _ => "",
        };
        let result = run(&server.url(), &format!("-u 1 -i 3 {patience}")).result();
        assert_eq!(
            count(&result, outcome),
            3,
            "{fault:?}: {}",
            outcomes(&result)
        );
        assert_eq!(result.count(|_| true), 3, "{fault:?}");
        assert_eq!(server.requests(), 3, "{fault:?}");
        assert_eq!(server.connections(), connections, "{fault:?}");
        let counted = all(&result).connections;
        assert_eq!(counted, connections, "as perfctl counts them: {fault:?}");
    }
}

/// Small enough for the buffers in between, in memory, and streamed from a file.
fn a_response_that_comes_during_an_upload_is_taken_and_the_upload_ends() {
    for (fault, outcome, requests_per_connection) in [
        (Fault::Echo, "ok 3", 3),
        (Fault::StreamEarly, "ok 3", 3),
        (Fault::OkEarly, "ok 3", 3),
        (Fault::OkUnread, "ok 3", 1),
        (Fault::RefuseEarly, "http_4xx 3", 1),
    ] {
        for size in [100_000, 8 << 20, 9 << 20] {
            // The buffers between would hold all of it.
            if size == 100_000 && matches!(fault, Fault::OkUnread) {
                continue;
            }
            let server = Misbehaving::start(fault.clone());
            let perfctl = Perfctl::new().file("scenarios/body", "");
            let body = std::fs::File::create(perfctl.dir().join("scenarios/body")).unwrap();
            body.set_len(size).unwrap();
            let endpoint = "- {post: /, body_file: body, timeout: 20s}";
            let result = perfctl
                .quick(&server.url(), endpoint)
                .args(["-u", "1", "-i", "3"])
                .run()
                .result();
            let what = format!("{fault:?}, {size}");
            assert_eq!(
                outcomes(&result),
                outcome,
                "{what}: {:?}",
                all(&result).failure_counts
            );
            assert_eq!(server.requests(), 3, "{what}");
            let is_reqwest = clients::chosen().is_none();
            if is_reqwest && matches!(fault, Fault::OkEarly) {
                // reqwest has the connection again only some time after the last byte has left.
                assert!(server.connections() <= 3, "{what}");
            } else {
                assert_eq!(server.connections(), 3 / requests_per_connection, "{what}");
            }
            let whole = 3 * size;
            let out = all(&result).bytes_out;
            if size > 1 << 20 {
                assert_eq!(out >= whole, requests_per_connection == 3, "{what}: {out}");
            }
            if matches!(fault, Fault::Echo) {
                assert!(all(&result).bytes_in >= whole, "{what}");
            }
        }
    }
}

fn a_connection_closed_before_any_reply_is_made_once() {
    let server = Misbehaving::start(Fault::CloseUnanswered);
    let result = run(&server.url(), "-i 1 -u 1").result();
    assert_eq!(outcomes(&result), "closed_early 1");
    assert_eq!((server.connections(), server.requests()), (1, 1));
}

fn a_reset_in_the_body_keeps_the_bytes_that_came() {
    let server = Misbehaving::start(Fault::ResetInBody);
    let reset = all(&run(&server.url(), "-i 4").result()).bytes_in;
    let server = Misbehaving::start(Fault::CloseUnanswered);
    let closed = all(&run(&server.url(), "-i 4").result()).bytes_in;
    assert_eq!(closed, 0);
    assert!(reset >= 4 * 5, "{reset}");
}

fn a_redirect_loop_ends_at_the_limit_with_its_hops_counted() {
    let server = Misbehaving::start(Fault::RedirectLoop);
    let result = run(&server.url(), "-i 2").result();
    assert_eq!(outcomes(&result), "redirect_limit 2");
    assert_eq!(
        all(&result).redirects,
        20,
        "ten each are followed by default"
    );
    assert_eq!(server.requests(), 2 + 20);
}

fn a_redirect_to_another_host_is_blocked_and_sends_nothing_there() {
    let other = Misbehaving::start(Fault::Ok);
    let server = Misbehaving::start(Fault::RedirectTo(format!("{}/a", other.url())));
    let endpoints = "- {name: root, get: /, headers: {Authorization: Bearer secret}}";
    let scenario = |more: &str| {
        Perfctl::scenario(&server.url(), &format!("{endpoints}\n{more}"))
            .args(["-i", "3", "--fail-on", "none"])
            .expect_status(0)
            .run()
            .result()
    };
    let result = scenario("");
    assert_eq!(outcomes(&result), "redirect_blocked 3");
    assert_eq!((other.connections(), other.requests()), (0, 0));
    assert_eq!(all(&result).redirects, 0);

    let allowed = scenario(&format!("allow_redirects_to: [\"{}\"]", other.addr()));
    assert_eq!(outcomes(&allowed), "ok 3");
    assert_eq!(other.requests(), 3);
}

#[test]
fn an_slo_without_data_fails() {
    let server = Misbehaving::start(Fault::Ok);
    let endpoints = "- {name: root, get: /, weight: 1000000}\n\
                     - {name: rare, get: /rare, slo: {p95: 30s}}";
    for (options, reason) in [
        ("--seed 1", "rare: p95: no data"),
        (
            "--slo database_query_time_p95<1s",
            "database_query_time_p95: no data",
        ),
        ("--slo cache_hit_ratio>1%", "cache_hit_ratio: no data"),
    ] {
        let completed = Perfctl::scenario(&server.url(), endpoints)
            .args(["-i", "50", "--format", "json"])
            .args(options.split(' '))
            .expect_status(1)
            .run();
        let json = completed.json();
        assert_eq!(json["verdict"], "fail");
        let reasons = json["reasons"].as_array().unwrap();
        assert!(reasons.iter().any(|r| r == reason), "{reasons:?}");
    }
}

fn a_service_that_hangs_at_the_end_is_interrupted_and_its_age_counts() {
    let server = Misbehaving::start(Fault::Hang);
    let completed = Perfctl::get_root(&server.url())
        .args(["-t", "1s", "--stop-timeout", "1s", "--timeout", "1m"])
        .args(["--slo", "p95<1500ms", "--format", "json"])
        .expect_status(1)
        .run();
    let result = completed.result();
    assert_eq!(outcomes(&result), "interrupted 2");
    assert_eq!(server.requests(), 2);
    let ending = result.run.ending.as_ref().unwrap();
    assert!(ending.drained_at_us >= 2_000_000);
    let p95 = completed.json()["p95_response_time_ms"].as_f64().unwrap();
    assert!(
        p95 >= 1900.0,
        "{p95} ms, and it was in flight for two seconds"
    );
}

fn a_timeout_counts_in_the_percentiles_as_long_as_it_took() {
    let server = Misbehaving::start(Fault::Hang);
    let completed = run(&server.url(), "-i 2 --timeout 300ms");
    let p95 = completed.json()["p95_response_time_ms"].as_f64().unwrap();
    assert!(p95 >= 299.0, "{p95}");
}

#[test]
fn an_arrival_that_finds_no_free_user_is_dropped() {
    let server = Misbehaving::start(Fault::Hang);
    let completed = Perfctl::get_root(&server.url())
        .args("--workers 1 --rate 50 -u 1 -t 1s -s 100ms".split(' '))
        .expect_status(3)
        .run();
    assert!(
        completed.stdout.contains("the load was not delivered"),
        "{}",
        completed.stdout
    );
    let result = completed.result();
    assert_eq!(outcomes(&result), "dropped 49, interrupted 1");
    assert_eq!(server.requests(), 1);
}

for_each_client! {
    a_refused_connection_is_connect_refused_and_the_run_completes
    a_full_accept_queue_is_timeout_connect
    a_name_that_does_not_resolve_is_dns_and_named
    every_fault_on_the_wire_has_its_outcome_and_is_never_sent_twice
    a_response_that_comes_during_an_upload_is_taken_and_the_upload_ends
    a_connection_closed_before_any_reply_is_made_once
    a_reset_in_the_body_keeps_the_bytes_that_came
    a_redirect_loop_ends_at_the_limit_with_its_hops_counted
    a_redirect_to_another_host_is_blocked_and_sends_nothing_there
    a_service_that_hangs_at_the_end_is_interrupted_and_its_age_counts
    a_timeout_counts_in_the_percentiles_as_long_as_it_took
}
