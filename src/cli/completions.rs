//! `perfctl completions SHELL`: what a shell needs to complete perfctl's arguments.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::Cli;
use super::show::output;
use crate::error::{Error, Exit};

/// Print the completions for a shell
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

/// Prints the script; the shell's manual says where it goes.
///
/// # Errors
/// Output that cannot be written.
pub fn run(args: &CompletionsArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "perfctl", &mut script);
    output::written(out.write_all(&script))?;
    Ok(Exit::Pass)
}
