//! Flows, user classes and what users do once, under a paused clock.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::tests::{Simulation, run, run_shard, takes};
use crate::metrics::{Outcome, Sample};
use crate::plan::fixture::{load, plan};
use crate::plan::{
    Branch, Condition, Escape, Expression, Flow, Input, ListItem, Model, Plan, Slot, Step, Task,
    Template, TemplatePart, ThinkTime,
};
use crate::protocol::mock::MockResponse;

const OPEN: Model = Model::Open { max_users: 100 };
const SECOND: Duration = Duration::from_secs(1);

/// A plan of one flow, with endpoints `a` to `d`.
fn flow_plan(model: Model, stages: &[(f64, f64, f64)], steps: Vec<Step>) -> Plan {
    let mut plan = plan(load(model, stages), &[1; 4]);
    plan.flows = vec![Flow {
        name: "shop".into(),
    }];
    plan.classes[0].tasks = vec![Task {
        weight: 1,
        think_time: None,
        steps: vec![Step::Flow {
            flow: 0,
            goes_on: false,
            steps,
        }],
    }];
    plan
}

/// The samples of the only flow.
fn flows(simulated: &Simulation) -> Vec<Sample> {
    let flows = simulated
        .samples
        .iter()
        .filter(|sample| sample.endpoint == 4);
    flows.copied().collect()
}

fn names(simulated: &Simulation) -> String {
    let first = |line: &String| line.chars().next().unwrap();
    simulated.seen.iter().map(first).collect()
}

/// Responds in 100 ms, with 503 to the requests with these numbers.
fn fails(numbers: &'static [usize]) -> impl Fn(usize) -> MockResponse {
    move |number| MockResponse {
        delay: Duration::from_millis(100),
        status: if numbers.contains(&number) { 503 } else { 200 },
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_flow_is_that_of_its_steps_with_and_without_the_waits() {
    let think = Step::Think(ThinkTime::Constant(2 * SECOND));
    let steps = vec![Step::Request(0), think, Step::Request(1)];
    let mut plan = flow_plan(Model::Closed, &[(1.0, 0.0, 10.0)], steps);
    plan.classes[0].think_time = ThinkTime::Constant(SECOND);
    let simulated = run(&plan, takes(100)).await;
    // Each takes 2.2 s, and 1 s passes until the next.
    let flows = flows(&simulated);
    assert_eq!(names(&simulated), "abababab");
    let starts: Vec<u64> = flows.iter().map(|flow| flow.intended_us / 1_000).collect();
    assert_eq!(starts, [0, 3_200, 6_400, 9_600]);
    for flow in flows {
        assert_eq!((flow.response_us, flow.service_us), (200_000, 2_200_000));
        assert_eq!((flow.outcome, flow.scheduling_delay_us()), (Outcome::Ok, 0));
    }
    let totals = simulated.ticks.last().unwrap().totals;
    assert_eq!(
        (totals.planned, totals.started),
        (8, 8),
        "a flow is no request"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_step_ends_its_flow_unless_the_flow_goes_on() {
    let steps = || vec![Step::Request(0), Step::Request(1), Step::Request(2)];
    let mut plan = flow_plan(Model::Closed, &[(1.0, 0.0, 100.0)], steps());
    plan.load.iterations = Some(2);
    let simulated = run(&plan, fails(&[1])).await;
    assert_eq!(names(&simulated), "ababc");
    let classes: Vec<Outcome> = flows(&simulated).iter().map(|flow| flow.outcome).collect();
    assert_eq!(classes, [Outcome::Http5xx, Outcome::Ok]);
    let example = simulated.ticks.iter().flat_map(|tick| &tick.examples);
    let text = example
        .filter(|e| e.endpoint == 4)
        .map(|e| e.texts.text.as_str());
    assert_eq!(text.collect::<Vec<_>>(), ["step `b` ended as http_5xx"]);

    let Step::Flow { goes_on, .. } = &mut plan.classes[0].tasks[0].steps[0] else {
        unreachable!()
    };
    *goes_on = true;
    let simulated = run(&plan, fails(&[1])).await;
    assert_eq!(names(&simulated), "abcabc");
    assert_eq!(flows(&simulated)[0].outcome, Outcome::Http5xx);
}

#[tokio::test(start_paused = true)]
async fn steps_are_repeated_and_chosen_by_weight() {
    let branch = |weight, endpoint| Branch {
        weight,
        steps: vec![Step::Request(endpoint)],
    };
    let steps = vec![
        Step::Repeat {
            times: 3,
            variable: None,
            condition: None,
            steps: vec![Step::Request(0)],
        },
        Step::Random(vec![branch(3, 1), branch(1, 2)]),
    ];
    let mut plan = flow_plan(Model::Closed, &[(1.0, 0.0, 10_000.0)], steps);
    plan.load.iterations = Some(4_000);
    let simulated = run(&plan, takes(1)).await;
    let seen = names(&simulated);
    assert!(
        seen.starts_with("aaab") || seen.starts_with("aaac"),
        "{seen:.8}"
    );
    let count = |name| seen.chars().filter(|c| *c == name).count();
    assert_eq!((count('a'), count('b') + count('c')), (12_000, 4_000));
    assert!((2_900..3_100).contains(&count('b')), "{}", count('b'));
}

/// "Upload an invoice, wait until it is processed."
#[tokio::test(start_paused = true)]
async fn a_poll_goes_on_until_the_response_matches_or_the_time_is_up() {
    let mut plan = flow_plan(Model::Closed, &[(1.0, 0.0, 1_000.0)], Vec::new());
    let range = |low, high| crate::plan::StatusRange { low, high };
    let status = |low, high| crate::plan::Check::Status(vec![range(low, high)]);
    plan.endpoints[1].checks = vec![status(200, 299)];
    let mut until = plan.endpoints[1].clone();
    until.checks.push(status(200, 200));
    let steps = vec![
        Step::Request(0),
        Step::Poll {
            endpoint: 1,
            until: until.into(),
            pending: plan.endpoints[1].clone().into(),
            every: 2 * SECOND,
            timeout: 5 * SECOND,
        },
        Step::Request(2),
    ];
    let Step::Flow { steps: of_flow, .. } = &mut plan.classes[0].tasks[0].steps[0] else {
        unreachable!()
    };
    *of_flow = steps;
    plan.load.iterations = Some(1);
    let ready_at = |ready: usize| {
        move |number| MockResponse {
            delay: Duration::from_millis(100),
            status: if number == 0 || number >= ready {
                200
            } else {
                202
            },
        }
    };
    let simulated = run(&plan, ready_at(3)).await;
    assert_eq!(names(&simulated), "abbbc");
    let flow = flows(&simulated)[0];
    // The waits of a poll are waits for the service, and count.
    assert_eq!((flow.response_us, flow.outcome), (4_500_000, Outcome::Ok));
    assert_eq!(
        simulated.count(Outcome::Ok),
        6,
        "a pending response is not a failure"
    );

    let simulated = run(&plan, ready_at(100)).await;
    assert_eq!(names(&simulated), "abbb", "no poll starts after 5 s");
    assert_eq!(flows(&simulated)[0].outcome, Outcome::CheckFailed);
}

/// A plan whose only variable is `item`, which the URL of `a` uses.
fn with_item(steps: Vec<Step>) -> Plan {
    let mut plan = flow_plan(Model::Closed, &[(1.0, 0.0, 1_000.0)], steps);
    plan.names = vec!["item".into()];
    let item = TemplatePart::Slot {
        slot: Slot::Variable(0),
        escape: Escape::None,
    };
    plan.endpoints[0].url = Template::new("/{{ item }}", vec![item]);
    plan.load.iterations = Some(1);
    plan
}

fn known<const N: usize>(values: [serde_json::Value; N]) -> Vec<ListItem> {
    values.into_iter().map(ListItem::Known).collect()
}

#[tokio::test(start_paused = true)]
async fn steps_are_done_for_each_value_of_a_list() {
    let plan = with_item(vec![Step::Each {
        variable: 0,
        values: known(["tea".into(), 7.into()]),
        condition: None,
        steps: vec![Step::Request(0)],
    }]);
    let simulated = run(&plan, takes(10)).await;
    assert_eq!(simulated.seen, ["a tea", "a 7"]);
    let simulated = run(&plan, fails(&[0])).await;
    assert_eq!(simulated.seen, ["a tea"], "a failed step ends its flow");
}

#[tokio::test(start_paused = true)]
async fn a_condition_decides_which_steps_are_done_and_how_often() {
    let condition = |source: &str| {
        let resolve = |path: &str| match path {
            "status" => Ok((("status".to_owned(), None), Input::Status)),
            _ => Ok((("item".to_owned(), None), Input::Variable(0))),
        };
        Condition::new(Expression::compile::<String>(source, resolve).unwrap())
    };
    let decide = |source: &str| Step::If {
        condition: condition(source),
        then: vec![Step::Request(1)],
        otherwise: vec![Step::Request(2)],
    };
    let steps = |source| {
        with_item(vec![Step::Each {
            variable: 0,
            values: known([1.into(), 2.into()]),
            condition: None,
            steps: vec![Step::Request(0), decide(source)],
        }])
    };
    let simulated = run(&steps("status == 200 and item > 1"), takes(10)).await;
    assert_eq!(names(&simulated), "acab");
    let repeated = |source| {
        with_item(vec![Step::Each {
            variable: 0,
            values: known([1.into(), 2.into(), 3.into(), 1.into()]),
            condition: Some(condition(source)),
            steps: vec![Step::Request(0), Step::Request(1)],
        }])
    };
    for (source, wanted) in [("item < 3", "abab"), ("item > 1", ""), ("item.x.y", "")] {
        assert_eq!(names(&run(&repeated(source), takes(10)).await), wanted);
    }
    let counted = with_item(vec![Step::Repeat {
        times: 5,
        variable: None,
        condition: Some(condition("status != 500")),
        steps: vec![Step::Request(1)],
    }]);
    assert_eq!(names(&run(&counted, takes(10)).await), "bbbbb");
    // One that cannot be decided fails its flow, and says why.
    let simulated = run(&steps("item.x.y"), takes(10)).await;
    assert_eq!(names(&simulated), "a");
    assert_eq!(flows(&simulated)[0].outcome, Outcome::InvalidRequest);
    let mut examples = simulated.ticks.iter().flat_map(|tick| &tick.examples);
    assert!(examples.any(|e| e.texts.text.contains("item.x.y")));
}

#[tokio::test(start_paused = true)]
async fn a_flow_in_which_nothing_is_sent_does_not_spin() {
    let chosen = Step::Random(vec![Branch {
        weight: 1,
        steps: Vec::new(),
    }]);
    let plan = flow_plan(Model::Closed, &[(1.0, 0.0, 10.0)], vec![chosen]);
    let simulated = run(&plan, takes(1)).await;
    let count = flows(&simulated).len();
    assert!((900..=1_001).contains(&count), "{count}");
}

#[tokio::test(start_paused = true)]
async fn requests_in_parallel_start_at_once_and_end_with_the_slowest() {
    let steps = vec![
        Step::Request(0),
        Step::Parallel {
            times: 2,
            requests: vec![1, 2, 3],
        },
    ];
    let mut plan = flow_plan(Model::Closed, &[(1.0, 0.0, 1_000.0)], steps);
    plan.load.iterations = Some(1);
    let simulated = run(&plan, |number| MockResponse {
        delay: Duration::from_millis(100 * number as u64),
        status: 200,
    })
    .await;
    assert_eq!(names(&simulated), "abcdbcd");
    let flow = flows(&simulated)[0];
    assert_eq!(flow.response_us, 600_000);
    let at_once = simulated
        .samples
        .iter()
        .filter(|s| (1..4).contains(&s.endpoint));
    assert!(at_once.map(|s| s.intended_us).all(|us| us == 0));
}

#[tokio::test(start_paused = true)]
async fn requests_in_parallel_that_begin_an_arrival_count_from_when_it_was_due() {
    let steps = vec![Step::Parallel {
        times: 1,
        requests: vec![0, 1],
    }];
    // The timer wakes at full milliseconds, so that 1/3 s tells the schedule from the start.
    let plan = flow_plan(OPEN, &[(3.0, 0.0, 1.0)], steps);
    let simulated = run(&plan, takes(200)).await;
    let mut due: Vec<u64> = simulated.samples.iter().map(|s| s.intended_us).collect();
    due.sort_unstable();
    let each = [0, 333_333, 666_666];
    assert_eq!(
        due,
        each.map(|us| [us; 3]).concat(),
        "two requests and their flow"
    );
}

#[tokio::test(start_paused = true)]
async fn a_flow_cut_off_by_the_end_of_the_run_is_interrupted_with_its_age() {
    let think = Step::Think(ThinkTime::Constant(100 * SECOND));
    let mut plan = flow_plan(
        Model::Closed,
        &[(1.0, 0.0, 10.0)],
        vec![Step::Request(0), think, Step::Request(1)],
    );
    plan.load.stop_timeout = 5 * SECOND;
    let simulated = run(&plan, takes(1_000)).await;
    let flow = flows(&simulated)[0];
    assert_eq!(flow.outcome, Outcome::Interrupted);
    assert_eq!((flow.response_us, flow.service_us), (1_000_000, 15_000_000));
    let phases = plan.phases();
    let last = phases.last().unwrap();
    assert_eq!((last.start_us, last.measured), (10_000_000, false));
}

#[tokio::test(start_paused = true)]
async fn an_arrival_starts_a_flow_and_a_dropped_one_is_counted_once_as_a_request() {
    let steps = vec![Step::Request(0), Step::Request(1)];
    let plan = flow_plan(OPEN, &[(10.0, 0.0, 10.0)], steps.clone());
    let simulated = run(&plan, takes(200)).await;
    let all = flows(&simulated);
    assert_eq!((all.len(), simulated.seen.len()), (100, 200));
    assert!(all.iter().all(|flow| flow.response_us == 400_000));

    let plan = flow_plan(Model::Open { max_users: 1 }, &[(10.0, 0.0, 10.0)], steps);
    let simulated = run(&plan, takes(200)).await;
    let dropped = flows(&simulated)
        .iter()
        .filter(|s| s.outcome == Outcome::Dropped)
        .count();
    let totals = simulated.ticks.last().unwrap().totals;
    assert!(dropped > 70, "{dropped}");
    assert_eq!(totals.planned - totals.started, dropped as u64);
    let requests = simulated
        .samples
        .iter()
        .filter(|sample| sample.endpoint < 4);
    assert_eq!(requests.count() as u64, totals.planned);
}

/// A class that logs in by `c`, browses by `a`, and logs out by `d`.
fn with_login(model: Model, stages: &[(f64, f64, f64)]) -> Plan {
    let mut plan = plan(load(model, stages), &[1; 4]);
    let class = &mut plan.classes[0];
    class.on_start = vec![Step::Request(2), Step::Request(2)];
    class.on_stop = vec![Step::Request(3)];
    class.tasks.truncate(1);
    plan
}

#[tokio::test(start_paused = true)]
async fn a_user_starts_once_and_stops_once() {
    let plan = with_login(Model::Closed, &[(2.0, 0.0, 10.0), (1.0, 0.0, 10.0)]);
    let simulated = run(&plan, takes(1_000)).await;
    let seen = names(&simulated);
    let count = |name| seen.chars().filter(|c| *c == name).count();
    assert_eq!((count('c'), count('d')), (4, 2));
    assert_eq!(count('a'), 18 + 8);
    assert_eq!((simulated.stopped_s, simulated.drained_s), (20.0, 21.0));
}

#[tokio::test(start_paused = true)]
async fn a_task_follows_the_start_at_once_and_the_first_period_of_a_pacing_contains_it() {
    let mut plan = with_login(Model::Closed, &[(1.0, 0.0, 4.0)]);
    for (think_time, wanted) in [
        (ThinkTime::Pacing(SECOND), [200, 1_000, 2_000, 3_000]),
        (ThinkTime::Constant(SECOND), [200, 1_300, 2_400, 3_500]),
    ] {
        plan.classes[0].think_time = think_time;
        let simulated = run(&plan, takes(100)).await;
        let tasks = simulated.samples.iter().filter(|s| s.endpoint == 0);
        let starts = tasks.map(|task| task.intended_us / 1_000);
        assert_eq!(starts.collect::<Vec<_>>(), wanted, "{think_time:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_whose_start_fails_ends_and_is_counted_separately() {
    let mut plan = with_login(Model::Closed, &[(3.0, 0.0, 10.0)]);
    plan.classes[0].think_time = ThinkTime::Constant(SECOND);
    let simulated = run(&plan, fails(&[1])).await;
    assert_eq!(simulated.failed_starts(), (1, 0));
    assert_eq!(
        simulated.count(Outcome::Http5xx),
        1,
        "its requests are counted"
    );
    let seen = names(&simulated);
    assert_eq!(
        seen.matches('d').count(),
        2,
        "it does not stop what it did not start"
    );
    assert_eq!(simulated.ticks[5].users, 2);
}

#[tokio::test(start_paused = true)]
async fn an_arrival_waits_for_the_start_of_its_user_and_is_dropped_if_that_fails() {
    let plan = with_login(OPEN, &[(1.0, 0.0, 10.0)]);
    let simulated = run(&plan, takes(100)).await;
    // One user is enough for all.
    assert_eq!(names(&simulated), format!("cc{}d", "a".repeat(10)));
    assert_eq!(simulated.drained_s, 10.1);
    assert!(
        simulated
            .samples
            .iter()
            .all(|s| s.scheduling_delay_us() == 0)
    );

    let simulated = run(&plan, fails(&[0, 1])).await;
    let totals = simulated.ticks.last().unwrap().totals;
    assert_eq!(
        simulated.failed_starts(),
        (2, 2),
        "both in a measured phase"
    );
    assert_eq!(
        (totals.dropped_late, simulated.count(Outcome::Dropped)),
        (0, 2)
    );
    assert_eq!(names(&simulated), format!("cccc{}d", "a".repeat(8)));
    assert_eq!(totals.planned, simulated.samples.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn the_think_time_of_an_endpoint_overrides_that_of_its_class() {
    let mut plan = plan(load(Model::Closed, &[(1.0, 0.0, 100.0)]), &[1, 1]);
    plan.classes[0].think_time = ThinkTime::Constant(SECOND);
    plan.classes[0].tasks[1].think_time = Some(ThinkTime::Pacing(10 * SECOND));
    let simulated = run(&plan, takes(2_000)).await;
    let mut samples = simulated.samples;
    samples.sort_by_key(|sample| sample.intended_us);
    for pair in samples.windows(2) {
        let wanted = if pair[0].endpoint == 0 { 3 } else { 10 };
        let gap = pair[1].intended_us - pair[0].intended_us;
        assert_eq!(gap, wanted * 1_000_000);
    }
}

#[tokio::test(start_paused = true)]
async fn classes_have_their_own_tasks_and_a_seed_gives_the_same_on_any_number_of_workers() {
    async fn requests(plan: &Plan, shards: usize) -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        for shard in 0..shards {
            let simulated = run_shard(plan, (shard, shards), takes(10), None).await;
            for line in simulated.seen {
                *all.entry(line).or_default() += 1;
            }
        }
        all
    }
    for model in [Model::Closed, OPEN] {
        let mut plan = plan(load(model, &[(12.0, 0.0, 10.0)]), &[1, 1]);
        let mut other = plan.classes[0].clone();
        other.name = "other".into();
        other.weight = 2;
        other.tasks.remove(0);
        plan.classes[0].tasks.truncate(1);
        plan.classes.push(other);
        let choices = |endpoint| Branch {
            weight: 1,
            steps: vec![Step::Request(endpoint)],
        };
        plan.classes[1].tasks[0]
            .steps
            .push(Step::Random(vec![choices(1), choices(1)]));
        if model == Model::Closed {
            plan.load.iterations = Some(120);
        }
        let one = requests(&plan, 1).await;
        let of_a = one.keys().filter(|line| line.starts_with("a ")).count();
        // A third of the users or arrivals, with one request each instead of two.
        let total: usize = one.values().sum();
        match model {
            Model::Closed => assert_eq!((of_a, total), (40, 200)),
            Model::Open { .. } => assert!((28..52).contains(&of_a), "{of_a} of {total}"),
        }
        assert_eq!(one, requests(&plan, 5).await);
    }
}
