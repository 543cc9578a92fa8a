//! Where runs are stored.

use std::path::{Path, PathBuf};

use clap::Args;

/// The directory for stored runs.
#[derive(Debug, Clone, Args)]
pub struct OutArgs {
    /// Directory for stored runs; each run gets its own subdirectory [default: results]
    #[arg(long, env = "PERFCTL_OUT", value_name = "DIR")]
    out: Option<PathBuf>,
}

impl OutArgs {
    /// The directory.
    pub fn directory(&self) -> PathBuf {
        let alias = || {
            // CI systems set variables without a value to an empty text.
            let path = std::env::var_os("LOAD_TEST_REPORTS_PATH").filter(|path| !path.is_empty());
            path.map(PathBuf::from)
        };
        self.out
            .clone()
            .or_else(alias)
            .unwrap_or_else(|| PathBuf::from("results"))
    }
    /// The run that is meant: what is at this path, or else a stored run of that name, as `perfctl results`
    /// lists it.
    pub fn find(&self, run: &Path) -> PathBuf {
        let stored = self.directory().join(run);
        match !run.exists() && stored.exists() {
            true => stored,
            false => run.to_owned(),
        }
    }
}
