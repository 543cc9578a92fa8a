//! `perfctl validate`: is everything right, and what would a run do? Nothing is sent.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::describe;
use super::load_args::LoadArgs;
use super::output::print;
use crate::error::{Error, Exit};
use crate::scenario::{self, CheckedFile};

/// Check scenarios and profiles, and show what a run would do, without sending anything
#[derive(Debug, Clone, Args)]
pub struct ValidateArgs {
    /// Scenario and profile files; by default all in `scenarios/` and `profiles/`
    pub files: Vec<PathBuf>,

    /// The load to show
    #[command(flatten)]
    pub load: LoadArgs,
}

/// Checks all files, and describes the good scenarios.
///
/// # Errors
/// All that is wrong in any file, or output that cannot be written.
pub fn run(args: &ValidateArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let options = args.load.options()?;
    let mut files = args.files.clone();
    if files.is_empty() {
        files = scenario::scenarios();
        files.extend(scenario::profile_files());
    }
    if files.is_empty() {
        return Err(Error::usage_help(
            "there is nothing to validate in `scenarios/` and `profiles/`",
            "name a file, or write a scenario with `perfctl init`",
        ));
    }
    let mut errors = Vec::new();
    for path in files {
        let name = path.display();
        match scenario::check_file(&path, &args.load.profile, &options) {
            Ok(CheckedFile::Scenario(plan)) => {
                print(out, &format!("{name}: ok\n\n{}\n", describe::plan(&plan)))?
            }
            Ok(CheckedFile::Profile(load)) => {
                let (level, held) = (describe::level(&load), describe::held(&load));
                print(out, &format!("{name}: ok ({level} for {held})\n"))?;
            }
            Err(error) => errors.push(error),
        }
    }
    Error::all(errors)?;
    Ok(Exit::Pass)
}
