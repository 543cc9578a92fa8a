//! The commands that serve until a signal ends them.

pub(super) mod demo;
pub(super) mod serve;
