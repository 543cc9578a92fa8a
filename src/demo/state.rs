//! What all requests to the service share.

use std::sync::Arc;
use std::time::Instant;

use super::behavior::Behavior;
use super::counters::Counters;
use super::faults::Resources;
use super::invoices::Invoices;

/// What all requests share.
pub(super) struct ServiceState {
    pub(super) behavior: Behavior,
    pub(super) counters: Arc<Counters>,
    pub(super) started: Instant,
    pub(super) invoices: Invoices,
    pub(super) resources: Resources,
}

impl ServiceState {
    /// Of a service that starts now.
    pub(super) fn new(behavior: Behavior, counters: Arc<Counters>) -> Self {
        Self {
            resources: Resources::of(&behavior.faults),
            behavior,
            counters,
            started: Instant::now(),
            invoices: Invoices::new(),
        }
    }
}
