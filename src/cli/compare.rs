//! `perfctl compare BASELINE RESULT`: what changed between stored runs.

use std::io::Write;
use std::path::PathBuf;

use super::output::{FormatArgs, ThresholdArgs};
use crate::comparison::{Baseline, compare};
use crate::error::{Error, Exit};
use crate::grading::{FailOn, Policy};
use crate::metrics::read_result;
use crate::report::{Focus, Report};

/// Compare a stored run to a baseline, or to another run
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    /// What to compare to: a baseline file, or a stored run.
    pub baseline: PathBuf,
    /// The run: its directory, or its result.json.
    pub result: PathBuf,
    #[command(flatten)]
    pub threshold: ThresholdArgs,
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Prints the comparison. Only a regression fails it, whatever the run's own targets say.
///
/// # Errors
/// When one of the two cannot be read, or they are not comparable.
pub fn run(args: &CompareArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let baseline = Baseline::read(&args.baseline)?;
    let result = read_result(&args.result)?;
    let comparison = compare(&baseline, &result, &args.threshold.gate())?;
    let policy = Policy {
        fail_on: FailOn {
            slo: false,
            regression: true,
            errors: false,
        },
        code_on_error: None,
    };
    let mut report = Report::new(result, Some(comparison), &policy);
    report.focus = Focus::Comparison;
    report.directory = super::report::directory(&args.result);
    args.format.print(&report, out)?;
    Ok(report.grading.verdict.exit())
}
