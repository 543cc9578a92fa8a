//! How the users of one worker learn that the load is over.

use std::cell::Cell;

use tokio::sync::Notify;

/// Tells the users of a worker that no further iteration is wanted.
#[derive(Default)]
pub(super) struct Halt {
    halted: Cell<bool>,
    wake: Notify,
    /// Woken when a user of the open model becomes free.
    pub(super) user_freed: Notify,
}

impl Halt {
    pub(super) fn is_halted(&self) -> bool {
        self.halted.get()
    }

    pub(super) fn halt(&self) {
        self.halted.set(true);
        self.wake.notify_waiters();
    }

    /// Returns once there is a halt.
    pub(super) async fn halted(&self) {
        while !self.halted.get() {
            self.wake.notified().await;
        }
    }
}
