//! Where the load goes, and how it gets there: hosts and URLs, certificates and proxies.

pub(super) mod address;
pub(super) mod transport;
