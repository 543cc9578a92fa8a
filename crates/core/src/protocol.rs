//! What the engine needs from a protocol: a [`Client`] that makes [`Session`]s, one per virtual
//! user, each of which turns a [`Request`] into a [`Response`].
//!
//! Here: the traits, the types that cross them, and one file per implementation. Not here: what
//! a response means (`check`), or when a request is made (`engine`).

use std::net::SocketAddr;
use std::time::Duration;

use ::http::HeaderMap;
use bytes::Bytes;

use crate::metrics::HttpVersion;
use crate::plan::{Endpoint, RequestView, TraceContext};

mod failure;
pub mod grpc;
mod hop;
pub mod http;
pub mod mock;

pub use failure::Failure;
pub use hop::Hop;

/// Makes sessions. One per worker; never shared between workers.
pub trait Client {
    /// What one virtual user talks through.
    type Session: Session + 'static;

    /// A new session, with no connection yet.
    fn session(&self) -> Self::Session;

    /// Another session of the user that `session` belongs to, for requests at the same time: with
    /// connections of its own, and the user's cookies.
    fn companion(&self, session: &Self::Session) -> Self::Session;
}

/// The connection(s) of one virtual user.
pub trait Session {
    /// Fetches the token for an endpoint that [needs one](Endpoint::needs_token). The time this takes
    /// does not count for the request; if it fails, [`Self::execute`] reports why. Returns how long
    /// the token request took, if there was one.
    fn prepare(&mut self, request: &Request<'_>) -> impl Future<Output = Option<Duration>>;

    /// Sends one request and follows its redirects, within the endpoint's timeouts. The result is
    /// written to `response`, which must be a default one. Never fails: what goes wrong is written
    /// there, too.
    fn execute(
        &mut self,
        request: &Request<'_>,
        response: &mut Response,
    ) -> impl Future<Output = ()>;

    /// What was sent for the request that was executed last, and the response: built again, for a
    /// failure that people are to see. The last of several requests where there were redirects.
    /// Values of credentials may be left out. `None` if the request could not be built, and where a protocol
    /// has nothing to show.
    fn hop(&self, _: &Request<'_>, _: &Response) -> Option<Hop> {
        None
    }

    /// The URL that a link leads to, which the endpoint at position `index` was filled in with.
    ///
    /// # Errors
    /// Why no request can be sent there, for people.
    fn follow(&self, _index: usize, link: &str) -> Result<String, String> {
        Ok(link.to_owned())
    }

    /// What will be sent for a request of the endpoint at position `index`, of which headers and credentials are
    /// not filled in yet.
    ///
    /// # Errors
    /// Why it cannot be sent, for people.
    fn view(&self, _index: usize, _: &Endpoint, _: &Rendered) -> Result<RequestView, String> {
        Err("the protocol does not say what it will send".to_owned())
    }

    /// The cookies that the user sends to `host`, which is a URL, or to the service under test. `None` where
    /// the protocol has no cookies.
    fn cookies(&self, _host: Option<&str>) -> Option<Box<dyn Cookies>> {
        None
    }
}

/// The cookies that one user sends to one host.
pub trait Cookies {
    /// The value of the cookie of this name, without quotes around it; `None` if there is none.
    fn value(&self, name: &str) -> Option<String>;

    /// Gives the host a cookie, for all its paths, as long as the user lives.
    ///
    /// # Errors
    /// Why it cannot be sent, for people. Does not quote the value.
    fn set(&self, name: &str, value: &str) -> Result<(), String>;

    /// Removes the cookies of this name, if there are any.
    fn remove(&self, name: &str);

    /// Removes all cookies of the user, those of other hosts too.
    fn clear(&self);
}

/// One request, rendered.
#[derive(Debug)]
pub struct Request<'a> {
    /// The endpoint's position in the plan.
    pub index: usize,
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// The parts that differ from request to request; `None` where the endpoint has none.
    pub rendered: Option<Rendered>,
    /// The trace it belongs to, if it is traced.
    pub trace: Option<Box<TraceContext>>,
}

impl Request<'_> {
    /// Path or absolute URL, as it was rendered.
    pub fn url(&self) -> &str {
        let rendered = self.rendered.as_ref().map(|rendered| &rendered.url[..]);
        match rendered {
            None | Some("") => self.endpoint.url.source(),
            Some(url) => url,
        }
    }
}

/// What the templates of an endpoint were rendered to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    /// Path or absolute URL; the latter where the endpoint has a link.
    pub url: String,
    /// The values of the endpoint's headers, in its order; `None` for one that is not sent.
    pub headers: Vec<Option<String>>,
    /// The body; `None` where it is a file or there is none.
    pub body: Option<String>,
    /// The texts of a multipart body, in its order.
    pub pieces: Vec<String>,
    /// The values of the templates of its credentials, in their order.
    pub auth: Vec<String>,
    /// The position that its samples have, where a template names the row they count in.
    pub subject: Option<u16>,
}

/// The result of a request.
#[derive(Debug, Default)]
pub struct Response {
    /// Status of the last response; `None` when no head arrived.
    pub status: Option<u16>,
    /// Where the last response came from, if the plan [keeps URLs](crate::plan::Plan::keeps_urls).
    pub url: Option<String>,
    /// Headers of the last response.
    pub headers: HeaderMap,
    /// The head of the last response as it came, where it had an unexpected status and `headers` has
    /// only some of its fields.
    pub raw_head: Option<Box<[u8]>>,
    /// Whether it set the first cookies of its user, so that none were sent.
    pub sets_first_cookies: bool,
    /// Its body as it came over the wire: all of it when a check needs it; otherwise the beginning of
    /// one that people may want to read, or nothing, though counted.
    pub body: Bytes,
    /// The bytes of its body as they came over the wire, kept or not.
    pub body_bytes: u64,
    /// What went wrong, if anything did.
    pub failure: Option<Failure>,
    /// Where the time went.
    pub phases: Phases,
    /// Connections opened. After a session's first request, a new one means that the service had
    /// closed the old one: noticed before the request left or while it was handed over, never after
    /// a byte of it was written.
    pub connections: u16,
    /// Requests, redirects included, that went over a connection opened before.
    pub reused: u16,
    /// TLS handshakes done.
    pub tls_handshakes: u16,
    /// Those of them that resumed an earlier session.
    pub tls_resumed: u16,
    /// Where the response to the last request came from; `None` when no head of it arrived.
    pub remote: Option<SocketAddr>,
    /// The version of the last response.
    pub version: Option<HttpVersion>,
    /// Redirects followed.
    pub redirects: u16,
    /// Bytes received: bodies as they came, heads as HTTP/1.1 text.
    pub bytes_in: u64,
    /// Bytes sent, counted likewise.
    pub bytes_out: u64,
    /// Secrets that were sent as credentials and were not known before the run. They must not be
    /// shown, though the service may repeat them.
    pub credentials: Vec<String>,
    /// What was sent and received, where that is traced; see [`http::TracedClient`].
    pub hops: Vec<Hop>,
}

/// Where the time of a request went. `dns`, `connect` and `tls` are about the connections opened
/// for it, redirects included; `None` when there were none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// Name resolution.
    pub dns: Option<Duration>,
    /// TCP.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// Send to the last response's head; contains the three above, and redirects.
    pub ttfb: Option<Duration>,
    /// The last response's head to its last byte.
    pub download: Option<Duration>,
}
