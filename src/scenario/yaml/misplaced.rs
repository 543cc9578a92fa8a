//! Keys of perfctl that stand one level too high or too low, and where they belong.
//!
//! Not here: keys of other tools (`counterparts`).

/// Keys that mean the same elsewhere: their names, a key of the mappings in which that is so (any mapping
/// when empty), and what to write instead.
pub(crate) type Counterpart = (&'static [&'static str], &'static str, &'static str);

/// The first that fits counts.
pub(super) const MISPLACED: &[Counterpart] = &[
    (
        &[
            "status",
            "json",
            "headers",
            "body_contains",
            "body_matches",
            "max_duration",
            "min_size",
            "max_size",
            "that",
            "not",
            "check",
            "condition",
        ],
        "every",
        "what ends the poll belongs in `until`, such as `until: {status: 200}`",
    ),
    (
        &["extract", "get", "post", "put", "patch", "delete", "name"],
        "every",
        "this belongs in the request: `poll: {get: /jobs/1, extract: {token: $.token}}`",
    ),
    (
        &["interval", "delay", "sleep", "wait"],
        "every",
        "write `every`, the wait from the end of one request to the start of the next",
    ),
    (
        &["every", "interval", "timeout"],
        "body_contains",
        "for a poll, this belongs beside `until`, not in it",
    ),
    (
        &["extract"],
        "body_contains",
        "this belongs beside the `check`, not in it",
    ),
    (
        &["until", "every"],
        "get",
        "this belongs beside `poll`, not in its request: `poll: {get: /jobs/1}`, `until: {status: 200}`",
    ),
    (
        &[
            "status",
            "status_code",
            "body_contains",
            "body_matches",
            "max_duration",
            "min_size",
            "that",
        ],
        "get",
        "this belongs in `check`, such as `check: {status: 200}`",
    ),
    (
        &["on_start", "on_stop"],
        "get",
        "this belongs in a user class: `users: {NAME: {on_start: [...]}}`",
    ),
    (
        &["on_start", "on_stop"],
        "on_error",
        "this belongs in a user class: `users: {NAME: {on_start: [...], flows: [...]}}`",
    ),
    (
        &["steps"],
        "get",
        "an endpoint is one request; several in order are a flow: `flows: {NAME: {steps: [...]}}`",
    ),
    (
        &["endpoints"],
        "on_error",
        "write `steps`: endpoints by name, or requests",
    ),
    (
        &[
            "headers", "check", "extract", "auth", "timeout", "json", "form", "body", "get", "post",
        ],
        "on_error",
        "this belongs in the requests of the flow, under `steps`",
    ),
    (
        &["headers", "timeout", "auth", "check", "extract", "host"],
        "on_start",
        "this belongs in the requests, or under `defaults` for all of them",
    ),
    (
        &["slo", "tags"],
        "on_start",
        "this belongs in the endpoints and flows that the class uses",
    ),
    (
        &["users", "count", "rate", "duration", "spawn_rate", "stages"],
        "on_start",
        "how many users run, and how long, is part of the load: a profile, or `--users 20`; a class has a `weight` \
      or a `fixed_count`",
    ),
    (
        &[
            "check",
            "extract",
            "json",
            "form",
            "body",
            "get",
            "post",
            "put",
            "delete",
            "weight",
            "tags",
            "multipart",
            "body_file",
        ],
        "allow_redirects_to",
        "this belongs in an endpoint: `endpoints: [{get: /health, check: {status: 200}}]`",
    ),
    (
        &[
            "think_time",
            "host",
            "headers",
            "timeout",
            "endpoints",
            "flows",
        ],
        "stop_timeout",
        "a profile is only the load; this belongs in the scenario",
    ),
    // In `defaults`, since endpoints have these keys.
    (
        &["check", "extract", "weight", "tags", "json", "form", "body"],
        "max_redirects",
        "this belongs in each endpoint; to write it once, use an anchor and `<<`",
    ),
    (
        &["slo"],
        "max_redirects",
        "this belongs at the top of the scenario",
    ),
    (
        &["host", "base_url", "tls", "proxy", "client"],
        "max_redirects",
        "this belongs at the top of the scenario",
    ),
];
