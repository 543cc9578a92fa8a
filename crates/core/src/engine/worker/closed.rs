//! The closed model: users that wait for each response before they go on.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::engine::halt::Halt;
use crate::engine::panics;
use crate::engine::schedule::user_schedule::{UserSpan, user_spans};
use crate::engine::user::User;
use crate::engine::user::running_user::RunningUser;
use crate::engine::user::worker_state::WorkerState;
use crate::metrics::Adjustment;
use crate::protocol::Client;

/// Starts the users of this shard when they are due. Returns when all of them have ended, and nobody can add one.
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
    let spans_of = |now| {
        let mine = user_spans(&state.plan, now).into_iter();
        mine.filter(|span| span.user % shards as u64 == shard as u64)
    };
    let stays = UserStays::default();
    let mut patience = Patience::new(epoch + load.total(), load.stop_timeout);
    let mut spans: VecDeque<UserSpan> = spans_of(Adjustment::NONE).collect();
    let mut changes = 0;
    loop {
        let is_halted = halt.is_halted();
        if halt.changes() != changes && !is_halted {
            changes = halt.changes();
            spans = stays.follow(spans_of(halt.adjustment()), epoch);
            patience.watch_all(&stays);
            // Users may have looked before they were told.
            halt.stir();
        }
        let next = spans.front().filter(|_| !is_halted);
        // Each has its part of the iterations, however long that takes.
        let can_come = !is_halted && halt.is_controlled() && load.iterations.is_none();
        if next.is_none() && tasks.is_empty() && !can_come {
            return;
        }
        tokio::select! {
            () = sleep_to(next.map(|span| epoch + span.start)) => {}
            () = sleep_to(patience.next()) => {
                patience.end_first();
                continue;
            }
            () = halt.stirred(), if !is_halted => continue,
            // Removed here so that the set does not grow with users that come and go.
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                panics::count(ended, &state.recorder);
                continue;
            }
        }
        let Some(UserSpan {
            user, class, until, ..
        }) = spans.pop_front()
        else {
            continue;
        };
        let quota = load
            .iterations
            .map(|total| total / users + u64::from(user < total % users));
        let make = {
            let (state, client) = (state.clone(), client.clone());
            move || User::new(state, client, user, class)
        };
        let place = stays.begin(user, epoch + until);
        let stay = place.stay.clone();
        let run = run(make, state.clone(), place, quota, halt.clone());
        stay.task.set(Some(tasks.spawn_local(run)));
        patience.watch(&stay);
    }
}

/// Returns at an instant, or never.
async fn sleep_to(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// How long a user stays.
struct UserStay {
    until: Cell<Instant>,
    /// Whether its time was over, and it only stops.
    has_left: Cell<bool>,
    task: Cell<Option<AbortHandle>>,
}

/// What became of each user that ran.
#[derive(Default)]
struct UserStays(Rc<RefCell<HashMap<u64, UserState>>>);

enum UserState {
    Runs(Rc<UserStay>),
    /// Ended before its time: it does not come back before its next span.
    Gone,
}

impl UserStays {
    fn begin(&self, user: u64, until: Instant) -> OccupiedPlace {
        let stay = Rc::new(UserStay {
            until: Cell::new(until),
            has_left: Cell::new(false),
            task: Cell::new(None),
        });
        let runs = UserState::Runs(stay.clone());
        self.0.borrow_mut().insert(user, runs);
        OccupiedPlace {
            user,
            stay,
            standings: self.0.clone(),
        }
    }

    /// Tells the users that run until when they do by these spans, the others being over. Returns the spans that are
    /// to begin.
    fn follow(&self, spans: impl Iterator<Item = UserSpan>, epoch: Instant) -> VecDeque<UserSpan> {
        let standings = self.0.borrow();
        let now = epoch.elapsed();
        for standing in standings.values() {
            if let UserState::Runs(stay) = standing {
                stay.until.set(stay.until.get().min(epoch + now));
            }
        }
        let spans = spans.filter(|span| span.until > now);
        let to_begin = spans.filter(|span| match standings.get(&span.user) {
            _ if span.start > now => true,
            Some(UserState::Runs(stay)) if !stay.has_left.get() => {
                stay.until.set(epoch + span.until);
                false
            }
            Some(UserState::Gone) => false,
            Some(UserState::Runs(_)) | None => true,
        });
        to_begin.collect()
    }
}

/// The place of a user that runs, for as long as it does.
struct OccupiedPlace {
    user: u64,
    stay: Rc<UserStay>,
    standings: Rc<RefCell<HashMap<u64, UserState>>>,
}

impl Drop for OccupiedPlace {
    fn drop(&mut self) {
        let mut standings = self.standings.borrow_mut();
        // Its next stay may have begun while it finished its iteration.
        if !matches!(standings.get(&self.user), Some(UserState::Runs(stay)) if Rc::ptr_eq(stay, &self.stay))
        {
            return;
        }
        let is_over = self.stay.has_left.get() || Instant::now() >= self.stay.until.get();
        match is_over {
            true => standings.remove(&self.user),
            false => standings.insert(self.user, UserState::Gone),
        };
    }
}

/// Ends users that do not finish their iteration within the stop timeout after their time. At the end of the load,
/// the worker sees to that.
struct Patience {
    end: Instant,
    stop_timeout: Duration,
    /// By when they are ended, and a number of their own.
    watched: BTreeMap<(Instant, u64), Rc<UserStay>>,
    count: u64,
}

impl Patience {
    fn new(end: Instant, stop_timeout: Duration) -> Self {
        Self {
            end,
            stop_timeout,
            watched: BTreeMap::new(),
            count: 0,
        }
    }

    fn watch(&mut self, stay: &Rc<UserStay>) {
        let until = stay.until.get();
        if until < self.end {
            let key = (until + self.stop_timeout, self.count);
            self.count += 1;
            self.watched.insert(key, stay.clone());
        }
    }

    fn watch_all(&mut self, stays: &UserStays) {
        for standing in stays.0.borrow().values() {
            if let UserState::Runs(stay) = standing {
                self.watch(stay);
            }
        }
    }

    /// When the next one is ended.
    fn next(&self) -> Option<Instant> {
        self.watched.first_key_value().map(|((at, _), _)| *at)
    }

    /// Ends the next one, unless it has been given more time.
    fn end_first(&mut self) {
        if let Some(((at, _), stay)) = self.watched.pop_first()
            && stay.until.get() + self.stop_timeout <= at
            && let Some(task) = stay.task.take()
        {
            task.abort();
        }
    }
}

/// One user, from its start to its end. It is created inside, because a future keeps room for its
/// arguments for as long as it lives.
async fn run<C: Client>(
    make: impl FnOnce() -> User<C>,
    state: Rc<WorkerState>,
    place: OccupiedPlace,
    quota: Option<u64>,
    halt: Rc<Halt>,
) {
    let until = &place.stay.until;
    let mut user = make();
    let _running = RunningUser::new(&state.recorder);
    resumed(until, &halt).await;
    // The first period of a pacing counts from the start of the user, as in Locust.
    let mut due = Some(Instant::now());
    if user.start(&mut None).await.is_err() {
        return;
    }
    let mut left = quota.unwrap_or(u64::MAX);
    while left > 0 && !user.is_done() && !halt.is_halted() {
        let now = Instant::now();
        if now >= until.get() {
            place.stay.has_left.set(true);
            break;
        }
        if halt.is_paused() {
            resumed(until, &halt).await;
            // What was due in a pause is left out.
            due = None;
            continue;
        }
        // When it was due, not when the timer woke it up: delays of the timer must not add up.
        let begun = due.take().unwrap_or(now);
        user.iterate().await;
        left -= 1;
        due = user.next_start(begun);
        match due {
            // A user whose requests fail at once must not keep the others from running.
            None => tokio::task::consume_budget().await,
            Some(at) if left > 0 => rested(at, until, &halt).await,
            Some(_) => {}
        }
    }
    user.stop().await;
}

/// Returns at `at`, or when the user's time is over, or when the load has ended.
async fn rested(at: Instant, until: &Cell<Instant>, halt: &Halt) {
    while !halt.is_halted() {
        tokio::select! {
            () = sleep_until(at.min(until.get())) => {
                // It may have been given more time.
                if Instant::now() >= at.min(until.get()) {
                    return;
                }
            }
            () = halt.stirred() => {}
        }
    }
}

/// Returns at once, or in a pause at its end, or when the user's time is over, or when the load has ended.
async fn resumed(until: &Cell<Instant>, halt: &Halt) {
    while halt.is_paused() && !halt.is_halted() {
        tokio::select! {
            () = sleep_until(until.get()) => {
                if Instant::now() >= until.get() {
                    return;
                }
            }
            () = halt.stirred() => {}
        }
    }
}
