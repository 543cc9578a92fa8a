//! What a run did at each level of its load.
//!
//! Not here: where a sweep bends (`knee`), or how the levels look (`report`).

use crate::metrics::{RunResult, Summary, Window};
use crate::plan::{Shape, Stage};

/// One level of the load, held for a while.
#[derive(Debug, Clone)]
pub struct LoadLevel {
    /// The name of its phase.
    pub phase: String,
    /// Users, or arrivals per second, as planned.
    pub level: f64,
    /// The numbers of all its requests.
    pub summary: Summary,
}

/// The levels of a run, in their order.
#[derive(Debug, Clone, Default)]
pub struct LoadLevels {
    /// Those that were held long enough; at least two different ones.
    pub levels: Vec<LoadLevel>,
    /// The names of those that were too short.
    pub short: Vec<String>,
}

impl LoadLevels {
    /// A level that was held for less says little; s.
    pub const LEAST_S: f64 = 5.0;
}

impl RunResult {
    /// What the run did at each level of its load. `None` if it had one level, or not two that were held long
    /// enough, or its load was changed by hand.
    pub fn load_levels(&self) -> Option<LoadLevels> {
        if self.run.is_adjusted() {
            return None;
        }
        // Those of a sweep are as long as it says.
        let least_s = match self.run.load.shape {
            Some(Shape::Sweep) => f64::MIN_POSITIVE,
            _ => LoadLevels::LEAST_S,
        };
        let (held, short): (Vec<_>, Vec<_>) = self
            .measured_stages()
            .partition(|(position, _)| self.phase_length_s(*position) >= least_s);
        let (_, first) = held.first()?;
        // The numbers of a level are a walk through the whole run.
        held.iter()
            .any(|(_, stage)| stage.level != first.level)
            .then(|| LoadLevels {
                levels: (held.iter())
                    .map(|(position, stage)| self.load_level(*position, stage))
                    .collect(),
                short: (short.iter())
                    .map(|(position, _)| self.run.phases[*position].name.clone())
                    .collect(),
            })
    }

    /// The measured phases, by position, and their stages.
    pub(super) fn measured_stages(&self) -> impl Iterator<Item = (usize, &Stage)> {
        // A stage that only ramps has no phase of its own.
        let stages = self.run.load.stages.iter();
        self.measured_phases()
            .zip(stages.filter(|stage| !stage.duration.is_zero()))
    }

    /// The level of a phase, by position.
    pub(super) fn load_level(&self, position: usize, stage: &Stage) -> LoadLevel {
        LoadLevel {
            phase: self.run.phases[position].name.clone(),
            level: stage.level,
            summary: self.summary(None, Window::Phases(&[position])),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::{Outcome, Tick, fixture};

    /// A run of 10 requests a second for so many seconds at each of these levels.
    fn run(levels: &[(f64, u64)]) -> RunResult {
        let stages = levels
            .iter()
            .enumerate()
            .map(|(position, (level, seconds))| Stage {
                name: format!("stage {position}"),
                level: *level,
                ramp: Duration::from_secs(1),
                duration: Duration::from_secs(*seconds),
                classes: Vec::new(),
            });
        let length: u64 = levels.iter().map(|(_, seconds)| seconds + 1).sum();
        let samples =
            (0..length * 10).map(|i| fixture::sample(0, Outcome::Ok, i * 100_000, 1_000 + i));
        let tick = Tick {
            samples: samples.collect(),
            ..Tick::default()
        };
        fixture::of_stages(&["a"], stages.collect(), tick)
    }

    fn names(levels: &LoadLevels) -> Vec<(&str, f64, u64)> {
        let levels = levels.levels.iter();
        levels
            .map(|one| (one.phase.as_str(), one.level, one.summary.requests))
            .collect()
    }

    #[test]
    fn each_level_has_its_numbers_and_ramps_and_short_levels_have_none() {
        let levels = run(&[(5.0, 10), (20.0, 4), (10.0, 6), (5.0, 5)]);
        let levels = levels.load_levels().unwrap();
        let held = [
            ("stage 0", 5.0, 100),
            ("stage 2", 10.0, 60),
            ("stage 3", 5.0, 50),
        ];
        assert_eq!(names(&levels), held);
        assert_eq!(levels.short, ["stage 1"]);
        assert_eq!(levels.levels[0].summary.rate_per_s, 10.0);
    }

    #[test]
    fn a_run_of_one_level_has_none() {
        assert!(run(&[(5.0, 60)]).load_levels().is_none());
        assert!(run(&[(5.0, 60), (5.0, 60)]).load_levels().is_none());
        assert!(run(&[(5.0, 60), (10.0, 4)]).load_levels().is_none());
        let mut stopped = run(&[(5.0, 60), (10.0, 60)]);
        stopped.run.ending.as_mut().unwrap().stopped_at_us = 64_000_000;
        assert!(stopped.load_levels().is_none());
    }
}
