//! What exporters have counted so far: the cells of all seconds, added up by row and phase.
//!
//! Not here: which metrics these are (`family`).

use std::collections::{BTreeMap, BTreeSet};

use crate::metrics::{Adjustment, Cell, Commit, EndpointInfo, HealthSample, RunInfo};
use crate::plan::{Load, Model, Phase};

/// How many phases are told apart; a shape may make a thousand.
const MAX_PHASES: usize = 20;

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
    /// The names of the phases, by position; several may have the same.
    pub(super) phases: Vec<String>,
    /// By row and phase. Phases of one name are one.
    pub(super) cells: BTreeMap<(usize, usize), Cell>,
    /// The planned load.
    pub(super) load: Load,
    /// What was changed of it by hand.
    pub(super) adjustment: Adjustment,
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
            phases: names(&run.phases),
            cells: BTreeMap::new(),
            load: run.load.clone(),
            adjustment: Adjustment::NONE,
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
        if let Some(adjustment) = commit.adjustments.last() {
            self.adjustment = *adjustment;
        }
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
        let planned = self.load.level_at(f64::from(self.seconds));
        let is_closed = self.load.model == Model::Closed;
        (self.adjustment.level(planned, !is_closed), is_closed)
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

/// The names of phases, of which there are few, however many phases there are: all ramps have one.
fn names(phases: &[Phase]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut known = BTreeSet::new();
    for phase in phases {
        let name = match phase.name.starts_with("ramp to ") && !phase.measured {
            true => "ramp",
            false => phase.name.as_str(),
        };
        // What is not measured stays apart from what is; there are few names of it.
        let is_kept = !phase.measured || known.contains(name) || known.len() < MAX_PHASES;
        let name = if is_kept { name } else { "other" };
        known.insert(name);
        names.push(name.to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_phases_have_few_names() {
        let stages = (0..1_000).flat_map(|number| {
            let phase = |name: String, measured| Phase {
                name,
                start_us: 0,
                end_us: 1,
                measured,
            };
            let name = format!("level {number}");
            [phase(format!("ramp to {name}"), false), phase(name, true)]
        });
        let after = Phase {
            name: "after the load".to_owned(),
            start_us: 1,
            end_us: 2,
            measured: false,
        };
        let mut names = names(&stages.chain([after]).collect::<Vec<_>>());
        assert_eq!(names.pop().unwrap(), "after the load");
        let known: BTreeSet<&String> = names.iter().collect();
        assert_eq!((names.len(), known.len()), (2_000, MAX_PHASES + 1));
        assert_eq!(names[..4], ["ramp", "level 0", "ramp", "level 1"]);
        assert_eq!(names[1_998..], ["ramp", "other"]);
    }
}
