//! Where profiles come from: embedded files, `profiles/`, a path, and the scenario.
//!
//! Here: finding and merging them. Not here: what they do to the load (`load`).

use std::path::{Path, PathBuf};

use crate::error::{Diagnostic, Error, did_you_mean};
use crate::scenario::keys::scenario::ProfileFile;
use crate::scenario::yaml::decode::{At, Decode, Pairs, list};
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

/// A profile that can be chosen by name.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a profile comes from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// Embedded in the program.
    BuiltIn(&'static str),
    /// A file.
    File(PathBuf),
}

/// The profiles that come with the program, those of the same name in the folder `profiles` of
/// `dir` in their place, and the others there.
pub(crate) fn known(dir: &Path) -> Vec<Known> {
    let built_in = built_in().map(|(name, text)| Known {
        name: name.to_owned(),
        origin: Origin::BuiltIn(text),
    });
    let mut known: Vec<Known> = built_in.collect();
    for path in crate::scenario::yaml_files(&dir.join("profiles")) {
        let name = stem(&path);
        let origin = Origin::File(path);
        match known.iter_mut().find(|profile| profile.name == name) {
            Some(profile) => profile.origin = origin,
            None => known.push(Known { name, origin }),
        }
    }
    known
}

/// Name and text of the profiles that come with the program.
pub(crate) fn built_in() -> impl Iterator<Item = (&'static str, &'static str)> {
    EMBEDDED.into_iter().map(|text| {
        let name = text.lines().find_map(|line| line.strip_prefix("name:"));
        (name.map_or("", str::trim), text)
    })
}

/// The name of a file without its ending.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
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
pub(crate) fn open(origin: &Origin, name: &str, findings: &mut Findings) -> Result<usize, Error> {
    match origin {
        Origin::BuiltIn(text) => {
            Ok(findings.add_file(&format!("built-in profile {name}"), (*text).to_owned()))
        }
        Origin::File(path) => findings.read_file(path),
    }
}

/// A profile, its name, and its place.
pub(crate) type Resolved = (String, ProfileFile, Option<Span>);

/// The profile `given`: a name, or the path of a file. The entry of that name under the
/// scenario's `profiles` overrides it, key by key. `None` after a finding.
///
/// # Errors
/// A file that cannot be used.
pub(crate) fn resolve(
    given: &str,
    known: &[Known],
    of_scenario: Option<&Pairs<ProfileFile>>,
    findings: &mut Findings,
) -> Result<Option<Resolved>, Error> {
    let is_path =
        given.contains(['/', '\\']) || given.ends_with(".yaml") || given.ends_with(".yml");
    let found = if is_path {
        let path = PathBuf::from(given);
        Some(Known {
            name: stem(&path),
            origin: Origin::File(path),
        })
    } else {
        known.iter().find(|profile| profile.name == given).cloned()
    };
    let entries: &[(Key, At<ProfileFile>)] = of_scenario.map_or(&[], |pairs| &pairs.0);
    let over = entries
        .iter()
        .find(|(key, _)| !is_path && key.text == given);
    let base = match &found {
        Some(profile) => {
            let file = open(&profile.origin, &profile.name, findings)?;
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
    Ok(match (base, over) {
        (Some((base, _)), Some((key, over))) => {
            Some((name, over.value.clone().over(base), Some(key.at)))
        }
        (Some((base, at)), None) => Some((name, base, Some(at))),
        (None, Some((key, over))) => Some((name, over.value.clone(), Some(key.at))),
        (None, None) => {
            let names = known.iter().map(|profile| profile.name.as_str());
            let names: Vec<&str> = names
                .chain(entries.iter().map(|(key, _)| key.text.as_str()))
                .collect();
            let mut message = format!("unknown profile `{given}`");
            if let Some(close) = did_you_mean(given, names.iter().copied()) {
                message += &format!(": did you mean `{close}`?");
            }
            let help = format!("known: {}; or give the path of a file", list(names));
            findings.report(None, Diagnostic::new(message).help(help));
            None
        }
    })
}
