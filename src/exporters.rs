//! Exporters: the numbers of a run for other tools, while it goes on.
//!
//! Here: the thread that they live on. It has a runtime of its own and gets what ended in each second over a bounded
//! queue, so that nothing that happens here can delay a request. Not here: reports of runs that are over (`report`).

mod buckets;
mod counts;
mod delivery;
mod destination;
mod family;
#[cfg(test)]
mod fixture;
mod influx;
mod otlp;
mod prometheus;
mod quantiles;
mod sink;
mod statsd;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use self::counts::Counts;
use self::delivery::Delivery;
pub use self::destination::{
    Collector, Destination, OtlpPoints, OtlpUrl, parse_influx, parse_listen_address, parse_otlp,
    parse_remote_write, parse_statsd,
};
use self::sink::Sink;
use crate::error::Error;
use crate::metrics::{Commit, EndpointInfo, RunInfo};
use crate::plan::Plan;
use crate::units::format_counted;

/// How many seconds of a run may wait to be exported; what comes then is lost to the exporters.
const MAX_WAITING_S: usize = 120;

/// How long the end of a run waits for the last deliveries.
const PATIENCE: Duration = Duration::from_secs(5);

/// Of the thread: the workers come first where there are not enough cores.
const NICENESS: i32 = 10;

/// The exporters of one run.
#[derive(Debug)]
pub struct Exporters {
    pages: Vec<SocketAddr>,
    seconds: Sender<Commit>,
    /// Seconds that found the queue full.
    lost: u64,
    /// The rows that came up in those: all that follow have their positions behind them.
    rows: Vec<EndpointInfo>,
    /// What the thread has to say at its end.
    notes: mpsc::Receiver<Vec<String>>,
}

impl Exporters {
    /// Starts exporting what is to come of a run of this plan. Pages can be read once this returns. Collectors are
    /// reached as the plan's service is, with its certificates and its proxy; but gRPC goes through no proxy, and StatsD
    /// is sent straight to its address.
    ///
    /// # Errors
    /// When an address cannot be listened on, a header cannot be sent, a collector by gRPC is to be reached by the proxy,
    /// or the thread cannot be started.
    pub fn start(
        destinations: Vec<Destination>,
        plan: &Arc<Plan>,
        run: &RunInfo,
    ) -> Result<Self, Error> {
        let (seconds, received) = channel(MAX_WAITING_S);
        let (started, is_started) = mpsc::sync_channel(1);
        let (told, notes) = mpsc::sync_channel(1);
        let (plan, counts) = (plan.clone(), Counts::of(run));
        std::thread::Builder::new()
            .name("exporters".to_owned())
            .spawn(move || {
                // Of this thread alone, on Linux. Without it, everything is exported all the same.
                let _ = rustix::process::setpriority_process(None, NICENESS);
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                let runtime = match runtime {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(started.send(Err(Error::Runtime(error)))),
                };
                let exporting = export(destinations, (&plan, counts), received, &started);
                let notes = LocalSet::new().block_on(&runtime, exporting);
                // Without waiting for names that are still being resolved. Pages are closed: the next run may listen on
                // the same address.
                runtime.shutdown_background();
                // Who started it may have lost patience.
                let _ = told.send(notes);
            })
            .map_err(Error::Thread)?;
        let pages = is_started
            .recv()
            .unwrap_or(Err(Error::Bug("the exporters did not start")))?;
        Ok(Self {
            pages,
            seconds,
            lost: 0,
            rows: Vec::new(),
            notes,
        })
    }

    /// Where Prometheus can read the numbers.
    pub fn pages(&self) -> &[SocketAddr] {
        &self.pages
    }

    /// Exports what ended in one second. Never waits.
    pub fn add(&mut self, mut commit: Commit) {
        if !self.rows.is_empty() {
            commit.rows.splice(0..0, std::mem::take(&mut self.rows));
        }
        if let Err(TrySendError::Full(commit)) = self.seconds.try_send(commit) {
            self.lost += 1;
            self.rows = commit.rows;
        }
    }

    /// Waits until everything is delivered, but not for long. Returns a sentence about whatever could not be.
    pub fn finish(self) -> Vec<String> {
        let Self {
            seconds,
            lost,
            notes,
            ..
        } = self;
        drop(seconds);
        let notes = notes.recv_timeout(PATIENCE + Duration::from_secs(1));
        let mut notes = notes.unwrap_or_else(|why| match why {
            RecvTimeoutError::Timeout => vec!["the exporters did not end in time".to_owned()],
            RecvTimeoutError::Disconnected => {
                vec!["the exporters died; this is a bug in perfctl, please report it".to_owned()]
            }
        });
        if lost > 0 {
            let lost = format_counted(lost, "second");
            notes.push(format!(
                "the exporters were too slow: {lost} of the run are missing in them"
            ));
        }
        notes
    }
}

/// Exports until there is nothing more to come. Returns what could not be delivered.
async fn export(
    destinations: Vec<Destination>,
    (plan, counts): (&Plan, Counts),
    mut seconds: Receiver<Commit>,
    started: &SyncSender<Result<Vec<SocketAddr>, Error>>,
) -> Vec<String> {
    let (over, is_over) = watch::channel(false);
    // What cumulative formats show.
    let total = Rc::new(RefCell::new(counts));
    let mut all = vec![total.clone()];
    let (mut pages, mut deliveries, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
    for destination in destinations {
        let begun = match (&destination, Sink::new(plan, &destination)) {
            (_, Err(error)) => Err(error),
            (Destination::Page(address), _) => listen(*address).await.map(|listener| {
                pages.extend(listener.local_addr());
                spawn_local(prometheus::page::serve(listener, total.clone()));
            }),
            (_, Ok(sink)) => {
                tasks.extend(sink.map(|sink| {
                    let counts = match sink.is_of_intervals() {
                        true => Rc::new(RefCell::new(total.borrow().clone())),
                        false => total.clone(),
                    };
                    if sink.is_of_intervals() {
                        all.push(counts.clone());
                    }
                    let delivery = Rc::new(Delivery::new(destination.to_string()));
                    deliveries.push(delivery.clone());
                    let is_over = is_over.clone();
                    spawn_local(async move { delivery.repeat(sink, counts, is_over).await })
                }));
                Ok(())
            }
        };
        if let Err(error) = begun {
            let _ = started.send(Err(error));
            return Vec::new();
        }
    }
    let _ = started.send(Ok(pages));
    while let Some(commit) = seconds.recv().await {
        all.iter()
            .for_each(|counts| counts.borrow_mut().add(&commit));
    }
    let _ = over.send(true);
    let ends = async {
        for task in tasks {
            let _ = task.await;
        }
    };
    let _ = timeout(PATIENCE, ends).await;
    deliveries
        .iter()
        .filter_map(|delivery| delivery.note())
        .collect()
}

/// Listens for those who want a page.
async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| Error::ListenPage { address, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted_and_delays_nothing() {
        let (seconds, mut received) = channel(2);
        let (told, notes) = mpsc::sync_channel(1);
        let mut exporters = Exporters {
            pages: Vec::new(),
            seconds,
            lost: 0,
            rows: Vec::new(),
            notes,
        };
        (0..5).for_each(|_| exporters.add(Commit::default()));
        assert!(received.try_recv().is_ok() && received.try_recv().is_ok());
        assert!(received.try_recv().is_err());
        told.send(vec!["remote write failed".to_owned()]).unwrap();
        let slow = "the exporters were too slow: 3 seconds of the run are missing in them";
        assert_eq!(exporters.finish(), ["remote write failed", slow]);
    }
}
