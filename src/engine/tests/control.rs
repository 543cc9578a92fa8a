//! Loads that are changed while they go on.

use std::time::Duration;

use super::{Simulation, run_meanwhile, takes};
use crate::engine::LoadControl;
use crate::metrics::{Adjustment, Outcome};
use crate::plan::fixture::{load, plan};
use crate::plan::{Model, Plan, ThinkTime};

const OPEN: Model = Model::Open { max_users: 100 };

/// What is changed at a second.
type Change = (f64, fn(&LoadControl) -> bool);

/// Runs a plan whose load is changed at these seconds.
async fn changed(plan: &Plan, changes: &[Change], ms: u64) -> (Simulation, Vec<Adjustment>) {
    let control = LoadControl::new(plan);
    let change = async |_: &_| {
        let mut done_s = 0.0;
        for (at_s, change) in changes {
            tokio::time::sleep(Duration::from_secs_f64(at_s - done_s)).await;
            done_s = *at_s;
            assert!(change(&control), "at {at_s} s");
        }
    };
    let simulated = run_meanwhile(plan, (0, 1), takes(ms), Some(&control), change).await;
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
