//! Prometheus: the page that it reads, and remote write.

pub(super) mod page;
mod protobuf;
mod text;
