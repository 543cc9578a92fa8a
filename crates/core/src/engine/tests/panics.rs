//! Bugs of perfctl itself: a user or a worker that panics is counted, and nothing waits for it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::{OPEN, Simulation, run, takes};
use crate::engine::{self, LoadControl, PendingTicks, Stopper};
use crate::metrics::{Outcome, Tick};
use crate::plan::fixture::{load, plan};
use crate::plan::{Escape, Model, Slot, Template, TemplatePart};
use crate::protocol::mock::{MockClient, MockResponse};

const TEXT: &str = "a fault put in by a test";

/// Every request takes 100 ms; those with these numbers panic instead.
fn panics_at(numbers: &'static [usize]) -> impl Fn(usize) -> MockResponse {
    move |number| {
        assert!(!numbers.contains(&number), "{TEXT}");
        takes(100)(number)
    }
}

/// What was planned, started and recorded is the same.
fn assert_all_accounted_for(simulated: &Simulation) {
    let totals = simulated.ticks.last().unwrap().totals;
    let started = simulated.samples.iter().filter(|s| s.outcome.is_started());
    assert_eq!(totals.planned, simulated.samples.len() as u64);
    assert_eq!(totals.started, started.count() as u64);
}

fn panics(simulated: &Simulation) -> (u64, Option<String>) {
    let text = simulated.ticks.iter().find_map(|tick| tick.panic.clone());
    (simulated.ticks.last().unwrap().totals.panics, text)
}

#[tokio::test(start_paused = true)]
async fn a_user_that_panics_is_counted_and_the_others_go_on() {
    let plan = plan(load(Model::Closed, &[(5.0, 0.0, 10.0)]), &[1]);
    let simulated = run(&plan, panics_at(&[7, 12])).await;
    assert_eq!(panics(&simulated), (2, Some(TEXT.to_owned())));
    assert_eq!(simulated.count(Outcome::Internal), 2);
    assert_eq!(simulated.ticks[5].users, 3);
    assert!(simulated.count(Outcome::Ok) > 3 * 90);
    assert_all_accounted_for(&simulated);
}

#[tokio::test(start_paused = true)]
async fn arrivals_whose_users_panic_do_not_keep_the_run_from_ending() {
    let mut plan = plan(load(OPEN, &[(50.0, 0.0, 10.0)]), &[1]);
    plan.load.iterations = Some(100);
    let simulated = run(&plan, panics_at(&[0, 10, 20, 99])).await;
    assert_eq!(panics(&simulated), (4, Some(TEXT.to_owned())));
    assert_eq!(simulated.count(Outcome::Internal), 4);
    assert_eq!(simulated.count(Outcome::Ok), 96);
    assert_all_accounted_for(&simulated);
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_request_is_made_is_in_the_counts_too() {
    for model in [Model::Closed, OPEN] {
        let mut plan = plan(load(model, &[(3.0, 0.0, 5.0)]), &[1]);
        plan.load.iterations = Some(6);
        // No compiled plan has an empty range.
        let slot = TemplatePart::Slot {
            slot: Slot::RandomInt(2, 1),
            escape: Escape::None,
        };
        plan.endpoints[0].url = Template::new("{{ x }}", vec![slot]);
        let simulated = run(&plan, takes(10)).await;
        let (count, text) = panics(&simulated);
        assert_eq!(count, 6, "{model:?}");
        assert!(text.unwrap().contains("empty range"));
        assert_eq!(simulated.count(Outcome::Internal), 6, "{model:?}");
        assert_all_accounted_for(&simulated);
    }
}

#[tokio::test]
async fn a_worker_that_dies_ends_the_run_with_what_was_measured() {
    let mut plan = plan(load(OPEN, &[(2.0, 0.0, 600.0)]), &[1]);
    // Without a task none can be picked for an arrival, which the worker does itself.
    plan.classes[0].tasks.clear();
    let make = || Ok(MockClient::new(takes(1)));
    let stopper = Stopper::default();
    let control = LoadControl::new(&plan);
    let ending = engine::run(Arc::new(plan), make, &stopper, &control, None, |_, _, _| {
        ControlFlow::Continue(())
    });
    let ending = tokio::time::timeout(Duration::from_secs(60), ending);
    let ending = ending.await.expect("it ends").unwrap();
    assert!(ending.dead_worker.is_some(), "{ending:?}");
    assert!(ending.stopped_at_us < 600_000_000);
}

#[tokio::test]
async fn a_second_that_breaks_ends_the_load_and_those_after_it_are_no_part_of_it() {
    let plan = plan(load(Model::Closed, &[(2.0, 0.0, 600.0)]), &[1]);
    let make = || Ok(MockClient::new(takes(1)));
    let mut seen = Vec::new();
    let stopper = Stopper::default();
    let control = LoadControl::new(&plan);
    let ending = engine::run(
        Arc::new(plan),
        make,
        &stopper,
        &control,
        None,
        |_, _, goes_on| {
            seen.push(goes_on);
            ControlFlow::Break(())
        },
    );
    let ending = tokio::time::timeout(Duration::from_secs(60), ending);
    let ending = ending.await.expect("it ends").unwrap();
    assert!(ending.stopped_at_us < 600_000_000, "{ending:?}");
    assert_eq!((seen.first(), seen.last()), (Some(&true), Some(&false)));
}

#[tokio::test]
async fn a_worker_that_dies_before_the_start_is_an_error_with_its_message() {
    let plan = plan(load(Model::Closed, &[(2.0, 0.0, 600.0)]), &[1]);
    let make = || -> Result<MockClient, _> { panic!("{TEXT}") };
    let control = LoadControl::new(&plan);
    let error = engine::run(
        Arc::new(plan),
        make,
        &Stopper::default(),
        &control,
        None,
        |_, _, _| ControlFlow::Continue(()),
    )
    .await;
    let text = error.unwrap_err().to_string();
    assert!(text.contains(TEXT) && text.contains("report it"), "{text}");
}

#[test]
fn nobody_waits_for_the_ticks_of_a_dead_worker() {
    let mut pending = PendingTicks::new(2, tokio::time::Instant::now());
    pending.tick(0, Tick::default());
    assert!(pending.next_second().is_none(), "worker 1 is to come");
    pending.died(1, tokio::time::Instant::now());
    assert_eq!(pending.next_second().unwrap().len(), 1);
    assert!(pending.next_second().is_none());
}

#[test]
fn the_load_has_ended_when_the_last_worker_starts_no_more() {
    let epoch = tokio::time::Instant::now();
    let mut pending = PendingTicks::new(2, epoch);
    let stopped = |stopped_at_us| Tick {
        stopped_at_us,
        ..Tick::default()
    };
    let mut second = |ticks: [Option<u64>; 2]| {
        ticks
            .into_iter()
            .enumerate()
            .for_each(|(shard, at_us)| pending.tick(shard, stopped(at_us)));
        let ticks = pending.next_second().unwrap().into_iter();
        ticks.map(|tick| tick.stopped_at_us).collect::<Vec<_>>()
    };
    assert_eq!(second([Some(700_000), None]), [None, None]);
    assert_eq!(
        second([Some(700_000), Some(1_300_000)]),
        [Some(1_300_000); 2]
    );
    // One that is done says no more.
    let mut pending = PendingTicks::new(2, epoch);
    let finish = crate::engine::message::Finish {
        stopped_at: epoch,
        drained_at: epoch,
    };
    pending.done(0, stopped(Some(700_000)), finish);
    for (at_us, told) in [(None, None), (Some(1_300_000), Some(1_300_000))] {
        pending.tick(1, stopped(at_us));
        let ticks = pending.next_second().unwrap();
        assert_eq!(ticks.last().unwrap().stopped_at_us, told);
    }
}
