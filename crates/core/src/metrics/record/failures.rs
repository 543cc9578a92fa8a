//! What failed, and in which way: counts and examples of the planned requests that did not succeed.
//!
//! Not here: the outcomes themselves (`outcome`), or how failures look in a report.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::metrics::Outcome;

/// In which way a request failed, as far as it can be told without a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FailureCause {
    /// How it ended.
    pub outcome: Outcome,
    /// The status of its response; `None` without one.
    pub status: Option<NonZeroU16>,
    /// The check that failed, by its position in the endpoint; `None` for anything else.
    pub check: Option<u8>,
}

/// What can fail in a flow besides its requests. In a sample of a flow, the position here stands for the
/// check that failed; the positions after these are those of [`Plan::failure_texts`](crate::plan::Plan).
pub const FLOW_CHECKS: [&str; 3] = ["poll", "condition", "fail"];

/// Planned requests of one endpoint that ended in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCount {
    /// How they ended.
    pub outcome: Outcome,
    /// The status of their responses; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The `fail_with` of the check that failed, or the text of a step `fail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What the check that failed is about, such as `$.state`, where it has no `fail_with`. Of a flow:
    /// one of [`FLOW_CHECKS`], unless one of its requests failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// How many.
    pub count: u64,
    /// What happened to one of them, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
    /// What the body of its response says: its message, or its beginning. At most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

impl FailureCount {
    /// Whether both count failures of the same kind.
    pub fn is_like(&self, other: &Self) -> bool {
        (self.outcome, self.status) == (other.outcome, other.status)
            && (&self.key, &self.check) == (&other.key, &other.check)
    }

    fn add(&mut self, other: Self) {
        self.count += other.count;
        if self.example.is_none() {
            (self.example, self.excerpt) = (other.example, other.excerpt);
        }
    }
}

/// The failures of one endpoint by how they ended, each kind once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FailureCounts(Vec<FailureCount>);

impl FailureCounts {
    /// How many kinds are kept apart; beyond them, those that differ in nothing but their status are
    /// counted together. The scenario bounds all else.
    pub const MAX_KINDS: usize = 50;

    /// Adds failures. The first example of each kind stays.
    pub fn add(&mut self, mut failures: FailureCount) {
        if let Some(same) = self.0.iter_mut().find(|one| one.is_like(&failures)) {
            return same.add(failures);
        }
        if self.0.len() >= Self::MAX_KINDS && failures.status.take().is_some() {
            return self.add(failures);
        }
        self.0.push(failures);
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        other.iter().for_each(|one| self.add(one.clone()));
    }

    /// Takes examples from `other` for kinds that have none, without their counts.
    pub fn take_examples(&mut self, other: &Self) {
        for mine in self.0.iter_mut().filter(|one| one.example.is_none()) {
            if let Some(same) = other.iter().find(|one| one.is_like(mine)) {
                (mine.example, mine.excerpt) = (same.example.clone(), same.excerpt.clone());
            }
        }
    }

    /// Each kind.
    pub fn iter(&self) -> impl Iterator<Item = &FailureCount> {
        self.0.iter()
    }

    /// Whether nothing failed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of a failure with this outcome.
    pub fn example(&self, outcome: Outcome) -> Option<&str> {
        let of_outcome = self.iter().filter(|one| one.outcome == outcome);
        of_outcome.filter_map(|one| one.example.as_deref()).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, example: Option<&str>) -> FailureCount {
        FailureCount {
            outcome: Outcome::Http4xx,
            status: Some(status),
            key: None,
            check: None,
            count: 1,
            example: example.map(str::to_owned),
            excerpt: None,
        }
    }

    #[test]
    fn statuses_are_counted_apart_and_the_first_example_of_each_stays() {
        let mut counts = FailureCounts::default();
        for (status, example) in [
            (404, None),
            (404, Some("first")),
            (422, Some("other")),
            (404, Some("second")),
        ] {
            counts.add(failure(status, example));
        }
        let mut twice = counts.clone();
        twice.merge(&counts);
        let seen: Vec<_> = twice.iter().map(|one| (one.status, one.count)).collect();
        assert_eq!(seen, [(Some(404), 6), (Some(422), 2)]);
        assert_eq!(twice.example(Outcome::Http4xx), Some("first"));
        assert_eq!(twice.example(Outcome::Http5xx), None);
    }

    #[test]
    fn a_service_with_a_new_status_each_time_takes_no_more_room() {
        let mut counts = FailureCounts::default();
        for status in 400..1000 {
            counts.add(failure(status, Some("x")));
        }
        assert_eq!(counts.iter().count(), FailureCounts::MAX_KINDS + 1);
        assert_eq!(counts.iter().map(|one| one.count).sum::<u64>(), 600);
        let rest = counts.iter().find(|one| one.status.is_none()).unwrap();
        assert_eq!(rest.count, 600 - FailureCounts::MAX_KINDS as u64);
    }
}
