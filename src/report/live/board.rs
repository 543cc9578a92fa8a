//! The numbers that the dashboard shows, kept up to date second by second.
//!
//! Here: what they are, from what ended in each second. Not here: how they look (`dashboard`).

use std::collections::VecDeque;
use std::time::Duration;

use crate::grading::Criterion;
use crate::metrics::{
    Cell, Commit, EndpointInfo, FailureCounts, HealthSample, LiveWindows, Outcome, SparseHistogram,
    Summary,
};
use crate::plan::{Metric, Percentile, Phase, Plan, Slo};
use crate::report::view::{bound, error_name, measured};
use crate::units::format_duration;

/// How many seconds the lines of the response times go back.
pub(super) const SHOWN_S: usize = 60;
/// How many seconds the numbers of the endpoints go back.
pub(super) const RECENT_S: usize = 10;

/// Percentiles in a second, or over a few: p50, p95 and p99; us.
pub(super) type Percentiles = [Option<f64>; 3];

/// What the dashboard shows of a run. All of it is worked out once a second, however often it is drawn.
#[derive(Debug)]
pub(super) struct Board {
    /// What is run, and against what.
    pub(super) title: String,
    /// Of all requests, the newest last.
    pub(super) seconds: VecDeque<Percentiles>,
    /// Of all requests, over the last few seconds.
    pub(super) percentiles: Percentiles,
    /// How each SLO stands, those that are missed first.
    pub(super) slos: Vec<SloNumbers>,
    /// The kinds of failures of requests, the most frequent first.
    pub(super) failures: Vec<FailureNumbers>,
    /// Of the last second.
    pub(super) health: Option<HealthSample>,
    endpoints: Vec<EndpointNumbers>,
    phases: Vec<Phase>,
    limits: Vec<Slo>,
    windows: LiveWindows,
    rows: Vec<Row>,
    recent: VecDeque<SparseHistogram>,
    failure_counts: FailureCounts,
    measured: Cell,
    /// How many seconds of the load are over.
    elapsed_s: u64,
    /// When the load ended, once it has; us.
    stopped_at_us: Option<u64>,
}

/// What is kept of a row of the statistics.
#[derive(Debug)]
struct Row {
    name: String,
    is_flow: bool,
    requests: u64,
    failures: u64,
    /// The newest last.
    recent: VecDeque<RecentSecond>,
    /// Of the measured phases, if an SLO is about all of it.
    measured: Option<Cell>,
}

#[derive(Debug, Default)]
struct RecentSecond {
    ended: u64,
    failures: u64,
    response: SparseHistogram,
}

/// The numbers of an endpoint or a flow.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EndpointNumbers {
    pub(super) name: String,
    pub(super) is_flow: bool,
    /// Ended so far.
    pub(super) requests: u64,
    /// Ended per second, over the last few.
    pub(super) rate_per_s: f64,
    /// Failed so far.
    pub(super) failures: u64,
    /// The share that failed of those that ended in the last few seconds; 0..=1.
    pub(super) recent_failures: f64,
    /// Over the last few seconds.
    pub(super) percentiles: Percentiles,
}

impl EndpointNumbers {
    /// The share of failures of all that ended so far; 0..=1.
    pub(super) fn failure_share(&self) -> f64 {
        self.failures as f64 / self.requests.max(1) as f64
    }
}

/// By what endpoints are sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// Who fails now, who has failed, who is slow.
    #[default]
    Trouble,
    P95,
    Requests,
    Name,
}

impl Order {
    /// The one after it.
    pub(super) fn next(self) -> Self {
        match self {
            Self::Trouble => Self::P95,
            Self::P95 => Self::Requests,
            Self::Requests => Self::Name,
            Self::Name => Self::Trouble,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Trouble => "trouble",
            Self::P95 => "p95",
            Self::Requests => "requests",
            Self::Name => "name",
        }
    }
}

/// How an SLO stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SloNumbers {
    /// What it is about: `p95`, `log in: p95 in the worst 1m`.
    pub(super) name: String,
    /// Such as `≤ 500 ms`.
    pub(super) limit: String,
    /// So far; `None` without data, and where only the whole run tells.
    pub(super) value: Option<String>,
    pub(super) state: SloState,
}

/// Whether an SLO is met so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SloState {
    Met,
    Missed,
    /// Less was measured than its window is long.
    TooShort,
    NoData,
    /// Only the whole run tells.
    AtEnd,
}

/// Failures of one kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FailureNumbers {
    pub(super) name: String,
    pub(super) count: u64,
}

impl Board {
    /// Of a run of this plan against the service at `base`.
    pub(super) fn new(plan: &Plan, base: &str) -> Self {
        let (phases, rows) = (plan.phases(), EndpointInfo::all(plan));
        let mut board = Self {
            title: format!("{} · {} · {base}", plan.scenario, plan.profile),
            seconds: VecDeque::new(),
            percentiles: [None; 3],
            slos: Vec::new(),
            failures: Vec::new(),
            health: None,
            endpoints: Vec::new(),
            windows: LiveWindows::new(&phases, &plan.slos, &rows),
            phases,
            limits: plan.slos.clone(),
            rows: Vec::new(),
            recent: VecDeque::new(),
            failure_counts: FailureCounts::default(),
            measured: Cell::default(),
            elapsed_s: 0,
            stopped_at_us: None,
        };
        rows.iter().for_each(|row| board.add_row(row));
        board.work_out();
        board
    }

    fn add_row(&mut self, row: &EndpointInfo) {
        let mut whole = self.limits.iter().filter(|slo| slo.window_s.is_none());
        let is_limited = whole.any(|slo| slo.scope.endpoint() == Some(&row.name));
        self.rows.push(Row {
            name: row.name.clone(),
            is_flow: row.is_flow,
            requests: 0,
            failures: 0,
            recent: VecDeque::new(),
            measured: is_limited.then(Cell::default),
        });
    }

    /// Takes in what ended in the next second.
    pub(super) fn second(&mut self, commit: &Commit) {
        self.elapsed_s += 1;
        self.stopped_at_us = commit.stopped_at_us;
        self.windows.second(commit);
        commit.rows.iter().for_each(|row| self.add_row(row));
        for row in &mut self.rows {
            push(&mut row.recent, RecentSecond::default(), RECENT_S);
        }
        let mut all = SparseHistogram::default();
        for entry in &commit.cells {
            let (Some(row), cell) = (self.rows.get_mut(entry.endpoint), &entry.cell) else {
                continue;
            };
            let ended = cell.count(Outcome::is_started);
            let failures = cell.count(Outcome::is_failure);
            row.requests += ended;
            row.failures += failures;
            if let Some(second) = row.recent.back_mut() {
                second.ended += ended;
                second.failures += failures;
                second.response.merge(&cell.response);
            }
            let is_measured = self.phases.get(entry.phase).is_some_and(|p| p.measured);
            if is_measured && let Some(measured) = &mut row.measured {
                measured.merge(cell);
            }
            if !row.is_flow {
                all.merge(&cell.response);
                self.failure_counts.merge(&cell.failure_counts);
                if is_measured && !self.limits.is_empty() {
                    self.measured.merge(cell);
                }
            }
        }
        push(&mut self.seconds, percentiles([&all]), SHOWN_S);
        push(&mut self.recent, all, RECENT_S);
        self.health = commit.health.clone();
        self.work_out();
    }

    /// What is shown until the next second.
    fn work_out(&mut self) {
        self.percentiles = percentiles(&self.recent);
        self.endpoints = self.rows.iter().map(Row::numbers).collect();
        self.failures = failures(&self.failure_counts);
        let total = Summary::of(&self.measured, self.measured_s());
        let limits = self.limits.iter().enumerate();
        self.slos = limits.map(|(at, slo)| self.slo(at, slo, &total)).collect();
        self.slos.sort_by_key(|slo| slo.state != SloState::Missed);
    }

    /// How many endpoints and flows there are.
    pub(super) fn row_count(&self) -> u16 {
        u16::try_from(self.rows.len()).unwrap_or(u16::MAX)
    }

    /// All endpoints and flows in this order.
    pub(super) fn endpoints(&self, order: Order) -> Vec<&EndpointNumbers> {
        let mut all: Vec<&EndpointNumbers> = self.endpoints.iter().collect();
        // Stable: equals stay in the order of the scenario.
        all.sort_by(|&a, &b| {
            let p95 = |one: &EndpointNumbers| one.percentiles[1].unwrap_or(0.0);
            let by_p95 = p95(b).total_cmp(&p95(a));
            match order {
                Order::Trouble => (b.recent_failures.total_cmp(&a.recent_failures))
                    .then(b.failure_share().total_cmp(&a.failure_share()))
                    .then(by_p95),
                Order::P95 => by_p95,
                Order::Requests => b.requests.cmp(&a.requests),
                Order::Name => a.name.cmp(&b.name),
            }
        });
        all
    }

    /// How the SLO at this position stands; `total` are the numbers of all requests.
    fn slo(&self, position: usize, slo: &Slo, total: &Summary) -> SloNumbers {
        let of_row = |name: &str| {
            let mut rows = self.rows.iter();
            let row = rows.find(|row| row.name == name)?;
            let summary = Summary::of(row.measured.as_ref()?, self.measured_s());
            summary.value(&slo.metric).filter(|_| summary.requests > 0)
        };
        let whole = match slo.scope.endpoint() {
            _ if slo.window_s.is_some() => None,
            None => total.value(&slo.metric).filter(|_| total.requests > 0),
            Some(name) => of_row(name),
        };
        let mut criterion = Criterion::so_far(slo, whole, self.windows.worst(position));
        let is_short = criterion.has_cut_window();
        // Its name is that of the window that it will have.
        let window = criterion.window.take();
        let state = match criterion.value {
            _ if matches!(slo.metric, Metric::Observed(_)) => SloState::AtEnd,
            None => SloState::NoData,
            Some(_) if is_short => SloState::TooShort,
            Some(_) if criterion.met => SloState::Met,
            Some(_) => SloState::Missed,
        };
        let value = criterion.value.map(|_| match window {
            Some(window) if is_short => {
                let length = Duration::from_secs(window.length_s.round().max(1.0) as u64);
                format!("{} in {}", measured(&criterion), format_duration(length))
            }
            _ => measured(&criterion),
        });
        SloNumbers {
            name: criterion.full_name(),
            limit: bound(&criterion),
            value,
            state,
        }
    }

    /// How long the load has been measured; s.
    fn measured_s(&self) -> f64 {
        let now_us = self.stopped_at_us.unwrap_or(self.elapsed_s * 1_000_000);
        let measured = self.phases.iter().filter(|phase| phase.measured);
        let us = measured.map(|phase| phase.end_us.min(now_us).saturating_sub(phase.start_us));
        us.sum::<u64>() as f64 / 1e6
    }
}

impl Row {
    fn numbers(&self) -> EndpointNumbers {
        let sum = |part: fn(&RecentSecond) -> u64| self.recent.iter().map(part).sum::<u64>();
        let (ended, failures) = (sum(|second| second.ended), sum(|second| second.failures));
        EndpointNumbers {
            name: self.name.clone(),
            is_flow: self.is_flow,
            requests: self.requests,
            rate_per_s: ended as f64 / self.recent.len().max(1) as f64,
            failures: self.failures,
            recent_failures: failures as f64 / ended.max(1) as f64,
            percentiles: percentiles(self.recent.iter().map(|second| &second.response)),
        }
    }
}

fn push<T>(queue: &mut VecDeque<T>, value: T, most: usize) {
    queue.push_back(value);
    if queue.len() > most {
        queue.pop_front();
    }
}

fn percentiles<'a>(parts: impl IntoIterator<Item = &'a SparseHistogram>) -> Percentiles {
    let mut all = SparseHistogram::default();
    parts.into_iter().for_each(|part| all.merge(part));
    let ascending = [50.0, 95.0, 99.0].into_iter().filter_map(Percentile::new);
    let values = all.percentiles(&ascending.collect::<Vec<_>>());
    std::array::from_fn(|at| values.get(at).copied())
}

/// The kinds of failures of requests, the most frequent first.
fn failures(counts: &FailureCounts) -> Vec<FailureNumbers> {
    let mut all: Vec<FailureNumbers> = (counts.iter())
        .filter(|one| one.outcome.is_failure() || one.outcome == Outcome::Dropped)
        .map(|one| {
            let (key, check) = (one.key.as_deref(), one.check.as_deref());
            FailureNumbers {
                name: error_name(one.outcome, key, check, one.status),
                count: one.count,
            }
        })
        .collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.count));
    all
}
