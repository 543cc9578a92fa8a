//! `perfctl results list|show|prune`: the directory of stored runs.

mod list;
mod prune;
mod show;

use std::io::Write;
use std::path::Path;

use clap::{Args, Subcommand};

use crate::error::{Error, Exit};
use crate::metrics::RunDir;

/// List, show and remove stored runs
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ResultsArgs {
    #[command(subcommand)]
    command: Option<ResultsCommand>,
    #[command(flatten)]
    list: list::ListArgs,
}

/// The subcommands of `perfctl results`; without one, it lists.
#[derive(Debug, Clone, Subcommand)]
enum ResultsCommand {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Prune(prune::PruneArgs),
}

/// Carries out the subcommand.
///
/// # Errors
/// If the directory cannot be read, a run that is named cannot be found, or one cannot be removed.
pub fn run(args: &ResultsArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    match &args.command {
        None => list::run(&args.list, out),
        Some(ResultsCommand::List(args)) => list::run(args, out),
        Some(ResultsCommand::Show(args)) => show::run(args, out),
        Some(ResultsCommand::Prune(args)) => prune::run(args, out),
    }
}

/// The names and sizes of the files in the directory of a run, in bytes; those that vanish meanwhile
/// are left out.
fn files(run: &Path) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(run).into_iter().flatten().flatten();
    let mut files: Vec<(String, u64)> = entries
        .filter_map(|entry| {
            let size = entry
                .metadata()
                .ok()
                .filter(std::fs::Metadata::is_file)?
                .len();
            Some((entry.file_name().to_string_lossy().into_owned(), size))
        })
        .collect();
    files.sort();
    files
}

fn size(run: &Path) -> u64 {
    files(run).iter().map(|(_, size)| size).sum()
}

/// What a run without a result is.
fn unfinished(run: &RunDir) -> &'static str {
    match run.is_going_on() {
        true => "running",
        false => "unfinished",
    }
}
