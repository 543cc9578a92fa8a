//! The numbers of each run by measured phase and endpoint, computed once.

use std::thread;

use super::estimate::{Estimate, FailureCounts, Seconds};
use crate::metrics::{Cell, RunResult};
use crate::plan::{Metric, Percentile};

/// A phase that ends early by this much still counts as full; s.
const SLACK_S: f64 = 0.01;

/// The numbers of one side.
pub(super) struct Measurements {
    /// The measured phases' names.
    names: Vec<String>,
    /// By phase, then all endpoints together and each of them; then by run.
    numbers: Vec<Vec<Vec<RunNumbers>>>,
}

/// The numbers of one endpoint, or of all, in one phase of one run.
#[derive(Debug, Clone, Default)]
pub(super) struct RunNumbers {
    /// Full seconds.
    pub(super) seconds: usize,
    /// Response times.
    pub(super) count: u64,
    pub(super) errors: FailureCounts,
    percentiles: Vec<(Percentile, Option<Estimate>)>,
    mean: Option<Estimate>,
    throughput: Option<Estimate>,
}

impl RunNumbers {
    fn of(seconds: Vec<Vec<&Cell>>) -> Self {
        let length = seconds.len();
        let seconds = Seconds::new(seconds);
        let percentiles = [50.0, 95.0, 99.0].into_iter().filter_map(Percentile::new);
        Self {
            seconds: length,
            count: seconds.count(),
            errors: seconds.errors(),
            percentiles: percentiles
                .map(|p| (p, seconds.quantile(p.quantile())))
                .collect(),
            mean: seconds.mean(),
            throughput: seconds.throughput(),
        }
    }

    /// The estimate of a metric that has a logarithm; `None` without data.
    pub(super) fn estimate(&self, metric: &Metric) -> Option<Estimate> {
        match metric {
            Metric::ResponseTime(percentile) => {
                let mut known = self.percentiles.iter();
                known.find(|(known, _)| known == percentile)?.1
            }
            Metric::MeanResponseTime => self.mean,
            Metric::Throughput => self.throughput,
            _ => None,
        }
    }
}

impl Measurements {
    /// Of these runs, which have the same endpoints and the same measured phases.
    pub(super) fn of(runs: &[RunResult]) -> Self {
        let Some(first) = runs.first() else {
            return Self {
                names: Vec::new(),
                numbers: Vec::new(),
            };
        };
        let phases = first.run.phases.iter().filter(|phase| phase.measured);
        let names: Vec<String> = phases.map(|phase| phase.name.clone()).collect();
        let by_run = in_parallel(runs);
        let scopes = 1 + first.endpoints.len();
        let of_all_runs = |phase: usize, scope: usize| {
            let of_run = |run: &Vec<Vec<RunNumbers>>| {
                let numbers = run.get(phase).and_then(|scopes| scopes.get(scope));
                numbers.cloned().unwrap_or_default()
            };
            by_run.iter().map(of_run).collect()
        };
        Self {
            numbers: (0..names.len())
                .map(|phase| (0..scopes).map(|scope| of_all_runs(phase, scope)).collect())
                .collect(),
            names,
        }
    }

    /// Of the runs at these positions alone.
    pub(super) fn only(&self, positions: &[usize]) -> Self {
        let of_runs =
            |runs: &Vec<RunNumbers>| positions.iter().map(|&at| runs[at].clone()).collect();
        let of_scopes = |scopes: &Vec<_>| scopes.iter().map(of_runs).collect();
        Self {
            names: self.names.clone(),
            numbers: self.numbers.iter().map(of_scopes).collect(),
        }
    }

    /// How many phases are measured.
    pub(super) fn phases(&self) -> usize {
        self.names.len()
    }

    pub(super) fn phase_name(&self, phase: usize) -> String {
        self.names[phase].clone()
    }

    /// The numbers of each run, of an endpoint or of all together.
    pub(super) fn numbers(&self, phase: usize, endpoint: Option<usize>) -> &[RunNumbers] {
        let scopes = self.numbers.get(phase).map_or(&[][..], |scopes| scopes);
        let scope = endpoint.map_or(0, |endpoint| endpoint + 1);
        scopes.get(scope).map_or(&[], |runs| runs)
    }
}

/// The numbers of each run, by measured phase and scope. A baseline may hold hours of load, so runs
/// are measured in parallel.
fn in_parallel(runs: &[RunResult]) -> Vec<Vec<Vec<RunNumbers>>> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let part = runs.len().div_ceil(cores).max(1);
    thread::scope(|scope| {
        let parts: Vec<_> = runs
            .chunks(part)
            .map(|runs| scope.spawn(|| runs.iter().map(of_run).collect::<Vec<_>>()))
            .collect();
        let join = |part: thread::ScopedJoinHandle<'_, Vec<_>>| {
            part.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        parts.into_iter().flat_map(join).collect()
    })
}

fn of_run(run: &RunResult) -> Vec<Vec<RunNumbers>> {
    run.measured_phases()
        .map(|phase| of_phase(run, phase))
        .collect()
}

/// All endpoints together, then each. Only full seconds count: the last one of a phase may be a
/// fraction of one.
fn of_phase(run: &RunResult, phase: usize) -> Vec<RunNumbers> {
    let length = (run.phase_length_s(phase) + SLACK_S) as usize;
    let mut together: Vec<Vec<&Cell>> = vec![Vec::new(); length];
    let mut apart: Vec<Vec<Vec<&Cell>>> = vec![vec![Vec::new(); length]; run.endpoints.len()];
    for interval in run
        .timeline
        .iter()
        .filter(|interval| interval.phase == phase)
    {
        let Some(second) = usize::try_from(interval.second)
            .ok()
            .filter(|s| *s < length)
        else {
            continue;
        };
        for (endpoint, cell) in &interval.cells {
            // The requests of a flow are counted already.
            if !run.endpoints[*endpoint].endpoint.is_flow {
                together[second].push(cell);
            }
            apart[*endpoint][second].push(cell);
        }
    }
    std::iter::once(together)
        .chain(apart)
        .map(RunNumbers::of)
        .collect()
}
