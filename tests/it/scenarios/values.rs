//! What users know: values taken out of responses, rows of data, expressions, and what failures are
//! called.

mod expressions;
mod given;
mod links;
mod scripts;
mod signatures;
mod templates;
mod urls;

use std::collections::{BTreeMap, BTreeSet};

use crate::support::Perfctl;
use crate::support::recording::{Recording, answer, ok};
use crate::support::scenario::{count, outcomes};
use perfctl::metrics::Outcome;

/// `user,path` of each request, by the header that the scenarios below send.
fn by_user(server: &Recording) -> BTreeMap<String, Vec<String>> {
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for seen in server.seen() {
        let user = seen.header("x-user").unwrap_or_default().to_owned();
        users.entry(user).or_default().push(seen.path().to_owned());
    }
    users
}

#[test]
fn values_of_a_response_are_sent_with_the_next_requests_of_that_user() {
    let server = Recording::start(|seen, number| match seen.path() {
        "/login" => answer(
            "200 OK",
            &format!("set-cookie: sid=c{number}; Path=/\r\n"),
            &format!("{{\"token\": \"t{number}\", \"items\": [{{\"id\": {number}}}]}}"),
        ),
        _ => ok(""),
    });
    let completed = Perfctl::scenario(
        &server.url(),
        "- {name: login, post: /login, extract: {token: $.token, sid: {cookie: sid}, id: '$.items[0].id'}}
- {name: use, get: '/use?{{ token }}-{{ sid }}-{{ id }}', weight: 3}
variables: {token: none, sid: none, id: none}
defaults: {headers: {X-User: '{{ user_id }}'}}",
    )
    .args(["-i", "120", "-u", "3", "--workers", "2", "--seed", "7"])
    .expect_status(0)
    .run();
    assert_eq!(outcomes(&completed.result()), "ok 120");
    // The number of a response is that of its request, so that each user's next path is known.
    let mut numbers: BTreeMap<String, Option<usize>> = BTreeMap::new();
    let (mut first, mut later) = (0, 0);
    for (number, seen) in server.seen().into_iter().enumerate() {
        let known = numbers
            .entry(seen.header("x-user").unwrap().to_owned())
            .or_default();
        if seen.path() == "/login" {
            *known = Some(number);
            continue;
        }
        let expected = known.map_or("/use?none-none-none".to_owned(), |n| {
            format!("/use?t{n}-c{n}-{n}")
        });
        assert_eq!(seen.path(), expected);
        match known {
            None => first += 1,
            Some(_) => later += 1,
        }
    }
    assert!(first > 0 && later > 50, "{first} {later}");
}

#[test]
fn a_value_that_is_missing_fails_the_request_and_those_that_need_it() {
    let server = Recording::start(|_, _| ok("{\"error\": \"no\"}"));
    let completed = Perfctl::scenario(
        &server.url(),
        "- {name: login, post: /login, extract: {token: $.token}}
- {name: use, get: '/use/{{ token }}'}",
    )
    .args(["-i", "40", "-u", "2", "--seed", "7"])
    .run();
    let result = completed.result();
    let failed = count(&result, Outcome::CheckFailed);
    let invalid = count(&result, Outcome::InvalidRequest);
    assert!(failed > 0 && invalid > 0 && failed + invalid == 40);
    assert_eq!(
        server.paths().len() as u64,
        failed,
        "nothing is sent without its value"
    );
    for text in [
        "`token` was not found: no value at `$.token`; it starts with",
        "variable `token` is not set yet",
    ] {
        let shown = completed
            .stdout
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(shown.contains(text), "{}", completed.stdout);
    }
}

#[test]
fn failures_are_counted_under_the_names_that_the_scenario_gives() {
    let server = Recording::start(|seen, number| match seen.path() {
        "/gone" => answer("404 Not Found", "", ""),
        _ => ok(&format!("no such invoice {number}")),
    });
    let scenario = || {
        Perfctl::scenario(
            &server.url(),
            "- {name: expected, get: /gone, check: {status: 404}}
- {name: gone, get: /gone, check: {status: 200, fail_with: invoice is gone}}
- name: told
  get: /told
  check:
    - {status: 200}
    - {not: {body_contains: no such}, fail_with: no such invoice}",
        )
        .args(["-i", "60", "-u", "1", "--seed", "3"])
    };
    let completed = scenario().run();
    let result = completed.result();
    let of = |name: &str| {
        let endpoint = result.endpoints.iter().find(|e| e.endpoint.name == name);
        let mut failures = BTreeMap::new();
        for cell in &endpoint.unwrap().phases {
            for one in cell.failure_counts.iter() {
                if let Some(key) = &one.key {
                    *failures.entry((one.outcome, key.clone())).or_insert(0) += one.count;
                }
            }
        }
        failures
    };
    assert!(of("expected").is_empty());
    assert_eq!(
        of("gone").keys().collect::<Vec<_>>(),
        [&(Outcome::Http4xx, "invoice is gone".to_owned())]
    );
    let told = of("told");
    assert_eq!(told.len(), 1, "however the texts differ: {told:?}");
    let key = (Outcome::CheckFailed, "no such invoice".to_owned());
    assert_eq!(told[&key], count(&result, Outcome::CheckFailed));
    let line = format!("{}  no such invoice (check_failed)  told", told[&key]);
    assert!(completed.stdout.contains(&line), "{}", completed.stdout);
    assert!(completed.stdout.contains("  invoice is gone (http_4xx) "));
    let markdown = scenario().args(["--format", "markdown"]).run();
    assert!(
        markdown
            .stdout
            .contains("| no such invoice (check\\_failed) |"),
        "{}",
        markdown.stdout
    );
}

fn rows(count: usize) -> String {
    (0..count).fold("id,name\n".to_owned(), |text, i| {
        text + &format!("{i},\"n, {i}\"\n")
    })
}

#[test]
fn unique_rows_are_shared_by_no_two_users_on_any_number_of_workers() {
    let mut seen = Vec::new();
    for workers in ["1", "2", "3"] {
        let server = Recording::ok();
        let completed = Perfctl::scenario(
            &server.url(),
            "- {name: a, get: '/{{ users.id }}/{{ users.id }}'}
data: {users: {file: users.csv, mode: unique}}
defaults: {headers: {X-User: '{{ user_id }}'}}",
        )
        .file("scenarios/users.csv", rows(60))
        .args(["-i", "60", "-u", "4", "--workers", workers, "--seed", "5"])
        .expect_status(0)
        .run();
        assert_eq!(outcomes(&completed.result()), "ok 60");
        let users = by_user(&server);
        let all: BTreeSet<&String> = users.values().flatten().collect();
        assert_eq!((users.len(), all.len()), (4, 60), "{users:?}");
        assert!(
            all.contains(&"/59/59".to_owned()),
            "one row for the whole request"
        );
        seen.push(users);
    }
    assert!(seen.iter().all(|users| *users == seen[0]));
}

#[test]
fn when_the_data_runs_out_users_or_the_run_end_as_the_scenario_says() {
    for (data, mode, expected) in [
        ("stop_user", "sequential", 6),
        ("stop_user", "unique", 6),
        ("stop_run", "shuffle", 6),
    ] {
        let server = Recording::ok();
        let completed = Perfctl::scenario(
            &server.url(),
            &format!(
                "- {{name: a, get: '/{{{{ users.id }}}}'}}
data: {{users: {{file: users.csv, mode: {mode}, on_end: {data}}}}}"
            ),
        )
        .file("scenarios/users.csv", rows(6))
        .args(["-i", "60", "-u", "3", "--workers", "1"])
        .run();
        let result = completed.result();
        let paths: BTreeSet<String> = server.paths().into_iter().collect();
        assert!(paths.len() <= expected, "{paths:?}");
        assert!(
            count(&result, Outcome::DataExhausted) >= 1,
            "{}",
            outcomes(&result)
        );
        assert_eq!(
            count(&result, Outcome::Ok),
            paths.len() as u64,
            "each row once"
        );
        if data == "stop_user" {
            assert_eq!(outcomes(&result), "ok 6, data_exhausted 3");
        }
        assert!(
            completed.stdout.contains("because data ran out"),
            "{}",
            completed.stdout
        );
    }
}

#[test]
fn a_run_that_ends_when_its_data_runs_out_is_not_broken() {
    let server = Recording::ok();
    let completed = Perfctl::scenario(
        &server.url(),
        "- {name: a, get: '/{{ users.id }}'}
data: {users: {file: users.csv, mode: unique}}",
    )
    .file("scenarios/users.csv", rows(500))
    .args(["--rate", "200", "-t", "20s", "--assume-healthy"])
    .expect_status(0)
    .run();
    let result = completed.result();
    assert!(
        result
            .run
            .ending
            .as_ref()
            .is_some_and(|ending| ending.out_of_data)
    );
    assert!(count(&result, Outcome::DataExhausted) >= 1);
    let paths = server.paths();
    let different: BTreeSet<&String> = paths.iter().collect();
    assert_eq!(
        different.len(),
        paths.len(),
        "each arrival had a row of its own"
    );
}

#[test]
fn expressions_are_filled_in_and_say_why_they_fail() {
    let server = Recording::start(|_, _| ok("{\"items\": [{\"id\": 3}, {\"id\": 4}]}"));
    let completed = Perfctl::scenario(
        &server.url(),
        "- name: a
  post: '/{{ key | upper }}/{{ items | length }}/{{ 1 + 2 }}/{{ secret_key | length }}'
  headers: {X-Signature: \"{{ hmac_sha256(secret_key, key) }}\", X-Row: '{{ rows.v.deep }}'}
  json: {ids: '{{ items }}'}
flows: {f: {steps: [{if: user_id > 1, then: {get: /items, extract: {items: '$.items[0].id'}}}, a]}}
variables: {key: abc}
secrets: {secret_key: {file: key.txt}}
data: {rows: rows.jsonl}",
    )
    .file("scenarios/key.txt", "Jefe\n")
    .file(
        "scenarios/rows.jsonl",
        "{\"v\": {\"deep\": 1}}\n{\"v\": {\"deep\": 1}}\n",
    )
    .args(["-i", "3", "-u", "1"])
    .run();
    assert_eq!(
        outcomes(&completed.result()),
        "invalid_request 3",
        "{}",
        completed.stdout
    );
    assert!(completed.stdout.contains("variable `items` is not set yet"));

    let completed = Perfctl::after(completed)
        .quick(
            &server.url(),
            "- name: a
  post: '/{{ key | upper }}/{{ items | default([]) | length }}/{{ 1 + 2 }}'
  headers: {X-Signature: \"{{ hmac_sha256(secret_key, key) }}\", X-Row: '{{ rows.v.deep }}'}
  json: {ids: '{{ items | default([]) }}', own: '{{ key }}'}
  extract: {items: {json: '$.items[*].id', index: all}}
variables: {key: abc}
secrets: {secret_key: {file: key.txt}}
data: {rows: rows.jsonl}",
        )
        .args(["-i", "2", "-u", "1", "--out", "second"])
        .expect_status(0)
        .run();
    let seen = server.seen();
    assert_eq!(seen.len(), 2, "{}", completed.stdout);
    assert_eq!(
        (seen[0].path(), seen[0].text().as_str()),
        ("/ABC/0/3", r#"{"ids":[],"own":"abc"}"#)
    );
    assert_eq!(
        (seen[1].path(), seen[1].text().as_str()),
        ("/ABC/2/3", r#"{"ids":[3,4],"own":"abc"}"#)
    );
    assert_eq!(seen[0].header("x-row"), Some("1"));
    assert_eq!(
        seen[0].header("x-signature"),
        Some("7cf4ec4f741f51cb0d887013c46251d6f4175643c4f422906a1aaec688cc13e8"),
        "as openssl gives it"
    );
}

/// Row 44 of the faults: data comes from the scenario's folder, and nothing is opened to find out.
#[test]
fn data_files_outside_the_folder_are_refused() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("users.csv"), rows(3)).unwrap();
    for (path, part) in [
        ("../users.csv", "outside"),
        ("/etc/users.csv", "outside"),
        ("link.csv", "leads out"),
        ("fifo.csv", "regular"),
        ("none.csv", "No such file"),
    ] {
        let program = Perfctl::scenario(
            "demo",
            &format!("- get: '/{{{{ users.id }}}}'\ndata: {{users: {path}}}"),
        );
        let folder = program.dir().join("scenarios");
        std::os::unix::fs::symlink(outside.path().join("users.csv"), folder.join("link.csv"))
            .unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let fifo = folder.join("fifo.csv");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let completed = program.expect_status(2).run();
        assert!(
            completed.stderr.contains(part),
            "{path}: {}",
            completed.stderr
        );
    }
}

/// Errors have file, line and column, and nothing is sent.
#[test]
fn a_bad_data_file_is_refused_with_the_place_of_each_error() {
    for (content, places) in [
        (&b""[..], &["users.csv:1:1: the file is empty"][..]),
        (
            b"\xef\xbb\xbfid\n",
            &["users.csv:1:1: the file has no rows"],
        ),
        (
            b"id,b\n1\n2,3\n4,5,6\n",
            &["users.csv:2:1: 1 field", "users.csv:4:1: 3 fields"],
        ),
        (b"id\na\0b\n", &["users.csv:2:2: a NUL"]),
        (b"id\n\"a\n", &["users.csv:2:1: the quote is not closed"]),
        (b"id\n\xff\n", &["users.csv:2:1: not UTF-8"]),
    ] {
        let completed =
            Perfctl::scenario("demo", "- get: '/{{ users.id }}'\ndata: {users: users.csv}")
                .file("scenarios/users.csv", content)
                .expect_status(2)
                .run();
        for place in places {
            assert!(
                completed.stderr.contains(place),
                "{place}: {}",
                completed.stderr
            );
        }
        assert!(completed.runs().is_empty());
    }
}

#[test]
fn too_few_rows_for_the_load_are_known_before_it() {
    for (data, args, part) in [
        (
            "mode: unique",
            ["-u", "4"],
            "has 3 rows, too few for 4 users",
        ),
        (
            "on_end: stop_user",
            ["--rate", "9"],
            "`stop_user` has no effect",
        ),
        ("mode: unique, on_end: wrap", ["--rate", "9"], "cannot wrap"),
        (
            "mode: random, on_end: stop_run",
            ["-u", "1"],
            "never run out",
        ),
    ] {
        let endpoints =
            format!("- get: '/{{{{ users.id }}}}'\ndata: {{users: {{file: users.csv, {data}}}}}");
        let completed = Perfctl::scenario("demo", &endpoints)
            .file("scenarios/users.csv", rows(3))
            .args(args)
            .expect_status(2)
            .run();
        assert!(
            completed.stderr.contains(part),
            "{data}: {}",
            completed.stderr
        );
    }
}

#[test]
fn a_response_is_compared_with_what_was_sent() {
    let server = Recording::start(|seen, number| {
        // Every other response is about another row than the one requested.
        let extra = ["", "0"][number % 2];
        ok(&format!("{{\"id\": \"{}{extra}\"}}", &seen.path()[1..]))
    });
    let completed = Perfctl::scenario(
        &server.url(),
        "- name: a
  get: '/{{ users.id }}'
  extract: {id: $.id}
  check:
    - that: '{{ id == users.id and status == 200 }}'
      fail_with: mixed up
data: {users: users.csv}",
    )
    .file("scenarios/users.csv", rows(100))
    .args(["-i", "20", "-u", "1"])
    .run();
    assert_eq!(outcomes(&completed.result()), "ok 10, check_failed 10");
    assert!(
        completed.stdout.contains("10  mixed up (check_failed)  a"),
        "{}",
        completed.stdout
    );
    assert!(completed.stdout.contains("is false"));
}
