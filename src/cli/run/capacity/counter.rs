//! What the requests of a level count for: each SLO, dropped arrivals, response times.
//!
//! Not here: what follows from the counts (`crate::capacity`).

use crate::capacity::{Criterion, LevelWatch, Ratio, Unit};
use crate::metrics::{Cell, Commit, CommitCell, EndpointInfo, Outcome, SparseHistogram};
use crate::plan::{Phase, Plan};

/// The endpoints and flows of a load, which grow while it goes on.
struct Rows(Vec<EndpointInfo>);

impl Rows {
    fn of(plan: &Plan) -> Self {
        Self(EndpointInfo::all(plan))
    }

    /// What ended in a second, each with its endpoint or flow.
    fn cells<'a>(
        &'a mut self,
        commit: &'a Commit,
    ) -> impl Iterator<Item = (&'a EndpointInfo, &'a CommitCell)> {
        self.0.extend(commit.rows.iter().cloned());
        let rows = &self.0;
        let cells = commit.cells.iter();
        cells.filter_map(|one| Some((rows.get(one.endpoint)?, one)))
    }
}

/// Counts for each SLO what ends in a second.
pub struct Counter<'a> {
    criteria: &'a [Criterion],
    rows: Rows,
    /// The position of the phase that is measured.
    phase: usize,
    is_open: bool,
}

impl<'a> Counter<'a> {
    /// Before the first second of a level.
    pub fn new(plan: &Plan, criteria: &'a [Criterion], unit: Unit) -> Self {
        let phases: Vec<Phase> = plan.phases();
        Self {
            criteria,
            rows: Rows::of(plan),
            phase: phases.iter().position(|phase| phase.measured).unwrap_or(0),
            is_open: unit == Unit::Rate,
        }
    }

    /// Counts what ended in the next second.
    pub fn count(&mut self, commit: &Commit, watch: &mut LevelWatch) {
        let cells = self.rows.cells(commit);
        for (row, one) in cells.filter(|(_, one)| one.phase == self.phase) {
            let mut ratios: Vec<Ratio> = self
                .criteria
                .iter()
                .map(
                    |criterion| match criterion.slo.scope.covers(&row.name, row.is_flow) {
                        true => criterion.ratio(&one.cell),
                        false => Ratio::default(),
                    },
                )
                .collect();
            let requests = match row.is_flow {
                true => 0.0,
                false => one.cell.count(Outcome::is_started) as f64,
            };
            if self.is_open {
                ratios.push(dropped(&one.cell, row.is_flow));
            }
            watch.add(one.second as usize, &ratios, requests);
        }
        if self.is_open {
            watch.in_flight(commit.users.into());
        }
    }
}

/// The arrivals that were dropped, of all.
fn dropped(cell: &Cell, is_flow: bool) -> Ratio {
    match is_flow {
        true => Ratio::default(),
        false => Ratio {
            part: cell.count(|outcome| outcome == Outcome::Dropped) as f64,
            whole: cell.count(|_| true) as f64,
        },
    }
}

/// The response times of the requests of each second; not those of flows, which take longer.
pub struct ResponseTimes(Rows);

impl ResponseTimes {
    /// Before the first second of a load.
    pub fn new(plan: &Plan) -> Self {
        Self(Rows::of(plan))
    }

    /// Those of the requests that ended in the next second.
    pub fn of_second(&mut self, commit: &Commit) -> SparseHistogram {
        let mut times = SparseHistogram::default();
        for (_, one) in self.0.cells(commit).filter(|(row, _)| !row.is_flow) {
            times.merge(&one.cell.response);
            times.merge(&one.cell.censored);
        }
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Model;
    use crate::plan::fixture::{load, plan};

    #[test]
    fn flows_have_no_part_in_the_response_times() {
        let plan = plan(load(Model::Closed, &[(1.0, 0.0, 5.0)]), &[1]);
        let mut times = ResponseTimes::new(&plan);
        let took = |endpoint, us| CommitCell {
            phase: 0,
            second: 0,
            endpoint,
            cell: Cell {
                response: SparseHistogram::of(&mut [us]),
                ..Cell::default()
            },
        };
        let flow = EndpointInfo {
            name: "buy".into(),
            method: "FLOW".into(),
            is_flow: true,
            is_templated: false,
        };
        let commit = Commit {
            users: 1,
            rows: vec![flow],
            cells: vec![took(0, 1_000), took(1, 90_000)],
            ..Commit::default()
        };
        let times = times.of_second(&commit);
        assert_eq!((times.count(), times.sum_us), (1, 1_000));
    }
}
