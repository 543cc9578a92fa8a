//! A connection by HTTP/2, which carries one request at a time: that of its user.
//!
//! Nothing runs beside the user: whoever waits for a response also reads and writes the connection. So
//! while it is idle, nobody does; what came in the meantime is read before it is used again.
//!
//! Here: the connection. Not here: what a request looks like (`request`), how it is sent and its response
//! received (`exchange`), and the bytes below (`io`).

pub(super) mod exchange;
mod io;
pub(super) mod request;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use tokio::time::{Instant, timeout};

use self::exchange::{Http2Exchange, ReceivedPart};
use self::io::{Http2Io, quiet};
use self::request::Http2Request;
use super::connection::Connection;
use crate::protocol::http::failure::{Stage, h2_failure};
use crate::protocol::http::request::payload::StreamedBody;
use crate::protocol::http::transport::{MAX_H2_HEAD, RequestLimits, STALLED};
use crate::protocol::{Failure, Response};

/// How much of a body, and of all bodies, may come before more is asked for, as with the other client;
/// bytes.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 5 << 20;

/// An established connection.
pub(super) struct Http2Connection {
    connection: h2::client::Connection<Http2Io, Bytes>,
    requests: SendRequest<Bytes>,
    /// What it reads and writes.
    io: Http2Io,
    /// Whether it has ended.
    is_over: bool,
    /// The address it leads to.
    pub(super) remote: SocketAddr,
}

impl Http2Connection {
    /// Begins HTTP/2 over a connection on which nothing was sent, without waiting for what the service says.
    ///
    /// # Errors
    /// When the connection takes nothing.
    pub(super) async fn begin(connection: Connection) -> Result<Box<Self>, Failure> {
        let remote = connection.remote;
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let io = Http2Io::new(connection, waker);
        let begun = Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_H2_HEAD)
            .enable_push(false)
            .handshake(io.clone())
            .await;
        let (requests, connection) = begun.map_err(|error| h2_failure(&error, Stage::Head))?;
        Ok(Box::new(Self {
            connection,
            requests,
            io,
            is_over: false,
            remote,
        }))
    }

    /// Whether it takes another request. Reads what came while it was idle.
    pub(super) fn is_open(&mut self, cx: &mut Context<'_>) -> bool {
        if self.io.may_have_come() {
            self.drive(cx);
        }
        // After a GOAWAY, it takes none.
        let is_ready = self.requests.poll_ready(&mut quiet());
        !self.is_over && matches!(is_ready, Poll::Ready(Ok(())))
    }

    /// Whether it has ended, as far as that is known.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Begins an exchange; nothing of it is written before it is polled. `rest` is the part of the body
    /// that is streamed.
    ///
    /// # Errors
    /// When the connection takes no request.
    pub(super) fn send(
        &mut self,
        request: Http2Request,
        rest: Option<Box<StreamedBody>>,
        response: &mut Response,
    ) -> Result<Http2Exchange, Failure> {
        let failed = |error| h2_failure(&error, Stage::Head);
        let has_body = !request.body.is_empty();
        let is_whole = !has_body && rest.is_none();
        let sent = self.requests.send_request(request.head, is_whole);
        let (head, mut body) = sent.map_err(failed)?;
        response.bytes_out += request.bytes;
        if has_body {
            body.send_data(request.body, true).map_err(failed)?;
        }
        let upload = rest.map(|rest| (body, rest));
        Ok(Http2Exchange::new(head, !is_whole, upload))
    }

    /// Goes on with an exchange; ready when its response is complete.
    ///
    /// # Errors
    /// Why there is no complete response.
    pub(super) fn poll(
        &mut self,
        exchange: &mut Http2Exchange,
        limits: &RequestLimits<'_>,
        response: &mut Response,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        loop {
            let has_sent = exchange.upload(response, cx)?;
            self.drive(cx);
            let received = exchange.receive(limits, response)?;
            if received == ReceivedPart::All {
                return Poll::Ready(Ok(()));
            }
            if self.is_over {
                return Poll::Ready(Err(exchange.cut_off()));
            }
            if received == ReceivedPart::Nothing && !has_sent && !exchange.has_room() {
                return Poll::Pending;
            }
            // What keeps coming, or is taken, gives the timer no turn.
            if Instant::now() >= limits.deadline {
                return Poll::Ready(Err(limits.timed_out(exchange.stage(), None)));
            }
        }
    }

    /// Sends the rest of a request whose response is complete: until all is sent, until the service wants
    /// no more of it, or stops taking it. The response counts in any case.
    ///
    /// # Errors
    /// When a body file cannot be read, or was changed.
    pub(super) async fn finish_upload(
        &mut self,
        exchange: &mut Http2Exchange,
        limits: &RequestLimits<'_>,
        response: &mut Response,
    ) -> Result<(), Failure> {
        while exchange.is_uploading() && Instant::now() < limits.deadline {
            let before = response.bytes_out;
            let upload = poll_fn(|cx| self.poll_upload(exchange, response, cx));
            match timeout(STALLED, upload).await {
                Ok(sent) => return sent,
                Err(_) if response.bytes_out == before => break,
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn poll_upload(
        &mut self,
        exchange: &mut Http2Exchange,
        response: &mut Response,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        loop {
            let has_sent = exchange.upload(response, cx)?;
            self.drive(cx);
            if self.is_over || !exchange.is_uploading() {
                return Poll::Ready(Ok(()));
            }
            if !has_sent && !exchange.has_room() {
                return Poll::Pending;
            }
        }
    }

    /// Writes what the service should know, such as that a stream was reset.
    pub(super) async fn settle(&mut self) {
        let drive = poll_fn(|cx| {
            self.drive(cx);
            Poll::Ready(())
        });
        drive.await;
    }

    /// Reads and writes as much as there is.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if self.is_over {
            return;
        }
        self.io.wakes(cx.waker());
        // Why it ended is said to the exchange.
        self.is_over = Pin::new(&mut self.connection).poll(&mut quiet()).is_ready();
    }
}
