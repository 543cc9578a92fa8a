//! One run in one phase: the logarithm of a metric, and its standard error within the run.
//!
//! Responses of one run depend on each other (a slow second is slow for all of them), so their
//! number says little about how accurate a percentile is. The error comes from sums over blocks of
//! neighboring seconds instead: overlapping batch means, after Meketon and Schmeiser (1984), of the
//! influence that each second has on the metric. Nothing is resampled. Not here: how runs are
//! compared (`difference`).

use crate::metrics::{Cell, Histogram, Outcome, SparseHistogram, middle_of_bucket};

/// A metric of one run: the natural logarithm, and its standard error within the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    pub(super) log: f64,
    pub(super) error: f64,
}

/// The full seconds of one phase, each with the cells of the endpoints that count.
#[derive(Debug, Default)]
pub(super) struct Seconds<'a> {
    seconds: Vec<Vec<&'a Cell>>,
    /// Response times in each second.
    counts: Vec<f64>,
    /// `(lowest value of the bucket, how many values are in it or below)`, ascending.
    cumulative: Vec<(u64, u64)>,
}

/// Failed and finished requests of one run, and how much the failures vary from second to second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct FailureCounts {
    pub(super) failed: f64,
    pub(super) finished: f64,
    /// Variance of `failed` by blocks of seconds.
    pub(super) variance: f64,
    /// Blocks of seconds.
    pub(super) blocks: f64,
}

impl<'a> Seconds<'a> {
    /// From the cells in each full second.
    pub(super) fn new(seconds: Vec<Vec<&'a Cell>>) -> Self {
        let mut all = Histogram::default();
        seconds
            .iter()
            .flat_map(times)
            .for_each(|times| all.add(times));
        let count =
            |cells: &Vec<&Cell>| times(cells).map(SparseHistogram::count).sum::<u64>() as f64;
        Self {
            cumulative: all.cumulative(),
            counts: seconds.iter().map(count).collect(),
            seconds,
        }
    }

    /// How many response times there are.
    pub(super) fn count(&self) -> u64 {
        self.cumulative.last().map_or(0, |(_, count)| *count)
    }

    /// The first bucket by which the share `quantile` (0..=1) of all values is reached, and how
    /// many there are up to it; `None` without any.
    fn bucket_at(&self, quantile: f64) -> Option<(u64, u64)> {
        let wanted = quantile * self.count() as f64;
        let at = self
            .cumulative
            .partition_point(|(_, count)| (*count as f64) < wanted);
        self.cumulative.get(at).copied()
    }

    /// A percentile of the response time; `None` without any.
    pub(super) fn quantile(&self, quantile: f64) -> Option<Estimate> {
        let total = self.count() as f64;
        let (bucket, below) = self.bucket_at(quantile)?;
        let share = below as f64 / total;
        let series = self.seconds.iter().zip(&self.counts).map(|(cells, count)| {
            let up_to: u64 = times(cells).map(|times| times.count_up_to(bucket)).sum();
            up_to as f64 - share * count
        });
        let error = variance_of_sum(&series.collect::<Vec<_>>()).sqrt() / total;
        let log_at = |quantile: f64| {
            let (bucket, _) = self.bucket_at(quantile.clamp(0.0, 1.0))?;
            Some(middle_of_bucket(bucket).ln())
        };
        Some(Estimate {
            log: middle_of_bucket(bucket).ln(),
            error: (log_at(quantile + error)? - log_at(quantile - error)?) / 2.0,
        })
        .filter(Estimate::is_sound)
    }

    /// The mean response time; `None` without any.
    pub(super) fn mean(&self) -> Option<Estimate> {
        let sum = |cells: &Vec<&Cell>| times(cells).map(SparseHistogram::sum_of_middles).sum();
        let sums: Vec<f64> = self.seconds.iter().map(sum).collect();
        let sum = sums.iter().sum::<f64>();
        let mean = sum / self.count() as f64;
        let series = sums
            .iter()
            .zip(&self.counts)
            .map(|(sum, count)| sum - mean * count);
        let series: Vec<f64> = series.collect();
        Some(Estimate {
            log: mean.ln(),
            error: variance_of_sum(&series).sqrt() / sum,
        })
        .filter(Estimate::is_sound)
    }

    /// Successes per second; `None` without any.
    pub(super) fn throughput(&self) -> Option<Estimate> {
        let successes = |cells: &Vec<&Cell>| {
            let counts = cells.iter().map(|cell| cell.count(|c| c == Outcome::Ok));
            counts.sum::<u64>() as f64
        };
        let counts: Vec<f64> = self.seconds.iter().map(successes).collect();
        let sum: f64 = counts.iter().sum();
        let mean = sum / counts.len() as f64;
        let series: Vec<f64> = counts.iter().map(|count| count - mean).collect();
        Some(Estimate {
            log: mean.ln(),
            error: variance_of_sum(&series).sqrt() / sum,
        })
        .filter(Estimate::is_sound)
    }

    /// Failed requests among the finished ones.
    pub(super) fn errors(&self) -> FailureCounts {
        let of = |cells: &Vec<&Cell>| {
            let count = |select: fn(Outcome) -> bool| {
                let counts = cells.iter().map(|cell| cell.count(select));
                counts.sum::<u64>() as f64
            };
            let failed = count(Outcome::is_failure);
            (failed, failed + count(|outcome| outcome == Outcome::Ok))
        };
        let counts: Vec<(f64, f64)> = self.seconds.iter().map(of).collect();
        let (failed, finished) = counts
            .iter()
            .fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
        let rate = match finished > 0.0 {
            true => failed / finished,
            false => 0.0,
        };
        let series: Vec<f64> = counts.iter().map(|(e, n)| e - rate * n).collect();
        FailureCounts {
            failed,
            finished,
            variance: variance_of_sum(&series),
            blocks: counts.len() as f64 / block_length(counts.len()) as f64,
        }
    }
}

/// The response times of a second, timeouts at their age.
fn times<'c>(cells: &'c Vec<&Cell>) -> impl Iterator<Item = &'c SparseHistogram> {
    cells
        .iter()
        .flat_map(|cell| [&cell.response, &cell.censored])
}

impl Estimate {
    /// Whether it is a number: no values, or only zeros, have no logarithm.
    fn is_sound(&self) -> bool {
        self.log.is_finite() && self.error.is_finite()
    }
}

/// The mean of at least one value.
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean of the logarithms of at least one run.
pub(super) fn mean_log(runs: &[Estimate]) -> f64 {
    mean(&runs.iter().map(|run| run.log).collect::<Vec<_>>())
}

/// Seconds in a block: long enough that blocks hardly depend on each other, short enough that there
/// are several.
fn block_length(seconds: usize) -> usize {
    let length = (2.0 * (seconds as f64).sqrt()).round() as usize;
    length.min(seconds / 6).max(1)
}

/// The variance of the sum of a series with mean 0 whose neighbors depend on each other, from the
/// sums of all overlapping blocks.
fn variance_of_sum(series: &[f64]) -> f64 {
    let block = block_length(series.len());
    if series.len() <= block {
        return 0.0;
    }
    let mut sum: f64 = series[..block].iter().sum();
    let mut squares = sum * sum;
    for (leaving, entering) in series.iter().zip(&series[block..]) {
        sum += entering - leaving;
        squares += sum * sum;
    }
    let (length, block) = (series.len() as f64, block as f64);
    let blocks = length - block + 1.0;
    length / block * (length / (length - block)) * squares / blocks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::comparison::statistical::golden;

    fn cell(pairs: Vec<u64>, outcome: Outcome) -> Cell {
        let count = pairs.chunks(2).map(|pair| pair[1]).sum();
        Cell {
            outcomes: [(outcome, count)].into(),
            response: SparseHistogram {
                min_us: pairs[0],
                max_us: pairs[pairs.len() - 2],
                sum_us: 0,
                buckets: pairs,
            },
            ..Cell::default()
        }
    }

    #[test]
    fn block_variances_are_those_of_the_vectors() {
        for case in golden::vectors()["obm"].as_array().unwrap() {
            let series = golden::numbers(&case["d"]);
            assert_eq!(block_length(series.len()) as u64, case["block"]);
            golden::assert_close(variance_of_sum(&series), &case["var_of_sum"]);
        }
    }

    #[test]
    fn the_summary_of_a_run_is_that_of_the_vectors() {
        let run = &golden::vectors()["run"];
        let intervals = run["intervals"].as_array().unwrap();
        let cells: Vec<Cell> = intervals
            .iter()
            .map(|pairs| {
                let pairs = pairs.as_array().unwrap().iter();
                let pairs = pairs.flat_map(|pair| {
                    let (index, count) = (pair[0].as_u64().unwrap(), pair[1].as_u64().unwrap());
                    // The index of a bucket in an array, for which the program has no use itself.
                    let shift = (index / 1024).saturating_sub(1);
                    [(index - shift * 1024) << shift, count]
                });
                cell(pairs.collect(), Outcome::Ok)
            })
            .collect();
        let seconds = Seconds::new(cells.iter().map(|cell| vec![cell]).collect());
        let found = [
            seconds.mean(),
            seconds.quantile(0.5),
            seconds.quantile(0.95),
            seconds.quantile(0.99),
        ];
        for (i, found) in found.iter().enumerate() {
            let found = found.unwrap();
            golden::assert_close(found.log, &run["log_mean_p50_p95_p99"][i]);
            golden::assert_close(found.error, &run["se"][i]);
        }
    }

    #[test]
    fn cells_of_several_endpoints_are_as_one() {
        let (a, b) = (
            cell(vec![10, 3, 20, 1], Outcome::Ok),
            cell(vec![15, 4], Outcome::Ok),
        );
        let both = cell(vec![10, 3, 15, 4, 20, 1], Outcome::Ok);
        let apart = Seconds::new(vec![vec![&a, &b]; 60]);
        let together = Seconds::new(vec![vec![&both]; 60]);
        assert_eq!(apart.quantile(0.5), together.quantile(0.5));
        assert_eq!(apart.mean(), together.mean());
        assert_eq!(apart.throughput(), together.throughput());
        assert_eq!(apart.count(), 480);
    }

    #[test]
    fn nothing_measured_has_no_estimate() {
        let empty = Seconds::new(vec![Vec::new(); 60]);
        assert_eq!(empty.quantile(0.5), None);
        assert_eq!(empty.mean(), None);
        assert_eq!(empty.throughput(), None);
        let errors = empty.errors();
        assert_eq!((errors.failed, errors.finished), (0.0, 0.0));
    }

    #[test]
    fn errors_in_bursts_vary_more_than_errors_by_chance() {
        let (ok, bad) = (
            cell(vec![10, 100], Outcome::Ok),
            cell(vec![10, 60], Outcome::Http5xx),
        );
        let burst = |second: usize| match second {
            20..23 => vec![&bad],
            _ => vec![&ok],
        };
        let errors = Seconds::new((0..60).map(burst).collect()).errors();
        assert_eq!((errors.failed, errors.finished), (180.0, 5_880.0));
        let rate = errors.failed / errors.finished;
        assert!(errors.variance > 20.0 * errors.finished * rate * (1.0 - rate));
    }

    proptest! {
        /// The sliding sum is the plain one.
        #[test]
        fn the_variance_is_that_of_the_definition(series in prop::collection::vec(-9.0f64..9.0, 6..200)) {
            let (length, block) = (series.len() as f64, block_length(series.len()));
            let sums: Vec<f64> = series.windows(block).map(|w| w.iter().sum()).collect();
            let mean = sums.iter().map(|sum| sum * sum).sum::<f64>() / sums.len() as f64;
            let block = block as f64;
            let plain = length / block * length / (length - block) * mean;
            prop_assert!((variance_of_sum(&series) - plain).abs() <= 1e-9 * plain.max(1.0));
        }
    }
}
