//! Changing a load that goes on: more users, a lower rate, a pause.
//!
//! By steps, as keys do it, or to a level that is then held. Here: what may be changed, and what was. Workers follow it
//! where they look at their schedule anyway. Not here: who asks for it (`cli`), and how users and arrivals follow it
//! (`closed`, `open`).

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::metrics::{Adjustment, LoadSetting};
use crate::plan::{Model, Plan, RowOrder, Segment};
use crate::units::{as_us, format_count, format_rate, format_users};

/// How far ahead a change of the rate of arrivals lies, so that all workers know of it in time: then the arrivals
/// are the same however many workers there are.
const LEAD: Duration = Duration::from_millis(50);
/// By how much one step changes the rate of arrivals; percent of the planned rate.
const STEP_PERCENT: i64 = 10;
/// The highest rate of arrivals; percent of the planned one.
const MOST_PERCENT: u32 = 1_000;
/// The most users beyond the planned ones.
const MOST_ADDED: u32 = 10_000;
/// How often a load can be changed, since all changes are kept with the run.
const MOST_CHANGES: usize = 10_000;

/// Why a load is not what it was to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingRefusal {
    /// None goes on.
    NoLoad,
    /// It cannot be changed this way, with the reason in a sentence.
    NotThis(String),
}

/// What can be changed of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdjustableLoad {
    /// Users can be added and taken.
    Users,
    /// Users can be taken and put back, for the reason.
    FewerUsers(&'static str),
    /// The rate of arrivals.
    Rate,
    /// Only pauses, for the reason.
    Pauses(&'static str),
}

impl AdjustableLoad {
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
    adjustable: AdjustableLoad,
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
            adjustable: AdjustableLoad::of(plan),
            state: watch::Sender::default(),
            segments: plan.load.segments(),
            total: plan.load.total(),
        }
    }

    /// What can be changed.
    pub fn adjustable(&self) -> AdjustableLoad {
        self.adjustable
    }

    /// Adds so many users, or takes them if it is below 0; in the open model, changes the rate of arrivals by so
    /// many tenths of the planned one. `false` if nothing was changed, because it cannot be, or is at its limit, or
    /// was changed too often, or because no load goes on.
    pub fn step(&self, steps: i64) -> bool {
        let changed = self.change(|now| match self.adjustable {
            AdjustableLoad::Users | AdjustableLoad::FewerUsers(_) => self.step_users(now, steps),
            AdjustableLoad::Rate => self.step_rate(now, steps),
            AdjustableLoad::Pauses(_) => {}
        });
        changed == Ok(true)
    }

    fn step_users(&self, now: &mut Adjustment, steps: i64) {
        let (most, peak) = (i64::from(self.most_users()), i64::from(self.peak_users()));
        match &mut now.held_users {
            Some(held) => *held = (i64::from(*held) + steps).clamp(0, most) as u32,
            None => now.users = (now.users + steps).clamp(-peak, most - peak),
        }
    }

    fn step_rate(&self, now: &mut Adjustment, steps: i64) {
        let percent = steps * STEP_PERCENT;
        match &mut now.held_rate_per_s {
            Some(held) => {
                let step = self.peak() * percent as f64 / 100.0;
                *held = (*held + step).clamp(0.0, self.most_rate_per_s());
            }
            None => {
                let percent = i64::from(now.rate_percent) + percent;
                now.rate_percent = percent.clamp(0, MOST_PERCENT.into()) as u32;
            }
        }
    }

    /// From now on, starts no iterations and no arrivals, or again. The time of the load goes on. `false` if nothing
    /// was changed, because no load goes on, or it was changed too often; it can always go on after a pause.
    pub fn toggle_pause(&self) -> bool {
        self.change(|now| now.is_paused = !now.is_paused) == Ok(true)
    }

    /// Sets what the load is from now on. Nothing is changed if one part of it cannot be.
    ///
    /// # Errors
    /// When no load goes on, or it cannot be changed this way, or not so far, or not so often.
    pub fn set(&self, setting: LoadSetting) -> Result<(), SettingRefusal> {
        let LoadSetting {
            users,
            rate_per_s,
            is_paused,
        } = setting;
        self.check(users, rate_per_s)
            .map_err(SettingRefusal::NotThis)?;
        let changed = self.change(|now| {
            if users.is_some() || rate_per_s.is_some() {
                now.users = Adjustment::NONE.users;
                now.rate_percent = Adjustment::NONE.rate_percent;
                now.held_users = users;
                now.held_rate_per_s = rate_per_s;
            }
            now.is_paused = is_paused.unwrap_or(now.is_paused);
        });
        changed.map(drop)
    }

    /// What is wrong with a level, if something is.
    fn check(&self, users: Option<u32>, rate_per_s: Option<f64>) -> Result<(), String> {
        let refused = |why: &str| Err(why.to_owned());
        match (self.adjustable, users, rate_per_s) {
            (_, None, None) => Ok(()),
            (AdjustableLoad::Pauses(why), ..) => {
                Err(format!("the load can only be paused, since {why}"))
            }
            (AdjustableLoad::Rate, Some(_), _) => {
                refused("the load is a rate of arrivals, not a number of users")
            }
            (AdjustableLoad::Rate, None, Some(rate))
                if !(0.0..=self.most_rate_per_s()).contains(&rate) =>
            {
                Err(format!(
                    "the rate must be from 0 to {}, ten times the highest planned one",
                    format_rate(self.most_rate_per_s())
                ))
            }
            (AdjustableLoad::Rate, None, Some(_)) => Ok(()),
            (_, _, Some(_)) => refused("the load is a number of users, not a rate of arrivals"),
            (AdjustableLoad::FewerUsers(why), Some(users), _) if users > self.most_users() => {
                Err(format!(
                    "there can be no more than the planned {}, since {why}",
                    format_users(self.most_users().into())
                ))
            }
            (_, Some(users), _) if users > self.most_users() => Err(format!(
                "there can be no more than {}, {MOST_ADDED} more than planned",
                format_users(self.most_users().into())
            )),
            (_, Some(_), _) => Ok(()),
        }
    }

    /// The highest planned level: users, or arrivals per second.
    fn peak(&self) -> f64 {
        let levels = self.segments.iter().flat_map(|one| [one.from, one.to]);
        levels.fold(0.0, f64::max)
    }

    fn peak_users(&self) -> u32 {
        self.peak().ceil() as u32
    }

    /// The most users that there can be.
    fn most_users(&self) -> u32 {
        match self.adjustable {
            AdjustableLoad::Users => self.peak_users().saturating_add(MOST_ADDED),
            _ => self.peak_users(),
        }
    }

    /// The highest rate that there can be.
    fn most_rate_per_s(&self) -> f64 {
        self.peak() * f64::from(MOST_PERCENT) / 100.0
    }

    /// The highest [level](Self::level) that can be set; 0 where none can be.
    pub fn most(&self) -> f64 {
        match self.adjustable {
            AdjustableLoad::Users | AdjustableLoad::FewerUsers(_) => self.most_users().into(),
            AdjustableLoad::Rate => self.most_rate_per_s(),
            AdjustableLoad::Pauses(_) => 0.0,
        }
    }

    /// What was changed so far, in order of time.
    pub fn adjustments(&self) -> Vec<Adjustment> {
        self.adjustments_from(0)
    }

    /// What was changed since so many changes.
    pub fn adjustments_from(&self, known: usize) -> Vec<Adjustment> {
        let state = self.state.borrow();
        let new = state.adjustments.get(known..);
        new.unwrap_or_default().to_vec()
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

    /// The same without a pause: what the level is as soon as the load goes on.
    pub fn level_beside_pauses(&self) -> f64 {
        let epoch = self.state.borrow().epoch;
        let current = Adjustment {
            is_paused: false,
            ..self.current()
        };
        epoch.map_or(0.0, |epoch| self.level_with(current, epoch.elapsed()))
    }

    /// The level of the load at a time since its start, with what was changed: users, or arrivals per second. What
    /// was planned at the end of the load stays planned after it.
    pub fn level(&self, at: Duration) -> f64 {
        self.level_with(self.current(), at)
    }

    fn level_with(&self, adjustment: Adjustment, at: Duration) -> f64 {
        let at = at.as_secs_f64();
        let begun = self.segments.partition_point(|one| one.start <= at);
        let planned = match self.segments.get(begun.saturating_sub(1)) {
            Some(one) => one.level_at(at.min(one.end())),
            None => 0.0,
        };
        let is_rate = matches!(self.adjustable, AdjustableLoad::Rate);
        adjustment.level(planned, is_rate)
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

    /// Whether there was something to change.
    fn change(&self, change: impl FnOnce(&mut Adjustment)) -> Result<bool, SettingRefusal> {
        let mut changed = Err(SettingRefusal::NoLoad);
        self.state.send_if_modified(|state| {
            let Some(epoch) = state.epoch else {
                return false;
            };
            let lead = match self.adjustable {
                AdjustableLoad::Rate => LEAD,
                _ => Duration::ZERO,
            };
            let at = epoch.elapsed() + lead;
            let before = state.adjustments.last().copied();
            let mut now = before.unwrap_or(Adjustment::NONE);
            change(&mut now);
            if at >= self.total {
                return false;
            }
            let before = before.unwrap_or(Adjustment::NONE);
            let is_new = now != before;
            let ends_pause = before.is_paused && !now.is_paused;
            if is_new && state.adjustments.len() >= MOST_CHANGES && !ends_pause {
                changed = Err(SettingRefusal::NotThis(format!(
                    "the load was changed {} times, and cannot be changed more often",
                    format_count(MOST_CHANGES as u64)
                )));
                return false;
            }
            changed = Ok(is_new);
            if is_new {
                now.at_us = as_us(at).max(now.at_us);
                state.adjustments.push(now);
            }
            is_new
        });
        changed
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
    async fn a_level_that_is_set_is_held_whatever_is_planned() {
        let users = |users| LoadSetting {
            users: Some(users),
            ..LoadSetting::default()
        };
        let rate = |rate| LoadSetting {
            rate_per_s: Some(rate),
            ..LoadSetting::default()
        };
        let paused = |is_paused| LoadSetting {
            is_paused: Some(is_paused),
            ..LoadSetting::default()
        };
        let plan = plan(load(Model::Closed, &[(4.0, 10.0, 10.0)]), &[1]);
        let control = LoadControl::new(&plan);
        assert_eq!(control.set(users(3)), Err(SettingRefusal::NoLoad));
        control.begin(Instant::now());
        assert!(control.step(1));
        assert_eq!(control.set(users(40)), Ok(()));
        for s in [0, 5, 15] {
            assert_eq!(control.level(Duration::from_secs(s)), 40.0);
        }
        assert_eq!(control.set(users(40)), Ok(()), "once more");
        assert_eq!(control.set(paused(true)), Ok(()));
        assert_eq!(control.adjustments().len(), 3);
        let now = control.current();
        assert_eq!(
            (now.held_users, now.users, now.is_paused),
            (Some(40), 0, true)
        );
        let refused = |setting| match control.set(setting) {
            Err(SettingRefusal::NotThis(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(refused(users(10_005)).contains("no more than 10,004 users"));
        assert!(refused(rate(1.0)).contains("number of users"));
        assert!(control.step(-50) && !control.step(-1));
        assert_eq!(control.current().held_users, Some(0));
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(control.set(users(3)), Err(SettingRefusal::NoLoad));
        let mut fixed = plan.clone();
        fixed.classes[0].fixed_count = Some(4);
        let control = LoadControl::new(&fixed);
        control.begin(Instant::now());
        assert_eq!(control.set(users(4)), Ok(()));
        assert!(control.set(users(5)).is_err() && !control.step(1));
        fixed.load.iterations = Some(100);
        let control = LoadControl::new(&fixed);
        control.begin(Instant::now());
        assert!(control.set(users(1)).is_err() && control.set(paused(true)).is_ok());
        let model = Model::Open { max_users: 5 };
        let open = crate::plan::fixture::plan(load(model, &[(100.0, 10.0, 10.0)]), &[1]);
        let control = LoadControl::new(&open);
        control.begin(Instant::now());
        assert_eq!(control.set(rate(250.5)), Ok(()));
        assert_eq!(control.level(Duration::from_secs(1)), 250.5);
        assert!(control.step(1));
        assert_eq!(control.level(Duration::from_secs(1)), 260.5);
        for wrong in [rate(1_000.1), rate(-1.0), rate(f64::NAN), users(5)] {
            assert!(control.set(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(control.set(paused(true)), Ok(()));
        assert_eq!(control.level(Duration::from_secs(1)), 0.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_load_that_was_changed_too_often_can_only_go_on_after_a_pause() {
        let plan = plan(load(Model::Closed, &[(4.0, 0.0, 10.0)]), &[1]);
        let control = LoadControl::new(&plan);
        control.begin(Instant::now());
        let setting = |users, is_paused| LoadSetting {
            users: Some(users),
            is_paused: Some(is_paused),
            ..LoadSetting::default()
        };
        for number in 0..MOST_CHANGES as u32 - 1 {
            assert_eq!(control.set(setting(number % 2, false)), Ok(()));
        }
        assert!(control.toggle_pause());
        let refused = |changed| matches!(changed, Err(SettingRefusal::NotThis(why)) if why.contains("changed 10,000 times"));
        assert!(refused(control.set(setting(7, true))) && !control.step(1));
        assert!(control.toggle_pause() && !control.toggle_pause());
        assert!(refused(control.set(setting(7, false))));
        assert_eq!(control.adjustments().len(), MOST_CHANGES + 1);
        assert_eq!(
            control.set(LoadSetting::default()),
            Ok(()),
            "it may be looked at"
        );
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
