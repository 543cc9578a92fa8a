//! What all requests to the service share.

use std::sync::Arc;
use std::time::Instant;

use super::behavior::Behavior;
use super::behavior::faults::Resources;
use super::behavior::queue::{Queue, RateLimit};
use super::counters::Counters;
use super::invoices::Invoices;

/// What all requests share.
pub(super) struct ServiceState {
    pub(super) behavior: Behavior,
    pub(super) counters: Arc<Counters>,
    pub(super) started: Instant,
    pub(super) invoices: Invoices,
    pub(super) resources: Resources,
    pub(super) queue: Option<Queue>,
    pub(super) limit: Option<RateLimit>,
}

impl ServiceState {
    /// Of a service that starts now.
    pub(super) fn new(behavior: Behavior, counters: Arc<Counters>) -> Self {
        let servers = behavior.servers;
        Self {
            resources: Resources::of(&behavior.faults),
            queue: (behavior.service).map(|service| Queue::new(service, servers)),
            limit: behavior.limit_per_s.map(RateLimit::new),
            behavior,
            counters,
            started: Instant::now(),
            invoices: Invoices::new(),
        }
    }
}
