//! How much equal runs vary, and the minimum detectable change that follows from it.
//!
//! For `perfctl baseline show` and `perfctl selfcheck`. Not here: how they print it (`cli`).

use super::difference::Difference;
use super::distribution::chi_squared_quantile;
use super::estimate::{Estimate, mean, mean_log};
use super::measurements::Measurements;
use super::{ALPHA, Design, Sides, Statistical, grouped, is_judged, lack, one_each};
use crate::comparison::row::{Decision, Row, metrics, scopes};
use crate::metrics::RunResult;
use crate::plan::Metric;

/// For how many candidate runs the minimum detectable change is predicted.
pub const PREDICTED_RUNS: [usize; 3] = [1, 3, 5];

/// The noise of a set of equal runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Noise {
    /// The number of their occasions.
    pub occasions: usize,
    /// By phase, endpoint and metric.
    pub spreads: Vec<Spread>,
}

/// The noise of one metric of one endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// The endpoint and the phase, as in the rows of a comparison.
    pub place: String,
    /// Which number.
    pub metric: Metric,
    /// Its geometric mean over all runs, in its unit; `None` without data.
    pub level: Option<f64>,
    /// Relative standard deviation between occasions, and its 95 % interval; `None` with fewer
    /// than two occasions or too little data.
    pub deviation: Option<(f64, (f64, f64))>,
    /// The minimum detectable change: the smallest relative change for the worse that would be
    /// found 19 times out of 20, with [`PREDICTED_RUNS`] candidate runs; `None` with too little data.
    pub detectable: Option<[f64; 3]>,
    /// What it has too little of to be judged; empty where it can be judged.
    pub lack: String,
}

impl Statistical {
    /// The noise of these runs, which must be comparable: of their response times and, in a closed
    /// model, their throughput.
    pub fn noise(&self, runs: &[RunResult]) -> Noise {
        let occasions = self.occasions(runs);
        let measured = Measurements::of(runs);
        let mut spreads = Vec::new();
        let Some(first) = runs.first() else {
            return Noise {
                occasions: 0,
                spreads,
            };
        };
        for phase in 0..measured.phases() {
            for (endpoint, scope) in scopes(first) {
                for (metric, _) in metrics(first.run.load.model) {
                    let judged = is_judged(&metric, endpoint, first);
                    if !judged || metric == Metric::ErrorRate {
                        continue;
                    }
                    let mut row = Row::new(scope.clone(), metric.clone());
                    row.phase = (measured.phases() > 1).then(|| measured.phase_name(phase));
                    let numbers = measured.numbers(phase, endpoint);
                    let estimates: Option<Vec<Estimate>> =
                        numbers.iter().map(|run| run.estimate(&metric)).collect();
                    let lack = lack(&metric, numbers.iter());
                    let estimates = estimates.map(|runs| grouped(&occasions, &runs));
                    let known = estimates.as_ref().filter(|_| lack.is_none());
                    spreads.push(Spread {
                        place: row.place(),
                        level: estimates
                            .as_ref()
                            .map(|occasions| mean(&means(occasions)).exp()),
                        deviation: known.and_then(|occasions| deviation(&means(occasions))),
                        detectable: known.map(|occasions| self.predict(occasions)),
                        lack: lack.unwrap_or_default(),
                        metric,
                    });
                }
            }
        }
        Noise {
            occasions: occasions.len(),
            spreads,
        }
    }

    /// The runs that raise an alarm when each is compared to all others, with the sentence of the
    /// alarm. All runs are equal, so each alarm is false; expect as many as the budget allows.
    pub fn false_alarms(&self, runs: &[RunResult]) -> Vec<(String, String)> {
        let gate = Self {
            design: Design::EachRun,
            ..*self
        };
        // Each run is measured once, although all others are compared to it.
        let measurements = Measurements::of(runs);
        let alarm = |(position, run): (usize, &RunResult)| {
            let others: Vec<usize> = (0..runs.len()).filter(|&other| other != position).collect();
            let sides = Sides {
                baseline: measurements.only(&others),
                candidates: measurements.only(&[position]),
                occasions: [one_each(others.len()), one_each(1)],
            };
            let mut questions = gate.decide(&sides, run).into_iter();
            let mut found = questions.find(|q| q.row.decision == Decision::Regressed)?;
            let others: Vec<&RunResult> = others.iter().map(|&other| &runs[other]).collect();
            found.explain(&others, &[run]);
            Some((run.run.id.clone(), found.row.sentence()))
        };
        runs.iter().enumerate().filter_map(alarm).collect()
    }

    fn predict(&self, baseline: &[Vec<Estimate>]) -> [f64; 3] {
        let error = baseline.iter().flatten().map(|run| run.error).next();
        let candidate = Estimate {
            log: mean(&means(baseline)),
            error: error.unwrap_or_default(),
        };
        let difference = Difference::between(baseline, &[vec![candidate]]);
        PREDICTED_RUNS.map(|runs| {
            let foreseen = difference.with_runs(runs);
            foreseen.detectable(ALPHA, self.margin.ln_1p()).exp_m1()
        })
    }
}

fn means(occasions: &[Vec<Estimate>]) -> Vec<f64> {
    occasions.iter().map(|runs| mean_log(runs)).collect()
}

/// The standard deviation of logarithms, which is a relative one, and its 95 % interval.
fn deviation(means: &[f64]) -> Option<(f64, (f64, f64))> {
    let degrees = means.len() as f64 - 1.0;
    if degrees < 1.0 {
        return None;
    }
    let center = mean(means);
    let squares: f64 = means.iter().map(|value| (value - center).powi(2)).sum();
    let bound = |probability| (squares / chi_squared_quantile(probability, degrees)).sqrt();
    Some(((squares / degrees).sqrt(), (bound(0.975), bound(0.025))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::Gate;
    use crate::metrics::{Outcome, fixture};

    #[test]
    fn the_spread_of_runs_is_computed_with_its_interval() {
        let found = deviation(&[0.0, 0.02, 0.04]).unwrap();
        assert!((found.0 - 0.02).abs() < 1e-12);
        // 2 degrees of freedom: chi squared is 0.0506 and 7.378.
        assert!((found.1.0 - (0.0008f64 / 7.377_758_9).sqrt()).abs() < 1e-6);
        assert!((found.1.1 - (0.0008f64 / 0.050_635_6).sqrt()).abs() < 1e-6);
        assert_eq!(deviation(&[0.3]), None);
    }

    #[test]
    fn the_detectable_change_shrinks_with_more_runs_and_grows_with_the_noise() {
        let quiet: Vec<_> = (0..10)
            .map(|i| fixture::minute(i, 1.0 + 0.001 * (i % 3) as f64))
            .collect();
        let noisy: Vec<_> = (0..10)
            .map(|i| fixture::minute(i, 1.0 + 0.05 * (i % 3) as f64))
            .collect();
        let gate = Statistical {
            design: Design::EachRun,
            ..Statistical::default()
        };
        let detectable = |runs: &[RunResult]| {
            let noise = gate.noise(runs);
            assert_eq!(noise.occasions, 10);
            let spread = &noise.spreads[0];
            assert_eq!(spread.metric.to_string(), "p50");
            spread.detectable.unwrap()
        };
        let (quiet_found, noisy_found) = (detectable(&quiet), detectable(&noisy));
        assert!(quiet_found[0] > quiet_found[2] && quiet_found[2] > 0.05);
        assert!(noisy_found[0] > quiet_found[0]);
        assert!(gate.false_alarms(&quiet).is_empty());
        let mut bad = quiet;
        bad[4] = fixture::minute(4, 1.5);
        let alarms = gate.false_alarms(&bad);
        assert_eq!(alarms.len(), 1);
        assert!(alarms[0].1.contains("+"), "{alarms:?}");
        // The same as with a comparison for each.
        for (position, run) in bad.iter().enumerate() {
            let mut others = bad.clone();
            others.remove(position);
            let rows = gate.judge(&others, std::slice::from_ref(run));
            let found = rows.iter().find(|row| row.decision == Decision::Regressed);
            let alarm = alarms.iter().find(|(id, _)| *id == run.run.id);
            assert_eq!(found.map(Row::sentence), alarm.map(|(_, why)| why.clone()));
        }
    }

    #[test]
    fn too_little_data_is_reported_and_nothing_is_predicted() {
        let short = fixture::run(&[("a", &[(Outcome::Ok, 5_000, 100)])]);
        let noise = Statistical::default().noise(&[short]);
        let of_p50 = |spread: &&Spread| spread.metric.to_string() == "p50";
        let spread = noise.spreads.iter().find(of_p50).unwrap();
        assert_eq!((spread.deviation, spread.detectable), (None, None));
        assert!(spread.lack.contains("60 are needed"), "{}", spread.lack);
        assert!((spread.level.unwrap() - 5_000.0).abs() < 5.0);
    }
}
