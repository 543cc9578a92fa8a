//! Changing a load that goes on: more users, a lower rate, a pause.
//!
//! Here: what may be changed, and what was. Workers follow it where they look at their schedule anyway. Not here:
//! who asks for it (`cli`), and how users and arrivals follow it (`closed`, `open`).

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::metrics::Adjustment;
use crate::plan::{Model, Plan, RowOrder, Segment};
use crate::units::as_us;

/// How far ahead a change of the rate of arrivals lies, so that all workers know of it in time: then the arrivals
/// are the same however many workers there are.
const LEAD: Duration = Duration::from_millis(50);
/// By how much one step changes the rate of arrivals; percent of the planned rate.
const STEP_PERCENT: i64 = 10;
/// The highest rate of arrivals; percent of the planned one.
const MOST_PERCENT: i64 = 1_000;
/// The most users beyond the planned ones.
const MOST_ADDED: i64 = 10_000;

/// What can be changed of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adjustable {
    /// Users can be added and taken.
    Users,
    /// Users can be taken and put back, for the reason.
    FewerUsers(&'static str),
    /// The rate of arrivals.
    Rate,
    /// Only pauses, for the reason.
    Pauses(&'static str),
}

impl Adjustable {
    /// What can be changed of the load of a plan.
    fn of(plan: &Plan) -> Self {
        let is_unique = |order| order == RowOrder::Unique;
        match plan.load.model {
            Model::Open { .. } => Self::Rate,
            Model::Closed if plan.load.iterations.is_some() => {
                Self::Pauses("each user has its part of the iterations")
            }
            Model::Closed if plan.data.iter().any(|data| is_unique(data.mode)) => {
                Self::FewerUsers("there are no unique rows of data for more users")
            }
            Model::Closed if plan.classes.iter().all(|one| one.fixed_count.is_some()) => {
                Self::FewerUsers("each class has a fixed count of users")
            }
            Model::Closed => Self::Users,
        }
    }
}

/// Changes the load of a run that goes on, from any thread. Copies are about the same load.
#[derive(Debug, Clone)]
pub struct LoadControl {
    adjustable: Adjustable,
    state: watch::Sender<State>,
    /// The level by the plan, as it changes.
    segments: Vec<Segment>,
    total: Duration,
}

/// What was changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct State {
    /// While the load goes on: when it began.
    epoch: Option<Instant>,
    /// In order of time.
    pub(crate) adjustments: Vec<Adjustment>,
}

impl LoadControl {
    /// Of a run of this plan, whose load has not begun.
    pub fn new(plan: &Plan) -> Self {
        Self {
            adjustable: Adjustable::of(plan),
            state: watch::Sender::default(),
            segments: plan.load.segments(),
            total: plan.load.total(),
        }
    }

    /// What can be changed.
    pub fn adjustable(&self) -> Adjustable {
        self.adjustable
    }

    /// Adds so many users, or takes them if it is below 0; in the open model, changes the rate of arrivals by so
    /// many tenths of the planned one. `false` if nothing was changed, because it cannot be, or is at its limit, or
    /// because no load goes on.
    pub fn step(&self, steps: i64) -> bool {
        let levels = self.segments.iter().flat_map(|one| [one.from, one.to]);
        let fewest = -(levels.fold(0.0, f64::max).ceil() as i64);
        self.change(|now| match self.adjustable {
            Adjustable::Users => now.users = (now.users + steps).clamp(fewest, MOST_ADDED),
            Adjustable::FewerUsers(_) => now.users = (now.users + steps).clamp(fewest, 0),
            Adjustable::Rate => {
                let percent = i64::from(now.rate_percent) + steps * STEP_PERCENT;
                now.rate_percent = percent.clamp(0, MOST_PERCENT) as u32;
            }
            Adjustable::Pauses(_) => {}
        })
    }

    /// From now on, starts no iterations and no arrivals, or again. The time of the load goes on. `false` if nothing
    /// was changed, because no load goes on.
    pub fn toggle_pause(&self) -> bool {
        self.change(|now| now.is_paused = !now.is_paused)
    }

    /// What was changed so far, in order of time.
    pub fn adjustments(&self) -> Vec<Adjustment> {
        self.state.borrow().adjustments.clone()
    }

    /// The difference from the plan that was asked for last.
    pub fn current(&self) -> Adjustment {
        let state = self.state.borrow();
        state
            .adjustments
            .last()
            .copied()
            .unwrap_or(Adjustment::NONE)
    }

    /// The [level](Self::level) now; 0 while no load goes on.
    pub fn level_now(&self) -> f64 {
        let epoch = self.state.borrow().epoch;
        epoch.map_or(0.0, |epoch| self.level(epoch.elapsed()))
    }

    /// The level of the load at a time since its start, with what was changed: users, or arrivals per second. What
    /// was planned at the end of the load stays planned after it.
    pub fn level(&self, at: Duration) -> f64 {
        let at = at.as_secs_f64();
        let begun = self.segments.partition_point(|one| one.start <= at);
        let planned = match self.segments.get(begun.saturating_sub(1)) {
            Some(one) => one.level_at(at.min(one.end())),
            None => 0.0,
        };
        let is_rate = matches!(self.adjustable, Adjustable::Rate);
        self.current().level(planned, is_rate)
    }

    /// The load begins now.
    pub(crate) fn begin(&self, epoch: Instant) {
        self.state.send_modify(|state| state.epoch = Some(epoch));
    }

    /// The load is over.
    pub(crate) fn end(&self) {
        self.state.send_modify(|state| state.epoch = None);
    }

    /// For a worker that is to follow.
    pub(crate) fn follow(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut Adjustment)) -> bool {
        self.state.send_if_modified(|state| {
            let Some(epoch) = state.epoch else {
                return false;
            };
            let lead = match self.adjustable {
                Adjustable::Rate => LEAD,
                _ => Duration::ZERO,
            };
            let at = epoch.elapsed() + lead;
            let before = state.adjustments.last().copied();
            let mut now = before.unwrap_or(Adjustment::NONE);
            change(&mut now);
            if at >= self.total || now == before.unwrap_or(Adjustment::NONE) {
                return false;
            }
            now.at_us = as_us(at).max(now.at_us);
            state.adjustments.push(now);
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{load, plan};

    #[tokio::test(start_paused = true)]
    async fn a_load_changes_while_it_goes_on_and_within_its_limits() {
        let plan = plan(load(Model::Closed, &[(4.0, 0.0, 10.0)]), &[1]);
        let control = LoadControl::new(&plan);
        assert!(!control.step(1), "it has not begun");
        control.begin(Instant::now());
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(control.step(2) && control.step(-10));
        assert!(!control.step(-1), "there are no fewer than none");
        assert_eq!(control.level(Duration::from_secs(3)), 0.0);
        assert!(control.step(5) && control.toggle_pause());
        let made = control.adjustments();
        let users: Vec<i64> = made.iter().map(|one| one.users).collect();
        assert_eq!(users, [2, -4, 1, 1]);
        assert_eq!(
            (made[0].at_us, control.current().is_paused),
            (3_000_000, true)
        );
        assert_eq!(control.level(Duration::from_secs(5)), 5.0);
        tokio::time::advance(Duration::from_secs(7)).await;
        assert!(!control.toggle_pause(), "the load is over");
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_be_changed_depends_on_the_load() {
        let mut closed = plan(load(Model::Closed, &[(4.0, 0.0, 10.0)]), &[1]);
        let step = |plan: &Plan, steps| {
            let control = LoadControl::new(plan);
            control.begin(Instant::now());
            control.step(steps)
        };
        assert!(step(&closed, 1));
        closed.classes[0].fixed_count = Some(4);
        assert!(!step(&closed, 1) && step(&closed, -1));
        closed.load.iterations = Some(100);
        assert!(!step(&closed, 1) && !step(&closed, -1));
        let model = Model::Open { max_users: 5 };
        let open = plan(load(model, &[(100.0, 10.0, 10.0)]), &[1]);
        let control = LoadControl::new(&open);
        control.begin(Instant::now());
        assert!(control.step(1));
        assert_eq!(control.current().rate_percent, 110);
        assert_eq!(control.level(Duration::from_secs(5)).round(), 55.0);
        assert_eq!(control.level(Duration::from_secs(30)).round(), 110.0);
        assert!(control.toggle_pause());
        assert_eq!(control.level(Duration::from_secs(5)), 0.0);
    }
}
