//! What was observed of the service, over the measured phases of a run.

use std::ops::Range;

use crate::metrics::{Observation, ObservedInfo, ObservedValue, RunResult, merge_buckets};
use crate::plan::{Extreme, ObservedNumber, ObservedPart, Scale};

/// The percentiles of a histogram or a summary.
const PERCENTILES: [(&str, f64); 3] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)];

/// Something that was observed, over a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed<'a> {
    /// What it is.
    pub info: &'a ObservedInfo,
    /// What of it: `mean`, `p50`, `p95` or `p99` of times and sizes; `None` for a single number.
    pub part: Option<&'static str>,
    /// Whether its values are per second.
    pub is_rate: bool,
    /// The values in the measured phases; `None` if there are none.
    pub measured: Option<Spread>,
    /// All values of the run: when, from the start of the load in ms, and `None` where it was not observed.
    pub points: Vec<(u64, Option<f64>)>,
}

/// The values in the measured phases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The lowest value.
    pub min: f64,
    /// The mean over the time; for ratios, means and percentiles, that of everything in it.
    pub overall: f64,
    /// The highest value.
    pub max: f64,
    /// The last value.
    pub last: f64,
}

/// A value that was observed over a time, of which most was measured.
pub(super) struct ObservedSpan<'a> {
    /// When the measured part of it begins, from the start of the load.
    pub(super) start_us: u64,
    /// How much of it was measured.
    pub(super) measured_us: u64,
    /// How long it is as a whole.
    pub(super) length_ms: u64,
    pub(super) value: &'a ObservedValue,
}

impl Observed<'_> {
    /// Its name, and what of it.
    pub fn name(&self) -> String {
        match self.part {
            None => self.info.name.clone(),
            Some(part) => format!("{} {part}", self.info.name),
        }
    }

    /// A value for people.
    pub fn format(&self, value: f64) -> String {
        let scale = Scale::of(self.info.unit, self.is_rate);
        scale.format_with(scale.of_exported(value), 0)
    }
}

impl RunResult {
    /// Everything that was observed, in order; nothing for what never was.
    pub fn observed(&self) -> Vec<Observed<'_>> {
        let infos = self.run.observed.iter().enumerate();
        infos
            .flat_map(|(position, info)| self.observed_parts(position, info))
            .collect()
    }

    /// Why something (by position) could not be observed, at the first time; and how often it was not in the measured
    /// phases, of how many times. `None` if it always was.
    pub fn unobserved(&self, position: usize) -> Option<(&str, u64, u64)> {
        const TOO_SHORT: &str = "there were not two observations of it";
        let measured = || self.observations.iter().filter(|one| self.is_measured(one));
        let has_value = |one: &&Observation| one.values.iter().any(|(of, _)| *of == position);
        let all = measured().count() as u64;
        let present = measured().filter(has_value).count() as u64;
        let mut failures = self.observations.iter().flat_map(|one| &one.failures);
        let failure = failures.find(|(of, _)| *of == position);
        match failure {
            Some((_, reason)) => Some((reason, all - present, all)),
            None if present == 0 => Some((TOO_SHORT, all, all)),
            None => None,
        }
    }

    /// Whether most of the time that an observation covers was measured.
    fn is_measured(&self, observation: &Observation) -> bool {
        let (at, length) = (observation.at_ms, observation.length_ms);
        let middle_us = at.saturating_sub(length / 2).saturating_mul(1_000);
        let mut measured = self.measured_phases();
        length > 0 && measured.any(|phase| self.phase_us(phase).contains(&middle_us))
    }

    /// The measured observations that have a value of something.
    pub(super) fn observed_spans(&self, name: &str) -> Vec<ObservedSpan<'_>> {
        let position = self.run.observed.iter().position(|info| info.name == name);
        let measured: Vec<Range<u64>> = self.measured_phases().map(|p| self.phase_us(p)).collect();
        let observations = self.observations.iter().filter(|one| self.is_measured(one));
        let spans = observations.filter_map(|one| {
            let mut values = one.values.iter();
            let (_, value) = values.find(|(of, _)| Some(*of) == position)?;
            let [start, end] = [one.at_ms.saturating_sub(one.length_ms), one.at_ms]
                .map(|ms| ms.saturating_mul(1_000));
            let parts = measured
                .iter()
                .map(|phase| phase.start.max(start)..phase.end.min(end));
            let parts: Vec<Range<u64>> = parts.filter(|part| !part.is_empty()).collect();
            Some(ObservedSpan {
                start_us: parts.first().map_or(start, |part| part.start),
                measured_us: parts.iter().map(|part| part.end - part.start).sum(),
                length_ms: one.length_ms,
                value,
            })
        });
        spans.collect()
    }

    fn observed_parts<'a>(&'a self, position: usize, info: &'a ObservedInfo) -> Vec<Observed<'a>> {
        let values: Vec<_> = self
            .observations
            .iter()
            .map(|one| {
                let mut values = one.values.iter();
                (
                    one,
                    values
                        .find(|(of, _)| *of == position)
                        .map(|(_, value)| value),
                )
            })
            .collect();
        let all = || values.iter().filter_map(|(_, value)| *value);
        let is_rate = all().any(|value| matches!(value, ObservedValue::Increase { .. }));
        let has_parts = all().any(|value| {
            matches!(
                value,
                ObservedValue::Distribution { .. } | ObservedValue::Quantiles { .. }
            )
        });
        let parts: Vec<Option<&'static str>> = match (has_parts, all().next()) {
            (_, None) => Vec::new(),
            (false, _) => vec![None],
            (true, _) => {
                let names = PERCENTILES.iter().map(|(name, _)| Some(*name));
                [Some("mean")].into_iter().chain(names).collect()
            }
        };
        let parts = parts.into_iter().map(|part| {
            let points: Vec<(u64, Option<f64>)> = values
                .iter()
                .map(|(one, value)| (one.at_ms, value.and_then(|value| number_of(value, part))))
                .collect();
            let measured = || values.iter().filter(|(one, _)| self.is_measured(one));
            let numbers: Vec<f64> = measured()
                .filter_map(|(_, value)| number_of((*value)?, part))
                .collect();
            let measured_values: Vec<_> = measured()
                .filter_map(|(one, value)| Some((one.length_ms as f64, (*value)?)))
                .collect();
            let spread = numbers.last().and_then(|last| {
                Some(Spread {
                    min: numbers.iter().copied().fold(f64::INFINITY, f64::min),
                    overall: overall(&measured_values, part)?,
                    max: numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                    last: *last,
                })
            });
            Observed {
                info,
                part,
                is_rate,
                measured: spread,
                points,
            }
        });
        // A summary need not have percentiles, nor a sum.
        let is_there = |one: &Observed<'_>| one.points.iter().any(|(_, value)| value.is_some());
        parts.filter(is_there).collect()
    }
}

impl RunResult {
    /// A number that was observed in the measured phases, as its scale says.
    ///
    /// # Errors
    /// Why there is none, as a phrase.
    pub fn observed_value(&self, wanted: &ObservedNumber) -> Result<f64, String> {
        let infos = self.run.observed.iter();
        let Some(position) = infos.map(|info| &info.name).position(|n| *n == wanted.name) else {
            return Err("it was not observed in this run".to_owned());
        };
        let parts = self.observed_parts(position, &self.run.observed[position]);
        let part = wanted.part.map(ObservedPart::name);
        let found = parts.iter().find(|one| one.part == part);
        let spread = found.and_then(|one| one.measured);
        let Some(spread) = spread else {
            let other = match (parts.first().map(|one| one.part), part) {
                (Some(Some(_)), None) => Some("it has a mean and percentiles: say which is meant"),
                (Some(None), Some(_)) => Some("it is a single number, without percentiles"),
                _ => None,
            };
            let reason = self.unobserved(position).map(|(reason, ..)| reason);
            let reason = other
                .or(reason)
                .unwrap_or("it was not observed while load was measured");
            return Err(reason.to_owned());
        };
        let value = match wanted.extreme {
            None => spread.overall,
            Some(Extreme::Min) => spread.min,
            Some(Extreme::Max) => spread.max,
        };
        Ok(wanted.scale.of_exported(value))
    }
}

/// The number that a value is, or that a part of it is.
fn number_of(value: &ObservedValue, part: Option<&str>) -> Option<f64> {
    let number = match value {
        ObservedValue::Level(level) => *level,
        ObservedValue::Increase { by, over_s } => by / over_s,
        ObservedValue::Ratio { of, to } => of / to,
        ObservedValue::Distribution { .. } | ObservedValue::Quantiles { .. } => {
            return overall(&[(1.0, value)], part);
        }
    };
    number.is_finite().then_some(number)
}

/// The number that values are together, each with its weight; `None` where they have none.
pub(super) fn overall(values: &[(f64, &ObservedValue)], part: Option<&str>) -> Option<f64> {
    let mut together = CombinedValues::default();
    for (weight, value) in values {
        together.add(*weight, value, part);
    }
    together.number(part)
}

/// What values are together. Each kind has a sum of its own; a metric that changes its kind has that of the last.
#[derive(Debug, Clone, Default)]
pub(super) struct CombinedValues {
    sum: f64,
    weights: f64,
    buckets: Vec<(f64, f64)>,
    /// Values beyond the highest bucket.
    beyond: f64,
}

impl CombinedValues {
    /// Adds a value, or this part of it, with its weight.
    pub(super) fn add(&mut self, weight: f64, value: &ObservedValue, part: Option<&str>) {
        let (of, to) = match value {
            ObservedValue::Level(level) => (level * weight, weight),
            ObservedValue::Increase { by, over_s } => (*by, *over_s),
            ObservedValue::Ratio { of, to } => (*of, *to),
            ObservedValue::Distribution {
                sum,
                buckets,
                above,
            } => {
                merge_buckets(&mut self.buckets, buckets);
                self.beyond += above;
                let counts = buckets.iter().map(|(_, count)| count);
                (*sum, counts.sum::<f64>() + above)
            }
            ObservedValue::Quantiles {
                percentiles,
                sum,
                count,
            } => match position(part) {
                // Those of a summary cannot be joined: the mean of them, over the time.
                Some(at) => match percentiles[at] {
                    Some(value) => (value * weight, weight),
                    None => return,
                },
                None => (*sum, *count),
            },
        };
        self.sum += of;
        self.weights += to;
    }

    /// Adds what other values are together.
    pub(super) fn join(&mut self, other: &Self) {
        self.sum += other.sum;
        self.weights += other.weights;
        merge_buckets(&mut self.buckets, &other.buckets);
        self.beyond += other.beyond;
    }

    /// The number, or this part of it; `None` where they have none.
    pub(super) fn number(&self, part: Option<&str>) -> Option<f64> {
        let number = match (
            position(part),
            self.buckets.is_empty() && self.beyond == 0.0,
        ) {
            (Some(at), false) => percentile_of(&self.buckets, self.beyond, PERCENTILES[at].1)?,
            _ => self.sum / self.weights,
        };
        number.is_finite().then_some(number)
    }
}

/// The position of a part among the percentiles; `None` for another one.
fn position(part: Option<&str>) -> Option<usize> {
    PERCENTILES.iter().position(|(name, _)| Some(*name) == part)
}

/// A percentile of buckets, taken as evenly filled, as Prometheus does. Values `beyond` the highest bucket are
/// at its end.
fn percentile_of(buckets: &[(f64, f64)], beyond: f64, share: f64) -> Option<f64> {
    let all = buckets.iter().map(|(_, count)| count).sum::<f64>() + beyond;
    if all <= 0.0 {
        return None;
    }
    let wanted = share * all;
    let mut below = 0.0;
    let mut start = 0.0_f64.min(buckets.first()?.0);
    for (end, count) in buckets {
        if *count > 0.0 && below + count >= wanted {
            return Some(start + (end - start) * (wanted - below) / count);
        }
        below += count;
        start = *end;
    }
    Some(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::fixture;
    use crate::plan::ObservedUnit;
    use proptest::prelude::*;

    /// A run that observes one metric with these values, every 5 s from the start of the load.
    fn run(unit: ObservedUnit, values: &[Option<ObservedValue>]) -> RunResult {
        let mut result = fixture::run(&[("a", &[])]);
        result.run.phases[0].end_us = 10_000_000;
        result.run.phases[1].start_us = 10_000_000;
        result.run.phases[1].end_us = 60_000_000;
        result.run.ending.as_mut().unwrap().stopped_at_us = 60_000_000;
        result.run.observed = vec![ObservedInfo {
            name: "pool".into(),
            source: "db_pool".into(),
            unit,
        }];
        result.observations = values
            .iter()
            .enumerate()
            .map(|(at, value)| Observation {
                at_ms: at as u64 * 5_000,
                length_ms: if at == 0 { 0 } else { 5_000 },
                values: value.iter().map(|value| (0, value.clone())).collect(),
                failures: match value {
                    None => vec![(0, "no response within 5s".into())],
                    Some(_) => Vec::new(),
                },
            })
            .collect();
        result
    }

    fn spreads(result: &RunResult) -> Vec<(String, Spread)> {
        let observed = result.observed();
        let spreads = observed.iter();
        spreads
            .map(|one| (one.name(), one.measured.unwrap()))
            .collect()
    }

    #[test]
    fn only_the_time_of_measured_phases_counts() {
        let levels = [9.0, 8.0, 7.0, 1.0, 3.0, 2.0].map(|level| Some(ObservedValue::Level(level)));
        let result = run(ObservedUnit::Number, &levels);
        let [(name, spread)] = &spreads(&result)[..] else {
            panic!()
        };
        let expected = Spread {
            min: 1.0,
            overall: 2.0,
            max: 3.0,
            last: 2.0,
        };
        assert_eq!((name.as_str(), spread), ("pool", &expected));
        assert_eq!(result.observed()[0].points.len(), 6);
        assert_eq!(result.unobserved(0), None);
        assert_eq!(result.check(), Ok(()));
    }

    #[test]
    fn a_time_without_a_value_is_a_gap_with_its_reason() {
        let level = |level| Some(ObservedValue::Level(level));
        let result = run(
            ObservedUnit::Number,
            &[level(1.0), None, None, level(4.0), None],
        );
        assert_eq!(spreads(&result)[0].1.overall, 4.0);
        assert_eq!(result.unobserved(0), Some(("no response within 5s", 1, 2)));
        assert_eq!(result.observed()[0].points[2], (10_000, None));
        let nothing = run(ObservedUnit::Number, &[None, None, None, None]);
        assert!(nothing.observed().is_empty());
        assert_eq!(nothing.unobserved(0), Some(("no response within 5s", 1, 1)));
    }

    #[test]
    fn rates_and_ratios_weigh_what_they_are_made_of() {
        let increase = |by, over_s| Some(ObservedValue::Increase { by, over_s });
        let of = [None, None, None, increase(10.0, 5.0), increase(100.0, 20.0)];
        let result = run(ObservedUnit::Bytes, &of);
        let spread = spreads(&result)[0].1;
        assert_eq!((spread.min, spread.overall, spread.max), (2.0, 4.4, 5.0));
        assert_eq!(result.observed()[0].format(2_000_000.0), "2.0 MB/s");
        let ratio = |of, to| Some(ObservedValue::Ratio { of, to });
        let of = [
            None,
            None,
            None,
            ratio(1.0, 1.0),
            ratio(0.0, 0.0),
            ratio(0.0, 9.0),
        ];
        let spread = spreads(&run(ObservedUnit::Number, &of))[0].1;
        assert_eq!((spread.min, spread.overall, spread.max), (0.0, 0.1, 1.0));
    }

    #[test]
    fn percentiles_are_those_of_everything_that_came() {
        let of = |low: f64, high: f64, above: f64| {
            Some(ObservedValue::Distribution {
                sum: low * 0.05 + high * 0.15 + above,
                buckets: vec![(0.1, low), (0.2, high)],
                above,
            })
        };
        let values = [None, None, None, of(90.0, 10.0, 0.0), of(0.0, 100.0, 0.0)];
        let result = run(ObservedUnit::Seconds, &values);
        let rows = spreads(&result);
        let names: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["pool mean", "pool p50", "pool p95", "pool p99"]);
        // 90 below 0.1, 110 evenly up to 0.2.
        assert!((rows[1].1.overall - (0.1 + 0.1 * 10.0 / 110.0)).abs() < 1e-9);
        assert!((rows[1].1.min - 0.1 * 50.0 / 90.0).abs() < 1e-9);
        assert!((rows[0].1.overall - (90.0 * 0.05 + 110.0 * 0.15) / 200.0).abs() < 1e-9);
        assert_eq!(result.observed()[1].format(0.125), "125 ms");
        let beyond = run(
            ObservedUnit::Seconds,
            &[None, None, None, of(1.0, 1.0, 98.0)],
        );
        assert_eq!(spreads(&beyond)[2].1.overall, 0.2, "at least");
    }

    #[test]
    fn a_summary_has_the_percentiles_that_it_computes() {
        let of = |p95, count| {
            Some(ObservedValue::Quantiles {
                percentiles: [None, Some(p95), None],
                sum: 0.5 * count,
                count,
            })
        };
        let result = run(
            ObservedUnit::Seconds,
            &[None, None, None, of(0.1, 3.0), of(0.3, 1.0)],
        );
        let rows = spreads(&result);
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert_eq!((rows[0].0.as_str(), rows[0].1.overall), ("pool mean", 0.5));
        assert_eq!((rows[1].0.as_str(), rows[1].1.overall), ("pool p95", 0.2));
    }

    proptest! {
        #[test]
        fn percentiles_lie_within_the_buckets_and_ascend(
            mut ends in prop::collection::vec(-1e3..1e3, 1..8),
            counts in prop::collection::vec(0.0..1e6, 8),
            beyond in 0.0..10.0,
        ) {
            ends.sort_by(f64::total_cmp);
            ends.dedup();
            let buckets: Vec<(f64, f64)> = ends.iter().copied().zip(counts).collect();
            let mut before = f64::NEG_INFINITY;
            for share in [0.0, 0.5, 0.95, 0.99, 1.0] {
                if let Some(value) = percentile_of(&buckets, beyond, share) {
                    prop_assert!(value >= before && value <= ends[ends.len() - 1].max(0.0));
                    before = value;
                }
            }
        }
    }
}
