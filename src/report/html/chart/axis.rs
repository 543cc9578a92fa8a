//! The axes of charts: where a value stands, and which values are labeled.

use crate::units::{format_duration, trim_float};
use std::time::Duration;

/// The most labels of an axis.
const LABELS: usize = 6;

/// A vertical axis, from the bottom to the top of a chart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    /// The distance of labels; 0 on a logarithmic axis.
    step: f64,
}

impl Axis {
    /// From 0 to at least `highest`, which may be 0.
    pub(crate) fn linear(highest: f64) -> Self {
        let step = step_of(highest);
        let high = (highest / step).ceil().max(1.0) * step;
        Self {
            low: 0.0,
            high,
            step,
        }
    }

    /// A logarithmic one that holds all positive values; `None` if there is none.
    pub(crate) fn log(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let positive = |value: &f64| *value > 0.0 && value.is_finite();
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.into_iter().filter(positive) {
            low = low.min(value);
            high = high.max(value);
        }
        (high > 0.0).then(|| {
            let below = round_down(low * 0.999);
            let mut above = round_down(high) * 1.001;
            while above < high {
                above = round_up(above);
            }
            Self {
                low: below,
                high: above.max(below * 2.0),
                step: 0.0,
            }
        })
    }

    /// Where a value stands in a chart of this height, from its top. What is outside stands at the edge.
    pub(crate) fn y(&self, value: f64, height: f64) -> f64 {
        height * (1.0 - self.share(value))
    }

    /// 0 at the low end, 1 at the high end.
    pub(crate) fn share(&self, value: f64) -> f64 {
        let share = match self.step == 0.0 {
            true => (value.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        share.clamp(0.0, 1.0)
    }

    /// The values to label, ascending.
    pub(crate) fn labels(&self) -> Vec<f64> {
        if self.step > 0.0 {
            let steps = (self.high / self.step).round() as usize;
            return (1..=steps).map(|i| i as f64 * self.step).collect();
        }
        let mut values = Vec::new();
        let mut value = round_down(self.low);
        while value <= self.high * 1.0001 && values.len() < 1000 {
            if value >= self.low * 0.9999 {
                values.push(value);
            }
            value = round_up(value * 1.0001);
        }
        // Fewer of them: only whole powers of ten, and then every second one, and so on.
        if values.len() > LABELS {
            let powers: Vec<f64> = values.iter().copied().filter(|v| is_power(*v)).collect();
            if powers.len() >= 3 {
                values = powers;
            }
        }
        let every = values.len().div_ceil(LABELS).max(1);
        values.into_iter().step_by(every).collect()
    }
}

fn is_power(value: f64) -> bool {
    let exponent = value.log10();
    (exponent - exponent.round()).abs() < 1e-6
}

/// The largest of 1, 2, 5, 10, 20 ... that is not above `value`.
fn round_down(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let steps = [5.0, 2.0, 1.0];
    let step = steps
        .into_iter()
        .find(|step| step * power <= value * 1.000_000_1);
    step.unwrap_or(0.5) * power
}

/// The smallest of 1, 2, 5, 10, 20 ... that is above `value`.
pub(crate) fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0];
    let step = steps
        .into_iter()
        .find(|step| step * power > value * 1.000_000_1);
    step.unwrap_or(10.0) * power
}

/// The distance of labels on an axis from 0 to `highest`.
fn step_of(highest: f64) -> f64 {
    match highest > 0.0 && highest.is_finite() {
        true => round_up(highest / 5.0 * 0.999),
        false => 1.0,
    }
}

/// Seconds from the start that are labeled on an axis of this length, with their labels.
pub(crate) fn time_labels(total_s: f64) -> Vec<(f64, String)> {
    const STEPS_S: [u64; 16] = [
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200,
    ];
    let wanted = total_s / LABELS as f64;
    let step_s = STEPS_S.into_iter().find(|step| *step as f64 >= wanted);
    let step_s = step_s.unwrap_or((wanted / 86_400.0).ceil().max(1.0) as u64 * 86_400);
    let steps = (total_s / step_s as f64 + 1e-9) as u64;
    (0..=steps)
        .map(|i| {
            let label = match i {
                0 => "0".to_owned(),
                i => format_duration(Duration::from_secs(i * step_s)),
            };
            ((i * step_s) as f64, label)
        })
        .collect()
}

/// `50`, `99.9`.
pub(crate) fn percent_label(percent: f64) -> String {
    trim_float(percent, 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_are_round() {
        assert_eq!(Axis::linear(48.0).labels(), [10.0, 20.0, 30.0, 40.0, 50.0]);
        assert_eq!(Axis::linear(0.0).labels(), [1.0]);
        let log = Axis::log([800.0, 90_000.0]).unwrap();
        let labels: Vec<f64> = log.labels().iter().map(|v| v.round()).collect();
        assert_eq!(labels, [1_000.0, 10_000.0, 100_000.0]);
        let narrow = Axis::log([20_000.0, 90_000.0]).unwrap();
        let labels: Vec<f64> = narrow.labels().iter().map(|v| v.round()).collect();
        assert_eq!(labels, [10_000.0, 20_000.0, 50_000.0, 100_000.0]);
        assert!(Axis::log([0.0, f64::NAN]).is_none());
        let labels: Vec<String> = time_labels(14_400.0).into_iter().map(|l| l.1).collect();
        assert_eq!(labels, ["0", "1h", "2h", "3h", "4h"]);
        assert_eq!(time_labels(0.0).len(), 1);
    }

    proptest! {
        #[test]
        fn any_values_are_on_their_axis(values in prop::collection::vec(1e-3f64..1e12, 1..20)) {
            let log = Axis::log(values.iter().copied()).unwrap();
            let highest = values.iter().copied().fold(0.0, f64::max);
            let linear = Axis::linear(highest);
            for value in &values {
                prop_assert!(log.low <= *value && *value <= log.high, "{value}: {log:?}");
                prop_assert!((0.0..=1.0).contains(&log.share(*value)));
                prop_assert!(*value <= linear.high * 1.000_001);
            }
            for axis in [log, linear] {
                let labels = axis.labels();
                prop_assert!((1..=2 * LABELS).contains(&labels.len()), "{labels:?} of {axis:?}");
                prop_assert!(labels.is_sorted_by(|a, b| a < b), "{labels:?}");
            }
        }
    }
}
