//! A whole load in the calling task, by the clock of its runtime. Under a paused clock, hours pass in
//! moments.
//!
//! Here: a worker without its own thread. Not here: several workers, signals, the health of the load
//! generator, all of which are about real time.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::message::{Finish, Orders, WorkerCommand};
use super::schedule::timer::Timer;
use super::worker;
use crate::metrics::{Ending, Tick, Totals};
use crate::plan::Plan;
use crate::protocol::Client;
use crate::units::as_us;

/// Runs the load of a plan as its only worker would, with the sessions of `client`. Calls
/// `each_second` with what was recorded in each second of the runtime's clock, and in the rest at the
/// end. Must run inside a current-thread runtime with time enabled.
pub async fn simulate<C: Client + 'static>(
    plan: &Arc<Plan>,
    client: C,
    mut each_second: impl FnMut(Tick),
) -> Ending {
    let epoch = Instant::now();
    let command = watch::Sender::new(WorkerCommand::Start(epoch));
    let client = Rc::new(client);
    let (mut totals, mut out_of_data) = (Totals::default(), false);
    let mut stopped = false;
    let mut on_tick = |tick: Tick| {
        totals = tick.totals;
        out_of_data |= tick.out_of_data;
        stopped |= tick.stopped;
        each_second(tick);
    };
    let orders = Orders {
        commands: command.subscribe(),
        // Of a sender that is gone: nobody changes the load.
        control: watch::Sender::default().subscribe(),
    };
    let work = worker::work(
        plan,
        (0, 1),
        &client,
        &Timer::Coarse,
        orders,
        None,
        &mut on_tick,
    );
    let done = LocalSet::new().run_until(work).await;
    let mut finish = Finish {
        stopped_at: epoch,
        drained_at: epoch,
    };
    // Always there, because the load was started.
    if let Some((last, finished)) = done {
        on_tick(last);
        finish = finished;
    }
    let since = |at: Instant| as_us(at.saturating_duration_since(epoch));
    Ending {
        signal: None,
        out_of_data,
        stopped_by_scenario: stopped,
        decided: false,
        aborted: None,
        failed_teardown: None,
        unkept_items: Default::default(),
        panic: None,
        dead_worker: None,
        stopped_at_us: since(finish.stopped_at),
        drained_at_us: since(finish.drained_at),
        totals,
    }
}
