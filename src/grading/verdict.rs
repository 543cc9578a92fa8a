//! The verdict: passed, failed, inconclusive or INVALID, and its exit code.

use std::time::Duration;

use super::breakdown::{self, Breakdown, BreakdownKind};
use super::change::{Change, Finding};
use super::criterion::{Criterion, CriterionKind};
use super::flow_failures::{self, FlowFailures};
use super::policy::Policy;
use crate::error::Exit;
use crate::metrics::{Outcome, RunResult, Window};
use crate::plan::SloScope;
use crate::units::{format_counted, format_duration};

/// The verdict on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// What a verdict follows from.
pub(super) struct Evidence<'a> {
    pub(super) result: &'a RunResult,
    /// Why the run is INVALID; empty for a valid one.
    pub(super) invalid: Vec<String>,
    pub(super) criteria: &'a [Criterion],
    pub(super) changes: &'a [Change],
    /// Whether there is a comparison that had too little data for every metric.
    pub(super) judges_nothing: bool,
    /// Why the run has nothing to grade, if so.
    pub(super) breakdown: Option<&'a Breakdown>,
}

/// A verdict and why.
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    /// Most important first.
    pub(super) reasons: Vec<String>,
    /// Whether it fails for nothing but failed requests, which no SLO limits.
    pub(super) is_unasked: bool,
}

impl Judgement {
    fn new(verdict: Verdict, reasons: Vec<String>) -> Self {
        Self {
            verdict,
            reasons,
            is_unasked: false,
        }
    }
}

/// The verdict and its reasons. The worst verdict wins; INVALID comes before all others. That the run
/// was stopped is said in any case.
pub(super) fn of(evidence: Evidence<'_>, policy: &Policy) -> Judgement {
    let stopped = stopped_early(evidence.result);
    let failed_teardown = evidence.result.failed_teardown();
    let is_disturbed = is_disturbed(evidence.result);
    let mut judgement = judge(evidence, policy);
    let fails = policy.fail_on.slo || policy.fail_on.errors;
    if let Some(failed) = failed_teardown.filter(|_| fails) {
        if !is_disturbed && judgement.verdict != Verdict::Invalid {
            judgement.verdict = Verdict::Fail;
        }
        judgement.is_unasked = false;
        judgement.reasons.push(failed);
    }
    if let Some(stopped) = stopped
        && !judgement.reasons.contains(&stopped)
    {
        judgement.reasons.push(stopped);
    }
    judgement
}

fn judge(evidence: Evidence<'_>, policy: &Policy) -> Judgement {
    let Evidence {
        result,
        invalid,
        criteria,
        changes,
        judges_nothing,
        breakdown,
    } = evidence;
    if !invalid.is_empty() {
        return Judgement::new(Verdict::Invalid, invalid);
    }
    if is_disturbed(result) {
        return Judgement::new(Verdict::Inconclusive, doubts(result));
    }
    let fail_on = policy.fail_on;
    let missed: Vec<&Criterion> = criteria
        .iter()
        .filter(|criterion| criterion.kind == CriterionKind::Slo && fail_on.slo)
        .filter(|criterion| criterion.fails())
        .collect();
    let broken = |kinds: &[BreakdownKind]| breakdown.filter(|b| kinds.contains(&b.kind));
    if let Some(nothing) = broken(&[BreakdownKind::Nothing, BreakdownKind::NothingAfterFailures]) {
        let failed = nothing.kind == BreakdownKind::NothingAfterFailures;
        // A run that was stopped before might still have measured something.
        let fails = result.is_finished()
            && (!missed.is_empty() || failed && (fail_on.slo || fail_on.errors));
        let verdict = match fails {
            true => Verdict::Fail,
            false => Verdict::Inconclusive,
        };
        return Judgement::new(verdict, vec![nothing.text.clone()]);
    }
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
    let regressions: Vec<String> = of(Finding::Regressed).collect();
    let failures = broken(&[BreakdownKind::Failures]);
    if let Some(failures) = failures.filter(|_| fail_on.slo || fail_on.errors) {
        // What the failures did to the SLOs says the same again.
        let is_unasked = missed.is_empty() && regressions.is_empty() && !fail_on.errors;
        return Judgement {
            is_unasked,
            ..Judgement::new(Verdict::Fail, vec![failures.text.clone()])
        };
    }
    let mut reasons: Vec<String> = missed.iter().map(|miss| describe_miss(miss)).collect();
    // The first limit on failures that is missed says what they mostly are, and so does that of each flow.
    let mut causes = None;
    let limits = missed.iter().zip(&mut reasons);
    for (miss, reason) in limits.filter(|(miss, _)| miss.metric.is_of_failures()) {
        let (flows, of_requests) = causes.get_or_insert_with(|| {
            let of_requests = breakdown::cause(result, Window::Measured);
            (flow_failures::unlimited(result), of_requests)
        });
        let mut flows = flows.iter();
        let flow = flows.find(|flow| miss.scope.endpoint() == Some(flow.flow.as_str()));
        let cause = flow.map(FlowFailures::cause).or_else(|| of_requests.take());
        if let Some(cause) = cause {
            *reason += &format!("; most often {cause}");
        }
    }
    reasons.extend(regressions);
    let failed_requests = result.count(Outcome::is_failure);
    if fail_on.errors && failed_requests > 0 {
        reasons.push(format!(
            "{} failed",
            format_counted(failed_requests, "request")
        ));
    }
    if !reasons.is_empty() {
        return Judgement::new(Verdict::Fail, reasons);
    }
    let mut open = doubts(result);
    open.extend(of(Finding::Undecided));
    if judges_nothing && fail_on.regression {
        open.push("the comparison has too little data to judge any metric".into());
    }
    if !open.is_empty() {
        return Judgement::new(Verdict::Inconclusive, open);
    }
    let reasons = match (failures, criteria) {
        (Some(failures), _) => vec![failures.text.clone()],
        (None, []) => vec!["no SLOs defined, and no baseline given".into()],
        _ => Vec::new(),
    };
    Judgement::new(Verdict::Pass, reasons)
}

/// Why the run is inconclusive by itself, whatever the criteria.
pub(super) fn doubts(result: &RunResult) -> Vec<String> {
    let mut open = Vec::new();
    if is_disturbed(result) {
        let text =
            "not judged, since printing requests and responses (--debug) disturbs the numbers";
        open.push(text.to_owned());
    }
    if result.summary(None, Window::Measured).requests == 0 {
        open.push("no request was measured".to_owned());
    }
    open.extend(stopped_early(result));
    if let Some(missing) = result.undelivered() {
        open.push(format!("the load was not delivered: {missing}"));
    }
    open
}

/// Whether the numbers are those of a trial that was printed. A quick look has no verdict anyway.
fn is_disturbed(result: &RunResult) -> bool {
    result.run.debug && !result.run.quick_look
}

/// That the run ended before its time, if so: `stopped after 7s of 20s`.
fn stopped_early(result: &RunResult) -> Option<String> {
    let Some(ending) = &result.run.ending else {
        let text = "perfctl was killed during the run; the last second may be missing";
        return Some(text.into());
    };
    ending.signal?;
    Some(format!("stopped {}", result.stopped_after()?))
}

fn describe_miss(criterion: &Criterion) -> String {
    let Criterion { metric, limit, .. } = criterion;
    let name = criterion.full_name();
    let (limit, what) = match criterion.critical {
        Some(critical) => (critical, "critical limit"),
        None => (*limit, "limit"),
    };
    match (criterion.value, &criterion.missing) {
        (None, None) => format!("{name}: no data"),
        (None, Some(reason)) => format!("{name}: no data: {reason}"),
        (Some(value), _) => {
            let [value, limit] = metric.format_apart(value, limit);
            let window = criterion.window.filter(|_| !criterion.has_cut_window());
            let window = window.map(|window| {
                let start = Duration::from_secs_f64(window.start_s.max(0.0).round());
                format!(", from {} on,", format_duration(start))
            });
            let window = window.unwrap_or_default();
            format!("{name}{window} is {value}, the {what} is {limit}")
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
        assert_eq!(grading.reasons, ["nothing measured: no request was sent"]);
        assert_eq!((grading.score, grading.letter), (None, None));
        assert_eq!(judge(&result, fail_on("none")), (Verdict::Inconclusive, 3));
    }

    #[test]
    fn a_run_that_was_printed_is_not_judged() {
        let mut result = fixture::run(&[("a", FAILURES)]);
        result.run.slos = vec![fixture::slo("error_rate", Metric::ErrorRate, 0.001)];
        result.run.debug = true;
        let tolerant = Policy {
            tolerates_doubt: true,
            ..Policy::default()
        };
        assert_eq!(judge(&result, tolerant), (Verdict::Inconclusive, 3));
        let grading = Grading::of(&result, None, &tolerant);
        assert_eq!((grading.score, grading.letter), (None, None));
        assert!(grading.reasons[0].contains("--debug"));
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
        assert!(
            cut_off.reasons[1].starts_with("stopped after 12s of "),
            "{:?}",
            cut_off.reasons
        );
    }

    #[test]
    fn nothing_measured_because_of_failures_is_a_failure_without_slos_too() {
        let mut result = fixture::run(&[("log in", &[])]);
        let ramp = &mut result.endpoints[0].phases[0];
        ramp.outcomes.insert(Outcome::Http4xx, 20);
        ramp.failed = crate::metrics::SparseHistogram::of(&mut [1_000; 20]);
        let totals = &mut result.run.ending.as_mut().unwrap().totals;
        (totals.planned, totals.started) = (20, 20);
        let grading = Grading::of(&result, None, &Policy::default());
        assert_eq!(grading.verdict, Verdict::Fail);
        assert!(grading.reasons[0].starts_with("nothing measured: log in: "));
        assert_eq!(judge(&result, fail_on("errors")), (Verdict::Fail, 1));
        assert_eq!(judge(&result, fail_on("none")), (Verdict::Inconclusive, 3));
        let policy = Policy {
            code_on_error: Some(0),
            ..Policy::default()
        };
        assert_eq!(judge(&result, policy), (Verdict::Fail, 1));
    }

    #[test]
    fn a_run_whose_requests_all_failed_fails_without_slos_and_has_no_grade() {
        let mut result = fixture::run(&[("a", &[(Outcome::Http5xx, 10, 30)])]);
        let grade = |result: &RunResult, policy| Grading::of(result, None, &policy);
        let found = grade(&result, Policy::default());
        assert_eq!((found.verdict, found.score), (Verdict::Fail, None));
        assert!(found.reasons[0].starts_with("all 30 requests failed: a: "));
        assert_eq!(grade(&result, fail_on("none")).verdict, Verdict::Pass);
        // As Locust does, if that is asked for; but not if an SLO is missed.
        let policy = Policy {
            code_on_error: Some(7),
            ..Policy::default()
        };
        assert_eq!(judge(&result, policy), (Verdict::Fail, 7));
        result.run.slos = vec![fixture::slo("error_rate", Metric::ErrorRate, 0.01)];
        assert_eq!(judge(&result, policy), (Verdict::Fail, 1));
        let found = grade(&result, Policy::default());
        assert_eq!(found.reasons.len(), 1, "no followers: {:?}", found.reasons);
    }

    #[test]
    fn a_stopped_run_says_so_whatever_its_verdict() {
        let of = |requests: fixture::Requests<'_>| {
            let mut result = fixture::run(&[("a", requests)]);
            let ending = result.run.ending.as_mut().unwrap();
            (ending.signal, ending.stopped_at_us) = (Some(2), 7_090_000);
            result.run.slos = vec![fixture::slo("error_rate", Metric::ErrorRate, 0.001)];
            let grading = Grading::of(&result, None, &Policy::default());
            let stopped = "stopped after 7s of 12s".to_owned();
            assert!(grading.reasons.contains(&stopped), "{:?}", grading.reasons);
            grading.verdict
        };
        assert_eq!(of(FAILURES), Verdict::Fail);
        assert_eq!(of(&[(Outcome::Http5xx, 10, 9)]), Verdict::Fail);
        assert_eq!(of(&[(Outcome::Ok, 10, 9)]), Verdict::Inconclusive);
        assert_eq!(of(&[(Outcome::LocalFd, 10, 9)]), Verdict::Invalid);
        assert_eq!(of(&[]), Verdict::Inconclusive);
    }

    #[test]
    fn only_a_run_that_was_judged_has_a_grade() {
        let mut result = fixture::run(&[("a", FAILURES)]);
        result.run.slos = vec![fixture::slo("error_rate", Metric::ErrorRate, 0.001)];
        let letter = |result: &RunResult| Grading::of(result, None, &Policy::default()).letter;
        assert!(letter(&result).is_some(), "it failed");
        result.run.slos[0].limit = 0.5;
        assert!(letter(&result).is_some(), "it passed");
        result.run.ending.as_mut().unwrap().signal = Some(2);
        assert_eq!(letter(&result), None, "it was stopped");
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
        let verdict = |finding, policy| {
            Grading::of_changes(&result, &[change(finding)], false, &policy).verdict
        };
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
            let grading = Grading::of_changes(result, &[change], false, &policy);
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
