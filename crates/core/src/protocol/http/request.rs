//! The requests that are sent: prepared once for each endpoint, then filled in.
//!
//! Not here: who sends them (`client`), and how they look on the wire (`direct`, `reqwest`).

pub(super) mod header;
pub(super) mod link;
pub(super) mod outgoing;
pub(super) mod payload;
pub(super) mod prepared;
