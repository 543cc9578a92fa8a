//! Which verdict follows from what, and in which order reasons come.

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
fn a_run_whose_load_was_changed_by_hand_is_not_judged() {
    for failures in [FAILURES, &[(Outcome::Ok, 1_000, 100)]] {
        let mut result = fixture::run(&[("a", failures)]);
        result.run.slos = vec![fixture::slo("error_rate", Metric::ErrorRate, 0.001)];
        result.run.adjustments = vec![crate::metrics::Adjustment {
            at_us: 3_000_000,
            users: 2,
            ..crate::metrics::Adjustment::NONE
        }];
        let tolerant = Policy {
            tolerates_doubt: true,
            ..Policy::default()
        };
        assert_eq!(judge(&result, tolerant), (Verdict::Inconclusive, 3));
        let grading = Grading::of(&result, None, &Policy::default());
        assert_eq!((grading.score, grading.letter), (None, None));
        assert_eq!(
            grading.reasons,
            [
                "not judged, since the load was changed by hand: 2 users more than planned from 3s on"
            ]
        );
        // Not even where limits of the scenario end it.
        result.run.ending.as_mut().unwrap().aborted = Some("error_rate above 1% for 2s".into());
        assert_eq!(
            judge(&result, Policy::default()),
            (Verdict::Inconclusive, 3)
        );
    }
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
fn an_aborted_run_fails_for_that_first_and_has_no_grade() {
    let of = |requests: fixture::Requests<'_>, policy: Policy| {
        let mut result = fixture::run(&[("a", requests)]);
        let ending = result.run.ending.as_mut().unwrap();
        ending.stopped_at_us = 7_090_000;
        ending.aborted = Some("error_rate above 20% for 10s".to_owned());
        result.run.slos = vec![fixture::slo("error_rate", Metric::ErrorRate, 0.001)];
        assert!(!result.is_finished());
        let grading = Grading::of(&result, None, &policy);
        assert_eq!((grading.score, grading.letter), (None, None));
        let aborted = "aborted after 7s of 12s: error_rate above 20% for 10s".to_owned();
        let found = grading.reasons.iter().filter(|reason| **reason == aborted);
        assert_eq!(found.count(), 1, "{:?}", grading.reasons);
        if grading.verdict == Verdict::Fail {
            assert_eq!(grading.reasons[0], aborted);
        }
        (grading.verdict, grading.exit.code())
    };
    let default = Policy::default();
    for requests in [FAILURES, &[(Outcome::Ok, 10, 9)], &[]] {
        assert_eq!(of(requests, default), (Verdict::Fail, 1));
        let expected = (Verdict::Inconclusive, 3);
        assert_eq!(of(requests, fail_on("none")), expected);
    }
    let local: fixture::Requests<'_> = &[(Outcome::LocalFd, 10, 9)];
    assert_eq!(of(local, default), (Verdict::Invalid, 3));
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
        let changes = (&[change(finding)][..], false);
        Grading::of_criteria(&result, Vec::new(), changes, &policy).verdict
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
        let grading = Grading::of_criteria(result, Vec::new(), (&[change], false), &policy);
        grading.exit.code()
    };
    let sound = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 10)])]);
    assert_eq!(exit(&sound, Finding::Undecided), 0);
    assert_eq!(exit(&sound, Finding::Regressed), 1);
    assert_eq!(exit(&fixture::run(&[("a", &[])]), Finding::Undecided), 3);
    let invalid = fixture::run(&[("a", &[(Outcome::LocalFd, 10, 3)])]);
    assert_eq!(exit(&invalid, Finding::Undecided), 3);
}
