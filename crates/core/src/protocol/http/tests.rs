//! All clients against servers that send scripted bytes, on 127.0.0.1.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{ConnectOptions, DirectClient, ReqwestClient};
use crate::metrics::Outcome;
use crate::plan::fixture::{load, plan};
use crate::plan::{Check, ClientChoice, Endpoint, Method, Model, Plan, Template};
use crate::protocol::{Client, Request, Response, Session};

/// Responds to each request by `script(number of the request from 0, its head)`; an empty response
/// closes the connection.
struct Server {
    address: String,
    requests: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
    bytes_in: Arc<AtomicU64>,
}

impl Server {
    fn start(script: impl Fn(u64, &str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap().to_string(),
            requests: Arc::default(),
            connections: Arc::default(),
            bytes_in: Arc::default(),
        };
        let (requests, connections, bytes) = (
            server.requests.clone(),
            server.connections.clone(),
            server.bytes_in.clone(),
        );
        let script = Arc::new(script);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (requests, bytes, script) = (requests.clone(), bytes.clone(), script.clone());
                std::thread::spawn(move || serve(stream, &requests, &bytes, &*script));
            }
        });
        server
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

fn serve(
    mut stream: TcpStream,
    requests: &AtomicU64,
    bytes: &AtomicU64,
    script: &dyn Fn(u64, &str) -> Vec<u8>,
) {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        bytes.fetch_add(read as u64, Ordering::SeqCst);
        seen.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let announced = head.split("content-length: ").nth(1).map_or(0, |rest| {
            rest.split("\r\n").next().unwrap().parse().unwrap()
        });
        if body.len() < announced {
            continue;
        }
        let response = script(requests.fetch_add(1, Ordering::SeqCst), head);
        if response.is_empty() || stream.write_all(&response).is_err() {
            return;
        }
        if response.ends_with(b"<close>") {
            return;
        }
        if response.ends_with(b"<reset>") {
            // Lingering for no time sends a RST instead of a FIN, once the response has been read.
            std::thread::sleep(Duration::from_millis(50));
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
            return;
        }
        seen.clear();
    }
}

fn endpoint(method: Method, url: &str) -> Endpoint {
    let mut endpoint = plan(load(Model::Closed, &[(1.0, 0.0, 1.0)]), &[1])
        .endpoints
        .remove(0);
    endpoint.method = method;
    endpoint.url = Template::literal(url);
    // Longer than any machine is busy with other things.
    endpoint.timeout = Duration::from_secs(20);
    endpoint
}

/// Sends the endpoint's request `times` times in one session, and returns the last response.
async fn send(client: ClientChoice, base: &str, endpoint: Endpoint, times: usize) -> Response {
    let mut plan = plan(load(Model::Closed, &[(1.0, 0.0, 1.0)]), &[1]);
    plan.endpoints = vec![endpoint];
    send_by(client, base, &plan, times).await
}

/// The same for the first endpoint of a plan.
async fn send_by(client: ClientChoice, base: &str, plan: &Plan, times: usize) -> Response {
    let connect = ConnectOptions::new(plan, base).unwrap();
    match client {
        ClientChoice::Reqwest => {
            let client = ReqwestClient::new(plan, base, connect).unwrap();
            execute(client.session(), plan, times).await
        }
        ClientChoice::Direct => {
            let client = DirectClient::new(plan, base, connect).unwrap();
            execute(client.session(), plan, times).await
        }
    }
}

async fn execute(mut session: impl Session, plan: &Plan, times: usize) -> Response {
    let mut response = Response::default();
    for _ in 0..times {
        let request = Request {
            index: 0,
            endpoint: &plan.endpoints[0],
            rendered: None,
            trace: None,
        };
        response = Response::default();
        session.execute(&request, &mut response).await;
    }
    response
}

fn outcome(response: &Response) -> Option<Outcome> {
    response.failure.as_ref().map(|failure| failure.outcome)
}

fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn bytes_and_connections_are_those_on_the_wire(client: ClientChoice) {
    let hello = ok("hello");
    let length = hello.len() as u64;
    let server = Server::start(move |_, _| hello.clone());
    let mut endpoint = endpoint(Method::Post, "/x?y=1");
    endpoint.body = crate::plan::Body::Template(Template::literal("some text"));
    let response = send(client, &server.url(), endpoint, 3).await;
    assert_eq!(response.failure, None);
    assert_eq!(response.bytes_in, length);
    assert_eq!(
        response.bytes_out * 3,
        server.bytes_in.load(Ordering::SeqCst)
    );
    assert_eq!(
        response.connections, 0,
        "the first request opened the only one"
    );
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    assert!(response.body.is_empty(), "no check asked for it");
}

async fn a_checked_body_is_kept(client: ClientChoice) {
    let server = Server::start(|_, _| ok("hello"));
    let mut endpoint = endpoint(Method::Get, "/");
    endpoint.checks = vec![Check::BodyContains("ell".into())];
    assert_eq!(send(client, &server.url(), endpoint, 1).await.body, "hello");
}

async fn failures_have_the_outcome_of_their_cause(client: ClientChoice) {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let response = send(
        client,
        &format!("http://{closed}"),
        endpoint(Method::Get, "/"),
        1,
    )
    .await;
    assert_eq!(outcome(&response), Some(Outcome::ConnectRefused));

    let response = send(
        client,
        "http://nothing.invalid",
        endpoint(Method::Get, "/"),
        1,
    )
    .await;
    assert_eq!(outcome(&response), Some(Outcome::Dns));
    assert!(response.failure.unwrap().text.contains("nothing.invalid"));

    type Script = fn(u64, &str) -> Vec<u8>;
    let cases: [(Outcome, Script); 8] = [
        (Outcome::Reset, |_, _| {
            b"HTTP/1.1 200 OK\r\nx: <reset>".to_vec()
        }),
        (Outcome::Reset, |_, _| {
            b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n<reset>".to_vec()
        }),
        (Outcome::ClosedEarly, |_, _| Vec::new()),
        (Outcome::ClosedEarly, |_, _| {
            b"HTTP/1.1 200 OK\r\nx: <close>".to_vec()
        }),
        (Outcome::Protocol, |_, _| b"what is this?\r\n\r\n".to_vec()),
        (Outcome::BodyTruncated, |_, _| {
            b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n<close>".to_vec()
        }),
        (Outcome::TimeoutHeaders, |_, _| {
            b"HTTP/1.1 200 OK\r\n".to_vec()
        }),
        (Outcome::TimeoutBody, |_, _| {
            b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nx".to_vec()
        }),
    ];
    for (wanted, script) in cases {
        let server = Server::start(script);
        let mut endpoint = endpoint(Method::Post, "/");
        if matches!(wanted, Outcome::TimeoutHeaders | Outcome::TimeoutBody) {
            endpoint.timeout = Duration::from_secs(1);
        }
        let response = send(client, &server.url(), endpoint, 1).await;
        assert_eq!(outcome(&response), Some(wanted), "{:?}", response.failure);
        assert_eq!(server.requests(), 1, "{wanted:?}: nothing is sent twice");
        assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    }
}

async fn a_plain_server_on_a_tls_port_is_a_tls_failure(client: ClientChoice) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        let _ = stream.read(&mut [0; 1024]);
    });
    let response = send(client, &url, endpoint(Method::Get, "/"), 1).await;
    assert_eq!(
        outcome(&response),
        Some(Outcome::Tls),
        "{:?}",
        response.failure
    );
}

async fn a_tls_handshake_that_stalls_has_an_outcome_of_its_own(client: ClientChoice) {
    let server = Server::start(|_, _| ok(""));
    let url = format!("https://{}", server.address);
    let mut endpoint = endpoint(Method::Get, "/");
    endpoint.timeout = Duration::from_secs(1);
    let response = send(client, &url, endpoint, 1).await;
    assert_eq!(
        outcome(&response),
        Some(Outcome::TimeoutTls),
        "{:?}",
        response.failure
    );
    assert_eq!(server.requests(), 0);
}

fn redirect(status: u16, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

async fn redirects_are_followed_and_counted(client: ClientChoice) {
    let server = Server::start(|number, head| match number {
        0 => redirect(302, "/next?a=1"),
        1 => redirect(307, "last"),
        _ if head.starts_with("GET /last ") => ok("there"),
        _ => Vec::new(),
    });
    let response = send(client, &server.url(), endpoint(Method::Post, "/"), 1).await;
    assert_eq!((response.status, response.failure), (Some(200), None));
    assert_eq!((response.redirects, server.requests()), (2, 3));
}

async fn a_failure_without_a_response_is_of_no_address(client: ClientChoice) {
    let cut = || b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n<close>".to_vec();
    for (hops, has_address) in [
        (vec![Vec::new()], false),
        (vec![redirect(302, "/next"), Vec::new()], false),
        (vec![cut()], true),
        (vec![redirect(302, "/next"), cut()], true),
    ] {
        let what = format!("{} hops, {has_address}", hops.len());
        let server = Server::start(move |number, _| hops[number as usize].clone());
        let response = send(client, &server.url(), endpoint(Method::Get, "/"), 1).await;
        assert!(response.failure.is_some(), "{what}");
        let address = response.remote.map(|remote| remote.to_string());
        let wanted = has_address.then(|| server.address.clone());
        assert_eq!(address, wanted, "{what}");
    }
}

async fn a_redirect_that_leads_nowhere_has_its_outcome(client: ClientChoice) {
    let server = Server::start(|_, _| redirect(302, "/again"));
    let mut looping = endpoint(Method::Get, "/");
    looping.max_redirects = 4;
    let response = send(client, &server.url(), looping, 1).await;
    assert_eq!(outcome(&response), Some(Outcome::RedirectLimit));
    assert_eq!((response.redirects, server.requests()), (4, 5));

    let mut unfollowed = endpoint(Method::Get, "/");
    unfollowed.max_redirects = 0;
    let response = send(client, &server.url(), unfollowed, 1).await;
    assert_eq!((response.status, response.failure), (Some(302), None));

    for location in ["http://", "ftp://127.0.0.1/", "\u{e9}"] {
        let raw: Vec<u8> = match location {
            "\u{e9}" => {
                b"HTTP/1.1 302 X\r\nlocation: \xff\xfe\r\ncontent-length: 0\r\n\r\n".to_vec()
            }
            text => redirect(302, text),
        };
        let server = Server::start(move |_, _| raw.clone());
        let response = send(client, &server.url(), endpoint(Method::Get, "/"), 1).await;
        assert_eq!(
            outcome(&response),
            Some(Outcome::RedirectInvalid),
            "{location}"
        );
    }
}

async fn a_redirect_to_a_host_the_scenario_does_not_name_is_not_followed(client: ClientChoice) {
    let other = Server::start(|_, _| ok(""));
    let target = other.url();
    let server = Server::start(move |_, _| redirect(307, &target));
    let response = send(client, &server.url(), endpoint(Method::Get, "/"), 1).await;
    assert_eq!(outcome(&response), Some(Outcome::RedirectBlocked));
    assert_eq!(other.requests(), 0);
    assert_eq!(other.connections.load(Ordering::SeqCst), 0);
}

async fn credentials_stay_with_the_host_they_were_written_for(client: ClientChoice) {
    let other = Server::start(|_, head| match head.contains("authorization") {
        true => Vec::new(),
        false => ok(""),
    });
    let target = other.url();
    let server = Server::start(move |_, _| redirect(307, &target));
    let mut plan = plan(load(Model::Closed, &[(1.0, 0.0, 1.0)]), &[1]);
    plan.allowed_hosts.insert(other.address.clone());
    let mut endpoint = endpoint(Method::Get, "/");
    endpoint.headers = vec![crate::plan::Header {
        name: "authorization".into(),
        value: Template::literal("Bearer s3cret"),
    }];
    plan.endpoints = vec![endpoint];
    let response = send_by(client, &server.url(), &plan, 1).await;
    assert_eq!((response.status, response.failure), (Some(200), None));
    assert_eq!(other.requests(), 1);
}

async fn a_server_that_does_not_accept_is_a_connect_timeout(client: ClientChoice) {
    // A full accept queue: no further handshake is completed. Linux takes backlog + 1.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let _queued: Vec<_> = (0..2)
        .map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(50)))
        .collect();
    let mut endpoint = endpoint(Method::Get, "/");
    endpoint.connect_timeout = Duration::from_millis(150);
    let response = send(client, &format!("http://{address}"), endpoint, 1).await;
    assert_eq!(
        outcome(&response),
        Some(Outcome::TimeoutConnect),
        "{:?}",
        response.failure
    );
}

/// A server that reads no more than the head of a large request, responds, and waits.
async fn an_early_response_to_a_large_request_is_taken(client: ClientChoice) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (done, until_done) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let refusal = b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(refusal).unwrap();
            // Kept open, so that no reset takes the response away.
            std::mem::forget(stream);
        }
        let _ = until_done.recv();
    });
    let mut endpoint = endpoint(Method::Post, "/");
    // More than all buffers between take in.
    endpoint.body = crate::plan::Body::Template(Template::literal("x".repeat(20_000_000)));
    let response = send(client, &url, endpoint, 2).await;
    assert_eq!((response.status, response.failure), (Some(413), None));
    assert_eq!(
        (response.connections, response.reused),
        (1, 0),
        "not used again"
    );
    drop(done);
}

async fn a_large_body_that_nobody_keeps_is_counted_to_its_end(client: ClientChoice) {
    const LENGTH: usize = 1_000_000;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n");
    let endless = "HTTP/1.0 200 OK\r\n\r\n";
    let with = |head: &str, length: usize| [head.as_bytes(), &vec![b'x'; length]].concat();
    let closing = |bytes: Vec<u8>| [&bytes[..], b"<close>"].concat();
    // What is sent, its status and outcome, the bytes of its body and of all, and the connections of three requests.
    let whole = (head.len() + LENGTH) as u64;
    let (truncated, cut) = (Outcome::BodyTruncated, (head.len() + 900_007) as u64);
    let refusal = head.replace("200 OK", "500 Internal Server Error");
    let refused = (refusal.len() + LENGTH) as u64;
    for (sent, status, expected, body, all, connections) in [
        (with(&head, LENGTH), 200, None, LENGTH, whole, 1),
        (with(&head, LENGTH + 7), 200, None, LENGTH, whole, 3),
        (with(&refusal, LENGTH), 500, None, LENGTH, refused, 1),
        (
            closing(with(endless, LENGTH - 7)),
            200,
            None,
            LENGTH,
            (endless.len() + LENGTH) as u64,
            3,
        ),
        (
            closing(with(&head, 900_000)),
            200,
            Some(truncated),
            0,
            cut,
            3,
        ),
    ] {
        let what = format!("{status}, {expected:?}, {connections} connections");
        let server = Server::start(move |_, _| sent.clone());
        let response = send(client, &server.url(), endpoint(Method::Get, "/"), 3).await;
        assert_eq!(outcome(&response), expected, "{what}");
        assert_eq!(response.status, Some(status), "{what}");
        assert_eq!(response.body_bytes, body as u64, "{what}");
        assert_eq!(response.bytes_in, all, "{what}");
        assert_eq!(
            server.connections.load(Ordering::SeqCst),
            connections,
            "{what}"
        );
        // Of what is not expected, the beginning is kept for people.
        let kept = if status == 500 { 4 << 10 } else { 0 };
        assert_eq!(response.body.len(), kept, "{what}");
    }
    let sent = with(&head, LENGTH);
    let server = Server::start(move |_, _| sent.clone());
    let mut endpoint = endpoint(Method::Get, "/");
    endpoint.max_body = LENGTH as u64;
    let response = send(client, &server.url(), endpoint.clone(), 1).await;
    assert_eq!(outcome(&response), None);
    endpoint.max_body -= 1;
    let response = send(client, &server.url(), endpoint, 1).await;
    assert_eq!(outcome(&response), Some(Outcome::BodyTooLarge));
}

/// Makes a test of each of these for each client.
macro_rules! for_each_client {
    ($($name:ident)*) => {
        mod reqwest {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::ClientChoice::Reqwest).await;
            })*
        }
        mod direct {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::ClientChoice::Direct).await;
            })*
        }
    };
}

for_each_client! {
    bytes_and_connections_are_those_on_the_wire
    a_checked_body_is_kept
    a_large_body_that_nobody_keeps_is_counted_to_its_end
    failures_have_the_outcome_of_their_cause
    a_plain_server_on_a_tls_port_is_a_tls_failure
    a_tls_handshake_that_stalls_has_an_outcome_of_its_own
    a_failure_without_a_response_is_of_no_address
    redirects_are_followed_and_counted
    a_redirect_that_leads_nowhere_has_its_outcome
    a_redirect_to_a_host_the_scenario_does_not_name_is_not_followed
    credentials_stay_with_the_host_they_were_written_for
    a_server_that_does_not_accept_is_a_connect_timeout
    an_early_response_to_a_large_request_is_taken
}
