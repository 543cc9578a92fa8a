//! Output of commands other than reports.

mod advice;
pub(super) mod describe;
pub(super) mod noise;
pub(super) mod output;
pub(super) mod trial;
pub mod validation;
