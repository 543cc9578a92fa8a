//! What is noted of each request, and how it becomes the numbers of a second.

pub(super) mod cell;
pub(super) mod commit;
pub(super) mod failure_sample;
pub(super) mod failures;
pub(super) mod fold;
pub(super) mod health;
pub(super) mod http_version;
pub(super) mod outcome;
pub(super) mod recorder;
pub(super) mod sample;
pub(super) mod tick;
pub(super) mod totals;
