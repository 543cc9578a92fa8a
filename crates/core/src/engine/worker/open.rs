//! The open model: arrivals on a schedule, whatever the service does.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::engine::halt::Halt;
use crate::engine::panics;
use crate::engine::schedule::pacing::Schedule;
use crate::engine::schedule::timer::Timer;
use crate::engine::user::User;
use crate::engine::user::running_user::RunningUser;
use crate::engine::user::worker_state::WorkerState;
use crate::metrics::{Outcome, Sample};
use crate::protocol::Client;
use crate::units::as_us;

/// After this many arrivals that were due without a pause, the users get a turn.
const BATCH: u32 = 64;

/// An arrival that finds no user this long after it was due is dropped because the load generator was
/// late: at the right time, a user might have been free.
const LATE: Duration = Duration::from_millis(10);
/// For this long after the end of the load, arrivals that were due before it are still released. The
/// rest is dropped.
const CATCH_UP: Duration = Duration::from_millis(100);

/// An arrival on its way to a user. If the run ends before a user takes it, it is recorded as dropped
/// when its value goes away: no arrival is lost.
struct Arrival {
    state: Rc<WorkerState>,
    k: u64,
    class: usize,
    task: usize,
    /// `None` once a user has taken it.
    rng: Option<ChaCha12Rng>,
    due: Instant,
    /// Why it is dropped, if that happens now.
    why: DropReason,
}

impl Arrival {
    /// Number k of the load.
    fn new(state: &Rc<WorkerState>, k: u64, due: Instant) -> Self {
        let (class, task, rng) = state.arrival(k);
        Self {
            state: state.clone(),
            k,
            class,
            task,
            rng: Some(rng),
            due,
            why: DropReason::Late,
        }
    }

    /// Records that it is not started.
    fn drop_for(mut self, why: DropReason) {
        self.why = why;
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if self.rng.is_none() {
            return;
        }
        let state = &self.state;
        let intended_us = as_us(self.due.saturating_duration_since(state.epoch));
        state.recorder.dropped();
        if self.why == DropReason::Late {
            state.recorder.dropped_late(state.is_measured(intended_us));
        }
        for subject in state.first_subjects(self.class, self.task) {
            let sample = Sample::new(subject, self.why.outcome(), intended_us);
            let text = self.why.text().to_owned();
            state.recorder.record(sample, Some(text.into()));
        }
    }
}

/// Why an arrival is not started.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DropReason {
    /// The load generator is late.
    Late,
    /// No user is free.
    NoUser,
    /// The `on_start` of its user failed, or had not ended when the run did.
    NotReady,
    /// There is no row of data for the `on_start` of its user.
    NoData,
}

impl DropReason {
    fn text(self) -> &'static str {
        match self {
            Self::Late => "the load generator was late",
            Self::NoUser => "no free virtual user: raise `max_users`",
            Self::NotReady => "the virtual user was not ready: `on_start` failed or took too long",
            Self::NoData => "there was no row of data for the `on_start` of the virtual user",
        }
    }

    fn outcome(self) -> Outcome {
        match self {
            Self::Late | Self::NoUser | Self::NotReady => Outcome::Dropped,
            Self::NoData => Outcome::DataExhausted,
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

/// Counts a user for as long as it lives. One that ends although the load goes on, because it
/// panicked, makes room for another, and nobody waits for it.
struct TakenSeat {
    users: Rc<Cell<u64>>,
    halt: Rc<Halt>,
}

impl TakenSeat {
    fn new(users: &Rc<Cell<u64>>, halt: &Rc<Halt>) -> Self {
        users.set(users.get() + 1);
        Self {
            users: users.clone(),
            halt: halt.clone(),
        }
    }
}

impl Drop for TakenSeat {
    fn drop(&mut self) {
        self.users.set(self.users.get() - 1);
        self.halt.user_freed.notify_one();
    }
}

/// The free users of a worker, by class. The last one to become free is the first one to be called,
/// so that a few busy users do the work of many idle ones.
type FreeUsers = Rc<RefCell<Vec<Vec<Rc<Seat>>>>>;

/// Releases the arrivals of this shard when they are due. Returns when all requests have ended.
pub(super) async fn drive<C: Client + 'static>(
    client: &Rc<C>,
    state: &Rc<WorkerState>,
    (shard, shards): (usize, usize),
    max_users: u32,
    timer: &Timer,
    halt: &Rc<Halt>,
    tasks: &mut JoinSet<()>,
) {
    let load = &state.plan.load;
    let mut schedule = Schedule::new(load, state.plan.seed);
    let mut changes = 0;
    let (shard, shards) = (shard as u64, shards as u64);
    let most = u64::from(max_users) / shards + u64::from(shard < u64::from(max_users) % shards);
    let planned_end = state.epoch + state.plan.load.total();
    let free: FreeUsers = Rc::new(RefCell::new(vec![Vec::new(); state.plan.classes.len()]));
    let users = Rc::new(Cell::new(0));
    let mut number = shard;
    let mut released = 0;
    'arrivals: for (k, integral) in schedule.integrals_of_shard((shard, shards)) {
        let due = loop {
            if halt.changes() != changes {
                let new = halt.adjustments_from(changes);
                changes += new.len();
                new.iter().for_each(|one| schedule.adjust(one));
            }
            let due = schedule.time_of(integral).map(|due| state.epoch + due);
            match due {
                Some(due) if due > Instant::now() && !halt.is_halted() => {
                    released = 0;
                    tokio::select! {
                        () = timer.sleep_until(due, &state.meter) => break due,
                        () = halt.stirred() => {}
                    }
                }
                Some(due) => break due,
                // It may be due yet, if the rate is raised.
                None if halt.is_controlled()
                    && !halt.is_halted()
                    && (load.iterations.is_none() || changes > 0) =>
                {
                    halt.stirred().await;
                }
                None => break 'arrivals,
            }
        };
        if released == BATCH && !halt.is_halted() {
            tokio::task::yield_now().await;
            released = 0;
        }
        released += 1;
        let end = halt.at().unwrap_or(planned_end);
        if due >= end {
            break;
        }
        let arrival = Arrival::new(state, k, due);
        if Instant::now() > end + CATCH_UP {
            arrival.drop_for(DropReason::Late);
            continue;
        }
        let class = arrival.class;
        let seat = free.borrow_mut()[class].pop().or_else(|| {
            (users.get() < most).then(|| {
                let taken = TakenSeat::new(&users, halt);
                let make = {
                    let (state, client) = (state.clone(), client.clone());
                    move || (User::new(state, client, number, class), taken)
                };
                number += shards;
                let seat = Rc::new(Seat::default());
                tasks.spawn_local(serve(
                    make,
                    state.clone(),
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
            None if due + LATE < Instant::now() => arrival.drop_for(DropReason::Late),
            None => arrival.drop_for(DropReason::NoUser),
        }
    }
    // There are no more arrivals: every user is done once it is free.
    let all_free = || free.borrow().iter().map(Vec::len).sum::<usize>() as u64 == users.get();
    while !all_free() {
        halt.user_freed.notified().await;
    }
    let classes = &state.plan.classes;
    if classes.iter().all(|class| class.on_stop.is_empty()) {
        return;
    }
    if state.plan.load.iterations.is_none() {
        // What users do when they stop is not part of the load.
        halt.halted().await;
    }
    for seat in free.borrow().iter().flatten() {
        seat.is_over.set(true);
        seat.called.notify_one();
    }
    while let Some(ended) = tasks.join_next().await {
        panics::count(ended, &state.recorder);
    }
}

/// One user: waits for an arrival, runs it, is free again, until the load is over. It is created
/// inside, because a future keeps room for its arguments for as long as it lives.
async fn serve<C: Client>(
    make: impl FnOnce() -> (User<C>, TakenSeat),
    state: Rc<WorkerState>,
    seat: Rc<Seat>,
    free: FreeUsers,
    halt: Rc<Halt>,
) {
    let (mut user, _taken) = make();
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
        arrival.why = DropReason::NotReady;
        let class = arrival.class;
        let running = RunningUser::new(&state.recorder);
        // `on_start` is scheduled in place of the first task. If it fails, the next arrival tries it
        // again.
        let mut due = Some(arrival.due);
        let mut work = pin!(async {
            if !is_started {
                if let Err(outcome) = user.start(&mut due).await {
                    return arrival.drop_for(match outcome {
                        Outcome::DataExhausted => DropReason::NoData,
                        _ => DropReason::NotReady,
                    });
                }
                is_started = true;
            }
            if let Some(rng) = arrival.rng.take() {
                user.arrive(arrival.k, arrival.task, rng, due).await;
            }
        });
        // So that the timer can tell a turn in which users work from one in which it only waits.
        poll_fn(|context| {
            state.meter.poll();
            work.as_mut().poll(context)
        })
        .await;
        drop(running);
        free.borrow_mut()[class].push(seat.clone());
        halt.user_freed.notify_one();
    }
}
