//! Carrying out a plan: workers, virtual users, pacing.
//!
//! Here: when a request is sent and by whom. Not here: what is sent (`protocol`), whether the
//! response passes (`check`), what happens to the numbers (`metrics`). The engine never prints and
//! never sees a file.

mod halt;
mod health;
mod http_engine;
mod message;
mod panics;
mod preflight;
mod schedule;
mod simulation;
#[cfg(test)]
mod tests;
mod user;
mod worker;

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::error::Error;
use crate::metrics::{Ending, HealthSample, Tick, Totals};
use crate::plan::{Model, Plan};
use crate::protocol::Client;
use crate::units::as_us;

use health::Sampler;
use health::machine::Machine;
use message::{Finish, Orders, WorkerCommand, WorkerMessage};

pub use http_engine::{EachSecond, HttpEngine};
pub use panics::report_panics;
pub use preflight::prepare;
pub use schedule::control::{AdjustableLoad, LoadControl, SettingRefusal};
pub use schedule::pacing::Schedule;
pub use schedule::user_schedule::{UserSpan, user_spans};
pub use simulation::simulate;
pub use user::lifecycle::LifecycleUser;
pub use user::trial::event::{TrialEvent, TrialExchange, TrialFailure, TrialPart};
pub use user::trial::try_out;

/// Stops a run from another task.
#[derive(Debug, Clone)]
pub struct Stopper(watch::Sender<Option<u8>>);

impl Default for Stopper {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Stopper {
    /// Returns once it stops, with the signal.
    pub async fn stopped(&self) -> u8 {
        let mut signals = self.0.subscribe();
        // The sender cannot go away: it is a field of this.
        let _ = signals.wait_for(Option::is_some).await;
        self.signal().unwrap_or_default()
    }

    /// The signal of the first call of [`Self::stop`].
    pub fn signal(&self) -> Option<u8> {
        *self.0.borrow()
    }

    /// Ends the load now because of this signal; requests in flight may finish. Only the first signal
    /// counts.
    pub fn stop(&self, signal: u8) {
        self.0.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(signal);
            is_first
        });
    }
}

/// Runs a plan to its end. Calls `make_client` once in the thread of each worker, and `each_second`
/// [each second](EachSecond). The `control` can change the load while it goes on. An `observer` is
/// told what happens, which takes time of the workers.
///
/// # Errors
/// When a thread, a runtime or a client cannot be created, or a worker dies.
pub async fn run<C, F>(
    plan: Arc<Plan>,
    make_client: F,
    stopper: &Stopper,
    control: &LoadControl,
    observer: Option<UnboundedSender<TrialEvent>>,
    mut each_second: impl FnMut(Vec<Tick>, HealthSample, bool) -> ControlFlow<()>,
) -> Result<Ending, Error>
where
    C: Client + 'static,
    F: Fn() -> Result<C, Error> + Clone + Send + 'static,
{
    let count = worker_count(&plan);
    let command = watch::Sender::new(WorkerCommand::Prepare);
    let (sender, mut messages) = mpsc::unbounded_channel();
    let mut threads = Vec::with_capacity(count);
    for shard in 0..count {
        let (plan, make_client) = (plan.clone(), make_client.clone());
        let sender = sender.clone();
        let orders = Orders {
            commands: command.subscribe(),
            control: control.follow(),
        };
        let observer = observer.clone();
        let thread = thread::Builder::new()
            .name(format!("worker-{shard}"))
            .spawn(move || {
                let run = || {
                    let shard = (shard, count);
                    worker::run(&plan, shard, make_client, orders, &sender, observer);
                };
                if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
                    // The receiver only goes away when the run is aborted.
                    let text = panics::text_of(payload.as_ref());
                    drop(sender.send(WorkerMessage::Died(shard, text)));
                }
            })
            .map_err(Error::Thread)?;
        threads.push(thread);
    }
    drop((sender, observer));

    for _ in 0..count {
        match messages.recv().await {
            Some(WorkerMessage::Ready(ready)) => ready?,
            Some(WorkerMessage::Died(_, text)) => return Err(Error::WorkerDied(text)),
            _ => return Err(Error::WorkerDied("it ended without a message".to_owned())),
        }
    }
    let epoch = Instant::now();
    control.begin(epoch);
    command.send_replace(WorkerCommand::Start(epoch));

    let mut signals = stopper.0.subscribe();
    let goes_on = || *command.borrow() == WorkerCommand::Start(epoch);
    let stop = || {
        if goes_on() {
            control.end();
            command.send_replace(WorkerCommand::Stop(Instant::now()));
        }
    };
    let mut pending = PendingTicks::new(count, epoch);
    let mut sampler = Sampler::new(Machine::this());
    let (mut out_of_data, mut stopped) = (false, false);
    let mut panic = None;
    let mut dead_worker = None;
    loop {
        let message = tokio::select! {
            message = messages.recv() => message,
            Ok(_) = signals.wait_for(Option::is_some), if goes_on() => {
                stop();
                continue;
            }
        };
        match message {
            Some(WorkerMessage::Tick(shard, mut tick)) => {
                out_of_data |= tick.out_of_data;
                stopped |= tick.stopped;
                panic = panic.or(tick.panic.take());
                pending.tick(shard, tick);
            }
            Some(WorkerMessage::Done(shard, mut tick, finish)) => {
                out_of_data |= tick.out_of_data;
                stopped |= tick.stopped;
                panic = panic.or(tick.panic.take());
                pending.done(shard, tick, finish);
            }
            Some(WorkerMessage::Died(shard, text)) => {
                dead_worker.get_or_insert(text);
                pending.died(shard, Instant::now());
            }
            Some(WorkerMessage::Ready(_)) | None => {
                return Err(Error::WorkerDied("it ended without a message".to_owned()));
            }
        }
        let has_ended = pending.finished.len() == count;
        // Before the second is told: a load that ended by itself has no other reason to.
        if out_of_data || stopped || dead_worker.is_some() {
            stop();
        }
        while let Some(ticks) = pending.next_second() {
            let health = sampler.sample(&ticks);
            if each_second(ticks, health, !has_ended && goes_on()).is_break() {
                stop();
            }
        }
        if has_ended {
            break;
        }
    }
    control.end();
    for thread in threads {
        // A panic was caught within, and is reported.
        drop(thread.join());
    }
    let since = |instant: Instant| as_us(instant.saturating_duration_since(epoch));
    let last = |pick: fn(&Finish) -> Instant| pending.finished.iter().map(pick).max();
    Ok(Ending {
        signal: stopper.signal(),
        decided: false,
        out_of_data,
        stopped_by_scenario: stopped,
        aborted: None,
        failed_teardown: None,
        unkept_items: Default::default(),
        panic,
        dead_worker,
        stopped_at_us: since(last(|f| f.stopped_at).unwrap_or(epoch)),
        drained_at_us: since(last(|f| f.drained_at).unwrap_or(epoch)),
        totals: pending.totals(),
    })
}

/// How many workers to start: a worker without a virtual user would drop all its arrivals.
fn worker_count(plan: &Plan) -> usize {
    let most = match plan.load.model {
        Model::Open { max_users } => max_users as usize,
        Model::Closed => plan.load.peak().ceil() as usize,
    };
    plan.workers.min(most).max(1)
}

/// Ticks that wait for the ticks of the other workers for the same second.
struct PendingTicks {
    ticks: Vec<std::collections::VecDeque<Tick>>,
    counts: Vec<Totals>,
    finished: Vec<Finish>,
    is_done: Vec<bool>,
    epoch: Instant,
    /// When each worker stopped starting requests, as far as the seconds that were handed over tell; us.
    stopped_at_us: Vec<Option<u64>>,
}

impl PendingTicks {
    fn new(count: usize, epoch: Instant) -> Self {
        Self {
            ticks: (0..count).map(|_| Default::default()).collect(),
            counts: vec![Totals::default(); count],
            finished: Vec::new(),
            is_done: vec![false; count],
            epoch,
            stopped_at_us: vec![None; count],
        }
    }

    fn tick(&mut self, shard: usize, tick: Tick) {
        self.counts[shard] = tick.totals;
        self.ticks[shard].push_back(tick);
    }

    fn done(&mut self, shard: usize, tick: Tick, finish: Finish) {
        self.tick(shard, tick);
        self.is_done[shard] = true;
        self.finished.push(finish);
    }

    /// Worker `shard` died: what it recorded since its last tick is lost.
    fn died(&mut self, shard: usize, now: Instant) {
        self.is_done[shard] = true;
        self.stopped_at_us[shard] = Some(as_us(now.saturating_duration_since(self.epoch)));
        self.finished.push(Finish {
            stopped_at: now,
            drained_at: now,
        });
    }

    /// The ticks of the next second, once every worker has sent its own or is done.
    fn next_second(&mut self) -> Option<Vec<Tick>> {
        let complete = (0..self.ticks.len()).all(|i| self.is_done[i] || !self.ticks[i].is_empty());
        let any = self.ticks.iter().any(|queue| !queue.is_empty());
        if !complete || !any {
            return None;
        }
        let mut ticks = Vec::new();
        for (queue, stopped_at_us) in self.ticks.iter_mut().zip(&mut self.stopped_at_us) {
            if let Some(tick) = queue.pop_front() {
                *stopped_at_us = tick.stopped_at_us.or(*stopped_at_us);
                ticks.push(tick);
            }
        }
        // The load goes on while one of them starts requests.
        let stopped_at_us: Option<Vec<u64>> = self.stopped_at_us.iter().copied().collect();
        let stopped_at_us = stopped_at_us.and_then(|all| all.into_iter().max());
        for tick in &mut ticks {
            tick.stopped_at_us = stopped_at_us;
        }
        Some(ticks)
    }

    fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        self.counts.iter().for_each(|counts| sum.add(*counts));
        sum
    }
}
