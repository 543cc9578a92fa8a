//! The closed model: users that wait for their answer before they go on.

use std::rc::Rc;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::halt::Halt;
use super::pacing::{UserSpan, user_spans};
use super::user::{Counted, Shared, User};
use crate::protocol::{Client, Session};

/// Starts this shard's users when they are due, and ends when all of them have.
pub(super) async fn drive<C: Client>(
    client: &C,
    shared: &Rc<Shared>,
    (shard, shards): (usize, usize),
    halt: &Rc<Halt>,
    tasks: &mut JoinSet<()>,
) {
    let load = &shared.plan.load;
    let epoch = shared.epoch;
    let users = load.peak().ceil() as u64;
    let mut starts = user_spans(load)
        .into_iter()
        .filter(|span| span.user % shards as u64 == shard as u64)
        .peekable();
    // Users whose stage is over may still finish their iteration, but not for ever.
    let mut cuts = std::collections::BinaryHeap::new();
    loop {
        let next_start = starts.peek().map(|span| epoch + span.start);
        let next_cut = cuts.peek().map(|std::cmp::Reverse(Cut { at, .. })| *at);
        let Some(next) = next_start.into_iter().chain(next_cut).min() else {
            break;
        };
        tokio::select! {
            () = sleep_until(next) => {}
            () = halt.halted() => break,
            // Reaped here so that the set does not grow with users that come and go.
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {
                if tasks.is_empty() && starts.peek().is_none() {
                    return;
                }
                continue;
            }
        }
        let now = Instant::now();
        while let Some(UserSpan { user, until, .. }) =
            starts.next_if(|span| epoch + span.start <= now)
        {
            let quota = load
                .iterations
                .map(|total| total / users + u64::from(user < total % users));
            let task = User::new(shared.clone(), client.session(), user);
            let until = epoch + until;
            let handle = tasks.spawn_local(run(task, shared.clone(), until, quota, halt.clone()));
            if until < epoch + load.total() {
                cuts.push(std::cmp::Reverse(Cut {
                    at: until + load.graceful_stop,
                    handle,
                }));
            }
        }
        while let Some(std::cmp::Reverse(cut)) = cuts.peek()
            && cut.at <= now
        {
            cut.handle.abort();
            cuts.pop();
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// The end of the patience with a user that should have left.
struct Cut {
    at: Instant,
    handle: tokio::task::AbortHandle,
}

impl PartialEq for Cut {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Cut {}

impl PartialOrd for Cut {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cut {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

/// One user, from its start to the end of its last iteration.
async fn run<S: Session>(
    mut user: User<S>,
    shared: Rc<Shared>,
    until: Instant,
    quota: Option<u64>,
    halt: Rc<Halt>,
) {
    let _counted = Counted::new(&shared.recorder);
    let mut left = quota.unwrap_or(u64::MAX);
    while left > 0 && !halt.is_halted() && Instant::now() < until {
        let begun = Instant::now();
        user.iterate().await;
        left -= 1;
        match user.next_start(begun) {
            // A user whose requests fail at once must not keep the others from running.
            None => tokio::task::consume_budget().await,
            Some(at) if left > 0 => tokio::select! {
                () = sleep_until(at.min(until)) => {}
                () = halt.halted() => {}
            },
            Some(_) => {}
        }
    }
}
