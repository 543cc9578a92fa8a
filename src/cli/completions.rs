//! `perfctl completions SHELL`: a script with which a shell completes perfctl's arguments.

use std::io::Write;

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::show::output;
use crate::error::{Error, Exit};

/// Print shell completions
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Shell to complete for
    shell: Shell,
}

/// Prints the script for `command`; the shell's manual says where it goes.
///
/// # Errors
/// Output that cannot be written.
pub fn run(
    args: &CompletionsArgs,
    mut command: Command,
    out: &mut dyn Write,
) -> Result<Exit, Error> {
    let mut script = Vec::new();
    generate(args.shell, &mut command, "perfctl", &mut script);
    output::written(out.write_all(&script))?;
    Ok(Exit::Pass)
}
