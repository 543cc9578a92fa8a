//! What a run says of the load generator: where it is the bottleneck, and where it is not.

use crate::support::scenario::{SCENARIO, outcomes};
use crate::support::{Fault, Misbehaving, Perfctl};
use perfctl::metrics::{Outcome, Window};

/// 300 kB of JSON with 20,000 objects.
fn large_json() -> Vec<u8> {
    let item = r#"{"id": 12345}"#;
    let body = format!(r#"{{"items": [{}]}}"#, vec![item; 20_000].join(","));
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.into_bytes(), body.into_bytes()].concat()
}

/// One worker searches responses that its service hands out for nothing. On any machine, the service is
/// done long before: the users wait for the worker.
#[test]
fn a_worker_that_only_checks_responses_makes_the_run_invalid() {
    let server = Misbehaving::start(Fault::Raw(large_json()));
    let search = "- {name: search, get: /, check: {json: {'$..[?@.id == 12345].id': 12345}}}";
    let text = format!(
        "name: busy\nhost: {}\nendpoints:\n{search}\nslo: {{error_rate: 1%}}\n",
        server.url()
    );
    let completed = Perfctl::new()
        .file(SCENARIO, text)
        .args(["run", "-u", "5", "-r", "5", "-t", "6s", "--workers", "1"])
        .args(["--stop-timeout", "20s"])
        .env("PERFCTL_ASSUME_HEALTHY", "0")
        .expect_status(3)
        .run();
    let (text, result) = (&completed.stdout, completed.result());
    assert!(text.starts_with("INVALID  no grade"), "{text}");
    // Which of both is seen depends on what else the machine does.
    let reasons = result.invalid_because().join("; ");
    assert!(
        reasons.contains("of the single core a worker can use")
            || reasons.contains("the load generator stalled"),
        "{reasons}"
    );
    assert_eq!(
        result.count(Outcome::is_failure),
        0,
        "{}",
        outcomes(&result)
    );
}

/// Logging in takes a second, so arrivals of the ramp and the warm-up find no user. That is over when the
/// measured phase begins.
#[test]
fn what_is_dropped_before_the_measured_phase_is_told_and_not_judged() {
    let scenario = "name: slow start
host: demo
users:
  clerk:
    on_start: {name: log in, get: /delay/1000}
    endpoints: [{name: health, get: /health}]
slo: {error_rate: 1%}
profiles:
  short:
    warmup: 2s
    max_users: 60
    stages: [{name: steady, rate: 100, ramp: 500ms, duration: 1s}]
";
    let completed = Perfctl::new()
        .file(SCENARIO, scenario)
        .args(["run", "--profile", "short"])
        .run();
    let (text, result) = (&completed.stdout, completed.result());
    let is_dropped = |outcome| outcome == Outcome::Dropped;
    let measured = result.cell(None, Window::Measured).count(is_dropped);
    let dropped = result.count(is_dropped);
    // Of the 200 that are due before the measured phase; 60 users take one each.
    assert!(dropped - measured > 10, "{text}");
    let told = "arrivals in ramps and warm-up were dropped";
    assert!(result.warnings().join("; ").contains(told), "{text}");
    // A machine that stands still for most of the measured second drops some of it, too.
    if result.undelivered().is_none() {
        assert_eq!(completed.status, Some(0), "{text}");
        assert!(text.starts_with("PASS"), "{text}");
    }
}
