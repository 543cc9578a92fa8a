//! What is measured: samples, histograms, and the result of a run.
//!
//! Here: how a request's end is classified, recorded, merged, stored and read back. Not here:
//! what is good or bad about it (`grading`, `comparison`), and how it looks (`report`).

mod outcome;
#[cfg(test)]
pub(crate) mod fixture;
mod fold;
mod health;
mod histogram;
mod journal;
mod knee;
mod recorder;
mod result;
mod sample;
mod statistics;
mod steady;
mod store;
mod timeline;
mod validity;

pub use outcome::Outcome;
pub use fold::{Fold, Live};
pub use health::{HealthSample, Usage, WorkerHealth};
pub use histogram::{Histogram, SparseHistogram, lowest_of_bucket, middle_of_bucket};
pub use journal::{Commit, CommitCell, JournalWriter, recover};
pub use knee::{Knee, SweepLevel};
pub use recorder::Recorder;
pub use result::{
    Cell, Component, Ending, EndpointInfo, EndpointResult, Machine, RunInfo, RunResult, Totals,
};
pub use sample::{
    ComponentSample, ConnectionSample, Example, FailureSample, HttpVersion, Sample, Tick,
};
pub use statistics::{Summary, Window};
pub use store::{RunDir, parse_result, read_result, read_unpacked, write_atomically};
pub use timeline::Interval;
