//! What a server keeps of its runs in a file, for the one after it.
//!
//! Not here: the results of runs, and when something of this changes (`supervisor`).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::process::Process;
use crate::serve::start::StartRequest;

/// A run that waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct QueuedRun {
    pub id: String,
    pub request: StartRequest,
}

/// The run that goes on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ActiveRun {
    pub id: String,
    pub request: StartRequest,
    /// `None` while it is being started.
    pub(super) process: Option<Process>,
    /// When it is asked to end, from its start; s.
    pub longest_s: Option<u64>,
    /// Whether it was asked to end. A second signal would end it without its result.
    pub is_cancelled: bool,
}

impl ActiveRun {
    /// Asks it to end as Ctrl-C does.
    pub fn interrupt(&self) {
        if let Some(process) = self.process {
            process.interrupt();
        }
    }
}

/// A run that has no result.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PastRun {
    pub id: String,
    pub request: StartRequest,
    /// Whether it was cancelled before it began.
    pub is_cancelled: bool,
    /// What it said.
    pub why: String,
}

impl PastRun {
    /// In a word.
    pub fn state(&self) -> &'static str {
        match self.is_cancelled {
            true => "cancelled",
            false => "failed",
        }
    }
}

/// What is kept in the file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SupervisorState {
    pub queue: VecDeque<QueuedRun>,
    pub active: Option<ActiveRun>,
    pub past: VecDeque<PastRun>,
    /// The name of the run that was started last.
    #[serde(default)]
    pub latest: Option<String>,
    /// The name of the run that was started last in the words of Locust.
    #[serde(default)]
    pub swarm: Option<String>,
}

/// What a request to cancel has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancellation {
    /// It waits no longer.
    Queued,
    /// It ends as soon as its requests in flight have ended.
    Running,
    /// It was over already.
    Before,
}
