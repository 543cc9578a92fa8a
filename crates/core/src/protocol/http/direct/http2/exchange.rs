//! One request by HTTP/2 and its response: what is counted and kept of it.
//!
//! Not here: reading and writing the connection, which is up to whoever polls.

use std::pin::Pin;
use std::task::{Context, Poll};

use ::http::{StatusCode, header};
use bytes::{Bytes, BytesMut};
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use hyper::body::Body;
use tokio::time::Instant;

use super::io::quiet;
use crate::metrics::HttpVersion;
use crate::protocol::http::failure::{Stage, cut_off, file_failure, h2_failure, is_left_out};
use crate::protocol::http::request::header::{size_of_fields, size_of_status_line};
use crate::protocol::http::request::payload::StreamedBody;
use crate::protocol::http::transport::RequestLimits;
use crate::protocol::{Failure, Response};

/// A request that is being sent, and its response. Dropped before it is complete, it resets its stream.
pub(crate) struct Http2Exchange {
    incoming: Incoming,
    /// What is still to be handed over of the request's body.
    upload: Option<Upload>,
    /// Whether the request has a body.
    has_body: bool,
    /// What is kept of the response's body.
    kept: BytesMut,
    /// Bytes of it so far.
    length: u64,
    /// Whether the service ended the connection before it processed the request.
    pub(crate) is_left_out: bool,
}

/// How far a response has come.
enum Incoming {
    Head(ResponseFuture),
    Body(IncomingBody),
}

/// A response whose head has come.
struct IncomingBody {
    status: StatusCode,
    head_at: Instant,
    /// How long its body is to be; bytes.
    announced: Option<u64>,
    body: RecvStream,
}

/// A body that is being sent.
struct Upload {
    stream: SendStream<Bytes>,
    rest: Box<StreamedBody>,
    /// Whether its file is being read.
    is_reading: bool,
}

/// What has come of a response since it was last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReceivedPart {
    Nothing,
    /// A part of its body, so that the service may be told to send more.
    Some,
    /// The rest of it.
    All,
}

impl Http2Exchange {
    pub(super) fn new(
        head: ResponseFuture,
        has_body: bool,
        upload: Option<(SendStream<Bytes>, Box<StreamedBody>)>,
    ) -> Self {
        let upload = upload.map(|(stream, rest)| Upload {
            stream,
            rest,
            is_reading: false,
        });
        Self {
            incoming: Incoming::Head(head),
            upload,
            has_body,
            kept: BytesMut::new(),
            length: 0,
            is_left_out: false,
        }
    }

    /// Hands over the next piece of the body, if the service has room for one. Whether it did.
    ///
    /// # Errors
    /// When a body file cannot be read, or was changed.
    pub(super) fn upload(
        &mut self,
        response: &mut Response,
        cx: &mut Context<'_>,
    ) -> Result<bool, Failure> {
        let Some(upload) = &mut self.upload else {
            return Ok(false);
        };
        let stream = &mut upload.stream;
        // Whoever waits for the response learns why.
        if stream.poll_reset(&mut quiet()).is_ready() {
            self.upload = None;
            return Ok(false);
        }
        if stream.capacity() == 0 {
            stream.reserve_capacity(1);
        }
        if stream.capacity() == 0 {
            return Ok(false);
        }
        let polled = Pin::new(&mut *upload.rest).poll_frame(cx);
        upload.is_reading = polled.is_pending();
        let Poll::Ready(frame) = polled else {
            return Ok(false);
        };
        let frame = frame.transpose().map_err(file_failure)?;
        let piece = frame.and_then(|frame| frame.into_data().ok());
        let piece = piece.unwrap_or_default();
        response.bytes_out += piece.len() as u64;
        let is_last = upload.rest.is_end_stream();
        // It takes nothing once it was reset.
        if stream.send_data(piece, is_last).is_err() || is_last {
            self.upload = None;
        }
        Ok(true)
    }

    /// Whether something of the request is still to be handed over.
    pub(crate) fn is_uploading(&self) -> bool {
        self.upload.is_some()
    }

    /// Whether the next piece can be handed over at once.
    pub(super) fn has_room(&self) -> bool {
        let upload = self.upload.as_ref();
        upload.is_some_and(|upload| !upload.is_reading && upload.stream.capacity() > 0)
    }

    /// Takes what has come of the response.
    ///
    /// # Errors
    /// Why it will not be complete.
    pub(super) fn receive(
        &mut self,
        limits: &RequestLimits<'_>,
        response: &mut Response,
    ) -> Result<ReceivedPart, Failure> {
        let mut cx = quiet();
        if let Incoming::Head(head) = &mut self.incoming {
            let Poll::Ready(received) = Pin::new(head).poll(&mut cx) else {
                return Ok(ReceivedPart::Nothing);
            };
            let received = received.map_err(|error| {
                self.is_left_out = is_left_out(&error);
                h2_failure(&error, Stage::Head)
            })?;
            self.take_head(received, limits, response);
        }
        let Incoming::Body(incoming) = &mut self.incoming else {
            return Ok(ReceivedPart::Nothing);
        };
        let (body, announced, has_body) = (&mut incoming.body, incoming.announced, self.has_body);
        // The service needs no more of the request, and has said all (RFC 9113, section 8.1).
        let is_end = |error: &h2::Error, length: u64| {
            let is_plain = error.is_reset() && error.reason() == Some(Reason::NO_ERROR);
            is_plain && has_body && announced.is_none_or(|announced| announced == length)
        };
        let before = self.length;
        while !body.is_end_stream() {
            match body.poll_data(&mut cx) {
                Poll::Ready(Some(Ok(piece))) => {
                    response.bytes_in += piece.len() as u64;
                    self.length += piece.len() as u64;
                    if self.length > limits.body_limit() {
                        return Err(limits.too_large());
                    }
                    let most = limits.kept(limits.is_unexpected(incoming.status.as_u16()));
                    let room = most.saturating_sub(self.kept.len());
                    self.kept.extend_from_slice(&piece[..piece.len().min(room)]);
                    // Fails only for more than has come.
                    let _ = body.flow_control().release_capacity(piece.len());
                }
                Poll::Ready(Some(Err(error))) if is_end(&error, self.length) => break,
                Poll::Ready(Some(Err(error))) => return Err(h2_failure(&error, Stage::Body)),
                Poll::Ready(None) => match body.poll_trailers(&mut cx) {
                    Poll::Ready(Ok(_)) => break,
                    Poll::Ready(Err(error)) if is_end(&error, self.length) => break,
                    Poll::Ready(Err(error)) => return Err(h2_failure(&error, Stage::Body)),
                    Poll::Pending => return Ok(ReceivedPart::Nothing),
                },
                Poll::Pending if self.length > before => return Ok(ReceivedPart::Some),
                Poll::Pending => return Ok(ReceivedPart::Nothing),
            }
        }
        response.phases.download = Some(incoming.head_at.elapsed());
        response.body = std::mem::take(&mut self.kept).freeze();
        response.body_bytes = self.length;
        Ok(ReceivedPart::All)
    }

    fn take_head(
        &mut self,
        received: ::http::Response<RecvStream>,
        limits: &RequestLimits<'_>,
        response: &mut Response,
    ) {
        let (head, body) = received.into_parts();
        let head_at = Instant::now();
        response.phases.ttfb = Some(head_at - limits.started);
        response.phases.download = None;
        response.status = Some(head.status.as_u16());
        response.version = Some(HttpVersion::Http2);
        response.raw_head = None;
        response.bytes_in += size_of_status_line(head.status) + size_of_fields(&head.headers);
        let announced = head.headers.get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|value| value.to_str().ok()?.parse().ok());
        response.headers = head.headers;
        self.incoming = Incoming::Body(IncomingBody {
            status: head.status,
            head_at,
            announced,
            body,
        });
    }

    /// The status of a response whose head has come.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        match &self.incoming {
            Incoming::Head(_) => None,
            Incoming::Body(incoming) => Some(incoming.status),
        }
    }

    /// How far the response has come.
    pub(crate) fn stage(&self) -> Stage {
        match self.incoming {
            Incoming::Head(_) => Stage::Head,
            Incoming::Body(_) => Stage::Body,
        }
    }

    /// The failure of a response whose connection has ended.
    pub(super) fn cut_off(&self) -> Failure {
        let text = match self.stage() {
            Stage::Head => "the connection was closed before it sent a response",
            Stage::Body => "the connection was closed in the middle of the response body",
        };
        Failure::new(cut_off(self.stage()), text)
    }
}
