//! From YAML to a [`Plan`](crate::plan::Plan): reads a scenario and a profile, and resolves them with the options of
//! the run, or reports all that is wrong in both at once.
//!
//! Here: the public face. Not here: what is done with a plan (`engine`), nor how options are
//! written on a command line (`cli`).
//!
//! ```text
//! text -> tree (places) -> file (keys, by decode) -> compile (meaning) -> Plan
//!                                                       | request, auth, body, multipart,
//!                                                       | checks, extract,
//!                                                       | data, names, template, target, transport
//!                                                       | profile -> load
//!                                                       | slo
//! ```

mod compile;
mod flow;
mod keys;
mod load;
mod names;
mod outline;
mod request;
mod service;
mod slo;
mod transport;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;
use crate::plan::{Arrivals, ClientChoice};

pub use compile::compile;
pub use outline::{
    CheckedFile, EndpointOutline, Outline, ProfileOutline, check_file, embedded_profiles, outline,
    profile_schema, profile_text, profiles, scenario_schema,
};

/// What the command line and the environment say about a run. `None` leaves the word to the
/// scenario and the profile.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Base URL, or `demo`; replaces the scenario's `host`.
    pub host: Option<String>,
    /// The highest number of users, 1 to 1 000 000; in an open load, of requests in flight.
    pub users: Option<u32>,
    /// Users started per second.
    pub spawn_rate: Option<f64>,
    /// How long the load is held, at most 30 days.
    pub run_time: Option<Duration>,
    /// The highest rate of arrivals per second; makes the load an open one.
    pub rate: Option<f64>,
    /// How the arrivals of an open load are spaced.
    pub arrivals: Option<Arrivals>,
    /// Ends the run after this many iterations.
    pub iterations: Option<u64>,
    /// Only endpoints with one of these tags run; all when empty.
    pub tags: Vec<String>,
    /// Endpoints with one of these tags do not run.
    pub exclude_tags: Vec<String>,
    /// Values of `env.NAME`, before those of the process environment.
    pub env: BTreeMap<String, String>,
    /// The seed of all random choices; random by default.
    pub seed: Option<u64>,
    /// Worker threads, 1 to 1024; by default one for each core that may be used.
    pub workers: Option<usize>,
    /// Targets such as `p95<500ms`.
    pub slos: Vec<String>,
    /// Replaces the timeout in the scenario's `defaults`.
    pub timeout: Option<Duration>,
    /// What carries the requests; replaces the scenario's `client`.
    pub client: Option<ClientChoice>,
    /// How long requests in flight may go on at the end.
    pub stop_timeout: Option<Duration>,
}

/// Where a scenario comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A YAML file.
    File(PathBuf),
    /// A URL: one GET endpoint, for a quick look.
    Url(String),
}

/// The scenario to run: `given`, else `scenarios/default.yaml`, else the only file in
/// `scenarios/`.
///
/// # Errors
/// Wrong usage, with the scenarios there are, when none or more than one could be meant.
pub fn find(given: Option<&str>) -> Result<Source, Error> {
    find_in(Path::new(""), given)
}

fn find_in(dir: &Path, given: Option<&str>) -> Result<Source, Error> {
    if let Some(given) = given {
        let is_url = given.starts_with("http://") || given.starts_with("https://");
        if is_url {
            return Ok(Source::Url(given.to_owned()));
        }
        let path = dir.join(given);
        // A name alone means the file of that name in `scenarios/`.
        let named = dir.join("scenarios").join(format!("{given}.yaml"));
        if !path.exists() && named.is_file() {
            return Ok(Source::File(named));
        }
        if !path.exists() {
            return Err(Error::usage_help(
                format!("there is no scenario `{given}`"),
                known_scenarios(dir),
            ));
        }
        return Ok(Source::File(path));
    }
    let default = dir.join("scenarios").join("default.yaml");
    if default.is_file() {
        return Ok(Source::File(default));
    }
    match scenarios_in(dir).as_slice() {
        [only] => Ok(Source::File(only.clone())),
        _ => Err(Error::usage_help("which scenario?", known_scenarios(dir))),
    }
}

fn known_scenarios(dir: &Path) -> String {
    let files = scenarios_in(dir);
    if files.is_empty() {
        return "there is none in `scenarios/`: write one with `perfctl init`, or give a path or a URL"
            .into();
    }
    let names: Vec<String> = files
        .iter()
        .map(|path| format!("`{}`", path.display()))
        .collect();
    format!("give one of {}", names.join(", "))
}

/// The scenario files in `scenarios/` of the working directory, sorted.
pub fn scenarios() -> Vec<PathBuf> {
    scenarios_in(Path::new(""))
}

/// The profile files in `profiles/` of the working directory, sorted.
pub fn profile_files() -> Vec<PathBuf> {
    yaml_files(Path::new("profiles"))
}

fn scenarios_in(dir: &Path) -> Vec<PathBuf> {
    yaml_files(&dir.join("scenarios"))
}

/// The YAML files of a folder, sorted; none when there is no such folder.
fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let is_yaml = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        matches!(ending, Some("yaml" | "yml")) && path.is_file()
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_yaml).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_name_the_default_or_the_only_scenario_is_meant() {
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
        let url = "http://localhost/x";
        assert_eq!(
            find_in(dir.path(), Some(url)).unwrap(),
            Source::Url(url.into())
        );
    }
}
