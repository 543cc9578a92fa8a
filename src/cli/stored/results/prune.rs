//! `perfctl results prune`: removes old runs.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write};
use std::time::Duration;

use clap::Args;

use crate::cli::args::out::OutArgs;
use crate::cli::show::output::print_for_people;
use crate::error::{Error, Exit};
use crate::metrics::{RunDir, stored_runs};
use crate::report::plain;
use crate::units::{format_bytes, format_counted, parse_age};

/// Remove old runs from the directory of stored runs
///
/// Removes only directories that hold a run of perfctl and nothing else; never a run that is still
/// going on, and never a baseline file.
#[derive(Debug, Clone, Args)]
pub struct PruneArgs {
    #[command(flatten)]
    kept: KeptRuns,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    out: OutArgs,
}

/// Which runs stay. One of the options is needed: nothing is removed by mistake.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = true)]
struct KeptRuns {
    /// Keep the newest N runs
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// Keep runs that are not older than AGE, such as `30d`; with `--keep`, a run is removed only if
    /// neither option keeps it
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    older_than: Option<Duration>,
}

/// Removes them, and says which.
///
/// # Errors
/// If the directory cannot be read, or a run cannot be removed; the others are removed nevertheless.
pub(super) fn run(args: &PruneArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    let (mut text, mut left) = (String::new(), String::new());
    let (mut count, mut total) = (0u64, 0);
    let mut failed = Vec::new();
    let verb = if args.dry_run {
        "would remove"
    } else {
        "removed"
    };
    let runs = stored_runs(&args.out.directory())?;
    // The oldest first.
    for run in runs.iter().skip(args.kept.keep.unwrap_or(0)).rev() {
        if !args.kept.is_old(run) {
            continue;
        }
        let name = plain(run.id());
        let bytes = match run.check_removable() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(why) => {
                let _ = writeln!(left, "kept `{name}`: it {}", plain(&why.to_string()));
                continue;
            }
        };
        if !args.dry_run
            && let Err(error) = run.remove()
        {
            failed.push(error);
            continue;
        }
        let _ = writeln!(text, "{verb} {name} ({})", format_bytes(bytes));
        (count, total) = (count + 1, total + bytes);
    }
    text += &left;
    let _ = match count {
        0 => writeln!(text, "no run to remove"),
        _ => writeln!(
            text,
            "{verb} {}, {}",
            format_counted(count, "run"),
            format_bytes(total)
        ),
    };
    print_for_people(out, &text)?;
    Error::all(failed)?;
    Ok(Exit::Pass)
}

impl KeptRuns {
    /// Whether it is older than the limit. Of one whose name has no time, nobody knows.
    fn is_old(&self, run: &RunDir) -> bool {
        let Some(limit) = self.older_than else {
            return true;
        };
        run.age().is_some_and(|age| age > limit)
    }
}
