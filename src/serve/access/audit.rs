//! The log of everything that changed something: who asked for what, when.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::error::Error;

/// Appends a line of JSON for each change.
pub(crate) struct AuditLog {
    path: PathBuf,
    file: Mutex<File>,
}

impl AuditLog {
    /// Opens the file, and creates it and its folder if needed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let write_error = |source| Error::Write {
            path: path.to_owned(),
            source,
        };
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent {
            std::fs::create_dir_all(parent).map_err(write_error)?;
        }
        let file = File::options().append(true).create(true).open(path);
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(file.map_err(write_error)?),
        })
    }

    /// Writes that something is about to be done. `peer` is who asked; `None` for the server itself.
    ///
    /// # Errors
    /// When it cannot be written; it must then not be done.
    pub fn record(
        &self,
        action: &str,
        run: &str,
        peer: Option<SocketAddr>,
        details: &Value,
    ) -> Result<(), Error> {
        let line = json!({
            "time": jiff::Timestamp::now().to_string(),
            "action": action,
            "run": run,
            "peer": peer.map(|peer| peer.to_string()),
            "details": details,
        });
        // Nothing panics while it is locked.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = file.write_all(format!("{line}\n").as_bytes());
        written.map_err(|source| Error::Write {
            path: self.path.clone(),
            source,
        })
    }
}
