//! The script of a scenario: its file, what it imports, and its limits.
//!
//! Here: reading and checking it. Not here: what its functions are used for (`names`, `flow`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{below, unusable};
use crate::error::Diagnostic;
use crate::scenario::keys::scenario::{ScenarioFile, ScriptFile};
use crate::scenario::yaml::decode::{Field, Located};
use crate::scenario::yaml::findings::{Findings, Span};
use crate::script::{Limits, Script, ScriptError};

/// The least and the most memory of a script; bytes.
const MEMORY: std::ops::RangeInclusive<u64> = 1_000_000..=4_000_000_000;
/// The largest file of a script; bytes.
const MAX_FILE: u64 = 10_000_000;

/// The script of a scenario in `folder`, if it has one; what is wrong with it is reported.
pub(crate) fn script(
    file: &ScenarioFile,
    folder: &Path,
    findings: &mut Findings,
) -> Option<Arc<Script>> {
    let file = file.script.get()?;
    let path = file.file.get()?;
    let limits = limits(file, findings);
    if let Err(diagnostic) = below("script", &path.value, folder) {
        findings.report(Some(path.at), diagnostic);
        return None;
    }
    let limits = limits?;
    let main = normal(&path.value);
    let within = folder.to_owned();
    let loaded = Script::load(&main, limits, move |path| read(path, &within));
    match loaded {
        Ok(script) => Some(Arc::new(script)),
        Err(error) => {
            report(&error, (path.at, &path.value), folder, findings);
            None
        }
    }
}

fn limits(file: &Located<ScriptFile>, findings: &mut Findings) -> Option<Limits> {
    let default = Limits::default();
    let time = match file.time_limit.get() {
        None => default.time,
        Some(limit) if limit.value.0.is_zero() => {
            let diagnostic = Diagnostic::new("a script needs some time")
                .help("write a duration such as `100ms`");
            findings.report(Some(limit.at), diagnostic);
            return None;
        }
        Some(limit) => limit.value.0,
    };
    let memory = match &file.memory_limit {
        Field::Given(limit, _) if !MEMORY.contains(&limit.value.0) => {
            let diagnostic = Diagnostic::new("`memory_limit` must be from 1 MB to 4 GB");
            findings.report(Some(limit.at), diagnostic);
            return None;
        }
        limit => limit
            .copied()
            .map_or(default.memory, |limit| limit.0 as usize),
    };
    Some(Limits { time, memory })
}

/// The path as imports name it.
fn normal(path: &str) -> String {
    let parts = path.split('/').filter(|part| !matches!(*part, "." | ""));
    parts.collect::<Vec<_>>().join("/")
}

/// The text of a file in `folder` or below.
fn read(path: &str, folder: &Path) -> Result<Arc<str>, String> {
    let (real, length) = below("file", path, folder).map_err(|diagnostic| {
        let text = diagnostic.message;
        let why = text.split_once("`: ").map(|(_, why)| why.to_owned());
        why.unwrap_or(text)
    })?;
    if length > MAX_FILE {
        return Err("it is larger than 10 MB".to_owned());
    }
    match std::fs::read(real).map(String::from_utf8) {
        Ok(Ok(text)) => Ok(text.into()),
        Ok(Err(_)) => Err("it is not UTF-8 text".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn report(error: &ScriptError, (at, path): (Span, &str), folder: &Path, findings: &mut Findings) {
    let Some(place) = &error.place else {
        let mut diagnostic = unusable("script", path, &error.message);
        diagnostic.help = error.help.clone();
        return findings.report(Some(at), diagnostic);
    };
    let shown: PathBuf = folder.join(&place.file);
    let text = read(&place.file, folder).unwrap_or_default();
    let file = findings.add_file(&shown.display().to_string(), text.to_string());
    let at = Span {
        file,
        line: place.line,
        column: place.column,
        length: 1,
    };
    let mut diagnostic = Diagnostic::new(error.message.clone());
    diagnostic.help = error.help.clone();
    findings.report(Some(at), diagnostic);
}
