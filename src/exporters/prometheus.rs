//! Prometheus: the page that it reads, and remote write.

pub(super) mod page;
mod protobuf;
pub(super) mod remote_write;
mod text;
