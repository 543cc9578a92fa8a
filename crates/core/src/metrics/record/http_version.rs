//! The versions of HTTP that responses come in.

use serde::{Deserialize, Serialize};

/// A version of HTTP. The serialized names are part of the result format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum HttpVersion {
    #[serde(rename = "http/1.0")]
    Http10,
    #[serde(rename = "http/1.1")]
    Http11,
    #[serde(rename = "http/2")]
    Http2,
}
