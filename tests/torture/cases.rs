//! The list of faults over plain HTTP and what is expected of each.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use perfctl::metrics::Class;

use crate::support::Fault;

/// A server with a fault, requests, and what must come of them.
pub struct Case {
    /// The row of the torture table.
    pub row: u8,
    pub fault: Fault,
    /// The endpoint, as in a scenario.
    pub endpoint: &'static str,
    /// The class of each request, in order.
    pub classes: Vec<Class>,
    /// Requests and connections that the server counts.
    pub requests: u64,
    pub connections: u64,
    /// Words in the text of the last failure.
    pub says: &'static str,
}

fn case(row: u8, fault: Fault, endpoint: &'static str, class: Class) -> Case {
    Case {
        row,
        fault,
        endpoint,
        classes: vec![class],
        requests: 1,
        connections: 1,
        says: "",
    }
}

impl Case {
    /// The same class so many times, each a request that the server sees, over so many
    /// connections.
    fn times(mut self, times: usize, connections: u64) -> Self {
        self.classes = vec![self.classes[0]; times];
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

/// An answer with this body, said to be gzip.
pub fn gzipped(body: &[u8]) -> Fault {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Fault::Raw([head.as_bytes(), body].concat())
}

/// About 130 kB that decode to 128 MiB.
pub fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..128 {
        encoder.write_all(&[0; 1 << 20]).unwrap();
    }
    encoder.finish().unwrap()
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
            Class::TimeoutConnect,
        )
        .seen(0, 0)
        .says("no connection within 200ms"),
        case(5, Fault::ResetInHead, post, Class::Reset),
        case(5, Fault::ResetInBody, post, Class::Reset),
        case(6, Fault::CloseUnanswered, post, Class::ClosedEarly),
        case(7, Fault::KeepAlive(10), post, Class::Ok).times(35, 4),
        case(10, Fault::SlowHead, hasty, Class::TimeoutHeaders),
        case(11, Fault::EndlessBody, hasty, Class::TimeoutBody),
        case(
            12,
            Fault::BigBody(10_000_000_000),
            "{get: /, max_body: 20MB}",
            Class::BodyTooLarge,
        )
        .says("larger than 20.0 MB (`max_body`)"),
        case(12, Fault::BigBody(30_000_000), get, Class::Ok).times(2, 1),
        case(12, Fault::BigBody(30_000_000), checked, Class::BodyTooLarge)
            .says("cannot be checked"),
        case(13, gzipped(&gzip), checked, Class::Ok),
        case(13, gzipped(&corrupt), checked, Class::Decode).says("not valid gzip"),
        case(13, gzipped(&corrupt), get, Class::Ok),
        case(13, gzipped(&bomb()), checked, Class::BodyTooLarge).says("decodes to more than"),
        case(13, gzipped(&bomb()), get, Class::Ok),
        case(14, Fault::ShortBody, post, Class::BodyTruncated),
        case(14, chunked("5\r\nhel"), post, Class::BodyTruncated),
        case(15, Fault::ExtraBytes, post, Class::Ok).times(4, 4),
        case(16, Fault::Garbage, post, Class::Protocol),
        case(16, raw("HTTP/9.9 200 OK\r\n\r\n"), post, Class::Protocol),
        case(16, raw("HTTP/1.1 99999 OK\r\n\r\n"), post, Class::Protocol),
        case(16, raw("\x15\x03\x01\x00\x02\x02\x46\r\n\r\n"), post, Class::Protocol),
        case(16, chunked("zz\r\nhello\r\n0\r\n\r\n"), post, Class::Protocol),
        case(
            16,
            raw("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nhello"),
            post,
            Class::Protocol,
        ),
        case(
            16,
            raw("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            post,
            Class::Protocol,
        )
        .says("`content-length` and `transfer-encoding`"),
        case(17, large_header(1_000_000), post, Class::Protocol),
        case(17, raw(&many), post, Class::Protocol),
        case(
            18,
            Fault::Raw(b"HTTP/1.1 200 \xff\r\nx: \xff\xfe\r\ncontent-length: 2\r\n\r\n\xff\xfe".to_vec()),
            get,
            Class::Ok,
        )
        .times(2, 1),
        case(
            18,
            Fault::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xfe".to_vec()),
            checked,
            Class::CheckFailed,
        ),
        case(18, Fault::RedirectInvalid, post, Class::RedirectInvalid),
        case(19, Fault::Informational, post, Class::Ok).times(2, 1),
        case(19, Fault::Ok, "{head: /, timeout: 20s}", Class::Ok).times(2, 1),
        case(19, Fault::NoContent, post, Class::Ok).times(2, 1),
        case(19, Fault::NotModified, post, Class::Ok).times(2, 1),
        case(20, Fault::RedirectLoop, "{get: /, max_redirects: 3}", Class::RedirectLimit)
            .seen(4, 1),
        case(22, Fault::TooManyRequests, post, Class::Http4xx).times(2, 1),
        case(
            22,
            raw("HTTP/1.1 503 X\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n"),
            post,
            Class::Http5xx,
        )
        .times(2, 1),
    ]
}

/// Longer than any of them takes, and shorter than the `retry-after` among them.
pub const LONG: Duration = Duration::from_secs(60);
