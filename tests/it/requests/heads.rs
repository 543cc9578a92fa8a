//! Odd heads of responses, and requests at the edge of what can be sent.

use perfctl::metrics::Outcome;

use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, answer, ok};
use crate::support::scenario::{count, outcomes};
use crate::support::{Completed, Fault, Misbehaving, Perfctl};

/// Three requests of one user.
fn run(host: &str, endpoint: &str) -> Completed {
    let perfctl = Perfctl::scenario(host, endpoint);
    perfctl.args(["-u", "1", "-i", "3"]).run()
}

/// The outcomes of three requests that are answered with these header lines.
fn with_lines(lines: &[u8], check: &str) -> String {
    let end = b"content-length: 2\r\n\r\nok";
    let response = [b"HTTP/1.1 200 OK\r\n", lines, end].concat();
    let server = Misbehaving::start(Fault::Raw(response));
    let completed = run(&server.url(), &format!("- {{get: /, check: {check}}}"));
    outcomes(&completed.result())
}

fn a_folded_header_line_is_one_line() {
    let lines = b"x-long: one\r\n two\r\n\t three \r\nx-next: 1\r\n";
    let check = "{headers: {x-long: one two three, x-next: '1'}}";
    assert_eq!(with_lines(lines, check), "ok 3");
}

fn a_line_that_is_no_header_costs_itself_at_most() {
    for odd in [
        &b"x-odd: a\x01b\r\n"[..],
        b"x-odd: \x7f\r\n",
        b"x odd: 1\r\n",
        b"not a header\r\n",
        b": 1\r\n",
    ] {
        let lines = [odd, b"x-next: 1\r\n"].concat();
        let check = "{headers: {x-next: '1'}, not: {headers: {x-odd: exists}}}";
        assert_eq!(with_lines(&lines, check), "ok 3", "{odd:?}");
    }
    // A service must not be able to hide where a response ends.
    for bad in [&b"x: a\x00b\r\n"[..], b"x: a\rb\r\n"] {
        assert_eq!(with_lines(bad, "{status: 200}"), "protocol 3", "{bad:?}");
    }
}

fn a_head_may_have_a_hundred_headers() {
    let lines = |count: usize| "x-many: 1\r\n".repeat(count).into_bytes();
    // With the length.
    assert_eq!(with_lines(&lines(99), "{status: 200}"), "ok 3");
    assert_eq!(with_lines(&lines(100), "{status: 200}"), "protocol 3");
}

fn any_status_of_three_digits_can_be_expected() {
    for status in [600, 799, 999] {
        let server = Recording::start(move |_, _| answer(&format!("{status} Own"), "", ""));
        let outcome =
            |check: &str| outcomes(&run(&server.url(), &format!("- {{get: /{check}}}")).result());
        assert_eq!(outcome(&format!(", check: {{status: {status}}}")), "ok 3");
        assert_eq!(
            outcome(&format!(", check: {{status: {}xx}}", status / 100)),
            "ok 3"
        );
        assert_eq!(outcome(""), "check_failed 3");
    }
}

fn a_url_is_sent_up_to_its_limit_and_is_invalid_beyond() {
    let server = Recording::start(|_, _| ok(""));
    let base = server.url().len();
    for (length, expected) in [
        (65_534, "ok 3"),
        (65_535, "invalid_request 3"),
        (70_000, "invalid_request 3"),
    ] {
        // As a template, since that is known only when it is sent.
        let path = "x".repeat(length - base - 2);
        let perfctl = Perfctl::new().file("scenarios/path.txt", "unused");
        let endpoint = format!("- {{get: '/{path}{{{{ user_id % 10 }}}}'}}");
        let completed = perfctl
            .quick(&server.url(), &endpoint)
            .args(["-u", "1", "-i", "3"])
            .run();
        let result = completed.result();
        assert_eq!(outcomes(&result), expected, "{length}");
        if expected != "ok 3" {
            let cells = result.endpoints.iter().flat_map(|one| &one.phases);
            let texts: Vec<_> = cells
                .filter_map(|cell| cell.failure_counts.example(Outcome::InvalidRequest))
                .collect();
            assert!(
                texts
                    .iter()
                    .any(|text| text.contains("can have at most 65534")),
                "{texts:?}"
            );
            assert_eq!(count(&result, Outcome::InvalidRequest), 3);
        }
    }
    assert_eq!(server.seen().len(), 3);
    let far = format!("/{}", "x".repeat(65_600));
    let server =
        Recording::start(move |_, _| answer("302 Found", &format!("location: {far}\r\n"), ""));
    let result = run(&server.url(), "- {get: /}").result();
    assert_eq!(outcomes(&result), "redirect_invalid 3");
}

for_each_client! {
    a_folded_header_line_is_one_line
    a_line_that_is_no_header_costs_itself_at_most
    a_head_may_have_a_hundred_headers
    any_status_of_three_digits_can_be_expected
    a_url_is_sent_up_to_its_limit_and_is_invalid_beyond
}
