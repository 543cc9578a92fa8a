//! Which traces the requests of users belong to.

use std::collections::BTreeSet;

use super::{OPEN, run, takes};
use crate::plan::fixture::{load, plan};
use crate::plan::{Model, Plan, Trace, TraceId};

/// The ids of the traces that a plan sends; all are sampled.
async fn ids(plan: &Plan) -> Vec<TraceId> {
    let simulated = run(plan, takes(100)).await;
    let ids = simulated.ticks.iter().flat_map(|tick| &tick.trace_ids);
    let ids: Vec<TraceId> = ids.map(|(_, id)| *id).collect();
    assert_eq!(ids.len(), simulated.samples.len());
    ids
}

#[tokio::test(start_paused = true)]
async fn no_two_requests_share_a_trace_whichever_users_come_back_and_in_whichever_run() {
    let stages = [(2.0, 0.0, 1.0), (0.0, 0.0, 1.0), (2.0, 0.0, 1.0)];
    let mut all = Vec::new();
    for model in [Model::Closed, OPEN] {
        let mut plan = plan(load(model, &stages), &[1]);
        plan.trace = Some(Box::new(Trace {
            sampled: 1.0,
            url: None,
        }));
        for _ in 0..2 {
            let sent = ids(&plan).await;
            assert!(sent.len() >= 4, "{}", sent.len());
            all.extend(sent.iter().map(TraceId::to_string));
        }
    }
    let different: BTreeSet<&String> = all.iter().collect();
    assert_eq!(different.len(), all.len());
}
