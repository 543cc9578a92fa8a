//! One request as it was sent, and what came back: what `perfctl try` shows. A request of the scenario
//! takes several of them where it is redirected or challenged.

use std::time::Duration;

use ::http::HeaderMap;
use bytes::Bytes;

use super::failure::Failure;
use crate::metrics::HttpVersion;

/// One request as it was sent, and what came back. May hold secrets.
#[derive(Debug, Clone)]
pub struct Hop {
    /// Such as `GET`.
    pub method: String,
    /// Path and query, as they were sent.
    pub target: String,
    /// Host and port of the service.
    pub authority: String,
    /// The header fields, with those that the client adds.
    pub request_headers: HeaderMap,
    /// The beginning of the body; empty if it was read from files.
    pub request_body: Bytes,
    /// The length of the whole body; `None` without one, or where none is announced.
    pub request_length: Option<u64>,
    /// The version of the response.
    pub version: Option<HttpVersion>,
    /// The status of the response; `None` without one.
    pub status: Option<u16>,
    /// The header fields of the response.
    pub response_headers: HeaderMap,
    /// The beginning of its body, as it came over the wire.
    pub response_body: Bytes,
    /// The length of its whole body; bytes.
    pub response_length: u64,
    /// From sending to the last byte.
    pub duration: Duration,
    /// Why the response is not complete, if so.
    pub failure: Option<Failure>,
}
