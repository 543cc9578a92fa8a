//! Which traces of a run are named: those of the slowest requests, and of the first that failed.
//!
//! Not here: the ids themselves (`plan`), or how a report shows them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metrics::{Outcome, Sample};
use crate::plan::{Plan, TraceId};

/// How the requests of a run were traced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceInfo {
    /// The share of the requests whose traces the service was asked to record; above 0, at most 1.
    pub sampled: f64,
    /// The page of a trace, where [`Trace::PLACE`](crate::plan::Trace::PLACE) stands for its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl TraceInfo {
    /// As the plan has it; `None` where it traces nothing.
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        plan.trace.as_deref().map(|trace| Self {
            sampled: trace.sampled,
            url: trace.url.clone(),
        })
    }
}

/// A request whose trace was sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedRequest {
    /// Position of the endpoint.
    pub endpoint: usize,
    /// How it ended.
    pub outcome: Outcome,
    /// The status of its response; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// When it was sent, from the start of the load; us.
    pub started_us: u64,
    /// From its intended start to its end; us.
    pub response_us: u64,
    /// The id of its trace.
    pub trace_id: TraceId,
}

impl TracedRequest {
    /// The request of this sample, which was sent at `started_us`.
    pub fn new(sample: &Sample, started_us: u64, trace_id: TraceId) -> Self {
        Self {
            endpoint: sample.endpoint.into(),
            outcome: sample.outcome,
            status: sample.status.map(Into::into),
            started_us,
            response_us: sample.response_us,
            trace_id,
        }
    }
}

/// Which traced requests are kept of those that come along: a bounded number, whatever happens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traces {
    /// The slowest of the measured phases, successful or not: by endpoint, the slowest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slowest: Vec<TracedRequest>,
    /// The first that failed, of each endpoint and kind, by when they were sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<TracedRequest>,
}

impl Traces {
    /// How many of the slowest requests of an endpoint are kept.
    pub const MAX_SLOWEST: usize = 5;
    /// How many that failed in one way are kept of an endpoint.
    pub const MAX_OF_A_KIND: usize = 3;
    /// How many that failed are kept in all.
    pub const MAX_FAILED: usize = 1_000;

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slowest.is_empty() && self.failed.is_empty()
    }

    /// Each of them; one that was slow and failed comes twice.
    pub fn iter(&self) -> impl Iterator<Item = &TracedRequest> {
        self.slowest.iter().chain(&self.failed)
    }

    /// Adds those of a later second.
    pub fn merge(&mut self, later: Self) {
        let mut choice = TraceChoice::default();
        let mut before = std::mem::take(self);
        before.slowest.extend(later.slowest);
        before.failed.extend(later.failed);
        *self = choice.choose(before);
    }
}

/// Chooses the traced requests that are kept, second by second.
#[derive(Debug, Default)]
pub(super) struct TraceChoice {
    /// By endpoint: the times of the slowest so far, the shortest last.
    slowest_us: BTreeMap<usize, Vec<u64>>,
    /// How many of each kind have failed so far, up to those that are kept.
    failed: BTreeMap<(usize, Outcome, Option<u16>), usize>,
    /// All of them.
    all_failed: usize,
}

impl TraceChoice {
    /// Those of one second that are kept so far; later ones may be slower.
    pub(super) fn choose(&mut self, second: Traces) -> Traces {
        let Traces {
            mut slowest,
            mut failed,
        } = second;
        slowest.sort_by_key(|one| (one.endpoint, Reverse(one.response_us)));
        failed.sort_by_key(|one| one.started_us);
        slowest.retain(|one| self.is_slow(one.endpoint, one.response_us));
        failed.retain(|one| self.is_new((one.endpoint, one.outcome, one.status)));
        Traces { slowest, failed }
    }

    /// Whether a request is among the slowest of its endpoint so far, which then counts.
    pub(super) fn is_slow(&mut self, endpoint: usize, response_us: u64) -> bool {
        let slowest = self.slowest_us.entry(endpoint).or_default();
        let rank = slowest.partition_point(|us| *us >= response_us);
        if rank < Traces::MAX_SLOWEST {
            slowest.truncate(Traces::MAX_SLOWEST - 1);
            slowest.insert(rank, response_us);
        }
        rank < Traces::MAX_SLOWEST
    }

    /// Whether a failure is among the first of its kind, which then counts.
    pub(super) fn is_new(&mut self, kind: (usize, Outcome, Option<u16>)) -> bool {
        if self.all_failed >= Traces::MAX_FAILED {
            return false;
        }
        let seen = self.failed.entry(kind).or_default();
        let is_new = *seen < Traces::MAX_OF_A_KIND;
        *seen += usize::from(is_new);
        self.all_failed += usize::from(is_new);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::TraceContext;

    fn request(endpoint: usize, response_us: u64, outcome: Outcome) -> TracedRequest {
        TracedRequest {
            endpoint,
            outcome,
            status: None,
            started_us: 0,
            response_us,
            trace_id: TraceContext::new(response_us.into(), 1, true).id,
        }
    }

    fn times(traces: &Traces) -> Vec<(usize, u64)> {
        let slowest = traces.slowest.iter();
        slowest.map(|one| (one.endpoint, one.response_us)).collect()
    }

    #[test]
    fn the_slowest_of_each_endpoint_are_kept_however_they_come() {
        let mut traces = Traces::default();
        let mut choice = TraceChoice::default();
        // 37 is a generator of all numbers below 101.
        for number in 0..101 {
            let us = number * 37 % 101;
            let slowest = vec![
                request(1, us, Outcome::Ok),
                request(0, us / 10, Outcome::Ok),
            ];
            let second = choice.choose(Traces {
                slowest,
                failed: Vec::new(),
            });
            traces.merge(second);
        }
        let of_0 = [(0, 10), (0, 9), (0, 9), (0, 9), (0, 9)];
        let of_1 = [(1, 100), (1, 99), (1, 98), (1, 97), (1, 96)];
        assert_eq!(times(&traces), [of_0, of_1].concat());
    }

    #[test]
    fn of_a_second_only_what_may_stay_is_handed_on() {
        let mut choice = TraceChoice::default();
        let second = |us: std::ops::Range<u64>| Traces {
            slowest: us.map(|us| request(0, us, Outcome::Ok)).collect(),
            failed: Vec::new(),
        };
        assert_eq!(choice.choose(second(100..1_100)).slowest.len(), 5);
        assert_eq!(choice.choose(second(0..1_000)).slowest.len(), 0);
        assert_eq!(choice.choose(second(1_095..1_096)).slowest.len(), 0);
        assert_eq!(choice.choose(second(1_097..1_101)).slowest.len(), 3);
    }

    #[test]
    fn the_first_failures_of_each_kind_are_kept_within_a_bound() {
        let mut traces = Traces::default();
        for second in 0..3 {
            let failed = (0..2_000).map(|endpoint| {
                let outcome = [Outcome::Reset, Outcome::Dns][endpoint % 2];
                request(endpoint % 2, second * 10_000 + endpoint as u64, outcome)
            });
            traces.merge(Traces {
                slowest: Vec::new(),
                failed: failed.collect(),
            });
        }
        let kept: Vec<u64> = traces.failed.iter().map(|one| one.response_us).collect();
        assert_eq!(kept, [0, 1, 2, 3, 4, 5]);
        let many = (0..5_000).map(|endpoint| request(endpoint, 1, Outcome::Reset));
        traces.merge(Traces {
            slowest: Vec::new(),
            failed: many.collect(),
        });
        assert_eq!(traces.failed.len(), Traces::MAX_FAILED);
    }
}
