//! Authentication: the credentials of requests.

pub(super) mod basic;
pub(super) mod credentials;
pub(super) mod digest;
pub(super) mod token;
