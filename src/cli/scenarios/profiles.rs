//! `perfctl profiles`: the load profiles, and what they contain.

use std::io::Write;

use clap::{Args, Subcommand};

use crate::cli::show::describe;
use crate::cli::show::output::{print, print_for_people};
use crate::error::{Error, Exit};
use crate::scenario;

/// List the load profiles, or show one
#[derive(Debug, Clone, Args)]
pub struct ProfilesArgs {
    /// What to do; lists the profiles if omitted
    #[command(subcommand)]
    pub command: Option<ProfilesCommand>,
}

/// The subcommands of `perfctl profiles`.
#[derive(Debug, Clone, Subcommand)]
pub enum ProfilesCommand {
    /// Print the YAML of a profile
    Show {
        /// Name of the profile
        name: String,
    },
}

/// Lists the profiles or shows one.
///
/// # Errors
/// A bad profile file, an unknown name, or output that cannot be written.
pub fn run(args: &ProfilesArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    if let Some(ProfilesCommand::Show { name }) = &args.command {
        print(out, &scenario::profile_text(name)?)?;
        return Ok(Exit::Pass);
    }
    let mut table = describe::table(["profile", "load", "duration", "purpose"]);
    for profile in scenario::profiles()? {
        let purpose = match &profile.path {
            None => profile.purpose,
            Some(path) => format!("{} ({})", profile.purpose, path.display()),
        };
        let (load, held) = (
            describe::level(&profile.load),
            describe::held(&profile.load),
        );
        table.add_row([profile.name, load, held, purpose]);
    }
    print_for_people(out, &format!("{}\n", table.trim_fmt()))?;
    Ok(Exit::Pass)
}
