//! Where the load goes, and how it gets there: hosts and URLs, certificates and proxies.

pub(super) mod address;
pub(super) mod base;
pub(super) mod hooks;
pub(super) mod observe;
mod private_key;
pub(super) mod trace;
pub(super) mod transport;
