//! The closed model: users that wait for each response before they go on.

use std::rc::Rc;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::halt::Halt;
use super::panics;
use super::schedule::user_schedule::{UserSpan, user_spans};
use super::user::User;
use super::user::running_user::RunningUser;
use super::user::worker_state::WorkerState;
use crate::protocol::Client;

/// Starts the users of this shard when they are due. Returns when all of them have ended.
pub(super) async fn drive<C: Client + 'static>(
    client: &Rc<C>,
    state: &Rc<WorkerState>,
    (shard, shards): (usize, usize),
    halt: &Rc<Halt>,
    tasks: &mut JoinSet<()>,
) {
    let load = &state.plan.load;
    let epoch = state.epoch;
    let users = load.peak().ceil() as u64;
    let mine = user_spans(&state.plan)
        .into_iter()
        .filter(|span| span.user % shards as u64 == shard as u64);
    'spans: for UserSpan {
        user,
        class,
        start,
        until,
    } in mine
    {
        loop {
            tokio::select! {
                () = sleep_until(epoch + start) => break,
                () = halt.halted() => break 'spans,
                // Removed here so that the set does not grow with users that come and go.
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    panics::count(ended, &state.recorder);
                }
            }
        }
        let quota = load
            .iterations
            .map(|total| total / users + u64::from(user < total % users));
        let until = epoch + until;
        let make = {
            let (state, client) = (state.clone(), client.clone());
            move || User::new(state, client, user, class)
        };
        let run = run(make, state.clone(), until, quota, halt.clone());
        if until < epoch + load.total() {
            // A user whose stage is over may still finish its iteration, within the stop timeout.
            let patience = timeout_at(until + load.stop_timeout, run);
            tasks.spawn_local(async { drop(patience.await) });
        } else {
            tasks.spawn_local(run);
        }
    }
    while let Some(ended) = tasks.join_next().await {
        panics::count(ended, &state.recorder);
    }
}

/// One user, from its start to its end. It is created inside, because a future keeps room for its
/// arguments for as long as it lives.
async fn run<C: Client>(
    make: impl FnOnce() -> User<C>,
    state: Rc<WorkerState>,
    until: Instant,
    quota: Option<u64>,
    halt: Rc<Halt>,
) {
    let mut user = make();
    let _running = RunningUser::new(&state.recorder);
    // The first period of a pacing counts from the start of the user, as in Locust.
    let mut due = Some(Instant::now());
    if !user.start(&mut None).await {
        return;
    }
    let mut left = quota.unwrap_or(u64::MAX);
    while left > 0 && !user.is_done() && !halt.is_halted() {
        let now = Instant::now();
        if now >= until {
            break;
        }
        // When it was due, not when the timer woke it up: delays of the timer must not add up.
        let begun = due.take().unwrap_or(now);
        user.iterate().await;
        left -= 1;
        due = user.next_start(begun);
        match due {
            // A user whose requests fail at once must not keep the others from running.
            None => tokio::task::consume_budget().await,
            Some(at) if left > 0 => tokio::select! {
                () = sleep_until(at.min(until)) => {}
                () = halt.halted() => {}
            },
            Some(_) => {}
        }
    }
    user.stop().await;
}
