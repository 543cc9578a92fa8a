//! The commands that read scenarios and profiles. They send nothing.

pub(super) mod export;
pub(super) mod list;
pub(super) mod profiles;
pub(super) mod validate;
