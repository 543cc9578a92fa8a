//! Head, body and cache together: a response is the same however it is split into reads.

use std::io::{Read as _, Write as _};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::resources::DirectResources;
use super::response::IncomingResponse;
use super::response::head::{HeadOptions, MAX_HEAD};
use super::response::head_cache::HeadCache;
use super::{DirectClient, DirectTransport};
use crate::metrics::{HttpVersion, Outcome};
use crate::plan::Model;
use crate::plan::fixture::{load, plan};
use crate::protocol::http::ConnectOptions;
use crate::protocol::http::request::outgoing::Outgoing;
use crate::protocol::http::transport::{RequestLimits, Transport};
use crate::protocol::{Client, Request, Response, Session};

const OPTIONS: HeadOptions = HeadOptions {
    is_bodyless: false,
    all_fields: true,
};

fn limits() -> RequestLimits<'static> {
    let second = Duration::from_secs(1);
    RequestLimits::within(second, second, 1 << 20)
}

/// What was read of a response.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    is_complete: bool,
    failure: Option<Outcome>,
    status: Option<u16>,
    fields: Vec<(String, Vec<u8>)>,
    body: Bytes,
    body_bytes: u64,
    bytes_in: u64,
    is_kept_alive: bool,
}

/// Reads a response that comes in these pieces, and then ends. Whether its head is cached makes no
/// difference.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, options: HeadOptions) -> Read {
    let pieces: Vec<&[u8]> = pieces.into_iter().collect();
    let mut cache = HeadCache::default();
    for all_fields in [false, true] {
        let options = HeadOptions {
            all_fields,
            ..options
        };
        let first = read_with(&mut cache, &pieces, options, &limits());
        let again = read_with(&mut cache, &pieces, options, &limits());
        assert_eq!(first, again);
        // Nor does it make one whether a body that nobody keeps is looked at.
        let mut limits = limits();
        limits.keep_body = false;
        let counted = read_with(&mut cache, &pieces, options, &limits);
        let uncounted = Read {
            body: Bytes::new(),
            ..first
        };
        assert_eq!(counted, uncounted);
    }
    read_with(&mut cache, &pieces, options, &limits())
}

fn read_with(
    cache: &mut HeadCache,
    pieces: &[&[u8]],
    options: HeadOptions,
    limits: &RequestLimits<'_>,
) -> Read {
    let (mut response, mut incoming) = (Response::default(), IncomingResponse::new(options));
    let mut failure = None;
    let mut has_surplus = false;
    for piece in pieces {
        // As after a read: nothing more is read of a complete response.
        if incoming.is_complete() {
            has_surplus |= !piece.is_empty();
            continue;
        }
        let came = match incoming.is_counted() {
            true => incoming.count(piece.len(), limits, &mut response),
            false => incoming.feed(piece, cache, limits, &mut response),
        };
        if let Err(why) = came {
            failure = Some(why);
            break;
        }
    }
    let is_kept_alive = incoming.is_complete() && incoming.is_kept_alive() && !has_surplus;
    if failure.is_none() && !incoming.is_complete() {
        failure = incoming.close(&mut response).err();
    }
    let fields = response.headers.iter();
    let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_owned())
    };
    Read {
        is_complete: incoming.is_complete(),
        // Of a failure, only the outcome is the same: how much was received differs.
        bytes_in: match failure {
            None => response.bytes_in,
            Some(_) => 0,
        },
        failure: failure.map(|failure| failure.outcome),
        status: response.status,
        fields: fields.map(field).collect(),
        body: response.body,
        body_bytes: response.body_bytes,
        is_kept_alive,
    }
}

fn read_at_once(text: &str) -> Read {
    read([text.as_bytes()], OPTIONS)
}

#[test]
fn a_response_is_read_as_its_head_describes_it() {
    let text = "HTTP/1.1 200 \r\nA: 1\r\na: 2\r\nContent-Length: 5\r\n\r\nhello";
    let response = read_at_once(text);
    assert_eq!(
        (response.status, &response.body[..]),
        (Some(200), &b"hello"[..])
    );
    assert_eq!(
        (response.bytes_in, response.body_bytes),
        (text.len() as u64, 5)
    );
    assert!(response.is_kept_alive);
    let names: Vec<_> = response
        .fields
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["a", "a", "content-length"]);
}

#[test]
fn a_connection_is_kept_only_where_both_sides_know_where_the_response_ended() {
    let cases = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", true),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: x, Close\r\n\r\n",
            false,
        ),
        ("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", false),
        (
            "HTTP/1.0 200 OK\r\ncontent-length: 0\r\nConnection: Keep-Alive\r\n\r\n",
            true,
        ),
        ("HTTP/1.1 200 OK\r\n\r\n", false),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, x\r\n\r\n",
            false,
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0, 0\r\n\r\n?", false),
        ("HTTP/1.1 101 Other\r\n\r\n", false),
        ("HTTP/1.1 204 No\r\ncontent-length: 9\r\n\r\n", true),
        (
            "HTTP/1.1 100 Go\r\nset-cookie: a=b\r\n\r\nHTTP/1.1 304 No\r\n\r\n",
            true,
        ),
    ];
    for (text, kept) in cases {
        let response = read_at_once(text);
        assert_eq!(
            (response.failure, response.is_kept_alive),
            (None, kept),
            "{text}"
        );
        assert!(!response.fields.iter().any(|(name, _)| name == "set-cookie"));
    }
}

#[test]
fn a_response_to_head_has_no_body_whatever_its_head_says() {
    let options = HeadOptions {
        is_bodyless: true,
        all_fields: false,
    };
    let response = read(
        [&b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\nx: y\r\n\r\n"[..]],
        options,
    );
    assert!(response.is_complete && response.is_kept_alive);
    assert_eq!((response.fields, response.body_bytes), (vec![], 0));
}

#[test]
fn only_the_fields_that_perfctl_uses_are_kept_unless_more_are_needed() {
    let options = HeadOptions {
        all_fields: false,
        ..OPTIONS
    };
    let head = |status| {
        format!(
            "HTTP/1.1 {status} X\r\nX: 1\r\nSet-Cookie: a\r\nServer-Timing: b\r\nLocation: c\r\n\
             WWW-Authenticate: d\r\ncontent-length: 0\r\n\r\n"
        )
    };
    for (status, expected) in [
        (200, &["set-cookie", "server-timing"][..]),
        (302, &["set-cookie", "server-timing", "location"]),
        (401, &["set-cookie", "server-timing", "www-authenticate"]),
    ] {
        let response = read([head(status).as_bytes()], options);
        let names: Vec<_> = response
            .fields
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, expected);
    }
}

#[test]
fn the_failure_of_what_is_not_http_quotes_its_first_bytes() {
    let (limits, mut response) = (limits(), Response::default());
    let noise = format!("SSH-2.0-OpenSSH_9.2\r\n{}", "x".repeat(100));
    let failure = IncomingResponse::new(OPTIONS).feed(
        noise.as_bytes(),
        &mut HeadCache::default(),
        &limits,
        &mut response,
    );
    let failure = failure.unwrap_err();
    assert_eq!(failure.outcome, Outcome::Protocol);
    let shown = "starts with `SSH-2.0-OpenSSH_9.2\r\nxxx";
    assert!(failure.text.contains(shown), "{}", failure.text);
    assert!(failure.text.len() < 160, "{}", failure.text);
}

#[test]
fn a_head_may_be_long_but_not_endless_and_is_not_parsed_again_at_each_byte() {
    let fits = format!(
        "HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n",
        "x".repeat(200_000)
    );
    assert_eq!(read(fits.as_bytes().chunks(1), OPTIONS).failure, None);
    let long = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(MAX_HEAD));
    for size in [1, 1_000, long.len()] {
        let response = read(long.as_bytes().chunks(size), OPTIONS);
        assert_eq!(response.failure, Some(Outcome::Protocol));
    }
    let many = "HTTP/1.1 200 OK\r\n".to_owned() + &"x: y\r\n".repeat(101) + "\r\n";
    assert_eq!(read_at_once(&many).failure, Some(Outcome::Protocol));
}

#[test]
fn versions_are_told_apart() {
    for (text, version) in [("1.0", HttpVersion::Http10), ("1.1", HttpVersion::Http11)] {
        let mut response = Response::default();
        let text = format!("HTTP/{text} 200 OK\r\ncontent-length: 0\r\n\r\n");
        let fed = IncomingResponse::new(OPTIONS).feed(
            text.as_bytes(),
            &mut HeadCache::default(),
            &limits(),
            &mut response,
        );
        assert_eq!((fed, response.version), (Ok(true), Some(version)));
    }
}

/// Pieces of responses, valid and invalid, and anything.
fn any_response() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => prop::sample::select(vec![
            "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.0 200 OK\r\n", "HTTP/1.1 200 OK\r\n",
            "content-length: 5\r\n", "content-length: 70\r\n", "transfer-encoding: chunked\r\n",
            "connection: close\r\n", "set-cookie: a=b\r\n", "x: y\r\n", "\r\n",
            "5\r\nhello\r\n", "a;b=c\r\n0123456789\r\n", "0\r\n\r\n", "0\r\nx: y\r\n\r\n", "hello",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    let start = prop::sample::select(vec![
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    ]);
    let pieces = prop::collection::vec(piece, 0..10);
    (start, pieces).prop_map(|(start, pieces)| [start.as_bytes(), &pieces.concat()].concat())
}

proptest! {
    #[test]
    fn any_split_of_a_response_into_reads_is_the_same_response(
        bytes in any_response(),
        cuts in prop::collection::vec(0..200_usize, 0..6),
    ) {
        let at_once = read([&bytes[..]], OPTIONS);
        prop_assert_eq!(&at_once, &read(bytes.chunks(1), OPTIONS));
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]);
        prop_assert_eq!(&at_once, &read(pieces.filter(|piece| !piece.is_empty()), OPTIONS));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for size in [1, 7, 300] {
            read(bytes.chunks(size), OPTIONS);
        }
        let chunks = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", &bytes[..]].concat();
        read([&chunks[..]], OPTIONS);
    }
}

/// On Linux the kernel throws it away. Elsewhere it is read.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_body_that_nobody_keeps_is_not_copied() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0]).unwrap();
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
        let response = [&head[..], &[b'x'; 1_000_000]].concat();
        stream.write_all(&response).unwrap();
        stream
    });
    let plan = plan(load(Model::Closed, &[(1.0, 0.0, 1.0)]), &[1]);
    let tls = ConnectOptions::new(&plan, &url).unwrap().tls;
    let resources = Rc::new(DirectResources::new(&plan, tls).unwrap());
    let transport = DirectTransport::open(&resources, &[], None);
    let outgoing = Outgoing::new(http::Method::GET, url.parse().unwrap());
    let mut response = Response::default();
    let limits = RequestLimits::of(&plan.endpoints[0]);
    let exchange = transport.exchange(outgoing, &limits, &mut response).await;
    assert_eq!(exchange.map(|status| status.as_u16()), Ok(200));
    assert_eq!(response.body_bytes, 1_000_000);
    let buffer = resources.read_buffer.borrow();
    let copied = buffer.iter().filter(|byte| **byte == b'x').count();
    assert!(copied <= 16 << 10, "{copied}");
    drop(server.join().unwrap());
}

#[tokio::test]
async fn an_idle_user_takes_little_memory() {
    let plan = plan(load(Model::Closed, &[(1.0, 0.0, 1.0)]), &[1]);
    let base = "http://127.0.0.1:1";
    let client = DirectClient::new(&plan, base, ConnectOptions::new(&plan, base).unwrap());
    let mut session = client.unwrap().session();
    let request = Request {
        index: 0,
        endpoint: &plan.endpoints[0],
        rendered: None,
        trace: None,
    };
    // Everything but the socket, its timer and what the engine keeps.
    assert!(size_of_val(&session) <= 256, "{}", size_of_val(&session));
    let exchange = size_of_val(&session.execute(&request, &mut Response::default()));
    assert!(exchange <= 1_200, "{exchange}");
}
