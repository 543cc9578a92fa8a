//! A server that speaks HTTP/2 without TLS, by prior knowledge, in frames that are written by hand: those
//! that a library would not send, too.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::serving::{Counts, Serving};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// The largest payload of a frame that is sent; bytes.
const LARGEST: usize = 16_384;

/// A part of the answer to a request.
#[derive(Debug, Clone)]
pub enum Frame {
    /// A status and header fields; whether they are all.
    Head(u16, Vec<(&'static str, String)>, bool),
    /// A part of the body; whether it is the last.
    Body(usize, bool),
    /// Fields behind the body.
    Trailers,
    Reset(u32),
    /// Takes no more streams than this one; the number of those before it, and an error.
    GoAway {
        leaves_out: bool,
        error: u32,
    },
    Ping,
    Settings,
    /// Bytes that are no frame.
    Garbage,
    /// The beginning of a frame.
    Half,
    Wait(Duration),
    Close,
    /// Resets the connection.
    Abort,
}

/// The server. Dropping it stops it and cuts its connections.
pub struct Frames(Serving);

impl Frames {
    /// Answers each request with these frames.
    pub fn start(answer: Vec<Frame>) -> Self {
        Self::answering(vec![answer])
    }

    /// Answers the first request with the first of these, whatever its connection, and so on; the last
    /// is the answer to all further ones.
    pub fn answering(answers: Vec<Vec<Frame>>) -> Self {
        Self(Serving::start(1024, |listener, counts| async move {
            while let Ok((stream, _)) = listener.accept().await {
                counts.connections.fetch_add(1, Relaxed);
                let (counts, answers) = (counts.clone(), answers.clone());
                tokio::spawn(async move {
                    let _ = serve(stream, &counts, &answers).await;
                });
            }
        }))
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.0.addr())
    }

    /// Connections accepted.
    pub fn connections(&self) -> u64 {
        self.0.connections()
    }

    /// Requests read.
    pub fn requests(&self) -> u64 {
        self.0.requests()
    }
}

async fn serve(
    mut stream: TcpStream,
    counts: &Arc<Counts>,
    answers: &[Vec<Frame>],
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await?;
        match head[3] {
            SETTINGS if head[4] == 0 => stream.write_all(&frame(SETTINGS, 1, 0, &[])).await?,
            HEADERS => {
                let number = counts.requests.fetch_add(1, Relaxed) as usize;
                let mut bytes = Vec::new();
                for part in &answers[number.min(answers.len() - 1)] {
                    match part {
                        Frame::Wait(time) => {
                            stream.write_all(&std::mem::take(&mut bytes)).await?;
                            tokio::time::sleep(*time).await;
                        }
                        Frame::Close => {
                            stream.write_all(&bytes).await?;
                            stream.shutdown().await?;
                            // Reading on, so that what is unread makes no reset.
                            while stream.read(&mut [0; 4096]).await? > 0 {}
                            return Ok(());
                        }
                        Frame::Abort => {
                            stream.write_all(&bytes).await?;
                            tokio::time::sleep(Duration::from_millis(50)).await;
                            // Lingering for no time sends a RST instead of a FIN.
                            let stream = stream.into_std()?;
                            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
                            return Ok(());
                        }
                        part => bytes.extend(written(part, id)),
                    }
                }
                stream.write_all(&bytes).await?;
            }
            _ => {}
        }
    }
}

fn written(part: &Frame, id: u32) -> Vec<u8> {
    let flag = |is_last: bool| if is_last { END_STREAM } else { 0 };
    match part {
        Frame::Head(status, fields, is_last) => {
            let status = (":status", status.to_string());
            let fields = std::iter::once(&status).chain(fields);
            head(
                fields.map(|(name, value)| (*name, value.as_str())),
                id,
                flag(*is_last),
            )
        }
        Frame::Body(length, is_last) => {
            let mut bytes = Vec::new();
            let content = vec![b'x'; *length];
            let mut pieces = content.chunks(LARGEST).peekable();
            if pieces.peek().is_none() {
                return frame(DATA, flag(*is_last), id, &[]);
            }
            while let Some(piece) = pieces.next() {
                let is_last = *is_last && pieces.peek().is_none();
                bytes.extend(frame(DATA, flag(is_last), id, piece));
            }
            bytes
        }
        Frame::Trailers => head([("x-sum", "1")].into_iter(), id, END_STREAM),
        Frame::Reset(reason) => frame(RST_STREAM, 0, id, &reason.to_be_bytes()),
        Frame::GoAway { leaves_out, error } => {
            let last = if *leaves_out { id - 1 } else { id };
            frame(
                GOAWAY,
                0,
                0,
                &[last.to_be_bytes(), error.to_be_bytes()].concat(),
            )
        }
        Frame::Ping => frame(PING, 0, 0, &[7; 8]),
        Frame::Settings => frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1]),
        Frame::Garbage => b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n".to_vec(),
        Frame::Half => frame(DATA, END_STREAM, id, b"hello")[..11].to_vec(),
        Frame::Wait(_) | Frame::Close | Frame::Abort => Vec::new(),
    }
}

/// Fields in as many frames as they take.
fn head<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>, id: u32, flags: u8) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            number(text.len(), &mut block);
            block.extend_from_slice(text.as_bytes());
        }
    }
    let mut bytes = Vec::new();
    let pieces: Vec<&[u8]> = block.chunks(LARGEST).collect();
    for (place, piece) in pieces.iter().enumerate() {
        let end = if place + 1 == pieces.len() {
            END_HEADERS
        } else {
            0
        };
        bytes.extend(match place {
            0 => frame(HEADERS, flags | end, id, piece),
            _ => frame(CONTINUATION, end, id, piece),
        });
    }
    bytes
}

/// A length in HPACK, with a prefix of seven bits.
fn number(length: usize, block: &mut Vec<u8>) {
    if length < 127 {
        return block.push(length as u8);
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    block.push(rest as u8);
}

fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(id.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}
