//! A connection as h2 reads and writes it. It wakes the task that waits for the response, although h2 is
//! polled without one: what it would wake within itself is polled anyway.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::protocol::http::direct::connection::Connection;

/// A connection, and whom it wakes. Shared with whoever polls h2; borrowed for as long as that does not
/// wait.
#[derive(Clone)]
pub(super) struct Http2Io(Rc<RefCell<Http2Socket>>);

struct Http2Socket {
    connection: Connection,
    waker: Waker,
}

impl Http2Io {
    pub(super) fn new(connection: Connection, waker: Waker) -> Self {
        Self(Rc::new(RefCell::new(Http2Socket { connection, waker })))
    }

    /// Wakes this one from now on.
    pub(super) fn wakes(&self, waker: &Waker) {
        let mut socket = self.0.borrow_mut();
        if !socket.waker.will_wake(waker) {
            socket.waker.clone_from(waker);
        }
    }

    /// Whether something may have come since all was read.
    pub(super) fn may_have_come(&self) -> bool {
        self.0.borrow().connection.may_have_come()
    }

    fn with<T>(&self, act: impl FnOnce(&mut Connection, &mut Context<'_>) -> T) -> T {
        let Http2Socket { connection, waker } = &mut *self.0.borrow_mut();
        act(connection, &mut Context::from_waker(waker))
    }
}

impl AsyncRead for Http2Io {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|connection, cx| connection.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Http2Io {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|connection, cx| connection.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.with(|connection, cx| connection.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|connection, cx| connection.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|connection, cx| connection.poll_shutdown(cx))
    }
}

/// For what h2 does within itself: whoever polls a part of it polls all that it wakes.
pub(super) fn quiet() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
