//! The credentials of requests, as a server sees them.

use perfctl::metrics::{Outcome, RunResult};

use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, Seen, answer, ok};
use crate::support::scenario::{SCENARIO, count, outcomes};
use crate::support::{Completed, Perfctl};

/// A run of so many requests by one user.
pub(super) fn run(host: &str, endpoints: &str, times: u32) -> Completed {
    Perfctl::scenario(host, endpoints)
        .args(["-i", &times.to_string(), "-u", "1"])
        .args(["-e", "SECRET=c4n4ry-s3cret"])
        .run()
}

pub(super) fn bytes_out(result: &RunResult) -> u64 {
    let endpoints = result.endpoints.iter();
    endpoints
        .flat_map(|one| &one.phases)
        .map(|cell| cell.bytes_out)
        .sum()
}

fn each_kind_of_credentials_is_sent_where_it_belongs() {
    let cases = [
        (
            "basic: {username: ann, password: '{{ env.SECRET }}'}",
            "authorization",
            "Basic YW5uOmM0bjRyeS1zM2NyZXQ=",
        ),
        (
            "bearer: '{{ env.SECRET }}'",
            "authorization",
            "Bearer c4n4ry-s3cret",
        ),
        (
            "api_key: {header: X-Own, value: '{{ env.SECRET }}'}",
            "x-own",
            "c4n4ry-s3cret",
        ),
        (
            "basic: {username: 'u{{ user_id }}', password: 'p{{ iteration }}'}",
            "authorization",
            "Basic dTE6cDE=",
        ),
    ];
    for (auth, header, value) in cases {
        let server = Recording::ok();
        let completed = run(&server.url(), &format!("- {{get: /, auth: {{{auth}}}}}"), 1);
        let seen = server.only();
        assert_eq!(seen.header(header), Some(value), "{auth}");
        assert_eq!(bytes_out(&completed.result()), seen.size, "{auth}");
    }
    let key = "api_key: {query: 'the key', value: 'a b&{{ user_id }}'}";
    for (path, line) in [
        ("/a?b=1", "GET /a?b=1&the+key=a+b%261 HTTP/1.1"),
        ("/a", "GET /a?the+key=a+b%261 HTTP/1.1"),
        ("/{{ user_id }}", "GET /1?the+key=a+b%261 HTTP/1.1"),
    ] {
        let server = Recording::ok();
        run(
            &server.url(),
            &format!("- {{get: '{path}', auth: {{{key}}}}}"),
            1,
        );
        assert_eq!(server.only().line, line);
    }
}

fn the_auth_setting_closest_to_the_request_is_used() {
    let server = Recording::ok();
    let endpoints = "
- {get: /default}
- {get: /none, auth: none}
- {get: /other, auth: {bearer: other}}
- {get: /header, headers: {Authorization: mine}}
defaults: {auth: {bearer: default}, headers: {X-A: b}}";
    run(&server.url(), endpoints, 40);
    let sent: std::collections::BTreeSet<String> = (server.seen().iter())
        .map(|seen| {
            let value = seen.header("authorization").unwrap_or("-");
            format!("{} {value}", &seen.line[5..8])
        })
        .collect();
    let sent: Vec<&str> = sent.iter().map(String::as_str).collect();
    assert_eq!(
        sent,
        [
            "def Bearer default",
            "hea mine",
            "non -",
            "oth Bearer other"
        ]
    );
}

#[test]
fn mistakes_are_shown_with_their_places_and_without_secrets() {
    let endpoints = "
- {get: /1, auth: {basic: {username: a, password: hunter2}, bearer: hunter2}}
- {get: /2, auth: {}}
- {get: /3, auth: {api_key: {value: hunter2}}}
- {get: /4, auth: {api_key: {header: a b, value: hunter2}}}
- {get: /5, auth: {bearer: hunter2}, headers: {authorization: x}}
- {get: /6, auth: {oauth2: {token_url: '/{{ user_id }}', client_id: a, client_secret: hunter2}}}
- {get: /7, auth: {oauth2: {token_url: '//u:hunter2@h', client_id: a, client_secret: b}}}
- {get: /8, auth: yes}
- {get: /9, auth: {basic: {username: a, pasword: hunter3}}}
- {get: /10, auth: {bearer: \"hunter2\\nx\"}}
- {get: /11, auth: {basic: {username: 'a:b', password: hunter2}}}";
    let completed = Perfctl::scenario("demo", endpoints).expect_status(2).run();
    for part in [
        "`auth` is empty",
        "default.yaml:5:61\n",
        "more than one authentication method",
        "an API key is sent either in a header or in the query",
        "`a b` is not a valid header name",
        "`auth` conflicts with the header `authorization`",
        "the token URL must be known before the run",
        "the token URL is not a URL, or it contains credentials",
        "`auth` is a mapping such as `bearer: TOKEN`, or `none`",
        "did you mean `password`?",
        "the value of header `authorization` contains a line break",
        "the user name for `basic` cannot contain `:`",
    ] {
        assert!(
            completed.stderr.contains(part),
            "{part}: {}",
            completed.stderr
        );
    }
    assert!(
        !completed.stderr.contains("hunter2"),
        "{}",
        completed.stderr
    );
}

/// A token server, and a service that accepts only the tokens it issued.
fn oauth2(expires_in: u32) -> (Recording, Recording) {
    let tokens = Recording::start(move |_, number| {
        ok(&format!(
            "{{\"access_token\":\"t0ken-{number}\",\"token_type\":\"bearer\",\
             \"expires_in\":{expires_in}}}"
        ))
    });
    let service = Recording::start(|seen, _| match seen.header("authorization") {
        Some(value) if value.starts_with("Bearer t0ken-") => ok(value),
        _ => answer("401 Unauthorized", "", ""),
    });
    (tokens, service)
}

fn by_oauth2(tokens: &Recording, more: &str) -> String {
    format!(
        "- {{get: /, auth: {{oauth2: {{token_url: '{}/token', client_id: 'my id', \
         client_secret: '{{{{ env.SECRET }}}}'{more}}}}}}}",
        tokens.url()
    )
}

fn a_token_is_fetched_once_by_each_worker_and_counted_apart() {
    let (tokens, service) = oauth2(3600);
    let completed = Perfctl::scenario(&service.url(), &by_oauth2(&tokens, ", scope: 'a b'"))
        .args(["-i", "60", "-u", "6", "--workers", "2", "--format", "json"])
        .args(["-e", "SECRET=c4n4ry&"])
        .run();
    let result = completed.result();
    assert_eq!(outcomes(&result), "ok 60");
    assert_eq!((tokens.seen().len(), service.seen().len()), (2, 60));
    let request = &tokens.seen()[0];
    assert_eq!(request.line, "POST /token HTTP/1.1");
    assert_eq!(request.text(), "grant_type=client_credentials&scope=a+b");
    // `my+id:c4n4ry%26`
    assert_eq!(
        request.header("authorization"),
        Some("Basic bXkraWQ6YzRuNHJ5JTI2")
    );
    // Neither its bytes nor its connection count for the endpoint.
    let sizes: u64 = service.seen().iter().map(|seen| seen.size).sum();
    assert_eq!(bytes_out(&result), sizes);
    let connections: u64 = (result.endpoints.iter().flat_map(|one| &one.phases))
        .map(|cell| cell.connections)
        .sum();
    assert_eq!(connections, service.connections());
    let components = result.endpoints.iter().flat_map(|one| &one.phases);
    let fetched: u64 = components
        .filter_map(|cell| cell.components.get("oauth2_token"))
        .map(|component| component.time.count())
        .sum();
    assert_eq!(fetched, 2);
}

fn a_token_can_belong_to_a_user_and_its_credentials_to_the_form() {
    let (tokens, service) = oauth2(3600);
    let more = ", token_per: user, credentials_in: body, params: {audience: 'x y'}";
    let completed = Perfctl::scenario(&service.url(), &by_oauth2(&tokens, more))
        .args(["-i", "12", "-u", "3", "--workers", "1", "-e", "SECRET=s"])
        .run();
    assert_eq!(outcomes(&completed.result()), "ok 12");
    assert_eq!(tokens.seen().len(), 3);
    let request = &tokens.seen()[0];
    assert_eq!(request.header("authorization"), None);
    assert_eq!(
        request.text(),
        "grant_type=client_credentials&audience=x+y&client_id=my+id&client_secret=s"
    );
    // Credentials that differ from user to user are never shared.
    let (tokens, service) = oauth2(3600);
    let endpoint = by_oauth2(&tokens, "").replace("my id", "u{{ user_id }}");
    Perfctl::scenario(&service.url(), &endpoint)
        .args(["-i", "12", "-u", "3", "--workers", "1", "-e", "SECRET=s"])
        .run();
    assert_eq!(tokens.seen().len(), 3);
}

fn the_wait_for_a_token_is_no_part_of_a_response_time() {
    let (_, service) = oauth2(3600);
    let slow = Recording::start(|_, _| {
        std::thread::sleep(std::time::Duration::from_secs(3));
        ok("{\"access_token\":\"t0ken-1\"}")
    });
    let endpoint = by_oauth2(&slow, "");
    let flow = |step: &str| format!("{endpoint}\nflows: {{f: {{weight: 3, steps: [{step}]}}}}");
    let by_count = &["-i", "20", "-u", "4"][..];
    for (load, endpoints) in [
        (by_count, endpoint.clone()),
        (&["--rate", "50", "-t", "4s"], endpoint.clone()),
        (by_count, flow("GET /")),
        (by_count, flow("parallel: [GET /, GET /]")),
    ] {
        let completed = Perfctl::scenario(&service.url(), &endpoints)
            .args(load)
            .args(["--workers", "1", "-e", "SECRET=s"])
            .run();
        let result = completed.result();
        assert_eq!(
            outcomes(&result),
            format!("ok {}", count(&result, Outcome::Ok))
        );
        let cells = || result.endpoints.iter().flat_map(|entry| &entry.phases);
        let longest = cells().map(|cell| cell.response.max_us).max().unwrap();
        assert!(longest < 3_000_000, "{load:?} {endpoints}: {longest}");
        let mut components = cells();
        let token = components.find_map(|cell| cell.components.get("oauth2_token"));
        assert!(token.unwrap().time.max_us >= 3_000_000);
        assert!(!completed.stdout.contains("Little"), "{}", completed.stdout);
        assert!(
            !completed.stdout.contains("INVALID"),
            "{}",
            completed.stdout
        );
    }
    assert_eq!(slow.seen().len(), 4);
}

fn a_token_is_renewed_before_it_expires() {
    let (tokens, service) = oauth2(1);
    let endpoint = format!(
        "{}\ndefaults: {{think_time: constant(100ms)}}",
        by_oauth2(&tokens, "")
    );
    let completed = run(&service.url(), &endpoint, 25);
    assert_eq!(outcomes(&completed.result()), "ok 25");
    // 25 requests last 2.4 s at least.
    assert!(tokens.seen().len() >= 3, "{}", tokens.seen().len());
}

fn without_a_token_nothing_is_sent_and_the_reason_is_shown() {
    let service = Recording::ok();
    let refused = answer(
        "401 Unauthorized",
        "",
        "{\"error\":\"invalid_client\",\"error_description\":\"c4n4ry-s3cret is wrong\"}",
    );
    let tokens = Recording::start(move |_, _| refused.clone());
    let completed = run(&service.url(), &by_oauth2(&tokens, ""), 5);
    let result = completed.result();
    assert_eq!(count(&result, Outcome::AuthFailed), 5);
    assert_eq!(service.seen().len(), 0);
    // A failure counts for a second.
    assert!(
        (1..=4).contains(&tokens.seen().len()),
        "{}",
        tokens.seen().len()
    );
    let stored = serde_json::to_string(&result).unwrap();
    let why = "/token`: status 401 (invalid_client: *** is wrong)";
    assert!(stored.contains(why), "{stored}");

    let gone = crate::support::closed_port();
    let endpoint = by_oauth2(&tokens, "").replace(&tokens.url(), &format!("http://{gone}"));
    let result = run(&service.url(), &endpoint, 1).result();
    assert_eq!(count(&result, Outcome::AuthFailed), 1);
    assert!(serde_json::to_string(&result).unwrap().contains("refused"));
}

fn a_token_that_the_service_repeats_is_shown_nowhere() {
    let (tokens, service) = oauth2(3600);
    let endpoint = by_oauth2(&tokens, "").replace("auth:", "check: {body_contains: xyz}, auth:");
    let completed = run(&service.url(), &endpoint, 2);
    let result = completed.result();
    assert_eq!(count(&result, Outcome::CheckFailed), 2);
    let stored = serde_json::to_string(&result).unwrap();
    assert!(
        stored.contains("Bearer ***") && !stored.contains("t0ken-"),
        "{stored}"
    );
    assert!(!completed.stdout.contains("t0ken-"), "{}", completed.stdout);
}

fn no_credentials_follow_a_redirect_to_another_host() {
    let secret = "password: '{{ env.SECRET }}'";
    for auth in [
        format!("basic: {{username: ann, {secret}}}"),
        "bearer: '{{ env.SECRET }}'".into(),
        "api_key: {header: X-Own, value: '{{ env.SECRET }}'}".into(),
        "api_key: {query: key, value: '{{ env.SECRET }}'}".into(),
        format!("digest: {{username: ann, {secret}}}"),
    ] {
        let other = Recording::start(|seen: &Seen, _| {
            let challenge = "WWW-Authenticate: Digest nonce=1, realm=r\r\n";
            match seen.line.contains("/digest") {
                true => answer("401 Unauthorized", challenge, ""),
                false => ok(""),
            }
        });
        let path = if auth.starts_with("digest") {
            "/digest"
        } else {
            "/"
        };
        let location = format!("location: {}{path}\r\n", other.url());
        let server = Recording::start(move |_, _| answer("307 Moved", &location, ""));
        let allowed = other.url().replace("http://", "");
        let endpoints =
            format!("- {{get: /, auth: {{{auth}}}}}\nallow_redirects_to: ['{allowed}']");
        run(&server.url(), &endpoints, 1);
        let seen = other.only();
        let all = format!("{} {}", seen.line, seen.head);
        assert!(
            !all.contains("c4n4ry") && seen.header("authorization").is_none(),
            "{all}"
        );
    }
}

fn credentials_are_in_no_file_and_no_output() {
    let endpoints = "
- {name: basic, get: /, auth: {basic: {username: a, password: hunter2-literal}}}
- {name: bearer, get: /, auth: {bearer: hunter2-literal}}
- {name: key, get: /, auth: {api_key: {header: x-own, value: hunter2-literal}}}
- {name: query, get: /, auth: {api_key: {query: q, value: hunter2-literal}}}
- {name: digest, get: /, auth: {digest: {username: a, password: hunter2-literal}}}";
    let echo = Recording::start(|seen, _| {
        let body = format!("{} {}", seen.line, seen.head);
        answer("500 Oops", "", &body)
    });
    for format in ["console", "json", "markdown"] {
        let endpoints = endpoints.replace(
            "get: /",
            "get: /, check: {status: 500, body_contains: 'x:'}",
        );
        let completed = Perfctl::scenario(&echo.url(), &endpoints)
            .args(["-i", "20", "-u", "1", "--format", format])
            .run();
        assert!(
            echo.seen()
                .iter()
                .any(|seen| seen.head.contains("hunter2-literal"))
        );
        std::fs::remove_file(completed.dir.path().join(SCENARIO)).unwrap();
        let result = serde_json::to_string(&completed.result()).unwrap();
        let plan = completed.read(completed.runs()[0].join("plan.json"));
        for text in [&completed.stdout, &completed.stderr, &result, &plan] {
            assert!(!text.contains("hunter2"), "{format}: {text}");
            // Of `a:hunter2-literal`.
            assert!(!text.contains("aHVudGVyMi1saXRlcmFs"), "{format}: {text}");
            assert!(!text.contains("odW50ZXIyLWxpdGVyYWw"), "{format}: {text}");
        }
    }
}

fn a_token_extracted_from_a_response_is_sent_and_shown_nowhere() {
    let server = Recording::start(|seen, number| match seen.line.starts_with("POST /login ") {
        true => ok(&format!("{{\"token\": \"s3cret-{number}\"}}")),
        false => answer("500 Oops", "", seen.header("authorization").unwrap_or("-")),
    });
    let scenario = "
- {name: login, post: /login, extract: {token: $.token}}
- {name: echo, get: /echo, auth: {bearer: '{{ token }}'}, check: {status: 500, body_contains: x}}
flows: {visit: {steps: [login, {parallel: [echo, echo]}]}}";
    let completed = run(&server.url(), scenario, 2);
    let seen = server.seen();
    assert_eq!(seen.len(), 6, "{}{}", completed.stdout, completed.stderr);
    for (login, echoes) in [(0, 1..3), (3, 4..6)] {
        for echo in &seen[echoes] {
            let expected = format!("Bearer s3cret-{login}");
            assert_eq!(echo.header("authorization"), Some(&*expected));
        }
    }
    let stored = serde_json::to_string(&completed.result()).unwrap();
    assert!(
        stored.contains("***") && !stored.contains("s3cret-"),
        "{stored}"
    );
}

fn requests_of_a_user_at_the_same_time_share_its_token() {
    let (tokens, service) = oauth2(3600);
    let endpoints = by_oauth2(&tokens, ", token_per: user").replace("get: /", "name: a, get: /");
    let flow = "\nflows: {page: {steps: [{parallel: [a, a, a]}]}}";
    let completed = run(&service.url(), &(endpoints + flow), 3);
    assert_eq!(outcomes(&completed.result()), "ok 9");
    assert_eq!((tokens.seen().len(), service.seen().len()), (1, 9));
}

for_each_client! {
    each_kind_of_credentials_is_sent_where_it_belongs
    the_auth_setting_closest_to_the_request_is_used
    a_token_is_fetched_once_by_each_worker_and_counted_apart
    a_token_can_belong_to_a_user_and_its_credentials_to_the_form
    the_wait_for_a_token_is_no_part_of_a_response_time
    a_token_is_renewed_before_it_expires
    without_a_token_nothing_is_sent_and_the_reason_is_shown
    a_token_that_the_service_repeats_is_shown_nowhere
    no_credentials_follow_a_redirect_to_another_host
    credentials_are_in_no_file_and_no_output
    a_token_extracted_from_a_response_is_sent_and_shown_nowhere
    requests_of_a_user_at_the_same_time_share_its_token
}
