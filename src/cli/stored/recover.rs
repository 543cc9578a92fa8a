//! `perfctl recover DIR`: rebuilds the result from the journal of a killed run.

use std::io::Write;
use std::path::PathBuf;

use crate::cli::args::out::OutArgs;
use crate::cli::show::output::FormatArgs;
use crate::error::{Error, Exit};
use crate::grading::Policy;
use crate::metrics::{RunDir, recover, write_atomically};
use crate::report::Report;

/// Rebuild the result from the journal of a killed run
#[derive(Debug, clap::Args)]
pub struct RecoverArgs {
    /// Directory of the run, with its journal.jsonl, or its name
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    #[command(flatten)]
    pub out: OutArgs,
    #[command(flatten)]
    pub format: FormatArgs,
}

/// Writes result.json and prints the report. A run that was cut short is inconclusive at best.
///
/// # Errors
/// If there is a result already, the journal cannot be read, or the result cannot be written.
pub fn run(args: &RecoverArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let directory = args.out.find(&args.directory);
    let dir = RunDir::open(&directory);
    if dir.result().exists() {
        return Err(Error::usage_help(
            format!("`{}` already exists", dir.result().display()),
            format!("`perfctl report {}` prints it", directory.display()),
        ));
    }
    if dir.is_locked() {
        return Err(Error::usage_help(
            format!("the run `{}` is still going on", directory.display()),
            "it writes its result when it ends",
        ));
    }
    args.format.check_files(None, None)?;
    let result = recover(&dir.journal())?;
    write_atomically(&dir.result(), &result)?;
    let policy = Policy::of_run(&result.run);
    let report = Report::of_stored(result, Some(directory), &policy, None);
    args.format.print(&report, out)?;
    Ok(report.grading.exit)
}
