//! How long a call may compute.

use std::cell::Cell;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The time that the code of one call has, on the processor: not what its worker waits meanwhile.
#[derive(Debug)]
pub(super) struct Budget {
    limit: Cell<Duration>,
    /// The time of the thread when the engine asked first. It asks every few thousand steps, so that a short call
    /// reads no clock.
    begun: Cell<Option<Duration>>,
    is_over: Cell<bool>,
}

impl Budget {
    /// Of calls that may take this long.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit: Cell::new(limit),
            begun: Cell::default(),
            is_over: Cell::default(),
        }
    }

    /// A call starts now, which may take this long.
    pub(super) fn begin(&self, limit: Duration) {
        self.limit.set(limit);
        self.begun.set(None);
        self.is_over.set(false);
    }

    /// Whether the call must end now.
    pub(super) fn check(&self) -> bool {
        let now = thread_time();
        match self.begun.get() {
            None => self.begun.set(Some(now)),
            Some(begun) if now.saturating_sub(begun) > self.limit.get() => self.is_over.set(true),
            Some(_) => {}
        }
        self.is_over.get()
    }

    /// The limit that the call has exceeded, if it has.
    pub(super) fn exceeded(&self) -> Option<Duration> {
        self.is_over.get().then(|| self.limit.get())
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
