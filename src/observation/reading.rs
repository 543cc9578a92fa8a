//! What a metric shows at one time, and what changes from one time to the next.
//!
//! Counters only rise, so that a lower value means that the process has started anew, from 0.

use std::collections::BTreeMap;

use crate::metrics::{ObservedValue, merge_buckets};

/// What a metric shows, by series where the difference to an earlier reading matters.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reading {
    /// The sum of all series.
    Gauge(f64),
    Counter(BTreeMap<String, f64>),
    Histogram(BTreeMap<String, Buckets>),
    Summary {
        /// p50, p95 and p99; the highest of all series.
        percentiles: [Option<f64>; 3],
        /// Sum and count.
        totals: BTreeMap<String, (f64, f64)>,
    },
}

/// A histogram as it is exported: each bucket includes those below.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Buckets {
    /// Upper ends, ascending and finite, and counts.
    pub(super) counts: Vec<(f64, f64)>,
    pub(super) sum: f64,
    /// Of all values.
    pub(super) count: f64,
}

/// What a metric shows now, and what has come to it since an earlier reading.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    Level(f64),
    Increase(f64),
    Distribution {
        sum: f64,
        /// Upper ends, ascending, and counts of each bucket alone.
        buckets: Vec<(f64, f64)>,
        above: f64,
    },
    Quantiles {
        percentiles: [Option<f64>; 3],
        sum: f64,
        count: f64,
    },
}

impl Reading {
    /// The change since a reading before; `None` where it takes one and there is none.
    pub(super) fn since(&self, before: Option<&Self>) -> Option<Change> {
        match (self, before) {
            (Self::Gauge(level), _) => Some(Change::Level(*level)),
            (Self::Counter(now), Some(Self::Counter(before))) => {
                let increases = now.iter().map(|(series, now)| {
                    let before = before.get(series).copied().unwrap_or(0.0);
                    increase(*now, before)
                });
                Some(Change::Increase(increases.sum()))
            }
            (Self::Histogram(now), Some(Self::Histogram(before))) => {
                let changes = now
                    .iter()
                    .map(|(series, now)| now.since(before.get(series)));
                changes.reduce(|a, b| a.and(b).unwrap_or(Change::Level(0.0)))
            }
            (
                Self::Summary {
                    percentiles,
                    totals,
                },
                Some(Self::Summary { totals: before, .. }),
            ) => {
                let (mut sum, mut count) = (0.0, 0.0);
                for (series, now) in totals {
                    let (before_sum, before_count) = match before.get(series) {
                        Some(before) if before.1 <= now.1 => *before,
                        _ => (0.0, 0.0),
                    };
                    sum += now.0 - before_sum;
                    count += now.1 - before_count;
                }
                Some(Change::Quantiles {
                    percentiles: *percentiles,
                    sum,
                    count,
                })
            }
            _ => None,
        }
    }
}

fn increase(now: f64, before: f64) -> f64 {
    match now < before {
        true => now,
        false => now - before,
    }
}

impl Buckets {
    fn since(&self, before: Option<&Self>) -> Change {
        let none = Self::default();
        let is_older = |before: &&Self| {
            let pairs = || self.counts.iter().zip(&before.counts);
            before.count <= self.count
                && before.counts.len() == self.counts.len()
                && pairs().all(|(now, before)| now.0 == before.0 && before.1 <= now.1)
        };
        let before = before.filter(is_older).unwrap_or(&none);
        let mut below = 0.0;
        let mut buckets = Vec::with_capacity(self.counts.len());
        for (position, (end, count)) in self.counts.iter().enumerate() {
            let count = count - before.counts.get(position).map_or(0.0, |(_, count)| *count);
            buckets.push((*end, (count - below).max(0.0)));
            below = below.max(count);
        }
        Change::Distribution {
            sum: self.sum - before.sum,
            buckets,
            above: (self.count - before.count - below).max(0.0),
        }
    }
}

impl Change {
    /// Both together; `None` if they are of different kinds.
    pub(super) fn and(self, other: Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Level(a), Self::Level(b)) => Self::Level(a + b),
            (Self::Increase(a), Self::Increase(b)) => Self::Increase(a + b),
            (
                Self::Distribution {
                    sum,
                    mut buckets,
                    above,
                },
                Self::Distribution {
                    sum: more,
                    buckets: others,
                    above: others_above,
                },
            ) => {
                merge_buckets(&mut buckets, &others);
                Self::Distribution {
                    sum: sum + more,
                    buckets,
                    above: above + others_above,
                }
            }
            (
                Self::Quantiles {
                    percentiles: a,
                    sum,
                    count,
                },
                Self::Quantiles {
                    percentiles: b,
                    sum: more_sum,
                    count: more,
                },
            ) => Self::Quantiles {
                percentiles: std::array::from_fn(|at| {
                    a[at].into_iter().chain(b[at]).reduce(f64::max)
                }),
                sum: sum + more_sum,
                count: count + more,
            },
            _ => return None,
        })
    }

    /// The value of a metric, whose change took `over_s`.
    pub(super) fn value(self, over_s: f64) -> ObservedValue {
        match self {
            Self::Level(level) => ObservedValue::Level(level),
            Self::Increase(by) => ObservedValue::Increase { by, over_s },
            Self::Distribution {
                sum,
                buckets,
                above,
            } => {
                let is_kept = |at: usize| {
                    // The one above begins where it ends.
                    let next = buckets.get(at + 1).map_or(above, |(_, count)| *count);
                    buckets[at].1 > 0.0 || next > 0.0
                };
                ObservedValue::Distribution {
                    sum,
                    buckets: (0..buckets.len())
                        .filter(|at| is_kept(*at))
                        .map(|at| buckets[at])
                        .collect(),
                    above,
                }
            }
            Self::Quantiles {
                percentiles,
                sum,
                count,
            } => ObservedValue::Quantiles {
                percentiles,
                sum,
                count,
            },
        }
    }

    /// The ratio to `other`, where both changes took `over_s`.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn ratio_to(self, other: Self, over_s: f64) -> Result<ObservedValue, String> {
        let level = |of: f64, to: f64| match of / to {
            ratio if ratio.is_finite() => Ok(ObservedValue::Level(ratio)),
            _ => Err("the second part of the ratio is 0".to_owned()),
        };
        match (self, other) {
            (Self::Increase(of), Self::Increase(to)) => Ok(ObservedValue::Ratio { of, to }),
            (Self::Level(of), Self::Level(to)) => level(of, to),
            (Self::Increase(of), Self::Level(to)) => level(of / over_s, to),
            (Self::Level(of), Self::Increase(to)) => level(of, to / over_s),
            _ => Err(
                "a histogram or summary has no ratio: write its `_sum` or `_count`, which are counters"
                    .to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counter(series: &[(&str, f64)]) -> Reading {
        let series = series
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value));
        Reading::Counter(series.collect())
    }

    fn histogram(counts: &[(f64, f64)], count: f64, sum: f64) -> Reading {
        let buckets = Buckets {
            counts: counts.to_vec(),
            sum,
            count,
        };
        Reading::Histogram([(String::new(), buckets)].into())
    }

    #[test]
    fn a_counter_that_falls_has_started_anew() {
        let before = counter(&[("a", 100.0), ("b", 50.0), ("gone", 7.0)]);
        let now = counter(&[("a", 130.0), ("b", 20.0), ("new", 5.0)]);
        assert_eq!(now.since(Some(&before)), Some(Change::Increase(55.0)));
        assert_eq!(now.since(None), None);
        assert_eq!(now.since(Some(&Reading::Gauge(1.0))), None, "another kind");
    }

    #[test]
    fn a_histogram_changes_by_bucket_and_as_a_whole_where_it_has_started_anew() {
        let before = histogram(&[(0.1, 10.0), (0.5, 15.0), (1.0, 15.0)], 16.0, 9.0);
        let now = histogram(&[(0.1, 12.0), (0.5, 15.0), (1.0, 18.0)], 20.0, 14.0);
        let value = now.since(Some(&before)).unwrap().value(5.0);
        let expected = ObservedValue::Distribution {
            sum: 5.0,
            // As they are exported, so that those of (0.1, 0.5] cannot fall: they count up to 0.5 and above.
            buckets: vec![(0.1, 2.0), (0.5, 0.0), (1.0, 1.0)],
            above: 1.0,
        };
        assert_eq!(value, expected);
        let anew = histogram(&[(0.1, 1.0), (0.5, 16.0), (1.0, 16.0)], 16.0, 3.0);
        let value = anew.since(Some(&before)).unwrap().value(5.0);
        let expected = ObservedValue::Distribution {
            sum: 3.0,
            buckets: vec![(0.1, 1.0), (0.5, 15.0)],
            above: 0.0,
        };
        assert_eq!(value, expected);
    }

    #[test]
    fn ratios_are_of_numbers() {
        let ratio = |a: Change, b: Change| a.ratio_to(b, 5.0);
        let (level, increase) = (Change::Level(6.0), Change::Increase(10.0));
        let three = Ok(ObservedValue::Level(3.0));
        assert_eq!(ratio(level.clone(), increase.clone()), three);
        assert_eq!(ratio(level.clone(), Change::Level(2.0)), three);
        assert!(ratio(level.clone(), Change::Level(0.0)).is_err());
        assert_eq!(
            ratio(increase.clone(), Change::Increase(0.0)),
            Ok(ObservedValue::Ratio { of: 10.0, to: 0.0 })
        );
        let quantiles = Change::Quantiles {
            percentiles: [None; 3],
            sum: 1.0,
            count: 1.0,
        };
        assert!(ratio(quantiles, level).unwrap_err().contains("`_sum`"));
    }

    proptest! {
        #[test]
        fn no_change_is_below_zero(
            now in prop::collection::vec(0.0..100.0, 4),
            before in prop::collection::vec(0.0..100.0, 4),
        ) {
            let of = |counts: &[f64]| {
                let ends = counts.iter().enumerate().map(|(at, count)| (at as f64, *count));
                histogram(&ends.collect::<Vec<_>>(), counts[3], 1.0)
            };
            match of(&now).since(Some(&of(&before))) {
                Some(Change::Distribution { buckets, above, .. }) => {
                    prop_assert!(buckets.iter().all(|(_, count)| *count >= 0.0) && above >= 0.0);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
