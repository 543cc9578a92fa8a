//! A transport that keeps what it sends and receives, for `perfctl try`. Runs never use it, so that it
//! costs them nothing.
//!
//! Here: what is kept of one exchange. Not here: how any of it is shown (`cli`).

use std::net::IpAddr;
use std::rc::Rc;

use ::http::StatusCode;
use ::http::header::{self, HeaderValue};
use bytes::Bytes;
use tokio::time::Instant;

use super::client::HttpClient;
use super::direct::DirectTransport;
use super::request::outgoing::{Outgoing, authority};
use super::reqwest::ReqwestTransport;
use super::transport::{Opened, RequestLimits, Transport};
use crate::error::Error;
use crate::plan::{FileContent, Plan, Wire};
use crate::protocol::{Failure, Hop, Response};

/// How much of a body is kept to be shown; bytes.
const KEPT: usize = 16 << 10;

/// The reqwest client, whose responses say what was sent and received.
pub type TracedReqwestClient = HttpClient<Traced<ReqwestTransport>>;

/// The direct client, whose responses say what was sent and received. It builds each request, rather
/// than sending bytes that were encoded when the run began; they are the same.
pub type TracedDirectClient = HttpClient<Traced<DirectTransport>>;

/// A transport whose exchanges leave a [`Hop`] in the response.
pub struct Traced<T>(T);

impl<T: Transport> Transport for Traced<T> {
    type Resources = T::Resources;

    fn resources(plan: &Plan, tls: rustls::ClientConfig) -> Result<T::Resources, Error> {
        T::resources(plan, tls)
    }

    fn open(resources: &Rc<T::Resources>, wires: &[Wire], local_address: Option<IpAddr>) -> Self {
        Self(T::open(resources, wires, local_address))
    }

    async fn exchange(
        &self,
        outgoing: Outgoing,
        limits: &RequestLimits<'_>,
        response: &mut Response,
    ) -> Result<StatusCode, Failure> {
        let limits = limits.with_excerpt(KEPT);
        let mut hop = sent(&outgoing);
        let before = (response.status.take(), response.version.take());
        response.body = Bytes::new();
        let started = Instant::now();
        let ended = self.0.exchange(outgoing, &limits, response).await;
        hop.duration = started.elapsed();
        hop.status = response.status;
        hop.version = response.version;
        hop.response_headers = response.headers.clone();
        hop.response_body = response.body.slice(..response.body.len().min(KEPT));
        hop.response_length = response.body_bytes;
        hop.failure = ended.as_ref().err().cloned();
        response.hops.push(hop);
        if response.status.is_none() {
            (response.status, response.version) = before;
        }
        ended
    }

    fn take_opened(&self) -> Opened {
        self.0.take_opened()
    }
}

/// What is known of a request before it is sent.
fn sent(outgoing: &Outgoing) -> Hop {
    let host = authority(&outgoing.url);
    let mut headers = outgoing.headers.clone();
    let length = outgoing.length();
    // What the client itself adds.
    if !headers.contains_key(header::HOST)
        && let Ok(value) = HeaderValue::from_str(&host)
    {
        headers.insert(header::HOST, value);
    }
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Hop {
        method: outgoing.method.to_string(),
        target: outgoing.target().to_owned(),
        authority: host,
        request_headers: headers,
        request_body: beginning(outgoing),
        request_length: length,
        version: None,
        status: None,
        response_headers: Default::default(),
        response_body: Bytes::new(),
        response_length: 0,
        duration: Default::default(),
        failure: None,
    }
}

/// The beginning of the body, as far as it is in memory.
fn beginning(outgoing: &Outgoing) -> Bytes {
    let mut beginning = Vec::new();
    let mut add = |bytes: &Bytes| {
        let room = KEPT.saturating_sub(beginning.len());
        beginning.extend_from_slice(&bytes[..bytes.len().min(room)]);
    };
    match (&outgoing.body, &outgoing.contents) {
        (Some(body), _) => add(body),
        (None, Some(contents)) => {
            for content in contents.iter() {
                match content {
                    FileContent::Bytes(bytes) => add(bytes),
                    _ => break,
                }
            }
        }
        (None, None) => {}
    }
    beginning.into()
}
