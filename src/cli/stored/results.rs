//! `perfctl results list|show|prune`: the directory of stored runs.

mod files;
mod list;
mod prune;
mod show;

use std::io::Write;

use clap::{Args, Subcommand};

use crate::error::{Error, Exit};

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
