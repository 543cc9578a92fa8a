//! A plain server on 127.0.0.1 that keeps what it was sent, by HTTP/1.1 or HTTP/2.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::serving::{Counts, Serving};

/// How much of a body is kept; bytes.
const KEPT: usize = 1 << 20;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Such as `GET /a?b=1 HTTP/1.1`.
    pub line: String,
    /// `name: value` lines as they came.
    pub head: String,
    /// The beginning of the body, at most 1 MiB.
    pub body: Vec<u8>,
    /// The whole body; bytes.
    pub length: u64,
    /// The whole request; bytes.
    pub size: u64,
    /// Where it came from: one connection is one address.
    pub peer: SocketAddr,
}

impl Seen {
    /// Path and query.
    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    /// The value of a header, whose name is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The server. Dropping it stops it and cuts its connections.
pub struct Recording {
    serving: Serving,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Recording {
    /// Starts it; `answer` gets each request and its number from 0, and returns the whole answer. If
    /// that says `connection: close`, the connection is closed.
    pub fn start(answer: impl Fn(&Seen, usize) -> String + Send + Sync + 'static) -> Self {
        Self::start_raw(move |seen, number| answer(seen, number).into_bytes())
    }

    /// The same, whose answers need not be text.
    pub fn start_raw(answer: impl Fn(&Seen, usize) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        let answer = Arc::new(answer);
        let serving = Serving::start(1024, |listener, counts| async move {
            while let Ok((stream, peer)) = listener.accept().await {
                counts.connections.fetch_add(1, Relaxed);
                let (counts, kept, answer) = (counts.clone(), kept.clone(), answer.clone());
                tokio::spawn(async move {
                    let _ = serve(stream, peer, &counts, &kept, &*answer).await;
                });
            }
        });
        Self { serving, seen }
    }

    /// The same by HTTP/2 without TLS. What an answer has that HTTP/2 does not is left out; if it cannot be
    /// told by HTTP/2, the stream is reset.
    pub fn start_http2(answer: impl Fn(&Seen, usize) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        let answer = Arc::new(answer);
        let serving = Serving::start(1024, |listener, counts| async move {
            while let Ok((stream, peer)) = listener.accept().await {
                counts.connections.fetch_add(1, Relaxed);
                let (kept, answer) = (kept.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(stream).await?;
                    while let Some(request) = connection.accept().await {
                        let (request, reply) = request?;
                        let (kept, answer) = (kept.clone(), answer.clone());
                        tokio::spawn(async move {
                            let _ = serve_http2(request, reply, peer, &kept, &*answer).await;
                        });
                    }
                    Ok::<_, h2::Error>(())
                });
            }
        });
        Self { serving, seen }
    }

    /// One that answers everything with 200.
    pub fn ok() -> Self {
        Self::start(|_, _| ok(""))
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// `127.0.0.1:PORT`.
    pub fn addr(&self) -> SocketAddr {
        self.serving.addr()
    }

    /// Connections accepted.
    pub fn connections(&self) -> u64 {
        self.serving.connections()
    }

    /// All requests, in the order in which they came.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Path and query of all requests, in the order in which they came.
    pub fn paths(&self) -> Vec<String> {
        let seen = self.seen();
        seen.iter().map(|seen| seen.path().to_owned()).collect()
    }

    /// The only request.
    #[track_caller]
    pub fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.into_iter().next().unwrap()
    }
}

/// A 200 with this body.
pub fn ok(body: &str) -> String {
    answer("200 OK", "", body)
}

/// An answer with this status, these header lines (each with its end) and this body.
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

async fn serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    counts: &Counts,
    kept: &Mutex<Vec<Seen>>,
    answer: &(dyn Fn(&Seen, usize) -> Vec<u8> + Send + Sync),
) -> std::io::Result<()> {
    let mut received = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
        };
        let text = String::from_utf8_lossy(&received[..end]).into_owned();
        let (line, head) = text.split_once("\r\n").unwrap();
        let mut seen = Seen {
            line: line.to_owned(),
            head: head.trim_end_matches("\r\n").to_owned(),
            body: Vec::new(),
            length: 0,
            size: 0,
            peer,
        };
        received.drain(..end);
        seen.length = seen
            .header("content-length")
            .map_or(0, |n| n.parse().unwrap());
        seen.size = end as u64 + seen.length;
        let mut left = seen.length;
        while left > 0 {
            if received.is_empty() && stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
            let taken = received.len().min(usize::try_from(left).unwrap());
            let room = KEPT - seen.body.len();
            seen.body.extend_from_slice(&received[..taken.min(room)]);
            received.drain(..taken);
            left -= taken as u64;
        }
        counts.requests.fetch_add(1, Relaxed);
        let number = {
            let mut kept = kept.lock().unwrap();
            kept.push(seen.clone());
            kept.len() - 1
        };
        let answer = answer(&seen, number);
        stream.write_all(&answer).await?;
        let close = b"connection: close\r\n";
        if answer.windows(close.len()).any(|some| some == close) {
            return Ok(());
        }
    }
}

async fn serve_http2(
    request: http::Request<h2::RecvStream>,
    mut reply: SendResponse<Bytes>,
    peer: SocketAddr,
    kept: &Mutex<Vec<Seen>>,
    answer: &(dyn Fn(&Seen, usize) -> Vec<u8> + Send + Sync),
) -> Result<(), h2::Error> {
    let (head, mut incoming) = request.into_parts();
    let uri = &head.uri;
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let fields = head.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        format!("{name}: {value}\r\n")
    });
    let mut seen = Seen {
        line: format!("{} {target} {:?}", head.method, uri.scheme_str()),
        head: format!("authority: {authority}\r\n{}", fields.collect::<String>()),
        body: Vec::new(),
        length: 0,
        size: 0,
        peer,
    };
    while let Some(piece) = incoming.data().await {
        let piece = piece?;
        incoming.flow_control().release_capacity(piece.len())?;
        seen.length += piece.len() as u64;
        let room = KEPT - seen.body.len();
        seen.body.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    let number = {
        let mut kept = kept.lock().unwrap();
        kept.push(seen.clone());
        kept.len() - 1
    };
    let Some(response) = translated(&answer(&seen, number)) else {
        reply.send_reset(h2::Reason::INTERNAL_ERROR);
        return Ok(());
    };
    let (head, body) = response.into_parts();
    let is_empty = body.is_empty();
    let mut stream = reply.send_response(http::Response::from_parts(head, ()), is_empty)?;
    if !is_empty {
        stream.send_data(body, true)?;
    }
    Ok(())
}

/// An answer of HTTP/1.1 as one of HTTP/2; `None` where there is none.
fn translated(answer: &[u8]) -> Option<http::Response<Bytes>> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = (&answer[..end], &answer[end + 4..]);
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(|line| line.trim_ascii());
    let status = std::str::from_utf8(lines.next()?.split(|byte| *byte == b' ').nth(1)?).ok()?;
    let mut response = http::Response::builder().status(status);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(&line[..colon]).ok()?;
        let value = line[colon + 1..].trim_ascii();
        match name {
            "connection" | "transfer-encoding" => {}
            "content-length" if value != body.len().to_string().as_bytes() => {}
            _ => response = response.header(name, value),
        }
    }
    response.body(Bytes::copy_from_slice(body)).ok()
}
