//! Stages in the making, before the options of a run.
//!
//! Here: what is known of a stage, and how all are scaled. Not here: where they come from (`stages`,
//! `shapes`).

use std::time::Duration;

use crate::units::MAX_DURATION;

/// Most stages of a profile.
pub(crate) const MAX_STAGES: usize = 1000;

/// A stage whose first ramp may still depend on the spawn rate.
#[derive(Debug, Clone)]
pub(crate) struct StageDraft {
    /// Shown in the report; by its level when empty.
    pub name: String,
    /// Users, or arrivals per second.
    pub level: f64,
    /// How long the change takes; `None` where nothing is said.
    pub ramp: Option<Duration>,
    /// Users started or ended per second on the way to this level, where there is no ramp.
    pub spawn_rate: Option<f64>,
    /// How long the level is held.
    pub duration: Duration,
    /// The user classes in it; all when empty.
    pub classes: Vec<String>,
}

/// Scales all stages so that the highest becomes `peak`.
pub(crate) fn scale(stages: &mut [StageDraft], peak: f64) {
    let highest = stages.iter().map(|stage| stage.level).fold(0.0, f64::max);
    for stage in stages {
        stage.level *= peak / highest;
    }
}

/// Scales durations and ramps so that the stages last `total`, without the first ramp.
pub(crate) fn stretch(stages: &mut [StageDraft], total: Duration) {
    if let [only] = stages {
        only.duration = total;
        return;
    }
    let inner_ramps: Duration = stages[1..].iter().filter_map(|stage| stage.ramp).sum();
    let levels: Duration = stages.iter().map(|stage| stage.duration).sum();
    let factor = total.as_secs_f64() / (levels + inner_ramps).as_secs_f64();
    let scaled = |time: Duration| {
        let seconds = (time.as_secs_f64() * factor).min(MAX_DURATION.as_secs_f64());
        // Whole microseconds, which is what phases are made of.
        Duration::from_micros((seconds * 1e6).round() as u64)
    };
    for stage in stages {
        stage.duration = scaled(stage.duration);
        stage.ramp = stage.ramp.map(scaled);
    }
}
