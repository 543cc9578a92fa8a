//! What the service counts, and its Prometheus page.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::http::StatusCode;

use super::route::Route;

/// Status codes 100 to 599.
const STATUSES: usize = 500;

/// The upper ends of the buckets of response times; us.
const BUCKETS_US: [u64; 12] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000,
];

/// Counts of a service; can be read from any thread.
#[derive(Debug)]
pub struct Counters {
    arrived: AtomicU64,
    in_flight: AtomicU64,
    responded: AtomicU64,
    time_us: AtomicU64,
    /// By bucket, without those below; longer ones are in none.
    by_time: [AtomicU64; BUCKETS_US.len()],
    created: AtomicU64,
    /// By route, then status.
    by_response: Vec<[AtomicU64; STATUSES]>,
}

impl Default for Counters {
    fn default() -> Self {
        let zero = || std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            arrived: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            responded: AtomicU64::new(0),
            time_us: AtomicU64::new(0),
            by_time: std::array::from_fn(|_| AtomicU64::new(0)),
            created: AtomicU64::new(0),
            by_response: Route::ALL.iter().map(|_| zero()).collect(),
        }
    }
}

impl Counters {
    /// How many requests have arrived, each counted once whatever its path and response. What is
    /// not HTTP does not count.
    pub fn requests(&self) -> u64 {
        self.arrived.load(Relaxed)
    }

    /// Counts a request and returns its number, from 0.
    pub(super) fn arrived(&self) -> u64 {
        self.arrived.fetch_add(1, Relaxed)
    }

    /// Counts an invoice and returns its number, from 1.
    pub(super) fn create_invoice(&self) -> u64 {
        self.created.fetch_add(1, Relaxed) + 1
    }

    /// How many invoices were created.
    pub(super) fn created_invoices(&self) -> u64 {
        self.created.load(Relaxed)
    }

    /// Marks a request as in flight until the guard is dropped, which is also what happens when
    /// the client goes away.
    pub(super) fn in_flight(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(self)
    }

    /// The counts in the Prometheus text format.
    pub(super) fn prometheus(&self) -> String {
        let mut page = String::from(
            "# HELP http_requests_total Responses sent.\n# TYPE http_requests_total counter\n",
        );
        for (route, statuses) in Route::ALL.iter().zip(&self.by_response) {
            for (i, count) in statuses.iter().enumerate() {
                let count = count.load(Relaxed);
                if count > 0 {
                    let (path, status) = (route.path(), i + 100);
                    let _ = writeln!(
                        page,
                        "http_requests_total{{path=\"{path}\",status=\"{status}\"}} {count}"
                    );
                }
            }
        }
        let _ = write!(
            page,
            "# HELP http_requests_in_flight Requests in progress.\n\
             # TYPE http_requests_in_flight gauge\n\
             http_requests_in_flight {}\n\
             # HELP http_request_duration_seconds Time to respond.\n\
             # TYPE http_request_duration_seconds histogram\n",
            self.in_flight.load(Relaxed),
        );
        let mut below = 0;
        for (end_us, count) in BUCKETS_US.iter().zip(&self.by_time) {
            below += count.load(Relaxed);
            let end_s = *end_us as f64 / 1e6;
            let _ = writeln!(
                page,
                "http_request_duration_seconds_bucket{{le=\"{end_s}\"}} {below}"
            );
        }
        let count = self.responded.load(Relaxed).max(below);
        let _ = write!(
            page,
            "http_request_duration_seconds_bucket{{le=\"+Inf\"}} {count}\n\
             http_request_duration_seconds_sum {}\n\
             http_request_duration_seconds_count {count}\n",
            self.time_us.load(Relaxed) as f64 / 1e6,
        );
        page
    }
}

/// A request in flight.
pub(super) struct InFlight<'a>(&'a Counters);

impl InFlight<'_> {
    /// Counts its response.
    pub(super) fn done(self, route: Route, status: StatusCode, took: Duration) {
        self.0.responded.fetch_add(1, Relaxed);
        let took_us = took.as_micros() as u64;
        self.0.time_us.fetch_add(took_us, Relaxed);
        let bucket = BUCKETS_US.partition_point(|end_us| *end_us < took_us);
        if let Some(count) = self.0.by_time.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        let slot = usize::from(status.as_u16()).checked_sub(100);
        if let Some(count) = slot.and_then(|slot| self.0.by_response[route as usize].get(slot)) {
            count.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
