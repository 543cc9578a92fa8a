//! Arguments that several commands share.

pub(super) mod gate;
pub(super) mod load;
pub(super) mod out;
pub(super) mod plan;
