//! Error budgets: how much of the failures that an SLO allows have happened, and how fast.
//!
//! The burn rate is that of The Site Reliability Workbook (Beyer et al. 2018), chapter 5: 1 spends the budget of a time
//! exactly in that time.
//!
//! Not here: whether the SLO is met (`criterion`).

use crate::metrics::{Outcome, RunResult, Window};
use crate::plan::{Metric, Slo, SloScope};

/// The windows of burn rates; s.
const WINDOWS_S: [u64; 2] = [60, 300];

/// The failures that an SLO allows, and those that happened in the measured phases.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorBudget {
    /// The name of the SLO.
    pub name: String,
    /// Which endpoint, or all of them.
    pub scope: SloScope,
    /// The share of requests that may fail, above 0.
    pub allowed_share: f64,
    /// Requests that finished.
    pub requests: u64,
    /// Those that failed, as the SLO counts them.
    pub failures: u64,
    /// The worst windows, as far as more was measured than they are long.
    pub burn_rates: Vec<BurnRate>,
}

/// How fast an error budget is spent at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BurnRate {
    /// The length of the window; s.
    pub window_s: u64,
    /// When the worst one begins, from the start of the load; s.
    pub start_s: f64,
    /// How many times as fast as the budget lasts for.
    pub rate: f64,
}

impl ErrorBudget {
    /// Those of all limits on failures that allow any, in the order of the SLOs. Of several limits on the same failures
    /// of the same requests, the first SLO counts, and a budget only where there is no SLO.
    pub fn all(result: &RunResult) -> Vec<Self> {
        let limits = result.run.slos.iter();
        let limits = limits.filter(|slo| slo.metric.is_of_failures());
        let (budgets, slos): (Vec<&Slo>, Vec<&Slo>) = limits.partition(|slo| slo.budget);
        let mut chosen: Vec<&Slo> = Vec::new();
        for slo in slos.into_iter().chain(budgets) {
            let is_same = |known: &&Slo| (&known.metric, &known.scope) == (&slo.metric, &slo.scope);
            if !chosen.iter().any(is_same) {
                chosen.push(slo);
            }
        }
        let budgets = chosen.into_iter();
        budgets.filter_map(|slo| Self::of(result, slo)).collect()
    }

    fn of(result: &RunResult, slo: &Slo) -> Option<Self> {
        let failed_share = |value: f64| match slo.metric {
            Metric::Availability => 1.0 - value,
            _ => value,
        };
        let allowed_share = failed_share(slo.limit);
        let row = result.row(&slo.scope)?;
        let is_finished = |outcome: Outcome| outcome == Outcome::Ok || outcome.is_failure();
        let requests = result.count_in(row, Window::Measured, is_finished);
        let is_failure = match slo.metric {
            Metric::Availability => Outcome::is_unavailable,
            _ => Outcome::is_failure,
        };
        let failures = result.count_in(row, Window::Measured, is_failure);
        if requests == 0 || allowed_share.is_nan() || allowed_share <= 0.0 {
            return None;
        }
        let measured_s = result.window_s(Window::Measured);
        let windows = WINDOWS_S.into_iter();
        let windows = windows.filter(|window_s| measured_s > *window_s as f64);
        let burn_rates = windows.filter_map(|window_s| {
            let worst = result.worst_window(&slo.metric, &slo.scope, window_s)?;
            Some(BurnRate {
                window_s,
                start_s: worst.start_s,
                rate: failed_share(worst.value) / allowed_share,
            })
        });
        Some(Self {
            name: slo.name.clone(),
            scope: slo.scope.clone(),
            allowed_share,
            requests,
            failures,
            burn_rates: burn_rates.collect(),
        })
    }

    /// How many requests may fail; a fraction of one, too.
    pub fn allowed_failures(&self) -> f64 {
        self.allowed_share * self.requests as f64
    }

    /// The share of the budget that is spent, above 1 if it is more than all of it.
    pub fn burnt_share(&self) -> f64 {
        self.failures as f64 / self.allowed_failures()
    }

    /// The name after that of the endpoint, as in `list invoices: error_rate`.
    pub fn full_name(&self) -> String {
        match &self.scope {
            SloScope::Total => self.name.clone(),
            SloScope::Endpoint(endpoint) => format!("{endpoint}: {}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Cell, Interval, fixture};

    #[test]
    fn a_budget_is_spent_by_failures_and_fastest_in_the_worst_minute() {
        let outcomes: &[(Outcome, u64, u64)] =
            &[(Outcome::Ok, 1_000, 199), (Outcome::Http5xx, 1_000, 1)];
        let mut result = fixture::run(&[("a", outcomes)]);
        result.run.slos = vec![
            fixture::slo("error_rate", Metric::ErrorRate, 0.01),
            fixture::slo("availability", Metric::Availability, 0.999),
            fixture::slo("none", Metric::ErrorRate, 0.0),
        ];
        result.run.slos[2].scope = SloScope::Endpoint("a".into());
        let budgets = ErrorBudget::all(&result);
        assert_eq!(budgets.len(), 2, "one that allows nothing is no budget");
        assert!((budgets[0].burnt_share() - 0.5).abs() < 1e-9);
        assert!((budgets[1].burnt_share() - 5.0).abs() < 1e-9);
        assert_eq!(budgets[0].burn_rates, [], "less than a minute was measured");
        // A budget on the same requests is no further one, and one where there is no SLO has its own.
        let mut with_budget = result.clone();
        let budget = |scope| Slo {
            budget: true,
            scope,
            ..fixture::slo("budget", Metric::ErrorRate, 0.1)
        };
        let scopes = [SloScope::Total, SloScope::Endpoint("a".into())];
        with_budget.run.slos.splice(0..0, scopes.map(budget));
        with_budget.run.slos.truncate(4);
        let names = ErrorBudget::all(&with_budget).into_iter();
        let names: Vec<String> = names.map(|budget| budget.full_name()).collect();
        assert_eq!(names, ["error_rate", "availability", "a: budget"]);
        // 100 s with a request each, of which the last but one fails.
        let start_us = result.run.phases[1].start_us;
        result.run.phases[1].end_us = start_us + 100_000_000;
        result.run.ending.as_mut().unwrap().stopped_at_us = start_us + 100_000_000;
        let second = |second| {
            let outcome = match second {
                98 => Outcome::Http5xx,
                _ => Outcome::Ok,
            };
            let mut cell = Cell::default();
            cell.outcomes.insert(outcome, 1);
            Interval {
                phase: 1,
                second,
                cells: vec![(0, cell)],
            }
        };
        result.timeline = (0..100).map(second).collect();
        let [rate] = ErrorBudget::all(&result)[0].burn_rates[..] else {
            panic!()
        };
        assert_eq!(rate.start_s, start_us as f64 / 1e6 + 39.0);
        assert!((rate.rate - 1.0 / 60.0 / 0.01).abs() < 1e-9);
    }
}
