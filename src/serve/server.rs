//! What requests share, and what an operation gets of a request.

use std::net::SocketAddr;

use super::access::guard::Guard;
use super::live::Live;
use super::numbers::Cache;
use super::options::ServeOptions;
use super::routes::Operation;
use super::supervisor::Supervisor;

/// Everything that requests share.
pub(super) struct Server {
    pub options: ServeOptions,
    pub guard: Guard,
    pub supervisor: Supervisor,
    pub live: Live,
    pub cache: Cache,
}

/// What of a request an operation needs.
pub(super) struct Call {
    pub operation: Operation,
    /// The parts of the path that the route leaves open.
    pub parts: Vec<String>,
    /// The pairs behind the `?`.
    pub query: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub last_event: Option<u64>,
    pub peer: SocketAddr,
}
