//! What is sent, and what must hold of the response.

pub(super) mod auth;
pub(super) mod body;
pub(super) mod check;
pub(super) mod css;
pub(super) mod endpoint;
pub(super) mod extract;
pub(super) mod json_path;
pub(super) mod measure;
pub(super) mod target;
