//! The same requests by both clients against one server that records them: the same bytes, except for
//! the order of header fields, and the same outcomes.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::recording::{Recording, Seen};
use crate::support::scenario::outcomes;
use crate::support::{Authority, Certificate, Perfctl, Proxy, Talk, TlsServer};

/// The steps of a flow: methods, bodies, headers, credentials, cookies, redirects, encodings, and
/// responses that are odd in many ways. `ODD/...` names one of [`odd`]. The last one is last because
/// reqwest keeps its connection, which it has read to an end, and the direct client does not.
const STEPS: &str = r##"
- get: /plain?a=1&b=%20c&d=%C3%A9
- get: /a/b//c///d
- get: "/quotes/'\"<>`{}|^?q='\"<>`{}|^"
- get: /fragment?x
- head: /head
- options: /options
- delete: /delete
- {delete: /delete-with-body, body: gone}
- {get: /get-with-body, body: odd}
- post: /empty
- put: /empty
- patch: /empty
- {post: /empty-text, body: ""}
- {post: /text, body: "some text\nin lines"}
- {put: /json, json: {a: [1, 2.5, null, true], "b c": "é"}}
- {patch: /form, form: {a: "1 2", b: "&=é", c: ""}}
- {post: /file, body_file: small.bin}
- {post: /large, body_file: large.bin}
- {post: /huge, body_file: huge.bin}
- {post: /gzip, body: "again and again and again", compress: gzip}
- {post: /multipart, multipart: {kind: x, file: {file: small.bin}}}
- {get: /headers, headers: {X-One: "1", x-two: " 2 ", Accept: text/plain, User-Agent: other}}
- {get: /host, headers: {Host: shop.example.org}}
- {get: "/values/{{ user_id }}?i={{ user_id }}", headers: {X-Value: "{{ user_id }}"}}
- {post: /values, body: "{{ user_id }}"}
- {get: /basic, auth: {basic: {username: ann, password: secret}}}
- {get: /bearer, auth: {bearer: abcdefgh}}
- {get: /key, auth: {api_key: {query: key, value: abcdefgh}}}
- {get: /digest, auth: {digest: {username: ann, password: secret}}}
- {get: /once, keep_alive: false}
- {post: /once, keep_alive: false, body: x}
- get: /set-cookies
- get: /with/cookies
- {get: /with/own-cookie, headers: {Cookie: own=1}}
- get: /delete-cookies
- get: /with/fewer-cookies
- get: /redirect/301
- {post: /redirect/301, body: x}
- {post: /redirect/302, body: x}
- {put: /redirect/302, body: x}
- {post: /redirect/303, json: {a: 1}}
- {post: /redirect/307, body: x}
- {post: /redirect/308, body_file: small.bin}
- {head: /redirect/303}
- {post: /redirect/303}
- {get: /redirect/302, max_redirects: 0}
- get: /redirect/loop
- get: /redirect/elsewhere
- get: /redirect/bad
- {get: ODD/chunked, check: {body_contains: hello}}
- {get: ODD/gzip, headers: {Accept-Encoding: gzip}, check: {body_contains: hello}}
- get: ODD/folded
- get: ODD/control
- get: ODD/interim
- get: ODD/no-content
- get: ODD/not-modified
- get: ODD/until-close
- get: ODD/http-1.0
- get: ODD/same-lengths
- get: ODD/two-lengths
- get: ODD/bad-chunk
- get: ODD/short
- get: ODD/garbage
- get: ODD/status-799
- get: ODD/not-found
- get: ODD/big
- {get: ODD/big, check: {body_contains: yyy}}
- get: ODD/unavailable
- get: /last
- get: ODD/length-and-chunks
"##;

/// An answer that is odd by name.
fn odd(name: &str) -> Vec<u8> {
    let text = match name {
        "chunked" => {
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nx: y\r\n\r\n"
        }
        "folded" => "HTTP/1.1 200 OK\r\nx: a\r\n  b\r\ncontent-length: 0\r\n\r\n",
        "control" => "HTTP/1.1 200 OK\r\nx: a\x01\r\ncontent-length: 0\r\n\r\n",
        "interim" => {
            "HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Hints\r\nx: y\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        }
        "no-content" => "HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\n",
        "not-modified" => "HTTP/1.1 304 No\r\ncontent-length: 5\r\n\r\n",
        "until-close" => "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello",
        "http-1.0" => "HTTP/1.0 200 OK\r\ncontent-length: 5\r\nx-connection: close\r\n\r\nhello",
        "same-lengths" => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
        "two-lengths" => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "length-and-chunks" => {
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
        }
        "bad-chunk" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "short" => "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\nhello",
        "garbage" => "garbage\r\n\r\n",
        "status-799" => "HTTP/1.1 799 Own\r\ncontent-length: 0\r\n\r\n",
        "not-found" => "HTTP/1.1 404 No\r\ncontent-length: 5\r\n\r\nhello",
        "unavailable" => "HTTP/1.1 503 No\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n",
        "big" => {
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n";
            return [head.as_bytes(), &vec![b'y'; 9_000_000]].concat();
        }
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(b"hello").unwrap();
            let body = encoder.finish().unwrap();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            return [head.as_bytes(), &body].concat();
        }
        other => panic!("{other}"),
    };
    text.as_bytes().to_vec()
}

fn respond(seen: &Seen, _: usize) -> Vec<u8> {
    let path = seen.path().split('?').next().unwrap_or_default();
    let path = path.strip_prefix(ELSEWHERE).unwrap_or(path);
    let with = |status: &str, lines: &str| {
        format!("HTTP/1.1 {status}\r\n{lines}content-length: 0\r\n\r\n").into_bytes()
    };
    if let Some(name) = path.strip_prefix("/odd/") {
        return odd(name);
    }
    match path {
        "/set-cookies" => with(
            "200 OK",
            "set-cookie: a=1\r\nset-cookie: b=J\u{f6}rg; Path=/with\r\nset-cookie: c=1; Max-Age=60\r\n\
             set-cookie: d=1; Secure\r\nset-cookie: e=1; Domain=example.org\r\nset-cookie: f=1; Path=/with/c\r\n",
        ),
        "/delete-cookies" => with("200 OK", "set-cookie: a=; Max-Age=0\r\n"),
        "/digest" if seen.header("authorization").is_none() => with(
            "401 Who",
            "www-authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n",
        ),
        "/redirect/loop" => with("302 Found", "location: /redirect/loop\r\n"),
        "/redirect/elsewhere" => with("302 Found", "location: http://127.0.0.1:1/\r\n"),
        "/redirect/bad" => with("302 Found", "location: http://[\r\n"),
        _ => match path.strip_prefix("/redirect/") {
            Some(status) => with(&format!("{status} Go"), "location: ../there?x=1#y\r\n"),
            None => with("200 OK", ""),
        },
    }
}

/// A service that only a proxy reaches.
const ELSEWHERE: &str = "http://shop.example.org:8000";

/// How the service is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Http1,
    Proxy,
    Http2,
}

/// What the server received as the service or as its proxy, and what perfctl counted.
fn play(client: &str, by: By) -> (Vec<Seen>, Vec<String>) {
    let server = match by {
        By::Http2 => Recording::start_http2(respond),
        _ => Recording::start_raw(respond),
    };
    let (host, keys) = match by {
        By::Http1 => (server.url(), String::new()),
        By::Http2 => (server.url(), "defaults: {http_version: 2}\n".to_owned()),
        By::Proxy => {
            let credentials = "username: ann, password: hunter2";
            let proxy = format!("proxy: {{url: '{}', {credentials}}}\n", server.url());
            (ELSEWHERE.to_owned(), proxy)
        }
    };
    let steps = STEPS.trim().replace("ODD", "/odd");
    let steps: Vec<String> = steps
        .lines()
        .enumerate()
        .map(|(number, step)| {
            let step = step.trim_start_matches("- ");
            let step = step
                .strip_prefix('{')
                .and_then(|step| step.strip_suffix('}'))
                .unwrap_or(step);
            format!("    - {{name: step {number}, {step}}}")
        })
        .collect();
    let scenario = format!(
        "name: differential\nhost: {host}\n{keys}flows:\n  all:\n    on_error: continue\n    steps:\n{}\n\
         profiles: {{quick: {{stages: [{{name: steady, users: 1, ramp: 0s, duration: 10m}}]}}}}\n",
        steps.join("\n").replace("    - ", "      - ")
    );
    let perfctl = Perfctl::new()
        .file("scenarios/default.yaml", scenario)
        .file("scenarios/small.bin", b"%PDF\x00\xff");
    for (name, size) in [("large.bin", 1 << 20), ("huge.bin", 9 << 20)] {
        let file = std::fs::File::create(perfctl.dir().join("scenarios").join(name)).unwrap();
        file.set_len(size).unwrap();
    }
    let completed = perfctl
        .args([
            "run",
            "--profile",
            "quick",
            "-u",
            "1",
            "-i",
            "1",
            "--seed",
            "1",
        ])
        .args(["--client", client])
        .run();
    let result = completed.result();
    let of_step = |one: &perfctl::metrics::EndpointResult| {
        let seen = perfctl::metrics::Outcome::ALL.map(|outcome| {
            let count: u64 = one
                .phases
                .iter()
                .map(|cell| cell.count(|c| c == outcome))
                .sum();
            (outcome.name(), count)
        });
        let seen = seen.iter().filter(|(_, count)| *count > 0);
        let seen: Vec<String> = seen
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        let sum = |of: fn(&perfctl::metrics::Cell) -> u64| one.phases.iter().map(of).sum::<u64>();
        let mut counts = vec![
            sum(|cell| cell.connections),
            sum(|cell| cell.redirects),
            sum(|cell| cell.bytes_out),
        ];
        if by == By::Http2 {
            // By HTTP/1.1, the other client does not see all that comes.
            counts.push(sum(|cell| cell.bytes_in));
        }
        format!("{}: {} {counts:?}", one.endpoint.name, seen.join(", "))
    };
    assert!(!outcomes(&result).is_empty());
    (
        server.seen(),
        result.endpoints.iter().map(of_step).collect(),
    )
}

/// A request with its lines in one order. The port differs from server to server.
fn comparable(seen: &Seen, host: &str) -> (String, Vec<String>, Vec<u8>, u64) {
    let mut lines: Vec<String> = seen
        .head
        .lines()
        .map(|line| line.replace(host, "HOST"))
        .collect();
    lines.sort();
    (seen.line.clone(), lines, seen.body.clone(), seen.length)
}

#[test]
fn both_clients_send_the_same_bytes_and_count_the_same() {
    compare(By::Http1);
}

#[test]
fn both_clients_send_the_same_bytes_to_a_proxy_and_count_the_same() {
    compare(By::Proxy);
}

#[test]
fn both_clients_send_the_same_by_http_2_and_count_the_same() {
    compare(By::Http2);
}

/// What three requests of one user say of how they were connected: for DNS, TCP and TLS, how many of them have a time for
/// it; then connections, TLS handshakes, those resumed, and requests by a connection that was there.
fn connected(client: &str, ca: &str, host: &str, scenario: &str) -> [u64; 7] {
    let perfctl = Perfctl::new()
        .file("scenarios/ca.pem", ca)
        .env("PERFCTL_CLIENT", client)
        .quick(host, scenario);
    let completed = perfctl
        .args(["-i", "3", "-u", "1", "--format", "json"])
        .run();
    let result = completed.result();
    assert_eq!(
        outcomes(&result),
        "ok 3",
        "{client}: {host}, {scenario}: {}",
        completed.stderr
    );
    let summary = &completed.json()["summary"];
    let times = ["dns_ms", "connect_ms", "tls_ms"].map(|name| &summary[name]["count"]);
    let counts = ["connections", "tls_handshakes", "tls_resumed", "reused"];
    let [connections, handshakes, resumed, reused] = counts.map(|name| &summary[name]);
    let [dns, connect, tls] = times;
    [dns, connect, tls, connections, handshakes, resumed, reused]
        .map(|number| number.as_u64().unwrap())
}

#[test]
fn both_clients_time_the_same_steps_of_connecting() {
    let authority = Authority::new();
    let pem = authority.pem();
    let plain = Recording::ok();
    let secure = TlsServer::start(
        &authority,
        Certificate::Good,
        Talk::Http1(std::time::Duration::ZERO),
    );
    let (proxy, secure_proxy) = (Proxy::start(None), Proxy::secure(None, &authority));
    let port = plain.addr().port();
    let by_address = plain.url();
    let by_name = format!("http://localhost:{port}");
    let led_to = |to: &str| {
        format!(
            "{{get: /}}\nconnect_to: {{'localhost:{port}': '127.0.0.1:{port}', 'shop.example.org:80': '{to}:{port}'}}"
        )
    };
    let (get, once) = ("{get: /}".to_owned(), "{get: /, keep_alive: false}");
    let through = |proxy: &Proxy| format!("{{get: /}}\nproxy: {{url: '{}'}}", proxy.url());
    let trusting = |keys: &str| format!("{keys}\ntls: {{ca_file: ca.pem}}");
    let by_tls = secure.url();
    let shop = "http://shop.example.org".to_owned();
    for (host, keys, expected) in [
        (&by_address, get.clone(), [0, 1, 0, 1, 0, 0, 2]),
        (&by_address, once.to_owned(), [0, 3, 0, 3, 0, 0, 0]),
        (&by_name, get.clone(), [1, 1, 0, 1, 0, 0, 2]),
        (&by_name, once.to_owned(), [3, 3, 0, 3, 0, 0, 0]),
        (&by_name, led_to("127.0.0.1"), [0, 1, 0, 1, 0, 0, 2]),
        (&shop, led_to("127.0.0.1"), [0, 1, 0, 1, 0, 0, 2]),
        (&shop, led_to("localhost"), [1, 1, 0, 1, 0, 0, 2]),
        (&by_tls, trusting(&get), [1, 1, 1, 1, 1, 0, 2]),
        (&by_tls, trusting(once), [3, 3, 3, 3, 3, 2, 0]),
        (
            &by_tls,
            format!("{once}\ntls: {{ca_file: ca.pem, resume: false}}"),
            [3, 3, 3, 3, 3, 0, 0],
        ),
        (&by_address, through(&proxy), [1, 1, 0, 1, 0, 0, 2]),
        (&by_tls, trusting(&through(&proxy)), [1, 1, 1, 1, 1, 0, 2]),
        (
            &by_address,
            trusting(&through(&secure_proxy)),
            [1, 1, 1, 1, 1, 0, 2],
        ),
        (
            &by_tls,
            trusting(&through(&secure_proxy)),
            [1, 1, 1, 1, 1, 0, 2],
        ),
    ] {
        for client in ["reqwest", "direct"] {
            let found = connected(client, &pem, host, &format!("- {keys}"));
            assert_eq!(found, expected, "{client}: {host}, {keys}");
        }
    }
}

fn compare(by: By) {
    let (by_reqwest, counted_by_reqwest) = play("reqwest", by);
    let (by_direct, counted_by_direct) = play("direct", by);
    let host = |seen: &[Seen]| {
        let host = seen[0].header("host").or(seen[0].header("authority"));
        host.unwrap().to_owned()
    };
    let (host_a, host_b) = (host(&by_reqwest), host(&by_direct));
    for (a, b) in by_reqwest.iter().zip(&by_direct) {
        let (mut a, mut b) = (comparable(a, &host_a), comparable(b, &host_b));
        if by == By::Http2 && a.0.starts_with("OPTIONS") {
            // hyper announces that there is no body, by HTTP/2 only.
            a.1.retain(|line| line != "content-length: 0");
        }
        for one in [&mut a, &mut b] {
            // Random for each run.
            one.1.retain(|line| !line.contains("cnonce"));
            if one.1.iter().any(|line| line.contains("multipart")) {
                one.1.retain(|line| !line.contains("multipart"));
                one.2.clear();
            }
        }
        assert_eq!(a, b);
    }
    assert_eq!(by_reqwest.len(), by_direct.len());
    assert!(STEPS.trim().lines().count() >= 60);
    for (a, b) in counted_by_reqwest.iter().zip(&counted_by_direct) {
        assert_eq!(a, b);
    }
    assert_eq!(counted_by_reqwest.len(), counted_by_direct.len());
}
