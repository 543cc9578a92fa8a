//! What the control thread and the workers tell each other.
//!
//! Not here: who says what when (`engine`, `worker`).

use tokio::sync::watch;
use tokio::time::Instant;

use super::schedule::control::State;
use crate::error::Error;
use crate::metrics::Tick;

/// What control tells the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkerCommand {
    /// Prepare, and wait.
    Prepare,
    /// The load starts at this instant.
    Start(Instant),
    /// Start no further request; requests in flight get the stop timeout.
    Stop(Instant),
}

/// What a worker listens to.
#[derive(Clone)]
pub(super) struct Orders {
    /// From control.
    pub(super) commands: watch::Receiver<WorkerCommand>,
    /// From who changes the load.
    pub(super) control: watch::Receiver<State>,
}

/// What a worker tells control.
pub(super) enum WorkerMessage {
    /// It is ready, or cannot run.
    Ready(Result<(), Error>),
    /// What worker number `.0` recorded in one second.
    Tick(usize, Tick),
    /// What worker number `.0` recorded since its last tick; it says nothing after this.
    Done(usize, Tick, Finish),
    /// Worker number `.0` panicked with this message; what it recorded since its last tick is lost.
    Died(usize, String),
}

/// When a worker was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Finish {
    /// When it stopped starting requests.
    pub(super) stopped_at: Instant,
    /// When its last request had ended.
    pub(super) drained_at: Instant,
}
