//! `perfctl list`: the scenarios, and their endpoints with weights.

use std::io::Write;

use clap::Args;

use crate::cli::show::describe;
use crate::cli::show::output::print_for_people;
use crate::error::{Error, Exit};
use crate::scenario;

/// List the scenarios with their endpoints and weights
#[derive(Debug, Clone, Args)]
pub struct ListArgs {}

/// Prints all scenarios; those that are wrong are reported after the others.
///
/// # Errors
/// All that is wrong in any of them, or output that cannot be written.
pub fn run(_: &ListArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let files = scenario::scenarios();
    if files.is_empty() {
        print_for_people(
            out,
            "no scenarios in `scenarios/`; `perfctl init` creates one\n",
        )?;
    }
    let mut errors = Vec::new();
    for path in files {
        let outline = match scenario::outline(&path) {
            Ok(outline) => outline,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        let host = outline
            .host
            .map_or_else(String::new, |host| format!(", {host}"));
        print_for_people(
            out,
            &format!("{} ({}{host})\n", path.display(), outline.name),
        )?;
        let mut table = describe::table(["endpoint", "weight", "tags"]);
        describe::align_right(&mut table, 1);
        for endpoint in outline.endpoints {
            table.add_row([
                endpoint.name,
                endpoint.weight.to_string(),
                endpoint.tags.join(", "),
            ]);
        }
        print_for_people(out, &format!("{}\n\n", table.trim_fmt()))?;
    }
    Error::all(errors)?;
    Ok(Exit::Pass)
}
