//! Loads that are changed while they go on.

use std::time::Duration;

use super::{Simulation, run_meanwhile, takes};
use crate::engine::LoadControl;
use crate::metrics::{Adjustment, LoadSetting, Outcome};
use crate::plan::fixture::{load, plan};
use crate::plan::{Model, Plan, ThinkTime};

const OPEN: Model = Model::Open { max_users: 100 };

/// What is changed at a second.
type Change = (f64, fn(&LoadControl) -> bool);

/// Runs a plan whose load is changed at these seconds.
async fn changed(plan: &Plan, changes: &[Change], ms: u64) -> (Simulation, Vec<Adjustment>) {
    changed_shard(plan, (0, 1), changes, ms).await
}

/// The same with one of several workers.
async fn changed_shard(
    plan: &Plan,
    shard: (usize, usize),
    changes: &[Change],
    ms: u64,
) -> (Simulation, Vec<Adjustment>) {
    let control = LoadControl::new(plan);
    let change = async |_: &_| {
        let mut done_s = 0.0;
        for (at_s, change) in changes {
            tokio::time::sleep(Duration::from_secs_f64(at_s - done_s)).await;
            done_s = *at_s;
            assert!(change(&control), "at {at_s} s");
        }
    };
    let simulated = run_meanwhile(plan, shard, takes(ms), Some(&control), change).await;
    (simulated, control.adjustments())
}

fn users(simulated: &Simulation) -> Vec<u32> {
    simulated.ticks.iter().map(|tick| tick.users).collect()
}

/// How many requests began in each second.
fn begun(simulated: &Simulation, seconds: usize) -> Vec<usize> {
    let mut counts = vec![0; seconds];
    for sample in &simulated.samples {
        counts[(sample.intended_us / 1_000_000) as usize] += 1;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn users_are_added_and_taken_after_their_iteration() {
    let plan = plan(load(Model::Closed, &[(3.0, 0.0, 8.0)]), &[1]);
    let changes: [Change; 3] = [
        (1.5, |control| control.step(2)),
        (3.5, |control| control.step(-4)),
        (5.5, |control| control.step(3)),
    ];
    let (simulated, adjustments) = changed(&plan, &changes, 100).await;
    assert_eq!(users(&simulated), [3, 5, 5, 1, 1, 4, 4, 4, 0]);
    assert_eq!(
        simulated.count(Outcome::Ok),
        simulated.samples.len(),
        "nothing is cut off"
    );
    let more: Vec<(u64, i64)> = adjustments.iter().map(|a| (a.at_us, a.users)).collect();
    assert_eq!(more, [(1_500_000, 2), (3_500_000, -2), (5_500_000, 1)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_added_comes_on_top_of_the_plan() {
    let plan = plan(
        load(
            Model::Closed,
            &[(2.0, 0.0, 3.0), (4.0, 2.0, 3.0), (1.0, 0.0, 2.0)],
        ),
        &[1],
    );
    let (simulated, _) = changed(&plan, &[(0.5, |control| control.step(1))], 100).await;
    assert_eq!(users(&simulated)[..10], [3, 3, 3, 4, 5, 5, 5, 5, 2, 2]);
    let (simulated, _) = changed(&plan, &[(0.5, |control| control.step(-2))], 100).await;
    assert_eq!(users(&simulated)[..10], [0, 0, 0, 1, 2, 2, 2, 2, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn all_users_can_be_taken_and_brought_back() {
    let plan = plan(load(Model::Closed, &[(3.0, 0.0, 6.0)]), &[1]);
    let changes: [Change; 2] = [
        (1.5, |control| control.step(-10)),
        (3.5, |control| control.step(3)),
    ];
    let (simulated, _) = changed(&plan, &changes, 100).await;
    assert_eq!(users(&simulated)[..6], [3, 0, 0, 3, 3, 3]);
    assert!(simulated.stopped_s == 6.0);
}

#[tokio::test(start_paused = true)]
async fn users_are_taken_while_they_think_and_given_time_begin_nothing_early() {
    let mut plan = plan(load(Model::Closed, &[(3.0, 0.0, 30.0)]), &[1]);
    plan.classes[0].think_time = ThinkTime::Constant(Duration::from_secs(20));
    // Whoever wakes first: tokio does not poll in a fixed order.
    for _ in 0..20 {
        let taken: [Change; 1] = [(1.5, |control| control.step(-2))];
        let (simulated, _) = changed(&plan, &taken, 100).await;
        assert_eq!(users(&simulated)[..4], [3, 1, 1, 1]);
        let regretted: [Change; 2] = [
            (1.5, |control| control.step(-2)),
            (1.5, |control| control.step(2)),
        ];
        let (simulated, _) = changed(&plan, &regretted, 100).await;
        assert_eq!(begun(&simulated, 30)[..20].iter().sum::<usize>(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_that_is_taken_has_the_stop_timeout_to_finish() {
    let mut plan = plan(load(Model::Closed, &[(2.0, 0.0, 10.0)]), &[1]);
    plan.load.stop_timeout = Duration::from_secs(2);
    let (simulated, _) = changed(&plan, &[(1.5, |control| control.step(-1))], 60_000).await;
    assert_eq!(users(&simulated)[..5], [2, 2, 2, 1, 1]);
    let changes: [Change; 2] = [
        (1.5, |control| control.step(-1)),
        (2.5, |control| control.step(1)),
    ];
    let (simulated, _) = changed(&plan, &changes, 60_000).await;
    assert_eq!(users(&simulated)[..5], [2, 2, 2, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_in_a_pause() {
    let pauses: [Change; 2] = [
        (1.95, LoadControl::toggle_pause),
        (5.0, LoadControl::toggle_pause),
    ];
    // A change of arrivals takes effect 50 ms later.
    for (model, planned) in [(Model::Closed, 20), (OPEN, 2)] {
        let plan = plan(load(model, &[(2.0, 0.0, 8.0)]), &[1]);
        let (simulated, adjustments) = changed(&plan, &pauses, 100).await;
        let begun = begun(&simulated, 8);
        assert_eq!(
            begun,
            [planned, planned, 0, 0, 0, planned, planned, planned],
            "{model:?}"
        );
        assert_eq!(simulated.count(Outcome::Ok), simulated.samples.len());
        assert!(adjustments[0].is_paused && !adjustments[1].is_paused);
        assert_eq!(simulated.stopped_s, 8.0, "time goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn iterations_that_wait_for_the_end_of_a_pause_are_done_after_it() {
    let pauses: [Change; 2] = [
        (0.95, LoadControl::toggle_pause),
        (3.0, LoadControl::toggle_pause),
    ];
    for model in [Model::Closed, OPEN] {
        let mut plan = plan(load(model, &[(10.0, 0.0, 60.0)]), &[1]);
        plan.load.iterations = Some(50);
        plan.classes[0].think_time = ThinkTime::Constant(Duration::from_millis(900));
        let (simulated, _) = changed(&plan, &pauses, 100).await;
        assert_eq!(simulated.count(Outcome::Ok), 50, "{model:?}");
        assert!(
            simulated.stopped_s > 6.0 && simulated.stopped_s < 8.0,
            "{}",
            simulated.stopped_s
        );
    }
}

#[tokio::test(start_paused = true)]
async fn users_that_start_in_a_pause_wait_for_its_end() {
    let plan = plan(load(Model::Closed, &[(5.0, 5.0, 5.0)]), &[1]);
    let (simulated, _) = changed(&plan, &[(0.45, LoadControl::toggle_pause)], 100).await;
    assert_eq!(begun(&simulated, 10)[0], 5);
    assert_eq!(simulated.samples.len(), 5);
    assert_eq!(users(&simulated)[6], 5);
}

#[tokio::test(start_paused = true)]
async fn the_rate_of_arrivals_is_changed_in_tenths_of_the_planned_one() {
    let plan = plan(load(OPEN, &[(10.0, 0.0, 6.0)]), &[1]);
    let changes: [Change; 2] = [
        (0.95, |control| control.step(10)),
        (3.95, |control| control.step(-15)),
    ];
    let (simulated, _) = changed(&plan, &changes, 10).await;
    assert_eq!(begun(&simulated, 6), [10, 20, 20, 20, 5, 5]);
    assert_eq!(simulated.count(Outcome::Ok), 80);
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_is_raised_at_the_end_brings_further_arrivals() {
    let plan = plan(load(OPEN, &[(1.0, 0.0, 4.0)]), &[1]);
    // The last arrival is due at 3 s.
    let (simulated, _) = changed(&plan, &[(3.45, |control| control.step(90))], 10).await;
    assert_eq!(begun(&simulated, 4), [1, 1, 1, 6]);
}

fn hold_users(control: &LoadControl, users: u32) -> bool {
    let setting = LoadSetting {
        users: Some(users),
        ..LoadSetting::default()
    };
    control.set(setting) == Ok(())
}

fn hold_rate(control: &LoadControl, rate_per_s: f64) -> bool {
    let setting = LoadSetting {
        rate_per_s: Some(rate_per_s),
        ..LoadSetting::default()
    };
    control.set(setting) == Ok(())
}

fn pause(control: &LoadControl, is_paused: bool) -> bool {
    let setting = LoadSetting {
        is_paused: Some(is_paused),
        ..LoadSetting::default()
    };
    control.set(setting) == Ok(())
}

#[tokio::test(start_paused = true)]
async fn users_that_are_held_are_the_same_in_every_stage_and_keys_count_from_there() {
    let stages = [(2.0, 0.0, 3.0), (6.0, 2.0, 2.0), (1.0, 0.0, 3.0)];
    let plan = plan(load(Model::Closed, &stages), &[1]);
    let held: [Change; 1] = [(0.5, |control| hold_users(control, 4))];
    let (simulated, _) = changed(&plan, &held, 100).await;
    assert_eq!(users(&simulated), [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 0]);
    let changes: [Change; 5] = [
        (0.5, |control| control.step(3)),
        (1.5, |control| hold_users(control, 4)),
        (3.5, |control| control.step(2)),
        (5.5, |control| control.step(-10)),
        (7.5, |control| hold_users(control, 3)),
    ];
    let (simulated, adjustments) = changed(&plan, &changes, 100).await;
    assert_eq!(users(&simulated), [5, 4, 4, 6, 6, 0, 0, 3, 3, 3, 0]);
    assert_eq!(
        simulated.count(Outcome::Ok),
        simulated.samples.len(),
        "nothing is cut off"
    );
    let held: Vec<Option<u32>> = adjustments.iter().map(|one| one.held_users).collect();
    assert_eq!(held, [None, Some(4), Some(6), Some(0), Some(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_is_held_is_the_same_on_ramps_and_keys_count_from_there() {
    // On the ramp to 20/s, the plan has 40 arrivals in 4 s.
    let plan = plan(load(OPEN, &[(20.0, 4.0, 0.0), (5.0, 0.0, 4.0)]), &[1]);
    let changes: [Change; 3] = [
        (0.95, |control| hold_rate(control, 8.0)),
        (4.95, |control| control.step(-2)),
        (5.95, |control| hold_rate(control, 0.0)),
    ];
    let (simulated, _) = changed(&plan, &changes, 10).await;
    let begun = begun(&simulated, 8);
    // 2.5 arrivals, then 8 in each second; two tenths of the highest rate that was planned are 4.
    assert_eq!(begun[0], 3);
    assert_eq!(begun[1..5].iter().sum::<usize>(), 32);
    assert_eq!(begun[5..], [4, 0, 0]);
    assert_eq!(simulated.count(Outcome::Ok), simulated.samples.len());
}

#[tokio::test(start_paused = true)]
async fn what_is_held_in_a_pause_begins_when_it_ends() {
    let changes: [Change; 4] = [
        (1.95, |control| pause(control, true)),
        (3.0, |control| match control.adjustable() {
            crate::engine::AdjustableLoad::Rate => hold_rate(control, 5.0),
            _ => hold_users(control, 5),
        }),
        (4.95, |control| pause(control, false)),
        (5.95, |control| {
            control.toggle_pause() && control.toggle_pause()
        }),
    ];
    for (model, each) in [(Model::Closed, 10), (OPEN, 1)] {
        let plan = plan(load(model, &[(2.0, 0.0, 8.0)]), &[1]);
        let (simulated, _) = changed(&plan, &changes, 100).await;
        let begun = begun(&simulated, 8);
        assert_eq!(begun[..4], [2 * each, 2 * each, 0, 0], "{model:?}");
        assert!(begun[4] <= 5, "{model:?}: {begun:?}");
        assert!(
            begun[5..].iter().all(|count| count.abs_diff(5 * each) <= 5),
            "{model:?}: {begun:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn workers_share_out_what_is_held() {
    // At no time at which an iteration ends: which of the two comes first would be chance.
    let changes: [Change; 3] = [
        (0.93, |control| match control.adjustable() {
            crate::engine::AdjustableLoad::Rate => hold_rate(control, 7.0),
            _ => hold_users(control, 7),
        }),
        (2.945, |control| control.step(1)),
        (3.91, |control| match control.adjustable() {
            crate::engine::AdjustableLoad::Rate => hold_rate(control, 1.0),
            _ => hold_users(control, 1),
        }),
    ];
    for model in [Model::Closed, OPEN] {
        let plan = plan(load(model, &[(10.0, 0.0, 6.0)]), &[1]);
        let (alone, _) = changed(&plan, &changes, 50).await;
        let mut shared = Vec::new();
        let mut running = vec![0; 6];
        for shard in 0..3 {
            let (simulated, _) = changed_shard(&plan, (shard, 3), &changes, 50).await;
            for (sum, one) in running.iter_mut().zip(users(&simulated)) {
                *sum += one;
            }
            shared.extend(simulated.samples);
        }
        let due = |samples: &[crate::metrics::Sample]| {
            let mut due: Vec<u64> = samples.iter().map(|one| one.intended_us).collect();
            due.sort_unstable();
            due
        };
        assert_eq!(due(&shared), due(&alone.samples), "{model:?}");
        if model == Model::Closed {
            assert_eq!(running, users(&alone)[..6]);
            assert_eq!(running, [7, 7, 8, 1, 1, 1]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_load_has_ended_is_told_while_requests_are_waited_for() {
    let plan = plan(load(Model::Closed, &[(1.0, 0.0, 60.0)]), &[1]);
    let stop = async |sender: &tokio::sync::watch::Sender<_>| {
        tokio::time::sleep(Duration::from_millis(2_300)).await;
        let now = tokio::time::Instant::now();
        sender.send_replace(crate::engine::message::WorkerCommand::Stop(now));
    };
    let simulated = run_meanwhile(&plan, (0, 1), takes(4_000), None, stop).await;
    let told: Vec<_> = simulated
        .ticks
        .iter()
        .map(|tick| tick.stopped_at_us)
        .collect();
    let at = Some(2_300_000);
    assert_eq!(told[..4], [None, None, at, at]);
    assert_eq!(told.last(), Some(&at));
}
