//! The simple rule: worse by more than a share of the baseline, and by more than a minimum.

use super::gate::{Caller, Gate};
use super::row::{Decision, Row, metrics, scopes};
use crate::metrics::{Cell, RunResult, Summary, Window};
use crate::plan::{Direction, Metric, SloScope};

/// Smaller differences of a response time are noise, whatever their share; us.
const RESPONSE_TIME_FLOOR_US: f64 = 1_000.0;
/// An error rate is compared by its difference; this much more is a regression.
const ERROR_RATE_FLOOR: f64 = 0.001;
/// Up to this many failures more than expected can be chance, whatever their share.
const CHANCE_FAILURES: f64 = 3.0;
/// With fewer requests on either side, throughput says little.
const REQUESTS_FOR_RATE: u64 = 400;
/// How many samples must be above a percentile (or make up a mean), on both sides.
const SAMPLES_BEYOND: f64 = 10.0;

/// The rule's parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// The relative change that is allowed, such as 0.1.
    pub max_regression: f64,
    /// The command that compares.
    pub caller: Caller,
}

impl Default for Threshold {
    fn default() -> Self {
        Self {
            max_regression: 0.1,
            caller: Caller::Run,
        }
    }
}

impl Gate for Threshold {
    fn tolerated_change(&self) -> f64 {
        self.max_regression
    }

    fn name(&self) -> &'static str {
        "simple"
    }

    fn caller(&self) -> Caller {
        self.caller
    }

    fn least_measured_s(&self) -> usize {
        0
    }

    fn next_look(&self, _: usize) -> Option<usize> {
        None
    }

    fn weaknesses(&self, baseline: &[RunResult]) -> Vec<String> {
        match baseline {
            [only] => vec![format!(
                "a single baseline run (`{}`) cannot show how much equal runs vary",
                only.run.id
            )],
            _ => Vec::new(),
        }
    }

    fn judge(&self, baseline: &[RunResult], candidates: &[RunResult]) -> Vec<Row> {
        let Some(first) = candidates.first() else {
            return Vec::new();
        };
        let metrics = metrics(first.run.load.model);
        let mut rows = Vec::new();
        for (endpoint, scope) in scopes(first) {
            let before = merged(baseline, endpoint);
            let now = merged(candidates, endpoint);
            for (metric, required) in &metrics {
                // How often one endpoint was called depends on the draw, not on the service.
                if endpoint.is_some() && *metric == Metric::Throughput {
                    continue;
                }
                let mut row = self.row(scope.clone(), metric, &before, &now);
                // An endpoint that is rarely called must not leave every job inconclusive.
                row.required = *required && endpoint.is_none();
                rows.push(row);
            }
        }
        rows
    }
}

/// All runs as one: cells are added and percentiles read from the sum, never averaged.
fn merged(runs: &[RunResult], endpoint: Option<usize>) -> Summary {
    let mut cell = Cell::default();
    let mut window_s = 0.0;
    for result in runs {
        cell.merge(&result.cell(endpoint, Window::Measured));
        window_s += result.window_s(Window::Measured);
    }
    Summary::of(&cell, window_s)
}

impl Threshold {
    fn row(&self, scope: SloScope, metric: &Metric, before: &Summary, now: &Summary) -> Row {
        let values = (before.value(metric), now.value(metric));
        let mut row = Row {
            baseline: values.0,
            value: values.1,
            ..Row::new(scope, metric.clone())
        };
        let (Some(baseline), Some(value)) = values else {
            row.reason = "no data".into();
            return row;
        };
        row.change = match metric {
            Metric::ErrorRate => Some(value - baseline),
            _ => (baseline > 0.0).then(|| value / baseline - 1.0),
        };
        row.reference = Some(match metric {
            Metric::ErrorRate => baseline + ERROR_RATE_FLOOR,
            _ => baseline,
        });
        let samples = before.response_us.count.min(now.response_us.count);
        let beyond = match metric {
            Metric::ResponseTime(percentile) => samples as f64 * (1.0 - percentile.quantile()),
            Metric::MeanResponseTime => samples as f64,
            _ => SAMPLES_BEYOND,
        };
        if *metric == Metric::Throughput && before.requests.min(now.requests) < REQUESTS_FOR_RATE {
            row.reason = format!("too few requests ({})", before.requests.min(now.requests));
            return row;
        }
        // A little slack, since 200 * (1 - 0.95) is not quite 10 in binary.
        if beyond + 1e-9 < SAMPLES_BEYOND {
            row.reason = format!("too few samples ({samples})");
            return row;
        }
        let worse = match metric.direction() {
            Direction::AtMost => value - baseline,
            Direction::AtLeast => baseline - value,
        };
        // A few failures more than the baseline's error rate predicts are chance.
        let expected = baseline * now.requests as f64;
        let chance = *metric == Metric::ErrorRate
            && (now.failures as f64 - expected).abs() < CHANCE_FAILURES;
        row.decision = if chance {
            Decision::Unchanged
        } else if self.is_notable(metric, baseline, worse) {
            Decision::Regressed
        } else if self.is_notable(metric, baseline, -worse) {
            Decision::Improved
        } else {
            Decision::Unchanged
        };
        row.reason = match (row.decision, metric) {
            (Decision::Unchanged, _) => String::new(),
            (_, Metric::ErrorRate) => "by more than 0.1 percentage points".into(),
            _ => format!(
                "by more than {}",
                crate::units::format_percent(self.max_regression)
            ),
        };
        row
    }

    /// Whether a change of `by` (positive) from `baseline` exceeds the noise and what is allowed.
    fn is_notable(&self, metric: &Metric, baseline: f64, by: f64) -> bool {
        let allowed = match metric {
            Metric::ErrorRate => ERROR_RATE_FLOOR,
            Metric::Throughput => self.max_regression * baseline,
            _ => (self.max_regression * baseline).max(RESPONSE_TIME_FLOOR_US),
        };
        // A change of exactly what is allowed is allowed, rounding errors or not.
        by > allowed * (1.0 + 1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Outcome, fixture};
    use crate::plan::Model;

    fn run(response_us: u64, count: u64, errors: u64) -> RunResult {
        let requests = [
            (Outcome::Ok, response_us, count),
            (Outcome::Http5xx, 10, errors),
        ];
        fixture::run(&[("a", &requests)])
    }

    #[test]
    fn a_few_failures_and_the_draw_of_endpoints_are_chance() {
        let error_rate = |before, now| of(&rows(&before, &now), "error_rate");
        assert_eq!(
            error_rate(run(50_000, 300, 0), run(50_000, 298, 2)),
            Decision::Unchanged
        );
        assert_eq!(
            error_rate(run(50_000, 300, 0), run(50_000, 297, 3)),
            Decision::Regressed
        );
        let rate = |before, now| of(&rows(&before, &now), "throughput_rps");
        assert_eq!(
            rate(run(50_000, 399, 0), run(50_000, 200, 0)),
            Decision::Inconclusive
        );
        assert_eq!(
            rate(run(50_000, 400, 0), run(50_000, 800, 0)),
            Decision::Improved
        );
        let (before, now) = (run(50_000, 900, 0), run(50_000, 500, 0));
        let all =
            Threshold::default().judge(std::slice::from_ref(&before), std::slice::from_ref(&now));
        let rates = all.iter().filter(|row| row.metric == Metric::Throughput);
        assert!(rates.map(|row| &row.scope).eq([&SloScope::Total]));
    }

    fn rows(before: &RunResult, now: &RunResult) -> Vec<(String, Decision)> {
        let rows =
            Threshold::default().judge(std::slice::from_ref(before), std::slice::from_ref(now));
        rows.into_iter()
            .filter(|row| row.scope == SloScope::Total)
            .map(|row| (row.metric.to_string(), row.decision))
            .collect()
    }

    fn of(rows: &[(String, Decision)], metric: &str) -> Decision {
        rows.iter().find(|row| row.0 == metric).unwrap().1
    }

    #[test]
    fn a_change_must_be_above_the_share_and_above_the_floor() {
        let base = run(50_000, 2_000, 0);
        assert_eq!(
            of(&rows(&base, &run(60_000, 2_000, 0)), "p95"),
            Decision::Regressed
        );
        assert_eq!(
            of(&rows(&base, &run(54_000, 2_000, 0)), "p95"),
            Decision::Unchanged
        );
        assert_eq!(
            of(&rows(&base, &run(40_000, 2_000, 0)), "p95"),
            Decision::Improved
        );
        // Twice as slow, but only by 0.5 ms.
        let fast = run(500, 2_000, 0);
        assert_eq!(
            of(&rows(&fast, &run(1_000, 2_000, 0)), "p95"),
            Decision::Unchanged
        );
    }

    #[test]
    fn error_rates_are_compared_by_their_difference() {
        let base = run(50_000, 100_000, 0);
        assert_eq!(
            of(&rows(&base, &run(50_000, 100_000, 90)), "error_rate"),
            Decision::Unchanged
        );
        assert_eq!(
            of(&rows(&base, &run(50_000, 100_000, 110)), "error_rate"),
            Decision::Regressed
        );
    }

    #[test]
    fn less_throughput_is_worse_in_a_closed_model_and_not_compared_in_an_open_one() {
        let base = run(50_000, 2_000, 0);
        let slow = run(50_000, 1_500, 0);
        assert_eq!(
            of(&rows(&base, &slow), "throughput_rps"),
            Decision::Regressed
        );
        assert_eq!(
            of(&rows(&slow, &base), "throughput_rps"),
            Decision::Improved
        );
        let mut open = slow;
        open.run.load.model = Model::Open { max_users: 10 };
        assert!(
            rows(&base, &open)
                .iter()
                .all(|row| row.0 != "throughput_rps")
        );
    }

    #[test]
    fn a_percentile_needs_ten_samples_beyond_it() {
        let count = |n| rows(&run(50_000, n, 0), &run(50_000, n, 0));
        assert_eq!(of(&count(200), "p95"), Decision::Unchanged);
        assert_eq!(of(&count(199), "p95"), Decision::Inconclusive);
        assert_eq!(of(&count(199), "p50"), Decision::Unchanged);
        assert_eq!(of(&count(200), "p99"), Decision::Inconclusive);
    }

    #[test]
    fn several_baseline_runs_are_merged_and_not_averaged() {
        let runs = [run(10_000, 900, 0), run(100_000, 100, 0)];
        let merged = merged(&runs, None);
        assert_eq!(merged.requests, 1_000);
        assert_eq!(merged.window_s, 20.0);
        assert!((merged.response_us.p50.unwrap() - 10_000.0).abs() < 20.0);
        assert!((merged.response_us.p95.unwrap() - 100_000.0).abs() < 100.0);
    }
}
