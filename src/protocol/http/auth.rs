//! How a request proves who sends it.

pub(super) mod credentials;
pub(super) mod digest;
pub(super) mod token;
