//! What only some loads have, in the JSON report: several levels, the recovery after a surge, the knee of a sweep.
//!
//! Not here: how they are found (`grading`, `metrics`).

use serde::Serialize;

use super::unit::{Unit, ms, percent};
use crate::grading::Recovery;
use crate::metrics::{Knee, LoadLevel, LoadLevels, RunResult, SweepLevel};
use crate::plan::Model;

/// How fast the service recovered from one surge; see [`Recovery`].
#[derive(Serialize)]
pub(super) struct RecoveryEntry<'a> {
    base: &'a str,
    stage: &'a str,
    recovery_time_s: Option<f64>,
    is_conclusive: bool,
}

/// Where a sweep bends; see [`Knee`].
#[derive(Serialize)]
pub(super) struct KneeEntry {
    at: LevelEntry,
    beyond: Option<LevelEntry>,
}

/// What the run did at one level of its load; see [`LoadLevel`].
#[derive(Serialize)]
pub(super) struct LoadLevelEntry {
    phase: String,
    level: f64,
    /// Of `level`.
    unit: Unit,
    length_s: f64,
    successes_per_s: f64,
    error_rate_percent: Option<f64>,
    mean_ms: Option<f64>,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
}

impl LoadLevelEntry {
    /// All levels of a run that were held long enough; none if it had one.
    pub(super) fn all(result: &RunResult) -> Vec<Self> {
        let unit = Unit::of_level(result.run.load.model);
        let LoadLevels { levels, .. } = result.load_levels().unwrap_or_default();
        levels
            .into_iter()
            .map(|level| Self::of(level, unit))
            .collect()
    }

    fn of(level: LoadLevel, unit: Unit) -> Self {
        let LoadLevel {
            phase,
            level,
            summary,
        } = level;
        let response = summary.response_us;
        Self {
            phase,
            level: unit.convert(level),
            unit,
            length_s: summary.window_s,
            successes_per_s: summary.rate_per_s,
            error_rate_percent: percent(summary.error_rate),
            mean_ms: ms(response.mean),
            p50_ms: ms(response.p50),
            p95_ms: ms(response.p95),
            p99_ms: ms(response.p99),
        }
    }
}

/// One level of a sweep.
#[derive(Serialize)]
struct LevelEntry {
    phase: String,
    level: f64,
    /// Of `level`.
    unit: Unit,
    successes_per_s: f64,
    mean_ms: f64,
    p95_ms: f64,
}

impl<'a> RecoveryEntry<'a> {
    pub(super) fn of(recovery: &'a Recovery) -> Self {
        Self {
            base: &recovery.base,
            stage: &recovery.stage,
            recovery_time_s: recovery.recovery_time_s,
            is_conclusive: recovery.is_conclusive,
        }
    }
}

impl KneeEntry {
    pub(super) fn of(knee: Knee, model: Model) -> Self {
        let unit = Unit::of_level(model);
        Self {
            at: LevelEntry::of(knee.at, unit),
            beyond: knee.beyond.map(|level| LevelEntry::of(level, unit)),
        }
    }
}

impl LevelEntry {
    fn of(level: SweepLevel, unit: Unit) -> Self {
        Self {
            phase: level.phase,
            level: unit.convert(level.level),
            unit,
            successes_per_s: level.rate_per_s,
            mean_ms: Unit::Ms.convert(level.mean_us),
            p95_ms: Unit::Ms.convert(level.p95_us),
        }
    }
}
