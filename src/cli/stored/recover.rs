//! `perfctl recover DIR`: makes a result of the journal of a run that was killed.

use std::io::Write;
use std::path::PathBuf;

use crate::cli::show::output::FormatArgs;
use crate::error::{Error, Exit};
use crate::grading::{Grading, Policy};
use crate::metrics::{RunDir, recover, write_atomically};
use crate::report::{Focus, Report};

/// Make a result of the journal of a run that was killed
#[derive(Debug, clap::Args)]
pub struct RecoverArgs {
    /// The run's directory, which holds journal.jsonl.
    pub directory: PathBuf,
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Writes result.json and prints the report. A run that was cut short is inconclusive at best.
///
/// # Errors
/// When there is a result already, the journal cannot be read, or the result not be written.
pub fn run(args: &RecoverArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let dir = RunDir::open(&args.directory);
    if dir.result().exists() {
        return Err(Error::usage_help(
            format!("`{}` exists already", dir.result().display()),
            format!("`perfctl report {}` prints it", args.directory.display()),
        ));
    }
    let result = recover(&dir.journal())?;
    write_atomically(&dir.result(), &result)?;
    let report = Report {
        grading: Grading::of(&result, None, &Policy::default()),
        result,
        comparison: None,
        directory: Some(args.directory.clone()),
        focus: Focus::Run,
    };
    args.format.print(&report, out)?;
    Ok(report.grading.judged_exit)
}
