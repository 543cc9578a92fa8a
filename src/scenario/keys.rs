//! The keys of scenario and profile files: the types that YAML is decoded into, and that the
//! editor's schema is made of, with the doc comments as its descriptions.
//!
//! Here: names of keys, the form of their values, and their documentation. Adding a key is one line
//! here, and its use in the module that compiles it. Not here: what the values mean (`request`,
//! `flow`, `load`).

pub(super) mod auth;
pub(super) mod connection;
pub(super) mod data;
pub(super) mod endpoint;
pub(super) mod flow;
pub(super) mod observe;
pub(super) mod profile;
pub(super) mod response;
pub(super) mod scenario;
pub(super) mod slo;
pub(super) mod think_time;
pub(super) mod user;
