//! What is said of times where a tool cannot add up buckets: extremes, mean and percentiles.

use crate::metrics::SparseHistogram;
use crate::plan::Percentile;

/// Names and values of these times; seconds, ascending.
pub(super) fn quantiles(times: &SparseHistogram) -> Vec<(&'static str, f64)> {
    let mut all = vec![
        ("min", times.min_us as f64),
        ("mean", times.mean().unwrap_or_default()),
    ];
    for (name, percent) in [("p50", 50.0), ("p90", 90.0), ("p95", 95.0), ("p99", 99.0)] {
        let value = Percentile::new(percent).and_then(|one| times.percentile(one));
        all.extend(value.map(|us| (name, us)));
    }
    all.push(("max", times.max_us as f64));
    let seconds = all.into_iter().map(|(name, us)| (name, us / 1e6));
    seconds.collect()
}
