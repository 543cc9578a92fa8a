//! The files of a stored run, and what a run without a result is. Not here: any output.

use std::path::Path;

use crate::metrics::RunDir;

/// The names and sizes of the files in the directory of a run, in bytes; those that vanish meanwhile
/// are left out.
pub(super) fn files(run: &Path) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(run).into_iter().flatten().flatten();
    let mut files: Vec<(String, u64)> = entries
        .filter_map(|entry| {
            let size = entry
                .metadata()
                .ok()
                .filter(std::fs::Metadata::is_file)?
                .len();
            Some((entry.file_name().to_string_lossy().into_owned(), size))
        })
        .collect();
    files.sort();
    files
}

/// The size of all of them; bytes.
pub(super) fn size(run: &Path) -> u64 {
    files(run).iter().map(|(_, size)| size).sum()
}

/// What a run without a result is.
pub(super) fn unfinished(run: &RunDir) -> &'static str {
    match run.is_going_on() {
        true => "running",
        false => "unfinished",
    }
}
