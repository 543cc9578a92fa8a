//! What is shown of a running test in a second.

use std::time::Duration;

use crate::metrics::{Adjustment, LiveSnapshot};

/// What is shown of a running test.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The numbers.
    pub live: LiveSnapshot,
    /// Name of the phase.
    pub phase: String,
    /// Since the start of the load.
    pub elapsed: Duration,
    /// Whether the load is an open model, whose users are requests in flight.
    pub is_open: bool,
    /// The level of the load as it should be now: users, or arrivals per second.
    pub level: f64,
    /// How the load differs from its plan, because it was changed by hand.
    pub adjustment: Adjustment,
    /// Whether it was ever changed by hand.
    pub is_adjusted: bool,
}
