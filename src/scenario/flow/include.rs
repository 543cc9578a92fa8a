//! Files with endpoints, flows and steps for several scenarios.

use std::path::{Component, Path};

use crate::error::Diagnostic;
use crate::scenario::keys::flow::IncludedFile;
use crate::scenario::keys::scenario::ScenarioFile;
use crate::scenario::yaml::decode::{At, Decode};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::tree;

/// The files that a scenario in `folder` includes; what is wrong with them is reported.
pub(crate) fn included(
    file: &ScenarioFile,
    folder: &Path,
    findings: &mut Findings,
) -> Vec<IncludedFile> {
    let paths = file.include.get().map_or(&[][..], |paths| &paths.0);
    let mut files = Vec::new();
    for path in paths {
        let read = check_place(path, folder).and_then(|()| {
            let file = findings.read_file(&folder.join(&path.value));
            file.map_err(|error| error.to_string())
        });
        match read {
            Ok(file) => {
                let node = tree::parse(file, findings);
                files.extend(node.and_then(|node| IncludedFile::decode(&node, findings)));
            }
            Err(why) => {
                let message = format!("cannot include `{}`: {why}", path.value);
                let diagnostic = Diagnostic::new(message).help(
                    "put it in the scenario's folder or below, and write its path from there",
                );
                findings.report(Some(path.at), diagnostic);
            }
        }
    }
    files
}

/// Whether there is no way out of `folder` to the file.
fn check_place(path: &At<String>, folder: &Path) -> Result<(), String> {
    let relative = Path::new(&path.value);
    let mut parts = relative.components();
    let is_inside = parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !is_inside || path.value.is_empty() {
        return Err("it is not below the scenario's folder".into());
    }
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let io = |error: std::io::Error| error.to_string();
    let root = folder.canonicalize().map_err(io)?;
    let real = root.join(relative).canonicalize().map_err(io)?;
    match real.starts_with(&root) {
        true => Ok(()),
        false => Err("a symbolic link leads out of the scenario's folder".into()),
    }
}
