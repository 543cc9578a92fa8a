//! One connection, plain or TLS: reading and writing without ever waiting.
//!
//! Not here: how it is made (`connecting`), where it leads (`origin`), who is between (`proxy`), and what
//! is written and read.

pub(super) mod connecting;
pub(super) mod origin;
pub(super) mod proxy;
pub(super) mod tls;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// An established connection.
pub(super) struct Connection {
    stream: Stream,
    /// The address it leads to.
    pub(super) remote: SocketAddr,
}

enum Stream {
    Plain(TcpStream),
    /// On the heap, since it is large and most loads do without.
    Tls(Box<TlsStream<TcpStream>>),
    /// With the service, through a tunnel of a proxy that itself is reached by TLS.
    TlsInTls(Box<TlsStream<TlsStream<TcpStream>>>),
}

impl Connection {
    pub(super) fn plain(stream: TcpStream, remote: SocketAddr) -> Self {
        Self {
            stream: Stream::Plain(stream),
            remote,
        }
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>, remote: SocketAddr) -> Self {
        Self {
            stream: Stream::Tls(Box::new(stream)),
            remote,
        }
    }

    pub(super) fn tls_in_tls(stream: TlsStream<TlsStream<TcpStream>>, remote: SocketAddr) -> Self {
        Self {
            stream: Stream::TlsInTls(Box::new(stream)),
            remote,
        }
    }

    /// Whether it uses TLS.
    pub(super) fn is_tls(&self) -> bool {
        !matches!(self.stream, Stream::Plain(_))
    }

    /// Whether it can take another request: it was not closed while it was idle, and received
    /// nothing in that time. Costs a system call only if there is something to read.
    pub(super) fn is_open(&mut self, cx: &mut Context<'_>) -> bool {
        let mut byte = [0];
        match &mut self.stream {
            Stream::Plain(stream) => {
                let read = stream.try_read(&mut byte);
                read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
            }
            // What came may be a ticket, which TLS takes.
            _ => (self.poll_read(cx, &mut ReadBuf::new(&mut byte))).is_pending(),
        }
    }

    /// Whether something may have come since all was read. Costs no system call.
    pub(super) fn may_have_come(&self) -> bool {
        let socket = match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
            Stream::TlsInTls(stream) => stream.get_ref().0.get_ref().0,
        };
        socket.try_io(Interest::READABLE, || Ok(())).is_ok()
    }

    /// Reads what there is; nothing at the end of the stream.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::TlsInTls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }

    /// Takes what there is, at most as much as fits into `scratch`, without showing it; how many bytes, and none at the
    /// end of the stream. Linux does not even copy what comes by plain TCP (`MSG_TRUNC` in tcp(7)).
    pub(super) fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        #[cfg(target_os = "linux")]
        if let Stream::Plain(stream) = &self.stream {
            return poll_truncated(stream, cx, scratch);
        }
        let mut read = ReadBuf::new(scratch);
        ready!(self.poll_read(cx, &mut read))?;
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Writes what it takes at once; how many bytes.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::TlsInTls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// The same from several places.
    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::TlsInTls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    /// Ready once the other side was told that nothing more is written.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::TlsInTls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    /// Whether the service chose HTTP/2 in the TLS handshake.
    pub(super) fn has_chosen_http2(&self) -> bool {
        let chosen = match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => stream.get_ref().1.alpn_protocol(),
            Stream::TlsInTls(stream) => stream.get_ref().1.alpn_protocol(),
        };
        chosen == Some(b"h2")
    }

    /// Ready once everything written was sent.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            // It buffers nothing.
            Stream::Plain(_) => Poll::Ready(Ok(())),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::TlsInTls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }
}

/// Takes bytes off a socket that the kernel discards.
#[cfg(target_os = "linux")]
fn poll_truncated(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    scratch: &mut [u8],
) -> Poll<io::Result<usize>> {
    use rustix::net::{RecvFlags, recv};

    loop {
        ready!(stream.poll_read_ready(cx))?;
        let mut came = None;
        let taken = stream.try_io(Interest::READABLE, || {
            // The length of the buffer counts; where a kernel does not know the flag, it is filled.
            let (_, count) = recv(stream, &mut *scratch, RecvFlags::TRUNC)?;
            came = Some(count);
            match count > 0 && count < scratch.len() {
                // All that there was: tokio need not try again before more comes, as after its own reads.
                true => Err(io::ErrorKind::WouldBlock.into()),
                false => Ok(()),
            }
        });
        match (came, taken) {
            (Some(count), _) => return Poll::Ready(Ok(count)),
            (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
            (None, taken) => return Poll::Ready(taken.map(|()| 0)),
        }
    }
}
