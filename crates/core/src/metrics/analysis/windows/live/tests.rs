//! What is said while a run goes on is what the report says of the same seconds.

use std::collections::BTreeMap;
use std::ops::Range;

use super::*;
use crate::metrics::{
    CommitCell, ComponentCounts, Interval, MeasureCounts, Outcome, RunResult, fixture,
};
use crate::plan::{MeasureUnit, Percentile};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Phases of these lengths in tenths of a second, every second one of them measured.
fn phases(tenths: &[u64]) -> Vec<Phase> {
    let mut at_us = 0;
    let phases = tenths.iter().zip(0..).map(|(tenths, position)| {
        let start_us = at_us;
        at_us += tenths * 100_000;
        Phase {
            name: format!("phase {position}"),
            start_us,
            end_us: at_us,
            measured: position % 2 == 1,
        }
    });
    phases.collect()
}

fn info(name: &str, is_flow: bool) -> EndpointInfo {
    let mut info = fixture::run(&[(name, &[])]).run.endpoints.remove(0);
    info.is_flow = is_flow;
    info
}

fn rows() -> Vec<EndpointInfo> {
    vec![info("a", false), info("b", false), info("flow", true)]
}

/// Of the requests of all endpoints, and of those of `b`.
fn slos(window_s: u64, percent: f64) -> Vec<Slo> {
    let of_b = || SloScope::Endpoint("b".to_owned());
    let wanted = Percentile::new(percent).unwrap();
    let component = || "db".to_owned();
    let measure = |percentile| Metric::Measure {
        measure: "size".to_owned(),
        unit: MeasureUnit::Bytes,
        percentile,
    };
    let metrics = [
        (Metric::ResponseTime(wanted), SloScope::Total),
        (Metric::MaxResponseTime, of_b()),
        (Metric::MeanResponseTime, SloScope::Total),
        (Metric::ErrorRate, of_b()),
        (Metric::Availability, SloScope::Total),
        (Metric::Throughput, SloScope::Total),
        (Metric::Throughput, of_b()),
        (Metric::MeanResponseTime, SloScope::Endpoint("flow".into())),
        (Metric::MeanResponseTime, SloScope::Endpoint("new".into())),
        (
            Metric::HitRatio {
                component: component(),
            },
            SloScope::Total,
        ),
        (
            Metric::ComponentTime {
                component: component(),
                percentile: wanted,
            },
            of_b(),
        ),
        (measure(Some(wanted)), SloScope::Total),
        (measure(None), of_b()),
    ];
    let slos = metrics.into_iter().map(|(metric, scope)| {
        let mut slo = fixture::slo("slo", metric, 1.0);
        (slo.scope, slo.window_s) = (scope, Some(window_s));
        slo
    });
    slos.collect()
}

/// A request of a row that is due at a time, takes so long, and fails or not.
#[derive(Debug, Clone, Copy)]
struct Request {
    row: usize,
    due_us: u64,
    response_us: u64,
    is_failed: bool,
}

/// The second of a phase that it is due in, as the fold says; its cell alone.
fn cell_of(phases: &[Phase], request: Request) -> CommitCell {
    let position = phases.partition_point(|phase| phase.end_us <= request.due_us);
    let phase = position.min(phases.len() - 1);
    let mut cell = Cell::default();
    let outcome = match request.is_failed {
        true => Outcome::Http5xx,
        false => Outcome::Ok,
    };
    cell.outcomes.insert(outcome, 1);
    if !request.is_failed {
        cell.response = SparseHistogram::of(&mut [request.response_us]);
    }
    // Not all responses say so much.
    if !request.response_us.is_multiple_of(3) {
        let is_hit = request.response_us.is_multiple_of(2);
        let counts = ComponentCounts {
            time: SparseHistogram::of(&mut [request.response_us / 2]),
            hits: is_hit.into(),
            misses: (!is_hit).into(),
            ..ComponentCounts::default()
        };
        cell.components.insert("db".to_owned(), counts);
    }
    if !request.response_us.is_multiple_of(5) {
        let counts = MeasureCounts {
            unit: MeasureUnit::Bytes,
            values: SparseHistogram::of(&mut [request.response_us % 10_000]),
        };
        cell.measures.insert("size".to_owned(), counts);
    }
    CommitCell {
        phase,
        second: (request.due_us - phases[phase].start_us) / SECOND_US,
        endpoint: request.row,
        cell,
    }
}

/// What ended in each second.
fn commits(phases: &[Phase], requests: &[Request], seconds: u64) -> Vec<Commit> {
    let mut commits = vec![Commit::default(); seconds as usize];
    for request in requests {
        let ended = (request.due_us + request.response_us) / SECOND_US;
        let commit = &mut commits[ended.min(seconds - 1) as usize];
        commit.cells.push(cell_of(phases, *request));
    }
    // The row comes up with its first request.
    let is_new = |commit: &Commit| commit.cells.iter().any(|entry| entry.endpoint == 3);
    if let Some(first) = commits.iter_mut().find(|commit| is_new(commit)) {
        first.rows = vec![info("new", false)];
    }
    commits
}

/// The result of these commits, of a run that was stopped at this time.
fn result(phases: &[Phase], commits: &[Commit], stopped_at_us: u64) -> RunResult {
    let mut result = fixture::run(&[("a", &[]), ("b", &[]), ("flow", &[]), ("new", &[])]);
    result.run.phases = phases.to_vec();
    result.endpoints[2].endpoint.is_flow = true;
    for endpoint in &mut result.endpoints {
        endpoint.phases = vec![Cell::default(); phases.len()];
    }
    result.run.ending.as_mut().unwrap().stopped_at_us = stopped_at_us;
    let mut seconds: BTreeMap<(usize, u64), Vec<(usize, Cell)>> = BTreeMap::new();
    for entry in commits.iter().flat_map(|commit| &commit.cells) {
        let start_us = phases[entry.phase].start_us + entry.second * SECOND_US;
        if start_us < stopped_at_us {
            let cells = seconds.entry((entry.phase, entry.second)).or_default();
            cells.push((entry.endpoint, entry.cell.clone()));
        }
    }
    let interval = |((phase, second), cells)| Interval {
        phase,
        second,
        cells,
    };
    result.timeline = seconds.into_iter().map(interval).collect();
    result
}

/// Compares what is said in some of the seconds, and at the end, with the report of the seconds that are judged.
fn check(
    tenths: &[u64],
    requests: &[Request],
    (window_s, percent): (u64, f64),
    each: usize,
) -> Result<(), TestCaseError> {
    let phases = phases(tenths);
    let slos = slos(window_s, percent);
    let end_us = phases[phases.len() - 1].end_us;
    // The last responses are in, and for so long that nothing is waited for.
    let idle = RECENT_S as u64 + 2;
    let seconds = end_us.div_ceil(SECOND_US) + LATEST_US / SECOND_US + idle;
    let commits = commits(&phases, requests, seconds);
    let mut live = LiveWindows::new(&phases, &slos, &rows());
    for second in 1..=commits.len() {
        live.second(&commits[second - 1]);
        let is_last = second == commits.len();
        if second % each > 0 && !is_last {
            continue;
        }
        // Most SLOs are judged up to the same second.
        let mut results: BTreeMap<u64, RunResult> = BTreeMap::new();
        for (position, slo) in slos.iter().enumerate() {
            let track = &live.tracks[position];
            let judged = track.reach.window.end as u64;
            let last = judged.checked_sub(1);
            let last = last.and_then(|last| kept_second(&live.phases, last));
            let judged_us = last.map_or(0, |last| last.start_us + last.length_us);
            let stopped_at_us = if is_last { end_us } else { judged_us };
            let of_them = || result(&phases, &commits[..second], stopped_at_us);
            let result = results.entry(stopped_at_us).or_insert_with(of_them);
            let report = result.worst_window(&slo.metric, &slo.scope, window_s);
            let what = format!("{} of {:?} after {second}s", slo.metric, slo.scope);
            prop_assert_eq!(live.worst(position), report, "{}", what);
            let most = OPEN_WINDOWS + window_s as usize * 2 + 12;
            prop_assert!(track.seconds.len() <= most + tenths.len());
        }
    }
    Ok(())
}

/// Compares what is said at last of a run that ended early with the report. It ended by itself, or it was killed at a
/// second, before or after its load had ended.
fn check_stopped(
    tenths: &[u64],
    requests: &[Request],
    (window_s, percent): (u64, f64),
    stopped_at_us: u64,
    killed_s: Option<usize>,
) -> Result<(), TestCaseError> {
    let phases = phases(tenths);
    let slos = slos(window_s, percent);
    // A user may finish its flow.
    let is_sent = |one: &&Request| one.due_us < stopped_at_us + 2 * SECOND_US;
    let requests: Vec<Request> = requests.iter().filter(is_sent).copied().collect();
    let seconds = (stopped_at_us + LATEST_US) / SECOND_US + 3;
    let mut commits = commits(&phases, &requests, seconds);
    for (commit, end_us) in commits.iter_mut().zip((SECOND_US..).step_by(1_000_000)) {
        commit.stopped_at_us = (stopped_at_us <= end_us).then_some(stopped_at_us);
    }
    commits.truncate(killed_s.unwrap_or(usize::MAX));
    let mut live = LiveWindows::new(&phases, &slos, &rows());
    commits.iter().for_each(|commit| live.second(commit));
    live.end(killed_s.is_none().then_some(stopped_at_us));
    let mut result = result(&phases, &commits, u64::MAX);
    result.run.ending.as_mut().unwrap().stopped_at_us = stopped_at_us;
    if killed_s.is_some() {
        result.run.ending = None;
        result.run.stopped_at_us = commits.last().and_then(|last| last.stopped_at_us);
        result.users = vec![1; commits.len()];
    }
    for (position, slo) in slos.iter().enumerate() {
        let report = result.worst_window(&slo.metric, &slo.scope, window_s);
        let what = format!("{} of {:?}", slo.metric, slo.scope);
        prop_assert_eq!(live.worst(position), report, "{}", what);
    }
    Ok(())
}

/// How long the slowest response takes; us.
const LATEST_US: u64 = 9_000_000;

/// When they are due, as a share of the run; their row; how long they take; whether they fail.
fn requests() -> impl Strategy<Value = Vec<(f64, Request)>> {
    let response_us = prop_oneof![9 => 0u64..900_000, 1 => 0..LATEST_US];
    let is_failed = prop::bool::weighted(0.2);
    let request = (0.0f64..1.0, 0usize..4, response_us, is_failed);
    let request = request.prop_map(|(at, row, response_us, is_failed)| {
        let request = Request {
            row,
            due_us: 0,
            response_us,
            is_failed,
        };
        (at, request)
    });
    prop::collection::vec(request, 0..200)
}

/// The requests with the times at which they are due.
fn due(tenths: &[u64], requests: Vec<(f64, Request)>) -> Vec<Request> {
    let length_us = tenths.iter().sum::<u64>() as f64 * 1e5;
    let due = requests.into_iter().map(|(at, request)| Request {
        due_us: (at * length_us) as u64,
        ..request
    });
    due.collect()
}

/// Looks at so many cases. Each takes long: `PROPTEST_CASES` does not multiply them.
fn each<S: Strategy>(cases: u32, any: S, check: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let mut runner = TestRunner::new(ProptestConfig::with_cases(cases));
    let checked = runner.run(&any, check);
    checked.unwrap_or_else(|error| panic!("{error}"));
}

/// The lengths of the phases in tenths of a second, requests, and a window with its percentile.
type PlannedRun = (Vec<u64>, Vec<(f64, Request)>, (u64, f64));

fn any_run(
    tenths: Range<u64>,
    phases: Range<usize>,
    window_s: Range<u64>,
) -> impl Strategy<Value = PlannedRun> {
    let tenths = prop::collection::vec(tenths, phases);
    (tenths, requests(), (window_s, 1.0f64..100.0))
}

#[test]
fn the_worst_windows_of_a_run_that_ended_early_are_those_of_the_report() {
    let any = (
        any_run(1..150, 2..6, 1..30),
        (0.0f64..1.0, prop::option::of(0.0f64..1.2)),
    );
    each(
        128,
        any,
        |((tenths, requests, window), (stopped, killed))| {
            let end_us = tenths.iter().sum::<u64>() as f64 * 1e5;
            let stopped_at_us = (stopped * end_us) as u64;
            let killed_s = killed.map(|share| (share * stopped_at_us as f64 / 1e6) as usize + 1);
            let requests = due(&tenths, requests);
            check_stopped(&tenths, &requests, window, stopped_at_us, killed_s)
        },
    );
}

#[test]
fn the_worst_windows_so_far_are_those_of_the_report() {
    each(
        128,
        any_run(1..150, 2..6, 1..30),
        |(tenths, requests, window)| check(&tenths, &due(&tenths, requests), window, 5),
    );
}

#[test]
fn in_long_runs_old_windows_are_not_kept() {
    let any = any_run(1_200..2_000, 2..5, 1..90);
    each(24, any, |(tenths, requests, window)| {
        check(&tenths, &due(&tenths, requests), window, 50)
    });
}

#[test]
fn nothing_is_missing_after_the_load_has_ended_while_responses_are_waited_for() {
    let phases = phases(&[10, 600]);
    let slos = slos(2, 50.0);
    // Four requests a second, until the load is ended at 12.3 s.
    let requests = (0..45).map(|n| Request {
        row: 1,
        due_us: 1_000_000 + n * 250_000,
        response_us: 100_000,
        is_failed: false,
    });
    let mut commits = commits(&phases, &requests.collect::<Vec<_>>(), 30);
    for commit in &mut commits[12..] {
        commit.stopped_at_us = Some(12_300_000);
    }
    let mut live = LiveWindows::new(&phases, &slos, &rows());
    for (commit, second) in commits.iter().zip(1..) {
        live.second(commit);
        if second >= 5 {
            let throughput = live.worst(6).map(|worst| worst.value);
            assert!(
                throughput.is_some_and(|rate| rate >= 3.9),
                "{throughput:?} after {second} s"
            );
        }
    }
    assert_eq!(live.tracks[6].reach.window.end, 12, "11.3 s were measured");
}

#[test]
fn seconds_wait_for_as_long_as_responses_take() {
    let phases = phases(&[10, 600]);
    let slos = slos(2, 50.0);
    // Four requests a second, each of 3.5 s, of an endpoint.
    let requests = (0..160).map(|n| Request {
        row: 1,
        due_us: 1_000_000 + n * 250_000,
        response_us: 3_500_000,
        is_failed: false,
    });
    let commits = commits(&phases, &requests.collect::<Vec<_>>(), 45);
    let mut live = LiveWindows::new(&phases, &slos, &rows());
    let throughput = |live: &LiveWindows| live.worst(6).map(|worst| worst.value);
    for (commit, second) in commits.iter().zip(1..) {
        live.second(commit);
        if (9..=41).contains(&second) {
            assert_eq!(throughput(&live), Some(4.0), "{second}");
        }
    }
    // Nothing more came.
    (0..8).for_each(|_| live.second(&Commit::default()));
    assert_eq!(throughput(&live), Some(0.0));
}
