//! What ended in one second of the run, all workers together: a line of the journal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metrics::storage::packed;
use crate::metrics::{
    Adjustment, Cell, EndpointInfo, FailureSamples, HealthSample, Histogram, Starts, Traces,
};
use crate::plan::Percentile;

/// What ended in one second of the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// Virtual users running, or requests in flight.
    pub users: u32,
    /// Rows that came up, whose names templates made; they follow those before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<EndpointInfo>,
    /// Requests that succeeded, for those who watch the file; of the cells all is added up again.
    pub successes: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Arrivals that were dropped.
    pub dropped: u64,
    /// p95 of the response times of those that ended, with time-outs at their age, for those who watch the file; us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_us: Option<f64>,
    /// What was counted, by intended start.
    #[serde(with = "packed")]
    pub cells: Vec<CommitCell>,
    /// The first failures of their kinds.
    #[serde(default, skip_serializing_if = "FailureSamples::is_empty")]
    pub failure_samples: FailureSamples,
    /// Traced requests that may be kept.
    #[serde(default, skip_serializing_if = "Traces::is_empty")]
    pub traces: Traces,
    /// How the load was changed by hand since the second before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adjustments: Vec<Adjustment>,
    /// When the load ended, if it had by then, from its start; us. What it still waited for comes later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at_us: Option<u64>,
    /// How the `on_start` of users ended, by the names of their classes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub starts: BTreeMap<String, Starts>,
    /// The load generator's health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthSample>,
}

/// What was counted of one endpoint's requests, by the second of their intended start.
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

/// p95 of the response times in these cells, with time-outs at their age; us.
pub(super) fn p95_us<'a>(cells: impl Iterator<Item = &'a CommitCell>) -> Option<f64> {
    let mut times = Histogram::default();
    for entry in cells {
        times.add(&entry.cell.response);
        times.add(&entry.cell.censored);
    }
    times.percentile(Percentile::new(95.0)?)
}
