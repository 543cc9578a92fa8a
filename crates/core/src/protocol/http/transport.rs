//! What carries the requests of a session over connections: the one thing in which HTTP clients
//! differ. There are two:
//!
//! - `reqwest` (`ReqwestTransport`, the default): one reqwest client for each virtual user.
//! - `direct` (`DirectTransport`): the same at a fraction of the cost. Its `DirectSession` also bypasses
//!   the building of a request where what an endpoint sends is known.
//!
//! Here: what a transport must do, the limits of a request, and the failures that all transports
//! report alike. Not here: redirects, credentials and cookies, which are the same for all of them
//! (`client`); how the scenario chooses one (`ClientChoice` in the plan).

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use ::http::StatusCode;
use tokio::time::Instant;

use super::connect::TlsConfig;
use super::failure::Stage;
use super::request::outgoing::Outgoing;
use crate::error::Error;
use crate::metrics::Outcome;
use crate::plan::{Endpoint, Plan, Wire};
use crate::protocol::{Failure, Response};
use crate::units::{format_bytes, format_duration};

/// The largest body that is kept for checks; bytes. A larger one fails as `body_too_large`.
const MAX_KEPT_BODY: u64 = 10_000_000;

/// How much is kept of the body of an unexpected response that no check needs; bytes.
const EXCERPT: usize = 4 << 10;

/// How long a service that has responded may take nothing of a request's body before the rest is no
/// longer sent.
pub(super) const STALLED: Duration = Duration::from_secs(1);

/// The longest head of a response by HTTP/2: names and values of its fields, and 32 bytes for each; bytes.
pub(super) const MAX_H2_HEAD: u32 = 256 << 10;

/// The connections of one session.
pub trait Transport: Sized + 'static {
    /// What the sessions of a worker share.
    type Resources;

    /// Sets up what the sessions of a worker share.
    ///
    /// # Errors
    /// When the plan asks for something that cannot be set up.
    fn resources(plan: &Plan, tls: TlsConfig) -> Result<Self::Resources, Error>;

    /// For one session, whose requests ask for these kinds of connection. Makes none yet.
    fn open(resources: &Rc<Self::Resources>, wires: &[Wire], local_address: Option<IpAddr>)
    -> Self;

    /// Sends one request, without following redirects: writes the response, with its counts and
    /// times, to `response`, and returns its status.
    ///
    /// # Errors
    /// Why there is no complete response; what was counted until then stays.
    fn exchange(
        &self,
        outgoing: Outgoing,
        limits: &RequestLimits<'_>,
        response: &mut Response,
    ) -> impl Future<Output = Result<StatusCode, Failure>>;

    /// What was opened since the last call.
    fn take_opened(&self) -> OpenedConnections;
}

/// How long a request may take, how large its response may be, and what of it is kept.
#[derive(Debug, Clone, Copy)]
pub struct RequestLimits<'a> {
    /// The endpoint; `None` for a request that is not one of the scenario's.
    endpoint: Option<&'a Endpoint>,
    /// What it asks of its connection.
    pub(super) wire: Wire,
    /// When the request began, redirects before it included.
    pub(super) started: Instant,
    /// When it must have ended, and how long that is from its beginning.
    pub(super) deadline: Instant,
    pub(super) timeout: Duration,
    /// For making a connection.
    pub(super) connect_timeout: Duration,
    /// Bytes of the body.
    pub(super) max_body: u64,
    /// Whether the body is needed for checks, and therefore kept.
    pub(super) keep_body: bool,
    /// How much is kept of any other body, for people to read; bytes.
    excerpt: usize,
    /// Whether all headers are kept, rather than only those that perfctl itself uses.
    pub(super) keep_headers: bool,
}

impl<'a> RequestLimits<'a> {
    /// For an endpoint's request that begins now.
    pub(super) fn of(endpoint: &'a Endpoint) -> Self {
        let started = Instant::now();
        let keep_body = endpoint.keeps_body();
        Self {
            endpoint: Some(endpoint),
            wire: endpoint.wire,
            started,
            deadline: started + endpoint.timeout,
            timeout: endpoint.timeout,
            connect_timeout: endpoint.connect_timeout,
            max_body: endpoint.max_body,
            keep_body,
            excerpt: 0,
            // To decode the body, its headers are needed too.
            keep_headers: keep_body || endpoint.reads_headers(),
        }
    }

    /// For a request that begins now and is not one of the scenario's.
    pub(super) fn within(timeout: Duration, connect_timeout: Duration, max_body: u64) -> Self {
        let started = Instant::now();
        Self {
            endpoint: None,
            wire: Wire::default(),
            started,
            deadline: started + timeout,
            timeout,
            connect_timeout,
            max_body,
            keep_body: true,
            excerpt: 0,
            keep_headers: true,
        }
    }

    /// The most bytes of a body that are read.
    pub(super) fn body_limit(&self) -> u64 {
        match self.keep_body {
            true => self.max_body.min(MAX_KEPT_BODY),
            false => self.max_body,
        }
    }

    /// The same, but with all headers and this much of each body, in bytes.
    pub(super) fn with_excerpt(self, excerpt: usize) -> Self {
        Self {
            keep_headers: true,
            excerpt,
            ..self
        }
    }

    /// Whether something is kept of the bodies of responses that the endpoint expects.
    pub(super) fn keeps_any_body(&self) -> bool {
        self.keep_body || self.excerpt > 0
    }

    /// Whether a response with this status is one that the endpoint does not expect.
    pub(super) fn is_unexpected(&self, status: u16) -> bool {
        (self.endpoint).is_some_and(|endpoint| !endpoint.expects_status(status))
    }

    /// How much is kept of the body of a response; bytes. Of one that is unexpected, the beginning is, since it may say
    /// what is wrong.
    pub(super) fn kept(&self, is_unexpected: bool) -> usize {
        match self.keep_body {
            true => usize::MAX,
            false if is_unexpected => self.excerpt.max(EXCERPT),
            false => self.excerpt,
        }
    }

    /// The failure of a body that is larger.
    pub(super) fn too_large(&self) -> Failure {
        let limit = self.body_limit();
        let size = format_bytes(limit);
        let text = match limit < self.max_body {
            true => format!("a body larger than {size} cannot be checked; reading stopped there"),
            false => format!("the body is larger than {size} (`max_body`); reading stopped there"),
        };
        Failure::new(Outcome::BodyTooLarge, text)
    }

    /// The failure of a request whose time ran out in `stage`, or while connecting in `step`.
    pub(super) fn timed_out(&self, stage: Stage, step: Option<ConnectStep>) -> Failure {
        if let Some(step) = step {
            return Failure::new(step.outcome(), step.too_long(self.timeout));
        }
        let after = format_duration(self.timeout);
        let text = match stage {
            Stage::Head => format!("no response within {after}"),
            Stage::Body => format!("the body did not end within {after}"),
        };
        Failure::new(stage.timeout(), text)
    }
}

/// What was opened for a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenedConnections {
    /// Connections that were begun.
    pub(super) attempts: u16,
    /// Connections that were made.
    pub(super) connections: u16,
    /// TLS handshakes done.
    pub(super) tls_handshakes: u16,
    /// Those of them that resumed an earlier session.
    pub(super) tls_resumed: u16,
    /// Name resolution of the connections made.
    pub(super) dns: Option<Duration>,
    /// Their TCP handshakes.
    pub(super) connect: Option<Duration>,
    /// Their TLS handshakes.
    pub(super) tls: Option<Duration>,
}

impl OpenedConnections {
    /// Adds a connection that was made, with how long its steps took.
    pub(super) fn add(&mut self, dns: Option<Duration>, connect: Duration, tls: Option<Handshake>) {
        let add = |sum: &mut Option<Duration>, more| *sum = Some(sum.unwrap_or_default() + more);
        self.connections += 1;
        add(&mut self.connect, connect);
        if let Some(dns) = dns {
            add(&mut self.dns, dns);
        }
        if let Some(tls) = tls {
            self.tls_handshakes += 1;
            self.tls_resumed += u16::from(tls.is_resumed);
            add(&mut self.tls, tls.took);
        }
    }

    /// Writes it to `response`.
    pub(super) fn report(self, response: &mut Response) {
        response.connections = self.connections;
        response.tls_handshakes = self.tls_handshakes;
        response.tls_resumed = self.tls_resumed;
        response.phases.dns = self.dns;
        response.phases.connect = self.connect;
        response.phases.tls = self.tls;
    }
}

/// A TLS handshake that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handshake {
    /// How long it took.
    pub(super) took: Duration,
    /// Whether it resumed an earlier session.
    pub(super) is_resumed: bool,
}

/// A step of making a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectStep {
    /// Name resolution or TCP.
    Connect,
    /// The TLS handshake.
    Tls,
}

impl ConnectStep {
    /// The outcome of a request whose time ran out in this step.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Connect => Outcome::TimeoutConnect,
            Self::Tls => Outcome::TimeoutTls,
        }
    }

    /// The sentence for people when it took longer than `limit`.
    pub(super) fn too_long(self, limit: Duration) -> String {
        let limit = format_duration(limit);
        match self {
            Self::Connect => format!("no connection within {limit}"),
            Self::Tls => format!("the TLS handshake did not end within {limit}"),
        }
    }
}
