//! What was observed of the service, in the JSON report.

use serde::Serialize;

use super::unit::Unit;
use crate::metrics::{Observed, RunResult};
use crate::plan::Scale;

/// The most points of one series that is not full.
const MAX_POINTS: usize = 300;

/// Something observed: a value, or the mean or a percentile of times or sizes.
#[derive(Serialize)]
pub(super) struct ObservedEntry<'a> {
    name: &'a str,
    /// `mean`, `p50`, `p95` or `p99`.
    part: Option<&'static str>,
    /// The metric, as the scenario says it.
    source: &'a str,
    unit: Unit,
    /// In the measured phases, as the three below; of a ratio, a mean or a percentile, that of everything in them.
    overall: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    last: Option<f64>,
    /// Why it was not observed, if that happened.
    not_observed: Option<&'a str>,
    /// When it was observed, from the start of the load; ramp and warm-up are included.
    at_s: Vec<f64>,
    /// The value at each of these times.
    values: Vec<Option<f64>>,
}

impl<'a> ObservedEntry<'a> {
    /// All that a run observed, of each time if it `is_full`.
    pub(super) fn all(result: &'a RunResult, is_full: bool) -> Vec<Self> {
        let observed = result.observed();
        let infos = result.run.observed.iter().enumerate();
        infos
            .flat_map(|(position, info)| {
                let reason = result.unobserved(position).map(|(reason, ..)| reason);
                let parts = observed.iter().filter(|one| one.info.name == info.name);
                let entries: Vec<Self> = parts.map(|one| Self::of(one, reason, is_full)).collect();
                match entries.is_empty() {
                    false => entries,
                    true => vec![Self {
                        name: &info.name,
                        part: None,
                        source: &info.source,
                        unit: Unit::of_scale(Scale::of(info.unit, false)),
                        overall: None,
                        min: None,
                        max: None,
                        last: None,
                        not_observed: reason,
                        at_s: Vec::new(),
                        values: Vec::new(),
                    }],
                }
            })
            .collect()
    }

    fn of(one: &Observed<'a>, reason: Option<&'a str>, is_full: bool) -> Self {
        let unit = Unit::of_scale(Scale::of(one.info.unit, one.is_rate));
        // It is exported in seconds.
        let scale = if unit == Unit::Ms { 1e3 } else { 1.0 };
        let every = match is_full {
            true => 1,
            false => one.points.len().div_ceil(MAX_POINTS).max(1),
        };
        let points = || one.points.iter().step_by(every);
        let number = |value: f64| value * scale;
        Self {
            name: &one.info.name,
            part: one.part,
            source: &one.info.source,
            unit,
            overall: one.measured.map(|spread| number(spread.overall)),
            min: one.measured.map(|spread| number(spread.min)),
            max: one.measured.map(|spread| number(spread.max)),
            last: one.measured.map(|spread| number(spread.last)),
            not_observed: reason,
            at_s: points().map(|(at_ms, _)| *at_ms as f64 / 1e3).collect(),
            values: points().map(|(_, value)| value.map(number)).collect(),
        }
    }
}
