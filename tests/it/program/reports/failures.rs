//! The failed requests that a run keeps, how they are shown, and `--debug`.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use perfctl::metrics::{FailureSample, MessageText, RunResult, read_result};
use serde_json::Value;

use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, Seen, answer, ok};
use crate::support::{Completed, Perfctl, closed_port};

const HOSTILE: &str = "</pre><script>alert(1)</script>\n::error::owned\n=cmd() ]]> \u{202e}x";

/// A service that answers each path in a way of its own.
fn service() -> Recording {
    Recording::start_raw(|seen, _| match seen.path().split('?').next() {
        Some("/hostile") => answer(
            "500 Oops",
            "x-own: a\r\nset-cookie: sid=s3ss10n\r\n",
            HOSTILE,
        )
        .into(),
        Some("/image") => {
            let head = "HTTP/1.1 404 No\r\ncontent-type: image/png\r\ncontent-length: 1234\r\n\r\n";
            [head.as_bytes(), &[0x89; 1234]].concat()
        }
        Some("/packed") => {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(b"{\"detail\": \"unpacked\"}").unwrap();
            let body = gzip.finish().unwrap();
            let head = format!(
                "HTTP/1.1 503 No\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            [head.as_bytes(), &body].concat()
        }
        Some("/moved") => answer("302 Found", "location: /gone?token=abc\r\n", "").into(),
        Some("/gone") => answer("410 Gone", "", "gone for good").into(),
        _ => ok("{\"id\": 3}").into(),
    })
}

fn endpoints(url: &str) -> String {
    format!(
        "
- {{name: hostile, post: '/hostile?q={{{{ user_id }}}}-{{{{ iteration }}}}', json: {{password: hunter2, n: 1}},
   auth: {{bearer: t0ken-t0ken}}, headers: {{X-User: '{{{{ user_id }}}}'}}}}
- {{name: image, get: /image}}
- {{name: packed, put: /packed, body: text, compress: gzip}}
- {{name: moved, post: /moved, form: {{a: '1'}}}}
- {{name: check, get: /check, check: {{json: {{$.id: 4}}}}}}
- {{name: down, get: '{url}/down'}}"
    )
}

fn run(service: &Recording, options: &[&str]) -> Completed {
    let down = format!("http://{}", closed_port());
    Perfctl::scenario(&service.url(), &endpoints(&down))
        .args(["-i", "120", "--seed", "1", "--format", "json"])
        .args(options)
        .expect_status(1)
        .run()
}

fn samples<'a>(result: &'a RunResult, name: &str) -> Vec<&'a FailureSample> {
    let kept = result.failure_samples.kept.iter();
    kept.filter(|sample| result.endpoints[sample.endpoint].endpoint.name == name)
        .collect()
}

fn body(message: &MessageText) -> &str {
    let body = message.body.as_ref().unwrap();
    body.text.as_deref().or(body.note.as_deref()).unwrap()
}

/// The header fields as they came, with the values hidden that a sample hides.
fn fields(seen: &Seen) -> Vec<String> {
    let mut fields: Vec<String> = seen.head.lines().map(str::to_lowercase).collect();
    for field in &mut fields {
        let name = field.split(':').next().unwrap().to_owned();
        if ["authorization", "cookie"].contains(&name.as_str()) {
            *field = format!("{name}: ***");
        }
    }
    fields.sort();
    fields
}

fn the_first_failures_of_each_kind_are_kept_as_they_were_sent() {
    let service = service();
    let completed = run(&service, &[]);
    let result = completed.result();
    for name in ["hostile", "image", "packed", "moved", "check", "down"] {
        let samples = samples(&result, name);
        assert_eq!(samples.len(), FailureSample::MAX_OF_A_KIND, "{name}");
        let ends = samples.iter().map(|one| one.started_us + one.response_us);
        assert!(ends.is_sorted(), "{name}");
    }
    let first = |name| samples(&result, name)[0];

    let hostile = first("hostile");
    let request = &hostile.exchange.request;
    let path = request.line.split(' ').nth(1).unwrap();
    let seen = service.seen();
    let seen = seen.iter().find(|seen| seen.path() == path).unwrap();
    assert_eq!(request.line, seen.line);
    let mut kept: Vec<String> = request
        .headers
        .iter()
        .map(|one| one.to_lowercase())
        .collect();
    kept.sort();
    assert_eq!(kept, fields(seen));
    assert_eq!(body(request), "{\"password\":\"***\",\"n\":1}");
    let response = hostile.exchange.response.as_ref().unwrap();
    assert_eq!(response.line, "HTTP/1.1 500");
    assert!(
        response.headers.contains(&"x-own: a".to_owned()),
        "{response:?}"
    );
    assert!(
        response.headers.contains(&"set-cookie: ***".to_owned()),
        "{response:?}"
    );
    assert_eq!(body(response), HOSTILE.replace('\u{202e}', "\\u{202e}"));

    let image = first("image").exchange.response.as_ref().unwrap();
    assert_eq!(body(image), "1,234 bytes of image/png");
    let packed = first("packed");
    assert_eq!(body(&packed.exchange.request), "text");
    let unpacked = packed.exchange.response.as_ref().unwrap();
    assert_eq!(body(unpacked), "{\"detail\": \"unpacked\"}");
    let moved = &first("moved").exchange;
    assert_eq!(moved.redirects, 1);
    assert_eq!(moved.request.line, "GET /gone?token=*** HTTP/1.1");
    assert_eq!(body(moved.response.as_ref().unwrap()), "gone for good");
    let check = first("check");
    assert_eq!(check.check.as_deref(), Some("$.id"));
    assert_eq!(
        body(check.exchange.response.as_ref().unwrap()),
        "{\"id\": 3}"
    );
    let down = first("down");
    assert!(
        down.exchange.response.is_none() && down.text.contains("refused"),
        "{down:?}"
    );

    let stored = completed.read(completed.runs()[0].join("result.json"));
    for secret in ["hunter2", "t0ken-t0ken", "s3ss10n", "token=abc"] {
        assert!(!stored.contains(secret), "{secret}");
    }
}

#[test]
fn failures_are_shown_by_every_report_and_are_inert() {
    let service = service();
    let completed = run(
        &service,
        &["--html", "report.html", "--write", "console=report.txt"],
    );
    let json = completed.json();
    let entry = &json["failure_samples"][0];
    for field in [
        "endpoint",
        "error_type",
        "started_ms",
        "response_ms",
        "text",
        "request",
    ] {
        assert!(!entry[field].is_null(), "{field}: {entry}");
    }
    assert_eq!(json["unkept_failure_samples"], 0);
    let report = completed.read("report.txt");
    let directory = completed.runs()[0].clone();
    let name = directory.file_name().unwrap().to_str().unwrap().to_owned();
    let said = report.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains(&format!(
            "`perfctl report results/{name} --failures` shows them"
        )),
        "{report}"
    );
    let page = completed.read("report.html");
    assert!(page.contains("http_5xx 500: POST hostile"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(
        !page.contains("<script>alert(1)") && !page.contains('\u{202e}'),
        "{page}"
    );

    // The result alone is enough.
    let copied = completed.dir.path().join("copied.json");
    std::fs::copy(directory.join("result.json"), &copied).unwrap();
    let shown = Perfctl::after(completed).args(["report", "copied.json", "--failures"]);
    let shown = shown.expect_status(1).expect_stderr("").run();
    let text = &shown.stdout;
    for part in [
        "http_5xx 500: POST hostile (3 of ",
        "  > authorization: ***\n",
        "  < HTTP/1.1 500\n",
        "  < : :error::owned\n",
        "  < (1,234 bytes of image/png)\n",
        ", after 1 redirect: status 410\n",
        "18 failed requests are kept with their responses\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains('\u{202e}'), "{text}");
    let refused = Perfctl::after(shown)
        .args(["report", "copied.json", "--failures", "--format", "json"])
        .expect_status(2)
        .run();
    assert!(
        refused.stderr.contains("`failure_samples`"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_recovered_run_has_its_failures_and_a_baseline_has_none() {
    let service = service();
    let completed = run(&service, &[]);
    let directory = completed.runs()[0].clone();
    let kept = completed.result().failure_samples;
    assert_eq!(kept.kept.len(), 18);
    std::fs::remove_file(directory.join("result.json")).unwrap();
    let path = directory.to_str().unwrap().to_owned();
    let recovered = Perfctl::after(completed).args(["recover", &path]);
    let recovered = recovered.expect_status(1).run();
    assert_eq!(read_result(&directory).unwrap().failure_samples, kept);
    let added = Perfctl::after(recovered).args(["baseline", "add", "base.json", &path]);
    let added = added.expect_status(0).run();
    let baseline: Value = serde_json::from_str(&added.read("base.json")).unwrap();
    let run = &baseline["runs"][0];
    assert!(
        run["endpoints"].is_array() && run["failure_samples"].is_null(),
        "{run}"
    );
}

fn each_exchange_is_printed_in_full_and_the_run_is_not_judged() {
    let long = format!("{}the end", "x".repeat(5_000));
    let service = Recording::start(move |seen, _| match seen.path() {
        "/long" => answer("200 OK", "set-cookie: sid=s3ss10n\r\n", &long),
        _ => answer("500 Oops", "", HOSTILE),
    });
    let endpoints = "
- {name: long, get: /long, headers: {Authorization: t0ken-t0ken}}
- {name: hostile, get: /hostile}";
    let run = || Perfctl::scenario(&service.url(), endpoints).args(["--debug", "--seed", "1"]);
    let refused = run().expect_status(2).run();
    assert!(
        refused.stderr.contains("add `--iterations 10`"),
        "{}",
        refused.stderr
    );
    let many = run().args(["-i", "1001"]).expect_status(2).run();
    assert!(
        many.stderr.contains("at most 1,000 iterations"),
        "{}",
        many.stderr
    );
    assert_eq!(service.connections(), 0);

    let printed = run().args(["-i", "20"]).expect_status(3).run();
    let (text, sent) = (&printed.stderr, service.seen());
    assert_eq!(sent.len(), 20);
    let lines = |wanted: &str| text.lines().filter(|line| *line == wanted).count();
    assert_eq!(
        lines("  > GET /long HTTP/1.1") + lines("  > GET /hostile HTTP/1.1"),
        20
    );
    assert_eq!(lines("  < HTTP/1.1 200") + lines("  < HTTP/1.1 500"), 20);
    assert!(text.contains("xxthe end\n"), "cut: {text}");
    assert!(text.contains("  > authorization: ***\n"), "{text}");
    for secret in ["t0ken-t0ken", "s3ss10n", "\u{202e}"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert!(
        printed.stdout.starts_with("INCONCLUSIVE"),
        "{}",
        printed.stdout
    );
    let said = printed
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        said.contains("not judged, since printing requests"),
        "{said}"
    );
    assert!(printed.result().run.debug);
}

for_each_client! {
    the_first_failures_of_each_kind_are_kept_as_they_were_sent
    each_exchange_is_printed_in_full_and_the_run_is_not_judged
}
