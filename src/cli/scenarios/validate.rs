//! `perfctl validate`: checks files, and shows what a run would do. It sends nothing.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::cli::args::load::LoadArgs;
use crate::cli::show::describe;
use crate::cli::show::output::print_for_people;
use crate::error::{Error, Exit};
use crate::scenario::{self, CheckedFile};

/// Check scenarios and profiles, and preview a run; sends nothing
#[derive(Debug, Clone, Args)]
pub struct ValidateArgs {
    /// Scenario and profile files [default: all in `scenarios/` and `profiles/`]
    pub files: Vec<PathBuf>,

    /// The load to preview.
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
    files.extend(
        args.load
            .sending
            .tags
            .scenarios()
            .into_iter()
            .map(PathBuf::from),
    );
    if files.is_empty() {
        files = scenario::scenarios();
        files.extend(scenario::profile_files());
    }
    if files.is_empty() {
        return Err(Error::usage_help(
            "nothing to validate in `scenarios/` and `profiles/`",
            "give a file, or create a scenario with `perfctl init`",
        ));
    }
    let mut errors = Vec::new();
    let mut good = None;
    for path in files {
        let name = path.display();
        let profile = args.load.profile.as_deref().unwrap_or("smoke");
        match scenario::check_file(&path, profile, &options) {
            Ok(CheckedFile::Scenario(plan)) => {
                print_for_people(out, &format!("{name}: ok\n\n{}\n", describe::plan(&plan)))?;
                good.get_or_insert(path);
            }
            Ok(CheckedFile::Profile(load)) => {
                let (level, held) = (describe::level(&load), describe::held(&load));
                print_for_people(out, &format!("{name}: ok ({level} for {held})\n"))?;
            }
            Err(error) => errors.push(error),
        }
    }
    Error::all(errors)?;
    if let Some(path) = good {
        let next = format!(
            "perfctl try {}, which sends each request once",
            path.display()
        );
        print_for_people(out, &describe::paragraph("next: ", &next))?;
    }
    Ok(Exit::Pass)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        validate: ValidateArgs,
    }

    fn validate(arguments: &[&str]) -> (Result<Exit, Error>, String) {
        let parsed = Arguments::parse_from(["perfctl"].iter().chain(arguments));
        let mut out = Vec::new();
        let result = run(&parsed.validate, &mut out);
        (result, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_good_scenario_is_described_in_80_columns() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long.yaml");
        let endpoint = format!(
            "  - {{name: {}, get: /{}}}\n",
            "word ".repeat(30),
            "x".repeat(200)
        );
        let text = format!(
            "name: s\nhost: demo\ndefaults: {{think_time: constant(2s)}}\nendpoints:\n{endpoint}"
        );
        std::fs::write(&path, text).unwrap();
        for flags in [
            &["--profile", "spike"][..],
            &["--rate", "50"],
            &["--iterations", "9"],
        ] {
            let mut arguments = vec![path.to_str().unwrap()];
            arguments.extend(flags);
            let (result, shown) = validate(&arguments);
            assert_eq!(result.unwrap(), Exit::Pass);
            assert!(shown.contains("next: perfctl try "), "{shown}");
            // The first and the last line have the name of the file.
            let lines = shown.lines().count();
            for line in shown.lines().take(lines - 1).skip(1) {
                assert!(line.trim_end().chars().count() <= 80, "{line}");
            }
        }
    }

    #[test]
    fn the_requests_of_a_run_are_estimated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.yaml");
        std::fs::write(
            &path,
            "host: demo\nendpoints: [{get: /a, weight: 3}, {get: /b}]\n",
        )
        .unwrap();
        let path = path.to_str().unwrap();
        let (_, shown) = validate(&[path]);
        assert!(shown.contains("limited only by the service"), "{shown}");
        assert!(shown.contains("75%") && shown.contains("25%"), "{shown}");
        let (_, shown) = validate(&[path, "--rate", "50", "-t", "10s"]);
        // 10 s and the 2 s of warm-up.
        assert!(shown.contains("600 (50.0/s)"), "{shown}");
    }

    #[test]
    fn all_errors_of_all_files_are_shown_and_the_good_ones_described() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let bad = write("bad.yaml", "hots: demo\nendpoints: []\n");
        let good = write("good.yaml", "users: 5\nduration: 1m\n");
        let (result, shown) = validate(&[&bad, "missing.yaml", &good]);
        let error = result.unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        let text = error.to_string();
        for part in [
            "did you mean `host`?",
            "the scenario has no endpoints",
            "missing.yaml",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(shown.contains("good.yaml: ok (5 users for 1m)"), "{shown}");
    }
}
