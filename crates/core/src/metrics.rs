//! What is measured: samples, histograms, and the result of a run.
//!
//! Here: how the outcomes of requests are recorded, merged, stored and read back. Not here: what is
//! good or bad about them (`grading`, `comparison`), and how they look (`report`).

mod analysis;
pub mod exported;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixture;
mod observation;
mod recent;
mod record;
mod storage;
mod trace;

pub use analysis::abort::AbortWatch;
pub use analysis::health::{CPU_LIMITS, LAG_P99_US, WORKER_LIMITS};
pub use analysis::knee::{Knee, SweepLevel};
pub use analysis::levels::{LoadLevel, LoadLevels};
pub use analysis::observed::{Observed, Spread};
pub use analysis::statistics::{ComponentSummary, Latency, Summary, Window};
pub use analysis::steady::{median, trend};
pub use analysis::windows::WorstWindow;
pub use analysis::windows::live::LiveWindows;
pub use observation::{Observation, ObservedInfo, ObservedValue, merge_buckets};
pub use perfctl_histogram::{
    Histogram, SparseHistogram, bucket_index, highest_of_bucket, lowest_of_bucket, middle_of_bucket,
};
pub use recent::RecentSeconds;
pub use record::cell::OTHER;
pub use record::cell::{Cell, ComponentCounts, InstanceCounts, MeasureCounts, UseCounts};
pub use record::commit::{Commit, CommitCell};
pub use record::failure_sample::{
    BodyText, ExchangeText, FailureSample, FailureSamples, MessageText, RecordedFailure,
};
pub use record::failures::{FLOW_CHECKS, FailureCause, FailureCount, FailureCounts};
pub use record::fold::{Fold, LiveSnapshot};
pub use record::health::{HealthSample, Usage};
pub use record::http_version::HttpVersion;
pub use record::outcome::Outcome;
pub use record::recorder::Recorder;
pub use record::sample::{
    ComponentSample, ConnectionSample, Example, FailureTexts, MeasureSample, OriginSample,
    Responder, Sample,
};
pub use record::tick::{NewSubject, Tick, WorkerHealth};
pub use record::totals::{Starts, Totals};
pub use storage::adjustment::{Adjustment, LoadSetting};
pub use storage::follow::{FollowedSecond, ResultFollower, SecondsFollower};
pub use storage::journal::{JournalWriter, recover};
pub use storage::result::{EndpointResult, RunResult};
pub use storage::run_dir::{
    RunDir, check_writable, create_file, parse_result, read_result, read_unpacked, stored_runs,
    write_atomically, write_file,
};
pub use storage::run_info::{Ending, EndpointInfo, Machine, RunInfo, SampleCounts};
pub use storage::timeline::Interval;
pub use storage::version::{FileHeader, check_version};
pub use trace::{TraceInfo, TracedRequest, Traces};
