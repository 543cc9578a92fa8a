//! Digest authentication, as a server sees it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use perfctl::metrics::Outcome;
use sha2::{Digest, Sha256};

use super::auth::{bytes_out, run};
use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, answer, ok};
use crate::support::scenario::{count, outcomes};

fn parameter(header: &str, name: &str) -> String {
    let pattern = regex::Regex::new(&format!("[ ,]{name}=\"?([^\",]*)")).unwrap();
    pattern
        .captures(header)
        .map_or_else(String::new, |found| found[1].to_owned())
}

fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A server that wants digest by SHA-256, and a new nonce after so many requests with one.
fn digest_server(requests_per_nonce: u64) -> Recording {
    let nonces = AtomicU64::new(1);
    let used = AtomicU64::new(0);
    Recording::start(move |seen, _| {
        let nonce = nonces.load(Relaxed);
        let challenge = |stale: &str| {
            let nonce = nonces.load(Relaxed);
            let header = format!(
                "WWW-Authenticate: Basic realm=\"x\"\r\nWWW-Authenticate: Digest realm=\"r\", \
                 nonce=\"n{nonce}\", qop=\"auth\", algorithm=SHA-256{stale}\r\n"
            );
            answer("401 Unauthorized", &header, "who?")
        };
        let Some(value) = seen.header("authorization") else {
            return challenge("");
        };
        let get = |name: &str| parameter(value, name);
        let uri = seen.line.split(' ').nth(1).unwrap();
        let method = seen.line.split(' ').next().unwrap();
        let expected = sha256(&format!(
            "{}:{}:{}:{}:auth:{}",
            sha256("ann:r:c4n4ry-s3cret"),
            get("nonce"),
            get("nc"),
            get("cnonce"),
            sha256(&format!("{method}:{uri}")),
        ));
        if get("response") != expected || get("uri") != uri {
            return answer("403 Forbidden", "", value);
        }
        if get("nonce") != format!("n{nonce}") {
            return challenge(", stale=true");
        }
        // No number is used twice.
        if get("nc") != format!("{:08x}", used.fetch_add(1, Relaxed) + 1) {
            return answer("403 Forbidden", "", value);
        }
        if used.load(Relaxed) == requests_per_nonce {
            used.store(0, Relaxed);
            nonces.fetch_add(1, Relaxed);
        }
        ok("")
    })
}

const BY_DIGEST: &str = "- {post: '/a?b={{ iteration }}', body: abc, auth: {digest: {username: ann, password: '{{ env.SECRET }}'}}}";

fn a_digest_challenge_is_answered_and_its_nonce_reused() {
    let server = digest_server(4);
    let result = run(&server.url(), BY_DIGEST, 10).result();
    assert_eq!(outcomes(&result), "ok 10");
    // One challenge at first, and one for each nonce that had grown old.
    assert_eq!(server.seen().len(), 10 + 3);
    assert_eq!(server.connections(), 1);
    assert!(server.seen().iter().all(|seen| seen.text() == "abc"));
    let sizes: u64 = server.seen().iter().map(|seen| seen.size).sum();
    assert_eq!(
        bytes_out(&result),
        sizes,
        "the first tries are counted, too"
    );
}

fn a_digest_challenge_that_cannot_be_met_ends_the_request() {
    let never = |challenge: &'static str| {
        Recording::start(move |_, _| answer("401 Unauthorized", challenge, ""))
    };
    for (challenge, outcome, requests, text) in [
        (
            "WWW-Authenticate: Digest nonce=1, realm=r, qop=auth\r\n",
            Outcome::Http4xx,
            2,
            "401",
        ),
        (
            "WWW-Authenticate: Basic realm=r\r\n",
            Outcome::Http4xx,
            1,
            "401",
        ),
        ("", Outcome::Http4xx, 1, "401"),
        (
            "WWW-Authenticate: Digest nonce=1, realm=r, qop=auth-int\r\n",
            Outcome::AuthFailed,
            1,
            "auth-int",
        ),
    ] {
        let server = never(challenge);
        let result = run(&server.url(), BY_DIGEST, 1).result();
        assert_eq!(
            count(&result, outcome),
            1,
            "{challenge}: {}",
            outcomes(&result)
        );
        assert_eq!(server.seen().len(), requests, "{challenge}");
        assert!(serde_json::to_string(&result).unwrap().contains(text));
    }
}

for_each_client! {
    a_digest_challenge_is_answered_and_its_nonce_reused
    a_digest_challenge_that_cannot_be_met_ends_the_request
}
