//! `perfctl results show`: what is stored of a run. Its numbers are in `perfctl report`.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::files::{files, unfinished};
use crate::cli::args::out::OutArgs;
use crate::cli::show::output::print_for_people;
use crate::error::{Error, Exit};
use crate::grading::{Grading, Policy};
use crate::metrics::{Outcome, RunDir, RunResult, Window, read_result};
use crate::report::plain;
use crate::units::{format_bytes, format_counted, format_duration};

/// Show what is stored of a run: its plan, its files and their sizes
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// Name of the run, as `perfctl results` lists it, or its directory
    #[arg(value_name = "RUN")]
    run: PathBuf,
    #[command(flatten)]
    out: OutArgs,
}

/// Prints it.
///
/// # Errors
/// If there is no such run, or its result is damaged.
pub(super) fn run(args: &ShowArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let path = args.out.find(&args.run);
    let run = RunDir::open(&path);
    if !run.result().exists() && !run.journal().exists() {
        return Err(Error::usage_help(
            format!(
                "there is no run `{}`",
                plain(&args.run.display().to_string())
            ),
            "`perfctl results` lists the stored runs",
        ));
    }
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10}{}", plain(value));
    };
    line("path", &path.display().to_string());
    if run.result().exists() {
        let result = read_result(&path)?;
        for (name, value) in contents(&result) {
            line(name, &value);
        }
    } else {
        let recover = match run.is_going_on() {
            true => String::new(),
            false => format!(": `perfctl recover {}` rebuilds its result", path.display()),
        };
        line("state", &format!("{}{recover}", unfinished(&run)));
    }
    for (position, (name, size)) in files(&path).iter().enumerate() {
        let title = if position == 0 { "files" } else { "" };
        line(title, &format!("{name:<16} {}", format_bytes(*size)));
    }
    print_for_people(out, &text)?;
    Ok(Exit::Pass)
}

fn contents(result: &RunResult) -> Vec<(&'static str, String)> {
    let run = &result.run;
    let grading = Grading::of(result, None, &Policy::of_run(run));
    let grade = grading
        .letter
        .map_or_else(String::new, |letter| format!(", grade {}", letter.name()));
    let flows = run
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.is_flow)
        .count();
    let endpoints = run.endpoints.len() - flows;
    let seconds =
        |s: f64| format_duration(Duration::try_from_secs_f64(s.round()).unwrap_or_default());
    let flows = match flows {
        0 => String::new(),
        flows => format!(", {}", format_counted(flows as u64, "flow")),
    };
    let mut contents = vec![
        ("verdict", format!("{}{grade}", grading.verdict.name())),
        ("started", run.started_at.clone()),
        (
            "plan",
            format!("{}, {}, against {}", run.scenario, run.profile, run.service),
        ),
    ];
    contents.extend(run.build.clone().map(|build| ("build", build)));
    contents.push((
        "contains",
        format!(
            "{}{flows}, {}, {}, {} of them measured",
            format_counted(endpoints as u64, "endpoint"),
            format_counted(result.count(Outcome::is_started), "request"),
            format_counted(result.timeline.len() as u64, "second"),
            seconds(result.window_s(Window::Measured)),
        ),
    ));
    contents
}
