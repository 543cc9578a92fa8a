//! The knee of a sweep: the level of load beyond which more load adds waiting, not throughput.
//!
//! Here: which level it is, from the stored numbers. Not here: how a sweep is written (`scenario`)
//! or shown (`report`).

use crate::metrics::{LoadLevel, RunResult};
use crate::plan::{Model, Shape};
use crate::units::{format_latency_us, format_rate, format_users, trim_float};

/// A sweep of fewer levels has no knee.
const MIN_LEVELS: usize = 3;

/// One level of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepLevel {
    /// The name of its phase.
    pub phase: String,
    /// Users, or arrivals per second.
    pub level: f64,
    /// Successes per second.
    pub rate_per_s: f64,
    /// Mean response time; us.
    pub mean_us: f64,
    /// 95th percentile of the response time; us.
    pub p95_us: f64,
}

/// Where a sweep bends.
#[derive(Debug, Clone, PartialEq)]
pub struct Knee {
    /// The level with the most throughput per response time.
    pub at: SweepLevel,
    /// The level after it; `None` when the sweep ended before it bent.
    pub beyond: Option<SweepLevel>,
}

impl RunResult {
    /// The knee of a sweep: the level of the highest power, which is throughput over response time
    /// (L. Kleinrock, "Power and deterministic rules of thumb for probabilistic problems in
    /// computer communications", ICC 1979). While load is light, throughput rises with it and the
    /// response time hardly does; when the service is saturated, only the response time rises; in
    /// between the power has its maximum. `None` for other loads, where levels are missing, and without
    /// successes.
    pub fn knee(&self) -> Option<Knee> {
        let levels = self.sweep_levels()?;
        let power = |level: &SweepLevel| level.rate_per_s / level.mean_us.max(1.0);
        let highest = |a: &usize, b: &usize| power(&levels[*a]).total_cmp(&power(&levels[*b]));
        // The first of equals: more load gained nothing.
        let at = (0..levels.len()).rev().max_by(highest)?;
        if levels[at].rate_per_s <= 0.0 {
            // Nothing succeeded at any level.
            return None;
        }
        Some(Knee {
            at: levels[at].clone(),
            beyond: levels.get(at + 1).cloned(),
        })
    }

    /// The levels of a sweep, in their order. `None` for other loads, and where a level is missing or has no
    /// response.
    fn sweep_levels(&self) -> Option<Vec<SweepLevel>> {
        if self.run.load.shape != Some(Shape::Sweep) || self.run.is_adjusted() {
            return None;
        }
        let stages = &self.run.load.stages;
        let levels: Option<Vec<SweepLevel>> = (self.measured_stages())
            .map(|(position, stage)| {
                let LoadLevel {
                    phase,
                    level,
                    summary,
                } = self.load_level(position, stage);
                Some(SweepLevel {
                    phase,
                    level,
                    rate_per_s: summary.rate_per_s,
                    mean_us: summary.response_us.mean?,
                    p95_us: summary.response_us.p95?,
                })
            })
            .collect();
        levels.filter(|levels| levels.len() >= MIN_LEVELS && levels.len() == stages.len())
    }
}

impl Knee {
    /// For people, in a sentence.
    pub fn sentence(&self, model: Model) -> String {
        let level = |level: &SweepLevel| match model {
            Model::Closed => format_users(level.level as u64),
            Model::Open { .. } => format_rate(level.level),
        };
        let at = format!(
            "{} ({}, p95 {})",
            level(&self.at),
            format_rate(self.at.rate_per_s),
            format_latency_us(self.at.p95_us)
        );
        let Some(beyond) = &self.beyond else {
            return format!("no knee up to {at}: add higher levels to the sweep");
        };
        let change = |before: f64, after: f64, more: &str, less: &str| {
            let change = after / before - 1.0;
            let way = if change < 0.0 { less } else { more };
            format!("{}% {way}", trim_float(change.abs() * 100.0, 0))
        };
        let rate = change(self.at.rate_per_s, beyond.rate_per_s, "more", "less");
        // As in the power.
        let [before_us, after_us] = [&self.at, beyond].map(|level| level.mean_us.max(1.0));
        let time = change(before_us, after_us, "longer", "shorter");
        format!(
            "knee at {at}: {} brought {rate} throughput and {time} response times",
            level(beyond)
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::{Outcome, Sample, Tick, fixture};
    use crate::plan::Stage;

    /// A sweep of a service that handles so many requests at once, each for 10 ms, and a little
    /// faster with more of them: ideal users without think time, 10 s for each level.
    fn sweep(levels: &[u64], at_once: u64) -> RunResult {
        let stages = levels.iter().map(|users| Stage {
            name: format!("{users} users"),
            level: *users as f64,
            ramp: Duration::ZERO,
            duration: Duration::from_secs(10),
            classes: Vec::new(),
        });
        let mut tick = Tick::default();
        for (i, users) in (0u64..).zip(levels) {
            let time_us = match *users <= at_once {
                true => 10_000,
                false => 9_600 * users / at_once,
            };
            let count = 10_000_000 * users / time_us;
            tick.samples.extend((0..count).map(|k| Sample {
                response_us: time_us,
                service_us: time_us,
                ..Sample::new(0, Outcome::Ok, i * 10_000_000 + k * 10_000_000 / count)
            }));
        }
        let mut result = fixture::of_stages(&["a"], stages.collect(), tick);
        result.run.load.shape = Some(Shape::Sweep);
        result
    }

    #[test]
    fn the_knee_is_where_the_service_is_just_busy() {
        let result = sweep(&[1, 5, 10, 15, 20, 50], 10);
        let knee = result.knee().unwrap();
        assert_eq!((knee.at.level, knee.at.rate_per_s), (10.0, 1_000.0));
        assert_eq!(
            knee.sentence(Model::Closed),
            "knee at 10 users (1000/s, p95 10.0 ms): 15 users brought 4% more throughput and \
             44% longer response times"
        );
    }

    #[test]
    fn a_sweep_that_ends_too_early_has_no_knee_and_says_so() {
        let result = sweep(&[1, 2, 5], 10);
        let knee = result.knee().unwrap();
        assert_eq!(knee.beyond, None);
        let sentence = knee.sentence(Model::Closed);
        assert!(sentence.starts_with("no knee up to 5 users"), "{sentence}");
    }

    #[test]
    fn other_loads_and_levels_without_data_have_no_knee() {
        let mut result = sweep(&[1, 5, 10, 20], 10);
        result.run.load.shape = None;
        assert_eq!(result.knee(), None);
        result.run.load.shape = Some(Shape::Sweep);
        result.endpoints[0].phases[2] = Default::default();
        assert_eq!(result.knee(), None);
        assert_eq!(sweep(&[1, 5], 10).knee(), None);
    }
}
