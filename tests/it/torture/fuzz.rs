//! Whatever a server sends, the request ends in one outcome, and perfctl does not panic.

use perfctl::metrics::Outcome;
use proptest::prelude::*;

use crate::support::{Fault, Misbehaving};
use crate::torture::play::{CLIENTS, Script};

const ENDPOINT: &str =
    "{get: /, timeout: 5s, max_redirects: 1, check: {body_contains: x, json: {$.a: 1}}}";

/// Pieces of responses, valid and invalid, and anything.
fn any_response() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "HTTP/1.1 200 OK\r\n", "HTTP/1.0 503 \r\n", "HTTP/1.1 302 X\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
            "content-length: 5\r\n", "content-length: -1\r\n", "content-length: 99999999999999999999\r\n",
            "transfer-encoding: chunked\r\n", "transfer-encoding: gzip, chunked\r\n",
            "content-encoding: gzip\r\n", "content-encoding: br\r\n", "content-encoding: zstd\r\n",
            "connection: close\r\n", "connection: upgrade\r\nupgrade: x\r\n",
            "server-timing: db;dur=1.5, cache;desc=hit\r\n", "server-timing: ;;=,\",\r\n",
            "location: /x\r\n", "location: //\r\n", "location: http://\r\n",
            "\r\n", "\r\n\r\n", "5\r\nhello\r\n", "0\r\n\r\n", "ffffffffffffffff\r\n", "{\"a\": 1}", "x",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    let start = prop::sample::select(vec![
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 30\r\n\r\n",
        "HTTP/1.1 302 Found\r\nlocation: ",
    ]);
    let pieces = prop::collection::vec(piece, 0..8);
    (start, pieces).prop_map(|(start, pieces)| [start.as_bytes(), &pieces.concat()].concat())
}

/// The outcome of a response, and its text, with each client.
fn outcomes_of(response: Vec<u8>) -> Vec<(Outcome, String)> {
    let server = Misbehaving::start(Fault::RawThenClose(response));
    let of = |client| {
        let one = Script::new(&server.url(), ENDPOINT, 1)
            .play(client)
            .remove(0);
        (one.outcome, one.text)
    };
    CLIENTS.map(of).into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_response_ends_in_one_outcome_at_once(bytes in any_response()) {
        for (outcome, text) in outcomes_of(bytes) {
            // The server closes the connection, so nothing is left to wait for; and nothing in a
            // response can be the fault of this machine or of the request.
            let is_possible = !outcome.is_censored()
                && !outcome.is_local()
                && !matches!(outcome, Outcome::Dropped | Outcome::InvalidRequest | Outcome::Other);
            prop_assert!(is_possible, "{outcome:?}: {text}");
            prop_assert_eq!(outcome == Outcome::Ok, text.is_empty());
        }
    }

    #[test]
    fn any_location_is_followed_or_refused(location in prop::collection::vec(any::<u8>(), 0..30)) {
        let head = b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: ";
        for (outcome, text) in outcomes_of([head, &location[..], b"\r\n\r\n"].concat()) {
            let is_possible = matches!(
                outcome,
                Outcome::RedirectInvalid
                    // To the same server, whose connection is just being closed.
                    | Outcome::ClosedEarly | Outcome::Reset
                    | Outcome::RedirectBlocked | Outcome::RedirectLimit
                    | Outcome::Protocol | Outcome::CheckFailed
            );
            prop_assert!(is_possible, "{outcome:?}: {text}");
        }
    }
}
