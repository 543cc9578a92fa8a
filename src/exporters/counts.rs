//! What exporters have counted so far: the cells of all seconds, added up by row and phase.
//!
//! Not here: which metrics these are (`family`).

use std::collections::{BTreeMap, BTreeSet};

use crate::metrics::{Adjustment, Cell, Commit, EndpointInfo, HealthSample, RunInfo};
use crate::plan::{Load, Model, Phase};

/// How many phases are told apart; a shape may make a thousand.
const MAX_PHASES: usize = 20;

/// What was counted, by the positions of row and phase.
pub(super) type CellsByRow = BTreeMap<(usize, usize), Cell>;

/// How a phase is told from others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PhaseLabels {
    /// Its name, or one that it shares with others.
    pub(super) name: String,
    /// Whether it is: a stage can have the name of a phase that is not.
    pub(super) measured: bool,
}

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
    /// How the phases are told apart, by position; several may have the same labels.
    pub(super) phases: Vec<PhaseLabels>,
    /// By row and phase. Phases with the same labels are one.
    pub(super) cells: CellsByRow,
    /// The planned load.
    pub(super) load: Load,
    /// What was changed of it by hand.
    pub(super) adjustment: Adjustment,
    /// How many seconds of it are over.
    pub(super) seconds: u32,
    /// Whether it was ended, early or not.
    pub(super) is_stopped: bool,
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
            phases: labels(&run.phases),
            cells: BTreeMap::new(),
            load: run.load.clone(),
            adjustment: Adjustment::NONE,
            seconds: 0,
            is_stopped: false,
            users: 0,
            health: None,
        }
    }

    /// Adds what ended in one second.
    pub(super) fn add(&mut self, commit: &Commit) {
        self.rows.extend(commit.rows.iter().cloned());
        self.seconds += 1;
        self.is_stopped |= commit.stopped_at_us.is_some();
        self.users = commit.users;
        if let Some(adjustment) = commit.adjustments.last() {
            self.adjustment = *adjustment;
        }
        if let Some(health) = &commit.health {
            self.health = Some(health.clone());
        }
        for entry in &commit.cells {
            let Some(labels) = self.phases.get(entry.phase) else {
                continue;
            };
            let first = self.phases.iter().position(|phase| phase == labels);
            let key = (entry.endpoint, first.unwrap_or(entry.phase));
            self.cells.entry(key).or_default().merge(&entry.cell);
        }
    }

    /// How many users there should be now, or how many arrivals per second in the open model: none when the load is
    /// over. And whether it is users.
    pub(super) fn target(&self) -> (f64, bool) {
        let is_closed = self.load.model == Model::Closed;
        let at = f64::from(self.seconds);
        if self.is_stopped || at >= self.load.total().as_secs_f64() {
            return (0.0, is_closed);
        }
        let planned = self.load.level_at(at);
        (self.adjustment.level(planned, !is_closed), is_closed)
    }

    /// What was counted since the last time, after which that begins anew.
    pub(super) fn take(&mut self) -> CellsByRow {
        std::mem::take(&mut self.cells)
    }

    /// Adds what could not be delivered, to be delivered with what follows it.
    pub(super) fn give_back(&mut self, undelivered: CellsByRow) {
        let later = std::mem::replace(&mut self.cells, undelivered);
        for (key, cell) in later {
            self.cells.entry(key).or_default().merge(&cell);
        }
    }
}

/// The labels of phases, of which there are few, however many phases there are: all ramps have the same.
fn labels(phases: &[Phase]) -> Vec<PhaseLabels> {
    let mut labels: Vec<PhaseLabels> = Vec::new();
    let mut known = BTreeSet::new();
    for phase in phases {
        let measured = phase.measured;
        let name = match phase.name.starts_with("ramp to ") && !measured {
            true => "ramp",
            false => phase.name.as_str(),
        };
        // What is not measured stays apart from what is; there are few names of it.
        let is_known = known.contains(&(name, measured));
        let is_kept = !measured || is_known || known.len() < MAX_PHASES;
        let name = if is_kept { name } else { "other" };
        known.insert((name, measured));
        labels.push(PhaseLabels {
            name: name.to_owned(),
            measured,
        });
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporters::fixture;
    use crate::metrics::CommitCell;

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
        let labels = labels(&stages.chain([after]).collect::<Vec<_>>());
        let names = labels.into_iter().map(|labels| labels.name);
        let mut names: Vec<String> = names.collect();
        assert_eq!(names.pop().unwrap(), "after the load");
        let known: BTreeSet<&String> = names.iter().collect();
        assert_eq!((names.len(), known.len()), (2_000, MAX_PHASES + 1));
        assert_eq!(names[..4], ["ramp", "level 0", "ramp", "level 1"]);
        assert_eq!(names[1_998..], ["ramp", "other"]);
    }

    #[test]
    fn nothing_is_asked_for_when_the_load_is_over() {
        let mut counts = fixture::counts();
        let held = Adjustment {
            held_users: Some(40),
            ..Adjustment::NONE
        };
        counts.seconds = 0;
        counts.add(&Commit {
            adjustments: vec![held],
            ..Commit::default()
        });
        assert_eq!(counts.target(), (40.0, true));
        let mut stopped = counts.clone();
        stopped.add(&Commit {
            stopped_at_us: Some(1_500_000),
            ..Commit::default()
        });
        assert_eq!(
            stopped.target(),
            (0.0, true),
            "while it waits for responses"
        );
        counts.seconds = counts.load.total().as_secs_f64().ceil() as u32;
        assert_eq!(counts.target(), (0.0, true));
    }

    #[test]
    fn a_stage_with_the_name_of_the_warm_up_is_not_mixed_with_it() {
        let phase = |name: &str, measured| Phase {
            name: name.to_owned(),
            start_us: 0,
            end_us: 1,
            measured,
        };
        let mut counts = fixture::counts();
        let phases = [
            phase("warmup", false),
            phase("warmup", true),
            phase("ramp to x", true),
        ];
        counts.phases = labels(&phases);
        counts.cells.clear();
        let cell = |phase| CommitCell {
            second: 0,
            endpoint: 0,
            phase,
            cell: Cell::default(),
        };
        counts.add(&Commit {
            cells: vec![cell(0), cell(1), cell(2)],
            ..Commit::default()
        });
        let keys: Vec<_> = counts.cells.keys().collect();
        assert_eq!(keys, [&(0, 0), &(0, 1), &(0, 2)]);
        assert_eq!(counts.phases[2].name, "ramp to x");
    }
}
