//! The result of a run, and its files.

pub(super) mod adjustment;
mod assembly;
pub(super) mod follow;
pub(super) mod journal;
pub(super) mod packed;
mod removal;
pub(super) mod result;
pub(super) mod run_dir;
pub(super) mod run_info;
pub(super) mod timeline;
pub(super) mod version;
mod windowed;
