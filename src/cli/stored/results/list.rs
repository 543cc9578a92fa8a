//! `perfctl results list`: one line for each stored run.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;

use super::files::{size, unfinished};
use crate::cli::args::out::OutArgs;
use crate::cli::show::describe::{align_right, table};
use crate::cli::show::output::{print_for_people, write_json};
use crate::error::{Error, Exit};
use crate::grading::{Grading, Policy};
use crate::metrics::{RunDir, read_result, stored_runs};
use crate::report::plain;
use crate::units::{format_bytes, format_duration};

/// List the stored runs, newest first
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// How many runs to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: usize,
    #[command(flatten)]
    out: OutArgs,
    /// Output format
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "console",
        value_parser = PossibleValuesParser::new(["console", "json"]),
    )]
    format: String,
}

/// One run, as `--format json` lists it.
#[derive(Debug, Serialize)]
struct ListedRun {
    id: String,
    path: String,
    /// `pass`, `fail`, `inconclusive` or `invalid`; of one without a result, `running` or `unfinished`; else
    /// `unreadable`.
    verdict: String,
    grade: Option<&'static str>,
    started_at: Option<String>,
    scenario: Option<String>,
    profile: Option<String>,
    build: Option<String>,
    /// From the start of the load to the last response.
    duration_s: Option<f64>,
    bytes: u64,
    /// Why it cannot be read.
    error: Option<String>,
}

/// Lists the runs with their verdicts, which do not include a comparison to a baseline.
///
/// # Errors
/// If the directory cannot be read. A run that cannot be read is listed, with the reason.
pub(super) fn run(args: &ListArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let directory = args.out.directory();
    let runs = stored_runs(&directory)?;
    let listed: Vec<ListedRun> = runs.iter().take(args.last).map(ListedRun::of).collect();
    if args.format == "json" {
        write_json(&listed, out)?;
        return Ok(Exit::Pass);
    }
    if runs.is_empty() {
        let text = format!("no runs in `{}/`\n", directory.display());
        print_for_people(out, &text)?;
        return Ok(Exit::Pass);
    }
    let mut table = table(["run", "verdict", "grade", "duration", "size"]);
    for run in &listed {
        let duration = run
            .duration_s
            .and_then(|s| Duration::try_from_secs_f64(s.round()).ok());
        table.add_row([
            plain(&run.id),
            match run.grade.is_some() || run.started_at.is_some() {
                true => run.verdict.to_uppercase(),
                false => run.verdict.clone(),
            },
            run.grade.unwrap_or("-").to_owned(),
            duration.map_or_else(|| "-".to_owned(), format_duration),
            format_bytes(run.bytes),
        ]);
    }
    (3..5).for_each(|column| align_right(&mut table, column));
    let mut text = format!("{}\n", table.trim_fmt());
    if let Some(more @ 1..) = runs.len().checked_sub(args.last) {
        text += &format!("\n{more} more: `--last {}` lists all\n", runs.len());
    }
    for error in listed.iter().filter_map(|run| run.error.as_ref()) {
        text += &format!("\n{error}\n");
    }
    print_for_people(out, &text)?;
    Ok(Exit::Pass)
}

impl ListedRun {
    fn of(run: &RunDir) -> Self {
        let mut listed = Self {
            id: run.id().to_owned(),
            path: run.path().display().to_string(),
            verdict: "unreadable".to_owned(),
            grade: None,
            started_at: None,
            scenario: None,
            profile: None,
            build: None,
            duration_s: None,
            bytes: size(run.path()),
            error: None,
        };
        match read_result(run.path()) {
            Ok(result) => {
                let grading = Grading::of(&result, None, &Policy::of_run(&result.run));
                listed.verdict = grading.verdict.name().to_lowercase();
                listed.grade = grading.letter.map(|letter| letter.name());
                let ending = result.run.ending.as_ref();
                listed.duration_s = ending.map(|ending| ending.drained_at_us as f64 / 1e6);
                listed.started_at = Some(result.run.started_at);
                listed.scenario = Some(result.run.scenario);
                listed.profile = Some(result.run.profile);
                listed.build = result.run.build;
            }
            Err(_) if !run.result().exists() && run.is_going_on() => {
                listed.verdict = unfinished(run).to_owned();
            }
            Err(error) => {
                if !run.result().exists() {
                    listed.verdict = unfinished(run).to_owned();
                }
                listed.error = Some(error.to_string());
            }
        }
        listed
    }
}
