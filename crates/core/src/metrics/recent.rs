//! What a run did of late, and when its failures were seen.
//!
//! Of a run that goes on by the second in which requests ended, of one that is over by their intended start, since results
//! keep nothing else by second. What is held does not grow with the length of the run.

use std::collections::{BTreeMap, VecDeque};

use crate::metrics::{Cell, Commit, Outcome, RunResult};

/// How many seconds count as recent.
const RECENT_S: usize = 10;

/// The last 10 seconds of a run, or fewer at its start, and when it had failures of each kind.
#[derive(Debug, Clone, Default)]
pub struct RecentSeconds {
    /// The cells of the last seconds, by the position of the endpoint.
    last: VecDeque<BTreeMap<usize, Cell>>,
    /// By the position of the endpoint: the first and the last second of each outcome.
    seen: BTreeMap<(usize, Outcome), (u64, u64)>,
    /// How many seconds there were.
    count: u64,
}

impl RecentSeconds {
    /// Of a run that is over.
    pub fn of(result: &RunResult) -> Self {
        let seconds = result.timeline.iter().map(|one| result.second_of(one) + 1);
        let count = seconds.max().unwrap_or(0);
        let first = count.saturating_sub(RECENT_S as u64);
        let mut recent = Self {
            last: vec![BTreeMap::new(); (count - first) as usize].into(),
            count,
            ..Self::default()
        };
        for interval in &result.timeline {
            let second = result.second_of(interval);
            for (endpoint, cell) in &interval.cells {
                recent.see(second, *endpoint, cell);
                if let Some(at) = second.checked_sub(first) {
                    let cells = &mut recent.last[at as usize];
                    cells.entry(*endpoint).or_default().merge(cell);
                }
            }
        }
        recent
    }

    /// Takes in the next second.
    pub fn add(&mut self, commit: &Commit) {
        let mut cells: BTreeMap<usize, Cell> = BTreeMap::new();
        for one in &commit.cells {
            self.see(self.count, one.endpoint, &one.cell);
            cells.entry(one.endpoint).or_default().merge(&one.cell);
        }
        self.last.push_back(cells);
        if self.last.len() > RECENT_S {
            self.last.pop_front();
        }
        self.count += 1;
    }

    fn see(&mut self, second: u64, endpoint: usize, cell: &Cell) {
        for outcome in cell.outcomes.keys() {
            let new = (second, second);
            let (first, last) = self.seen.entry((endpoint, *outcome)).or_insert(new);
            *first = second.min(*first);
            *last = second.max(*last);
        }
    }

    /// How many seconds are recent.
    pub fn length_s(&self) -> usize {
        self.last.len()
    }

    /// What the endpoint at this position did in them.
    pub fn cell(&self, endpoint: usize) -> Cell {
        let mut all = Cell::default();
        let cells = self.last.iter().filter_map(|cells| cells.get(&endpoint));
        cells.for_each(|cell| all.merge(cell));
        all
    }

    /// The first and the last second, from the start of the load, in which this endpoint had this outcome.
    pub fn seen(&self, endpoint: usize, outcome: Outcome) -> Option<(u64, u64)> {
        self.seen.get(&(endpoint, outcome)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{CommitCell, fixture};

    #[test]
    fn only_the_last_seconds_are_recent_and_failures_are_seen_in_all() {
        let cell = |outcome, count| {
            let mut cell = Cell::default();
            cell.outcomes.insert(outcome, count);
            cell
        };
        let mut recent = RecentSeconds::default();
        assert_eq!((recent.length_s(), recent.cell(0)), (0, Cell::default()));
        for second in 0..12 {
            let outcome = match second {
                1 | 3 => Outcome::Http4xx,
                _ => Outcome::Ok,
            };
            let cells = vec![CommitCell {
                phase: 0,
                second,
                endpoint: 0,
                cell: cell(outcome, second),
            }];
            recent.add(&Commit {
                cells,
                ..Commit::default()
            });
        }
        assert_eq!(recent.length_s(), 10);
        let last = recent.cell(0);
        assert_eq!(
            last.count(|one| one == Outcome::Ok),
            2 + (4..12).sum::<u64>()
        );
        assert_eq!(last.count(|one| one == Outcome::Http4xx), 3);
        assert_eq!(recent.seen(0, Outcome::Http4xx), Some((1, 3)));
        assert_eq!(recent.seen(1, Outcome::Http4xx), None);
    }

    #[test]
    fn a_run_that_is_over_has_the_same() {
        let mut result = fixture::run(&[("a", &[])]);
        let phase = (result.run.phases.iter().position(|phase| phase.measured)).unwrap();
        let start_s = result.run.phases[phase].start_us / 1_000_000;
        let mut cell = Cell::default();
        cell.outcomes.insert(Outcome::Http5xx, 2);
        result.timeline = [1, 20]
            .map(|second| crate::metrics::Interval {
                phase,
                second,
                cells: vec![(0, cell.clone())],
            })
            .into();
        let recent = RecentSeconds::of(&result);
        assert_eq!((recent.length_s(), recent.cell(0)), (10, cell));
        let seen = (start_s + 1, start_s + 20);
        assert_eq!(recent.seen(0, Outcome::Http5xx), Some(seen));
    }
}
