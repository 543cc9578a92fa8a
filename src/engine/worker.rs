//! One worker: a thread with a runtime of its own, its share of the load, and its own recorder.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::halt::Halt;
use super::schedule::timer::Timer;
use super::user::Shared;
use super::{Command, Finish, Message, closed, open};
use crate::error::Error;
use crate::metrics::{Recorder, Tick};
use crate::plan::{Load, Model, Plan};
use crate::protocol::Client;

/// The body of a worker's thread.
pub(super) fn run<C: Client + 'static>(
    plan: &Arc<Plan>,
    shard: (usize, usize),
    make_client: impl Fn() -> Result<C, Error>,
    commands: watch::Receiver<Command>,
    messages: &UnboundedSender<Message>,
) {
    // The other end only goes away when the run is being given up.
    let say = |message| drop(messages.send(message));
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let why = format!("cannot start a runtime: {error}");
            return say(Message::Ready(Err(Error::CannotRun(why))));
        }
    };
    LocalSet::new().block_on(&runtime, async {
        let client = match make_client() {
            Ok(client) => Rc::new(client),
            Err(error) => return say(Message::Ready(Err(error))),
        };
        say(Message::Ready(Ok(())));
        let timer = Timer::precise();
        let on_tick = |tick| say(Message::Tick(shard.0, tick));
        if let Some((tick, finish)) = work(plan, shard, &client, &timer, commands, on_tick).await {
            say(Message::Done(shard.0, tick, finish));
        }
    });
}

/// Waits for the start, carries out the shard, and hands over a tick each second. Returns the last
/// tick; `None` when there was no start. Must run inside a `LocalSet`.
pub(super) async fn work<C: Client + 'static>(
    plan: &Arc<Plan>,
    shard: (usize, usize),
    client: &Rc<C>,
    timer: &Timer,
    mut commands: watch::Receiver<Command>,
    mut on_tick: impl FnMut(Tick),
) -> Option<(Tick, Finish)> {
    let epoch = loop {
        match *commands.borrow_and_update() {
            Command::Start(epoch) => break epoch,
            Command::Stop(_) => return None,
            Command::Prepare => {}
        }
        commands.changed().await.ok()?;
    };
    let recorder = Rc::new(Recorder::default());
    let shared = Rc::new(Shared::new(plan.clone(), recorder, epoch));
    let halt = Rc::new(Halt::default());
    let mut tasks = JoinSet::new();
    let ticks = async {
        for second in 1.. {
            sleep_until(epoch + Duration::from_secs(second)).await;
            on_tick(tick(&shared));
        }
    };
    let load = async {
        let stopped_at = {
            let drive = drive(client, &shared, shard, timer, &halt, &mut tasks);
            let out_of_data = shared.out_of_data();
            supervise(drive, out_of_data, commands, &halt, epoch, &plan.load).await
        };
        // Whatever is still in flight is recorded as interrupted when its task is dropped.
        tasks.shutdown().await;
        let drained_at = Instant::now();
        Finish {
            stopped_at: stopped_at.min(drained_at),
            drained_at,
        }
    };
    let finish = tokio::select! {
        finish = load => finish,
        () = ticks => unreachable!("ticks go on until the load ends"),
        () = shared.meter.watch() => unreachable!("it is watched until the load ends"),
    };
    Some((tick(&shared), finish))
}

/// What was noted since the last tick.
fn tick(shared: &Shared) -> Tick {
    Tick {
        health: shared.meter.take(),
        out_of_data: shared.is_out_of_data(),
        ..shared.recorder.take()
    }
}

async fn drive<C: Client + 'static>(
    client: &Rc<C>,
    shared: &Rc<Shared>,
    shard: (usize, usize),
    timer: &Timer,
    halt: &Rc<Halt>,
    tasks: &mut JoinSet<()>,
) {
    match shared.plan.load.model {
        Model::Closed => closed::drive(client, shared, shard, halt, tasks).await,
        Model::Open { max_users } => {
            open::drive(client, shared, shard, max_users, timer, halt, tasks).await;
        }
    }
}

/// Lets the load run to its end, until its iterations are done, until it is told to stop, or until
/// it is out of data; then gives it the stop timeout. Returns when it stopped starting requests.
async fn supervise(
    drive: impl Future<Output = ()>,
    out_of_data: impl Future<Output = ()>,
    mut commands: watch::Receiver<Command>,
    halt: &Halt,
    epoch: Instant,
    load: &Load,
) -> Instant {
    let end = epoch + load.total();
    let told = async {
        match commands
            .wait_for(|c| matches!(c, Command::Stop(_)))
            .await
            .as_deref()
        {
            Ok(Command::Stop(at)) => *at,
            // Without anybody to tell, there is only the end.
            _ => std::future::pending().await,
        }
    };
    tokio::pin!(drive, told, out_of_data);
    let mut is_through = false;
    let stopped_at = loop {
        tokio::select! {
            () = &mut drive, if !is_through => {
                if load.iterations.is_some() {
                    return Instant::now().min(end);
                }
                // The last arrival lies before the end of the time it is an arrival of: a rate
                // is counted over the whole of it.
                is_through = true;
            }
            () = sleep_until(end) => break end,
            at = &mut told => break at.min(Instant::now()),
            () = &mut out_of_data => break Instant::now().min(end),
        }
    };
    halt.halt(stopped_at);
    if !is_through {
        // In time or not, what is left is cut off by the caller.
        let _ = timeout_at(stopped_at + load.stop_timeout, drive).await;
    }
    stopped_at
}
