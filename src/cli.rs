//! The command line: one module for each command.
//!
//! Here: the parser, and which module carries out a command. Nothing is measured or judged here.
//! The commands that send load are in `run`, those over stored runs in `stored`, and those over files in `scenarios`.

mod args;
mod completions;
mod init;
mod run;
mod scenarios;
mod schema;
mod servers;
mod show;
mod signals;
mod stored;

use std::ffi::{OsStr, OsString};
use std::io::Write;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::error::{Error, Exit};
use args::foreign;

/// Load testing for HTTP services, with numbers and verdicts you can trust
#[derive(Debug, Parser)]
#[command(name = "perfctl", version, max_term_width = 80)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::RunArgs>),
    Validate(Box<scenarios::validate::ValidateArgs>),
    Try(Box<run::trial::TrialArgs>),
    ValidateTarget(Box<run::validate_target::ValidateTargetArgs>),
    Profiles(scenarios::profiles::ProfilesArgs),
    List(scenarios::list::ListArgs),
    Init(init::InitArgs),
    Export(scenarios::export::ExportArgs),
    Report(stored::report::ReportArgs),
    Explain(stored::explain::ExplainArgs),
    History(stored::history::HistoryArgs),
    Results(stored::results::ResultsArgs),
    Compare(stored::compare::CompareArgs),
    Ab(Box<run::ab::AbArgs>),
    Capacity(Box<run::capacity::CapacityArgs>),
    Baseline(stored::baseline::BaselineArgs),
    Selfcheck(Box<run::selfcheck::SelfcheckArgs>),
    Recover(stored::recover::RecoverArgs),
    Serve(servers::serve::ServeArgs),
    Demo(servers::demo::DemoArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
}

/// Carries out the command in the arguments, and writes what went wrong to `errors`.
pub fn main(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Exit {
    signals::survive_file_size_limit();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut parser = parser();
    let matches = parser.try_get_matches_from_mut(&arguments);
    let foreign = foreign::check_words(&arguments)
        .and_then(|()| matches.as_ref().map_or(Ok(()), foreign::check));
    if let Err(error) = foreign {
        let _ = writeln!(errors, "{error}");
        return error.exit();
    }
    let parsed = matches.and_then(|matches| {
        Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut parser))
    });
    let command = match parsed {
        Ok(cli) => cli.command,
        Err(mut error) => {
            foreign::forget_tips(&mut error);
            if error.kind() == ErrorKind::InvalidSubcommand && names_scenario(&arguments) {
                let error = Error::usage_help(
                    "a scenario or a URL comes after a command",
                    "to put load on it, use `perfctl run`",
                );
                let _ = writeln!(errors, "{error}");
                return error.exit();
            }
            if error.kind() == ErrorKind::InvalidUtf8
                && let Some(name) = unreadable_variable()
            {
                let error = Error::usage(format!("{name} is not UTF-8 text"));
                let _ = writeln!(errors, "{error}");
                return error.exit();
            }
            // Help and version are no errors; clap knows which stream they belong to.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Pass
            };
        }
    };
    carry_out(&command, out).unwrap_or_else(|error| {
        // If nobody reads errors, the exit code still tells.
        let _ = writeln!(errors, "{error}");
        error.exit()
    })
}

/// The parser of all commands.
fn parser() -> clap::Command {
    foreign::with_foreign_flags(without_empty_variables(Cli::command()))
}

/// Whether a scenario or a URL stands where the command should.
fn names_scenario(arguments: &[OsString]) -> bool {
    let first = arguments.get(1).and_then(|first| first.to_str());
    first.is_some_and(|first| {
        let is_file = first.ends_with(".yaml") || first.ends_with(".yml");
        is_file || crate::scenario::with_scheme(first).is_some()
    })
}

/// A parser without the environment variables that have no value: CI systems set those they have
/// no value for to an empty text.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| match arg.get_env() {
            Some(name) if is_empty(name) => arg.env(Resettable::Reset),
            _ => arg,
        })
        .mut_subcommands(without_empty_variables)
}

/// An environment variable of perfctl that is not text.
fn unreadable_variable() -> Option<String> {
    std::env::vars_os().find_map(|(name, value)| {
        let name = name.into_string().ok()?;
        (name.starts_with("PERFCTL_") && value.to_str().is_none()).then_some(name)
    })
}

fn carry_out(command: &Command, out: &mut dyn Write) -> Result<Exit, Error> {
    match command {
        Command::Run(args) => run::run(args, out),
        Command::Validate(args) => scenarios::validate::run(args, out),
        Command::Try(args) => run::trial::run(args, out),
        Command::ValidateTarget(args) => run::validate_target::run(args, out),
        Command::Profiles(args) => scenarios::profiles::run(args, out),
        Command::List(args) => scenarios::list::run(args, out),
        Command::Init(args) => init::run(args, out),
        Command::Export(args) => scenarios::export::run(args, out),
        Command::Report(args) => stored::report::run(args, out),
        Command::Explain(args) => stored::explain::run(args, out),
        Command::History(args) => stored::history::run(args, out),
        Command::Results(args) => stored::results::run(args, out),
        Command::Compare(args) => stored::compare::run(args, out),
        Command::Ab(args) => run::ab::run(args, out),
        Command::Capacity(args) => run::capacity::run(args, out),
        Command::Baseline(args) => stored::baseline::run(args, out),
        Command::Selfcheck(args) => run::selfcheck::run(args, out),
        Command::Recover(args) => stored::recover::run(args, out),
        Command::Serve(args) => servers::serve::run(args, out),
        Command::Demo(args) => servers::demo::run(args, out),
        Command::Schema(args) => schema::run(args, out),
        Command::Completions(args) => completions::run(args, Cli::command(), out),
    }
}
