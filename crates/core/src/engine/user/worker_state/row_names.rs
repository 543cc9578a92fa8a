//! Positions in samples for rows of the statistics whose names come from templates.
//!
//! Here: which position a worker gives to which name. Not here: how many such rows a run has
//! (`metrics`).

use std::cell::RefCell;
use std::collections::HashMap;

use crate::metrics::{NewSubject, Recorder};

/// Most names that a worker gives a position.
const MAX_NAMES: usize = 1000;

/// The first positions of samples that no subject has.
const MAX_POSITION: usize = 60_000;

/// The names that a worker has met, each with its position. Workers share no positions, so that they
/// need not agree on them.
#[derive(Debug, Default)]
pub(crate) struct RowNames {
    /// The first position of this worker.
    first: usize,
    /// From one position of this worker to the next.
    step: usize,
    /// By endpoint and name.
    known: RefCell<HashMap<usize, HashMap<String, u16>>>,
    count: std::cell::Cell<usize>,
}

impl RowNames {
    /// Of the worker at this position of that many, in a plan with this many endpoints and flows.
    pub(crate) fn new(subjects: usize, (shard, workers): (usize, usize)) -> Self {
        Self {
            first: subjects + shard,
            step: workers,
            ..Self::default()
        }
    }

    /// The position of requests of the endpoint that have this name, which `shown` makes fit to be
    /// shown. `None` if there is none left.
    pub(crate) fn position(
        &self,
        endpoint: usize,
        name: &str,
        recorder: &Recorder,
        shown: impl FnOnce() -> String,
    ) -> Option<u16> {
        let mut known = self.known.borrow_mut();
        let of_endpoint = known.entry(endpoint).or_default();
        if let Some(position) = of_endpoint.get(name) {
            return Some(*position);
        }
        let count = self.count.get();
        let position = self.first + count * self.step;
        if count == MAX_NAMES || position >= MAX_POSITION {
            return None;
        }
        self.count.set(count + 1);
        let position = position as u16;
        of_endpoint.insert(name.to_owned(), position);
        recorder.new_subject(NewSubject {
            position,
            endpoint: endpoint as u16,
            name: shown(),
        });
        Some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_give_positions_of_their_own_and_not_without_end() {
        let recorder = Recorder::default();
        let (one, two) = (RowNames::new(5, (0, 2)), RowNames::new(5, (1, 2)));
        let position = |names: &RowNames, endpoint, name: &str| {
            names.position(endpoint, name, &recorder, || name.to_owned())
        };
        assert_eq!(position(&one, 0, "a"), Some(5));
        assert_eq!(position(&two, 0, "a"), Some(6));
        assert_eq!(position(&one, 1, "a"), Some(7));
        assert_eq!(position(&one, 0, "a"), Some(5));
        let all: Vec<_> = (0..2_000)
            .filter_map(|i| position(&two, 0, &i.to_string()))
            .collect();
        assert_eq!(all.len(), MAX_NAMES - 1);
        assert_eq!(recorder.take().subjects.len(), MAX_NAMES + 2);
        assert!(recorder.take().subjects.is_empty());
    }
}
