//! What the service says of itself while the load goes on, as it is stored.
//!
//! Here: the values of one observation. Not here: where they come from (`observation`), and what they say of a
//! whole run (`analysis`).

use serde::{Deserialize, Serialize};

use crate::plan::{HOST_METRICS, HostTarget, Observe, ObservedUnit};

/// Something that is observed during a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservedInfo {
    /// Its name in reports.
    pub name: String,
    /// What it is, as the scenario says it.
    pub source: String,
    /// The unit in which it is exported.
    pub unit: ObservedUnit,
}

impl ObservedInfo {
    /// All that a plan observes: its metrics, then those of the host.
    pub fn all(observe: Option<&Observe>) -> Vec<Self> {
        let metrics = observe.iter().flat_map(|observe| &observe.metrics);
        let metrics = metrics.map(|metric| Self {
            name: metric.name.clone(),
            source: metric.to_string(),
            unit: metric.unit(),
        });
        let host = observe.and_then(|observe| observe.host.as_ref());
        let source = host.map(|host| match host {
            HostTarget::Process(name) => format!("process `{name}`"),
            HostTarget::Pid(pid) => format!("process {pid}"),
            HostTarget::Cgroup(path) => format!("control group `{path}`"),
        });
        let of_host = source.iter().flat_map(|source| {
            HOST_METRICS.iter().map(move |(name, unit, _)| Self {
                name: (*name).to_owned(),
                source: source.clone(),
                unit: *unit,
            })
        });
        metrics.chain(of_host).collect()
    }
}

/// What was observed at one time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// When, from the start of the load; ms.
    pub at_ms: u64,
    /// The time since the observation before; ms, 0 for the first one.
    pub length_ms: u64,
    /// The values, by position in `run.observed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<(usize, ObservedValue)>,
    /// What could not be observed, and why, by position; each reason once in a run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<(usize, String)>,
}

/// One value. All numbers are finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservedValue {
    /// What a gauge shows, or a ratio with a gauge.
    Level(f64),
    /// By how much a counter has risen.
    Increase {
        /// The difference.
        by: f64,
        /// In how long a time; s, above 0.
        over_s: f64,
    },
    /// By how much two counters have risen whose ratio is asked for.
    Ratio {
        /// The first one.
        of: f64,
        /// The second one.
        to: f64,
    },
    /// What has come to a histogram.
    Distribution {
        /// The sum of the new values.
        sum: f64,
        /// The upper end of each bucket, ascending, and how many new values it has; those without are left out,
        /// but for the one below another.
        buckets: Vec<(f64, f64)>,
        /// New values above the highest bucket.
        above: f64,
    },
    /// Percentiles that the service computes, and what has come to a summary.
    Quantiles {
        /// p50, p95 and p99, where the service has them.
        percentiles: [Option<f64>; 3],
        /// The sum of the new values.
        sum: f64,
        /// How many there are.
        count: f64,
    },
}

/// Adds buckets of a histogram to others: upper ends, ascending, and counts of each bucket alone.
pub fn merge_buckets(all: &mut Vec<(f64, f64)>, more: &[(f64, f64)]) {
    all.extend_from_slice(more);
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all.dedup_by(|later, kept| {
        let is_same = later.0 == kept.0;
        if is_same {
            kept.1 += later.1;
        }
        is_same
    });
}

impl ObservedValue {
    /// Whether no later step is misled by it.
    pub fn is_sound(&self) -> bool {
        match self {
            Self::Level(value) => value.is_finite(),
            Self::Increase { by, over_s } => by.is_finite() && over_s.is_finite() && *over_s > 0.0,
            Self::Ratio { of, to } => of.is_finite() && to.is_finite(),
            Self::Distribution {
                sum,
                buckets,
                above,
            } => {
                let counts = buckets.iter().map(|(_, count)| count).chain([above]);
                counts
                    .copied()
                    .all(|count| count.is_finite() && count >= 0.0)
                    && buckets.iter().all(|(end, _)| end.is_finite())
                    && buckets.is_sorted_by(|a, b| a.0 < b.0)
                    && sum.is_finite()
            }
            Self::Quantiles {
                percentiles,
                sum,
                count,
            } => {
                let percentiles = percentiles.iter().flatten();
                percentiles
                    .chain([sum, count])
                    .all(|value| value.is_finite())
            }
        }
    }
}
