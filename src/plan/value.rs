//! Values that are filled in: templates, expressions, data, secrets.

pub(super) mod data;
pub(super) mod expression;
pub(super) mod secrets;
pub(super) mod template;
