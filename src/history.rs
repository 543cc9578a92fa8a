//! The history of stored runs: those that may be compared with each other, by date, and where their
//! numbers changed.
//!
//! Here: which runs make a series, what is kept of each, and which of its numbers are tested. Not here:
//! the test (`comparison`), or how a history looks (`report`).

#[cfg(test)]
pub(crate) mod fixture;
mod run;
mod series;

pub use run::{HistoryRun, METRICS, history_metrics};
pub use series::{ChangePoint, Series, series_of};

/// The histories of all scenarios.
#[derive(Debug, Clone)]
pub struct History {
    /// One for each setup that can be compared with itself only; the one with the newest run last.
    pub series: Vec<Series>,
    /// What could not be read, with the place.
    pub unreadable: Vec<String>,
}
