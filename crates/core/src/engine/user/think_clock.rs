//! The part of a user's time that does not count for its flows.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// How long a user has spent thinking, and waiting for tokens, since it started. The response time of
/// a flow does not include it.
#[derive(Debug, Default)]
pub(super) struct ThinkClock {
    before: Cell<Duration>,
    since: Cell<Option<Instant>>,
}

impl ThinkClock {
    /// The time so far, including the current wait.
    pub(super) fn read(&self, now: Instant) -> Duration {
        let current = self
            .since
            .get()
            .map(|since| now.saturating_duration_since(since));
        self.before.get() + current.unwrap_or_default()
    }

    /// A wait starts now.
    pub(super) fn start(&self) {
        self.since.set(Some(Instant::now()));
    }

    /// The wait ends now.
    pub(super) fn stop(&self) {
        self.before.set(self.read(Instant::now()));
        self.since.set(None);
    }

    /// Adds a wait that is over.
    pub(super) fn add(&self, wait: Duration) {
        self.before.set(self.before.get() + wait);
    }
}
