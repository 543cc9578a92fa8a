//! The seconds of a run, for formats with a row for each.

use std::collections::BTreeMap;

use crate::metrics::{Cell, RunResult};

/// What one endpoint did in one second, by the intended start of requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Second {
    /// Position of the phase; where one phase ends and the next begins within the second, of the later
    /// one.
    pub phase: usize,
    /// Outcomes, response times and times of requests that timed out; results keep nothing else by
    /// second.
    pub cell: Cell,
}

/// By second from the start of the load and by the position of the endpoint. There is nothing for
/// seconds without requests.
pub(super) fn seconds(result: &RunResult) -> BTreeMap<(u64, usize), Second> {
    let mut seconds: BTreeMap<(u64, usize), Second> = BTreeMap::new();
    for interval in &result.timeline {
        let second = result.second_of(interval);
        for (endpoint, cell) in &interval.cells {
            let entry = seconds.entry((second, *endpoint)).or_default();
            entry.phase = interval.phase;
            entry.cell.merge(cell);
        }
    }
    seconds
}
