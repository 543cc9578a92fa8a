//! The files of `perfctl init --ci`: load tests for CI systems and for make.
//!
//! Here: which files, for which scenario, and what comes next. Not here: what they say (`ci/`), nor the GitHub action
//! that the workflow uses (`action.yml` and `ci/github/` of the repository).

use std::path::{Component, Path, PathBuf};

use clap::ValueEnum;

use crate::error::Error;
use crate::scenario::{self, Source};

/// A CI system, or make, which all of them can call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ci {
    /// GitHub Actions: .github/workflows/load-test.yml, and load-test-comment.yml for forks
    Github,
    /// GitLab CI: perfctl.gitlab-ci.yml, included by .gitlab-ci.yml
    Gitlab,
    /// Jenkins: Jenkinsfile
    Jenkins,
    /// make: perfctl.mk, included by Makefile
    Make,
}

/// What stands for the path of the scenario in the files.
const SCENARIO: &str = "@SCENARIO@";

/// A file that includes another: it is written if there is none, and otherwise the user adds the line.
struct Hook {
    path: &'static str,
    content: &'static str,
}

impl Ci {
    /// The files: their paths, with the path of the scenario, and their contents, in which [`SCENARIO`] stands for it.
    fn templates(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Github => &[
                (
                    ".github/workflows/load-test.yml",
                    include_str!("ci/github.yml"),
                ),
                (
                    ".github/workflows/load-test-comment.yml",
                    include_str!("ci/github-comment.yml"),
                ),
            ],
            Self::Gitlab => &[("perfctl.gitlab-ci.yml", include_str!("ci/gitlab.yml"))],
            Self::Jenkins => &[("Jenkinsfile", include_str!("ci/Jenkinsfile"))],
            Self::Make => &[("perfctl.mk", include_str!("ci/perfctl.mk"))],
        }
    }

    fn hook(self) -> Option<Hook> {
        match self {
            Self::Gitlab => Some(Hook {
                path: ".gitlab-ci.yml",
                content: "include: perfctl.gitlab-ci.yml\n",
            }),
            Self::Make => Some(Hook {
                path: "Makefile",
                content: "include perfctl.mk\n",
            }),
            Self::Github | Self::Jenkins => None,
        }
    }

    /// The files below `dir` for a scenario, with their contents.
    pub fn files(self, dir: &Path, scenario: &str) -> Vec<(PathBuf, String)> {
        let templates = self.templates().iter();
        let mut files: Vec<(PathBuf, String)> = templates
            .map(|(path, text)| (dir.join(path), text.replace(SCENARIO, scenario)))
            .collect();
        if let Some(hook) = self.hook().filter(|hook| !dir.join(hook.path).exists()) {
            files.push((dir.join(hook.path), hook.content.to_owned()));
        }
        files
    }

    /// What the user has to do, each on a line of its own. `had_hook` says whether the file that includes the other
    /// was there before.
    pub fn next_steps(self, dir: &Path, had_hook: bool) -> String {
        let mut steps = Vec::new();
        if let Some(hook) = self.hook().filter(|_| had_hook) {
            steps.push(format!(
                "add this line to {}, unless it is there: {}",
                dir.join(hook.path).display(),
                hook.content.trim_end()
            ));
        }
        let file = dir.join(self.templates()[0].0);
        let file = file.display();
        match self {
            Self::Make => {
                steps.push("make load-smoke".to_owned());
                steps.push(format!(
                    "set PERFCTL_HOST in {file} to the URL of your service"
                ));
            }
            Self::Github => steps.push(
                "set the repository variable PERFCTL_GIT to the URL of perfctl's Git repository"
                    .to_owned(),
            ),
            Self::Gitlab => steps.push(
                "set the CI/CD variable PERFCTL_GIT to the URL of perfctl's Git repository"
                    .to_owned(),
            ),
            Self::Jenkins => steps.push(
                "set the environment variable PERFCTL_GIT of Jenkins to the URL of perfctl's Git \
                 repository"
                    .to_owned(),
            ),
        }
        if self != Self::Make {
            steps.push(format!("start your service where {file} says so"));
            if let Some(root) = repository_above(dir) {
                steps.push(format!(
                    "move the files: CI systems look for them in {}",
                    root.display()
                ));
            }
        }
        let steps = steps.iter();
        steps.map(|step| format!("next: {step}\n")).collect()
    }

    /// Whether the file that includes the other is there.
    pub fn has_hook(self, dir: &Path) -> bool {
        self.hook().is_some_and(|hook| dir.join(hook.path).exists())
    }
}

/// The folder of the Git repository that `dir` is in, if it is not `dir` itself.
fn repository_above(dir: &Path) -> Option<PathBuf> {
    let dir = dir.canonicalize().ok()?;
    let root = dir
        .ancestors()
        .find(|folder| folder.join(".git").exists())?;
    (root != dir).then(|| root.to_owned())
}

/// The path, below `dir`, of the scenario that CI is to run: `given`, or as `perfctl run` finds it. `None` if `dir` has
/// no scenarios and none is given.
///
/// # Errors
/// Wrong usage if it is not clear which scenario is meant, or if its path would have to be quoted.
pub fn scenario_of(dir: &Path, given: Option<&str>) -> Result<Option<String>, Error> {
    if given.is_none() && scenario::scenarios_in(dir).is_empty() {
        return Ok(None);
    }
    let found = scenario::find_in(dir, given).map_err(|error| match given {
        Some(_) => error,
        None => Error::usage_help(
            "several scenarios could be meant",
            format!(
                "choose one with `--scenario`: {}",
                names(&scenario::scenarios_in(dir))
            ),
        ),
    })?;
    let Source::File(path) = found else {
        return Err(Error::usage_help(
            "`--scenario` takes a file, not a URL",
            "a scenario has SLOs, which make CI fail; `perfctl init` writes one",
        ));
    };
    let path = path.strip_prefix(dir).unwrap_or(&path);
    let is_below = |part| matches!(part, Component::Normal(_));
    if !path.components().all(is_below) {
        return Err(Error::usage_help(
            format!("`{}` is not below `{}`", path.display(), dir.display()),
            "CI runs a scenario of the repository; give its path from there",
        ));
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    match path.to_str() {
        Some(path) if path.chars().all(is_plain) && !path.starts_with('-') => {
            Ok(Some(path.to_owned()))
        }
        _ => Err(Error::usage_help(
            format!("`{}` cannot be written into CI files", path.display()),
            "rename it: only letters, digits, `.`, `-`, `_`, `+` and `/` need no quotes in all of them",
        )),
    }
}

fn names(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths
        .iter()
        .map(|path| format!("`{}`", path.display()))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("scenarios")).unwrap();
        for file in files {
            fs::write(dir.path().join("scenarios").join(file), "").unwrap();
        }
        dir
    }

    #[test]
    fn the_scenario_is_the_one_that_a_run_finds() {
        let found = |files: &[&str], given: Option<&str>| {
            let dir = folder(files);
            scenario_of(dir.path(), given).map_err(|error| error.to_string())
        };
        let some = |path: &str| Ok(Some(path.to_owned()));
        assert_eq!(found(&[], None), Ok(None));
        assert_eq!(found(&["a.yaml"], None), some("scenarios/a.yaml"));
        let default = found(&["a.yaml", "default.yaml"], None);
        assert_eq!(default, some("scenarios/default.yaml"));
        assert_eq!(
            found(&["a.yaml", "b.yaml"], Some("b")),
            some("scenarios/b.yaml")
        );
        for (files, given, part) in [
            (&["a.yaml", "b.yaml"][..], None, "--scenario"),
            (&["a.yaml"], Some("c"), "`c` not found"),
            (&["a.yaml"], Some("http://127.0.0.1/"), "takes a file"),
            (&["a.yaml"], Some("/dev/null"), "is not below"),
            (
                &["a.yaml"],
                Some("scenarios/../scenarios/a.yaml"),
                "is not below",
            ),
            (&["a b.yaml"], None, "rename it"),
            (&["a'$(x).yaml"], None, "rename it"),
            (
                &["a.yaml\n- run: x.yaml"],
                Some("scenarios/a.yaml\n- run: x.yaml"),
                "rename it",
            ),
        ] {
            let error = found(files, given).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn every_file_names_the_scenario_and_no_placeholder_is_left() {
        for ci in Ci::value_variants() {
            let dir = folder(&[]);
            let files = ci.files(dir.path(), "scenarios/mine.yaml");
            let text: String = files.iter().map(|(_, text)| text.as_str()).collect();
            assert!(text.contains("scenarios/mine.yaml"), "{text}");
            assert!(!text.contains(SCENARIO), "{text}");
        }
    }

    #[test]
    fn a_file_that_includes_others_is_left_alone_and_the_line_is_said() {
        for (ci, hook, line) in [
            (
                Ci::Gitlab,
                ".gitlab-ci.yml",
                "include: perfctl.gitlab-ci.yml",
            ),
            (Ci::Make, "Makefile", "include perfctl.mk"),
        ] {
            let dir = folder(&[]);
            let paths = || -> Vec<PathBuf> {
                let files = ci.files(dir.path(), "x.yaml").into_iter();
                files.map(|(path, _)| path).collect()
            };
            let hook = dir.path().join(hook);
            assert!(paths().contains(&hook));
            assert!(
                !ci.next_steps(dir.path(), ci.has_hook(dir.path()))
                    .contains(line)
            );
            fs::write(&hook, "mine").unwrap();
            assert!(!paths().contains(&hook));
            assert!(
                ci.next_steps(dir.path(), ci.has_hook(dir.path()))
                    .contains(line)
            );
        }
    }

    #[test]
    fn a_folder_inside_of_a_repository_is_noticed() {
        let dir = folder(&[]);
        fs::create_dir(dir.path().join(".git")).unwrap();
        let inside = dir.path().join("scenarios");
        assert!(
            Ci::Github
                .next_steps(&inside, false)
                .contains("move the files")
        );
        assert!(
            !Ci::Github
                .next_steps(dir.path(), false)
                .contains("move the files")
        );
    }
}
