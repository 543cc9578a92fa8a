//! How each rule decides, one file for what they look at.
//!
//! Not here: the names and texts of the rules (`rule`).

mod components;
mod course;
mod errors;
mod latency;
mod origins;
mod resources;
mod saturation;
mod stalls;
mod starts;
#[cfg(test)]
mod tests;

use super::finding::Finding;
use super::numbers::Numbers;

pub use components::queries_per_request;

/// What rules find in the numbers of a run.
type Look = fn(&Numbers<'_>) -> Vec<Finding>;

/// All of them.
pub(super) const ALL: [Look; 9] = [
    starts::findings,
    latency::findings,
    errors::findings,
    components::findings,
    resources::findings,
    course::findings,
    saturation::findings,
    origins::findings,
    stalls::findings,
];
