//! How services are reached: certificates, proxies, local addresses, versions of HTTP, connections.

use std::time::Duration;

use perfctl::metrics::{HttpVersion, RunResult};

use crate::support::clients::for_each_client;
use crate::support::recording::Recording;
use crate::support::scenario::outcomes;
use crate::support::{
    Authority, Certificate, Completed, Fault, Misbehaving, Perfctl, Proxy, Talk, TlsServer,
    closed_port,
};

const HTTP1: Talk = Talk::Http1(Duration::ZERO);

/// A run of four requests by one user.
fn run(perfctl: Perfctl, host: &str, endpoints: &str) -> Completed {
    let perfctl = perfctl.quick(host, endpoints);
    perfctl
        .args(["-i", "4", "-u", "1", "--format", "json"])
        .run()
}

fn connections(result: &RunResult) -> u64 {
    let cells = result.endpoints.iter().flat_map(|one| &one.phases);
    cells.map(|cell| cell.connections).sum()
}

fn handshakes(result: &RunResult) -> u64 {
    let cells = result.endpoints.iter().flat_map(|one| &one.phases);
    cells.map(|cell| cell.tls_handshakes).sum()
}

fn a_private_authority_is_trusted_beside_those_of_the_machine() {
    let authority = Authority::new();
    let server = TlsServer::start(&authority, Certificate::Good, HTTP1);
    let endpoints = "- {get: /}\ntls: {ca_file: '{{ env.CA }}'}";
    // Beside the scenario, or anywhere.
    for path in ["scenarios/ca.pem", "certs/ca.pem"] {
        let perfctl = Perfctl::new().file(path, authority.pem());
        let name = perfctl.dir().join(path).display().to_string();
        let name = if path.starts_with("scenarios") {
            "ca.pem"
        } else {
            &name
        };
        let completed = run(perfctl.env("CA", name), &server.url(), endpoints);
        assert_eq!(outcomes(&completed.result()), "ok 4");
        assert!(
            !completed.stdout.contains("insecure"),
            "{}",
            completed.stdout
        );
    }
    let other = Perfctl::new().file("scenarios/ca.pem", Authority::new().pem());
    let completed = run(other.env("CA", "ca.pem"), &server.url(), endpoints);
    assert_eq!(outcomes(&completed.result()), "tls 4");
}

fn an_insecure_run_accepts_any_certificate_and_says_so() {
    for certificate in [
        Certificate::Expired,
        Certificate::WrongName,
        Certificate::Good,
    ] {
        let server = TlsServer::start(&Authority::new(), certificate, HTTP1);
        let completed = run(
            Perfctl::new(),
            &server.url(),
            "- {get: /}\ntls: {insecure: true}",
        );
        let result = completed.result();
        assert_eq!(outcomes(&result), "ok 4");
        assert!(result.run.insecure);
        let directory = completed.runs()[0].clone();
        let report = Perfctl::after(completed)
            .args(["report"])
            .args([directory])
            .run();
        assert!(
            report.stdout.contains("certificates were not verified"),
            "{}",
            report.stdout
        );
    }
}

fn a_client_sends_its_certificate_if_it_has_one() {
    let authority = Authority::new();
    let server = TlsServer::mutual(&authority, HTTP1);
    let (certificate, key) = authority.client_pem();
    let perfctl = || {
        Perfctl::new()
            .file("scenarios/ca.pem", authority.pem())
            .file("scenarios/client.pem", &certificate)
            .file("scenarios/client.key", &key)
            .file("scenarios/both.pem", format!("{key}\n{certificate}"))
    };
    for (tls, expected) in [
        (
            "{ca_file: ca.pem, cert_file: client.pem, key_file: client.key}",
            "ok 4",
        ),
        ("{ca_file: ca.pem, cert_file: both.pem}", "ok 4"),
        ("{insecure: true, cert_file: both.pem}", "ok 4"),
    ] {
        let completed = run(
            perfctl(),
            &server.url(),
            &format!("- {{get: /}}\ntls: {tls}"),
        );
        assert_eq!(outcomes(&completed.result()), expected, "{tls}");
    }
    let completed = run(
        perfctl(),
        &server.url(),
        "- {get: /}\ntls: {ca_file: ca.pem}",
    );
    let seen = outcomes(&completed.result());
    assert!(!seen.contains("ok") && seen.contains("tls"), "{seen}");
    assert_eq!(server.requests(), 12);
}

#[test]
fn wrong_certificates_keys_and_proxies_are_shown_with_their_places() {
    let (certificate, _) = Authority::new().client_pem();
    let (_, other_key) = Authority::new().client_pem();
    let perfctl = |tls: &str| {
        let perfctl = Perfctl::new()
            .file("scenarios/client.pem", &certificate)
            .file("scenarios/other.key", &other_key)
            .file("scenarios/text.pem", "nothing");
        let endpoints = format!("- {{get: /}}\n{tls}");
        perfctl
            .quick("demo", &endpoints)
            .args(["-e", "X=y"])
            .expect_status(2)
            .run()
            .stderr
    };
    for (keys, part) in [
        ("tls: {ca_file: gone.pem}", "5:16\n"),
        (
            "tls: {ca_file: gone.pem}",
            "cannot use `gone.pem`: No such file",
        ),
        ("tls: {ca_file: .}", "not a regular file"),
        (
            "tls: {ca_file: text.pem}",
            "it contains no certificate in PEM format",
        ),
        (
            "tls: {ca_file: '{{ user_id }}'}",
            "must be known before the run",
        ),
        (
            "tls: {key_file: other.key}",
            "`key_file` without `cert_file`",
        ),
        ("tls: {cert_file: client.pem}", "it contains no private key"),
        (
            "tls: {cert_file: client.pem, key_file: other.key}",
            "the key does not match the certificate",
        ),
        ("tls: {insecure: sure}", "`sure` is not a boolean"),
        ("proxy: {url: 'localhost:3128'}", "not a proxy URL"),
        ("proxy: {url: 'http://u:hunter2@h:1'}", "not a proxy URL"),
        (
            "proxy: {url: 'http://h:1', password: hunter2}",
            "both `username` and `password`",
        ),
        ("local_address: here", "`here` is not an IP address"),
        ("defaults: {http_version: 3}", "unknown value `3`"),
    ] {
        let shown = perfctl(keys);
        assert!(shown.contains(part), "{keys}: {shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

fn plain_requests_go_to_the_proxy_and_others_through_its_tunnel() {
    let plain = Recording::ok();
    let authority = Authority::new();
    let secure = TlsServer::start(&authority, Certificate::Good, HTTP1);
    for (credentials, header) in [
        ("", None),
        (
            ", username: ann, password: '{{ env.PW }}'",
            Some("Basic YW5uOmh1bnRlcjI="),
        ),
    ] {
        let proxy = Proxy::start(header);
        let keys = format!(
            "tls: {{ca_file: ca.pem}}\nproxy: {{url: '{}'{credentials}}}",
            proxy.url()
        );
        let perfctl = || {
            let perfctl = Perfctl::new().file("scenarios/ca.pem", authority.pem());
            perfctl.env("PW", "hunter2")
        };
        let completed = run(perfctl(), &plain.url(), &format!("- {{get: /a}}\n{keys}"));
        let result = completed.result();
        assert_eq!((&*outcomes(&result), connections(&result)), ("ok 4", 1));
        let line = format!("get {}/a http/1.1\r\n", plain.url());
        assert!(proxy.heads()[0].starts_with(&line), "{:?}", proxy.heads());

        let completed = run(perfctl(), &secure.url(), &format!("- {{get: /a}}\n{keys}"));
        let result = completed.result();
        assert_eq!((&*outcomes(&result), connections(&result)), ("ok 4", 1));
        assert_eq!(handshakes(&result), 1);
        let line = format!("connect {} http/1.1\r\n", secure.authority());
        assert!(proxy.heads()[1].starts_with(&line), "{:?}", proxy.heads());
        assert_eq!(proxy.connections(), 2);
        assert!(!completed.stdout.contains("hunter2"));
    }
    let keys = "- {get: /a}\nproxy: {url: 'http://127.0.0.1:1'}\ntls: {insecure: true}";
    let shown = Perfctl::new()
        .file(
            "scenarios/a.yaml",
            crate::support::scenario::quick("demo", keys),
        )
        .args(["validate", "scenarios/a.yaml"])
        .expect_status(0)
        .run()
        .stdout;
    assert!(
        shown.contains("through the proxy http://127.0.0.1:1"),
        "{shown}"
    );
    assert!(shown.contains("certificates are not verified"), "{shown}");
    let refusing = Proxy::start(Some("Basic other"));
    let keys = format!(
        "tls: {{ca_file: ca.pem}}\nproxy: {{url: '{}'}}",
        refusing.url()
    );
    let perfctl = Perfctl::new().file("scenarios/ca.pem", authority.pem());
    let completed = run(perfctl, &secure.url(), &format!("- {{get: /a}}\n{keys}"));
    assert_eq!(outcomes(&completed.result()), "connect_failed 4");
}

fn http_2_goes_through_the_tunnel_of_a_proxy() {
    let authority = Authority::new();
    let h2 = TlsServer::start(&authority, Certificate::Good, Talk::H2);
    let proxy = Proxy::start(None);
    let perfctl = Perfctl::new().file("scenarios/ca.pem", authority.pem());
    let keys = format!(
        "tls: {{ca_file: ca.pem}}\nproxy: {{url: '{}'}}",
        proxy.url()
    );
    let result = run(perfctl, &h2.url(), &format!("- {{get: /a}}\n{keys}")).result();
    let cells = result.endpoints[0].phases.iter();
    let versions: Vec<_> = cells.flat_map(|cell| cell.versions.keys()).collect();
    assert_eq!(versions, [&HttpVersion::Http2]);
    assert_eq!(
        (outcomes(&result).as_str(), proxy.connections()),
        ("ok 4", 1)
    );
}

fn a_proxy_that_fails_has_the_outcome_of_its_fault() {
    let service = TlsServer::start(&Authority::new(), Certificate::Good, HTTP1);
    let hanging = Misbehaving::start(Fault::Hang);
    let closing = Misbehaving::start(Fault::CloseUnanswered);
    for (proxy, outcome) in [
        (format!("http://{}", closed_port()), "connect_refused 4"),
        ("http://nothing.invalid:1".into(), "dns 4"),
        (hanging.url(), "timeout_connect 4"),
        (closing.url(), "connect_failed 4"),
    ] {
        let endpoints = format!("- {{get: /, connect_timeout: 200ms}}\nproxy: {{url: '{proxy}'}}");
        let completed = run(Perfctl::new(), &service.url(), &endpoints);
        assert_eq!(
            outcomes(&completed.result()),
            outcome,
            "{}",
            completed.stdout
        );
    }
    assert_eq!(service.connections(), 0);
}

fn some_hosts_are_reached_without_the_proxy_and_none_by_the_environment() {
    let server = Recording::ok();
    let proxy = Proxy::start(None);
    let keys = |no_proxy: &str| {
        let url = proxy.url();
        format!("- {{get: /}}\nproxy: {{url: '{url}', no_proxy: {no_proxy}}}")
    };
    for no_proxy in [
        "127.0.0.1",
        "[example.org, 127.0.0.0/8]",
        "['{{ env.HOST }}']",
    ] {
        let perfctl = Perfctl::new().env("HOST", "127.0.0.1");
        let completed = run(perfctl, &server.url(), &keys(no_proxy));
        assert_eq!(outcomes(&completed.result()), "ok 4");
    }
    let perfctl = Perfctl::new()
        .env("http_proxy", proxy.url())
        .env("ALL_PROXY", proxy.url());
    run(perfctl, &server.url(), "- {get: /}");
    assert_eq!(proxy.connections(), 0);
    run(Perfctl::new(), &server.url(), &keys("[example.org]"));
    assert_eq!(proxy.connections(), 1);
}

fn users_connect_from_the_local_addresses_in_turn() {
    let server = Recording::ok();
    let endpoints = "- {get: /}\nlocal_address: [127.0.0.2, 127.0.0.3]";
    let completed = Perfctl::scenario(&server.url(), endpoints)
        .args(["-i", "40", "-u", "4", "--workers", "2"])
        .run();
    assert_eq!(outcomes(&completed.result()), "ok 40");
    let seen = server.seen();
    let from = |last: u8| {
        let peers = seen
            .iter()
            .filter(|one| one.peer.ip() == std::net::Ipv4Addr::new(127, 0, 0, last));
        peers.count()
    };
    assert_eq!((from(2), from(3)), (20, 20));

    // An address for documentation, which no machine has.
    let completed = Perfctl::scenario(&server.url(), "- {get: /}\nlocal_address: 192.0.2.1")
        .args(["-i", "1"])
        .expect_status(4)
        .run();
    let why = "cannot connect from the local address 192.0.2.1";
    assert!(completed.stderr.contains(why), "{}", completed.stderr);
}

fn the_version_of_http_can_be_chosen_for_each_endpoint() {
    let authority = Authority::new();
    let version = |url: &str, keys: &str| {
        let perfctl = Perfctl::new().file("scenarios/ca.pem", authority.pem());
        let endpoints = format!("- {{get: /{keys}}}\ntls: {{ca_file: ca.pem}}");
        let completed = run(perfctl, url, &endpoints);
        let result = completed.result();
        let versions = result.endpoints[0]
            .phases
            .iter()
            .flat_map(|cell| cell.versions.keys());
        (outcomes(&result), versions.copied().collect::<Vec<_>>())
    };
    let two = || ("ok 4".to_owned(), vec![HttpVersion::Http2]);
    let one = || ("ok 4".to_owned(), vec![HttpVersion::Http11]);
    let h2 = TlsServer::start(&authority, Certificate::Good, Talk::H2);
    assert_eq!(version(&h2.url(), ""), two());
    assert_eq!(version(&h2.url(), ", http_version: 2"), two());
    let h1 = TlsServer::start(&authority, Certificate::Good, HTTP1);
    assert_eq!(version(&h1.url(), ""), one());
    assert_eq!(version(&h1.url(), ", http_version: 1.1"), one());
    // What one side requires and the other does not support.
    assert_eq!(version(&h2.url(), ", http_version: 1.1").0, "tls 4");
    assert_eq!(version(&h1.url(), ", http_version: 2").0, "tls 4");
    let plain = TlsServer::plain_h2();
    let url = format!("http://{}", plain.authority());
    assert_eq!(version(&url, ", http_version: 2"), two());
    assert_eq!(plain.connections(), 1);
    assert_ne!(version(&url, "").0, "ok 4");
}

fn connections_that_are_not_kept_are_used_once() {
    let server = Recording::ok();
    let endpoints = "- {name: own, get: /own, keep_alive: true}\n- {name: not, get: /not}\n\
        defaults: {keep_alive: false}";
    let completed = Perfctl::scenario(&server.url(), endpoints)
        .args(["-i", "20", "-u", "1", "--seed", "5"])
        .run();
    let result = completed.result();
    let seen = server.seen();
    let not_kept: Vec<_> = seen
        .iter()
        .filter(|one| one.line.contains("/not"))
        .collect();
    assert!(
        not_kept.len() > 2 && not_kept.len() < 18,
        "{}",
        not_kept.len()
    );
    assert!(
        not_kept
            .iter()
            .all(|one| one.header("connection") == Some("close"))
    );
    let peers: std::collections::BTreeSet<_> = not_kept.iter().map(|one| one.peer).collect();
    assert_eq!(peers.len(), not_kept.len());
    // All others share one.
    assert_eq!(server.connections(), not_kept.len() as u64 + 1);
    assert_eq!(connections(&result), server.connections());
}

fn connections_by_http_2_that_are_not_kept_are_used_once() {
    let authority = Authority::new();
    let h2 = TlsServer::start(&authority, Certificate::Good, Talk::H2);
    let keys = "- {get: /}\ntls: {insecure: true}\ndefaults: {keep_alive: false}";
    let completed = run(Perfctl::new(), &h2.url(), keys);
    assert_eq!(outcomes(&completed.result()), "ok 4");
    assert_eq!(h2.connections(), 4);
}

fn a_user_that_connects_again_resumes_its_tls_session_unless_told_otherwise() {
    let authority = Authority::new();
    let server = TlsServer::start(&authority, Certificate::Good, HTTP1);
    let one = "- {get: /, keep_alive: false, http_version: 1.1}";
    // Two kinds of connection, of which reqwest makes a client each.
    let two = format!("{one}\n- {{get: /, keep_alive: false}}");
    let resumed = |endpoints: &str, tls: &str| {
        let endpoints = format!("{endpoints}\ntls: {{ca_file: ca.pem{tls}}}");
        let perfctl = Perfctl::new().file("scenarios/ca.pem", authority.pem());
        let result = run(perfctl, &server.url(), &endpoints).result();
        assert_eq!(
            (outcomes(&result).as_str(), handshakes(&result)),
            ("ok 4", 4)
        );
        let cells = result.endpoints.iter().flat_map(|one| &one.phases);
        cells.map(|cell| cell.tls_resumed).sum::<u64>()
    };
    for endpoints in [one, &two] {
        assert_eq!(resumed(endpoints, ""), 3, "{endpoints}");
        assert_eq!(resumed(endpoints, ", resume: false"), 0, "{endpoints}");
    }
}

for_each_client! {
    a_private_authority_is_trusted_beside_those_of_the_machine
    an_insecure_run_accepts_any_certificate_and_says_so
    a_client_sends_its_certificate_if_it_has_one
    plain_requests_go_to_the_proxy_and_others_through_its_tunnel
    a_proxy_that_fails_has_the_outcome_of_its_fault
    some_hosts_are_reached_without_the_proxy_and_none_by_the_environment
    http_2_goes_through_the_tunnel_of_a_proxy
    the_version_of_http_can_be_chosen_for_each_endpoint
    connections_by_http_2_that_are_not_kept_are_used_once
    users_connect_from_the_local_addresses_in_turn
    connections_that_are_not_kept_are_used_once
    a_user_that_connects_again_resumes_its_tls_session_unless_told_otherwise
}
