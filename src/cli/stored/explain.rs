//! `perfctl explain`: the findings of a stored run with their reasoning, and what to do about them.

use std::io::Write;
use std::path::PathBuf;

use super::report::{newest, run_directory};
use crate::cli::args::out::OutArgs;
use crate::cli::show::output::print_explanation;
use crate::error::{Error, Exit};
use crate::grading::Policy;
use crate::metrics::read_result;
use crate::report::Report;

/// Explain the findings of a stored run: rule, numbers, threshold, what it means, and what to do
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// Directory or name of the run, or its result.json [default: the newest run in `--out`]
    pub result: Option<PathBuf>,
    #[command(flatten)]
    pub out: OutArgs,
}

/// Prints the explanation. Findings are no verdict: it succeeds whatever was found.
///
/// # Errors
/// If the result cannot be read, or the output fails.
pub fn run(args: &ExplainArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let path = match &args.result {
        Some(path) => args.out.find(path),
        None => newest(&args.out.directory())?,
    };
    let result = read_result(&path)?;
    let policy = Policy::of_run(&result.run);
    let report = Report::of_stored(result, run_directory(&path), &policy, None);
    print_explanation(&report, out)?;
    Ok(Exit::Pass)
}
