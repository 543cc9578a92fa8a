//! Rows 24-26: certificates, handshakes and HTTP/2.

use std::time::Duration;

use perfctl::metrics::{HttpVersion, Outcome};

use crate::support::{Authority, Certificate, Fault, Misbehaving, Perfctl, Talk, TlsServer};
use crate::torture::play::{CLIENTS, Played, Script};

const GET: &str = "{get: /, timeout: 20s}";
const POST: &str = "{post: /, body: abc, timeout: 20s}";
const AT_ONCE: Talk = Talk::Http1(Duration::ZERO);

fn play(
    client: &str,
    server: &TlsServer,
    authority: &Authority,
    endpoint: &str,
    times: usize,
) -> Vec<Played> {
    let url = server.url();
    let mut script = Script::new(&url, endpoint, times);
    script.tls = Some(authority.client());
    script.play(client)
}

#[test]
fn row_24_an_invalid_certificate_is_rejected_with_the_reason() {
    let authority = Authority::new();
    let cases = [
        (Certificate::Expired, &authority, "expired"),
        (Certificate::WrongName, &authority, "not valid for name"),
        (Certificate::Good, &Authority::new(), "UnknownIssuer"),
    ];
    for (certificate, signer, reason) in cases {
        let server = TlsServer::start(signer, certificate, AT_ONCE);
        for client in CLIENTS {
            let played = play(client, &server, &authority, POST, 1);
            assert_eq!(played[0].outcome, Outcome::Tls, "{played:?}");
            assert!(played[0].text.contains(reason), "{played:?}");
        }
        assert_eq!(server.requests(), 0);
    }
}

#[test]
fn row_24_a_certificate_of_an_authority_this_machine_trusts_is_accepted() {
    let authority = Authority::new();
    let server = TlsServer::start(&authority, Certificate::Good, AT_ONCE);
    let run = |trusted: &str| {
        let perfctl = Perfctl::new().file("trusted.pem", trusted);
        let path = perfctl.dir().join("trusted.pem");
        let url = format!("{}/", server.url());
        let completed = perfctl
            .env("SSL_CERT_FILE", path)
            .args([
                "run",
                &url,
                "--iterations",
                "3",
                "-u",
                "1",
                "--format",
                "json",
            ])
            .run();
        completed.stdout
    };
    let report: serde_json::Value = serde_json::from_str(&run(&authority.pem())).unwrap();
    let summary = &report["phases"].as_array().unwrap().iter();
    let all: Vec<_> = summary.clone().map(|phase| &phase["summary"]).collect();
    let sum = |key: &str| all.iter().map(|s| s[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("successes"), sum("connections")), (3, 1), "{report}");
    assert_eq!((sum("tls_handshakes"), sum("reused")), (1, 2));
    assert_eq!(server.requests(), 3);

    let report: serde_json::Value = serde_json::from_str(&run(&Authority::new().pem())).unwrap();
    assert!(
        report["phases"].to_string().contains(r#""tls":3"#),
        "{report}"
    );
    assert_eq!(server.requests(), 3);
}

#[test]
fn row_25_a_handshake_that_stalls_has_an_outcome_of_its_own() {
    let server = Misbehaving::start(Fault::Hang);
    let url = server.url().replace("http:", "https:");
    let cases = [
        ("{post: /, connect_timeout: 200ms}", "within 200ms"),
        ("{post: /, timeout: 300ms}", "within 300ms"),
    ];
    for (endpoint, limit) in cases {
        for client in CLIENTS {
            let played = Script::new(&url, endpoint, 1).play(client);
            assert_eq!(
                played[0].outcome,
                Outcome::TimeoutTls,
                "{client}: {played:?}"
            );
            assert!(played[0].text.ends_with(limit), "{client}: {played:?}");
        }
    }
    assert_eq!((server.requests(), server.connections()), (0, 4));
}

#[test]
fn row_25_a_close_in_the_handshake_is_a_tls_failure_and_one_after_it_is_not() {
    let authority = Authority::new();
    let cases = [
        (Talk::CloseInHandshake, Outcome::Tls),
        (Talk::CloseUnanswered, Outcome::ClosedEarly),
    ];
    for (talk, outcome) in cases {
        for client in CLIENTS {
            let server = TlsServer::start(&authority, Certificate::Good, talk);
            let played = play(client, &server, &authority, POST, 1);
            assert_eq!(played[0].outcome, outcome, "{client}, {talk:?}: {played:?}");
            assert_eq!(server.connections(), 1, "{client}, {talk:?}");
        }
    }
}

#[test]
fn row_26_a_refused_stream_and_a_goaway_in_flight_are_not_resent() {
    let authority = Authority::new();
    let cases = [
        (Talk::H2, Outcome::Ok, 1),
        (Talk::H2Refuse, Outcome::H2Reset, 1),
        (Talk::H2GoAway, Outcome::H2Goaway, 3),
        // It says that the request was taken, and then there is no answer.
        (Talk::H2Shutdown, Outcome::ClosedEarly, 3),
    ];
    for (talk, outcome, connections) in cases {
        for client in CLIENTS {
            let server = TlsServer::start(&authority, Certificate::Good, talk);
            let played = play(client, &server, &authority, POST, 3);
            let outcomes: Vec<_> = played.iter().map(|one| one.outcome).collect();
            assert_eq!(outcomes, [outcome; 3], "{client}, {talk:?}: {played:?}");
            if outcome == Outcome::Ok {
                assert_eq!(played[0].response.version, Some(HttpVersion::Http2));
            }
            let counts = (server.requests(), server.connections());
            assert_eq!(counts, (3, connections), "{client}, {talk:?}");
        }
    }
}

#[test]
fn the_phases_of_connecting_are_told_apart_and_belong_to_the_request_that_connected() {
    let stall = Duration::from_millis(600);
    let authority = Authority::new();
    let server = TlsServer::start(&authority, Certificate::Good, Talk::Http1(stall));
    for client in CLIENTS {
        let played = play(client, &server, &authority, GET, 2);
        let [first, second] = &played[..] else {
            panic!("{played:?}")
        };
        let phases = first.response.phases;
        let sum = [phases.dns, phases.connect, phases.tls].map(Option::unwrap);
        assert!(phases.tls.unwrap() >= stall, "{phases:?}");
        assert!(phases.connect.unwrap() < stall, "{phases:?}");
        assert!(phases.dns.unwrap() < stall, "{phases:?}");
        assert!(sum.iter().sum::<Duration>() <= phases.ttfb.unwrap());
        assert!(phases.download.is_some());
        let counts = |one: &Played| {
            let response = &one.response;
            (
                response.connections,
                response.tls_handshakes,
                response.reused,
            )
        };
        assert_eq!((counts(first), counts(second)), ((1, 1, 0), (0, 0, 1)));
        let phases = second.response.phases;
        assert_eq!((phases.dns, phases.connect, phases.tls), (None, None, None));
        let remote = second.response.remote.unwrap();
        assert!(remote.ip().is_loopback());
        assert_eq!(second.response.version, Some(HttpVersion::Http11));
    }
}
