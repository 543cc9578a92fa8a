//! What a worker records of each request.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use crate::metrics::{FailureCause, HttpVersion, Outcome};
use crate::plan::MeasureUnit;

/// One planned request, finished one way or another. All times in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Position of the endpoint in the plan.
    pub endpoint: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// Of a failed check: its position in the endpoint.
    pub check: Option<u8>,
    /// The status of the last response; `None` without one.
    pub status: Option<NonZeroU16>,
    /// Redirects followed.
    pub redirects: u16,
    /// Connections opened for it.
    pub connections: u16,
    /// Requests of it, redirects included, that went over a connection opened before.
    pub reused: u16,
    /// When it should have started, from the start of the load.
    pub intended_us: u64,
    /// Intended start to last byte. 0 for a dropped arrival.
    pub response_us: u64,
    /// Actual send to last byte. 0 for a dropped arrival.
    pub service_us: u64,
    /// Time to first byte: actual send to the head of the last response; us. `None` without one.
    pub ttfb_us: Option<u64>,
    /// The head of the last response to its last byte; `None` when it did not end.
    pub download_us: Option<u64>,
    /// Bytes received: bodies as they came over the wire, and heads as HTTP/1.1 text.
    pub bytes_in: u64,
    /// Bytes sent, counted likewise.
    pub bytes_out: u64,
}

impl Sample {
    /// A request of which only the outcome is known.
    pub fn new(endpoint: u16, outcome: Outcome, intended_us: u64) -> Self {
        Self {
            endpoint,
            outcome,
            check: None,
            status: None,
            redirects: 0,
            connections: 0,
            reused: 0,
            intended_us,
            response_us: 0,
            service_us: 0,
            ttfb_us: None,
            download_us: None,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// In which way it failed, if it did.
    pub fn cause(&self) -> FailureCause {
        FailureCause {
            outcome: self.outcome,
            status: self.status,
            check: self.check,
        }
    }

    /// How late the request started: actual minus intended start; us.
    pub fn scheduling_delay_us(&self) -> u64 {
        self.response_us.saturating_sub(self.service_us)
    }
}

/// The connections that a request opened, and how long that took. Separate from [`Sample`], because
/// few requests open any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionSample {
    /// Position of the endpoint in the plan.
    pub endpoint: u16,
    /// Intended start of the request, from the start of the load; us.
    pub intended_us: u64,
    /// Name resolution; us. `None` for an address.
    pub dns_us: Option<u64>,
    /// TCP; us.
    pub connect_us: Option<u64>,
    /// TLS handshakes; us. `None` for plain connections.
    pub tls_us: Option<u64>,
    /// TLS handshakes done.
    pub tls_handshakes: u16,
    /// Those of them that resumed an earlier session.
    pub tls_resumed: u16,
    /// The address the last response came from; `None` when there was none.
    pub remote: Option<SocketAddr>,
    /// The version it came in.
    pub version: Option<HttpVersion>,
}

/// A measurement of one of its components that the service reported in `Server-Timing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentSample {
    /// Position of the endpoint in the plan.
    pub endpoint: u16,
    /// Intended start of the request, from the start of the load; us.
    pub intended_us: u64,
    /// The name in the header, such as `db`.
    pub name: Arc<str>,
    /// Its `dur`; us.
    pub duration_us: Option<u64>,
    /// Its `desc`, when that is `hit` (true) or `miss` (false).
    pub hit: Option<bool>,
    /// Its `desc`, when that is how often it was used, such as `n=37`.
    pub count: Option<u64>,
    /// The length of the response, as it came over the wire; bytes.
    pub bytes_in: u64,
}

/// A response of which the service says which of its instances sent it; or a failed request whose connection
/// led to a known address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginSample {
    /// Position of the endpoint in the plan.
    pub endpoint: u16,
    /// Intended start of the request, from the start of the load; us.
    pub intended_us: u64,
    /// Where it came from.
    pub origin: Responder,
    /// Whether the request failed.
    pub is_failed: bool,
    /// Its response time; us.
    pub response_us: u64,
}

/// Where a response came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Responder {
    /// An instance of the service, as it names itself.
    Instance(String),
    /// The address of the connection.
    Address(SocketAddr),
}

/// A number that the scenario measures itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasureSample {
    /// Position of the endpoint that it counts with.
    pub endpoint: u16,
    /// When it was measured, or the intended start of the request; us from the start of the load.
    pub intended_us: u64,
    /// The name of the measure.
    pub name: Arc<str>,
    /// Its unit.
    pub unit: MeasureUnit,
    /// The value, as the unit keeps it.
    pub value: u64,
}

/// The text of one failure, as an example of its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Position of the endpoint in the plan.
    pub endpoint: u16,
    /// What it is an example of.
    pub cause: FailureCause,
    /// What happened.
    pub texts: FailureTexts,
}

/// What happened to a request that failed. Safe to show: without secrets, control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureTexts {
    /// In a sentence; at most 300 characters.
    pub text: String,
    /// What the body of the response says: its message, or its beginning. At most 200 characters;
    /// `None` where there is no body, or `text` quotes it.
    pub excerpt: Option<String>,
}

impl From<String> for FailureTexts {
    fn from(text: String) -> Self {
        Self {
            text,
            excerpt: None,
        }
    }
}
