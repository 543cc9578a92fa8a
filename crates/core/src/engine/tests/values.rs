//! Which rows users get, and what they do without one.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use serde_json::json;

use super::*;
use crate::engine::user::values::Values;
use crate::engine::user::values::feeding::Feeding;
use crate::engine::{self, Stopper};
use crate::plan::{
    Condition, DataFormat, Escape, Expression, Feeder, Input, OnEnd, Per, RowOrder, Rows, Slot,
    Step, Task, Template, TemplatePart, Variable,
};
use crate::protocol::{Request, Response};

/// `GET /ROW` with one of this many rows.
fn feeding(mut plan: Plan, mode: RowOrder, per: Per, on_end: OnEnd, rows: u64) -> Plan {
    let lines: String = (0..rows).map(|i| format!("r{i}\n")).collect();
    plan.names = vec!["rows.id".into()];
    plan.data = vec![Feeder {
        name: "rows".into(),
        file: "rows.csv".into(),
        mode,
        per,
        on_end,
        columns: vec![(0, 0)],
        rows: Rows::of_text(DataFormat::Csv, &lines),
    }];
    for endpoint in &mut plan.endpoints {
        let slot = TemplatePart::Slot {
            slot: Slot::Variable(0),
            escape: Escape::None,
        };
        endpoint.url = Template::new(
            "/{{ rows.id }}",
            vec![TemplatePart::Literal("/".into()), slot],
        );
    }
    plan
}

fn closed(iterations: u64) -> Plan {
    let mut plan = plan(load(Model::Closed, &[(7.0, 0.0, 1000.0)]), &[3, 1]);
    plan.load.iterations = Some(iterations);
    plan
}

async fn requests(plan: &Plan, shards: usize) -> Vec<String> {
    let mut all = Vec::new();
    for shard in 0..shards {
        all.extend(run_shard(plan, (shard, shards), takes(10), None).await.seen);
    }
    all.sort();
    all
}

#[tokio::test(start_paused = true)]
async fn a_seed_gives_the_same_rows_on_any_number_of_workers() {
    let open = plan(load(OPEN, &[(20.0, 0.0, 5.0)]), &[3, 1]);
    for base in [closed(100), open] {
        for mode in [
            RowOrder::Sequential,
            RowOrder::Random,
            RowOrder::Shuffle,
            RowOrder::Unique,
        ] {
            let on_end = match mode {
                RowOrder::Unique => OnEnd::StopRun,
                _ => OnEnd::Wrap,
            };
            let mut plan = feeding(base.clone(), mode, Per::Iteration, on_end, 200);
            let one = requests(&plan, 1).await;
            assert_eq!(one.len(), 100);
            assert_eq!(one, requests(&plan, 3).await, "{mode:?}");
            let rows: BTreeSet<&str> = one
                .iter()
                .filter_map(|line| line.split('/').nth(1))
                .collect();
            match mode {
                RowOrder::Random => assert!(rows.len() < 100, "with repetitions"),
                _ => assert_eq!(rows.len(), 100, "{mode:?}: no row twice"),
            }
            plan.seed += 1;
            assert_ne!(one, requests(&plan, 1).await, "{mode:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_keeps_its_row() {
    let plan = feeding(closed(70), RowOrder::Unique, Per::User, OnEnd::StopUser, 7);
    let seen = requests(&plan, 2).await;
    for row in 0..7 {
        let url = format!("/r{row}");
        let count = seen.iter().filter(|line| line.ends_with(&url)).count();
        assert_eq!(count, 10, "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_that_comes_back_gets_no_row_twice() {
    // The second of two users ends after a second, and comes back in the third.
    let stages = [(2.0, 0.0, 1.0), (1.0, 0.0, 1.0), (2.0, 0.0, 1.0)];
    let base = plan(load(Model::Closed, &stages), &[1]);
    let plan = feeding(
        base,
        RowOrder::Unique,
        Per::Iteration,
        OnEnd::StopRun,
        10_000,
    );
    let seen = run_shard(&plan, (0, 1), takes(10), None).await.seen;
    let different: BTreeSet<&String> = seen.iter().collect();
    assert!(seen.len() > 450, "{}", seen.len());
    assert_eq!(different.len(), seen.len());
}

#[tokio::test(start_paused = true)]
async fn users_end_with_their_rows_and_each_end_is_counted() {
    let plan = feeding(
        closed(700),
        RowOrder::Unique,
        Per::Iteration,
        OnEnd::StopUser,
        20,
    );
    let simulated = run_shard(&plan, (0, 1), takes(10), None).await;
    assert_eq!(simulated.seen.len(), 20, "each row once");
    assert_eq!(simulated.count(Outcome::DataExhausted), 7, "each user once");
    assert_eq!(simulated.samples.len(), 27);
    let last = simulated.ticks.last().unwrap();
    assert_eq!((last.totals.planned, last.totals.started), (27, 20));
    assert!(!last.out_of_data);
}

/// A user without a row ends as planned, in either model: its `on_start` has not failed.
#[tokio::test(start_paused = true)]
async fn a_start_for_which_no_row_is_left_has_not_failed() {
    let of_users = (closed(70), OnEnd::StopUser, 5, 2);
    // The user of each arrival is busy until the end.
    let arrivals = plan(load(OPEN, &[(1.0, 0.0, 60.0)]), &[1, 1]);
    let of_arrivals = (arrivals, OnEnd::StopRun, 5, 2);
    for (base, on_end, rows, missing) in [of_users, of_arrivals] {
        let mut plan = feeding(base, RowOrder::Unique, Per::User, on_end, rows);
        plan.classes[0].on_start = vec![Step::Request(0)];
        let simulated = run_shard(&plan, (0, 1), takes(30_000), None).await;
        assert_eq!(simulated.count(Outcome::DataExhausted), missing);
        assert_eq!(simulated.count(Outcome::Dropped), 0);
        let last = simulated.ticks.last().unwrap();
        assert_eq!(last.totals.planned, simulated.samples.len() as u64);
        assert_eq!(simulated.failed_starts(), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_run_ends_at_the_first_missing_row() {
    let base = plan(load(OPEN, &[(100.0, 0.0, 60.0)]), &[1]);
    let plan = feeding(
        base,
        RowOrder::Sequential,
        Per::Iteration,
        OnEnd::StopRun,
        150,
    );
    let simulated = run_shard(&plan, (0, 1), takes(200), None).await;
    assert_eq!(
        simulated.count(Outcome::Ok),
        150,
        "what was in flight is waited for"
    );
    assert_eq!(simulated.count(Outcome::DataExhausted), 1);
    assert!(
        (1.4..1.6).contains(&simulated.stopped_s),
        "{}",
        simulated.stopped_s
    );
    assert!(simulated.ticks.last().unwrap().out_of_data);
}

#[tokio::test]
async fn a_load_that_ran_out_of_data_does_not_go_on() {
    let base = plan(load(Model::Closed, &[(2.0, 0.0, 60.0)]), &[1]);
    // The second user has no row, and the request of the first one is waited for beyond a second.
    let plan = feeding(base, RowOrder::Unique, Per::Iteration, OnEnd::StopRun, 1);
    let mut goes_on = Vec::new();
    let stopper = Stopper::default();
    let control = LoadControl::new(&plan);
    let ending = engine::run(
        Arc::new(plan),
        || Ok(MockClient::new(takes(1_500))),
        &stopper,
        &control,
        None,
        |_, _, is_on| {
            goes_on.push(is_on);
            ControlFlow::Break(())
        },
    );
    assert!(ending.await.unwrap().out_of_data);
    assert!(
        goes_on.len() >= 2 && !goes_on.contains(&true),
        "{goes_on:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_condition_reads_the_rows_the_variables_and_the_last_status_of_a_user() {
    let plan = feeding(
        closed(1),
        RowOrder::Sequential,
        Per::Iteration,
        OnEnd::Wrap,
        3,
    );
    let feeding = Rc::new(Feeding::new(Arc::new(plan.clone())));
    let mut values = Values::new(feeding, 1, ChaCha12Rng::seed_from_u64(1));
    values.iterate();
    let expression = Expression::compile::<String>("rows.id == 'r1' and status == 404", |path| {
        Ok(match path {
            "status" => (("status".into(), None), Input::Status),
            _ => (("rows".into(), Some("id".into())), Input::Variable(0)),
        })
    });
    let condition = Condition::new(expression.unwrap());
    values.take_rows(&[0]).await.unwrap();
    assert_eq!(values.holds(&condition), Ok(false));
    let response = Response {
        status: Some(404),
        ..Response::default()
    };
    let endpoint = &plan.endpoints[0];
    let request = Request {
        index: 0,
        endpoint,
        rendered: None,
        trace: None,
    };
    let judged = (&response, Duration::ZERO);
    let result = values.judge(endpoint, &request, judged, |_, _| true);
    assert_eq!(result.outcome, Outcome::Http4xx);
    assert_eq!(
        values.holds(&condition),
        Ok(true),
        "the second user has the second row"
    );
    values.set(0, json!("other"));
    assert_eq!(values.holds(&condition), Ok(false));
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_step_is_sent_when_one_of_its_rows_is_missing() {
    // Three users with a row for their first iteration only.
    let step = |times, requests| Step::Parallel { times, requests };
    for (parallel, per_step) in [(step(1, vec![0, 1, 0]), 3), (step(5, vec![1]), 5)] {
        for (base, per_user) in [
            (plan(load(Model::Closed, &[(3.0, 0.0, 5.0)]), &[1, 1]), true),
            (plan(load(OPEN, &[(2.0, 0.0, 5.0)]), &[1, 1]), false),
        ] {
            let on_end = if per_user {
                OnEnd::StopUser
            } else {
                OnEnd::StopRun
            };
            let mut plan = feeding(base, RowOrder::Unique, Per::Iteration, on_end, 3);
            plan.classes[0].tasks = vec![Task {
                weight: 1,
                think_time: None,
                steps: vec![parallel.clone()],
            }];
            // The first request of the step needs no row.
            plan.endpoints[0].url = Template::literal("/");
            let simulated = run_shard(&plan, (0, 1), takes(100), None).await;
            assert_eq!(simulated.seen.len(), 3 * per_step, "{:?}", simulated.seen);
            let missing = if per_user { 3 } else { 1 };
            assert_eq!(simulated.count(Outcome::DataExhausted), missing);
            let rows = simulated.seen.iter().filter(|line| line.ends_with("/r2"));
            assert_eq!(rows.count(), if per_step == 3 { 1 } else { 5 });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_disk_keeps_only_the_users_waiting_whose_rows_are_on_it() {
    let open = plan(load(OPEN, &[(100.0, 0.0, 10.0)]), &[3, 1]);
    for base in [closed(700), open] {
        for mode in [RowOrder::Sequential, RowOrder::Random, RowOrder::Shuffle] {
            let in_memory = feeding(base.clone(), mode, Per::Iteration, OnEnd::Wrap, 2_000);
            let mut slow = in_memory.clone();
            slow.data[0].rows = slow.data[0].rows.clone().on_a_slow_disk();
            // From here on, this thread, on which the workers run, panics when it waits for the disk.
            slow.data[0].rows.start();
            let expected = requests(&in_memory, 2).await;
            assert_eq!(requests(&slow, 2).await, expected, "{mode:?}");
            assert!(slow.data[0].rows.waits() > 0, "{mode:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rows_of_a_slow_disk_are_read_before_they_are_needed() {
    let base = plan(load(OPEN, &[(100.0, 0.0, 10.0)]), &[1]);
    let mut plan = feeding(
        base,
        RowOrder::Sequential,
        Per::Iteration,
        OnEnd::Wrap,
        2_000,
    );
    let rows = plan.data[0].rows.clone().on_a_slow_disk();
    rows.start();
    plan.data[0].rows = rows.clone();
    assert_eq!(requests(&plan, 1).await.len(), 1_000);
    // What the last arrivals would have found 200 arrivals later, and what nobody asked for yet.
    assert!(rows.read_now(1_200).is_some());
    assert!(rows.read_now(1_400).is_none());
}

#[tokio::test(start_paused = true)]
async fn variables_of_a_slow_disk_are_filled_in_before_the_first_request() {
    let mut plan = feeding(closed(70), RowOrder::Unique, Per::User, OnEnd::StopUser, 7);
    let slot = TemplatePart::Slot {
        slot: Slot::Variable(1),
        escape: Escape::None,
    };
    plan.variables = vec![Variable {
        name: "name".into(),
        value: Template::new("{{ rows.id }}", vec![slot]),
    }];
    plan.names = vec!["name".into(), "rows.id".into()];
    plan.data[0].columns = vec![(0, 1)];
    plan.data[0].rows = plan.data[0].rows.clone().on_a_slow_disk();
    plan.data[0].rows.start();
    let seen = requests(&plan, 2).await;
    for row in 0..7 {
        let url = format!("/r{row}");
        assert_eq!(seen.iter().filter(|line| line.ends_with(&url)).count(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_that_cannot_make_its_requests_does_not_spin() {
    let base = plan(load(Model::Closed, &[(1.0, 0.0, 10.0)]), &[1]);
    let mut plan = feeding(base, RowOrder::Sequential, Per::Iteration, OnEnd::Wrap, 3);
    // Nothing sets the variable any more.
    plan.data.clear();
    let simulated = run_shard(&plan, (0, 1), takes(1), None).await;
    let failed = simulated.count(Outcome::InvalidRequest);
    assert_eq!((failed, simulated.seen.len()), (simulated.samples.len(), 0));
    assert!((900..=1001).contains(&failed), "{failed}");
}
