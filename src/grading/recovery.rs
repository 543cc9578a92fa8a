//! How fast a service recovers after a surge of the load.

use crate::metrics::{Cell, RunResult, Summary, Window};
use crate::units::as_us;

/// Response times and errors are evaluated over stretches of this length; s.
const STRETCH_S: f64 = 5.0;
/// How long they must stay at their earlier level; s.
const STEADY_S: f64 = 5.0;
/// The p95 counts as back below this multiple of the earlier one ...
const P95_FACTOR: f64 = 1.2;
/// ... plus this, so that the noise of very fast services does not count; us.
const P95_SLACK_US: f64 = 5_000.0;
/// The error rate counts as back within this much of the earlier one.
const ERROR_SLACK: f64 = 0.01;

/// How fast the service recovered from one surge.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovery {
    /// Name of the stage before the surge, whose level is the reference.
    pub base: String,
    /// Name of the stage that follows the surge.
    pub stage: String,
    /// When the surge ended, from the start of the load; s.
    pub surge_end_s: f64,
    /// From the end of the surge until p95 and error rate were back at their earlier level and
    /// stayed there for 5 s; s. `None` when the service did not recover while it was watched.
    pub recovery_time_s: Option<f64>,
    /// Whether it was watched long enough to decide: for at least 10 s.
    pub is_conclusive: bool,
}

/// One second of all endpoints after a surge.
struct SurgeSecond {
    /// From the end of the surge; s.
    at_s: f64,
    cell: Cell,
}

/// The recoveries of the load's shape. Without samples at the earlier level there is no reference,
/// and the recovery is left out. A load that was changed by hand has none.
pub(super) fn all(result: &RunResult) -> Vec<Recovery> {
    if result.run.is_adjusted() {
        return Vec::new();
    }
    let load = &result.run.load;
    let recoveries = load.recoveries().into_iter();
    recoveries
        .filter_map(|(base, stage)| {
            let base_phase = phase_at(result, level_start_us(result, base))?;
            let summary = result.summary(None, Window::Phases(&[base_phase]));
            let base_p95_us = summary.response_us.p95?;
            let limits = (
                base_p95_us * P95_FACTOR + P95_SLACK_US,
                summary.error_rate.unwrap_or(0.0) + ERROR_SLACK,
            );
            let surge_end_us = level_start_us(result, stage) - as_us(load.stages[stage].ramp);
            let end_us = level_start_us(result, stage) + as_us(load.stages[stage].duration);
            let seconds = seconds(result, surge_end_us, end_us);
            let watched_s = end_us.saturating_sub(surge_end_us) as f64 / 1e6;
            Some(Recovery {
                base: load.stages[base].name.clone(),
                stage: load.stages[stage].name.clone(),
                surge_end_s: surge_end_us as f64 / 1e6,
                recovery_time_s: time_to_recover(&seconds, watched_s, limits),
                is_conclusive: watched_s >= STRETCH_S + STEADY_S,
            })
        })
        .collect()
}

/// When the constant level of a stage starts, from the start of the load.
fn level_start_us(result: &RunResult, stage: usize) -> u64 {
    let load = &result.run.load;
    let before: u64 = load.stages[..stage]
        .iter()
        .map(|stage| as_us(stage.ramp) + as_us(stage.duration))
        .sum();
    before + as_us(load.stages[stage].ramp) + as_us(load.warmup)
}

fn phase_at(result: &RunResult, start_us: u64) -> Option<usize> {
    let mut phases = result.run.phases.iter();
    phases.position(|phase| phase.measured && phase.start_us == start_us)
}

fn seconds(result: &RunResult, from_us: u64, to_us: u64) -> Vec<SurgeSecond> {
    let intervals = result.timeline.iter().filter_map(|interval| {
        let phase = result.run.phases.get(interval.phase)?;
        let at_us = phase
            .start_us
            .saturating_add(interval.second.saturating_mul(1_000_000));
        if !(from_us..to_us).contains(&at_us) {
            return None;
        }
        let mut cell = Cell::default();
        result
            .request_cells(interval)
            .for_each(|part| cell.merge(part));
        Some(SurgeSecond {
            at_s: (at_us - from_us) as f64 / 1e6,
            cell,
        })
    });
    intervals.collect()
}

/// The first second from which on every stretch that starts within the next 5 s is good.
fn time_to_recover(seconds: &[SurgeSecond], watched_s: f64, limits: (f64, f64)) -> Option<f64> {
    let starts = seconds.iter().map(|second| second.at_s);
    let mut good_since: Option<f64> = None;
    for start in starts.filter(|start| start + STRETCH_S <= watched_s) {
        if !is_good(seconds, start, limits) {
            good_since = None;
            continue;
        }
        let since = *good_since.get_or_insert(start);
        if start - since >= STEADY_S {
            return Some(since);
        }
    }
    None
}

fn is_good(seconds: &[SurgeSecond], start: f64, (p95_us, error_rate): (f64, f64)) -> bool {
    let mut cell = Cell::default();
    seconds
        .iter()
        .filter(|second| second.at_s >= start && second.at_s < start + STRETCH_S)
        .for_each(|second| cell.merge(&second.cell));
    let summary = Summary::of(&cell, STRETCH_S);
    summary.response_us.p95.is_some_and(|p95| p95 <= p95_us)
        && summary.error_rate.unwrap_or(0.0) <= error_rate
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Outcome, Tick, fixture};
    use crate::plan::Stage;
    use std::time::Duration;

    /// 20 s base, 10 s surge, 30 s after it; `respond` gives outcome and response time by second.
    fn recovery(respond: impl Fn(u64) -> (Outcome, u64)) -> Vec<Recovery> {
        let stage = |name: &str, level, seconds| Stage {
            name: name.into(),
            level,
            ramp: Duration::ZERO,
            duration: Duration::from_secs(seconds),
            classes: Vec::new(),
        };
        let stages = vec![
            stage("base", 10.0, 20),
            stage("surge", 50.0, 10),
            stage("after", 10.0, 30),
        ];
        let samples = (0..6_000).map(|i| {
            let intended_us = i * 10_000;
            let (outcome, response_us) = respond(intended_us / 1_000_000);
            fixture::sample(0, outcome, intended_us, response_us)
        });
        let tick = Tick {
            samples: samples.collect(),
            ..Tick::default()
        };
        all(&fixture::of_stages(&["a"], stages, tick))
    }

    #[test]
    fn the_time_counts_from_the_end_of_the_surge() {
        let found = recovery(|second| match second {
            20..37 => (Outcome::Ok, 900_000),
            _ => (Outcome::Ok, 10_000),
        });
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].base.as_str(), found[0].stage.as_str()),
            ("base", "after")
        );
        assert_eq!(found[0].recovery_time_s, Some(7.0));
    }

    #[test]
    fn an_unaffected_service_recovers_at_once() {
        let found = recovery(|_| (Outcome::Ok, 10_000));
        assert_eq!(found[0].recovery_time_s, Some(0.0));
    }

    #[test]
    fn errors_count_as_much_as_response_times() {
        let found = recovery(|second| match second {
            20..34 => (Outcome::Http5xx, 10_000),
            _ => (Outcome::Ok, 10_000),
        });
        assert_eq!(found[0].recovery_time_s, Some(4.0));
    }

    #[test]
    fn a_relapse_restarts_the_count_and_a_late_return_is_none() {
        let relapse = recovery(|second| match second {
            20..32 | 39..41 => (Outcome::Ok, 900_000),
            _ => (Outcome::Ok, 10_000),
        });
        assert_eq!(relapse[0].recovery_time_s, Some(11.0));
        let late = recovery(|second| match second {
            20..54 => (Outcome::Ok, 900_000),
            _ => (Outcome::Ok, 10_000),
        });
        assert_eq!(late[0].recovery_time_s, None);
    }
}
