//! What only some loads have, in the JSON report: the recovery after a surge, the knee of a sweep.
//!
//! Not here: how they are found (`grading`, `metrics`).

use serde::Serialize;

use super::unit::Unit;
use crate::grading::Recovery;
use crate::metrics::{Knee, SweepLevel};
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
