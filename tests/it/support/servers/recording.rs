//! A plain HTTP/1.1 server on 127.0.0.1 that keeps what it was sent.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

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
