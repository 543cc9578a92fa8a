//! Where the files of a run are: the scenario, the profiles, and what lies beside a scenario. A single
//! request stands in for a scenario (`source::request`).
//!
//! Here: finding them, and that no path leads out of the scenario's folder. Not here: what they
//! contain.

pub(super) mod environment;
pub(super) mod request;
pub(super) mod script;
mod text;

use std::path::{Component, Path, PathBuf};

use request::QuickRequest;

use super::service::address;
use crate::error::{Diagnostic, Error};

/// Where a scenario comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A YAML file.
    File(PathBuf),
    /// A request, for a quick look.
    Request(Box<QuickRequest>),
}

/// The name of the profile of a quick look.
pub(super) const QUICK_LOOK: &str = "quick-look";

impl Source {
    /// The name of the profile it runs under if none is given.
    pub fn default_profile(&self) -> &'static str {
        match self {
            Self::File(_) => "smoke",
            Self::Request(_) => QUICK_LOOK,
        }
    }
}

/// The scenario to run: `given`, else `scenarios/default.yaml`, else the only file in
/// `scenarios/`.
///
/// # Errors
/// Wrong usage, with the scenarios there are, when none or more than one could be meant.
pub fn find(given: Option<&str>) -> Result<Source, Error> {
    find_in(Path::new(""), given)
}

/// [`find`], in a directory instead of the working directory.
///
/// # Errors
/// As [`find`].
pub fn find_in(dir: &Path, given: Option<&str>) -> Result<Source, Error> {
    if let Some(given) = given {
        if let Some(url) = address::with_scheme(given) {
            return Ok(Source::Request(Box::new(QuickRequest::get(url))));
        }
        if let Some((tool, ending)) = script(given) {
            return Err(Error::usage_help(
                format!("`{given}` is a script for {tool}, and perfctl runs scenarios in YAML"),
                format!(
                    "write it as a scenario: `perfctl init` creates one to start with, and {ending}"
                ),
            ));
        }
        let path = dir.join(given);
        // A name alone means the file of that name in `scenarios/`.
        let named = dir.join("scenarios").join(format!("{given}.yaml"));
        if !path.exists() && named.is_file() {
            return Ok(Source::File(named));
        }
        if !path.exists() {
            let help = match address::suggestion(given) {
                Some(url) => format!("did you mean the URL `{url}`?"),
                None => known_scenarios(dir),
            };
            let message = match given.contains('@') {
                // It could hold a password.
                true => "scenario not found".to_owned(),
                false => format!("scenario `{given}` not found"),
            };
            return Err(Error::usage_help(message, help));
        }
        return Ok(Source::File(path));
    }
    let default = dir.join("scenarios").join("default.yaml");
    if default.is_file() {
        return Ok(Source::File(default));
    }
    match scenarios_in(dir).as_slice() {
        [only] => Ok(Source::File(only.clone())),
        _ => Err(Error::usage_help("no scenario given", known_scenarios(dir))),
    }
}

/// The tool that a script is for, and where to read on.
fn script(given: &str) -> Option<(&'static str, &'static str)> {
    let (_, ending) = given.rsplit_once('.')?;
    match ending {
        "py" => Some((
            "Locust",
            "docs/coming-from-locust.md has a table for each feature",
        )),
        "js" | "ts" => Some(("k6", "docs/scenario-reference.md lists all keys")),
        "lua" => Some(("wrk", "docs/scenario-reference.md lists all keys")),
        _ => None,
    }
}

fn known_scenarios(dir: &Path) -> String {
    let files = scenarios_in(dir);
    if files.is_empty() {
        return "`scenarios/` has none: create one with `perfctl init`, or give a path or a URL"
            .into();
    }
    let names: Vec<String> = files
        .iter()
        .map(|path| format!("`{}`", path.display()))
        .collect();
    format!("choose one of {}", names.join(", "))
}

/// The scenario files in `scenarios/` of the working directory, sorted.
pub fn scenarios() -> Vec<PathBuf> {
    scenarios_in(Path::new(""))
}

/// The profile files in `profiles/` of the working directory, sorted.
pub fn profile_files() -> Vec<PathBuf> {
    yaml_files(Path::new("profiles"))
}

/// The scenario files in `scenarios/` of a directory, sorted.
pub fn scenarios_in(dir: &Path) -> Vec<PathBuf> {
    yaml_files(&dir.join("scenarios"))
}

/// The YAML files of a folder, sorted; none when there is no such folder.
pub fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let is_yaml = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        matches!(ending, Some("yaml" | "yml")) && path.is_file()
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_yaml).collect();
    files.sort();
    files
}

/// The name of a file without its ending.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

/// Where a regular file below `folder` really is, without a way out, and its length in bytes.
///
/// # Errors
/// Why it cannot be used; `what` says for what.
pub(super) fn below(what: &str, path: &str, folder: &Path) -> Result<(PathBuf, u64), Diagnostic> {
    let bad = |why: &str| unusable(what, path, why);
    let relative = Path::new(path);
    let is_inside = relative
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !is_inside || path.is_empty() {
        return Err(bad("it is outside the scenario's folder").help(
            "put it in the scenario's folder or below, and write its path from there, without `..`",
        ));
    }
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let io = |error: std::io::Error| {
        bad(&error.to_string()).help("write the path from the scenario's folder")
    };
    let root = folder.canonicalize().map_err(io)?;
    let real = root.join(relative).canonicalize().map_err(io)?;
    if !real.starts_with(&root) {
        return Err(bad("a symbolic link leads out of the scenario's folder"));
    }
    let metadata = std::fs::metadata(&real).map_err(io)?;
    if !metadata.is_file() {
        return Err(bad("it is not a regular file"));
    }
    Ok((real, metadata.len()))
}

pub(super) fn unusable(what: &str, path: &str, why: &str) -> Diagnostic {
    Diagnostic::new(format!("cannot use the {what} `{path}`: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_name_the_default_or_the_only_scenario_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("scenarios");
        let write = |name: &str| std::fs::write(folder.join(name), "").unwrap();
        let error = |given| find_in(dir.path(), given).unwrap_err().to_string();
        assert!(error(None).contains("perfctl init"));
        std::fs::create_dir(&folder).unwrap();
        write("a.yaml");
        write("notes.txt");
        assert_eq!(
            find_in(dir.path(), None).unwrap(),
            Source::File(folder.join("a.yaml"))
        );
        write("b.yml");
        assert!(error(None).contains("a.yaml") && error(None).contains("b.yml"));
        write("default.yaml");
        assert_eq!(
            find_in(dir.path(), None).unwrap(),
            Source::File(folder.join("default.yaml"))
        );
        assert_eq!(
            find_in(dir.path(), Some("a")).unwrap(),
            Source::File(folder.join("a.yaml"))
        );
        assert!(error(Some("c.yaml")).contains("b.yml"));
        for (given, url) in [
            ("http://localhost/x", "http://localhost/x"),
            ("HTTP://localhost/X", "http://localhost/X"),
            ("Https://localhost", "https://localhost"),
        ] {
            let found = find_in(dir.path(), Some(given)).unwrap();
            let request = QuickRequest::get(url.into());
            assert_eq!(found, Source::Request(Box::new(request)));
        }
        for (given, part) in [
            (
                "127.0.0.1:8000/x",
                "did you mean the URL `http://127.0.0.1:8000/x`?",
            ),
            ("localhost", "`http://localhost`"),
            ("api.example.org/v1?x=1", "`http://api.example.org/v1?x=1`"),
            ("[::1]:80", "`http://[::1]:80`"),
            ("shop.yaml", "choose one of"),
            ("scenarios/shop", "choose one of"),
            ("checkout.v2", "choose one of"),
            ("shop:test", "choose one of"),
        ] {
            let error = error(Some(given));
            assert!(error.contains(part) && error.contains(given), "{error}");
        }
        let secret = error(Some("ann:s3cret@example.org:80/x"));
        assert!(!secret.contains("s3cret"), "{secret}");
    }
}
