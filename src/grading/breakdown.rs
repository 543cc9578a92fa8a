//! Runs that have nothing to grade: nothing was measured, or next to nothing succeeded. In one phrase,
//! with the cause.
//!
//! Not here: what verdict follows (`verdict`).

use std::cmp::Reverse;

use super::criterion::{Criterion, CriterionKind};
use super::flow_failures;
use crate::metrics::{Cell, EndpointResult, Outcome, RunResult, Window};
use crate::plan::Model;
use crate::units::{format_count, format_counted};

/// Why a run has nothing to grade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Breakdown {
    /// For people, with the cause.
    pub(super) text: String,
    /// What is missing.
    pub(super) kind: BreakdownKind,
}

/// What a run lacks to be graded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BreakdownKind {
    /// No request was measured, because others failed before.
    NothingAfterFailures,
    /// No request was measured, for another reason.
    Nothing,
    /// Requests were measured, but all of them failed, or all flows did, or most requests did and no
    /// SLO says how many may.
    Failures,
}

/// Why the run has nothing to grade by these criteria, if so.
pub(super) fn of(result: &RunResult, criteria: &[Criterion]) -> Option<Breakdown> {
    let measured = result.cell(None, Window::Measured);
    if measured.count(Outcome::is_started) == 0 {
        return Some(nothing_measured(result));
    }
    let succeeded = measured.count(|outcome| outcome == Outcome::Ok);
    let failed = measured.count(Outcome::is_failure);
    let limits_failures = criteria
        .iter()
        .any(|criterion| criterion.kind == CriterionKind::Slo && criterion.metric.is_of_failures());
    let what = if failed > 0 && succeeded == 0 {
        match failed {
            1 => "the only request failed".to_owned(),
            failed => format!("all {} failed", format_counted(failed, "request")),
        }
    } else if let Some(flows) = failed_flows(result) {
        match flows {
            1 => "the only flow failed".to_owned(),
            flows => format!("all {} failed", format_counted(flows, "flow")),
        }
    } else if failed > succeeded && !limits_failures {
        format!(
            "{} of {} failed",
            format_count(failed),
            format_counted(failed + succeeded, "request")
        )
    } else {
        return None;
    };
    let own = || {
        let flows = flow_failures::unlimited(result).into_iter();
        flows
            .max_by_key(|flow| flow.count)
            .map(|flow| format!("{}: {}", flow.flow, flow.cause()))
    };
    Some(Breakdown {
        text: with_cause(&what, cause(result, Window::Measured).or_else(own)),
        kind: BreakdownKind::Failures,
    })
}

fn nothing_measured(result: &RunResult) -> Breakdown {
    let failed_starts = result.run.failed_starts();
    let count = |wanted: Outcome| result.count(|outcome| outcome == wanted);
    let all: Vec<usize> = (0..result.run.phases.len()).collect();
    let failure = worst(result, Window::Phases(&all));
    let cause = if let Some(failure) = &failure {
        let is_start = failed_starts > 0 && result.run.load.model == Model::Closed;
        let users = format_counted(
            failed_starts.max(result.run.load.peak().ceil() as u64),
            "user",
        );
        let share = match is_start {
            true => format!("{} of {users}", format_count(failed_starts)),
            false => failure.share(),
        };
        Some(format!("{} ({share})", failure.text()))
    } else if let Some(cause) = result.causes_of_failed_starts().first() {
        Some(format!("`on_start` failed for {cause}"))
    } else if count(Outcome::Dropped) > 0 {
        let dropped = format_counted(count(Outcome::Dropped), "arrival");
        Some(format!("{dropped} dropped"))
    } else if count(Outcome::DataExhausted) > 0 {
        Some("there was no more data".to_owned())
    } else if result.count(Outcome::is_started) > 0 {
        Some("all requests belong to the ramp or the warm-up".to_owned())
    } else {
        Some("no request was sent".to_owned())
    };
    Breakdown {
        text: with_cause("nothing measured", cause),
        kind: match failure.is_some() || failed_starts > 0 {
            true => BreakdownKind::NothingAfterFailures,
            false => BreakdownKind::Nothing,
        },
    }
}

fn with_cause(what: &str, cause: Option<String>) -> String {
    match cause {
        Some(cause) => format!("{what}: {cause}"),
        None => what.to_owned(),
    }
}

/// How many flows failed, if none succeeded.
fn failed_flows(result: &RunResult) -> Option<u64> {
    let positions = 0..result.endpoints.len();
    let flows = positions.filter(|&position| result.endpoints[position].endpoint.is_flow);
    let mut all = Cell::default();
    flows.for_each(|position| all.merge(&result.cell(Some(position), Window::Measured)));
    let failed = all.count(Outcome::is_failure);
    (failed > 0 && all.count(|outcome| outcome == Outcome::Ok) == 0).then_some(failed)
}

/// The most frequent failure of an endpoint, as `log in: status 401 (20 of 20 requests)`.
pub(super) fn cause(result: &RunResult, window: Window<'_>) -> Option<String> {
    let failure = worst(result, window)?;
    Some(format!("{} ({})", failure.text(), failure.share()))
}

/// The failures of one endpoint with one outcome.
struct CommonFailure<'a> {
    endpoint: &'a EndpointResult,
    outcome: Outcome,
    count: u64,
    /// Requests of the endpoint.
    requests: u64,
}

impl CommonFailure<'_> {
    /// `log in: status 401`.
    fn text(&self) -> String {
        let phases = self.endpoint.phases.iter();
        let mut examples = phases.filter_map(|cell| cell.failure_counts.example(self.outcome));
        let example = examples.find_map(|text| text.lines().next());
        let what = example.unwrap_or(self.outcome.name());
        format!("{}: {what}", self.endpoint.endpoint.name)
    }

    /// `20 of 20`.
    fn share(&self) -> String {
        let requests = format_counted(self.requests, "request");
        format!("{} of {requests}", format_count(self.count))
    }
}

/// The most frequent failure of an endpoint.
fn worst<'a>(result: &'a RunResult, window: Window<'_>) -> Option<CommonFailure<'a>> {
    let endpoints = result.endpoints.iter().enumerate();
    let requests = endpoints.filter(|(_, endpoint)| !endpoint.endpoint.is_flow);
    let failures = requests.flat_map(|(position, endpoint)| {
        let cell = result.cell(Some(position), window);
        let requests = cell.count(Outcome::is_started);
        let outcomes = Outcome::ALL.into_iter().filter(|o| o.is_failure());
        outcomes.map(move |outcome| CommonFailure {
            endpoint,
            outcome,
            count: cell.count(|other| other == outcome),
            requests,
        })
    });
    let failures = failures.filter(|failure| failure.count > 0);
    // Of equals the first, which is the earlier step.
    failures.min_by_key(|failure| Reverse(failure.count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::FailureCount;
    use crate::metrics::{Starts, fixture};
    use crate::plan::Metric;

    fn text(result: &RunResult) -> Option<String> {
        of(result, &[]).map(|breakdown| breakdown.text)
    }

    #[test]
    fn the_cause_is_the_most_frequent_failure() {
        let all = fixture::run(&[
            ("list", &[(Outcome::Http4xx, 1_000, 30)]),
            (
                "pay",
                &[(Outcome::Http5xx, 1_000, 70), (Outcome::Reset, 1_000, 3)],
            ),
        ]);
        let wanted = "all 103 requests failed: pay: an example of http_5xx (70 of 73 requests)";
        assert_eq!(text(&all).as_deref(), Some(wanted));
        let one = fixture::run(&[("pay", &[(Outcome::Reset, 1_000, 1)])]);
        let wanted = "the only request failed: pay: an example of reset (1 of 1 request)";
        assert_eq!(text(&one).as_deref(), Some(wanted));
    }

    #[test]
    fn most_requests_failing_is_a_breakdown_unless_an_slo_limits_it() {
        let run = |failed| {
            fixture::run(&[(
                "a",
                &[(Outcome::Ok, 1_000, 50), (Outcome::Http5xx, 10, failed)],
            )])
        };
        assert_eq!(text(&run(50)), None, "half of them");
        let most = run(51);
        let found = text(&most).unwrap();
        assert!(
            found.starts_with("51 of 101 requests failed: a: "),
            "{found}"
        );
        for (metric, limits) in [
            (Metric::ErrorRate, true),
            (Metric::Availability, true),
            (Metric::Throughput, false),
        ] {
            let mut graded = most.clone();
            graded.run.slos = vec![fixture::slo("limit", metric, 0.9)];
            let criteria = crate::grading::criterion::slo_criteria(&graded, None);
            assert_eq!(of(&graded, &criteria).is_none(), limits);
        }
    }

    #[test]
    fn flows_that_all_fail_are_a_breakdown_although_most_requests_succeed() {
        let run = |ok| {
            let mut result = fixture::run(&[
                ("list", &[(Outcome::Ok, 1_000, 300)]),
                ("pay", &[(Outcome::Http4xx, 1_000, 100)]),
                (
                    "buy",
                    &[(Outcome::Http4xx, 1_000, 100), (Outcome::Ok, 1_000, ok)],
                ),
            ]);
            result.run.endpoints[2].is_flow = true;
            result.endpoints[2].endpoint.is_flow = true;
            result
        };
        let wanted = "all 100 flows failed: pay: an example of http_4xx (100 of 100 requests)";
        assert_eq!(text(&run(0)).as_deref(), Some(wanted));
        assert_eq!(text(&run(1)), None);
    }

    #[test]
    fn nothing_measured_names_what_came_before() {
        let mut result = fixture::run(&[("log in", &[])]);
        let found = of(&result, &[]).unwrap();
        assert_eq!(found.text, "nothing measured: no request was sent");
        assert_eq!(found.kind, BreakdownKind::Nothing);
        let ramp = &mut result.endpoints[0].phases[0];
        ramp.outcomes.insert(Outcome::Http4xx, 5);
        ramp.failure_counts.add(FailureCount {
            outcome: Outcome::Http4xx,
            status: Some(401),
            key: None,
            check: None,
            count: 5,
            example: Some("status 401\nmore".into()),
            excerpt: None,
        });
        let found = of(&result, &[]).unwrap();
        assert_eq!(
            found.text,
            "nothing measured: log in: status 401 (5 of 5 requests)"
        );
        assert_eq!(found.kind, BreakdownKind::NothingAfterFailures);
        let starts = Starts {
            ended: 5,
            failed: 5,
            failed_measured: 0,
            why: Some("no account".to_owned()),
        };
        result.run.starts = [("shopper".to_owned(), starts)].into();
        let found = text(&result).unwrap();
        assert_eq!(found, "nothing measured: log in: status 401 (5 of 5 users)");
        let ramp = &mut result.endpoints[0].phases[0];
        ramp.outcomes = [(Outcome::Dropped, 4)].into();
        assert_eq!(
            text(&result).unwrap(),
            "nothing measured: `on_start` failed for shopper: 5 of 5, the first: no account"
        );
        result.run.starts.clear();
        let found = text(&result).unwrap();
        assert_eq!(found, "nothing measured: 4 arrivals dropped");
    }
}
