//! Whether a run that goes on must be aborted, by what ended in each second.
//!
//! Not here: how it is ended (`engine`), or what the end means for the verdict (`grading`).

use crate::metrics::storage::adjustment::is_lowered_in;
use crate::metrics::{Adjustment, Cell, Commit, EndpointInfo, Summary};
use crate::plan::{AbortRule, Direction, Metric, Model, Phase, Plan, Segment};

/// Watches the seconds of a run for what its scenario says to abort it for.
#[derive(Debug)]
pub struct AbortWatch {
    rules: Vec<(AbortRule, Streak)>,
    phases: Vec<Phase>,
    /// The rows of the statistics: their names, and whether they are flows.
    rows: Vec<(String, bool)>,
    /// The level by the plan, as it changes; whether it is a rate.
    planned: Vec<Segment>,
    is_rate: bool,
    /// What was changed by hand so far.
    adjustments: Vec<Adjustment>,
    /// How many seconds of the load are over.
    seconds: u64,
}

impl AbortWatch {
    /// Of a run of this plan; `None` where nothing aborts it.
    pub fn of(plan: &Plan) -> Option<Self> {
        if plan.abort.is_empty() {
            return None;
        }
        let rules = plan.abort.iter().cloned();
        let rows = EndpointInfo::all(plan).into_iter();
        Some(Self {
            rules: rules.map(|rule| (rule, Streak::default())).collect(),
            phases: plan.load.phases(),
            rows: rows.map(|row| (row.name, row.is_flow)).collect(),
            planned: plan.load.segments(),
            is_rate: plan.load.model != Model::Closed,
            adjustments: Vec::new(),
            seconds: 0,
        })
    }

    /// Takes in what ended in the next second. The first rule that has held long enough, if there is one.
    pub fn second(&mut self, commit: &Commit) -> Option<&AbortRule> {
        let new = commit.rows.iter();
        (self.rows).extend(new.map(|row| (row.name.clone(), row.is_flow)));
        self.adjustments.extend(&commit.adjustments);
        let begun_us = self.seconds * 1_000_000;
        self.seconds += 1;
        let end_us = self.seconds * 1_000_000;
        // What ends later has begun before.
        if self.phases.iter().all(|phase| phase.end_us < end_us) {
            return None;
        }
        let mut phases = self.phases.iter();
        let is_measured = phases
            .any(|phase| phase.measured && phase.start_us <= begun_us && end_us <= phase.end_us);
        let is_lowered = is_lowered_in(
            &self.adjustments,
            (begun_us, end_us),
            |part| most_planned(&self.planned, part),
            self.is_rate,
        );
        let rows = &self.rows;
        let mut rules = self.rules.iter_mut();
        rules.find_map(|(rule, streak)| {
            let state = match rule.metric {
                // Users are still starting, or the load is meant to be low.
                Metric::Throughput if !is_measured || is_lowered => {
                    *streak = Streak::default();
                    None
                }
                _ => is_broken(rule, &cell(rule, commit, rows)),
            };
            streak.takes(state, rule.lasting_s).then_some(&*rule)
        })
    }
}

/// The highest level that is planned in a stretch of the load, in us from its start.
fn most_planned(planned: &[Segment], (start_us, end_us): (u64, u64)) -> f64 {
    let (start, end) = (start_us as f64 / 1e6, end_us as f64 / 1e6);
    let within = planned
        .iter()
        .filter(|one| one.start < end && start < one.end());
    let levels = within.flat_map(|one| {
        let ends = [start.max(one.start), end.min(one.end())];
        ends.map(|at| one.level_at(at))
    });
    levels.fold(0.0, f64::max)
}

/// What ended of the requests that a rule is about.
fn cell(rule: &AbortRule, commit: &Commit, rows: &[(String, bool)]) -> Cell {
    let mut sum = Cell::default();
    for entry in &commit.cells {
        let row = rows.get(entry.endpoint);
        let is_meant = row.is_some_and(|(name, is_flow)| rule.scope.covers(name, *is_flow));
        if is_meant {
            sum.merge(&entry.cell);
        }
    }
    sum
}

/// Whether a second is beyond the limit of a rule; `None` where it does not tell.
fn is_broken(rule: &AbortRule, cell: &Cell) -> Option<bool> {
    let summary = Summary::of(cell, 1.0);
    let value = match rule.metric {
        // That nothing comes back is what is looked for.
        Metric::Throughput => summary.rate_per_s,
        _ => summary.value(&rule.metric)?,
    };
    Some(match rule.metric.direction() {
        Direction::AtMost => value > rule.limit,
        Direction::AtLeast => value < rule.limit,
    })
}

/// For how many seconds on end a limit has been broken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Streak(u64);

impl Streak {
    /// Takes in a second, and says whether the limit has now been broken for so many. Seconds in which nothing
    /// tells count if it was broken before and after them.
    fn takes(&mut self, is_broken: Option<bool>, lasting_s: u64) -> bool {
        match is_broken {
            Some(true) => self.0 += 1,
            Some(false) => self.0 = 0,
            None if self.0 > 0 => self.0 += 1,
            None => {}
        }
        is_broken == Some(true) && self.0 >= lasting_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{CommitCell, Outcome, SparseHistogram};
    use crate::plan::fixture::{load, plan};
    use crate::plan::{Model, Percentile, SloScope};

    fn rule(metric: Metric, limit: f64, lasting_s: u64) -> AbortRule {
        AbortRule {
            scope: SloScope::Total,
            metric,
            limit,
            lasting_s,
        }
    }

    /// A second in which so many requests of the endpoint succeeded after this time, and so many failed.
    fn second(endpoint: usize, (ok, us): (u64, u64), failed: u64) -> Commit {
        let mut cell = Cell {
            response: SparseHistogram::of(&mut vec![us; ok as usize]),
            ..Cell::default()
        };
        let counts = [(Outcome::Ok, ok), (Outcome::Http5xx, failed)];
        cell.outcomes = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        let cells = vec![CommitCell {
            phase: 0,
            second: 0,
            endpoint,
            cell,
        }];
        Commit {
            users: 1,
            cells,
            ..Commit::default()
        }
    }

    /// In which second, from 1, a run of 5 s of ramp and 95 s at its level is aborted for this rule.
    fn aborted(rule: AbortRule, of: impl Fn(u64) -> Commit) -> Option<u64> {
        let mut plan = plan(load(Model::Closed, &[(5.0, 5.0, 95.0)]), &[1, 1]);
        plan.abort = vec![rule];
        let mut watch = AbortWatch::of(&plan).unwrap();
        (1..=110).find(|number| watch.second(&of(*number)).is_some())
    }

    #[test]
    fn a_limit_that_is_broken_for_long_enough_aborts_also_in_the_ramp() {
        let errors = || rule(Metric::ErrorRate, 0.2, 10);
        let always = aborted(errors(), |_| second(0, (7, 1), 3));
        assert_eq!(always, Some(10));
        let at_the_limit = aborted(errors(), |_| second(0, (8, 1), 2));
        assert_eq!(at_the_limit, None);
        let nine_of_ten = aborted(errors(), |number| match number % 10 {
            0 => second(0, (10, 1), 0),
            _ => second(0, (0, 1), 10),
        });
        assert_eq!(nine_of_ten, None);
        let after_the_load = aborted(errors(), |number| match number {
            0..95 => second(0, (10, 1), 0),
            _ => second(0, (0, 1), 10),
        });
        assert_eq!(after_the_load, None);
    }

    #[test]
    fn a_pause_by_hand_is_no_lack_of_throughput() {
        let idle = |paused: bool| {
            aborted(rule(Metric::Throughput, 5.0, 3), move |number| {
                let mut commit = second(0, (if number > 20 { 0 } else { 10 }, 1), 0);
                if paused && number == 20 {
                    commit.adjustments.push(Adjustment {
                        at_us: 19_500_000,
                        is_paused: true,
                        ..Adjustment::NONE
                    });
                }
                commit
            })
        };
        assert_eq!((idle(false), idle(true)), (Some(23), None));
        let fewer_users = aborted(rule(Metric::Throughput, 5.0, 3), |number| {
            let mut commit = second(0, (if number > 20 { 4 } else { 10 }, 1), 0);
            if number == 20 {
                commit.adjustments.push(Adjustment {
                    at_us: 19_500_000,
                    users: -6,
                    ..Adjustment::NONE
                });
            }
            commit
        });
        assert_eq!(fewer_users, None);
    }

    #[test]
    fn a_level_that_is_held_is_no_reason_for_a_lack_of_throughput_unless_it_is_low() {
        // 5 users are planned.
        let held_at = |users: u32| {
            aborted(rule(Metric::Throughput, 5.0, 3), move |number| {
                let mut commit = second(0, (if number > 30 { 0 } else { 10 }, 1), 0);
                if number == 20 {
                    commit.adjustments.push(Adjustment {
                        at_us: 19_500_000,
                        held_users: Some(users),
                        ..Adjustment::NONE
                    });
                }
                commit
            })
        };
        let expected = (Some(33), Some(33), None);
        assert_eq!((held_at(50), held_at(5), held_at(4)), expected);
    }

    #[test]
    fn seconds_that_do_not_tell_count_between_two_that_do() {
        let errors = || rule(Metric::ErrorRate, 0.2, 10);
        let silence = aborted(errors(), |number| match number {
            20 | 35 => second(0, (0, 1), 1),
            _ => second(0, (0, 1), 0),
        });
        assert_eq!(silence, Some(35));
        let once = aborted(errors(), |number| {
            second(0, (0, 1), u64::from(number == 20))
        });
        assert_eq!(once, None);
    }

    #[test]
    fn times_shares_and_rates_have_their_own_sides() {
        let p95 = Metric::ResponseTime(Percentile::new(95.0).unwrap());
        let slow = |number| second(0, (10, if number > 30 { 9_000 } else { 100 }), 0);
        assert_eq!(aborted(rule(p95, 5_000.0, 3), slow), Some(33));
        let failing = |number| second(0, (10, 1), if number > 30 { 10 } else { 0 });
        assert_eq!(
            aborted(rule(Metric::Availability, 0.9, 3), failing),
            Some(33)
        );
        // The ramp has five seconds.
        let rate = |number| second(0, (if number > 30 { 10 } else { 0 }, 1), 0);
        assert_eq!(aborted(rule(Metric::Throughput, 5.0, 4), rate), Some(9));
        assert_eq!(aborted(rule(Metric::Throughput, 5.0, 40), rate), None);
    }

    #[test]
    fn a_rule_of_an_endpoint_takes_no_other() {
        let of = |name: &str| AbortRule {
            scope: SloScope::Endpoint(name.into()),
            ..rule(Metric::ErrorRate, 0.2, 3)
        };
        let names: Vec<String> = {
            let plan = plan(load(Model::Closed, &[(1.0, 0.0, 1.0)]), &[1, 1]);
            plan.endpoints.iter().map(|one| one.name.clone()).collect()
        };
        assert_eq!(aborted(of(&names[1]), |_| second(1, (0, 1), 1)), Some(3));
        assert_eq!(aborted(of(&names[0]), |_| second(1, (0, 1), 1)), None);
    }
}
