//! Keys of other tools, which people write from habit, and what they are here.
//!
//! Not here: the keys there are (`keys`), those in the wrong place (`misplaced`), and slips of the pen, which
//! `did_you_mean` finds.

use super::misplaced::{Counterpart, MISPLACED};

/// How the hint for a method and a path with keys of their own starts.
pub(crate) const METHOD_IS_KEY: &str = "the method is the key";

/// The first that fits counts.
const COUNTERPARTS: &[Counterpart] = &[
    // An extraction, or a check.
    (
        &["xpath", "xPath", "selector", "querySelector"],
        "attribute",
        "write a CSS selector, such as `css: \"input[name=csrf]\"`; for XML, use `regex` or `between`",
    ),
    (
        &["xpath", "xPath", "selector", "querySelector"],
        "body_matches",
        "write a CSS selector, such as `css: {\"h1\": Welcome}`; for XML, use `body_matches`",
    ),
    // A user class, or a whole scenario.
    (
        &["pacing"],
        "think_time",
        "write `think_time: constant_pacing(1s)`",
    ),
    (
        &["pacing"],
        "defaults",
        "write `defaults: {think_time: constant_pacing(1s)}`, or `think_time` in a user class",
    ),
    (
        &["wait_time", "min_wait", "max_wait", "waitTime"],
        "think_time",
        "write `think_time`, such as `think_time: between(1s, 3s)`",
    ),
    (
        &["wait_time", "min_wait", "max_wait", "waitTime"],
        "defaults",
        "write `defaults: {think_time: \"between(1s, 3s)\"}`, or `think_time` in a user class",
    ),
    (
        &["tasks", "task", "task_set", "taskset"],
        "on_start",
        "list requests under `endpoints` and flows under `flows`, each with its `weight`",
    ),
    (
        &["tasks", "task", "task_set", "taskset", "requests", "steps"],
        "endpoints",
        "list requests under `endpoints`; steps in order are a flow under `flows`",
    ),
    (
        &["user_classes", "user_class", "classes"],
        "endpoints",
        "write `users: {NAME: {weight: 1, endpoints: [...]}}`",
    ),
    (
        &[
            "setup",
            "before",
            "beforeRequest",
            "before_scenario",
            "login",
        ],
        "on_start",
        "write `on_start`",
    ),
    (
        &["teardown", "after", "after_scenario", "logout"],
        "on_stop",
        "write `on_stop`",
    ),
    (
        &["on_start", "on_stop"],
        "endpoints",
        "write `on_start` and `on_stop` in a user class: `users: {NAME: {on_start: [...]}}`; what happens once a run is `setup` and `teardown`",
    ),
    (
        &[
            "test_start",
            "set_up",
            "before_all",
            "before",
            "beforeAll",
            "init",
        ],
        "setup",
        "write `setup`, a list of steps that run once before the load",
    ),
    (
        &[
            "test_stop",
            "test_end",
            "tear_down",
            "after_all",
            "after",
            "afterAll",
        ],
        "teardown",
        "write `teardown`, a list of steps that run once after the load",
    ),
    (
        &["base_url", "baseUrl", "baseURL", "target", "server", "url"],
        "host",
        "write `host: http://localhost:8000`",
    ),
    (
        &["env", "environment"],
        "variables",
        "values of the environment need no key: write `{{ env.NAME }}` where they are used",
    ),
    (
        &["vars", "payload", "csv", "feeder", "feeders"],
        "variables",
        "write `variables` for fixed values, and `data` for files whose rows users take",
    ),
    (
        &[
            "headers",
            "timeout",
            "connect_timeout",
            "think_time",
            "auth",
            "max_redirects",
            "max_body",
            "keep_alive",
            "http_version",
        ],
        "defaults",
        "this belongs under `defaults`: `defaults: {headers: {Accept: text/html}, timeout: 5s}`",
    ),
    // Load.
    (
        &["scenarios"],
        "endpoints",
        "one file is one scenario: write its requests under `endpoints` or `flows`, kinds of users under \
      `users`, and the load as a profile under `profiles`",
    ),
    (
        &["scenarios", "executor", "executors"],
        "stages",
        "the load is `users` (closed model) or `rate` (open model) with `duration`, or `stages`",
    ),
    (
        &[
            "executor",
            "executors",
            "options",
            "config",
            "phases",
            "load",
            "stages",
            "vus",
            "rate",
            "duration",
        ],
        "profiles",
        "the load is a profile: write `profiles: {NAME: {users: 20, duration: 1m}}` and run it with `--profile NAME`",
    ),
    (
        &[
            "vus",
            "startVUs",
            "concurrency",
            "threads",
            "num_users",
            "target",
            "user_count",
        ],
        "users",
        "write `users`, the number of virtual users, or `rate`, arrivals per second",
    ),
    (
        &[
            "arrivalRate",
            "arrival_rate",
            "rps",
            "qps",
            "rampTo",
            "startRate",
        ],
        "rate",
        "write `rate`, arrivals per second; a `ramp` leads from the level before to it",
    ),
    (
        &[
            "preAllocatedVUs",
            "preAllocatedVus",
            "maxVUs",
            "maxVusers",
            "max_vus",
        ],
        "max_users",
        "write `max_users`",
    ),
    (
        &["gracefulStop", "graceful_stop", "gracefulRampDown"],
        "stop_timeout",
        "write `stop_timeout`",
    ),
    (
        &["run_time", "runTime", "time", "hold", "hold_for", "pause"],
        "duration",
        "write `duration`; a pause is a stage with `users: 0` or `rate: 0`",
    ),
    (
        &["ramp_up", "rampUp", "ramp_time", "rampTime", "hatch_rate"],
        "ramp",
        "write `ramp`, how long the change takes, or `spawn_rate`, users per second",
    ),
    (
        &["hatch_rate", "ramp_up", "rampUp"],
        "spawn_rate",
        "write `spawn_rate`, users per second",
    ),
    (
        &["iterations", "maxDuration"],
        "",
        "the number of iterations is an option: `--iterations 100`",
    ),
    // SLOs.
    (
        &[
            "thresholds",
            "ensure",
            "slos",
            "criteria",
            "assertions",
            "pass_fail",
        ],
        "slo",
        "write `slo`, such as `slo: {p95: 500ms, error_rate: 1%}`",
    ),
    // Requests.
    (
        &["params", "query", "query_params", "qs", "searchParams"],
        "get",
        "write the query into the URL: `get: \"/search?q={{ word }}\"`",
    ),
    (
        &["data", "payload", "formData", "form_data"],
        "get",
        "write `form` for form fields, `json` for JSON, or `body` for text",
    ),
    (
        &["files", "file", "attachments"],
        "get",
        "write `multipart: {file: {file: invoice.pdf}}`, or `body_file` for the whole body",
    ),
    (
        &["cookies", "cookie"],
        "get",
        "users keep the cookies that the service sets; to send one of your own, use the step `cookies: {name: value}` before, or write `headers: {Cookie: \"name=value\"}`",
    ),
    (
        &[
            "verify",
            "insecureSkipTLSVerify",
            "insecure_skip_tls_verify",
            "rejectUnauthorized",
        ],
        "",
        "write `tls: {insecure: true}` at the top of the scenario, or better `tls: {ca_file: ca.pem}`",
    ),
    (
        &["cert", "ca"],
        "",
        "write `tls: {cert_file: client.pem, key_file: client.key}` at the top of the scenario",
    ),
    (
        &["proxies"],
        "",
        "write `proxy: {url: \"http://proxy:3128\"}` at the top of the scenario",
    ),
    (
        &[
            "allow_redirects",
            "allowRedirects",
            "followRedirect",
            "follow_redirects",
            "redirects",
        ],
        "max_redirects",
        "write `max_redirects`: 0 follows none",
    ),
    (
        &[
            "catch_response",
            "catchResponse",
            "expect",
            "assert",
            "asserts",
            "validate",
            "checks",
            "expected_status",
        ],
        "check",
        "write `check`, such as `check: {status: 200, body_contains: ok}`",
    ),
    (
        &["capture", "captures", "save", "extractor"],
        "extract",
        "write `extract`, such as `extract: {token: {json: $.token}}`",
    ),
    (
        &[
            "url", "uri", "path", "method", "endpoint", "request", "http",
        ],
        "get",
        "the method is the key, and the path its value: `get: /health`, `post: /orders`",
    ),
    (
        &["sleep", "wait", "think", "pause", "delay"],
        "get",
        "write `think_time` for a wait after the request; within a flow, a wait is a step: `think: 2s`",
    ),
    (
        &["retry", "retries", "max_retries"],
        "",
        "perfctl never repeats a request by itself; to wait for a result, use the step `poll`",
    ),
    // Flows and steps.
    (
        &[
            "on_failure",
            "on_fail",
            "onError",
            "continue_on_error",
            "ignore_errors",
        ],
        "on_error",
        "write `on_error: stop` or `on_error: continue`",
    ),
    (
        &["abortOnFail"],
        "",
        "write `abort: {error_rate: \"> 20% for 10s\"}` at the top of the scenario",
    ),
    (
        &["on_failure", "on_fail"],
        "",
        "a failed step ends its flow, unless the flow has `on_error: continue`; a limit for failures is an SLO: `slo: {error_rate: 1%}`",
    ),
    (
        &["flow", "sequence", "tasks", "requests", "actions"],
        "on_error",
        "write `steps`",
    ),
    (
        &[
            "loop",
            "for",
            "foreach",
            "count",
            "times",
            "over",
            "loopElement",
        ],
        "repeat",
        "write `repeat: 3` or `repeat: [a, b]`, and `steps`",
    ),
    (
        &["condition", "ifTrue", "when"],
        "if",
        "write `if`, with `then` and `else`",
    ),
];

/// All of them, those in the wrong place first.
pub(crate) fn all() -> impl Iterator<Item = &'static Counterpart> {
    MISPLACED.iter().chain(COUNTERPARTS)
}

/// What to write for a key that is not among the `allowed` ones, if it is known from another tool.
pub(crate) fn counterpart(key: &str, allowed: &[&str]) -> Option<&'static str> {
    let fits = |(keys, within, _): &&Counterpart| {
        keys.contains(&key) && (within.is_empty() || allowed.contains(within))
    };
    all().find(fits).map(|(.., says)| *says)
}

/// What to write for a key where a step should be.
pub(crate) fn counterpart_of_step(key: &str) -> Option<&'static str> {
    match key {
        "sleep" | "wait" | "pause" | "delay" | "wait_time" | "think_time" => {
            Some("write `think: 2s`")
        }
        "group" | "transaction" | "flow" => {
            Some("write the steps as a flow of its own, and its name here")
        }
        _ => counterpart(key, &["repeat", "if", "get"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_means_what_it_means_in_its_mapping() {
        for (key, allowed, part) in [
            (
                "wait_time",
                "think_time",
                Some("`think_time: between(1s, 3s)`"),
            ),
            ("data", "get", Some("`form`")),
            ("scenarios", "endpoints", Some("one file is one scenario")),
            ("executor", "stages", Some("`rate` (open model)")),
            ("verify", "get", Some("insecure")),
            ("data", "stages", None),
            ("wieght", "get", None),
            ("headers", "defaults", Some("belongs under `defaults`")),
            ("status", "every", Some("belongs in `until`")),
            ("until", "get", Some("beside `poll`")),
            ("pacing", "think_time", Some("constant_pacing")),
        ] {
            let says = counterpart(key, &[allowed]);
            assert_eq!(says.is_some(), part.is_some(), "{key}");
            assert!(
                part.is_none_or(|part| says.unwrap().contains(part)),
                "{key}: {says:?}"
            );
        }
        assert_eq!(counterpart_of_step("sleep"), Some("write `think: 2s`"));
    }
}
