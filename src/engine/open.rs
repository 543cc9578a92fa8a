//! The open model: arrivals by a schedule, whatever the target does.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::halt::Halt;
use super::schedule::pacing::Schedule;
use super::schedule::timer::Timer;
use super::user::{Counted, Shared, User};
use crate::metrics::{Outcome, Sample};
use crate::protocol::Client;
use crate::units::as_us;

/// After this many arrivals without a pause, the users get a turn.
const BATCH: u32 = 64;

/// An arrival that finds no user this long after it was due is dropped for the generator's own
/// scheduling delay: had it been released in time, a user might have been free.
const LATE: Duration = Duration::from_millis(10);
/// For so long after the end of the load, arrivals that were due before it are still released;
/// what is left then is dropped.
const CATCH_UP: Duration = Duration::from_millis(100);

/// An arrival on its way to a user. Dropped before a user took it, because the run is over, it is
/// dropped: no arrival is lost.
struct Arrival {
    shared: Rc<Shared>,
    k: u64,
    class: usize,
    task: usize,
    /// `None` once a user has taken it.
    rng: Option<ChaCha12Rng>,
    due: Instant,
    /// Why it is dropped, should it be dropped now.
    why: Dropped,
}

impl Arrival {
    /// Number k of the load.
    fn new(shared: &Rc<Shared>, k: u64, due: Instant) -> Self {
        let (class, task, rng) = shared.arrival(k);
        Self {
            shared: shared.clone(),
            k,
            class,
            task,
            rng: Some(rng),
            due,
            why: Dropped::Late,
        }
    }

    /// Notes that it is not started.
    fn miss(mut self, why: Dropped) {
        self.why = why;
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if self.rng.is_none() {
            return;
        }
        let shared = &self.shared;
        shared.recorder.dropped(self.why == Dropped::Late);
        let intended_us = as_us(self.due.saturating_duration_since(shared.epoch));
        for subject in shared.first_subjects(self.class, self.task) {
            let sample = Sample::new(subject, Outcome::Dropped, intended_us);
            let text = self.why.text().to_owned();
            shared.recorder.record(sample, Some(text));
        }
    }
}

/// Why an arrival is not started.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dropped {
    /// The generator is late.
    Late,
    /// No user is free.
    NoUser,
    /// The `on_start` of its user failed, or did not end before the run.
    NotReady,
}

impl Dropped {
    fn text(self) -> &'static str {
        match self {
            Self::Late => "the generator was late",
            Self::NoUser => "no free virtual user: raise `max_users`",
            Self::NotReady => "its virtual user was not ready: `on_start` failed or took too long",
        }
    }
}

/// Where a user waits for its next arrival.
#[derive(Default)]
struct Seat {
    arrival: Cell<Option<Arrival>>,
    /// The load is over: the user may go.
    is_over: Cell<bool>,
    called: Notify,
}

/// The free users of a worker, by class; the last to become free is the first to be called, so
/// that few users are kept busy rather than many half idle.
type Free = Rc<RefCell<Vec<Vec<Rc<Seat>>>>>;

/// Releases this shard's arrivals when they are due, and ends when all requests have.
pub(super) async fn drive<C: Client + 'static>(
    client: &Rc<C>,
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
    let free: Free = Rc::new(RefCell::new(vec![Vec::new(); shared.plan.classes.len()]));
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
        let end = halt.at().unwrap_or(planned_end);
        if due >= end {
            break;
        }
        let arrival = Arrival::new(shared, k, due);
        if Instant::now() > end + CATCH_UP {
            arrival.miss(Dropped::Late);
            continue;
        }
        let class = arrival.class;
        let seat = free.borrow_mut()[class].pop().or_else(|| {
            (users < most).then(|| {
                let number = shard + users * shards;
                users += 1;
                let make = {
                    let (shared, client) = (shared.clone(), client.clone());
                    move || User::new(shared, client, number, class)
                };
                let seat = Rc::new(Seat::default());
                tasks.spawn_local(serve(
                    make,
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
                seat.arrival.set(Some(arrival));
                seat.called.notify_one();
            }
            None if due + LATE < Instant::now() => arrival.miss(Dropped::Late),
            None => arrival.miss(Dropped::NoUser),
        }
    }
    // The arrivals are over: every user is done when it is free.
    let all_free = || free.borrow().iter().map(Vec::len).sum::<usize>() as u64 == users;
    while !all_free() {
        halt.user_freed.notified().await;
    }
    let classes = &shared.plan.classes;
    if classes.iter().all(|class| class.on_stop.is_empty()) {
        return;
    }
    if shared.plan.load.iterations.is_none() {
        // What users do when they stop is no part of the load.
        halt.halted().await;
    }
    for seat in free.borrow().iter().flatten() {
        seat.is_over.set(true);
        seat.called.notify_one();
    }
    while tasks.join_next().await.is_some() {}
}

/// One user: waits for an arrival, carries it out, is free again, until the load is over. It is
/// made within, since a future keeps room for its arguments for as long as it lives.
async fn serve<C: Client>(
    make: impl FnOnce() -> User<C>,
    shared: Rc<Shared>,
    seat: Rc<Seat>,
    free: Free,
    halt: Rc<Halt>,
) {
    let mut user = make();
    let mut is_started = false;
    loop {
        seat.called.notified().await;
        if seat.is_over.get() {
            if is_started {
                user.stop().await;
            }
            return;
        }
        let Some(mut arrival) = seat.arrival.take() else {
            continue;
        };
        arrival.why = Dropped::NotReady;
        let class = arrival.class;
        let counted = Counted::new(&shared.recorder);
        // What a user does to start is scheduled in place of its first task, and may be tried
        // again with the next arrival.
        let mut due = Some(arrival.due);
        if !is_started {
            is_started = user.start(&mut due).await;
        }
        if !is_started {
            arrival.miss(Dropped::NotReady);
        } else if let Some(rng) = arrival.rng.take() {
            user.arrive(arrival.k, arrival.task, rng, due).await;
        }
        drop(counted);
        free.borrow_mut()[class].push(seat.clone());
        halt.user_freed.notify_one();
    }
}
