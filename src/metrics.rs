//! What is measured: samples, histograms, and the result of a run.
//!
//! Here: how a request's end is classified, recorded, merged, stored and read back. Not here:
//! what is good or bad about it (`grading`, `comparison`), and how it looks (`report`).

mod analysis;
#[cfg(test)]
pub(crate) mod fixture;
mod histogram;
mod record;
mod storage;

pub use analysis::health::{HealthSample, Usage, WorkerHealth};
pub use analysis::knee::{Knee, SweepLevel};
pub use analysis::statistics::{Summary, Window};
pub use histogram::{Histogram, SparseHistogram, lowest_of_bucket, middle_of_bucket};
pub use record::fold::{Fold, Live};
pub use record::outcome::Outcome;
pub use record::recorder::Recorder;
pub use record::sample::{
    ComponentSample, ConnectionSample, Example, FailureSample, HttpVersion, Sample, Tick,
};
pub use storage::journal::{Commit, CommitCell, JournalWriter, recover};
pub use storage::result::{
    Cell, Component, Ending, EndpointInfo, EndpointResult, Machine, RunInfo, RunResult, Totals,
};
pub use storage::run_dir::{RunDir, parse_result, read_result, read_unpacked, write_atomically};
pub use storage::timeline::Interval;
