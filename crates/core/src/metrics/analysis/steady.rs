//! Whether the measured load was in a steady state: trends, and Little's law.
//!
//! Here: tests on the stored numbers that say how far to trust them. Not here: what makes a run
//! INVALID (`validity`); nothing here changes a verdict.

use crate::metrics::{Histogram, RunResult};
use crate::plan::Percentile;
use crate::units::{format_percent, trim_float};

/// A shorter series cannot separate a trend from chance.
const MIN_INTERVALS: usize = 20;
/// Longer series are averaged in groups to about this many values, which leaves the trend and
/// takes away most of the dependence between neighbours.
const MAX_VALUES: usize = 120;
/// Two-sided quantile of the normal distribution: one false alarm in a hundred.
const Z: f64 = 2.576;
/// A smaller change over the phase, as a share of the median, is not reported.
const MIN_CHANGE: f64 = 0.05;
/// How far apart both sides of Little's law may be, as a share.
const LITTLE: f64 = 0.02;

impl RunResult {
    /// A sentence for each measured phase whose median still had a trend. None where the load was changed by hand,
    /// which may be why.
    pub fn trends(&self) -> Vec<String> {
        if self.run.is_adjusted() {
            return Vec::new();
        }
        let phases = self.run.phases.iter().enumerate();
        phases
            .filter(|(_, phase)| phase.measured)
            .filter_map(|(position, phase)| {
                let change = trend(&self.medians_us(position))?;
                let (way, advice) = match change < 0.0 {
                    true => ("falling", "use a longer `warmup` to leave that out"),
                    false => (
                        "rising",
                        "the service slows down under this load, or needs a longer `warmup`",
                    ),
                };
                Some(format!(
                    "p50 was still {way} in `{}` (by {} over the phase): {advice}",
                    phase.name,
                    format_percent(change.abs())
                ))
            })
            .collect()
    }

    /// The median response time of each second of a phase with responses; us.
    fn medians_us(&self, phase: usize) -> Vec<f64> {
        let intervals = self.timeline.iter().filter(|i| i.phase == phase);
        intervals
            .filter_map(|interval| {
                let mut histogram = Histogram::default();
                for cell in self.request_cells(interval) {
                    histogram.add(&cell.response);
                    histogram.add(&cell.censored);
                }
                histogram.percentile(Percentile::new(50.0)?)
            })
            .collect()
    }

    /// Little's law over the whole run, which starts and ends with nothing in flight, so that it
    /// holds exactly (J. D. C. Little, "Little's Law as Viewed on Its 50th Anniversary",
    /// Operations Research 59(3), 2011): the mean number of requests in flight, counted by the
    /// workers, is the rate times the mean time, taken from the histograms. A sentence where it
    /// does not hold, since then some of these numbers are wrong.
    pub(super) fn broken_little(&self) -> Option<String> {
        let ending = self.run.ending.as_ref()?;
        if self.health.is_empty() {
            return None;
        }
        let cells = self.requests().flat_map(|endpoint| &endpoint.phases);
        let (mut times_us, mut count) = (0.0, 0);
        for cell in cells {
            let ended = [&cell.response, &cell.censored, &cell.failed];
            times_us += ended.iter().map(|part| part.sum_us as f64).sum::<f64>();
            // The time in flight starts with the actual start.
            times_us -= cell.scheduling_delay.sum_us as f64;
            count += cell.scheduling_delay.count();
        }
        let in_flight_us: f64 = self.health.iter().map(|s| s.in_flight_s * 1e6).sum();
        // Each time was cut to whole microseconds.
        let slack_us = times_us.abs() * LITTLE + 2.0 * count as f64;
        let mean = |us: f64| trim_float(us / ending.drained_at_us.max(1) as f64, 2);
        ((in_flight_us - times_us).abs() > slack_us).then(|| {
            format!(
                "Little's law does not hold: the mean number of requests in flight was {}, but \
                 requests/s x mean time is {}; one of these numbers is wrong",
                mean(in_flight_us),
                mean(times_us)
            )
        })
    }
}

/// The change of a series from its start to its end, as a share of its median, when it has a
/// trend that is neither small nor chance; negative when it falls.
///
/// This is the Mann-Kendall test, which asks only whether later values tend to be larger, with the
/// variance of its statistic raised for the dependence between neighbours by the effective sample
/// size of an autoregressive series (S. Yue, C. Wang, "The Mann-Kendall Test Modified by Effective
/// Sample Size to Detect Trend in Serially Correlated Hydrological Series", Water Resources
/// Management 18, 2004). The change is Sen's slope, the median of the slopes of all pairs. `None` for fewer than 20
/// values.
pub fn trend(series: &[f64]) -> Option<f64> {
    if series.len() < MIN_INTERVALS {
        return None;
    }
    let group = series.len().div_ceil(MAX_VALUES);
    let values: Vec<f64> = series
        .chunks_exact(group)
        .map(|chunk| chunk.iter().sum::<f64>() / group as f64)
        .collect();
    let n = values.len() as f64;
    let mut statistic = 0.0;
    let mut slopes = Vec::new();
    for (j, later) in values.iter().enumerate() {
        for (i, earlier) in values[..j].iter().enumerate() {
            let rise = later - earlier;
            statistic += if rise == 0.0 { 0.0 } else { rise.signum() };
            slopes.push(rise / (j - i) as f64);
        }
    }
    let slope = median(&slopes);
    let middle = median(&values);
    let mut sorted = values.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let ties: f64 = sorted
        .chunk_by(|a, b| a == b)
        .map(|tied| tied.len() as f64)
        .map(|t| t * (t - 1.0) * (2.0 * t + 5.0))
        .sum();
    let variance = (n * (n - 1.0) * (2.0 * n + 5.0) - ties) / 18.0;
    let rest: Vec<f64> = values
        .iter()
        .enumerate()
        .map(|(i, value)| value - slope * i as f64)
        .collect();
    let z = (statistic.abs() - 1.0) / (variance * dependence(&rest)).sqrt();
    let change = slope * (n - 1.0) / middle;
    // A comparison with NaN, from a series without any variance, is false. The change has no size
    // if more than half of the values are 0.
    (z > Z && change.abs() >= MIN_CHANGE && change.is_finite()).then_some(change)
}

/// By how much the dependence between neighbours raises the variance of a mean: 1 for none.
fn dependence(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let products: f64 = values
        .windows(2)
        .map(|w| (w[0] - mean) * (w[1] - mean))
        .sum();
    if squares == 0.0 {
        return 1.0;
    }
    let seen = products / squares;
    // A short series without its trend looks less dependent than it is, by (1 + 4 rho) / n.
    let rho = (seen + (1.0 + 4.0 * seen) / n).clamp(0.0, 0.99);
    let terms = (1..values.len()).map(|k| (1.0 - k as f64 / n) * rho.powi(k as i32));
    1.0 + 2.0 * terms.sum::<f64>()
}

/// The median of numbers; `NaN` of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        _ if sorted.is_empty() => f64::NAN,
        1 => sorted[middle],
        _ => sorted[middle - 1].midpoint(sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Adjustment, HealthSample, Outcome, Tick, fixture};
    use crate::plan::Stage;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha12Rng;
    use std::time::Duration;

    fn normal(rng: &mut ChaCha12Rng) -> f64 {
        (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
    }

    /// The share of simulated steady series in which a trend is seen: the logarithms of the
    /// medians are autoregressive with this correlation and deviation.
    fn false_alarms(length: usize, correlation: f64, deviation: f64) -> f64 {
        const SERIES: usize = 300;
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let alarms = (0..SERIES).filter(|_| {
            let mut state = normal(&mut rng);
            let fresh = (1.0 - correlation * correlation).sqrt();
            let series: Vec<f64> = (0..length)
                .map(|_| {
                    state = correlation * state + fresh * normal(&mut rng);
                    20_000.0 * (deviation * state).exp()
                })
                .collect();
            trend(&series).is_some()
        });
        alarms.count() as f64 / SERIES as f64
    }

    #[test]
    fn the_median_of_an_even_number_of_values_is_between_the_middle_ones() {
        assert_eq!(median(&[9.0, 1.0, 2.0, 4.0]), 3.0);
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[7.0]), 7.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_steady_load_raises_no_alarm() {
        for length in [20, 60, 240] {
            for correlation in [0.0, 0.6] {
                for deviation in [0.05, 0.3] {
                    let share = false_alarms(length, correlation, deviation);
                    assert!(
                        share <= 0.05,
                        "{share} of {length} at {correlation}, {deviation}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_trend_is_found_in_noise_with_its_direction() {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        for (length, change) in [(20, 0.5), (60, 0.3), (60, -0.3), (1000, 0.1)] {
            let series: Vec<f64> = (0..length)
                .map(|i| {
                    let level = 1.0 + change * f64::from(i) / f64::from(length);
                    20_000.0 * level * (1.0 + 0.05 * normal(&mut rng))
                })
                .collect();
            let of_median = change / (1.0 + change / 2.0);
            let found = trend(&series).unwrap_or_default();
            assert!((found - of_median).abs() < 0.1, "{found} for {of_median}");
        }
        assert_eq!(trend(&[100.0; 60]), None);
        assert_eq!(trend(&[0.0; 60]), None);
        let short: Vec<f64> = (0..19).map(|i| 100.0 * f64::from(i)).collect();
        assert_eq!(trend(&short), None);
    }

    #[test]
    fn the_note_names_the_phase() {
        let stage = |ramp| Stage {
            name: "steady".into(),
            level: 10.0,
            ramp: Duration::from_secs(ramp),
            duration: Duration::from_secs(30),
            classes: Vec::new(),
        };
        let run = |slower_us: u64| {
            let samples = (0..600).map(|i| {
                let response_us = 10_000 + i * slower_us + (i * 7919) % 100;
                fixture::sample(0, Outcome::Ok, 2_000_000 + i * 50_000, response_us)
            });
            let tick = Tick {
                samples: samples.collect(),
                ..Tick::default()
            };
            fixture::of_stages(&["a"], vec![stage(2)], tick)
        };
        assert_eq!(run(0).trends(), Vec::<String>::new());
        let trends = run(10).trends();
        assert!(
            trends[0].starts_with("p50 was still rising in `steady`"),
            "{trends:?}"
        );
        let mut adjusted = run(10);
        adjusted.run.adjustments = vec![Adjustment {
            users: 1,
            ..Adjustment::NONE
        }];
        assert_eq!(adjusted.trends(), Vec::<String>::new());
    }

    #[test]
    fn littles_law_is_checked_over_the_whole_run() {
        let requests: fixture::Requests<'_> = &[
            (Outcome::Ok, 40_000, 1_000),
            (Outcome::TimeoutBody, 1_000_000, 10),
            (Outcome::Reset, 100_000, 10),
            (Outcome::Dropped, 0, 7),
        ];
        let mut result = fixture::run(&[("a", requests)]);
        let second = |in_flight_s| HealthSample {
            in_flight_s,
            ..HealthSample::default()
        };
        result.health = vec![second(20.0), second(31.0)];
        assert_eq!(result.broken_little(), None);
        result.health[1].in_flight_s = 32.2;
        let text = result.broken_little().unwrap();
        assert!(text.contains("4.35") && text.contains("is 4.25"), "{text}");
        result.run.ending = None;
        assert_eq!(result.broken_little(), None, "a killed run ends in flight");
    }
}
