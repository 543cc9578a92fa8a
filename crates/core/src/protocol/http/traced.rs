//! What was sent and received, for people. `perfctl try` and `--debug` have a transport that keeps it;
//! other runs do not, so that it costs them nothing. What they sent for a request that has failed is
//! built again from what it was made of.
//!
//! Here: what is kept of one exchange. Not here: how it becomes text (`check`), or how that is shown.

use std::net::IpAddr;
use std::rc::Rc;

use ::http::StatusCode;
use ::http::header::{self, HeaderValue};
use bytes::Bytes;
use tokio::time::Instant;

use super::client::{HttpClient, HttpSession};
use super::connect::TlsConfig;
use super::direct::DirectTransport;
use super::redirect::is_redirect;
use super::request::outgoing::{Outgoing, authority};
use super::reqwest::ReqwestTransport;
use super::transport::{OpenedConnections, RequestLimits, Transport};
use crate::error::Error;
use crate::metrics::Outcome;
use crate::plan::{ClientChoice, FileContent, Plan, Wire};
use crate::protocol::{Failure, Hop, Request, Response};

/// How much of a body is kept by a traced transport; bytes.
const KEPT: usize = 1 << 20;

/// How much of the body of a request is built again; bytes.
const REBUILT: usize = 16 << 10;

/// The client that a plan asks for, whose responses say what was sent and received. The direct one builds each
/// request, rather than sending bytes that were encoded when the run began; they are the same.
pub type TracedClient = HttpClient<Traced>;

/// The transport that a plan asks for, whose exchanges leave a [`Hop`] in the response. It is chosen for each
/// exchange: time does not matter here, and the engine would have to be compiled for each of them.
pub enum Traced {
    /// That of the reqwest client.
    Reqwest(ReqwestTransport),
    /// That of the direct client.
    Direct(DirectTransport),
}

/// What the sessions of a worker share.
pub enum TracedResources {
    /// Those of the reqwest client.
    Reqwest(Rc<<ReqwestTransport as Transport>::Resources>),
    /// Those of the direct client.
    Direct(Rc<<DirectTransport as Transport>::Resources>),
}

impl Transport for Traced {
    type Resources = TracedResources;

    fn resources(plan: &Plan, tls: TlsConfig) -> Result<TracedResources, Error> {
        Ok(match plan.transport.client {
            ClientChoice::Reqwest => {
                TracedResources::Reqwest(Rc::new(ReqwestTransport::resources(plan, tls)?))
            }
            ClientChoice::Direct => {
                TracedResources::Direct(Rc::new(DirectTransport::resources(plan, tls)?))
            }
        })
    }

    fn open(
        resources: &Rc<TracedResources>,
        wires: &[Wire],
        local_address: Option<IpAddr>,
    ) -> Self {
        match &**resources {
            TracedResources::Reqwest(resources) => {
                Self::Reqwest(ReqwestTransport::open(resources, wires, local_address))
            }
            TracedResources::Direct(resources) => {
                Self::Direct(DirectTransport::open(resources, wires, local_address))
            }
        }
    }

    async fn exchange(
        &self,
        outgoing: Outgoing,
        limits: &RequestLimits<'_>,
        response: &mut Response,
    ) -> Result<StatusCode, Failure> {
        let limits = limits.with_excerpt(KEPT);
        let mut hop = sent(&outgoing, KEPT);
        let before = (response.status.take(), response.version.take());
        response.body = Bytes::new();
        let started = Instant::now();
        let ended = match self {
            Self::Reqwest(transport) => transport.exchange(outgoing, &limits, response).await,
            Self::Direct(transport) => transport.exchange(outgoing, &limits, response).await,
        };
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

    fn take_opened(&self) -> OpenedConnections {
        match self {
            Self::Reqwest(transport) => transport.take_opened(),
            Self::Direct(transport) => transport.take_opened(),
        }
    }
}

impl<T: Transport> HttpSession<T> {
    /// What was sent last for `request`, and the `response`; see [`crate::protocol::Session::hop`].
    pub(super) fn rebuilt(&self, request: &Request<'_>, response: &Response) -> Option<Hop> {
        let outgoing = self.last_outgoing(request, response)?;
        let mut hop = sent(&outgoing, REBUILT);
        hop.failure = response.failure.clone();
        if is_of_hop_before(response) {
            return Some(hop);
        }
        hop.status = response.status;
        hop.version = response.version;
        hop.response_headers = response.headers.clone();
        hop.response_body = response.body.clone();
        hop.response_length = response.body_bytes;
        Some(hop)
    }
}

/// Whether nothing came back for the last request, so that the response is still the redirect that
/// led to it.
fn is_of_hop_before(response: &Response) -> bool {
    let status = response
        .status
        .and_then(|one| StatusCode::from_u16(one).ok());
    let failure = response.failure.as_ref();
    response.redirects > 0
        && status.is_some_and(is_redirect)
        && failure.is_some_and(|failure| {
            !matches!(
                failure.outcome,
                Outcome::RedirectLimit | Outcome::RedirectBlocked | Outcome::RedirectInvalid
            )
        })
}

/// What is known of a request before it is sent, with at most so many bytes of its body.
fn sent(outgoing: &Outgoing, most: usize) -> Hop {
    let host = authority(&outgoing.url);
    let mut headers = outgoing.headers.clone();
    let length = outgoing.length();
    // What the client itself adds.
    if !headers.contains_key(header::HOST)
        && let Ok(value) = HeaderValue::from_str(host)
    {
        headers.insert(header::HOST, value);
    }
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Hop {
        method: outgoing.method.to_string(),
        target: outgoing.target().to_owned(),
        authority: host.to_owned(),
        request_headers: headers,
        request_body: beginning(outgoing, most),
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

/// The first bytes of the body, as far as they are in memory.
fn beginning(outgoing: &Outgoing, most: usize) -> Bytes {
    let mut beginning = Vec::new();
    let mut add = |bytes: &Bytes| {
        let room = most.saturating_sub(beginning.len());
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
