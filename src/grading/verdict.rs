//! The verdict: passed, failed, inconclusive or INVALID, and its exit code.

use serde::Serialize;

use super::change::{Change, Finding};
use super::criterion::{Criterion, CriterionKind};
use super::policy::Policy;
use crate::error::Exit;
use crate::metrics::{Outcome, RunResult, Window};
use crate::plan::SloScope;
use crate::units::{format_count, format_counted};

/// The verdict on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything required is met.
    Pass,
    /// Something required is not met.
    Fail,
    /// The data cannot decide it.
    Inconclusive,
    /// The load generator was at fault; the numbers say nothing about the service.
    Invalid,
}

impl Verdict {
    /// As reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::Invalid => "INVALID",
        }
    }

    /// Its exit code.
    pub fn exit(self) -> Exit {
        match self {
            Self::Pass => Exit::Pass,
            Self::Fail => Exit::Failed,
            Self::Inconclusive | Self::Invalid => Exit::Inconclusive,
        }
    }
}

/// The verdict and its reasons. The worst verdict wins; INVALID comes before all others.
pub(super) fn of(
    result: &RunResult,
    invalid: Vec<String>,
    criteria: &[Criterion],
    changes: &[Change],
    policy: &Policy,
) -> (Verdict, Vec<String>) {
    if !invalid.is_empty() {
        return (Verdict::Invalid, invalid);
    }
    if is_cut_off(result) {
        let why = "the run was stopped before anything was measured".to_owned();
        return (Verdict::Inconclusive, vec![why]);
    }
    let fail_on = policy.fail_on;
    let failed_requests = result.count(Outcome::is_failure);
    let mut failures: Vec<String> = criteria
        .iter()
        .filter(|criterion| criterion.kind == CriterionKind::Slo && fail_on.slo)
        .filter(|criterion| !criterion.met && !criterion.advisory)
        .map(describe_miss)
        .collect();
    // Endpoints before the total: they are more specific.
    let of = |finding| {
        let is_total = |change: &&Change| change.scope == SloScope::Total;
        let found = || {
            changes
                .iter()
                .filter(move |change| change.finding == finding)
        };
        let endpoints = found().filter(move |change| !is_total(change));
        let all = endpoints.chain(found().filter(is_total));
        all.filter(|_| fail_on.regression)
            .map(|change| change.sentence.clone())
    };
    failures.extend(of(Finding::Regressed));
    if fail_on.errors && failed_requests > 0 {
        failures.push(format!(
            "{} failed",
            format_counted(failed_requests, "request")
        ));
    }
    if !failures.is_empty() {
        return (Verdict::Fail, failures);
    }
    let mut open = doubts(result);
    open.extend(of(Finding::Undecided));
    if !open.is_empty() {
        return (Verdict::Inconclusive, open);
    }
    let reasons = match criteria {
        [] => vec!["no SLOs defined, and no baseline given".into()],
        _ => Vec::new(),
    };
    (Verdict::Pass, reasons)
}

/// Whether a signal, or the end of perfctl itself, came before the first measured request: the SLOs
/// then do not apply to the run.
pub(super) fn is_cut_off(result: &RunResult) -> bool {
    !result.is_finished() && result.summary(None, Window::Measured).requests == 0
}

/// Why the run is inconclusive by itself, whatever the criteria.
pub(super) fn doubts(result: &RunResult) -> Vec<String> {
    let mut open = Vec::new();
    if result.summary(None, Window::Measured).requests == 0 {
        open.push("no request was measured".to_owned());
    }
    match result.run.ending.as_ref().map(|ending| ending.signal) {
        Some(None) => {}
        Some(Some(_)) => open.push("the run was stopped early".into()),
        None => {
            open.push("perfctl was killed during the run; the last second may be missing".into())
        }
    }
    if let Some((dropped, planned)) = result.undelivered() {
        open.push(format!(
            "the load was not delivered: {} of {} dropped",
            format_count(dropped),
            format_counted(planned, "arrival")
        ));
    }
    open
}

fn describe_miss(criterion: &Criterion) -> String {
    let Criterion { metric, limit, .. } = criterion;
    let name = criterion.full_name();
    match criterion.value {
        None => format!("{name}: no data"),
        Some(value) => {
            let [value, limit] = metric.format_apart(value, *limit);
            format!("{name} is {value}, the limit is {limit}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grading::{FailOn, Grading};
    use crate::metrics::fixture;
    use crate::plan::Metric;

    const FAILURES: &[(Outcome, u64, u64)] = &[(Outcome::Ok, 1_000, 99), (Outcome::Http5xx, 10, 1)];

    fn judge(result: &RunResult, policy: Policy) -> (Verdict, u8) {
        let grading = Grading::of(result, None, &policy);
        (grading.verdict, grading.exit.code())
    }

    fn fail_on(text: &str) -> Policy {
        Policy {
            fail_on: FailOn::parse(text).unwrap(),
            ..Policy::default()
        }
    }

    #[test]
    fn a_missed_slo_fails_unless_it_is_advisory_or_not_in_fail_on() {
        let mut result = fixture::run(&[("a", FAILURES)]);
        result.run.slos = vec![fixture::slo("error_rate", Metric::ErrorRate, 0.001)];
        assert_eq!(judge(&result, Policy::default()), (Verdict::Fail, 1));
        assert_eq!(judge(&result, fail_on("regression")), (Verdict::Pass, 0));
        result.run.slos[0].advisory = true;
        assert_eq!(judge(&result, Policy::default()), (Verdict::Pass, 0));
    }

    #[test]
    fn errors_fail_if_requested_and_can_have_their_own_exit_code() {
        let result = fixture::run(&[("a", FAILURES)]);
        assert_eq!(judge(&result, Policy::default()), (Verdict::Pass, 0));
        assert_eq!(judge(&result, fail_on("errors")), (Verdict::Fail, 1));
        let policy = Policy {
            code_on_error: Some(7),
            ..Policy::default()
        };
        assert_eq!(judge(&result, policy), (Verdict::Pass, 7));
        let clean = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 10)])]);
        assert_eq!(judge(&clean, policy), (Verdict::Pass, 0));
        assert_eq!(judge(&clean, fail_on("errors")), (Verdict::Pass, 0));
    }

    #[test]
    fn no_data_fails_an_slo_and_is_inconclusive_without_one() {
        let mut result = fixture::run(&[("a", &[])]);
        assert_eq!(
            judge(&result, Policy::default()),
            (Verdict::Inconclusive, 3)
        );
        result.run.slos = vec![fixture::slo("error_rate", Metric::ErrorRate, 0.01)];
        let grading = Grading::of(&result, None, &Policy::default());
        assert_eq!(grading.verdict, Verdict::Fail);
        assert_eq!(grading.reasons, ["error_rate: no data"]);
        assert_eq!(grading.score, Some(0.0));
    }

    #[test]
    fn a_load_that_was_not_delivered_never_passes() {
        let few = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 990), (Outcome::Dropped, 0, 10)])]);
        assert_eq!(judge(&few, Policy::default()), (Verdict::Pass, 0));
        let many = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 989), (Outcome::Dropped, 0, 11)])]);
        assert_eq!(judge(&many, Policy::default()), (Verdict::Inconclusive, 3));
    }

    #[test]
    fn a_run_stopped_before_its_first_measured_request_missed_no_slo() {
        let mut result = fixture::run(&[("a", &[])]);
        result.run.slos = vec![fixture::slo("error_rate", Metric::ErrorRate, 0.01)];
        let grade = |result: &RunResult| Grading::of(result, None, &Policy::default());
        assert_eq!(grade(&result).verdict, Verdict::Fail, "it ran to its end");
        result.run.ending.as_mut().unwrap().signal = Some(2);
        let cut_off = grade(&result);
        assert_eq!(
            (cut_off.verdict, cut_off.score),
            (Verdict::Inconclusive, None)
        );
    }

    #[test]
    fn invalid_comes_before_fail_and_signals_before_all() {
        let mut result = fixture::run(&[("a", &[(Outcome::LocalFd, 10, 3)])]);
        result.run.slos = vec![fixture::slo("error_rate", Metric::ErrorRate, 0.01)];
        assert_eq!(judge(&result, Policy::default()), (Verdict::Invalid, 3));
        for (signal, code) in [(1, 129), (2, 130), (3, 131), (15, 143)] {
            result.run.ending.as_mut().unwrap().signal = Some(signal);
            assert_eq!(judge(&result, Policy::default()).1, code);
        }
    }

    #[test]
    fn a_run_that_was_cut_short_never_passes() {
        let mut result = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 10)])]);
        result.run.ending.as_mut().unwrap().signal = Some(2);
        assert_eq!(judge(&result, Policy::default()).0, Verdict::Inconclusive);
        result.run.ending = None;
        assert_eq!(
            judge(&result, Policy::default()),
            (Verdict::Inconclusive, 3)
        );
    }

    #[test]
    fn an_undecided_change_is_no_pass() {
        let result = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 10)])]);
        let change = |finding| Change {
            scope: SloScope::Total,
            metric: Metric::ErrorRate,
            reference: 0.0,
            value: 0.0,
            finding,
            sentence: "error_rate: inconclusive".into(),
        };
        let verdict =
            |finding, policy| Grading::of_changes(&result, &[change(finding)], &policy).verdict;
        assert_eq!(
            verdict(Finding::Undecided, Policy::default()),
            Verdict::Inconclusive
        );
        assert_eq!(verdict(Finding::Undecided, fail_on("slo")), Verdict::Pass);
        assert_eq!(
            verdict(Finding::Unchanged, Policy::default()),
            Verdict::Pass
        );
        assert_eq!(
            verdict(Finding::Regressed, Policy::default()),
            Verdict::Fail
        );
    }

    #[test]
    fn only_doubt_about_the_baseline_can_be_tolerated() {
        let policy = Policy {
            tolerates_doubt: true,
            ..Policy::default()
        };
        let exit = |result: &RunResult, finding| {
            let change = Change {
                scope: SloScope::Total,
                metric: Metric::ErrorRate,
                reference: 0.0,
                value: 0.0,
                finding,
                sentence: String::new(),
            };
            let grading = Grading::of_changes(result, &[change], &policy);
            grading.exit.code()
        };
        let sound = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 10)])]);
        assert_eq!(exit(&sound, Finding::Undecided), 0);
        assert_eq!(exit(&sound, Finding::Regressed), 1);
        assert_eq!(exit(&fixture::run(&[("a", &[])]), Finding::Undecided), 3);
        let invalid = fixture::run(&[("a", &[(Outcome::LocalFd, 10, 3)])]);
        assert_eq!(exit(&invalid, Finding::Undecided), 3);
    }
}
