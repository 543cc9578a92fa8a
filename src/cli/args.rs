//! Arguments that several commands share.

pub(super) mod content;
pub(super) mod curl;
pub(super) mod export;
pub(super) mod foreign;
pub(super) mod gate;
mod host;
pub(super) mod load;
pub(super) mod out;
pub(super) mod plan;
mod request;
pub(super) mod sending;
mod tags;
