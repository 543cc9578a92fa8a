//! A ceiling on the requests per second, under a paused clock.

use super::{run, run_shard, takes};
use crate::metrics::Outcome;
use crate::plan::fixture::{load, plan};
use crate::plan::{Flow, Model, Plan, Step, Task};

/// Ten users for almost ten seconds, with at most twenty requests per second.
fn throttled() -> Plan {
    let mut plan = plan(load(Model::Closed, &[(10.0, 0.0, 9.97)]), &[1]);
    plan.load.throttle = Some(20.0);
    plan
}

#[tokio::test(start_paused = true)]
async fn users_take_turns_and_no_time_includes_the_wait() {
    let simulated = run(&throttled(), takes(10)).await;
    let mut starts: Vec<u64> = simulated
        .samples
        .iter()
        .map(|one| one.intended_us / 1_000)
        .collect();
    starts.sort_unstable();
    let turns = (0..200).map(|turn| turn * 50);
    assert!(starts.iter().copied().eq(turns), "{starts:?}");
    assert!(
        simulated
            .samples
            .iter()
            .all(|one| one.response_us == 10_000)
    );
    let totals = simulated.ticks.last().unwrap().totals;
    // All but the first request, and those that the end of the load found waiting.
    assert_eq!(totals.throttled, 199 + 10);
    assert_eq!(totals.started, 200);
    let drained_s = simulated.drained_s;
    assert!(drained_s < 10.1, "nobody is waited for: {drained_s}");
}

#[tokio::test(start_paused = true)]
async fn workers_share_the_rate() {
    let mut plan = throttled();
    plan.load.throttle = Some(30.0);
    let mut starts = Vec::new();
    for shard in 0..3 {
        let simulated = run_shard(&plan, (shard, 3), takes(10), None).await;
        let sent = simulated.samples.len();
        assert!((99..=100).contains(&sent), "{sent}");
        starts.extend(simulated.samples.iter().map(|one| one.intended_us / 1_000));
    }
    starts.sort_unstable();
    let busiest = starts.windows(31).map(|turns| turns[30] - turns[0]).min();
    assert!(busiest >= Some(998), "{busiest:?} ms for 31 requests");
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_flow_does_not_include_its_waits_for_turns() {
    let mut plan = throttled();
    plan.load.stages[0].level = 1.0;
    plan.load.throttle = Some(1.0);
    plan.flows = vec![Flow {
        name: "flow".into(),
    }];
    let requests = Step::Parallel {
        times: 2,
        requests: vec![0],
    };
    plan.classes[0].tasks = vec![Task {
        weight: 1,
        think_time: None,
        steps: vec![Step::Flow {
            flow: 0,
            goes_on: false,
            steps: vec![Step::Request(0), requests],
        }],
    }];
    let simulated = run(&plan, takes(10)).await;
    let flows = simulated.samples.iter().filter(|one| one.endpoint == 1);
    let flows: Vec<_> = flows.map(|one| (one.outcome, one.response_us)).collect();
    // At 0 s, both at 2 s; at 3 s, both at 5 s; and so on. The last was to send at 11 s.
    let whole = (Outcome::Ok, 20_000);
    assert_eq!(flows[..3], [whole; 3]);
    assert_eq!(flows[3..], [(Outcome::Interrupted, 10_000)]);
}
