//! A TCP server on 127.0.0.1 with one fault, which counts its connections and requests.

use std::net::{Ipv4Addr, SocketAddr, TcpStream as StdStream};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::serving::{Counts, Serving};

/// What is read of a body at once; bytes.
const PIECE: usize = 64 * 1024;

/// What is wrong with the server. Unless it says otherwise, a request is read whole first.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing: 200 with the body `ok`, connections kept alive; HEAD gets no body.
    Ok,
    /// Never accepts, and its queue is full: no connection can be made.
    NeverAccept,
    /// Reads and never answers.
    Hang,
    /// Resets the connection within the head of its answer.
    ResetInHead,
    /// Resets the connection within the body, after 5 of 100 bytes.
    ResetInBody,
    /// Closes the connection instead of answering.
    CloseUnanswered,
    /// Answers, and closes the connection when it was idle for so long, without announcing it.
    CloseIdle(Duration),
    /// Answers the first request of each connection; reads the second and closes it unanswered.
    CloseSecond,
    /// Answers so many requests on each connection, announces with the last one that it closes it,
    /// and does.
    KeepAlive(u32),
    /// Sends its head at one byte per second.
    SlowHead,
    /// Sends chunks of 1 kB without end.
    EndlessBody,
    /// Announces a body of so many bytes and sends it as fast as it is taken.
    BigBody(u64),
    /// Announces 100 bytes, sends 5 and closes the connection.
    ShortBody,
    /// Sends 25 bytes more than it announced, which look like another answer.
    ExtraBytes,
    /// Answers with something that is not HTTP.
    Garbage,
    /// Answers with these bytes, and keeps the connection open.
    Raw(Vec<u8>),
    /// Answers with these bytes and closes the connection.
    RawThenClose(Vec<u8>),
    /// Redirects to the same path again and again.
    RedirectLoop,
    /// Redirects (302) to this URL.
    RedirectTo(String),
    /// Redirects with a `Location` that is neither UTF-8 nor a URL.
    RedirectInvalid,
    /// Sends 100 and 103 before its 200.
    Informational,
    /// Answers 204 with the header `content-length: 5` and no body.
    NoContent,
    /// Answers 304 with the header `content-length: 5` and no body.
    NotModified,
    /// Answers 429 with `retry-after: 1`.
    TooManyRequests,
    /// Sends back each piece of a body as it comes, in chunks.
    Echo,
    /// Sends the first half of its answer when it has the head of a request, and the second when it
    /// has the body.
    StreamEarly,
    /// Answers 200 when it has the head, and then reads the body.
    OkEarly,
    /// Answers 200 when it has the head, reads no more of the body, and keeps the connection open.
    OkUnread,
    /// Answers 413 when it has the head, announces that it closes the connection, and does, with the
    /// body unread.
    RefuseEarly,
}

impl Fault {
    /// Whether it answers before it has the body of a request.
    fn is_early(&self) -> bool {
        matches!(
            self,
            Self::Echo | Self::StreamEarly | Self::OkEarly | Self::OkUnread | Self::RefuseEarly
        )
    }
}

/// The server. Dropping it stops it and cuts its connections.
pub struct Misbehaving {
    serving: Serving,
    /// What fills the queue of a server that never accepts.
    _queue: Vec<StdStream>,
}

impl Misbehaving {
    /// Starts it on a free port.
    pub fn start(fault: Fault) -> Self {
        let never_accepts = matches!(fault, Fault::NeverAccept);
        let backlog = if never_accepts { 1 } else { 1024 };
        let serving = Serving::start(backlog, |listener, counts| accept(listener, fault, counts));
        let queue = match never_accepts {
            true => fill_queue(serving.addr()),
            false => Vec::new(),
        };
        Self {
            serving,
            _queue: queue,
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.serving.addr()
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Connections accepted.
    pub fn connections(&self) -> u64 {
        self.serving.connections()
    }

    /// Requests read, with the part of their body that `content-length` announces, unless the server
    /// answers before it.
    pub fn requests(&self) -> u64 {
        self.serving.requests()
    }
}

/// An address of 127.0.0.1 where nothing listens.
pub fn closed_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// Connects until the kernel takes no more connections for `addr`.
fn fill_queue(addr: SocketAddr) -> Vec<StdStream> {
    std::iter::from_fn(|| StdStream::connect_timeout(&addr, Duration::from_millis(200)).ok())
        .take(16)
        .collect()
}

async fn accept(listener: TcpListener, fault: Fault, counts: Arc<Counts>) {
    if matches!(fault, Fault::NeverAccept) {
        std::future::pending::<()>().await;
    }
    while let Ok((stream, _)) = listener.accept().await {
        counts.connections.fetch_add(1, Relaxed);
        let connection = Connection {
            stream,
            received: BytesMut::new(),
            counts: counts.clone(),
        };
        tokio::spawn(connection.serve(fault.clone()));
    }
}

struct Connection {
    stream: TcpStream,
    /// Received and not yet used.
    received: BytesMut,
    counts: Arc<Counts>,
}

impl Connection {
    /// Serves until the connection ends, one way or the other; all errors mean that it has.
    async fn serve(mut self, fault: Fault) {
        let _ = self.stream.set_nodelay(true);
        let mut served = 0;
        loop {
            if fault.is_early() {
                match self.answer_early(&fault).await {
                    Some(()) => continue,
                    None => return,
                }
            }
            let request = match &fault {
                Fault::CloseIdle(idle) if served > 0 => {
                    timeout(*idle, self.request()).await.unwrap_or_default()
                }
                _ => self.request().await,
            };
            let Some(request) = request else { return };
            served += 1;
            if self.answer(&fault, &request, served).await.is_none() {
                return;
            }
        }
    }

    /// Reads one request and returns its head; `None` at the end.
    async fn request(&mut self) -> Option<String> {
        let (head, mut left) = self.head().await?;
        while left > 0 {
            self.piece(&mut left).await?;
        }
        self.counts.requests.fetch_add(1, Relaxed);
        Some(head)
    }

    /// Reads the head of a request, and returns it with the length of the body; `None` at the end.
    async fn head(&mut self) -> Option<(String, usize)> {
        loop {
            let end = self
                .received
                .windows(4)
                .position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                let head = String::from_utf8_lossy(&self.received[..end]).to_ascii_lowercase();
                self.received.advance(end + 4);
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
                return Some((head, length.unwrap_or(0)));
            }
            if self.stream.read_buf(&mut self.received).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// The next piece of a body, of which so much is left; `None` at the end.
    async fn piece(&mut self, left: &mut usize) -> Option<BytesMut> {
        self.received.reserve(PIECE);
        if self.received.is_empty() && self.stream.read_buf(&mut self.received).await.ok()? == 0 {
            return None;
        }
        let taken = self.received.len().min(*left);
        *left -= taken;
        Some(self.received.split_to(taken))
    }

    /// Reads the head of a request and answers before it has the body; `None` when the connection is
    /// to end.
    async fn answer_early(&mut self, fault: &Fault) -> Option<()> {
        let (_, mut left) = self.head().await?;
        self.counts.requests.fetch_add(1, Relaxed);
        match fault {
            Fault::Echo => {
                self.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                    .await?;
                while left > 0 {
                    let piece = self.piece(&mut left).await?;
                    let size = format!("{:x}\r\n", piece.len());
                    let chunk = [size.as_bytes(), &piece, b"\r\n"].concat();
                    self.stream.write_all(&chunk).await.ok()?;
                }
                return self.send("0\r\n\r\n").await;
            }
            Fault::StreamEarly => {
                self.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst")
                    .await?;
            }
            Fault::RefuseEarly => {
                let refusal =
                    "HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                self.send(refusal).await;
                // As servers do that want the refusal to arrive before the reset.
                sleep(Duration::from_millis(20)).await;
                return None;
            }
            _ => {
                self.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                    .await?;
            }
        }
        if matches!(fault, Fault::OkUnread) {
            return std::future::pending().await;
        }
        while left > 0 {
            self.piece(&mut left).await?;
        }
        match fault {
            Fault::StreamEarly => self.send("later").await,
            _ => Some(()),
        }
    }

    /// Answers the `number`th request of the connection, from 1, in the server's way; `None` when
    /// the connection is to end.
    async fn answer(&mut self, fault: &Fault, request: &str, number: u32) -> Option<()> {
        const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        const EARLY: &str =
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        let part_of_100 = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n12345";
        match fault {
            Fault::Ok | Fault::CloseIdle(_) if request.starts_with("head ") => {
                self.send(OK.trim_end_matches("ok")).await
            }
            Fault::Ok | Fault::CloseIdle(_) => self.send(OK).await,
            Fault::CloseSecond if number > 1 => None,
            Fault::CloseSecond => self.send(OK).await,
            Fault::KeepAlive(limit) if number >= *limit => {
                self.send(&OK.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"))
                    .await;
                None
            }
            Fault::KeepAlive(_) => self.send(OK).await,
            Fault::NeverAccept
            | Fault::Echo
            | Fault::StreamEarly
            | Fault::OkEarly
            | Fault::OkUnread
            | Fault::RefuseEarly => None,
            Fault::Hang => std::future::pending().await,
            Fault::ResetInHead => {
                self.send("HTTP/1.1 200 OK\r\ncontent-le").await;
                self.reset()
            }
            Fault::ResetInBody => {
                self.send(part_of_100).await;
                self.reset()
            }
            Fault::CloseUnanswered => None,
            Fault::SlowHead => {
                for byte in OK.chars() {
                    self.send(byte.encode_utf8(&mut [0; 4])).await?;
                    sleep(Duration::from_secs(1)).await;
                }
                Some(())
            }
            Fault::EndlessBody => {
                let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
                self.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                    .await?;
                loop {
                    self.send(&chunk).await?;
                    // Fast enough to have no end, slow enough to leave the machine to the test.
                    sleep(Duration::from_millis(2)).await;
                }
            }
            Fault::BigBody(length) => {
                self.send(&format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"
                ))
                .await?;
                let zeros = [0; 1 << 16];
                for _ in 0..*length >> 16 {
                    self.stream.write_all(&zeros).await.ok()?;
                }
                let rest = (*length & 0xffff) as usize;
                self.stream.write_all(&zeros[..rest]).await.ok()
            }
            Fault::ShortBody => {
                self.send(part_of_100).await;
                None
            }
            Fault::ExtraBytes => {
                self.send(&format!("{OK}HTTP/1.1 500 Not yours\r\n\r"))
                    .await
            }
            Fault::Garbage => self.send("\u{1b}[31mSSH-2.0-garbage\r\n\r\n").await,
            Fault::Raw(answer) => self.stream.write_all(answer).await.ok(),
            Fault::RawThenClose(answer) => {
                self.stream.write_all(answer).await.ok()?;
                // Reading on until the other side closes, too, so that it meets no reset.
                self.stream.shutdown().await.ok()?;
                while self.stream.read(&mut [0; 4096]).await.ok()? > 0 {}
                None
            }
            Fault::RedirectLoop => {
                let path = request.split(' ').nth(1).unwrap_or("/");
                self.redirect(path.as_bytes()).await
            }
            Fault::RedirectTo(url) => self.redirect(url.as_bytes()).await,
            Fault::RedirectInvalid => self.redirect(b"http://[\xff\xfe").await,
            Fault::Informational => self.send(&format!("{EARLY}{OK}")).await,
            Fault::NoContent => {
                self.send("HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n")
                    .await
            }
            Fault::NotModified => {
                self.send("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n")
                    .await
            }
            Fault::TooManyRequests => {
                self.send(
                    "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n",
                )
                .await
            }
        }
    }

    async fn redirect(&mut self, location: &[u8]) -> Option<()> {
        let head = b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: ";
        let answer = [head, location, b"\r\n\r\n"].concat();
        self.stream.write_all(&answer).await.ok()
    }

    async fn send(&mut self, text: &str) -> Option<()> {
        self.stream.write_all(text.as_bytes()).await.ok()
    }

    /// Ends the connection by RST instead of FIN.
    fn reset(&self) -> Option<()> {
        let _ = self.stream.set_zero_linger();
        None
    }
}
