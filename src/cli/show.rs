//! Output of commands other than reports.

pub(super) mod describe;
pub(super) mod noise;
pub(super) mod output;
