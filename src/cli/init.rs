//! `perfctl init`: a scenario, the profiles and a CI workflow to start with.

mod files;
mod from_curl;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::show::output::print;
use crate::error::{Error, Exit};
use crate::scenario;
use files::write_all;

/// A commented scenario with a login.
const SCENARIO: &str = include_str!("init/default.yaml");
/// The users that log in, beside it.
const USERS: &str = include_str!("init/users.csv");
/// A scenario of ten lines.
const MINIMAL: &str = include_str!("init/minimal.yaml");

/// Create a commented scenario with its data, the profiles and a CI workflow
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// Directory to write to
    #[arg(default_value = ".")]
    pub dir: PathBuf,

    /// CI system to create a workflow for
    #[arg(long, value_enum, value_name = "SYSTEM", default_value_t = Ci::Github)]
    pub ci: Ci,

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

/// A CI system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ci {
    /// GitHub Actions
    Github,
    /// No workflow
    None,
}

/// Writes the files; none of them if one exists and `--force` is not given.
///
/// # Errors
/// Wrong usage if files exist, or a file that cannot be written.
pub fn run(args: &InitArgs, out: &mut dyn Write) -> Result<Exit, Error> {
    if let Some(given) = &args.from_curl {
        return from_curl::run(given, &args.dir, args.force, out);
    }
    let files = match args.minimal {
        true => vec![(PathBuf::from("scenarios/default.yaml"), MINIMAL)],
        false => all_files(args.ci),
    };
    let files: Vec<(PathBuf, &[u8])> = files
        .iter()
        .map(|(path, text)| (args.dir.join(path), text.as_bytes()))
        .collect();
    write_all(&files, args.force, out)?;
    print(
        out,
        "\nnext: perfctl validate, perfctl try, then perfctl run --profile smoke\n",
    )?;
    Ok(Exit::Pass)
}

fn all_files(ci: Ci) -> Vec<(PathBuf, &'static str)> {
    let mut files = vec![
        (PathBuf::from("scenarios/default.yaml"), SCENARIO),
        (PathBuf::from("scenarios/users.csv"), USERS),
    ];
    let profiles = scenario::embedded_profiles();
    files.extend(
        profiles.map(|(name, text)| (PathBuf::from(format!("profiles/{name}.yaml")), text)),
    );
    match ci {
        Ci::Github => {
            files.push((
                ".github/workflows/perfctl.yml".into(),
                include_str!("init/github.yml"),
            ));
        }
        Ci::None => {}
    }
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
            ci: Ci::Github,
            minimal: false,
            force: false,
            from_curl: None,
        };
        let mut out = Vec::new();
        assert_eq!(run(&args, &mut out).unwrap(), Exit::Pass);
        assert!(String::from_utf8(out).unwrap().contains("smoke.yaml"));
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
