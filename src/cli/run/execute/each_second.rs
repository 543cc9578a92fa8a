//! What is done with each second of a run while it goes on.
//!
//! Not here: what happens before and after the load (`execute`).

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::storage::Storage;
use crate::cli::run::observing::RunObservation;
use crate::engine::LoadControl;
use crate::metrics::{AbortWatch, Fold, HealthSample, Observation, Tick};
use crate::plan::{Model, Phase, Plan};
use crate::report::live::{LiveDisplay, Update};
use crate::units;

/// What happens once a second: samples are folded, stored and shown.
pub(super) struct Control<'w> {
    pub(super) fold: Fold,
    pub(super) phases: Vec<Phase>,
    pub(super) storage: Storage<'w>,
    pub(super) observing: Option<RunObservation>,
    pub(super) display: Rc<RefCell<LiveDisplay>>,
    pub(super) abort: Option<AbortWatch>,
    /// Why the run is aborted, once it is.
    pub(super) aborted: Option<String>,
    /// Whether it has shown what it was made for.
    pub(super) decided: bool,
    pub(super) plan: Arc<Plan>,
    pub(super) load_control: LoadControl,
    /// How many of its changes are stored.
    pub(super) adjusted: usize,
    pub(super) second: u64,
}

impl Control<'_> {
    /// Breaks if the run is decided or to be aborted, which it cannot be any more unless its load goes on.
    pub(super) fn second(
        &mut self,
        mut ticks: Vec<Tick>,
        health: HealthSample,
        goes_on: bool,
    ) -> ControlFlow<()> {
        self.second += 1;
        let (mut commit, live) = self.fold.fold(&mut ticks);
        commit.health = Some(health);
        commit.adjustments = self.load_control.adjustments_from(self.adjusted);
        self.adjusted += commit.adjustments.len();
        let watch = self.storage.watch.as_mut();
        let has_said_enough = watch.is_some_and(|watch| watch(&commit));
        self.decided |= goes_on && has_said_enough;
        if goes_on && self.aborted.is_none() {
            let broken = self.abort.as_mut().and_then(|abort| abort.second(&commit));
            self.aborted = broken.map(ToString::to_string);
            if let Some(why) = &self.aborted {
                let text = format!("aborting: {why}; waiting for requests in flight");
                self.display.borrow().note(&text);
            }
        }
        self.display.borrow_mut().second(&commit);
        let journal = &mut self.storage.journal;
        let had_failed = journal.failure().is_some();
        journal.commit(&commit);
        if let Some(error) = journal.failure().filter(|_| !had_failed) {
            self.display.borrow().note(&format!(
                "the journal cannot be written: {error}; the load continues, and its numbers are \
                 kept in memory until they can be written"
            ));
        }
        if let Some(exporters) = &mut self.storage.exporters {
            exporters.add(commit);
        }
        if let Some(observing) = &mut self.observing {
            let observed = observing.take(self.second);
            self.observed(observed);
        }
        if let Some(samples) = &mut self.storage.samples {
            samples.add(ticks);
            if let Some(error) = samples.new_failure() {
                self.display.borrow().note(&format!(
                    "the samples cannot be written: {error}; the load continues without them"
                ));
            }
        }
        let elapsed = Duration::from_secs(self.second);
        let now_us = units::as_us(elapsed);
        let phase = self.phases.iter().find(|phase| now_us <= phase.end_us);
        self.display.borrow_mut().update(&Update {
            live,
            phase: phase.map_or_else(|| "stopping".into(), |phase| phase.name.clone()),
            elapsed,
            is_open: self.plan.load.model != Model::Closed,
            level: self.load_control.level(elapsed),
            adjustment: self.load_control.current(),
            is_adjusted: self.adjusted > 0,
        });
        match self.decided || self.aborted.is_some() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

impl Control<'_> {
    /// Stores what was observed, and shows sentences about what was not.
    pub(super) fn observed(&mut self, (observations, notes): (Vec<Observation>, Vec<String>)) {
        for observation in observations {
            self.storage.journal.observe(observation);
        }
        for note in notes {
            self.display.borrow().note(&note);
        }
    }
}
