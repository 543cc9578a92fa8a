//! The words of scenario and profile files: the types that YAML is decoded into, and that the editor's
//! schema is made of.
//!
//! Here: names of keys, and their documentation. Not here: what they mean (`request`, `flow`, `load`).

pub(super) mod flow;
pub(super) mod scenario;
pub(super) mod values;
pub(super) mod wire;
