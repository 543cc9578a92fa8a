//! Services behind other addresses, proxies that refuse, and certificates that people make themselves.

use std::time::Duration;

use perfctl::metrics::Outcome;

use crate::support::clients::for_each_client;
use crate::support::recording::{Recording, answer};
use crate::support::scenario::outcomes;
use crate::support::{
    Authority, Certificate, Completed, Fault, Misbehaving, Perfctl, Proxy, Talk, TlsServer,
    closed_port,
};

const HTTP1: Talk = Talk::Http1(Duration::ZERO);
/// A certificate and its key, as made by `openssl req -x509 -passout pass:hunter22`.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n\
    MIIBeDCCAR+gAwIBAgIUdoO2nR4Zk4ShY4t478eJXgFuOfYwCgYIKoZIzj0EAwIw\n\
    ETEPMA0GA1UEAwwGY2xpZW50MCAXDTI2MTEyNjExMzkyMVoYDzIxMjYxMTAyMTEz\n\
    OTIxWjARMQ8wDQYDVQQDDAZjbGllbnQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n\
    AAS3SKAFVQcf+t4lPuM+8bjQNsP8X2dV4JDNdk9hTOXn38oLjGY62Pm9wfMRGbnH\n\
    xncGy4+kSzfExwCEDfC8Tc9Yo1MwUTAdBgNVHQ4EFgQUHaX3uWGgyzjkS6DxOETU\n\
    R7S4T5UwHwYDVR0jBBgwFoAUHaX3uWGgyzjkS6DxOETUR7S4T5UwDwYDVR0TAQH/\n\
    BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiAgPn/AJg3vGdW1Ace97yevxxfyAkhH\n\
    itpKHHpS+ptBEQIgCuiHPTR16KojBKl7C5kZLSXrtwFkGty+hjpDwGJt6X4=\n\
    -----END CERTIFICATE-----";
const KEY: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n\
    MIHjME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAg8J1sJK+YFDQICCAAw\n\
    DAYIKoZIhvcNAgkFADAUBggqhkiG9w0DBwQI0ja7uvo7+nUEgZDQlVazi2d+pmYP\n\
    qw1/J4lAbtHk9AWuL3yM826u29stJB+qJIEa+finXz2agGbSFGi8nocOtqgHgbS4\n\
    3v8HVmG3vVeMV4e40JYmUXCPrZCnPgErYnp2Ab6naz/HXFkpPKaCojjFS95JJYgu\n\
    kVg6aEi5WktUVWAMssiyisqpxzGp2Ew2MUx7ZAkPdizK9og+Idg=\n\
    -----END ENCRYPTED PRIVATE KEY-----";

/// A run of three requests by one user.
fn run(perfctl: Perfctl, host: &str, scenario: &str) -> Completed {
    let perfctl = perfctl.quick(host, scenario);
    perfctl
        .args(["-i", "3", "-u", "1", "--format", "json"])
        .run()
}

/// The text of the first failure.
fn text(completed: &Completed, outcome: Outcome) -> String {
    let result = completed.result();
    let mut cells = result.endpoints.iter().flat_map(|one| &one.phases);
    let found = cells.find_map(|cell| cell.failure_counts.example(outcome));
    found
        .unwrap_or_else(|| panic!("{}", outcomes(&result)))
        .to_string()
}

fn a_connection_led_elsewhere_keeps_the_name_of_its_url() {
    let server = Recording::start(|_, number| {
        let cookie = format!("set-cookie: a{number}=1; Domain=example.org\r\n");
        answer("200 OK", &cookie, "")
    });
    let to = server.addr();
    // The port of the URL may be written, be that of the scheme, or be the same on both sides.
    for (url, from) in [
        (
            "http://shop.example.org:8000".to_owned(),
            "shop.example.org:8000".to_owned(),
        ),
        (
            "http://shop.example.org".to_owned(),
            "shop.example.org:80".to_owned(),
        ),
        (
            format!("http://shop.example.org:{}", to.port()),
            format!("shop.example.org:{}", to.port()),
        ),
    ] {
        let before = server.seen().len();
        let keys = format!(
            "- {{get: /}}\nconnect_to: {{'{from}': '{to}', 'other.example.org:80': '127.0.0.1:1'}}"
        );
        let completed = run(Perfctl::new(), &url, &keys);
        assert_eq!(outcomes(&completed.result()), "ok 3", "{url}");
        let by_option = Perfctl::new().quick(
            &url,
            "- {get: /}\nconnect_to: {'shop.example.org:80': '127.0.0.1:1'}",
        );
        let option = format!("{from}:{to}");
        let completed = by_option
            .args(["-i", "3", "-u", "1", "--connect-to", &option])
            .run();
        assert_eq!(outcomes(&completed.result()), "ok 3", "{url}");
        let seen = server.seen();
        let host = url.trim_start_matches("http://");
        for one in &seen[before..] {
            assert_eq!(one.header("host"), Some(host));
        }
        assert_eq!(seen.len() - before, 6);
        assert!(seen[before + 2].header("cookie").unwrap().contains("=1; a"));
    }
    assert_eq!(server.connections(), 6);
}

fn a_certificate_is_that_of_the_url_wherever_the_connection_leads() {
    let authority = Authority::new();
    let perfctl = || Perfctl::new().file("scenarios/ca.pem", authority.pem());
    for (certificate, expected) in [
        (Certificate::Good, "ok 3"),
        (Certificate::WrongName, "tls 3"),
    ] {
        let server = TlsServer::start(&authority, certificate, HTTP1);
        let to = server.authority();
        for port in ["", ":8443"] {
            let from = if port.is_empty() { ":443" } else { port };
            let keys = format!(
                "- {{get: /}}\ntls: {{ca_file: ca.pem}}\nconnect_to: {{'shop.example.org{from}': '{to}'}}"
            );
            let completed = run(perfctl(), &format!("https://shop.example.org{port}"), &keys);
            assert_eq!(
                outcomes(&completed.result()),
                expected,
                "{certificate:?}, {port}"
            );
        }
    }
}

#[test]
fn what_cannot_lead_anywhere_is_shown_with_its_place() {
    for (keys, part) in [
        (
            "connect_to: {'shop.example.org': '127.0.0.1:1'}",
            "`shop.example.org` is not a host with a port",
        ),
        (
            "connect_to: {'shop.example.org:80': nowhere}",
            "`nowhere` is not a host with a port",
        ),
        (
            "connect_to: {'127.0.0.1:80': '127.0.0.1:1'}",
            "`127.0.0.1` is an address",
        ),
        (
            "connect_to: {'a:80': 'b:80'}\nproxy: {url: 'http://h:1'}",
            "`connect_to` cannot be used with a `proxy`",
        ),
        (
            "proxy: {url: 'http://h:1', no_proxy: 10.0.0.0/99}",
            "has no size from 0 to 32",
        ),
        (
            "proxy: {url: 'http://h:1', no_proxy: ['a', 'host:http']}",
            "`http` is not a port",
        ),
    ] {
        let endpoints = format!("- {{get: /}}\n{keys}");
        let shown = Perfctl::new()
            .quick("demo", &endpoints)
            .expect_status(2)
            .run()
            .stderr;
        assert!(shown.contains(part), "{keys}: {shown}");
        assert!(shown.contains("scenarios/default.yaml:"), "{shown}");
    }
    let shown = Perfctl::get_root("demo")
        .args(["--connect-to", "a:80"])
        .expect_status(2)
        .run()
        .stderr;
    assert!(
        shown.contains("write it like `shop.example.org:443:10.0.0.7:8443`"),
        "{shown}"
    );
}

fn hosts_are_reached_without_the_proxy_by_port_and_all_of_them() {
    let server = Recording::ok();
    let port = server.addr().port();
    let proxy = Proxy::start(None);
    let authorized = |no_proxy: &str| {
        let url = proxy.url();
        let keys = format!(
            "- {{get: /}}\nproxy: {{url: '{url}', username: ann, password: hunter22, no_proxy: {no_proxy}}}"
        );
        let before = proxy.connections();
        let completed = run(Perfctl::new(), &server.url(), &keys);
        assert_eq!(outcomes(&completed.result()), "ok 3", "{no_proxy}");
        proxy.connections() > before
    };
    assert!(!authorized("'*'"));
    assert!(!authorized(&format!("'127.0.0.1:{port}'")));
    assert!(!authorized("[a.example, 127.0.0.0/8]"));
    assert!(authorized("'127.0.0.1:1'"));
    assert!(authorized("10.0.0.0/8"));
    let header = "proxy-authorization: basic yw5uomh1bnrlcjiy";
    assert!(
        proxy.heads().iter().all(|head| head.contains(header)),
        "{:?}",
        proxy.heads()
    );
}

fn what_a_proxy_refuses_is_said_to_be_by_the_proxy() {
    let forbidden = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
    let forbidding = Misbehaving::start(Fault::Raw(forbidden.into()));
    let unknown = Proxy::start(Some("Basic other"));
    for (proxy, outcome, part) in [
        (
            forbidding.url(),
            Outcome::ConnectFailed,
            "refused by the proxy (CONNECT)",
        ),
        (
            unknown.url(),
            Outcome::ConnectFailed,
            "refused by the proxy with status 407",
        ),
        (
            format!("http://{}", closed_port()),
            Outcome::ConnectRefused,
            "no connection by the proxy: ",
        ),
        (
            "http://nothing.invalid:1".into(),
            Outcome::Dns,
            "no connection by the proxy: ",
        ),
    ] {
        let keys = format!("- {{get: /}}\nproxy: {{url: '{proxy}'}}");
        let completed = run(Perfctl::new(), "https://127.0.0.1:1", &keys);
        let text = text(&completed, outcome);
        assert!(text.starts_with(part), "{text}");
    }
}

fn a_proxy_may_be_reached_by_tls() {
    let authority = Authority::new();
    let plain = Recording::ok();
    let secure = TlsServer::start(&authority, Certificate::Good, HTTP1);
    let header = "Basic YW5uOmh1bnRlcjI=";
    let proxy = Proxy::secure(Some(header), &authority);
    for (ca, url, line, expected) in [
        (
            &authority,
            plain.url(),
            format!("get {}/ http/1.1\r\n", plain.url()),
            "ok 3",
        ),
        (
            &authority,
            secure.url(),
            format!("connect {} http/1.1\r\n", secure.authority()),
            "ok 3",
        ),
        (&Authority::new(), secure.url(), String::new(), "tls 3"),
    ] {
        let keys = format!(
            "- {{get: /}}\ntls: {{ca_file: ca.pem}}\nproxy: {{url: '{}', username: ann, password: hunter2}}",
            proxy.url()
        );
        let before = proxy.heads().len();
        let perfctl = Perfctl::new().file("scenarios/ca.pem", ca.pem());
        let result = run(perfctl, &url, &keys).result();
        assert_eq!(outcomes(&result), expected, "{url}");
        let heads = proxy.heads();
        let lines = heads[before..]
            .iter()
            .map(|head| head.split_inclusive('\n').next().unwrap());
        let expected = if line.is_empty() {
            vec![]
        } else {
            vec![line.as_str()]
        };
        assert_eq!(lines.collect::<Vec<_>>(), expected);
    }
}

fn a_certificate_that_signed_itself_is_trusted_where_it_is_given() {
    for is_ca in [true, false] {
        let (server, pem) = TlsServer::self_signed("localhost", is_ca, false);
        let run = |pem: &str, url: &str| {
            let perfctl = Perfctl::new().file("scenarios/ca.pem", pem);
            let completed = run(perfctl, url, "- {get: /}\ntls: {ca_file: ca.pem}");
            outcomes(&completed.result())
        };
        assert_eq!(run(&pem, &server.url()), "ok 3", "{is_ca}");
        let address = server.url().replace("localhost", "127.0.0.1");
        assert_eq!(run(&pem, &address), "tls 3", "for another name: {is_ca}");
        let (_, other) = TlsServer::self_signed("localhost", is_ca, false);
        assert_eq!(run(&other, &server.url()), "tls 3", "another one: {is_ca}");
        let (expired, pem) = TlsServer::self_signed("localhost", is_ca, true);
        assert_eq!(run(&pem, &expired.url()), "tls 3", "expired: {is_ca}");
    }
}

/// Certificates are not read before a load whose URLs are all HTTP.
fn a_redirect_from_http_to_tls_is_verified_as_any_other_connection() {
    let (server, pem) = TlsServer::self_signed("localhost", true, false);
    let (_, other) = TlsServer::self_signed("localhost", true, false);
    let plain = Misbehaving::start(Fault::RedirectTo(server.url()));
    for (pem, expected) in [(pem, "ok 3"), (other, "tls 3")] {
        let perfctl = Perfctl::new().file("scenarios/ca.pem", pem);
        let endpoints = "- {get: /}\ntls: {ca_file: ca.pem}\nallow_redirects_to: ['";
        let keys = format!("{endpoints}{}']", server.authority());
        let completed = run(perfctl, &plain.url(), &keys);
        assert_eq!(outcomes(&completed.result()), expected);
    }
}

fn an_expired_certificate_is_shown_with_its_date() {
    let authority = Authority::new();
    let server = TlsServer::start(&authority, Certificate::Expired, HTTP1);
    let perfctl = Perfctl::new().file("scenarios/ca.pem", authority.pem());
    let completed = run(perfctl, &server.url(), "- {get: /}\ntls: {ca_file: ca.pem}");
    let text = text(&completed, Outcome::Tls);
    assert!(
        text.starts_with("the certificate expired on 2002-01-01 00:00:00 UTC; "),
        "{text}"
    );
}

#[test]
fn an_encrypted_key_needs_its_password() {
    let validate = |password: &str| {
        let tls = format!("tls: {{cert_file: client.pem, key_file: client.key{password}}}");
        Perfctl::new()
            .file("scenarios/client.pem", CERTIFICATE)
            .file("scenarios/client.key", KEY)
            .env("KEY_PASSWORD", "hunter22")
            .quick("demo", &format!("- {{get: /}}\n{tls}"))
            .args(["-i", "1"])
            .run()
    };
    let completed = validate(", key_password: '{{ env.KEY_PASSWORD }}'");
    assert_eq!(
        outcomes(&completed.result()),
        "ok 1",
        "{}",
        completed.stderr
    );
    let shown = validate("").stderr;
    assert!(
        shown.contains("its key is encrypted; set `key_password"),
        "{shown}"
    );
    let shown = validate(", key_password: hunter23").stderr;
    assert!(shown.contains("`key_password` is wrong"), "{shown}");
    assert!(!shown.contains("hunter"), "{shown}");
}

for_each_client! {
    a_connection_led_elsewhere_keeps_the_name_of_its_url
    a_certificate_is_that_of_the_url_wherever_the_connection_leads
    a_certificate_that_signed_itself_is_trusted_where_it_is_given
    a_redirect_from_http_to_tls_is_verified_as_any_other_connection
    an_expired_certificate_is_shown_with_its_date
    hosts_are_reached_without_the_proxy_by_port_and_all_of_them
    what_a_proxy_refuses_is_said_to_be_by_the_proxy
    a_proxy_may_be_reached_by_tls
}
