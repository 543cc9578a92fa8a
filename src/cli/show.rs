//! What commands print that is no report.

pub(super) mod describe;
pub(super) mod noise;
pub(super) mod output;
