//! YAML text as a tree of nodes with their places, and how keys are read from it.
//!
//! Here: syntax, and errors about it. Not here: which keys there are (`keys`) and what they mean.

pub(super) mod counterparts;
pub(super) mod decode;
pub(super) mod findings;
mod kinds;
pub(super) mod mapping;
mod misplaced;
pub(super) mod slips;
pub(super) mod tree;
