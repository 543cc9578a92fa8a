//! What is noted of each request, and how it becomes the numbers of a second.

pub(super) mod fold;
pub(super) mod outcome;
pub(super) mod recorder;
pub(super) mod sample;
