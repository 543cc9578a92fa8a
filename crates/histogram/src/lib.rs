//! Histograms of microseconds: a dense one to read percentiles from, a sparse one to store, and one whose values
//! can be taken out again.
//!
//! They have the same buckets, those of HdrHistogram with 3 digits, so that a percentile is within 0.1 % of the
//! recorded value. It is a crate of its own so that a development build can optimize it: reports and the regression
//! gate read millions of buckets. Nothing here knows what was measured.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod bucket;
mod dense;
mod form;
mod percentile;
mod ranked_counts;
mod sparse;

pub use bucket::{bucket_index, highest_at, highest_of_bucket, lowest_of_bucket, middle_of_bucket};
pub use dense::Histogram;
pub use percentile::{Percentile, rank};
pub use ranked_counts::RankedCounts;
pub use sparse::SparseHistogram;
