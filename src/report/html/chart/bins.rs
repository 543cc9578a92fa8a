//! A run in equal parts of its time, as charts show it.

use crate::metrics::{Outcome, RunResult, SparseHistogram};
use crate::plan::Percentile;

/// The lengths that a bin may have; s.
const WIDTHS_S: [u64; 15] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400,
];

/// Part of a run's time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bin {
    /// From the start of the load; s.
    pub(crate) start_s: f64,
    /// From the start of the load; s.
    pub(crate) end_s: f64,
    /// Planned requests.
    pub(crate) planned: u64,
    /// Requests started.
    pub(crate) started: u64,
    /// Requests that succeeded.
    pub(crate) successes: u64,
    /// Requests that failed.
    pub(crate) failures: u64,
    /// Arrivals that were never started.
    pub(crate) dropped: u64,
    /// Response times: successes, and timed-out and interrupted requests at their age.
    pub(crate) response: SparseHistogram,
    /// The longest age of a request that timed out or was interrupted; us.
    pub(crate) longest_censored_us: Option<f64>,
}

impl Bin {
    /// Its length; s.
    pub(crate) fn length_s(&self) -> f64 {
        self.end_s - self.start_s
    }

    /// Percentiles of the response time, which ascend; us, `None` without requests.
    pub(crate) fn percentiles_us<const N: usize>(&self, ascending: [f64; N]) -> [Option<f64>; N] {
        let percentiles: Vec<_> = ascending.into_iter().filter_map(Percentile::new).collect();
        let values = self.response.percentiles(&percentiles);
        std::array::from_fn(|at| values.get(at).copied())
    }
}

/// How long the run was; s.
pub(crate) fn total_s(result: &RunResult) -> f64 {
    let planned = result.run.phases.iter().map(|phase| phase.end_us).max();
    let seconds = result.users.len().max(result.health.len()) as f64;
    match (&result.run.ending, planned) {
        (Some(ending), Some(planned)) => ending.stopped_at_us.min(planned) as f64 / 1e6,
        _ => seconds,
    }
    .max(seconds.min(1.0))
}

/// The length of a bin, so that there are at most `most`; s.
pub(crate) fn width_s(total_s: f64, most: usize) -> f64 {
    let wanted = total_s / most as f64;
    let width = WIDTHS_S.into_iter().find(|width| *width as f64 >= wanted);
    width.map_or_else(|| wanted.ceil(), |width| width as f64)
}

/// At most `most` bins of the whole run, of an endpoint (by position) or of all requests.
pub(crate) fn bins(result: &RunResult, endpoint: Option<usize>, most: usize) -> Vec<Bin> {
    let total_s = total_s(result);
    let width_s = width_s(total_s, most);
    // What is left at the end belongs to the bin before, since half a second says little.
    let count = ((total_s / width_s).round() as usize).max(1);
    let mut bins: Vec<Bin> = (0..count)
        .map(|i| Bin {
            start_s: i as f64 * width_s,
            end_s: match i + 1 == count {
                true => total_s.max(i as f64 * width_s),
                false => (i + 1) as f64 * width_s,
            },
            ..Bin::default()
        })
        .collect();
    for interval in &result.timeline {
        let Some(phase) = result.run.phases.get(interval.phase) else {
            continue;
        };
        // After the load: what flows had still to do.
        if phase.start_us as f64 / 1e6 >= total_s && interval.phase > 0 {
            continue;
        }
        let bin =
            &mut bins[((result.second_of(interval) as f64 / width_s) as usize).min(count - 1)];
        for (position, cell) in &interval.cells {
            let is_wanted = match endpoint {
                Some(wanted) => wanted == *position,
                None => !result.endpoints[*position].endpoint.is_flow,
            };
            if !is_wanted {
                continue;
            }
            bin.planned += cell.count(|_| true);
            bin.started += cell.count(Outcome::is_started);
            bin.successes += cell.count(|outcome| outcome == Outcome::Ok);
            bin.failures += cell.count(Outcome::is_failure);
            bin.dropped += cell.count(|outcome| outcome == Outcome::Dropped);
            bin.response.merge(&cell.response);
            bin.response.merge(&cell.censored);
            if !cell.censored.is_empty() {
                let age_us = cell.censored.max_us as f64;
                let longest = bin.longest_censored_us.unwrap_or(0.0).max(age_us);
                bin.longest_censored_us = Some(longest);
            }
        }
    }
    bins
}

/// The mean of something sampled once a second, in the same bins; `None` where there is no sample.
pub(crate) fn means(bins: &[Bin], seconds: impl IntoIterator<Item = f64>) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0u32); bins.len()];
    let mut at = 0;
    for (second, value) in seconds.into_iter().enumerate() {
        // A sample covers the second that has just passed.
        while at + 1 < bins.len() && second as f64 >= bins[at].end_s {
            at += 1;
        }
        if let Some(sum) = sums.get_mut(at) {
            *sum = (sum.0 + value, sum.1 + 1);
        }
    }
    let mean = |(sum, count): (f64, u32)| (count > 0).then(|| sum / f64::from(count));
    sums.into_iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::fixture;

    #[test]
    fn every_request_is_in_a_bin_however_many_there_are() {
        let requests: fixture::Requests<'_> =
            &[(Outcome::Ok, 50_000, 990), (Outcome::Http5xx, 100, 10)];
        let result = fixture::run(&[("a", requests), ("b", requests)]);
        for most in [1, 3, 7, 240] {
            let all = bins(&result, None, most);
            assert!(all.len() <= most.max(1), "{most}");
            let sum = |of: fn(&Bin) -> u64| all.iter().map(of).sum::<u64>();
            assert_eq!(sum(|bin| bin.started), 2_000);
            assert_eq!(sum(|bin| bin.successes), 1_980);
            assert_eq!(sum(|bin| bin.failures), 20);
            let one = bins(&result, Some(1), most);
            assert_eq!(one.iter().map(|bin| bin.started).sum::<u64>(), 1_000);
            assert!(all.windows(2).all(|pair| pair[0].end_s == pair[1].start_s));
        }
    }

    #[test]
    fn seconds_are_averaged_by_bin() {
        let bin = |start_s, end_s| Bin {
            start_s,
            end_s,
            ..Bin::default()
        };
        let bins = [bin(0.0, 2.0), bin(2.0, 4.0), bin(4.0, 6.0)];
        let means = means(&bins, [1.0, 3.0, 5.0]);
        assert_eq!(means, [Some(2.0), Some(5.0), None]);
    }
}
