//! When something is due: arrivals and users, and the timer that waits for it.

pub(super) mod control;
pub(super) mod pacing;
pub(super) mod throttle;
pub(super) mod timer;
pub(super) mod user_schedule;
