//! What ended in one second of the run, all workers together: a line of the journal.

use serde::{Deserialize, Serialize};

use crate::metrics::{Cell, HealthSample};

/// What ended in one second of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// Virtual users running, or requests in flight.
    pub users: u32,
    /// What was counted, by when it was to start.
    pub cells: Vec<CommitCell>,
    /// The generator's own health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthSample>,
}

/// What was counted of one endpoint's requests that were to start in one second of a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommitCell {
    /// Position of the phase.
    pub phase: usize,
    /// Whole seconds from the phase's start.
    pub second: u64,
    /// Position of the endpoint.
    pub endpoint: usize,
    /// The counts.
    pub cell: Cell,
}
