//! Files with endpoints, flows and steps for several scenarios.

use std::path::Path;

use crate::error::Diagnostic;
use crate::scenario::keys::scenario::{IncludedFile, ScenarioFile};
use crate::scenario::source::{below, unusable};
use crate::scenario::yaml::decode::Decode;
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
        match read(path, folder, findings) {
            Ok(file) => {
                let node = tree::parse(file, findings);
                files.extend(node.and_then(|node| IncludedFile::decode(&node, findings)));
            }
            Err(diagnostic) => findings.report(Some(path.at), diagnostic),
        }
    }
    files
}

fn read(path: &str, folder: &Path, findings: &mut Findings) -> Result<usize, Diagnostic> {
    let what = "included file";
    below(what, path, folder)?;
    // Under the path as it is written, by which errors in it are shown.
    let read = findings.try_read_file(&folder.join(path));
    read.map_err(|why| unusable(what, path, &why))
}
