//! `perfctl results`: lists the stored runs.

use std::io::Write;

use clap::Args;

use crate::cli::args::out::OutArgs;
use crate::cli::show::describe::{align_right, table};
use crate::cli::show::output::print_for_people;
use crate::error::{Error, Exit};
use crate::grading::{Grading, Policy};
use crate::metrics::{RunDir, Window, read_result, stored_runs};
use crate::report::plain;
use crate::units::{format_count, format_latency_us, format_percent};

/// List the stored runs, the newest first
#[derive(Debug, Clone, Args)]
pub struct ResultsArgs {
    /// How many runs to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub last: usize,
    #[command(flatten)]
    pub out: OutArgs,
}

/// Lists the runs with their verdicts, which do not include a comparison to a baseline.
///
/// # Errors
/// If the directory cannot be read. A run that cannot be read is listed with the reason.
pub fn run(args: &ResultsArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let directory = args.out.directory();
    let runs = stored_runs(&directory)?;
    if runs.is_empty() {
        let text = format!("no runs in `{}/`\n", directory.display());
        print_for_people(out, &text)?;
        return Ok(Exit::Pass);
    }
    let mut table = table(["run", "verdict", "grade", "requests", "failed", "p95"]);
    let mut unusable = Vec::new();
    for run in runs.iter().take(args.last) {
        match row(run) {
            Ok(row) => drop(table.add_row(row)),
            Err(error) => unusable.push(error.to_string()),
        }
    }
    (3..6).for_each(|column| align_right(&mut table, column));
    let mut text = String::new();
    if !table.is_empty() {
        text += &format!("{}\n", table.trim_fmt());
    }
    if let Some(more @ 1..) = runs.len().checked_sub(args.last) {
        text += &format!("\n{more} more: `--last {}` lists all\n", runs.len());
    }
    for error in unusable {
        text += &format!("\n{error}\n");
    }
    print_for_people(out, &text)?;
    Ok(Exit::Pass)
}

fn row(run: &RunDir) -> Result<Vec<String>, Error> {
    let result = read_result(run.path())?;
    let grading = Grading::of(&result, None, &Policy::default());
    let total = result.summary(None, Window::Measured);
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    Ok(vec![
        plain(run.id()),
        grading.verdict.name().to_owned(),
        or_none(grading.letter.map(|letter| letter.name().to_owned())),
        format_count(total.requests),
        or_none(total.error_rate.map(format_percent)),
        or_none(total.response_us.p95.map(format_latency_us)),
    ])
}
