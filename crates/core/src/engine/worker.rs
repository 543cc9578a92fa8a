//! One worker: a thread with its own runtime, its share of the load, and its own recorder.

mod closed;
mod open;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::halt::Halt;
use super::message::{Finish, Orders, WorkerCommand, WorkerMessage};
use super::panics;
use super::schedule::throttle::Throttle;
use super::schedule::timer::Timer;
use super::user::trial::event::TrialEvent;
use super::user::worker_state::row_names::RowNames;
use super::user::worker_state::{EarlyEnd, WorkerState};
use crate::error::Error;
use crate::metrics::{Recorder, Tick};
use crate::plan::{Load, Model, Plan};
use crate::protocol::Client;
use crate::units::as_us;

/// Runs in the thread of a worker.
pub(super) fn run<C: Client + 'static>(
    plan: &Arc<Plan>,
    shard: (usize, usize),
    make_client: impl Fn() -> Result<C, Error>,
    orders: Orders,
    messages: &UnboundedSender<WorkerMessage>,
    observer: Option<UnboundedSender<TrialEvent>>,
) {
    // The receiver only goes away when the run is aborted.
    let say = |message| drop(messages.send(message));
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return say(WorkerMessage::Ready(Err(Error::Runtime(error)))),
    };
    LocalSet::new().block_on(&runtime, async {
        let client = match make_client() {
            Ok(client) => Rc::new(client),
            Err(error) => return say(WorkerMessage::Ready(Err(error))),
        };
        say(WorkerMessage::Ready(Ok(())));
        let timer = Timer::precise();
        let on_tick = |tick| say(WorkerMessage::Tick(shard.0, tick));
        if let Some((tick, finish)) =
            work(plan, shard, &client, &timer, orders, observer, on_tick).await
        {
            say(WorkerMessage::Done(shard.0, tick, finish));
        }
    });
}

/// Waits for the start, runs the shard, and passes a tick to `on_tick` each second. Returns the last
/// tick, or `None` if the load was never started. Must run inside a `LocalSet`.
pub(super) async fn work<C: Client + 'static>(
    plan: &Arc<Plan>,
    shard: (usize, usize),
    client: &Rc<C>,
    timer: &Timer,
    orders: Orders,
    observer: Option<UnboundedSender<TrialEvent>>,
    mut on_tick: impl FnMut(Tick),
) -> Option<(Tick, Finish)> {
    let Orders {
        mut commands,
        control,
    } = orders;
    let epoch = loop {
        match *commands.borrow_and_update() {
            WorkerCommand::Start(epoch) => break epoch,
            WorkerCommand::Stop(_) => return None,
            WorkerCommand::Prepare => {}
        }
        commands.changed().await.ok()?;
    };
    let recorder = Rc::new(Recorder::default());
    let mut state = WorkerState::new(plan.clone(), recorder, epoch);
    state.observer = observer;
    state.row_names = RowNames::new(plan.endpoints.len() + plan.flows.len(), shard);
    let halt = Rc::new(Halt::controlled_by(&control));
    let throttle = plan.load.throttle;
    state.throttle = throttle.map(|rate| (Throttle::new(rate, shard), halt.clone()));
    let state = Rc::new(state);
    let mut tasks = JoinSet::new();
    let ticks = async {
        for second in 1.. {
            sleep_until(epoch + Duration::from_secs(second)).await;
            on_tick(tick(&state, halt.at()));
        }
    };
    let load = async {
        let stopped_at = {
            let drive = drive(client, &state, shard, timer, &halt, &mut tasks);
            let ended = state.ended_early();
            supervise(drive, ended, commands, &halt, epoch, &plan.load).await
        };
        while let Some(ended) = tasks.try_join_next() {
            panics::count(ended, &state.recorder);
        }
        // Whatever is still in flight is recorded as interrupted when its task is dropped.
        tasks.shutdown().await;
        let drained_at = Instant::now();
        Finish {
            stopped_at: stopped_at.min(drained_at),
            drained_at,
        }
    };
    let following = async {
        halt.follow(control).await;
        std::future::pending::<()>().await;
    };
    let finish = tokio::select! {
        finish = load => finish,
        () = following => unreachable!("changes are followed until the load ends"),
        () = ticks => unreachable!("ticks go on until the load ends"),
        () = state.meter.watch() => unreachable!("the worker is watched until the load ends"),
    };
    Some((tick(&state, Some(finish.stopped_at)), finish))
}

/// What was recorded since the last tick, and when the load ended, if it has.
fn tick(state: &WorkerState, stopped_at: Option<Instant>) -> Tick {
    Tick {
        stopped_at_us: stopped_at.map(|at| as_us(at.saturating_duration_since(state.epoch))),
        health: state.meter.take(),
        out_of_data: state.early_end() == Some(EarlyEnd::OutOfData),
        stopped: state.early_end() == Some(EarlyEnd::Stopped),
        ..state.recorder.take()
    }
}

async fn drive<C: Client + 'static>(
    client: &Rc<C>,
    state: &Rc<WorkerState>,
    shard: (usize, usize),
    timer: &Timer,
    halt: &Rc<Halt>,
    tasks: &mut JoinSet<()>,
) {
    match state.plan.load.model {
        Model::Closed => closed::drive(client, state, shard, halt, tasks).await,
        Model::Open { max_users } => {
            open::drive(client, state, shard, max_users, timer, halt, tasks).await;
        }
    }
}

/// Runs the load until its end, until its iterations are done, until the worker is told to stop, or
/// until a user ends it; then waits for at most the stop timeout. Returns when the worker stopped
/// starting requests.
async fn supervise(
    drive: impl Future<Output = ()>,
    ended_early: impl Future<Output = ()>,
    mut commands: watch::Receiver<WorkerCommand>,
    halt: &Halt,
    epoch: Instant,
    load: &Load,
) -> Instant {
    let end = epoch + load.total();
    let told = async {
        match commands
            .wait_for(|c| matches!(c, WorkerCommand::Stop(_)))
            .await
            .as_deref()
        {
            Ok(WorkerCommand::Stop(at)) => *at,
            // If control is gone, only the end of the load is left.
            _ => std::future::pending().await,
        }
    };
    tokio::pin!(drive, told, ended_early);
    let mut is_through = false;
    let stopped_at = loop {
        tokio::select! {
            () = &mut drive, if !is_through => {
                if load.iterations.is_some() {
                    return Instant::now().min(end);
                }
                // The last arrival comes before the end of the load, and a rate is counted over the
                // whole of it.
                is_through = true;
            }
            () = sleep_until(end) => break end,
            at = &mut told => break at.min(Instant::now()),
            () = &mut ended_early => break Instant::now().min(end),
        }
    };
    halt.halt(stopped_at);
    if !is_through {
        // In time or not: the caller cuts off what is left.
        let _ = timeout_at(stopped_at + load.stop_timeout, drive).await;
    }
    stopped_at
}
