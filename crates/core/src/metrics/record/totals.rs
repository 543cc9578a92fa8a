//! What the workers count independently of the samples, to check the samples against.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the workers counted independently of the samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Requests that were due to start.
    pub planned: u64,
    /// Requests that were started.
    pub started: u64,
    /// Arrivals dropped because the load generator was late, among all that were dropped.
    pub dropped_late: u64,
    /// Those of them that were due in a measured phase.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_late_measured: u64,
    /// Virtual users that a step of the scenario ended.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stopped_users: u64,
    /// How often users waited for the turn of a request, because of the throttle.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub throttled: u64,
    /// How long all of them did; us.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub throttled_us: u64,
    /// How often perfctl itself panicked while it did the work of a virtual user.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub panics: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Totals {
    /// Adds the totals of another worker.
    pub fn add(&mut self, other: Self) {
        self.planned += other.planned;
        self.started += other.started;
        self.dropped_late += other.dropped_late;
        self.dropped_late_measured += other.dropped_late_measured;
        self.stopped_users += other.stopped_users;
        self.throttled += other.throttled;
        self.throttled_us += other.throttled_us;
        self.panics += other.panics;
    }
}

/// How the `on_start` of the virtual users of a class ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starts {
    /// How many did.
    pub ended: u64,
    /// How many failed: users that ended for that, or in the open model arrivals that were dropped.
    pub failed: u64,
    /// Of the open model: those of them that were due in a measured phase.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_measured: u64,
    /// Why the first of these did, such as `step \`log in\` ended as http_4xx`.
    pub why: Option<String>,
}

impl Starts {
    /// Adds those of a later time, or of another worker, to those of each class.
    pub(crate) fn add(
        all: &mut BTreeMap<String, Self>,
        more: impl IntoIterator<Item = (String, Self)>,
    ) {
        for (class, starts) in more {
            let known = all.entry(class).or_default();
            known.ended += starts.ended;
            known.failed += starts.failed;
            known.failed_measured += starts.failed_measured;
            known.why = known.why.take().or(starts.why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_totals_of_workers_add_up() {
        let of = |n: u64| Totals {
            planned: n,
            started: 2 * n,
            dropped_late: 3 * n,
            dropped_late_measured: 6 * n,
            stopped_users: 6 * n,
            throttled: 8 * n,
            throttled_us: 9 * n,
            panics: 5 * n,
        };
        let mut sum = of(10);
        sum.add(of(7));
        assert_eq!(sum, of(17));
    }
}
