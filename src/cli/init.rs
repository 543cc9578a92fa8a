//! `perfctl init`: a scenario and the profiles to start with, and load tests in CI.

mod ci;
mod files;
mod from_curl;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::show::output::print;
use crate::error::{Error, Exit};
use crate::scenario;
use ci::Ci;
use files::write_all;

/// Where the scenario is written to.
const DEFAULT: &str = "scenarios/default.yaml";
/// A commented scenario with a login.
const SCENARIO: &str = include_str!("init/default.yaml");
/// The users that log in, beside it.
const USERS: &str = include_str!("init/users.csv");
/// A scenario of ten lines.
const MINIMAL: &str = include_str!("init/minimal.yaml");

/// Create a commented scenario with its data and the profiles, or a load test in CI
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// Directory to write to
    #[arg(default_value = ".")]
    pub dir: PathBuf,

    /// Create the files that run a scenario in this CI system; the scenario only if there is none
    #[arg(long, value_enum, value_name = "SYSTEM")]
    pub ci: Option<Ci>,

    /// With `--ci`: scenario to run, as a path below DIR or its name in `scenarios/` [default:
    /// scenarios/default.yaml, or the only file there]
    #[arg(long, value_name = "FILE", requires = "ci")]
    pub scenario: Option<String>,

    /// Create only a scenario of ten lines
    #[arg(long, conflicts_with = "ci")]
    pub minimal: bool,

    /// Overwrite existing files
    #[arg(long)]
    pub force: bool,

    /// Create nothing but a scenario of a curl command: the command, a file with it, or `-` for
    /// standard input
    #[arg(long, value_name = "COMMAND|FILE|-", conflicts_with = "ci")]
    pub from_curl: Option<String>,
}

/// Writes the files; none of them if one exists and `--force` is not given.
///
/// # Errors
/// Wrong usage if files exist, or a file that cannot be written.
pub fn run(args: &InitArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    if let Some(given) = &args.from_curl {
        return from_curl::run(given, &args.dir, args.force, out);
    }
    let scenario = match args.ci {
        Some(_) => ci::scenario_of(&args.dir, args.scenario.as_deref())?,
        None => None,
    };
    let started: Vec<(PathBuf, &str)> = match (&scenario, args.minimal) {
        (Some(_), _) => Vec::new(),
        (None, true) => vec![(DEFAULT.into(), MINIMAL)],
        (None, false) => scenario_files(),
    };
    let scenario = scenario.as_deref().unwrap_or(DEFAULT);
    let had_hook = args.ci.is_some_and(|ci| ci.has_hook(&args.dir));
    let of_ci = args.ci.map(|ci| ci.files(&args.dir, scenario));
    let of_ci = of_ci.iter().flatten();
    let files: Vec<(PathBuf, &[u8])> = started
        .iter()
        .map(|(path, text)| (args.dir.join(path), text.as_bytes()))
        .chain(of_ci.map(|(path, text)| (path.clone(), text.as_bytes())))
        .collect();
    write_all(&files, args.force, out)?;
    let next = match args.ci {
        Some(ci) => ci.next_steps(&args.dir, had_hook),
        None => "next: perfctl validate, perfctl try, then perfctl run --profile smoke\n\
                 in CI: perfctl init --ci github, gitlab, jenkins or make\n"
            .to_owned(),
    };
    print(out, &format!("\n{next}"))?;
    Ok(Exit::Pass)
}

/// The scenario with its data, and the profiles.
fn scenario_files() -> Vec<(PathBuf, &'static str)> {
    let mut files = vec![
        (DEFAULT.into(), SCENARIO),
        (PathBuf::from("scenarios/users.csv"), USERS),
    ];
    let profiles = scenario::embedded_profiles();
    files.extend(
        profiles.map(|(name, text)| (PathBuf::from(format!("profiles/{name}.yaml")), text)),
    );
    files
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn existing_files_are_overwritten_only_with_force() {
        let dir = tempfile::tempdir().unwrap();
        let mut args = InitArgs {
            dir: dir.path().join("new"),
            ci: Some(Ci::Github),
            scenario: None,
            minimal: false,
            force: false,
            from_curl: None,
        };
        let mut out = Vec::new();
        assert_eq!(run(&args, &mut out).unwrap(), Exit::Pass);
        assert!(String::from_utf8(out).unwrap().contains("smoke.yaml"));
        args.ci = None;
        let scenario = args.dir.join("scenarios/default.yaml");
        fs::write(&scenario, "mine").unwrap();
        fs::remove_file(args.dir.join("profiles/smoke.yaml")).unwrap();
        let error = run(&args, &mut Vec::new()).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        assert_eq!(fs::read_to_string(&scenario).unwrap(), "mine");
        assert!(
            !args.dir.join("profiles/smoke.yaml").exists(),
            "nothing was written"
        );
        args.force = true;
        let mut out = Vec::new();
        run(&args, &mut out).unwrap();
        let said = String::from_utf8(out).unwrap();
        assert!(
            said.contains("overwrote") && said.contains("wrote"),
            "{said}"
        );
        assert_eq!(fs::read_to_string(&scenario).unwrap(), SCENARIO);
    }
}
