//! SLOs as ratios that can be counted second by second: requests above the limit of all requests, instead of a
//! percentile.
//!
//! Here: which SLOs a search can use, and what of a cell counts. Not here: what the counts say (`evidence`).

use super::evidence::{Ratio, Rule};
use crate::metrics::{Cell, Outcome, SparseHistogram};
use crate::plan::{Metric, Percentile, Slo, SloScope};

/// More than this share of the requests may not fail, even if no SLO says so; as in the grading of a run.
const MOST_FAILING: f64 = 0.5;

/// An SLO that the capacity is searched for.
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    /// The SLO.
    pub slo: Slo,
}

impl Criterion {
    /// Those of a plan, and why others are not used, each a sentence. With any, there is one that limits failures.
    pub fn all(slos: &[Slo]) -> (Vec<Self>, Vec<String>) {
        let (mut used, mut left_out) = (Vec::new(), Vec::new());
        for slo in slos {
            let why = match &slo.metric {
                _ if slo.advisory => "it is advisory",
                _ if slo.window_s.is_some() => "most levels are too short for its windows",
                Metric::Throughput => "throughput follows from the load",
                Metric::Observed(_) => "what is observed is known too seldom",
                _ => {
                    let limit = slo.critical.unwrap_or(slo.limit);
                    let slo = slo.clone();
                    used.push(Self {
                        slo: Slo { limit, ..slo },
                    });
                    continue;
                }
            };
            left_out.push(format!("`{}` is not searched for: {why}", slo.name));
        }
        let limits_failures =
            |one: &Self| one.slo.scope == SloScope::Total && one.slo.metric.is_of_failures();
        if !used.is_empty() && !used.iter().any(limits_failures) {
            used.push(Self::mostly_failing());
        }
        (used, left_out)
    }

    /// A service most of whose responses are failures holds nothing, however fast they are.
    fn mostly_failing() -> Self {
        Self {
            slo: Slo::new(
                "the share of failed requests",
                SloScope::Total,
                Metric::ErrorRate,
                MOST_FAILING,
            ),
        }
    }

    /// What has to be known about it.
    pub fn rule(&self) -> Rule {
        let limit_s = match self.slo.metric {
            Metric::ResponseTime(_) | Metric::MeanResponseTime | Metric::MaxResponseTime => {
                Some(self.slo.limit / 1e6)
            }
            _ => None,
        };
        let (allowed, is_share) = match &self.slo.metric {
            Metric::ResponseTime(percentile) | Metric::ComponentTime { percentile, .. } => {
                (above(*percentile), true)
            }
            Metric::Measure {
                percentile: Some(percentile),
                ..
            } => (above(*percentile), true),
            Metric::MaxResponseTime => (0.0, true),
            Metric::ErrorRate => (self.slo.limit, true),
            Metric::Availability | Metric::HitRatio { .. } => (1.0 - self.slo.limit, true),
            Metric::MeanResponseTime
            | Metric::Measure {
                percentile: None, ..
            }
            | Metric::Throughput
            | Metric::Observed(_) => (self.slo.limit, false),
        };
        Rule {
            allowed,
            limit_s,
            is_share,
            covers_in_flight: self.slo.scope == SloScope::Total
                && matches!(self.slo.metric, Metric::ResponseTime(_)),
        }
    }

    /// What of a cell counts.
    pub fn ratio(&self, cell: &Cell) -> Ratio {
        let limit = self.slo.limit;
        match &self.slo.metric {
            Metric::ResponseTime(_) | Metric::MaxResponseTime => {
                let [mut ratio, censored] =
                    [&cell.response, &cell.censored].map(|times| beyond(times, limit));
                ratio.add(censored);
                ratio
            }
            Metric::MeanResponseTime => {
                let [mut ratio, censored] = [&cell.response, &cell.censored].map(sum);
                ratio.add(censored);
                ratio
            }
            Metric::ErrorRate => share_of(cell, Outcome::is_failure),
            Metric::Availability => share_of(cell, Outcome::is_unavailable),
            Metric::ComponentTime { component, .. } => {
                let counts = cell.components.get(component);
                counts.map_or_else(Ratio::default, |counts| beyond(&counts.time, limit))
            }
            Metric::HitRatio { component } => {
                let counts = cell.components.get(component);
                counts.map_or_else(Ratio::default, |counts| Ratio {
                    part: counts.misses as f64,
                    whole: (counts.hits + counts.misses) as f64,
                })
            }
            Metric::Measure {
                measure,
                percentile,
                ..
            } => {
                let counts = cell.measures.get(measure);
                counts.map_or_else(Ratio::default, |counts| match percentile {
                    Some(_) => beyond(&counts.values, limit),
                    None => sum(&counts.values),
                })
            }
            Metric::Throughput | Metric::Observed(_) => Ratio::default(),
        }
    }
}

/// The share that may be above a percentile.
fn above(percentile: Percentile) -> f64 {
    1.0 - percentile.quantile()
}

fn beyond(values: &SparseHistogram, limit: f64) -> Ratio {
    let above = values.iter().filter(|(value, _)| *value as f64 > limit);
    Ratio {
        part: above.map(|(_, count)| count as f64).sum(),
        whole: values.count() as f64,
    }
}

fn sum(values: &SparseHistogram) -> Ratio {
    Ratio {
        part: values.sum_us as f64,
        whole: values.count() as f64,
    }
}

fn share_of(cell: &Cell, is_bad: impl Fn(Outcome) -> bool) -> Ratio {
    let finished = cell.count(|outcome| outcome == Outcome::Ok || outcome.is_failure());
    Ratio {
        part: cell.count(is_bad) as f64,
        whole: finished as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::fixture;

    fn criterion(metric: Metric, limit: f64) -> Criterion {
        Criterion {
            slo: fixture::slo("slo", metric, limit),
        }
    }

    #[test]
    fn slos_become_shares_that_may_be_bad() {
        let mut cell = Cell::default();
        cell.outcomes.insert(Outcome::Ok, 95);
        cell.outcomes.insert(Outcome::TimeoutHeaders, 2);
        cell.outcomes.insert(Outcome::Http4xx, 3);
        cell.response = SparseHistogram::of(&mut [vec![1_000; 90], vec![3_000; 5]].concat());
        cell.censored = SparseHistogram::of(&mut [30_000_000; 2]);
        let p95 = Percentile::new(95.0).unwrap();
        let cases = [
            (Metric::ResponseTime(p95), 2_000.0, (7.0, 97.0), 0.05),
            (Metric::ResponseTime(p95), 3_000.0, (2.0, 97.0), 0.05),
            (Metric::MaxResponseTime, 2_000.0, (7.0, 97.0), 0.0),
            (Metric::ErrorRate, 0.01, (5.0, 100.0), 0.01),
            (Metric::Availability, 0.99, (2.0, 100.0), 0.01),
        ];
        for (metric, limit, (part, whole), allowed) in cases {
            let criterion = criterion(metric, limit);
            assert_eq!(criterion.ratio(&cell), Ratio { part, whole });
            assert!((criterion.rule().allowed - allowed).abs() < 1e-9);
        }
        let mean = criterion(Metric::MeanResponseTime, 2_000.0);
        assert_eq!(mean.ratio(&cell).part, 105_000.0 + 60_000_000.0);
        assert!(!mean.rule().is_share);
    }

    #[test]
    fn failures_are_limited_even_if_no_slo_does() {
        let p95 = Metric::ResponseTime(Percentile::new(95.0).unwrap());
        let (used, _) = Criterion::all(&[fixture::slo("p95", p95, 1.0)]);
        let rule = used[1].rule();
        assert_eq!((used.len(), rule.allowed), (2, MOST_FAILING));
        assert_eq!(Criterion::all(&[]).0, []);
    }

    #[test]
    fn what_a_level_cannot_tell_is_left_out_with_the_reason() {
        let mut advisory = fixture::slo("p99", Metric::MaxResponseTime, 1.0);
        advisory.advisory = true;
        let mut windowed = fixture::slo("max", Metric::MaxResponseTime, 1.0);
        windowed.window_s = Some(60);
        let slos = [
            fixture::slo("throughput_rps", Metric::Throughput, 100.0),
            advisory,
            windowed,
            fixture::slo("error_rate", Metric::ErrorRate, 0.01),
        ];
        let (used, left_out) = Criterion::all(&slos);
        assert_eq!((used.len(), left_out.len()), (1, 3));
        assert!(left_out[0].contains("throughput follows"), "{left_out:?}");
        assert!(
            left_out[2].contains("too short for its windows"),
            "{left_out:?}"
        );
    }
}
