//! `perfctl schema`: JSON Schema, with which editors complete and check scenario files.

use std::io::Write;

use clap::{Args, ValueEnum};

use super::show::output::print;
use crate::error::{Error, Exit};
use crate::scenario;

/// Print the JSON Schema of scenario or profile files, for editors
#[derive(Debug, Clone, Args)]
pub struct SchemaArgs {
    /// Kind of files
    #[arg(value_enum, default_value_t = SchemaKind::Scenario)]
    pub kind: SchemaKind,
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// `scenarios/*.yaml`
    Scenario,
    /// `profiles/*.yaml`
    Profile,
}

/// Prints the schema.
///
/// # Errors
/// Output that cannot be written.
pub fn run(args: &SchemaArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let schema = match args.kind {
        SchemaKind::Scenario => scenario::scenario_schema(),
        SchemaKind::Profile => scenario::profile_schema(),
    };
    print(out, &format!("{schema:#}\n"))?;
    Ok(Exit::Pass)
}
