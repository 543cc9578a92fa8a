//! One response, from its first byte to its last, in whatever pieces it comes.
//!
//! Here: what is counted and kept of it. Not here: where the bytes come from (`connection`), how
//! its head (`head`) and body (`body`) are read, and what it means (`client`).

pub(super) mod body;
pub(super) mod head;
pub(super) mod head_cache;

use std::time::Duration;

use ::http::StatusCode;
use bytes::BytesMut;
use tokio::time::Instant;

use self::body::{BodyEvent, Framing};
use self::head::{Head, HeadOptions};
use self::head_cache::HeadCache;
use crate::metrics::Outcome;
use crate::protocol::http::failure::{Stage, cut_off};
use crate::protocol::http::transport::RequestLimits;
use crate::protocol::{Failure, Response};

/// Below this many bytes, a head is parsed whenever more of it comes, so that what is not HTTP is
/// recognized at once; above, at each line end.
const SMALL: usize = 64;

/// A response that is being received.
pub(super) struct IncomingResponse {
    options: HeadOptions,
    /// What has come of an incomplete head.
    partial: Vec<u8>,
    /// The final head, and when it came.
    head: Option<(Head, Instant)>,
    /// How much of the body is kept at most; bytes.
    most_kept: usize,
    /// What is kept of the body.
    body: BytesMut,
    /// Bytes of the body so far.
    length: u64,
    is_complete: bool,
    /// Whether more came than the response.
    has_surplus: bool,
}

impl IncomingResponse {
    pub(super) fn new(options: HeadOptions) -> Self {
        Self {
            options,
            partial: Vec::new(),
            head: None,
            most_kept: 0,
            body: BytesMut::new(),
            length: 0,
            is_complete: false,
            has_surplus: false,
        }
    }

    /// Takes what has come; whether the response is complete. A head that is in the `cache` is not
    /// parsed again.
    ///
    /// # Errors
    /// When it is not a valid response, or too large.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        cache: &mut HeadCache,
        limits: &RequestLimits<'_>,
        response: &mut Response,
    ) -> Result<bool, Failure> {
        response.bytes_in += bytes.len() as u64;
        if self.head.is_some() {
            let is_complete = self.feed_body(bytes, limits, response)?;
            if is_complete {
                self.time_download(response);
            }
            return Ok(is_complete);
        }
        if self.partial.is_empty() {
            return self.feed_head(bytes, cache, limits, response);
        }
        let had = self.partial.len();
        self.partial.extend_from_slice(bytes);
        if had >= SMALL && self.partial.len() <= head::MAX_HEAD && !bytes.contains(&b'\n') {
            return Ok(false);
        }
        let partial = std::mem::take(&mut self.partial);
        self.feed_head(&partial, cache, limits, response)
    }

    /// Looks for the head of the final response in what has come.
    fn feed_head(
        &mut self,
        mut bytes: &[u8],
        cache: &mut HeadCache,
        limits: &RequestLimits<'_>,
        response: &mut Response,
    ) -> Result<bool, Failure> {
        loop {
            let Some(head) = self.read_head(bytes, cache, response)? else {
                self.partial = bytes.to_vec();
                return Ok(false);
            };
            let head_bytes;
            (head_bytes, bytes) = bytes.split_at(head.length);
            if head.is_interim() {
                // Its fields come again with the final response, or do not belong to it.
                response.headers.clear();
                if bytes.is_empty() {
                    return Ok(false);
                }
                continue;
            }
            let now = Instant::now();
            response.phases.ttfb = Some(now - limits.started);
            response.phases.download = None;
            response.status = Some(head.status);
            response.version = Some(head.version);
            let is_unexpected = limits.is_unexpected(head.status);
            self.most_kept = limits.kept(is_unexpected);
            let lacks_fields = is_unexpected && !limits.keep_headers;
            response.raw_head = lacks_fields.then(|| head_bytes.into());
            self.head = Some((head, now));
            let is_complete = self.feed_body(bytes, limits, response)?;
            if is_complete {
                // Its last byte came with its head.
                response.phases.download = Some(Duration::ZERO);
            }
            return Ok(is_complete);
        }
    }

    /// The head that `bytes` begin with, if it is complete.
    fn read_head(
        &self,
        bytes: &[u8],
        cache: &mut HeadCache,
        response: &mut Response,
    ) -> Result<Option<Head>, Failure> {
        // A cached head holds neither the fields that are kept nor what depends on the request.
        let is_plain = !self.options.is_bodyless && !self.options.all_fields;
        if is_plain && let Some(head) = cache.find(bytes) {
            return Ok(Some(head));
        }
        let head = head::parse(bytes, self.options, &mut response.headers)?;
        if let Some(head) = &head
            && is_plain
            && response.headers.is_empty()
        {
            cache.add(&bytes[..head.length], head);
        }
        Ok(head)
    }

    fn feed_body(
        &mut self,
        mut bytes: &[u8],
        limits: &RequestLimits<'_>,
        response: &mut Response,
    ) -> Result<bool, Failure> {
        let Some((head, _)) = &mut self.head else {
            return Ok(false);
        };
        loop {
            let event = head.framing.take(&mut bytes);
            match event.map_err(|why| Failure::new(Outcome::Protocol, why))? {
                BodyEvent::NeedMore => return Ok(false),
                BodyEvent::End => break,
                BodyEvent::Content(content) => {
                    self.length += content.len() as u64;
                    if self.length > limits.body_limit() {
                        return Err(limits.too_large());
                    }
                    let room = self.most_kept.saturating_sub(self.body.len());
                    let kept = content.len().min(room);
                    self.body.extend_from_slice(&content[..kept]);
                }
            }
        }
        self.end(bytes.len(), response);
        Ok(true)
    }

    /// Whether what comes next is only [counted](Self::count): nobody keeps it, and its end needs no look at it.
    pub(super) fn is_counted(&self) -> bool {
        let Some((head, _)) = &self.head else {
            return false;
        };
        self.most_kept <= self.body.len() && !matches!(head.framing, Framing::Chunked(_))
    }

    /// Like [`Self::feed`] for so many bytes of a body that is only counted; whether the response is complete.
    ///
    /// # Errors
    /// When the body is too large.
    pub(super) fn count(
        &mut self,
        came: usize,
        limits: &RequestLimits<'_>,
        response: &mut Response,
    ) -> Result<bool, Failure> {
        response.bytes_in += came as u64;
        let Some((head, _)) = &mut self.head else {
            return Ok(false);
        };
        let content = head.framing.count(came);
        self.length += content as u64;
        if self.length > limits.body_limit() {
            return Err(limits.too_large());
        }
        let is_complete = head.framing == Framing::Length(0);
        if is_complete {
            self.end(came - content, response);
            self.time_download(response);
        }
        Ok(is_complete)
    }

    /// The body is complete, and so many bytes came after it.
    fn end(&mut self, surplus: usize, response: &mut Response) {
        self.has_surplus = surplus > 0;
        response.bytes_in -= surplus as u64;
        self.finish(response);
    }

    /// The connection was closed.
    ///
    /// # Errors
    /// When the response was not complete, or was none.
    pub(super) fn close(&mut self, response: &mut Response) -> Result<(), Failure> {
        if !self.partial.is_empty() {
            // Not every byte of it was looked at when it came.
            head::parse(&self.partial, self.options, &mut response.headers)?;
        }
        if let Some((head, _)) = &self.head
            && head.framing == Framing::UntilClose
        {
            self.finish(response);
            self.time_download(response);
            return Ok(());
        }
        let text = match self.stage() {
            Stage::Head if self.partial.is_empty() => "closed before it sent a response",
            Stage::Head => "closed in the middle of the response head",
            Stage::Body => "closed in the middle of the response body",
        };
        let text = format!("the connection was {text}");
        Err(Failure::new(cut_off(self.stage()), text))
    }

    /// Notes how long its body took, which came after its head.
    fn time_download(&self, response: &mut Response) {
        if let Some((_, head_at)) = &self.head {
            response.phases.download = Some(head_at.elapsed());
        }
    }

    fn finish(&mut self, response: &mut Response) {
        self.is_complete = true;
        // That of a redirect may be there still.
        if !(self.body.is_empty() && response.body.is_empty()) {
            response.body = std::mem::take(&mut self.body).freeze();
        }
        response.body_bytes = self.length;
    }

    /// Whether all of it has come.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// How far it has come.
    pub(super) fn stage(&self) -> Stage {
        match self.head {
            None => Stage::Head,
            Some(_) => Stage::Body,
        }
    }

    /// Whether its connection can be used for another request, now that it is complete.
    pub(super) fn is_kept_alive(&self) -> bool {
        let head = self.head.as_ref();
        head.is_some_and(|(head, _)| head.is_kept_alive) && !self.has_surplus
    }

    /// Whether the rest of a request whose response is complete is still to be sent. After an error,
    /// or where the service closes the connection, nobody waits for it (RFC 9112, section 9.5).
    pub(super) fn wants_rest(&self) -> bool {
        let head = self.head.as_ref();
        self.is_kept_alive() && head.is_some_and(|(head, _)| head.status < 400)
    }

    /// The status of a complete response.
    ///
    /// # Errors
    /// Never, for a complete one.
    pub(super) fn status(&self) -> Result<StatusCode, Failure> {
        let head = self.head.as_ref();
        head.and_then(|(head, _)| StatusCode::from_u16(head.status).ok())
            .ok_or_else(|| Failure::new(Outcome::Protocol, "the response has no status"))
    }
}
