//! Versions of perfctl's files. Only files of the current version are read: taking the numbers of
//! another version for something else would mislead.

use serde::Deserialize;

/// What tells the files of perfctl apart, whatever else is in them.
#[derive(Debug, Deserialize)]
pub struct FileHeader {
    /// Which kind of file it is, such as [`crate::metrics::RunResult::FORMAT`].
    pub format: String,
    /// The version of that format.
    pub version: u32,
}

/// Whether a file of version `found` can be read, where `known` is the only one that can.
///
/// # Errors
/// A sentence that says what to do, when it cannot.
pub fn check_version(found: u32, known: u32) -> Result<(), String> {
    if found == known {
        return Ok(());
    }
    Err(format!(
        "it has format version {found}, and this perfctl reads version {known}: run the load again \
         with this perfctl, or use the version of perfctl that wrote the file"
    ))
}
