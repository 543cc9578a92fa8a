//! What exporters have counted so far: the cells of all seconds, added up by row and phase.
//!
//! Not here: which metrics these are (`family`).

use std::collections::BTreeMap;

use crate::metrics::{Cell, Commit, EndpointInfo, HealthSample, RunInfo};
use crate::plan::{Load, Model};

/// What is counted of a run, or of a part of it.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    /// Name of the run's directory.
    pub(super) run: String,
    /// The scenario's name.
    pub(super) scenario: String,
    /// The profile's name.
    pub(super) profile: String,
    /// The build of the service, as the user names it; empty without one.
    pub(super) build: String,
    /// The rows of the statistics so far.
    pub(super) rows: Vec<EndpointInfo>,
    /// The names of the phases, by position.
    pub(super) phases: Vec<String>,
    /// By row and phase. Phases of one name are one.
    pub(super) cells: BTreeMap<(usize, usize), Cell>,
    /// The planned load.
    pub(super) load: Load,
    /// How many seconds of it are over.
    pub(super) seconds: u32,
    /// Virtual users running (closed model) or requests in flight (open).
    pub(super) users: u32,
    /// The load generator's health in the last second.
    pub(super) health: Option<HealthSample>,
}

impl Counts {
    /// Nothing yet, of this run.
    pub(super) fn of(run: &RunInfo) -> Self {
        Self {
            run: run.id.clone(),
            scenario: run.scenario.clone(),
            profile: run.profile.clone(),
            build: run.build.clone().unwrap_or_default(),
            rows: run.endpoints.clone(),
            phases: run.phases.iter().map(|phase| phase.name.clone()).collect(),
            cells: BTreeMap::new(),
            load: run.load.clone(),
            seconds: 0,
            users: 0,
            health: None,
        }
    }

    /// Adds what ended in one second.
    pub(super) fn add(&mut self, commit: &Commit) {
        self.rows.extend(commit.rows.iter().cloned());
        self.seconds += 1;
        self.users = commit.users;
        if let Some(health) = &commit.health {
            self.health = Some(health.clone());
        }
        for entry in &commit.cells {
            let Some(name) = self.phases.get(entry.phase) else {
                continue;
            };
            let first = self.phases.iter().position(|phase| phase == name);
            let key = (entry.endpoint, first.unwrap_or(entry.phase));
            self.cells.entry(key).or_default().merge(&entry.cell);
        }
    }

    /// How many users there should be now, or how many arrivals per second in the open model; and whether it is users.
    pub(super) fn target(&self) -> (f64, bool) {
        let level = self.load.level_at(f64::from(self.seconds));
        (level, self.load.model == Model::Closed)
    }

    /// What was counted since the last time, after which that begins anew.
    pub(super) fn take(&mut self) -> Self {
        let cells = std::mem::take(&mut self.cells);
        Self {
            cells,
            ..self.clone()
        }
    }

    /// Adds what could not be delivered, to be delivered with what follows it.
    pub(super) fn give_back(&mut self, undelivered: Self) {
        let later = std::mem::replace(&mut self.cells, undelivered.cells);
        for (key, cell) in later {
            self.cells.entry(key).or_default().merge(&cell);
        }
    }
}
