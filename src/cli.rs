//! The command line: what can be asked for, and the code that carries it out.
//!
//! Here: the arguments, one file per subcommand. Not here: anything that a subcommand decides.

mod demo;

use std::ffi::OsString;
use std::io::Write;

use clap::{Parser, Subcommand};

use crate::error::{Error, Exit};

/// Load testing whose numbers and verdict can be trusted.
#[derive(Debug, Parser)]
#[command(name = "perfctl", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the built-in target, to try scenarios on.
    Demo(demo::DemoArgs),
}

/// Does what the arguments ask for.
///
/// # Errors
/// What stopped the command, wrong arguments included.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
) -> Result<Exit, Error> {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return Ok(if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Pass
            });
        }
    };
    match cli.command {
        Command::Demo(args) => demo::run(&args, out),
    }
}
