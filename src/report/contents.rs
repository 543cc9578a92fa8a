//! What every format reports: a run, its grade and its comparison.

use std::path::PathBuf;

use crate::comparison::Comparison;
use crate::grading::Grading;
use crate::metrics::RunResult;

/// Everything a report is about.
#[derive(Debug, Clone)]
pub struct Report {
    /// The numbers.
    pub result: RunResult,
    /// The grade, the verdict and the exit code.
    pub grading: Grading,
    /// The changes against a baseline, if there was one.
    pub comparison: Option<Comparison>,
    /// The directory with the files of the run, if it is known.
    pub directory: Option<PathBuf>,
    /// Whether the run or the comparison comes first.
    pub focus: Focus,
}

/// What a report puts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// The run: grade, SLOs, endpoints.
    Run,
    /// The comparison: every row of it, and no grade.
    Comparison,
}
