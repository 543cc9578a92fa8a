//! How the users of one worker learn that the load is over.

use std::cell::Cell;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Tells the users of a worker to start no further iteration.
#[derive(Default)]
pub(super) struct Halt {
    at: Cell<Option<Instant>>,
    wake: Notify,
    /// Notified when a user of the open model becomes free.
    pub(super) user_freed: Notify,
}

impl Halt {
    pub(super) fn is_halted(&self) -> bool {
        self.at.get().is_some()
    }

    /// When the load ended; `None` while it goes on.
    pub(super) fn at(&self) -> Option<Instant> {
        self.at.get()
    }

    /// The load ended at `at`.
    pub(super) fn halt(&self, at: Instant) {
        self.at.set(Some(at));
        self.wake.notify_waiters();
    }

    /// Returns once the load has ended.
    pub(super) async fn halted(&self) {
        while !self.is_halted() {
            self.wake.notified().await;
        }
    }
}
