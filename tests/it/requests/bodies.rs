//! Request bodies, as a server sees them.

use std::io::Read;

use perfctl::metrics::{Outcome, RunResult, SecondsFollower};

use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, Seen, answer, ok};
use crate::support::scenario::{count, outcomes, wait_until};
use crate::support::{Authority, Certificate, Perfctl, Talk, TlsServer};

/// A large file: more than is held in memory.
const LARGE: u64 = 9 << 20;

fn bytes_out(result: &RunResult) -> u64 {
    let cells = result.endpoints.iter().flat_map(|one| &one.phases);
    cells.map(|cell| cell.bytes_out).sum()
}

/// A scenario with files beside it: an invoice, and one that is large.
fn perfctl() -> Perfctl {
    let perfctl = Perfctl::new().file("scenarios/invoice.pdf", b"%PDF\x00\xff");
    let perfctl = perfctl.env("EMPTY", "");
    let large = std::fs::File::create(perfctl.dir().join("scenarios/large.bin")).unwrap();
    large.set_len(LARGE).unwrap();
    perfctl
}

/// What a server receives of one request of an endpoint. Asserts that the sizes agree.
#[track_caller]
fn sent(endpoint: &str) -> Seen {
    let server = Recording::ok();
    let completed = perfctl()
        .quick(&server.url(), endpoint)
        .args(["-i", "1"])
        .run();
    let result = completed.result();
    assert_eq!(
        outcomes(&result),
        "ok 1",
        "{}{}",
        completed.stdout,
        completed.stderr
    );
    let seen = server.only();
    assert_eq!(bytes_out(&result), seen.size);
    seen
}

/// The parts of a multipart body: head and content of each.
fn parts(seen: &Seen) -> Vec<(String, Vec<u8>)> {
    let content_type = seen.header("content-type").unwrap();
    let boundary = content_type
        .strip_prefix("multipart/form-data; boundary=")
        .unwrap();
    let delimiter = format!("--{boundary}");
    let split = |text: &[u8], by: &[u8]| -> Vec<Vec<u8>> {
        let mut pieces = vec![Vec::new()];
        let mut rest = text;
        while !rest.is_empty() {
            if rest.starts_with(by) {
                pieces.push(Vec::new());
                rest = &rest[by.len()..];
            } else {
                pieces.last_mut().unwrap().push(rest[0]);
                rest = &rest[1..];
            }
        }
        pieces
    };
    let mut pieces = split(&seen.body, delimiter.as_bytes());
    assert_eq!(pieces.remove(0), b"");
    assert_eq!(pieces.pop().unwrap(), b"--\r\n");
    let part = |piece: Vec<u8>| {
        let inside = piece
            .strip_prefix(b"\r\n")
            .unwrap()
            .strip_suffix(b"\r\n")
            .unwrap();
        let two = split(inside, b"\r\n\r\n");
        let head = String::from_utf8(two[0].clone()).unwrap();
        (head, two[1..].join(&b"\r\n\r\n"[..]))
    };
    pieces.into_iter().map(part).collect()
}

/// Without a length, strict servers respond with 411.
fn a_request_without_a_body_says_so_where_its_method_has_one() {
    for (endpoint, length) in [
        ("- {post: /}", Some("0")),
        ("- {put: /}", Some("0")),
        ("- {patch: /}", Some("0")),
        ("- {post: '/{{ user_id }}'}", Some("0")),
        ("- {post: /, body: ''}", Some("0")),
        (
            "- {post: /, body: '{{ env.EMPTY }}', headers: {X: '{{ user_id }}'}}",
            Some("0"),
        ),
        (
            "- {post: /, body: '{{ iteration * 2 - 2 if false else \"\" }}'}",
            Some("0"),
        ),
        ("- {post: /, body: a}", Some("1")),
        ("- {get: /}", None),
        ("- {delete: /}", None),
        ("- {options: /}", None),
        ("- {head: /}", None),
    ] {
        assert_eq!(
            sent(endpoint).header("content-length"),
            length,
            "{endpoint}"
        );
    }
    // What a redirect turns into a GET has no length any more.
    let server = Recording::start(|seen, _| match seen.path() {
        "/" => answer("302 Found", "location: /next\r\n", ""),
        _ => ok(""),
    });
    let completed = perfctl()
        .quick(&server.url(), "- {post: /}")
        .args(["-i", "1"])
        .run();
    assert_eq!(outcomes(&completed.result()), "ok 1");
    assert_eq!(server.seen()[1].header("content-length"), None);
}

fn a_multipart_body_has_its_texts_and_files() {
    let endpoint = "
- post: /
  multipart:
    kind: 'invoice {{ user_id }}'
    'a \"b\"': {text: '{\"a\": 1}', content_type: application/json}
    file:
      - {file: invoice.pdf}
      - {file: invoice.pdf, filename: other.pdf, content_type: application/pdf}";
    for endpoint in [endpoint.to_owned(), endpoint.replace("{{ user_id }}", "1")] {
        let pdf = b"%PDF\x00\xff".to_vec();
        let file = "Content-Disposition: form-data; name=\"file\"; filename=";
        let expected = [
            (
                "Content-Disposition: form-data; name=\"kind\"".to_owned(),
                b"invoice 1".to_vec(),
            ),
            (
                "Content-Disposition: form-data; name=\"a %22b%22\"\r\n\
                 Content-Type: application/json"
                    .to_owned(),
                b"{\"a\": 1}".to_vec(),
            ),
            (
                format!("{file}\"invoice.pdf\"\r\nContent-Type: application/octet-stream"),
                pdf.clone(),
            ),
            (
                format!("{file}\"other.pdf\"\r\nContent-Type: application/pdf"),
                pdf,
            ),
        ];
        assert_eq!(parts(&sent(&endpoint)), expected);
    }
}

fn a_large_file_is_sent_whole_alone_and_within_a_multipart_body() {
    let seen = sent("- {put: /, body_file: large.bin}");
    assert_eq!(seen.length, LARGE);
    let seen = sent("- {put: /, multipart: {a: '{{ user_id }}', f: {file: large.bin}, z: b}}");
    assert!(
        seen.length > LARGE + 100 && seen.length < LARGE + 1000,
        "{}",
        seen.length
    );
    assert!(seen.text().contains("name=\"a\"\r\n\r\n1\r\n"));
}

#[test]
fn a_large_file_is_sent_by_http_2_as_well() {
    let server = TlsServer::start(&Authority::new(), Certificate::Good, Talk::H2);
    let completed = perfctl()
        .quick(
            &server.url(),
            "- {put: /, body_file: large.bin}\ntls: {insecure: true}",
        )
        .args(["-i", "2", "-u", "1"])
        .run();
    let result = completed.result();
    assert_eq!(outcomes(&result), "ok 2");
    assert!(bytes_out(&result) > 2 * LARGE, "{}", bytes_out(&result));
}

fn a_large_file_is_not_held_in_memory() {
    // The response waits, so that the program is still running when it is measured.
    let server = Recording::start(|_, _| {
        std::thread::sleep(std::time::Duration::from_millis(500));
        ok("")
    });
    let size = 192 << 20;
    let perfctl = Perfctl::new().file("scenarios/huge.bin", "");
    let huge = std::fs::File::create(perfctl.dir().join("scenarios/huge.bin")).unwrap();
    huge.set_len(size).unwrap();
    let running = perfctl
        .quick(
            &server.url(),
            "- {put: /, body_file: huge.bin, timeout: 50s}",
        )
        .args(["-i", "1"])
        .spawn();
    wait_until("sent", || !server.seen().is_empty());
    let peak = running.peak_memory_kib();
    let completed = running.wait();
    assert_eq!(outcomes(&completed.result()), "ok 1");
    assert_eq!(server.only().length, size);
    if let Some(peak) = peak {
        assert!(peak < 100 << 10, "{peak} KiB");
    }
}

fn a_body_can_be_compressed() {
    let text = "text ".repeat(1000);
    for (body, content) in [
        (format!("body: '{text}'"), text.clone()),
        (
            format!("body: '{text}{{{{ user_id }}}}'"),
            format!("{text}1"),
        ),
        ("json: {a: [1, 2]}".into(), "{\"a\":[1,2]}".into()),
        ("form: {a: b c}".into(), "a=b+c".into()),
        ("body_file: text.txt".into(), text.clone()),
    ] {
        let server = Recording::ok();
        let completed = Perfctl::new()
            .file("scenarios/text.txt", &text)
            .quick(
                &server.url(),
                &format!("- {{post: /, compress: gzip, {body}}}"),
            )
            .args(["-i", "1"])
            .run();
        let seen = server.only();
        assert_eq!(seen.header("content-encoding"), Some("gzip"));
        let mut decoded = String::new();
        let mut decoder = flate2::read::GzDecoder::new(&seen.body[..]);
        decoder.read_to_string(&mut decoded).unwrap();
        assert_eq!(decoded, content);
        assert!(content.len() < 100 || seen.length < 200, "{}", seen.length);
        assert_eq!(bytes_out(&completed.result()), seen.size);
    }
    let seen = sent("- {post: /, compress: gzip, multipart: {a: b, f: {file: invoice.pdf}}}");
    let mut decoded = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(&seen.body[..]);
    decoder.read_to_end(&mut decoded).unwrap();
    let plain = Seen {
        body: decoded,
        ..seen
    };
    assert_eq!(parts(&plain).len(), 2);
}

fn a_large_body_is_sent_again_after_a_redirect_and_a_challenge() {
    let server = Recording::start(|seen, _| {
        if seen.header("authorization").is_none() {
            let challenge = "www-authenticate: Digest realm=r, nonce=1\r\n";
            return answer("401 Unauthorized", challenge, "");
        }
        match seen.line.starts_with("POST /there ") {
            true => ok(""),
            false => answer("308 Moved", "location: /there\r\n", ""),
        }
    });
    let auth = "auth: {digest: {username: a, password: b}}";
    let completed = perfctl()
        .quick(
            &server.url(),
            &format!("- {{post: /, body_file: large.bin, {auth}}}"),
        )
        .args(["-i", "1"])
        .run();
    let result = completed.result();
    assert_eq!(outcomes(&result), "ok 1");
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|one| one.length == LARGE));
    assert_eq!(
        bytes_out(&result),
        seen.iter().map(|one| one.size).sum::<u64>()
    );
}

fn a_file_that_changes_during_the_run_is_not_sent() {
    let server = Recording::ok();
    let running = perfctl()
        .quick(&server.url(), "- {put: /, body_file: large.bin}")
        .args(["-t", "30s", "-u", "1"]);
    let path = running.dir().join("scenarios/large.bin");
    let running = running.spawn();
    wait_until("sent", || !server.seen().is_empty());
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(LARGE + 1).unwrap();
    let journal = running.run_dir().join("journal.jsonl");
    wait_until("noticed", || {
        let seconds = SecondsFollower::new(journal.clone()).advance().unwrap();
        seconds.iter().any(|second| second.failures > 0)
    });
    running.signal(crate::support::Signal::Int);
    let completed = running.wait();
    let result = completed.result();
    assert!(
        count(&result, Outcome::InvalidRequest) > 0,
        "{}",
        outcomes(&result)
    );
    let stored = serde_json::to_string(&result).unwrap();
    let why = "had 9437184 bytes when the run began, and has 9437185 now";
    assert!(stored.contains(why), "{stored}");
}

#[test]
fn mistakes_in_bodies_are_shown_with_their_places() {
    for (keys, part) in [
        (
            "body_file: a, multipart: {a: b}",
            "more than one body: `body_file`, `multipart`",
        ),
        ("multipart: {}", "the multipart body has no parts"),
        (
            "multipart: {a: {text: b, file: c}}",
            "either a text or a file",
        ),
        ("multipart: {a: {}}", "either a text or a file"),
        (
            "multipart: {a: {file: ../b}}",
            "outside the scenario's folder",
        ),
        (
            "multipart: {a: {file: gone}}",
            "cannot use the body file `gone`",
        ),
        (
            "multipart: {a: {text: b, content_type: nonsense}}",
            "`nonsense` is not a media type",
        ),
        (
            "multipart: {a: {text: b, content_type: \"a/b\\r\\nc: d\"}}",
            "is not a media type",
        ),
        ("multipart: {a: '{{ user }}'}", "unknown variable `user`"),
        ("compress: gzip", "there is no body to compress"),
        ("compress: zip, body: a", "unknown value `zip`"),
        (
            "compress: gzip, body_file: large.bin",
            "`large.bin` is too large to compress",
        ),
        (
            "compress: gzip, body: a, headers: {Content-Encoding: br}",
            "`compress` conflicts with the header",
        ),
    ] {
        let endpoint = format!("- {{post: /, {keys}}}");
        let completed = perfctl().quick("demo", &endpoint).expect_status(2).run();
        assert!(
            completed.stderr.contains(part),
            "{keys}: {}",
            completed.stderr
        );
        assert!(
            completed.stderr.contains("scenarios/default.yaml:4:"),
            "{}",
            completed.stderr
        );
    }
}

for_each_client! {
    a_request_without_a_body_says_so_where_its_method_has_one
    a_multipart_body_has_its_texts_and_files
    a_large_file_is_sent_whole_alone_and_within_a_multipart_body
    a_large_file_is_not_held_in_memory
    a_body_can_be_compressed
    a_large_body_is_sent_again_after_a_redirect_and_a_challenge
    a_file_that_changes_during_the_run_is_not_sent
}
