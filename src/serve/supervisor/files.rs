//! The files of runs beside the state of the server: what they say, and the sockets on which they are asked.
//!
//! Not here: what they store (`metrics`).

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::serve::control;

/// How much of what a run said is kept; bytes.
const MAX_SAID: u64 = 8 << 10;

/// The folder that they are in.
pub(super) struct RunFiles(pub PathBuf);

impl RunFiles {
    /// What the run of this name says.
    pub fn log(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}.log"))
    }

    /// Where the run of this name can be asked to change its load. However long its name is, that of the socket is short,
    /// since the system allows 108 bytes.
    pub fn socket(&self, id: &str) -> PathBuf {
        let hash = Sha256::digest(id);
        let hash = hash.iter().take(8).map(|byte| format!("{byte:02x}"));
        self.0.join(hash.collect::<String>() + ".sock")
    }

    /// The end of what a run has said.
    pub fn said(&self, id: &str) -> String {
        let mut text = Vec::new();
        let read = File::open(self.log(id)).and_then(|mut log| {
            let length = log.metadata()?.len();
            log.seek(SeekFrom::Start(length.saturating_sub(MAX_SAID)))?;
            log.take(MAX_SAID).read_to_end(&mut text)
        });
        // What was read before it failed, if it did.
        drop(read);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn of(&self, id: &str) -> [PathBuf; 3] {
        let socket = self.socket(id);
        [self.log(id), control::unfinished(&socket), socket]
    }

    /// Removes those of a run.
    pub fn remove(&self, id: &str) {
        for path in self.of(id) {
            // There is no socket, unless the run was killed.
            let _ = fs::remove_file(path);
        }
    }

    /// Removes those of all runs but the active one, which nobody looks after any more.
    pub fn tidy(&self, active: Option<&str>, audit_log: &Path) {
        let kept = active.map(|id| self.of(id));
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let endings = [".log", ".sock", ".sock.new"];
            let is_of_run = endings.iter().any(|ending| name.ends_with(ending));
            let is_kept = kept.iter().flatten().any(|kept| *kept == path);
            if is_of_run && !is_kept && path != audit_log {
                // It is only in the way.
                let _ = fs::remove_file(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_runs_are_removed_unless_the_run_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let files = RunFiles(directory.path().to_owned());
        let audit = directory.path().join("audit.log");
        let state = directory.path().join("state.json");
        let make = || {
            let of_runs = ["a", "b"].iter().flat_map(|id| files.of(id));
            for path in of_runs.chain([audit.clone(), state.clone()]) {
                fs::write(path, "x").unwrap();
            }
        };
        let are_there = |paths: &[PathBuf]| paths.iter().all(|path| path.exists());
        make();
        files.tidy(Some("a"), &audit);
        assert!(are_there(&files.of("a")) && are_there(&[audit.clone(), state.clone()]));
        assert!(files.of("b").iter().all(|path| !path.exists()));
        files.remove("a");
        assert!(files.of("a").iter().all(|path| !path.exists()));
        let long = files.socket(&"x".repeat(200));
        assert!(long.file_name().unwrap().len() < 32, "{long:?}");
        assert_ne!(files.socket("a"), files.socket("b"));
    }
}
