//! The value of an SLO: over the measured time, or in its worst window.
//!
//! Not here: what follows from it (`criterion`).

use crate::metrics::{LiveWindows, RunResult, Summary, Window, WorstWindow};
use crate::plan::{Metric, Slo};

/// What was measured for an SLO.
#[derive(Debug, Default)]
pub(super) struct Measurement {
    /// In the unit of the metric; `None` without data.
    pub(super) value: Option<f64>,
    /// Why there is no data, where that is known.
    pub(super) missing: Option<String>,
    /// Where the value is that of a window.
    pub(super) window: Option<WorstWindow>,
}

impl Measurement {
    /// Of the SLO at this position; `total` are the numbers of all requests. The windows of requests are those of a run
    /// that goes on, or else of the seconds of the result.
    pub(super) fn of(
        (result, windows): (&RunResult, Option<&LiveWindows>),
        total: &Summary,
        (position, slo): (usize, &Slo),
    ) -> Self {
        match (&slo.metric, slo.window_s) {
            (Metric::Observed(number), None) => match result.observed_value(number) {
                Ok(value) => Self::whole(Some(value)),
                Err(reason) => Self::missing(reason),
            },
            (Metric::Observed(number), Some(window_s)) => {
                match result.worst_observed_window(number, window_s) {
                    Ok(worst) => Self::windowed(Some(worst)),
                    Err(reason) => Self::missing(reason),
                }
            }
            (metric, Some(window_s)) => Self::windowed(match windows {
                Some(windows) => windows.worst(position),
                None => result.worst_window(metric, &slo.scope, window_s),
            }),
            (metric, None) => Self::whole(match result.row(&slo.scope) {
                Some(None) => total.value(metric),
                Some(row) => result.summary(row, Window::Measured).value(metric),
                None => None,
            }),
        }
    }

    /// Of the measured time as a whole.
    pub(super) fn whole(value: Option<f64>) -> Self {
        Self {
            value,
            ..Self::default()
        }
    }

    /// Of the worst window.
    pub(super) fn windowed(window: Option<WorstWindow>) -> Self {
        Self {
            value: window.map(|worst| worst.value),
            window,
            ..Self::default()
        }
    }

    fn missing(reason: String) -> Self {
        Self {
            missing: Some(reason),
            ..Self::default()
        }
    }
}
