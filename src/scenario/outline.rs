//! What scenarios and profiles say, without a run: for lists, checks and editors.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::compile::{self, compile};
use super::keys::endpoint::EndpointFile;
use super::keys::flow::StepFile;
use super::keys::profile::ProfileFile;
use super::keys::scenario::ScenarioFile;
use super::load::profile::{self, ProfileSource};
use super::options::Options;
use super::request;
use super::slo::{self, SloSet};
use super::source::{Source, stem};
use super::yaml::decode::Decode;
use super::yaml::findings::Findings;
use super::yaml::tree::{self, NodeKind};
use crate::error::{Error, did_you_mean};
use crate::plan::{Load, Plan, SloScope};

/// A scenario in short.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// Its name.
    pub name: String,
    /// Its host, if it names one.
    pub host: Option<String>,
    /// Its endpoints, and behind them its flows, in file order.
    pub endpoints: Vec<EndpointOutline>,
}

/// An endpoint in short.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointOutline {
    /// Its name.
    pub name: String,
    /// Its weight.
    pub weight: u32,
    /// Its tags.
    pub tags: Vec<String>,
}

/// What the scenario at `path` holds. Environment variables need not be set.
///
/// # Errors
/// All that is wrong with its keys.
pub fn outline(path: &Path) -> Result<Outline, Error> {
    let mut findings = Findings::default();
    let scenario = compile::read(&Source::File(path.to_owned()), None, &mut findings)?;
    let outline = scenario.map(|scenario| {
        let endpoints = scenario
            .file
            .endpoints
            .get()
            .map_or(&[][..], |files| &files.value);
        let endpoints = endpoints.iter().filter_map(|file| {
            Some(EndpointOutline {
                name: request::name(file)?,
                weight: file.weight.copied().unwrap_or_default().0,
                tags: file.tags.get().map_or_else(Vec::new, |tags| tags.0.clone()),
            })
        });
        let of_file = scenario.file.flows.get().map_or(&[][..], |flows| &flows.0);
        let flows = of_file.iter().map(|(key, flow)| EndpointOutline {
            name: format!("{} (flow)", key.text),
            weight: flow.weight.copied().unwrap_or_default().0,
            tags: flow.tags.get().map_or_else(Vec::new, |tags| tags.0.clone()),
        });
        let endpoints = endpoints.chain(flows);
        Outline {
            name: scenario.name.clone(),
            host: scenario.file.host.get().map(|host| host.value.clone()),
            endpoints: endpoints.collect(),
        }
    });
    findings.into_result(outline)?.ok_or_else(nothing_read)
}

/// A profile in short.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileOutline {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// Its load.
    pub load: Load,
    /// `None` when it is built in.
    pub path: Option<PathBuf>,
}

/// The built-in profiles and those in `profiles/` of the working directory.
///
/// # Errors
/// All that is wrong with those.
pub fn profiles() -> Result<Vec<ProfileOutline>, Error> {
    profiles_in(Path::new(""))
}

fn profiles_in(dir: &Path) -> Result<Vec<ProfileOutline>, Error> {
    let mut findings = Findings::default();
    let mut outlines = Vec::new();
    for known in profile::known(dir) {
        let file = profile::open(&known.source, &known.name, &mut findings)?;
        let Some((purpose, load)) = check_profile(file, &known.name, &mut findings) else {
            continue;
        };
        let path = match known.source {
            ProfileSource::BuiltIn(_) => None,
            ProfileSource::File(path) => Some(path),
        };
        outlines.push(ProfileOutline {
            name: known.name,
            purpose,
            load,
            path,
        });
    }
    findings.into_result(outlines)
}

/// Everything that can be checked of a profile on its own.
fn check_profile(file: usize, name: &str, findings: &mut Findings) -> Option<(String, Load)> {
    let (profile, at) = profile::decode(file, findings)?;
    let timeout = std::time::Duration::from_secs(30);
    let load = super::load::load(&profile, Some(at), &Options::default(), timeout, findings);
    let mut slos = SloSet::new(Vec::new(), [name], name);
    slos.add_file(
        &profile.slo,
        &SloScope::Total,
        slo::SloSource::Profile,
        findings,
    );
    let purpose = profile
        .purpose
        .get()
        .map_or_else(String::new, |purpose| purpose.value.clone());
    load.map(|load| (purpose, load))
}

/// The YAML text of a profile by its name.
///
/// # Errors
/// An unknown name, with the known ones.
pub fn profile_text(name: &str) -> Result<String, Error> {
    let known = profile::known(Path::new(""));
    let Some(found) = known.iter().find(|profile| profile.name == name) else {
        let names = || known.iter().map(|profile| profile.name.as_str());
        let mut message = format!("unknown profile `{name}`");
        if let Some(close) = did_you_mean(name, names()) {
            message += &format!(": did you mean `{close}`?");
        }
        let help = format!("known profiles: {}", super::yaml::decode::list(names()));
        return Err(Error::usage_help(message, help));
    };
    let mut findings = Findings::default();
    let file = profile::open(&found.source, name, &mut findings)?;
    Ok(findings.text(file).to_string())
}

/// The profiles that come with the program: name and YAML text.
pub fn embedded_profiles() -> impl Iterator<Item = (&'static str, &'static str)> {
    profile::built_in()
}

/// What a file turned out to be.
#[derive(Debug)]
pub enum CheckedFile {
    /// A scenario, resolved under the profile that was asked for.
    Scenario(Box<Plan>),
    /// A profile, with its load.
    Profile(Load),
}

/// Checks a file without sending anything: a scenario, under the given profile, or a profile.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn check_file(path: &Path, profile: &str, options: &Options) -> Result<CheckedFile, Error> {
    if !is_profile(path)? {
        let plan = compile(&Source::File(path.to_owned()), profile, options)?;
        return Ok(CheckedFile::Scenario(Box::new(plan)));
    }
    let mut findings = Findings::default();
    let file = findings.read_file(path)?;
    let checked = check_profile(file, &stem(path), &mut findings);
    let load = findings
        .into_result(checked)?
        .map(|(_, load)| CheckedFile::Profile(load));
    load.ok_or_else(nothing_read)
}

/// Whether a file is meant as a profile: by its keys, else by its folder.
fn is_profile(path: &Path) -> Result<bool, Error> {
    let mut findings = Findings::default();
    let file = findings.read_file(path)?;
    let node = tree::parse(file, &mut findings);
    let has = |key: &&str| node.as_ref().is_some_and(|node| node.get(key).is_some());
    let users = node.as_ref().and_then(|node| node.get("users"));
    let has_classes = users.is_some_and(|users| matches!(users.kind, NodeKind::Map(_)));
    let is_scenario = has_classes || ["endpoints", "flows", "include"].iter().any(has);
    let in_profiles = path
        .parent()
        .is_some_and(|folder| folder.ends_with("profiles"));
    Ok(!is_scenario
        && (in_profiles
            || ["users", "rate", "stages", "steps", "sine", "sweep"]
                .iter()
                .any(has)))
}

/// For results that are missing without a finding, which only a mistake of this module can cause.
fn nothing_read() -> Error {
    Error::Bug("nothing was read, and no error explains it")
}

/// The JSON Schema of scenario files.
pub fn scenario_schema() -> Value {
    let mut schema = headed("perfctl scenario", ScenarioFile::schema());
    schema["definitions"] = json!({
        "request": EndpointFile::schema(),
        "step": StepFile::definition(),
    });
    schema
}

/// The JSON Schema of profile files.
pub fn profile_schema() -> Value {
    headed("perfctl profile", ProfileFile::schema())
}

fn headed(title: &str, mut schema: Value) -> Value {
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!(title);
    // Keys for anchors, which are ignored.
    schema["patternProperties"] = json!({"^x-": {}});
    schema
}
