//! One worker: a thread with a runtime of its own, its share of the load, and its own recorder.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::halt::Halt;
use super::timer::Timer;
use super::user::Shared;
use super::{Command, Finish, Message, closed, open};
use crate::error::Error;
use crate::metrics::{Recorder, Tick};
use crate::plan::{Model, Plan};
use crate::protocol::Client;

/// The body of a worker's thread.
pub(super) fn run<C: Client>(
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
            Ok(client) => client,
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
pub(super) async fn work<C: Client>(
    plan: &Arc<Plan>,
    shard: (usize, usize),
    client: &C,
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
    let shared = Rc::new(Shared::new(plan.clone(), recorder.clone(), epoch));
    let halt = Rc::new(Halt::default());
    let mut tasks = JoinSet::new();
    let ticks = async {
        for second in 1.. {
            sleep_until(epoch + Duration::from_secs(second)).await;
            on_tick(recorder.take());
        }
    };
    let load = async {
        let stopped_at = {
            let drive = drive(client, &shared, shard, timer, &halt, &mut tasks);
            let end = epoch + plan.load.total();
            supervise(drive, commands, &halt, end, plan.load.graceful_stop).await
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
    };
    Some((recorder.take(), finish))
}

async fn drive<C: Client>(
    client: &C,
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

/// Lets the load run until it is through, its end has come, or it is told to stop; then gives it
/// the graceful stop. Returns when it stopped starting requests.
async fn supervise(
    drive: impl Future<Output = ()>,
    mut commands: watch::Receiver<Command>,
    halt: &Halt,
    end: Instant,
    graceful_stop: Duration,
) -> Instant {
    tokio::pin!(drive);
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
    let stopped_at = tokio::select! {
        () = &mut drive => return Instant::now().min(end),
        () = sleep_until(end) => end,
        at = told => at.min(Instant::now()),
    };
    halt.halt();
    // In time or not, what is left is cut off by the caller.
    let _ = timeout_at(stopped_at + graceful_stop, drive).await;
    stopped_at
}
