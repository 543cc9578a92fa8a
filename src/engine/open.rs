//! The open model: arrivals by a schedule, whatever the target does.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::halt::Halt;
use super::pacing::Schedule;
use super::timer::Timer;
use super::user::{Counted, Shared, User};
use crate::metrics::{Class, Sample};
use crate::protocol::{Client, Session};
use crate::units::as_us;

/// After this many arrivals without a pause, the users get a turn.
const BATCH: u32 = 64;

/// An arrival that finds no user this long after it was due is missed for the generator's own
/// lateness: had it been released in time, a user might have been free.
const LATE: Duration = Duration::from_millis(10);
/// For so long after the end of the load, arrivals that were due before it are still released;
/// what is left then is missed.
const CATCH_UP: Duration = Duration::from_millis(100);

/// An arrival on its way to a user. Dropped before a user took it, because the run is over, it is
/// missed: no arrival is lost.
struct Arrival {
    shared: Rc<Shared>,
    k: u64,
    task: usize,
    /// `None` once a user has taken it.
    rng: Option<ChaCha12Rng>,
    due: Instant,
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if self.rng.is_some() {
            miss(&self.shared, self.k, self.task, self.due, true);
        }
    }
}

/// Where a user waits for its next arrival.
#[derive(Default)]
struct Seat {
    arrival: Cell<Option<Arrival>>,
    called: Notify,
}

/// The free users of a worker; the last to become free is the first to be called, so that few
/// users are kept busy rather than many half idle.
type Free = Rc<RefCell<Vec<Rc<Seat>>>>;

/// Releases this shard's arrivals when they are due, and ends when all requests have.
pub(super) async fn drive<C: Client>(
    client: &C,
    shared: &Rc<Shared>,
    (shard, shards): (usize, usize),
    max_users: u32,
    timer: &Timer,
    halt: &Rc<Halt>,
    tasks: &mut JoinSet<()>,
) {
    let schedule = Schedule::new(&shared.plan.load, shared.plan.seed);
    let (shard, shards) = (shard as u64, shards as u64);
    let most = u64::from(max_users) / shards + u64::from(shard < u64::from(max_users) % shards);
    let planned_end = shared.epoch + shared.plan.load.total();
    let free: Free = Rc::default();
    let mut users = 0;
    let mut released = 0;
    for (k, due) in schedule.of_shard((shard, shards)) {
        let due = shared.epoch + due;
        if due > Instant::now() {
            tokio::select! {
                () = timer.sleep_until(due) => {}
                () = halt.halted() => {}
            }
            released = 0;
        } else if released == BATCH && !halt.is_halted() {
            tokio::task::yield_now().await;
            released = 0;
        }
        released += 1;
        let (task, rng) = shared.arrival(k);
        let end = halt.at().unwrap_or(planned_end);
        if due >= end {
            break;
        }
        if Instant::now() > end + CATCH_UP {
            miss(shared, k, task, due, true);
            continue;
        }
        let seat = free.borrow_mut().pop().or_else(|| {
            (users < most).then(|| {
                let number = shard + users * shards;
                users += 1;
                let user = User::new(shared.clone(), client.session(), number);
                let seat = Rc::new(Seat::default());
                tasks.spawn_local(serve(
                    user,
                    shared.clone(),
                    seat.clone(),
                    free.clone(),
                    halt.clone(),
                ));
                seat
            })
        });
        match seat {
            Some(seat) => {
                seat.arrival.set(Some(Arrival {
                    shared: shared.clone(),
                    k,
                    task,
                    rng: Some(rng),
                    due,
                }));
                seat.called.notify_one();
            }
            None => {
                let late = due + LATE < Instant::now();
                miss(shared, k, task, due, late);
            }
        }
    }
    // The arrivals are over: every user is done when it is free.
    while (free.borrow().len() as u64) < users {
        halt.user_freed.notified().await;
    }
}

/// One user: waits for an arrival, carries it out, is free again.
async fn serve<S: Session>(
    mut user: User<S>,
    shared: Rc<Shared>,
    seat: Rc<Seat>,
    free: Free,
    halt: Rc<Halt>,
) {
    loop {
        seat.called.notified().await;
        let Some(mut arrival) = seat.arrival.take() else {
            continue;
        };
        let Some(rng) = arrival.rng.take() else {
            continue;
        };
        let counted = Counted::new(&shared.recorder);
        user.arrive(arrival.k, arrival.task, rng, arrival.due).await;
        drop(counted);
        free.borrow_mut().push(seat.clone());
        halt.user_freed.notify_one();
    }
}

/// Notes an arrival that is not started: because no user is free, or because the generator is
/// late.
fn miss(shared: &Shared, k: u64, task: usize, due: Instant, late: bool) {
    shared.recorder.missed(late);
    let endpoint = shared.first_endpoint(k, task) as u16;
    let intended_us = as_us(due.saturating_duration_since(shared.epoch));
    let text = match late {
        true => "the generator was late",
        false => "no free virtual user: raise `max_users`",
    };
    let sample = Sample::new(endpoint, Class::Missed, intended_us);
    shared.recorder.record(sample, Some(text.to_owned()));
}
