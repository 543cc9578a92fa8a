//! The list of faults over plain HTTP and what is expected of each.

use std::io::Write;
use std::sync::LazyLock;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use perfctl::metrics::Outcome;

use crate::support::Fault;

/// A server with a fault, requests, and their expected results.
pub struct Case {
    /// The row of the torture table.
    pub row: u8,
    pub fault: Fault,
    /// The endpoint, as in a scenario.
    pub endpoint: &'static str,
    /// The outcome of each request, in order.
    pub outcomes: Vec<Outcome>,
    /// Requests and connections that the server counts.
    pub requests: u64,
    pub connections: u64,
    /// A part of the text of the last failure.
    pub says: &'static str,
}

fn case(row: u8, fault: Fault, endpoint: &'static str, outcome: Outcome) -> Case {
    Case {
        row,
        fault,
        endpoint,
        outcomes: vec![outcome],
        requests: 1,
        connections: 1,
        says: "",
    }
}

impl Case {
    /// The same outcome so many times, each a request that the server sees, over so many
    /// connections.
    fn times(mut self, times: usize, connections: u64) -> Self {
        self.outcomes = vec![self.outcomes[0]; times];
        self.requests = times as u64;
        self.connections = connections;
        self
    }

    fn seen(mut self, requests: u64, connections: u64) -> Self {
        (self.requests, self.connections) = (requests, connections);
        self
    }

    fn says(mut self, words: &'static str) -> Self {
        self.says = words;
        self
    }
}

fn raw(text: &str) -> Fault {
    Fault::Raw(text.as_bytes().to_vec())
}

fn raw_then_close(text: &str) -> Fault {
    Fault::RawThenClose(text.as_bytes().to_vec())
}

/// A response with this body, declared as gzip.
pub fn gzipped(body: &[u8]) -> Fault {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Fault::Raw([head.as_bytes(), body].concat())
}

/// About 130 kB that decode to 128 MiB; packed once, since each row of the table asks for it.
pub fn bomb() -> &'static [u8] {
    static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        for _ in 0..128 {
            encoder.write_all(&[0; 1 << 20]).unwrap();
        }
        encoder.finish().unwrap()
    });
    &BOMB
}

/// 200 with one header of this size.
pub fn large_header(bytes: usize) -> Fault {
    raw(&format!(
        "HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n",
        "x".repeat(bytes)
    ))
}

/// All of them.
pub fn cases() -> Vec<Case> {
    let get = "{get: /, timeout: 20s}";
    let post = "{post: /, body: abc, timeout: 20s}";
    let hasty = "{post: /, body: abc, timeout: 300ms}";
    let checked = "{get: /, check: {body_contains: hello}}";
    let mut many = String::from("HTTP/1.1 200 OK\r\n");
    for number in 0..10_000 {
        many += &format!("x-{number}: 1\r\n");
    }
    many += "content-length: 0\r\n\r\n";
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(b"oh, hello there").unwrap();
    let gzip = gzip.finish().unwrap();
    let mut corrupt = gzip.clone();
    corrupt[12] ^= 0xff;
    let chunked = |body: &str| {
        raw_then_close(&format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}"
        ))
    };
    vec![
        case(
            3,
            Fault::NeverAccept,
            "{get: /, connect_timeout: 200ms}",
            Outcome::TimeoutConnect,
        )
        .seen(0, 0)
        .says("no connection within 200ms"),
        case(5, Fault::ResetInHead, post, Outcome::Reset),
        case(5, Fault::ResetInBody, post, Outcome::Reset),
        case(6, Fault::CloseUnanswered, post, Outcome::ClosedEarly),
        case(7, Fault::KeepAlive(10), post, Outcome::Ok).times(35, 4),
        case(10, Fault::SlowHead, hasty, Outcome::TimeoutHeaders),
        case(11, Fault::EndlessBody, hasty, Outcome::TimeoutBody),
        case(
            12,
            Fault::BigBody(10_000_000_000),
            "{get: /, max_body: 20MB}",
            Outcome::BodyTooLarge,
        )
        .says("larger than 20.0 MB (`max_body`)"),
        case(12, Fault::BigBody(30_000_000), get, Outcome::Ok).times(2, 1),
        case(12, Fault::BigBody(30_000_000), checked, Outcome::BodyTooLarge)
            .says("cannot be checked"),
        case(13, gzipped(&gzip), checked, Outcome::Ok),
        case(13, gzipped(&corrupt), checked, Outcome::Decode).says("not valid gzip"),
        case(13, gzipped(&corrupt), get, Outcome::Ok),
        case(13, gzipped(bomb()), checked, Outcome::BodyTooLarge).says("decodes to more than"),
        case(13, gzipped(bomb()), get, Outcome::Ok),
        case(14, Fault::ShortBody, post, Outcome::BodyTruncated),
        case(14, chunked("5\r\nhel"), post, Outcome::BodyTruncated),
        case(15, Fault::ExtraBytes, post, Outcome::Ok).times(4, 4),
        case(16, Fault::Garbage, post, Outcome::Protocol),
        case(16, raw("HTTP/9.9 200 OK\r\n\r\n"), post, Outcome::Protocol),
        case(16, raw("HTTP/1.1 99999 OK\r\n\r\n"), post, Outcome::Protocol),
        case(16, raw("\x15\x03\x01\x00\x02\x02\x46\r\n\r\n"), post, Outcome::Protocol),
        case(16, chunked("zz\r\nhello\r\n0\r\n\r\n"), post, Outcome::Protocol),
        case(
            16,
            raw("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nhello"),
            post,
            Outcome::Protocol,
        ),
        case(
            16,
            raw("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            post,
            Outcome::Protocol,
        )
        .says("`content-length` and `transfer-encoding`"),
        case(17, large_header(1_000_000), post, Outcome::Protocol),
        case(17, raw(&many), post, Outcome::Protocol),
        case(
            18,
            Fault::Raw(b"HTTP/1.1 200 \xff\r\nx: \xff\xfe\r\ncontent-length: 2\r\n\r\n\xff\xfe".to_vec()),
            get,
            Outcome::Ok,
        )
        .times(2, 1),
        case(
            18,
            Fault::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xfe".to_vec()),
            checked,
            Outcome::CheckFailed,
        ),
        case(18, Fault::RedirectInvalid, post, Outcome::RedirectInvalid),
        case(19, Fault::Informational, post, Outcome::Ok).times(2, 1),
        case(19, Fault::Ok, "{head: /, timeout: 20s}", Outcome::Ok).times(2, 1),
        case(19, Fault::NoContent, post, Outcome::Ok).times(2, 1),
        case(19, Fault::NotModified, post, Outcome::Ok).times(2, 1),
        case(20, Fault::RedirectLoop, "{get: /, max_redirects: 3}", Outcome::RedirectLimit)
            .seen(4, 1),
        case(22, Fault::TooManyRequests, post, Outcome::Http4xx).times(2, 1),
        case(
            22,
            raw("HTTP/1.1 503 X\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n"),
            post,
            Outcome::Http5xx,
        )
        .times(2, 1),
    ]
}

/// Longer than any of them takes, and shorter than the `retry-after` among them.
pub const LONG: Duration = Duration::from_secs(60);
