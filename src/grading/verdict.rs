//! Yes, no, cannot tell, or not to be believed; and the exit code that says so.

use serde::Serialize;

use super::{Change, Criterion, Finding, Kind};
use crate::error::Exit;
use crate::metrics::{Outcome, RunResult, Window};
use crate::plan::SloScope;
use crate::units::format_count;

/// What is said of a run in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything asked for is kept.
    Pass,
    /// Something asked for is not kept.
    Fail,
    /// The data cannot tell.
    Inconclusive,
    /// The generator was at fault; the numbers say nothing about the target.
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

    /// The exit code that says it.
    pub fn exit(self) -> Exit {
        match self {
            Self::Pass => Exit::Pass,
            Self::Fail => Exit::Failed,
            Self::Inconclusive | Self::Invalid => Exit::Inconclusive,
        }
    }
}

/// What makes a run fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailOn {
    /// An SLO that is missed and not advisory.
    pub slo: bool,
    /// A regression against the baseline.
    pub regression: bool,
    /// Any failed request, in any phase.
    pub errors: bool,
}

impl FailOn {
    /// Parses `slo,regression,errors`, in any order and number; `none` is nothing.
    ///
    /// # Errors
    /// A phrase that says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut fail_on = Self {
            slo: false,
            regression: false,
            errors: false,
        };
        for word in text.split(',').map(str::trim) {
            match word {
                "slo" => fail_on.slo = true,
                "regression" => fail_on.regression = true,
                "errors" => fail_on.errors = true,
                "none" => {}
                _ => {
                    return Err(format!(
                        "`{word}` is not allowed: write `slo`, `regression` and `errors`, separated by commas, or `none`"
                    ));
                }
            }
        }
        Ok(fail_on)
    }
}

impl Default for FailOn {
    fn default() -> Self {
        Self {
            slo: true,
            regression: true,
            errors: false,
        }
    }
}

/// How a grade becomes a verdict and an exit code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// What makes a run fail.
    pub fail_on: FailOn,
    /// The exit code of a run that passes though requests failed (`--exit-code-on-error`).
    pub code_on_error: Option<u8>,
    /// Whether a comparison that cannot tell is let through (`--inconclusive=warn`).
    pub tolerates_doubt: bool,
}

/// The verdict and why. The worst that can be said is said; INVALID comes before everything.
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
        let why = "the run was cut off before anything was measured".to_owned();
        return (Verdict::Inconclusive, vec![why]);
    }
    let fail_on = policy.fail_on;
    let failed_requests = result.count(Outcome::is_failure);
    let mut failures: Vec<String> = criteria
        .iter()
        .filter(|criterion| criterion.kind == Kind::Slo && fail_on.slo)
        .filter(|criterion| !criterion.met && !criterion.advisory)
        .map(describe_miss)
        .collect();
    // Endpoints before their sum: they say more.
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
        failures.push(match failed_requests {
            1 => "1 request failed".into(),
            n => format!("{} requests failed", format_count(n)),
        });
    }
    if !failures.is_empty() {
        return (Verdict::Fail, failures);
    }
    let mut open = open_questions(result);
    open.extend(of(Finding::Open));
    if !open.is_empty() {
        return (Verdict::Inconclusive, open);
    }
    let reasons = match criteria {
        [] => vec!["nothing was asked: there is no SLO and no baseline".into()],
        _ => Vec::new(),
    };
    (Verdict::Pass, reasons)
}

/// Whether a signal, or the end of perfctl itself, came before the first measured request: the
/// targets then say nothing of the run, and are not missed by it.
pub(super) fn is_cut_off(result: &RunResult) -> bool {
    !result.is_finished() && result.summary(None, Window::Measured).requests == 0
}

/// What the run itself leaves open.
fn open_questions(result: &RunResult) -> Vec<String> {
    let mut open = Vec::new();
    if result.summary(None, Window::Measured).requests == 0 {
        open.push("no request was measured".to_owned());
    }
    match result.run.ending.as_ref().map(|ending| ending.signal) {
        Some(None) => {}
        Some(Some(_)) => open.push("the run was stopped before its end".into()),
        None => open.push("perfctl was killed during the run; its last second may be lost".into()),
    }
    if let Some((dropped, planned)) = result.undelivered() {
        open.push(format!(
            "the load was not delivered: {} of {} arrivals found no free virtual user",
            format_count(dropped),
            format_count(planned)
        ));
    }
    open
}

fn describe_miss(criterion: &Criterion) -> String {
    let Criterion { metric, limit, .. } = criterion;
    let name = criterion.full_name();
    match criterion.value {
        None => format!("{name}: no data"),
        Some(value) => format!(
            "{name} is {}, the target is {}",
            metric.format(value),
            metric.format(*limit)
        ),
    }
}

/// The exit code of the verdict, whatever ended the run.
pub(super) fn judged_exit(verdict: Verdict, result: &RunResult, policy: &Policy) -> Exit {
    // A run that leaves something open itself is not let through: nothing measured is no pass.
    let tolerated = policy.tolerates_doubt && open_questions(result).is_empty();
    match verdict {
        Verdict::Inconclusive if tolerated => Exit::Pass,
        verdict => verdict.exit(),
    }
}

/// The exit code of the run. A signal wins over the verdict, since the caller knows that it
/// sent one; the report was written all the same.
pub(super) fn exit(verdict: Verdict, result: &RunResult, policy: &Policy) -> Exit {
    match result.run.ending.as_ref().and_then(|ending| ending.signal) {
        Some(15) => return Exit::Terminated,
        Some(_) => return Exit::Interrupted,
        None => {}
    }
    match (judged_exit(verdict, result, policy), policy.code_on_error) {
        (Exit::Pass, Some(code)) if result.count(Outcome::is_failure) > 0 => Exit::Custom(code),
        (exit, _) => exit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grading::Grading;
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
    fn a_missed_target_fails_unless_it_is_advisory_or_not_asked_about() {
        let mut result = fixture::run(&[("a", FAILURES)]);
        result.run.slos = vec![fixture::slo("error_rate", Metric::ErrorRate, 0.001)];
        assert_eq!(judge(&result, Policy::default()), (Verdict::Fail, 1));
        assert_eq!(judge(&result, fail_on("regression")), (Verdict::Pass, 0));
        result.run.slos[0].advisory = true;
        assert_eq!(judge(&result, Policy::default()), (Verdict::Pass, 0));
    }

    #[test]
    fn errors_fail_when_asked_and_can_have_a_code_of_their_own() {
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
    }

    #[test]
    fn no_data_fails_a_target_and_is_inconclusive_without_one() {
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
    fn a_run_cut_off_before_its_first_measured_request_missed_no_target() {
        let mut result = fixture::run(&[("a", &[])]);
        result.run.slos = vec![fixture::slo("error_rate", Metric::ErrorRate, 0.01)];
        let grade = |result: &RunResult| Grading::of(result, None, &Policy::default());
        assert_eq!(
            grade(&result).verdict,
            Verdict::Fail,
            "it went on to its end"
        );
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
        for (signal, code) in [(2, 130), (15, 143)] {
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
    fn an_open_question_about_the_baseline_is_no_pass() {
        let result = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 10)])]);
        let change = |finding| Change {
            scope: SloScope::Total,
            metric: Metric::ErrorRate,
            reference: 0.0,
            value: 0.0,
            finding,
            sentence: "error_rate: cannot tell".into(),
        };
        let verdict =
            |finding, policy| Grading::of_changes(&result, &[change(finding)], &policy).verdict;
        assert_eq!(
            verdict(Finding::Open, Policy::default()),
            Verdict::Inconclusive
        );
        assert_eq!(verdict(Finding::Open, fail_on("slo")), Verdict::Pass);
        assert_eq!(verdict(Finding::Held, Policy::default()), Verdict::Pass);
        assert_eq!(
            verdict(Finding::Regressed, Policy::default()),
            Verdict::Fail
        );
    }

    #[test]
    fn doubt_about_the_baseline_can_be_let_through_but_no_other() {
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
        assert_eq!(exit(&sound, Finding::Open), 0);
        assert_eq!(exit(&sound, Finding::Regressed), 1);
        assert_eq!(exit(&fixture::run(&[("a", &[])]), Finding::Open), 3);
        let invalid = fixture::run(&[("a", &[(Outcome::LocalFd, 10, 3)])]);
        assert_eq!(exit(&invalid, Finding::Open), 3);
    }

    #[test]
    fn what_may_fail_a_run() {
        assert_eq!(FailOn::parse("slo,regression"), Ok(FailOn::default()));
        assert!(FailOn::parse("errors, slo").unwrap().errors);
        assert!(!FailOn::parse("none").unwrap().slo);
        assert!(FailOn::parse("slos").unwrap_err().contains("`slos`"));
    }
}
