//! What is known of the service besides its response times: findings, what is observed, traces.

pub(super) mod findings;
pub(super) mod observed;
pub(super) mod traces;
