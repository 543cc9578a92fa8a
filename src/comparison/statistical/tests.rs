//! The whole gate over simulated runs: decisions, families of tests, looks, and what is not judged.

use std::time::Duration;

use super::*;
use crate::comparison::{Baseline, Comparison, compare};
use crate::metrics::{Outcome, Tick, fixture};
use crate::plan::{Model, SloScope, Stage};

/// Ten occasions that differ by a few tenths of a percent.
fn baseline() -> Vec<RunResult> {
    (0..10)
        .map(|i| fixture::minute(i, 1.0 + 0.003 * ((i * 7) % 5) as f64))
        .collect()
}

/// This many runs of one occasion, slower by `factor`.
fn candidates(count: usize, factor: f64) -> Vec<RunResult> {
    let mut runs: Vec<RunResult> = (0..count)
        .map(|i| fixture::minute(100 + i, factor))
        .collect();
    runs.iter_mut()
        .for_each(|run| run.run.occasion = Some("candidate".into()));
    runs
}

fn judged(candidates: &[RunResult]) -> Comparison {
    compare(
        &Baseline::of(baseline()),
        candidates,
        &Statistical::default(),
    )
    .unwrap()
}

fn row<'a>(comparison: &'a Comparison, metric: &str) -> &'a Row {
    let endpoint = SloScope::Endpoint("list invoices".into());
    let of = |row: &&Row| row.scope == endpoint && row.metric.to_string() == metric;
    comparison.rows.iter().find(of).unwrap()
}

#[test]
fn rejections_are_those_of_the_vectors() {
    for case in golden::vectors()["bh"].as_array().unwrap() {
        let found = rejected(
            &golden::numbers(&case["p"]),
            case["alpha"].as_f64().unwrap(),
        );
        assert_eq!(serde_json::json!(found), case["reject"]);
    }
    for case in golden::vectors()["gate"].as_array().unwrap() {
        let found = rejected(&golden::numbers(&case["p_regress"]), 0.008);
        assert_eq!(serde_json::json!(found), case["bh_reject"]);
    }
    assert_eq!(
        rejected(&[0.0, 0.5], 0.0),
        [false, false],
        "nothing is spent yet"
    );
    assert!(rejected(&[], 0.008).is_empty());
}

#[test]
fn equal_runs_are_unchanged_after_the_first_look() {
    let found = judged(&candidates(1, 1.006));
    assert_eq!(
        (found.decision, found.next_look),
        (Decision::Unchanged, None)
    );
    let p95 = row(&found, "p95");
    assert!(p95.required && p95.range.is_some() && p95.detectable.unwrap() > 0.05);
    assert_eq!(found.warnings, Vec::<String>::new());
}

#[test]
fn one_slow_run_is_suspect_and_three_are_a_regression() {
    let one = judged(&candidates(1, 1.2));
    assert_eq!(
        (one.decision, one.next_look),
        (Decision::Inconclusive, Some(3))
    );
    let p50 = row(&one, "p50");
    assert!(p50.reason.contains("it looks worse"), "{}", p50.sentence());
    assert!(one.more_runs_help && p50.outlook.may_alarm);
    let step = one.next_step.unwrap();
    assert!(step.contains("would settle it: `--repeat auto`"), "{step}");
    let three = judged(&candidates(3, 1.2));
    assert_eq!(
        (three.decision, three.next_look),
        (Decision::Regressed, None)
    );
    let sentence = row(&three, "p95").sentence();
    assert!(sentence.starts_with("list invoices p95:"), "{sentence}");
    assert!(
        sentence.contains("regressed; minimum detectable change"),
        "{sentence}"
    );
    assert_eq!(judged(&candidates(3, 0.8)).decision, Decision::Improved);
}

#[test]
fn a_small_change_never_fails_a_job() {
    // Nearly five percent in runs that hardly differ is certain, and below the margin.
    let found = judged(&candidates(5, 1.055));
    assert_eq!(found.decision, Decision::Unchanged);
    let strict = Statistical {
        margin: 0.02,
        ..Statistical::default()
    };
    let found = compare(&Baseline::of(baseline()), &candidates(5, 1.055), &strict).unwrap();
    assert_eq!(found.decision, Decision::Regressed);
}

#[test]
fn an_inconclusive_row_says_what_would_settle_it() {
    let noisy: Vec<RunResult> = (0..6)
        .map(|i| fixture::minute(i, [1.0, 1.2, 0.9, 1.1, 0.8, 1.05][i]))
        .collect();
    let found = compare(
        &Baseline::of(noisy),
        &candidates(1, 1.08),
        &Statistical::default(),
    );
    let found = found.unwrap();
    assert_eq!(
        (found.decision, found.next_look),
        (Decision::Inconclusive, Some(3))
    );
    assert_eq!(row(&found, "p50").outlook.runs, None);
    assert!(!found.more_runs_help);
    let step = found.next_step.unwrap();
    assert!(
        step.starts_with("more runs on this occasion would not settle it: `perfctl ab` "),
        "{step}"
    );
    assert!(step.ends_with("use a quieter machine"), "{step}");
    // Similar occasions whose runs differ: more runs of one occasion even them out.
    let uneven: Vec<RunResult> = (0..10)
        .map(|i| {
            let mut run = fixture::minute(i, [0.96, 1.04][i % 2]);
            run.run.occasion = Some(format!("occasion {}", i / 2));
            run
        })
        .collect();
    let found = compare(
        &Baseline::of(uneven),
        &candidates(1, 1.03),
        &Statistical::default(),
    );
    let found = found.unwrap();
    assert!(row(&found, "p50").outlook.runs.is_some());
    let step = found.next_step.unwrap();
    assert!(step.contains("runs would settle it"), "{step}");
}

/// The first week: one baseline run, whose noise nobody knows. No number of runs on one occasion calls
/// an equal build unchanged, so none is made.
#[test]
fn runs_that_cannot_settle_it_are_not_asked_for() {
    let one = Baseline::of(vec![fixture::minute(0, 1.0)]);
    let judged = |factor: f64, runs: usize, caller| {
        let gate = Statistical {
            caller,
            ..Statistical::default()
        };
        compare(&one, &candidates(runs, factor), &gate).unwrap()
    };
    for factor in [1.0, 1.05, 1.12] {
        let found = judged(factor, 1, Caller::Run);
        assert_eq!(found.decision, Decision::Inconclusive, "{factor}");
        assert_eq!(found.next_look, Some(3));
        assert!(!found.more_runs_help, "{factor}");
        // And they would indeed not have helped.
        assert_eq!(
            judged(factor, 5, Caller::Run).decision,
            Decision::Inconclusive
        );
        let step = found.next_step.unwrap();
        assert!(
            step.contains("`perfctl ab`") && step.contains("`perfctl baseline add`"),
            "{step}"
        );
    }
    // A gross change can still be found, and is.
    let gross = judged(1.4, 1, Caller::Run);
    assert!(gross.more_runs_help, "{:?}", gross.next_step);
    assert_eq!(judged(1.4, 5, Caller::Run).decision, Decision::Regressed);
    for (caller, wanted) in [
        (Caller::Run, "`--repeat auto`"),
        (Caller::Report, "`perfctl compare`"),
        (Caller::Compare, "name further runs"),
    ] {
        let step = judged(1.4, 1, caller).next_step.unwrap();
        assert!(step.contains(wanted), "{step}");
    }
}

#[test]
fn a_baseline_of_one_occasion_is_provisional() {
    let one = Baseline::of(vec![fixture::minute(0, 1.0)]);
    let found = compare(&one, &candidates(1, 1.0), &Statistical::default()).unwrap();
    assert!(
        found.warnings[0].contains("provisional"),
        "{:?}",
        found.warnings
    );
    assert_eq!(
        found.decision,
        Decision::Inconclusive,
        "10 % cannot be ruled out by two runs"
    );
    let gross = compare(&one, &candidates(3, 1.5), &Statistical::default()).unwrap();
    assert_eq!(gross.decision, Decision::Regressed);
}

#[test]
fn too_few_requests_are_reported_and_not_judged() {
    let found = judged(&candidates(1, 1.0));
    let p99 = row(&found, "p99");
    assert_eq!(p99.reason, "3,000 requests per run, 10,000 are needed");
    assert!(!p99.required && p99.value.is_some() && p99.range.is_none());
    let silent = found.rows.iter().filter(|row| row.place() == "other");
    assert!(
        silent
            .clone()
            .all(|row| !row.required && row.reason == "no data")
    );
    assert_eq!(silent.count(), 5);
}

#[test]
fn a_mean_of_few_requests_is_not_judged() {
    // 75 of the 3,000 requests.
    let sparse = |number: usize, response_us: u64| {
        fixture::minute_of(number, |i| match i % 40 {
            0 => vec![fixture::sample(0, Outcome::Ok, i * 20_000, response_us)],
            _ => Vec::new(),
        })
    };
    let baseline = (0..5).map(|number| sparse(number, 20_000)).collect();
    let slower: Vec<RunResult> = (5..8).map(|number| sparse(number, 40_000)).collect();
    let found = compare(&Baseline::of(baseline), &slower, &Statistical::default()).unwrap();
    for (metric, needed) in [("mean", "100"), ("p50", "200"), ("p95", "2,000")] {
        let row = row(&found, metric);
        let reason = format!("75 requests per run, {needed} are needed");
        assert_eq!(row.reason, reason, "{metric}");
        assert_eq!(row.decision, Decision::Inconclusive, "{metric}");
        assert!(row.range.is_none(), "{metric}");
    }
}

#[test]
fn failures_are_judged_by_their_share() {
    let failing = |number: usize, every: u64| {
        fixture::minute_of(number, |i| {
            let outcome = if i % every == 7 {
                Outcome::Http5xx
            } else {
                Outcome::Ok
            };
            vec![fixture::sample(0, outcome, i * 20_000, 20_000)]
        })
    };
    let baseline = Baseline::of((0..5).map(|i| failing(i, 1_000)).collect());
    let judge = |runs: &[RunResult]| compare(&baseline, runs, &Statistical::default()).unwrap();
    let three: Vec<RunResult> = (10..13).map(|i| failing(i, 40)).collect();
    let worse = judge(&three);
    let errors = row(&worse, "error_rate");
    assert_eq!(
        errors.decision,
        Decision::Regressed,
        "{}",
        errors.sentence()
    );
    assert_eq!(errors.moved_with, ["http_5xx +2.4 pp"]);
    assert_eq!(judge(&[failing(9, 1_000)]).decision, Decision::Unchanged);
}

#[test]
fn less_throughput_is_worse_in_a_closed_model_only() {
    let slow = |number: usize, open: bool| {
        let mut run = fixture::minute_of(number, |i| match i % 5 {
            0 if number > 9 => Vec::new(),
            _ => vec![fixture::sample(0, Outcome::Ok, i * 20_000, 20_000)],
        });
        run.run.occasion = Some(format!("occasion {}", number.min(10)));
        if open {
            run.run.load.model = Model::Open { max_users: 9 };
        }
        run
    };
    let judge = |open: bool| {
        let runs = |numbers: std::ops::Range<usize>| numbers.map(|i| slow(i, open)).collect();
        let after: Vec<RunResult> = runs(10..13);
        compare(&Baseline::of(runs(0..5)), &after, &Statistical::default()).unwrap()
    };
    let closed = judge(false);
    let rate = closed
        .rows
        .iter()
        .find(|row| row.metric == Metric::Throughput);
    let rate = rate.unwrap();
    assert_eq!(rate.decision, Decision::Regressed, "{}", rate.sentence());
    assert!((rate.change.unwrap() + 0.2).abs() < 1e-9 && rate.range.unwrap().1 < 0.0);
    let open = judge(true);
    assert!(open.rows.iter().all(|row| row.metric != Metric::Throughput));
}

#[test]
fn side_by_side_needs_no_occasions_and_finds_smaller_changes() {
    let side = |factor: f64| -> Vec<RunResult> {
        let mut runs = candidates(4, factor);
        runs[1] = fixture::minute(101, factor * 1.01);
        runs
    };
    let judge = |factor: f64| {
        compare(
            &Baseline::of(side(1.0)),
            &side(factor),
            &Statistical::side_by_side(),
        )
        .unwrap()
    };
    assert_eq!(judge(1.05).decision, Decision::Regressed);
    let equal = judge(1.0);
    assert_eq!(
        (equal.decision, equal.next_look),
        (Decision::Unchanged, None)
    );
    assert!(equal.warnings.is_empty());
}

#[test]
fn each_measured_phase_is_judged_by_itself() {
    let stages = |name: &str| Stage {
        name: name.into(),
        level: 5.0,
        ramp: Duration::from_secs(5),
        duration: Duration::from_secs(60),
        classes: Vec::new(),
    };
    let run = |number: usize, factor: u64| {
        let samples = (0..6_500u64).map(|i| {
            let slow = if i > 3_250 { factor } else { 10 };
            fixture::sample(0, Outcome::Ok, i * 20_000, 2_000 * slow + i % 13)
        });
        let tick = Tick {
            samples: samples.collect(),
            ..Tick::default()
        };
        let mut run = fixture::of_stages(&["a"], vec![stages("base"), stages("surge")], tick);
        run.run.occasion = Some(format!("{number}"));
        run
    };
    let baseline = Baseline::of((0..5).map(|i| run(i, 10)).collect());
    let after: Vec<RunResult> = (5..8).map(|i| run(i, 13)).collect();
    let found = compare(&baseline, &after, &Statistical::default()).unwrap();
    let of = |phase: &str| {
        let of =
            |row: &&Row| row.phase.as_deref() == Some(phase) && row.metric.to_string() == "p95";
        found.rows.iter().find(of).unwrap()
    };
    assert_eq!(of("base").decision, Decision::Unchanged);
    assert_eq!(of("surge").decision, Decision::Regressed);
    assert_eq!(of("surge").place(), "a in surge");
}

#[test]
fn the_same_runs_give_the_same_verdict_in_any_order() {
    let mut shuffled = baseline();
    shuffled.reverse();
    shuffled.swap(2, 7);
    let candidates = candidates(3, 1.07);
    let gate = Statistical::default();
    let a = compare(&Baseline::of(baseline()), &candidates, &gate).unwrap();
    let b = compare(&Baseline::of(shuffled), &candidates, &gate).unwrap();
    for (a, b) in a.rows.iter().zip(&b.rows) {
        assert_eq!(a.decision, b.decision);
        let (a, b) = (a.range.unwrap_or_default(), b.range.unwrap_or_default());
        assert!((a.0 - b.0).abs() < 1e-12 && (a.1 - b.1).abs() < 1e-12);
    }
}
