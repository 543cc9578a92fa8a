//! What workers count on their own, so that the samples can be checked against it.

use serde::{Deserialize, Serialize};

/// What the workers counted on their own, apart from the samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Requests that were to be started.
    pub planned: u64,
    /// Requests that were started.
    pub started: u64,
    /// Arrivals dropped because the generator was late, among all that were dropped.
    pub dropped_late: u64,
    /// Virtual users that ended because their `on_start` failed; in an open load, arrivals that
    /// were dropped for it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_starts: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Totals {
    /// Adds those of another worker.
    pub fn add(&mut self, other: Self) {
        self.planned += other.planned;
        self.started += other.started;
        self.dropped_late += other.dropped_late;
        self.failed_starts += other.failed_starts;
    }
}
