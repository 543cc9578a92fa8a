//! Nothing that perfctl writes contains a secret of the run, whatever happens to the requests.

use std::path::Path;

use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, answer, ok};
use crate::support::scenario::SCENARIO;
use crate::support::{Completed, Fault, Misbehaving, Perfctl};

/// Contains characters that are escaped in a URL and in JSON.
const CANARY: &str = "c4n4ry/s3cret+\"x\"";
/// How it may look: its beginning, in a URL, in JSON, and in base64 with each offset.
const FORMS: [&str; 6] = [
    "c4n4ry/s3cret",
    "c4n4ry%2Fs3cret",
    "c4n4ry\\/s3cret",
    "YzRuNHJ5L3MzY3Jld",
    "M0bjRyeS9zM2NyZX",
    "jNG40cnkvczNjcmV0",
];

const ENDPOINTS: &str = "
- {name: header, get: /a, headers: {Authorization: 'Bearer {{ env.TOKEN }}', X-Own: '{{ env.TOKEN }}'}}
- {name: query, get: '/a?key={{ env.TOKEN }}&own={{ own }}'}
- {name: path, get: '/a/{{ env.TOKEN }}'}
- {name: json, post: /a, json: {password: '{{ env.TOKEN }}', own: '{{ own }}'}}
- {name: form, post: /a, form: {password: '{{ env.TOKEN }}'}}
- {name: basic, get: /a, auth: {basic: {username: ann, password: '{{ env.TOKEN }}'}}}
- {name: basic own, get: /a, auth: {basic: {username: ann, password: '{{ own }}{{ user_id }}'}}}
- {name: bearer, get: /a, auth: {bearer: '{{ env.TOKEN }}'}}
- {name: key, get: /a, auth: {api_key: {header: x-own, value: '{{ env.TOKEN }}'}}}
- {name: key in query, get: /a, auth: {api_key: {query: key, value: '{{ env.TOKEN }}'}}}
- {name: digest, get: /a, auth: {digest: {username: ann, password: '{{ env.TOKEN }}'}}}
- {name: multipart, post: /a, multipart: {a: '{{ env.TOKEN }}', b: '{{ own }}'}}
- name: oauth2
  get: /a
  auth: {oauth2: {token_url: 'http://127.0.0.1:1/', client_id: a, client_secret: '{{ env.TOKEN }}'}}
- {name: text, post: /a, body: 'password={{ env.TOKEN }}', check: {status: 200, body_contains: ok}}
variables: {own: '{{ env.TOKEN }}'}";

fn files(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

#[track_caller]
fn assert_kept(completed: &Completed, what: &str) {
    let mut paths = Vec::new();
    files(completed.dir.path(), &mut paths);
    assert!(
        paths.len() >= 4,
        "the scenario, the plan, the journal, the result: {paths:?}"
    );
    let mut texts = vec![completed.stdout.clone(), completed.stderr.clone()];
    texts.extend(paths.iter().map(|path| completed.read(path)));
    for text in texts {
        for form in FORMS {
            let at = text.find(form);
            let around = |at: usize| text.get(at.saturating_sub(100)..at + 40).unwrap_or("");
            assert!(
                at.is_none(),
                "{what}: {}",
                at.map(around).unwrap_or_default()
            );
        }
    }
}

#[test]
fn the_searched_forms_are_those_of_the_canary() {
    let json = serde_json::to_string(CANARY).unwrap();
    assert!(CANARY.contains(FORMS[0]) && json.contains(FORMS[0]));
    let url: String = url::form_urlencoded::byte_serialize(CANARY.as_bytes()).collect();
    assert!(url.contains(FORMS[1]), "{url}");
}

fn a_secret_is_in_no_file_and_no_output_however_the_service_responds() {
    let other = Misbehaving::start(Fault::Ok);
    for fault in [
        Fault::Ok,
        Fault::TooManyRequests,
        Fault::Garbage,
        Fault::ResetInHead,
        Fault::CloseUnanswered,
        Fault::RedirectLoop,
        Fault::RedirectInvalid,
        Fault::RedirectTo(format!("{}/a", other.url())),
        Fault::Hang,
    ] {
        for format in ["console", "json", "markdown"] {
            let server = Misbehaving::start(fault.clone());
            let run = || {
                Perfctl::scenario(&server.url(), ENDPOINTS)
                    .args([
                        "-i",
                        "60",
                        "-u",
                        "30",
                        "--timeout",
                        "300ms",
                        "--format",
                        format,
                    ])
                    .args(["--fail-on", "none"])
                    .args(["--save-baseline", "base.json"])
            };
            let pair = format!("TOKEN={CANARY}");
            let what = format!("{fault:?} {format}");
            let given = run().args(["-e", &pair]).expect_status(0).run();
            assert_kept(&given, &what);
            let of_environment = run().env("TOKEN", CANARY).expect_status(0).run();
            assert_kept(&of_environment, &what);
            assert!(server.requests() > 30, "{what}");
        }
    }
    assert_eq!(other.connections(), 0);
}

fn a_secret_that_the_service_repeats_is_in_no_file_and_no_output() {
    let endpoints = "
- name: echo
  post: /api/v1/invoices/
  json: {number: '{{ env.TOKEN }}'}
  check: {json: {'$.number': other}}
- name: echo in a text
  post: /api/v1/invoices/
  json: {number: '{{ env.TOKEN }}'}
  check: {body_contains: nothing of this kind}";
    for format in ["console", "json", "markdown"] {
        let completed = Perfctl::scenario("demo", endpoints)
            .args(["-i", "4", "-u", "1", "--seed", "1", "--format", format])
            .args(["--fail-on", "none"])
            .args(["-e", &format!("TOKEN={CANARY}")])
            .expect_status(0)
            .run();
        let stored = serde_json::to_string(&completed.result()).unwrap();
        assert!(stored.contains("***"), "{stored}");
        assert_kept(&completed, format);
    }
}

fn secrets_of_files_and_data_and_responses_are_in_no_file_and_no_output() {
    // Sends back everything it receives, so that failures quote it.
    let server = Recording::start(|seen, _| match seen.path() {
        "/login" => {
            let canary = serde_json::to_string(CANARY).unwrap();
            ok(&format!("{{\"token\": {canary}}}"))
        }
        path => {
            let token = seen.header("x-token").unwrap_or_default();
            ok(&format!("{path} {} {token}", seen.text()))
        }
    });
    // Separately, so that none is hidden only because another has the same value.
    let of_file = "
- {name: file, post: /a, body: '{{ key }}', check: {body_contains: nothing of this kind}}
- {name: part, get: '/{{ key | int }}'}
- {name: whole, get: '/?{{ key }}', check: {json: {'$.a': exists}}}
secrets: {key: {file: key.txt}}";
    let of_data = "
- {name: data, post: /a, json: {p: '{{ users.password }}'}, check: {body_contains: nothing of this kind}}
- {name: whole, get: '/?{{ users.password }}', check: {json: {'$.a': exists}}}
- {name: asked, get: '/?{{ users.password }}', check: {that: 'users.password | int == 1'}}
data: {users: users.csv}";
    let of_response = "
- {name: login, post: /login, extract: {token: $.token}}
- {name: token, post: /a, headers: {X-Token: '{{ token }}'}, check: {body_contains: nothing of this kind}}
- {name: part, get: '/{{ token | int }}'}
variables: {token: none-yet}";
    let formats = ["console", "json", "markdown"];
    let all = [of_file, of_data, of_response].into_iter();
    for (endpoints, format) in all.flat_map(|endpoints| formats.map(|format| (endpoints, format))) {
        let completed = Perfctl::scenario(&server.url(), endpoints)
            .file("scenarios/key.txt", format!("{CANARY}\n"))
            .file(
                "scenarios/users.csv",
                format!("password\n\"{}\"\n", CANARY.replace('"', "\"\"")),
            )
            .args(["-i", "40", "-u", "2", "--seed", "1", "--format", format])
            .args(["--fail-on", "none"])
            .expect_status(0)
            .run();
        let stored = serde_json::to_string(&completed.result()).unwrap();
        assert!(stored.contains("***"), "{stored}");
        // These files are meant to contain it.
        for file in ["scenarios/key.txt", "scenarios/users.csv"] {
            std::fs::write(completed.dir.path().join(file), "").unwrap();
        }
        assert_kept(&completed, format);
    }
}

#[test]
fn a_credential_written_into_a_header_is_not_repeated() {
    let endpoints = "- {name: a, get: /health, headers: {Authorization: Bearer c4n4ry/s3cret}}";
    let completed = Perfctl::scenario("demo", endpoints)
        .args(["-i", "2", "--format", "json"])
        .expect_status(0)
        .run();
    // The scenario contains it, because its author put it there.
    std::fs::write(completed.dir.path().join(SCENARIO), "").unwrap();
    assert_kept(&completed, "a literal header");
}

#[test]
fn a_secret_stays_out_of_errors_about_its_context() {
    for (endpoints, args) in [
        // No header can contain a line end, and no URL can contain this.
        (
            "- {name: a, get: /, headers: {Authorization: '{{ env.TOKEN }}'}}",
            "run -i 2",
        ),
        ("- {name: a, get: 'http://{{ env.TOKEN }}/'}", "run -i 2"),
        ("- {name: a, get: '/{{ env.TOKEN }'}", "validate"),
        (
            "- {name: a, get: '/{{ env.TOKEN }}', slo: {p95: 1s}}",
            "validate",
        ),
    ] {
        let value = format!("{CANARY}\n[x");
        let completed = Perfctl::new()
            .file(
                "scenarios/a.yaml",
                crate::support::scenario::quick("demo", endpoints),
            )
            .args(args.split(' '))
            .env("TOKEN", &value)
            .run();
        for form in FORMS {
            assert!(
                !completed.stderr.contains(form),
                "{args}: {}",
                completed.stderr
            );
            assert!(
                !completed.stdout.contains(form),
                "{args}: {}",
                completed.stdout
            );
        }
    }
    for args in [["-e", CANARY], ["-e", "=c4n4ry/s3cret"]] {
        let completed = Perfctl::get_root("demo").args(args).expect_status(2).run();
        assert!(!completed.stderr.contains(FORMS[0]), "{}", completed.stderr);
    }
}

#[test]
fn credentials_in_a_host_are_refused_and_not_repeated() {
    let url = "http://user:c4n4ry-s3cret@127.0.0.1:1";
    for run in [
        Perfctl::get_root(url),
        Perfctl::get_root("demo").args(["--host", url]),
        Perfctl::get_root("demo").env("LOAD_TEST_BASE_URL", url),
        Perfctl::new().args(["run", url]),
    ] {
        let completed = run.expect_status(2).expect_stdout("").run();
        assert!(!completed.stderr.contains("c4n4ry"), "{}", completed.stderr);
        assert!(
            completed.stderr.contains("password"),
            "{}",
            completed.stderr
        );
    }
}

fn a_password_within_a_whole_row_is_hidden_as_its_column_is() {
    let server = Recording::start(|seen, _| answer("500 Sorry", "", &seen.text()));
    let endpoints = "
- {name: log in, post: /, json: '{{ people }}'}
data: {people: people.csv}";
    let completed = Perfctl::scenario(&server.url(), endpoints)
        .file("scenarios/people.csv", "name,password\nann,c4n4ry-row\n")
        .args(["-i", "2", "-u", "1", "--fail-on", "none"])
        .run();
    assert!(server.seen()[0].text().contains("c4n4ry-row"));
    let mut texts = vec![completed.stdout.clone(), completed.stderr.clone()];
    for run in completed.runs() {
        texts.extend(["result.json", "plan.json"].map(|file| completed.read(run.join(file))));
    }
    for text in texts {
        assert!(!text.contains("c4n4ry-row"), "{text}");
    }
    assert!(completed.stdout.contains("ann"), "{}", completed.stdout);
}

for_each_client! {
    a_password_within_a_whole_row_is_hidden_as_its_column_is
    a_secret_is_in_no_file_and_no_output_however_the_service_responds
    a_secret_that_the_service_repeats_is_in_no_file_and_no_output
    secrets_of_files_and_data_and_responses_are_in_no_file_and_no_output
}
