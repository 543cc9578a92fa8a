//! A connection as h2 reads and writes it. It wakes the task that waits for the response, although h2 is
//! polled without one: what it would wake within itself is polled anyway.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::protocol::http::direct::connection::Connection;

/// A connection, and whom it wakes.
pub(super) struct Http2Io {
    connection: Connection,
    waker: Rc<RefCell<Waker>>,
}

impl Http2Io {
    pub(super) fn new(connection: Connection, waker: Rc<RefCell<Waker>>) -> Self {
        Self { connection, waker }
    }
}

impl AsyncRead for Http2Io {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { connection, waker } = self.get_mut();
        connection.poll_read(&mut Context::from_waker(&waker.borrow()), buffer)
    }
}

impl AsyncWrite for Http2Io {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { connection, waker } = self.get_mut();
        connection.poll_write(&mut Context::from_waker(&waker.borrow()), bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { connection, waker } = self.get_mut();
        connection.poll_write_vectored(&mut Context::from_waker(&waker.borrow()), slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { connection, waker } = self.get_mut();
        connection.poll_flush(&mut Context::from_waker(&waker.borrow()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { connection, waker } = self.get_mut();
        connection.poll_shutdown(&mut Context::from_waker(&waker.borrow()))
    }
}

/// For what h2 does within itself: whoever polls a part of it polls all that it wakes.
pub(super) fn quiet() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
