//! Schedules, ramps and draining under a paused clock: no sockets, no real waiting.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::message::{Finish, Orders, WorkerCommand};
use super::schedule::control::LoadControl;
use super::schedule::timer::Timer;
use super::worker;
use crate::metrics::{Histogram, Outcome, Sample, SparseHistogram, Tick};
use crate::plan::fixture::{load, plan};
use crate::plan::{Arrivals, Model, Percentile, Plan, ThinkTime};
use crate::protocol::mock::{MockClient, MockResponse};

mod control;
mod panics;
mod throttle;
mod traces;
mod values;

const OPEN: Model = Model::Open { max_users: 100 };

pub(super) struct Simulation {
    pub(super) samples: Vec<Sample>,
    pub(super) ticks: Vec<Tick>,
    pub(super) seen: Vec<String>,
    pub(super) stopped_s: f64,
    pub(super) drained_s: f64,
}

impl Simulation {
    /// How often `on_start` failed, and how often of that in a measured phase.
    pub(super) fn failed_starts(&self) -> (u64, u64) {
        let starts = || self.ticks.iter().flat_map(|tick| tick.starts.values());
        let failed = starts().map(|starts| starts.failed).sum();
        (failed, starts().map(|starts| starts.failed_measured).sum())
    }

    pub(super) fn count(&self, outcome: Outcome) -> usize {
        self.samples.iter().filter(|s| s.outcome == outcome).count()
    }
}

pub(super) fn takes(ms: u64) -> impl Fn(usize) -> MockResponse {
    move |_| MockResponse {
        delay: Duration::from_millis(ms),
        status: 200,
    }
}

/// Runs one shard of a plan in this test's runtime, whose clock is paused; told to stop after
/// `stop_s`, if given.
pub(super) async fn run_shard(
    plan: &Plan,
    shard: (usize, usize),
    script: impl Fn(usize) -> MockResponse + 'static,
    stop_s: Option<f64>,
) -> Simulation {
    let stopping = async |sender: &watch::Sender<WorkerCommand>| {
        if let Some(after) = stop_s {
            tokio::time::sleep(Duration::from_secs_f64(after)).await;
            sender.send_replace(WorkerCommand::Stop(Instant::now()));
        }
    };
    run_meanwhile(plan, shard, script, None, stopping).await
}

/// The same while `meanwhile` commands it, with a load that the `control` can change.
pub(super) async fn run_meanwhile(
    plan: &Plan,
    shard: (usize, usize),
    script: impl Fn(usize) -> MockResponse + 'static,
    control: Option<&LoadControl>,
    meanwhile: impl AsyncFnOnce(&watch::Sender<WorkerCommand>),
) -> Simulation {
    let plan = Arc::new(plan.clone());
    let client = Rc::new(MockClient::new(script));
    let epoch = Instant::now();
    let sender = watch::Sender::new(WorkerCommand::Start(epoch));
    if let Some(control) = control {
        control.begin(epoch);
    }
    let orders = Orders {
        commands: sender.subscribe(),
        control: match control {
            Some(control) => control.follow(),
            None => watch::Sender::default().subscribe(),
        },
    };
    let mut ticks = Vec::new();
    let stop = async {
        meanwhile(&sender).await;
        std::future::pending::<()>().await;
    };
    let work = worker::work(
        &plan,
        shard,
        &client,
        &Timer::Coarse,
        orders,
        None,
        |tick| {
            ticks.push(tick);
        },
    );
    let (
        last,
        Finish {
            stopped_at,
            drained_at,
        },
    ) = LocalSet::new()
        .run_until(async {
            tokio::select! {
                done = work => done.expect("the load was started"),
                () = stop => unreachable!(),
            }
        })
        .await;
    ticks.push(last);
    Simulation {
        samples: ticks.iter().flat_map(|tick| tick.samples.clone()).collect(),
        ticks,
        seen: client.seen(),
        stopped_s: (stopped_at - epoch).as_secs_f64(),
        drained_s: (drained_at - epoch).as_secs_f64(),
    }
}

pub(super) async fn run(
    plan: &Plan,
    script: impl Fn(usize) -> MockResponse + 'static,
) -> Simulation {
    run_shard(plan, (0, 1), script, None).await
}

#[tokio::test(start_paused = true)]
async fn a_closed_model_sends_one_request_at_a_time_for_each_user() {
    let plan = plan(load(Model::Closed, &[(5.0, 0.0, 10.0)]), &[1]);
    let simulated = run(&plan, takes(100)).await;
    assert_eq!(simulated.count(Outcome::Ok), 5 * 100);
    assert!(
        simulated
            .samples
            .iter()
            .all(|s| s.scheduling_delay_us() == 0)
    );
    assert_eq!(simulated.ticks[3].users, 5);
}

#[tokio::test(start_paused = true)]
async fn users_start_at_the_spawn_rate() {
    let plan = plan(load(Model::Closed, &[(10.0, 10.0, 5.0)]), &[1]);
    let simulated = run(&plan, takes(100)).await;
    let users: Vec<u32> = simulated.ticks.iter().map(|tick| tick.users).collect();
    // A user starts with each second, a moment around the tick that counts it.
    for (second, users) in users.iter().take(10).enumerate() {
        let due = second as i64 + 1;
        assert!(
            (i64::from(*users) - due).abs() <= 1,
            "{users} users after {due} s"
        );
    }
    assert_eq!(users[12], 10);
}

#[tokio::test(start_paused = true)]
async fn an_open_model_starts_every_arrival_on_time_however_slow_the_service() {
    let mut plan = plan(load(OPEN, &[(50.0, 0.0, 10.0)]), &[3, 1]);
    plan.load.stop_timeout = Duration::from_secs(60);
    let simulated = run(&plan, takes(1500)).await;
    assert_eq!(simulated.count(Outcome::Ok), 500);
    let mut starts: Vec<u64> = simulated.samples.iter().map(|s| s.intended_us).collect();
    starts.sort_unstable();
    assert_eq!(starts[0], 0);
    assert!(starts.windows(2).all(|w| w[1] - w[0] == 20_000));
    assert!(
        (simulated.drained_s - 11.48).abs() < 0.01,
        "{}",
        simulated.drained_s
    );
}

#[tokio::test(start_paused = true)]
async fn an_arrival_without_a_free_user_is_dropped_and_counted() {
    let model = Model::Open { max_users: 2 };
    let plan = plan(load(model, &[(10.0, 0.0, 10.0)]), &[1]);
    let simulated = run(&plan, takes(950)).await;
    let last = simulated.ticks.last().unwrap();
    assert_eq!(last.totals.planned, 100);
    assert_eq!(
        simulated.count(Outcome::Dropped) + simulated.count(Outcome::Ok),
        100
    );
    assert_eq!(last.totals.started, simulated.count(Outcome::Ok) as u64);
    assert!(simulated.count(Outcome::Dropped) > 70);
    assert_eq!(last.totals.dropped_late, 0, "the service is to blame");
}

#[tokio::test(start_paused = true)]
async fn an_open_model_runs_until_its_planned_end_though_its_last_arrival_is_earlier() {
    let open = plan(load(OPEN, &[(1.0, 0.0, 3.0)]), &[1]);
    let simulated = run(&open, takes(10)).await;
    assert_eq!((simulated.samples.len(), simulated.stopped_s), (3, 3.0));
    let stopped = run_shard(&open, (0, 1), takes(10), Some(2.5)).await;
    assert_eq!(stopped.stopped_s, 2.5);
}

/// The whole process stands still from `at_ms` on.
fn stand_still(at_ms: u64, for_ms: u64) {
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(at_ms)).await;
        tokio::time::advance(Duration::from_millis(for_ms)).await;
    });
}

/// Row 39: arrivals that were due while the load generator stood still start late, and their response
/// times show it; those that find no user then are dropped because the generator was late.
#[tokio::test(start_paused = true)]
async fn a_generator_that_stood_still_shows_it_in_times_lags_and_dropped_arrivals() {
    let model = Model::Open { max_users: 20 };
    let open = plan(load(model, &[(100.0, 0.0, 10.0)]), &[1]);
    stand_still(3_000, 2_000);
    let simulated = run(&open, takes(10)).await;
    let totals = simulated.ticks.last().unwrap().totals;
    assert_eq!(totals.planned, 1_000);
    let late = simulated
        .samples
        .iter()
        .map(|s| s.response_us)
        .max()
        .unwrap();
    assert!((1_990_000..2_020_000).contains(&late), "{late}");
    assert!(totals.dropped_late > 100, "{totals:?}");
    // Those that were due in the last 10 ms of it are hardly late.
    let dropped = simulated.count(Outcome::Dropped) as u64;
    assert!(dropped - totals.dropped_late < 5, "{totals:?}");
    let lags = simulated.ticks.iter().flat_map(|tick| &tick.health.lags_us);
    let lag = lags.max().unwrap();
    assert!((1_980_000..2_010_000).contains(lag), "{lag}");
}

#[tokio::test(start_paused = true)]
async fn arrivals_that_are_due_when_the_load_ends_are_started_or_counted_as_dropped() {
    let mut open = plan(load(OPEN, &[(100.0, 0.0, 10.0)]), &[1]);
    // Over the end of the load by 90 ms, and by more than is caught up with.
    for (length_ms, dropped) in [(590, 0), (1_500, 50)] {
        stand_still(9_500, length_ms);
        let simulated = run(&open, takes(1)).await;
        let totals = simulated.ticks.last().unwrap().totals;
        assert_eq!((totals.planned, simulated.samples.len()), (1_000, 1_000));
        assert!(totals.dropped_late.abs_diff(dropped) <= 1, "{totals:?}");
    }
    open.load.stop_timeout = Duration::ZERO;
    for length_ms in [0, 590] {
        stand_still(9_500, length_ms);
        let simulated = run(&open, takes(200)).await;
        let totals = simulated.ticks.last().unwrap().totals;
        assert_eq!((totals.planned, simulated.samples.len()), (1_000, 1_000));
    }
}

/// Little's law, and what the workers say of themselves, from the same run.
#[tokio::test(start_paused = true)]
async fn the_time_in_flight_is_the_sum_of_the_service_times() {
    let mut open = plan(load(OPEN, &[(200.0, 5.0, 10.0)]), &[1]);
    open.load.arrivals = Arrivals::Poisson;
    let simulated = run(&open, |n| MockResponse {
        delay: Duration::from_millis(5 + (n as u64 * 37) % 400),
        status: 200,
    })
    .await;
    let in_flight: u64 = simulated.ticks.iter().map(|t| t.health.in_flight_us).sum();
    let times: u64 = simulated.samples.iter().map(|s| s.service_us).sum();
    assert!(
        in_flight.abs_diff(times) < times / 1_000,
        "{in_flight} {times}"
    );
}

/// A service that responds in 10 ms, but stalls for the last second of every ten and then responds
/// to its backlog at once.
fn stalling() -> impl Fn(usize) -> MockResponse {
    let epoch = Instant::now();
    move |_| {
        let into = epoch.elapsed().as_secs_f64() % 10.0;
        let stall = if into >= 9.0 { 10.0 - into } else { 0.0 };
        MockResponse {
            delay: Duration::from_millis(10).max(Duration::from_secs_f64(stall)),
            status: 200,
        }
    }
}

fn percentile_s(simulated: &Simulation, percent: f64) -> f64 {
    let mut times: Vec<u64> = simulated.samples.iter().map(|s| s.response_us).collect();
    let mut histogram = Histogram::default();
    histogram.add(&SparseHistogram::of(&mut times));
    let percentile = Percentile::new(percent).unwrap();
    histogram.percentile(percentile).unwrap() / 1e6
}

/// T4: at a constant arrival rate, P(L <= x) = 0.9 + 0.1 x for such a service.
#[tokio::test(start_paused = true)]
async fn a_stall_shows_in_the_percentiles_of_an_open_model_and_hides_in_a_closed_one() {
    let open = plan(
        load(Model::Open { max_users: 500 }, &[(200.0, 0.0, 60.0)]),
        &[1],
    );
    let simulated = run(&open, stalling()).await;
    assert_eq!(simulated.samples.len(), 12_000);
    for (percent, seconds) in [(95.0, 0.50), (99.0, 0.90), (99.9, 0.99)] {
        let got = percentile_s(&simulated, percent);
        assert!((got - seconds).abs() < 0.015, "p{percent}: {got}");
    }
    let closed = plan(load(Model::Closed, &[(1.0, 0.0, 60.0)]), &[1]);
    let simulated = run(&closed, stalling()).await;
    assert!(
        percentile_s(&simulated, 99.0) < 0.015,
        "one slow request in a thousand"
    );
}

/// T7: each second as planned, the ramp included; the total exact.
#[tokio::test(start_paused = true)]
async fn every_second_of_an_open_model_has_its_planned_arrivals() {
    let plan = plan(load(OPEN, &[(300.0, 10.0, 10.0), (50.0, 5.0, 5.0)]), &[1]);
    let simulated = run(&plan, takes(1)).await;
    assert_eq!(simulated.samples.len(), 1500 + 3000 + 875 + 250);
    let mut seen = [0i64; 30];
    simulated
        .samples
        .iter()
        .for_each(|s| seen[(s.intended_us / 1_000_000) as usize] += 1);
    let integral = |t: f64| match t {
        t if t <= 10.0 => 15.0 * t * t,
        t if t <= 20.0 => 1500.0 + 300.0 * (t - 10.0),
        t if t <= 25.0 => 4500.0 + 300.0 * (t - 20.0) - 25.0 * (t - 20.0).powi(2),
        t => 5375.0 + 50.0 * (t - 25.0),
    };
    for (second, seen) in seen.into_iter().enumerate() {
        let second = second as f64;
        let planned = integral(second + 1.0) - integral(second);
        assert!(
            (seen as f64 - planned).abs() <= 1.0,
            "second {second}: {seen} for {planned}"
        );
    }
    assert!(
        simulated
            .samples
            .iter()
            .all(|s| s.scheduling_delay_us() < 1_000)
    );
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_at_the_end_are_given_the_stop_timeout_and_then_interrupted() {
    let mut plan = plan(load(Model::Closed, &[(3.0, 0.0, 10.0)]), &[1]);
    plan.load.stop_timeout = Duration::from_secs(5);
    let simulated = run(&plan, |n| MockResponse {
        delay: Duration::from_secs(if n == 2 { 1000 } else { 4 }),
        status: 200,
    })
    .await;
    assert_eq!(simulated.count(Outcome::Interrupted), 1);
    assert_eq!(simulated.count(Outcome::Ok), 2 * 3);
    let cut = simulated
        .samples
        .iter()
        .find(|s| s.outcome == Outcome::Interrupted)
        .unwrap();
    assert_eq!(cut.response_us, 15_000_000, "its age is kept");
    assert_eq!((simulated.stopped_s, simulated.drained_s), (10.0, 15.0));
    let last = simulated.ticks.last().unwrap();
    assert_eq!(last.totals.started, simulated.samples.len() as u64);
    assert_eq!(last.users, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_waiting_users_at_once_and_lets_requests_finish() {
    let mut plan = plan(load(Model::Closed, &[(4.0, 0.0, 1000.0)]), &[1]);
    plan.classes[0].think_time = ThinkTime::Constant(Duration::from_secs(100));
    let simulated = run_shard(&plan, (0, 1), takes(2000), Some(1.0)).await;
    assert_eq!(simulated.count(Outcome::Ok), 4);
    assert_eq!((simulated.stopped_s, simulated.drained_s), (1.0, 2.0));
    let simulated = run_shard(&plan, (0, 1), takes(2000), Some(50.0)).await;
    assert_eq!((simulated.stopped_s, simulated.drained_s), (50.0, 50.0));
}

#[tokio::test(start_paused = true)]
async fn a_user_that_has_to_leave_finishes_its_iteration_or_is_cut_off() {
    let mut plan = plan(
        load(Model::Closed, &[(2.0, 0.0, 10.0), (1.0, 0.0, 60.0)]),
        &[1],
    );
    plan.load.stop_timeout = Duration::from_secs(5);
    let simulated = run(&plan, |n| MockResponse {
        delay: Duration::from_secs(if n == 1 { 1000 } else { 7 }),
        status: 200,
    })
    .await;
    let cut: Vec<&Sample> = simulated
        .samples
        .iter()
        .filter(|s| s.outcome == Outcome::Interrupted)
        .collect();
    assert_eq!(cut.len(), 1);
    assert_eq!(cut[0].response_us, 15_000_000);
}

#[tokio::test(start_paused = true)]
async fn think_times_work_as_in_locust() {
    let seconds = Duration::from_secs;
    let cases = [
        (ThinkTime::Constant(seconds(1)), 7),
        (ThinkTime::Pacing(seconds(1)), 10),
        (ThinkTime::Pacing(Duration::from_millis(100)), 20),
        (ThinkTime::None, 20),
    ];
    for (think_time, requests) in cases {
        let mut plan = plan(load(Model::Closed, &[(1.0, 0.0, 10.0)]), &[1]);
        plan.classes[0].think_time = think_time;
        let simulated = run(&plan, takes(500)).await;
        assert_eq!(simulated.samples.len(), requests, "{think_time:?}");
    }
    // Of an exponential distribution, 1 - e^-0.5 is below half of its mean.
    let millis = Duration::from_millis;
    let drawn = [
        (ThinkTime::Between(millis(100), millis(300)), 0.0),
        (ThinkTime::Poisson(millis(200)), 0.393),
        (ThinkTime::Gaussian(millis(200), millis(100)), 0.159),
    ];
    for (think_time, short) in drawn {
        let mut plan = plan(load(Model::Closed, &[(1.0, 0.0, 1_000.0)]), &[1]);
        plan.classes[0].think_time = think_time;
        let simulated = run(&plan, takes(0)).await;
        let starts: Vec<u64> = simulated.samples.iter().map(|s| s.intended_us).collect();
        let gaps: Vec<u64> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let share = |count: usize| count as f64 / gaps.len() as f64;
        let mean_ms = share(gaps.iter().sum::<u64>() as usize) / 1e3;
        assert!(
            (190.0..210.0).contains(&mean_ms),
            "{think_time:?}: {mean_ms}"
        );
        let below = share(gaps.iter().filter(|gap| **gap < 100_000).count());
        assert!((below - short).abs() < 0.03, "{think_time:?}: {below}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pace_is_kept_though_the_timer_is_late_and_what_was_slow_is_not_made_up_for() {
    let mut plan = plan(load(Model::Closed, &[(1.0, 0.0, 10.0)]), &[1]);
    // For 33.3 ms, a timer of whole milliseconds takes 34.
    plan.classes[0].think_time = ThinkTime::Pacing(Duration::from_secs(1) / 30);
    let simulated = run(&plan, takes(10)).await;
    assert_eq!(simulated.samples.len(), 300);

    plan.classes[0].think_time = ThinkTime::Pacing(Duration::from_secs(1));
    let simulated = run(&plan, |number| MockResponse {
        delay: Duration::from_millis(if number == 1 { 3_500 } else { 10 }),
        status: 200,
    })
    .await;
    let starts = simulated.samples.iter().map(|s| s.intended_us / 1_000);
    let wanted = [0, 1_000, 4_500, 5_500, 6_500, 7_500, 8_500, 9_500];
    assert_eq!(starts.collect::<Vec<_>>(), wanted);
}

#[tokio::test(start_paused = true)]
async fn iterations_are_divided_evenly_and_end_the_run() {
    let mut plan = plan(load(Model::Closed, &[(3.0, 0.0, 86_400.0)]), &[1]);
    plan.load.iterations = Some(10);
    let simulated = run(&plan, takes(1000)).await;
    assert_eq!(simulated.count(Outcome::Ok), 10);
    assert_eq!(
        simulated.stopped_s, 4.0,
        "one user does four, the others three"
    );
}

#[tokio::test(start_paused = true)]
async fn a_seed_gives_the_same_requests_on_any_number_of_workers() {
    async fn requests(plan: &Plan, shards: usize) -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        for shard in 0..shards {
            for line in run_shard(plan, (shard, shards), takes(10), None).await.seen {
                *all.entry(line).or_default() += 1;
            }
        }
        all
    }
    let mut closed = plan(load(Model::Closed, &[(7.0, 0.0, 1000.0)]), &[3, 2, 1]);
    closed.load.iterations = Some(200);
    let open = plan(load(OPEN, &[(20.0, 5.0, 5.0)]), &[3, 2, 1]);
    let mut poisson = open.clone();
    poisson.load.arrivals = Arrivals::Poisson;
    for (mut plan, count) in [(closed, 200..201), (open, 150..151), (poisson, 100..200)] {
        let one = requests(&plan, 1).await;
        let total = one.values().sum::<usize>();
        assert!(count.contains(&total), "{total}");
        assert_eq!(one, requests(&plan, 3).await);
        assert!(
            one.len() > total * 9 / 10,
            "{} different requests",
            one.len()
        );
        plan.seed += 1;
        assert_ne!(one, requests(&plan, 1).await);
    }
}

/// On one worker there is no time to sleep between arrivals at this rate, and the users need the
/// thread.
#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_arrivals_a_second_all_start() {
    for arrivals in [Arrivals::Uniform, Arrivals::Poisson] {
        let model = Model::Open { max_users: 1_000 };
        let mut plan = plan(load(model, &[(100_000.0, 0.0, 1.0)]), &[1]);
        plan.load.arrivals = arrivals;
        let simulated = run(&plan, takes(2)).await;
        let planned = simulated.ticks.last().unwrap().totals.planned;
        assert!((99_000..101_000).contains(&planned), "{planned}");
        assert_eq!(simulated.count(Outcome::Ok) as u64, planned, "{arrivals:?}");
    }
}
