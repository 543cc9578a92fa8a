//! Where profiles come from: embedded files, `profiles/`, a path, and the scenario.
//!
//! Here: finding and merging them. Not here: what they do to the load (`load`).

use std::path::{Path, PathBuf};

use crate::error::{Diagnostic, Error, did_you_mean};
use crate::scenario::keys::profile::ProfileFile;
use crate::scenario::source::{QUICK_LOOK, stem, yaml_files};
use crate::scenario::yaml::decode::{Decode, Located, Pairs, list};
use crate::scenario::yaml::findings::{Findings, Span};
use crate::scenario::yaml::tree::{self, Key};

/// The text of the profiles that come with the program.
const EMBEDDED: [&str; 7] = [
    include_str!("../../../profiles/smoke.yaml"),
    include_str!("../../../profiles/light.yaml"),
    include_str!("../../../profiles/medium.yaml"),
    include_str!("../../../profiles/heavy.yaml"),
    include_str!("../../../profiles/stress.yaml"),
    include_str!("../../../profiles/spike.yaml"),
    include_str!("../../../profiles/volume.yaml"),
];

/// The load of a quick look: as many users as such tools have, at once, and everything they do counts.
const QUICK_LOOK_TEXT: &str = "stages: [{users: 50, ramp: 0s, duration: 10s}]\n";

/// A profile that can be chosen by name.
#[derive(Debug, Clone)]
pub(crate) struct NamedProfile {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub source: ProfileSource,
}

/// Where a profile comes from.
#[derive(Debug, Clone)]
pub(crate) enum ProfileSource {
    /// Embedded in the program.
    BuiltIn(&'static str),
    /// A file.
    File(PathBuf),
}

/// The profiles that come with the program, those of the same name in the folder `profiles` of
/// `dir` in their place, and the others there.
pub(crate) fn known(dir: &Path) -> Vec<NamedProfile> {
    let built_in = built_in().map(|(name, text)| NamedProfile {
        name: name.to_owned(),
        source: ProfileSource::BuiltIn(text),
    });
    let mut known: Vec<NamedProfile> = built_in.collect();
    for path in yaml_files(&dir.join("profiles")) {
        let name = stem(&path);
        let source = ProfileSource::File(path);
        match known.iter_mut().find(|profile| profile.name == name) {
            Some(profile) => profile.source = source,
            None => known.push(NamedProfile { name, source }),
        }
    }
    known
}

/// The profile of a quick look, which no other scenario has.
pub(crate) fn quick_look() -> NamedProfile {
    NamedProfile {
        name: QUICK_LOOK.to_owned(),
        source: ProfileSource::BuiltIn(QUICK_LOOK_TEXT),
    }
}

/// Name and text of the profiles that come with the program.
pub(crate) fn built_in() -> impl Iterator<Item = (&'static str, &'static str)> {
    EMBEDDED.into_iter().map(|text| {
        let name = text.lines().find_map(|line| line.strip_prefix("name:"));
        (name.map_or("", str::trim), text)
    })
}

/// Decodes a file that is known to `findings`; also its place.
pub(crate) fn decode(file: usize, findings: &mut Findings) -> Option<(ProfileFile, Span)> {
    let node = tree::parse(file, findings)?;
    Some((ProfileFile::decode(&node, findings)?, node.at))
}

/// Makes the text of a profile known to `findings`.
///
/// # Errors
/// A file that cannot be used.
pub(crate) fn open(
    source: &ProfileSource,
    name: &str,
    findings: &mut Findings,
) -> Result<usize, Error> {
    match source {
        ProfileSource::BuiltIn(text) => {
            Ok(findings.add_file(&format!("built-in profile {name}"), (*text).to_owned()))
        }
        ProfileSource::File(path) => findings.read_file(path),
    }
}

/// The profile of a run, with what the scenario says of it.
#[derive(Debug, Default)]
pub(crate) struct ResolvedProfile {
    /// Its name; empty where none could be read.
    pub name: String,
    /// Its keys.
    pub file: ProfileFile,
    /// Its place.
    pub at: Option<Span>,
}

/// The profile `given`: a name, or the path of a file. The entry of that name under the
/// scenario's `profiles` overrides it, key by key. `None` after a finding.
///
/// # Errors
/// A file that cannot be used.
pub(crate) fn resolve(
    given: &str,
    known: &[NamedProfile],
    of_scenario: Option<&Pairs<ProfileFile>>,
    findings: &mut Findings,
) -> Result<Option<ResolvedProfile>, Error> {
    let is_path =
        given.contains(['/', '\\']) || given.ends_with(".yaml") || given.ends_with(".yml");
    let found = if is_path {
        let path = PathBuf::from(given);
        Some(NamedProfile {
            name: stem(&path),
            source: ProfileSource::File(path),
        })
    } else {
        known.iter().find(|profile| profile.name == given).cloned()
    };
    let entries: &[(Key, Located<ProfileFile>)] = of_scenario.map_or(&[], |pairs| &pairs.0);
    let over = entries
        .iter()
        .find(|(key, _)| !is_path && key.text == given);
    let base = match &found {
        Some(profile) => {
            let file = open(&profile.source, &profile.name, findings)?;
            let Some((decoded, at)) = decode(file, findings) else {
                return Ok(None);
            };
            Some((decoded, at))
        }
        None => None,
    };
    let name = found.map_or_else(|| given.to_owned(), |profile| profile.name);
    let name = match &base {
        Some((file, _)) if is_path => file.name.get().map_or(name, |name| name.value.clone()),
        _ => name,
    };
    let (file, at) = match (base, over) {
        (Some((base, _)), Some((key, over))) => (over.value.clone().over(base), key.at),
        (Some((base, at)), None) => (base, at),
        (None, Some((key, over))) => (over.value.clone(), key.at),
        (None, None) => {
            let names = known.iter().map(|profile| profile.name.as_str());
            let names: Vec<&str> = names
                .chain(entries.iter().map(|(key, _)| key.text.as_str()))
                .collect();
            let mut message = format!("unknown profile `{given}`");
            if let Some(close) = did_you_mean(given, names.iter().copied()) {
                message += &format!(": did you mean `{close}`?");
            }
            let help = format!(
                "known profiles: {}; or give the path of a file",
                list(names)
            );
            findings.report(None, Diagnostic::new(message).help(help));
            return Ok(None);
        }
    };
    let at = Some(at);
    Ok(Some(ResolvedProfile { name, file, at }))
}
