//! Values that are filled in: templates, expressions, data, secrets.

pub(super) mod assignment;
pub(super) mod data;
pub(super) mod decimal;
pub(super) mod escape;
pub(super) mod expression;
mod generators;
pub(super) mod request_view;
pub(super) mod scope;
pub(super) mod secrets;
pub(super) mod shared;
pub(super) mod template;
