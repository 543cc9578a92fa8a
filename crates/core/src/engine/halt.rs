//! How the users of one worker learn that the load is over, or that it changed.

use std::cell::{Cell, RefCell};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::schedule::control::State;
use crate::metrics::Adjustment;

/// Tells the users of a worker to start no further iteration, and what was changed by hand.
#[derive(Default)]
pub(super) struct Halt {
    at: Cell<Option<Instant>>,
    adjustments: RefCell<Vec<Adjustment>>,
    is_paused: Cell<bool>,
    /// Whether somebody can still change the load.
    is_controlled: Cell<bool>,
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

    /// Returns once the load has ended, or was changed, or can be changed no more.
    pub(super) async fn stirred(&self) {
        if !self.is_halted() {
            self.wake.notified().await;
        }
    }

    /// Whether no iterations are to be started for now.
    pub(super) fn is_paused(&self) -> bool {
        self.is_paused.get()
    }

    /// How often the load was changed. What was can be [asked for](Self::adjustments_from).
    pub(super) fn changes(&self) -> usize {
        self.adjustments.borrow().len()
    }

    /// What was changed since so many changes, in its order.
    pub(super) fn adjustments_from(&self, known: usize) -> Vec<Adjustment> {
        self.adjustments.borrow()[known..].to_vec()
    }

    /// What was changed last.
    pub(super) fn adjustment(&self) -> Adjustment {
        let adjustments = self.adjustments.borrow();
        adjustments.last().copied().unwrap_or(Adjustment::NONE)
    }

    /// Whether somebody can still change the load.
    pub(super) fn is_controlled(&self) -> bool {
        self.is_controlled.get()
    }

    /// Follows what is changed for as long as somebody can.
    pub(super) async fn follow(&self, mut control: watch::Receiver<State>) {
        loop {
            // No copy of all of them: this is a thread that measures.
            let is_new = {
                let state = control.borrow_and_update();
                let mut known = self.adjustments.borrow_mut();
                let new = &state.adjustments[known.len()..];
                known.extend(new);
                !new.is_empty()
            };
            if is_new {
                self.is_paused.set(self.adjustment().is_paused);
                self.wake.notify_waiters();
            }
            if control.changed().await.is_err() {
                break;
            }
        }
        self.is_controlled.set(false);
        self.wake.notify_waiters();
    }

    /// Wakes all that wait, since they have been told something.
    pub(super) fn stir(&self) {
        self.wake.notify_waiters();
    }

    /// Of a load that this can change.
    pub(super) fn controlled_by(control: &watch::Receiver<State>) -> Self {
        let halt = Self::default();
        // An error says that nobody is there.
        halt.is_controlled.set(control.has_changed().is_ok());
        halt
    }
}
