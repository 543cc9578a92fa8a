//! Sending a request that the connection does not take at once.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::body::Body;

use super::connection::Connection;
use super::response::IncomingResponse;
use crate::metrics::Outcome;
use crate::protocol::http::failure::{Stage, file_failure, io_failure};
use crate::protocol::http::request::payload::StreamedBody;
use crate::protocol::{Failure, Response};

/// A request that is being sent.
pub(super) struct PendingRequest {
    /// What comes next.
    unsent: Bytes,
    /// What follows it.
    rest: Option<Box<StreamedBody>>,
    is_flushed: bool,
    /// Why no more can be sent.
    broken: Option<Failure>,
}

impl PendingRequest {
    /// Before anything was sent; `rest` is what follows what is [begun](Self::begin) with.
    pub(super) fn new(rest: Option<Box<StreamedBody>>) -> Self {
        Self {
            unsent: Bytes::new(),
            rest,
            is_flushed: false,
            broken: None,
        }
    }

    /// What follows what was never begun with.
    pub(super) fn into_rest(self) -> Option<Box<StreamedBody>> {
        self.rest
    }

    /// Sends as much of the first bytes as the connection takes at once. Whether the connection can
    /// be used; if not, it took nothing.
    pub(super) fn begin(
        &mut self,
        connection: &mut Connection,
        bytes: &[u8],
        response: &mut Response,
        cx: &mut Context<'_>,
    ) -> bool {
        let taken = match connection.poll_write(cx, bytes) {
            Poll::Ready(Ok(taken)) => taken,
            Poll::Ready(Err(error)) => {
                self.broken = Some(io_failure(&error, Stage::Head, false));
                // TLS may have sent some of it before it noticed.
                return connection.is_tls();
            }
            Poll::Pending => 0,
        };
        self.broken = None;
        response.bytes_out += taken as u64;
        if taken < bytes.len() {
            self.unsent = Bytes::copy_from_slice(&bytes[taken..]);
        } else if self.rest.is_none() {
            self.flush(connection, cx);
        }
        true
    }

    /// Whether all was sent.
    pub(super) fn is_through(&self) -> bool {
        self.is_flushed
    }

    /// Sends as much as the connection takes; ready when that was all, or when no more can be sent.
    ///
    /// # Errors
    /// When a body file cannot be read, or was changed.
    pub(super) fn poll(
        &mut self,
        connection: &mut Connection,
        response: &mut Response,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        while self.broken.is_none() {
            if !self.unsent.is_empty() {
                match ready!(connection.poll_write(cx, &self.unsent)) {
                    Ok(taken) => {
                        self.unsent.advance(taken);
                        response.bytes_out += taken as u64;
                    }
                    Err(error) => self.broken = Some(io_failure(&error, Stage::Head, false)),
                }
            } else if let Some(body) = &mut self.rest {
                match ready!(Pin::new(&mut **body).poll_frame(cx)) {
                    None => self.rest = None,
                    Some(Ok(frame)) => self.unsent = frame.into_data().unwrap_or_default(),
                    Some(Err(error)) => return Poll::Ready(Err(file_failure(error))),
                }
            } else {
                self.flush(connection, cx);
                if !self.is_flushed && self.broken.is_none() {
                    return Poll::Pending;
                }
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn flush(&mut self, connection: &mut Connection, cx: &mut Context<'_>) {
        match connection.poll_flush(cx) {
            Poll::Ready(Ok(())) => self.is_flushed = true,
            Poll::Ready(Err(error)) => self.broken = Some(io_failure(&error, Stage::Head, false)),
            Poll::Pending => {}
        }
    }

    /// Why there is no response: a failure to send explains more than the end of the connection.
    pub(super) fn explain(&self, failure: Failure, incoming: &IncomingResponse) -> Failure {
        match &self.broken {
            Some(broken) if failure.outcome == Outcome::ClosedEarly => match incoming.stage() {
                Stage::Head => broken.clone(),
                Stage::Body => failure,
            },
            _ => failure,
        }
    }
}
