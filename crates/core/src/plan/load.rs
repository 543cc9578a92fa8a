//! How much load a run puts on the service, and how the run divides into phases.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::{format_rate, format_users};

/// The load of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Closed or open.
    pub model: Model,
    /// One or more, run one after the other, starting from level 0.
    pub stages: Vec<Stage>,
    /// Full load that is not measured, between the first ramp and the first stage's duration.
    #[serde(rename = "warmup_us", with = "crate::units::micros")]
    pub warmup: Duration,
    /// How long requests in flight may go on when the load ends.
    #[serde(rename = "stop_timeout_us", with = "crate::units::micros")]
    pub stop_timeout: Duration,
    /// Ends the run after this many iterations in total, each user doing an equal part.
    pub iterations: Option<u64>,
    /// How arrivals are spaced; has no effect in the closed model.
    #[serde(default)]
    pub arrivals: Arrivals,
    /// The most requests per second of all users together, in the closed model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<f64>,
    /// The rule that made the stages; `None` if they were written one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
}

/// A rule that makes many stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Levels in even steps.
    Steps,
    /// Up and down.
    Sine,
    /// Rising levels, to find the knee.
    Sweep,
}

/// How the arrivals of an open model are spaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Evenly: the load is the same in every second.
    #[default]
    Uniform,
    /// A Poisson process of the same rate: independent of each other, as those of many users are.
    Poisson,
}

/// What the level of the load is: a number of users, or an arrival rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// Virtual users that wait for each response before they go on. The level of a stage is a number
    /// of users.
    Closed,
    /// Arrivals on a schedule, whatever the service does. The level of a stage is a rate per second.
    Open {
        /// The most virtual users; an arrival that finds none free is `dropped`.
        max_users: u32,
    },
}

/// A part of the load: a linear ramp from the level of the previous stage, then a constant level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Shown in the report; the name of the phase.
    pub name: String,
    /// Users (closed) or arrivals per second (open) at the end of the ramp.
    pub level: f64,
    /// How long the change takes; zero is a jump.
    #[serde(rename = "ramp_us", with = "crate::units::micros")]
    pub ramp: Duration,
    /// How long the level is held, counted from the end of the ramp.
    #[serde(rename = "duration_us", with = "crate::units::micros")]
    pub duration: Duration,
    /// The user classes that run from the start of its ramp on, by name; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
}

/// A stretch of a run with statistics of its own. Phases follow each other without a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// `ramp`, `warmup`, or the stage's name.
    pub name: String,
    /// Microseconds from the start of the load, inclusive.
    pub start_us: u64,
    /// Microseconds from the start of the load, exclusive.
    pub end_us: u64,
    /// Whether it is graded; ramps and warm-up are not.
    pub measured: bool,
}

/// A stretch of time in which the level changes linearly. Times in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// From the start of the load.
    pub start: f64,
    /// Above 0.
    pub length: f64,
    /// The level at its start: users, or arrivals per second.
    pub from: f64,
    /// The level at its end.
    pub to: f64,
    /// Position of the stage it belongs to.
    pub stage: usize,
}

impl Segment {
    /// Whether nothing arrives in it.
    pub fn is_pause(&self) -> bool {
        self.from == 0.0 && self.to == 0.0
    }

    /// From the start of the load to its end.
    pub fn end(&self) -> f64 {
        self.start + self.length
    }

    /// The level at a time in it.
    pub fn level_at(&self, at: f64) -> f64 {
        self.from + (self.to - self.from) * (at - self.start) / self.length
    }

    /// The parts of it before a time and from it on, of which one may be missing.
    pub fn split(&self, at: f64) -> [Option<Self>; 2] {
        if at <= self.start {
            return [None, Some(*self)];
        }
        if at >= self.end() {
            return [Some(*self), None];
        }
        let middle = self.level_at(at);
        let before = Self {
            length: at - self.start,
            to: middle,
            ..*self
        };
        let after = Self {
            start: at,
            length: self.end() - at,
            from: middle,
            ..*self
        };
        [Some(before), Some(after)]
    }
}

impl Load {
    /// The highest level of all stages: users or arrivals per second.
    pub fn peak(&self) -> f64 {
        self.stages
            .iter()
            .map(|stage| stage.level)
            .fold(0.0, f64::max)
    }

    /// A level for people: `50 users` or `100/s`.
    pub fn format_level(&self, level: f64) -> String {
        match self.model {
            Model::Closed => format_users(level as u64),
            Model::Open { .. } => format_rate(level),
        }
    }

    /// From the start of the first ramp to the end of the last stage, without the stop timeout.
    pub fn total(&self) -> Duration {
        let stages: Duration = self
            .stages
            .iter()
            .map(|stage| stage.ramp + stage.duration)
            .sum();
        stages + self.warmup
    }

    /// The phases, in order; empty stretches are left out.
    pub fn phases(&self) -> Vec<Phase> {
        let mut phases = Vec::new();
        let mut at = Duration::ZERO;
        let mut push = |name: String, length: Duration, measured: bool| {
            let start_us = crate::units::as_us(at);
            at += length;
            let end_us = crate::units::as_us(at);
            if end_us > start_us {
                phases.push(Phase {
                    name,
                    start_us,
                    end_us,
                    measured,
                });
            }
        };
        for (i, stage) in self.stages.iter().enumerate() {
            let ramp = if i == 0 {
                "ramp".to_owned()
            } else {
                format!("ramp to {}", stage.name)
            };
            push(ramp, stage.ramp, false);
            if i == 0 {
                push("warmup".into(), self.warmup, false);
            }
            push(stage.name.clone(), stage.duration, true);
        }
        phases
    }

    /// Its segments, in order; jumps have no segment of their own.
    pub fn segments(&self) -> Vec<Segment> {
        let mut segments = Vec::new();
        let mut start = 0.0;
        let mut level = 0.0;
        for (i, stage) in self.stages.iter().enumerate() {
            let warmup = if i == 0 { self.warmup } else { Duration::ZERO };
            let ramp = (stage.ramp, level);
            let hold = (stage.duration + warmup, stage.level);
            for (length, from) in [ramp, hold] {
                let length = length.as_secs_f64();
                if length > 0.0 {
                    segments.push(Segment {
                        start,
                        length,
                        from,
                        to: stage.level,
                        stage: i,
                    });
                    start += length;
                }
            }
            level = stage.level;
        }
        segments
    }

    /// Its level so many seconds after its start, users or arrivals per second; 0 after its end.
    pub fn level_at(&self, seconds: f64) -> f64 {
        let mut segments = self.segments().into_iter();
        let at = segments.find(|one| (one.start..one.end()).contains(&seconds));
        at.map_or(0.0, |one| one.level_at(seconds))
    }

    /// For each stage that returns from a surge to an earlier level: the positions of that
    /// earlier stage and of the returning one. Its time to recover can then be measured.
    pub fn recoveries(&self) -> Vec<(usize, usize)> {
        let stages = &self.stages;
        if self.shape == Some(Shape::Sine) {
            // It goes down by design; there is nothing to recover from.
            return Vec::new();
        }
        (2..stages.len())
            // After a surge to a pause, nothing is left that could recover.
            .filter(|&i| stages[i].level > 0.0 && stages[i].level < stages[i - 1].level)
            .filter_map(|i| {
                let base = (0..i - 1)
                    .rev()
                    .find(|&j| stages[j].level == stages[i].level)?;
                Some((base, i))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(name: &str, level: f64, ramp: u64, duration: u64) -> Stage {
        Stage {
            name: name.into(),
            level,
            ramp: Duration::from_secs(ramp),
            duration: Duration::from_secs(duration),
            classes: Vec::new(),
        }
    }

    fn load(stages: Vec<Stage>) -> Load {
        Load {
            model: Model::Closed,
            stages,
            warmup: Duration::from_secs(5),
            stop_timeout: Duration::from_secs(30),
            iterations: None,
            throttle: None,
            arrivals: Arrivals::Uniform,
            shape: None,
        }
    }

    #[test]
    fn phases_follow_each_other_and_only_levels_are_measured() {
        let load = load(vec![
            stage("base", 10.0, 2, 60),
            stage("surge", 50.0, 0, 30),
        ]);
        let phases = load.phases();
        let seen: Vec<(&str, u64, bool)> = phases
            .iter()
            .map(|p| (p.name.as_str(), p.end_us / 1_000_000, p.measured))
            .collect();
        assert_eq!(
            seen,
            [
                ("ramp", 2, false),
                ("warmup", 7, false),
                ("base", 67, true),
                ("surge", 97, true)
            ]
        );
        assert!(phases.windows(2).all(|w| w[0].end_us == w[1].start_us));
        assert_eq!(load.total(), Duration::from_secs(97));
    }

    #[test]
    fn the_level_follows_ramps_and_ends_with_the_load() {
        let load = load(vec![
            stage("base", 10.0, 2, 60),
            stage("surge", 50.0, 10, 30),
        ]);
        // The warm-up of 5 s is part of the first level.
        for (seconds, level) in [
            (0.0, 0.0),
            (1.0, 5.0),
            (2.0, 10.0),
            (66.9, 10.0),
            (72.0, 30.0),
            (77.0, 50.0),
            (107.0, 0.0),
        ] {
            assert_eq!(load.level_at(seconds), level, "{seconds}");
        }
    }

    #[test]
    fn a_return_to_an_earlier_level_is_a_recovery() {
        let spike = load(vec![
            stage("base", 30.0, 0, 60),
            stage("surge", 150.0, 0, 60),
            stage("recovery", 30.0, 0, 60),
        ]);
        assert_eq!(spike.recoveries(), [(0, 2)]);
        let steps = load(vec![stage("a", 10.0, 0, 1), stage("b", 20.0, 0, 1)]);
        assert!(steps.recoveries().is_empty());
    }
}
