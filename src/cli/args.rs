//! Arguments that several commands share.

pub(super) mod gate;
pub(super) mod load;
pub(super) mod plan;
pub(super) mod request;
