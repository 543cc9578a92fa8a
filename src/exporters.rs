//! Exporters: the numbers of a run for other tools, while it goes on.
//!
//! Here: the thread that they live on. It has a runtime of its own and gets what ended in each second over a bounded
//! queue, so that nothing that happens here can delay a request. Not here: reports of runs that are over (`report`).

mod buckets;
mod counts;
mod destination;
mod family;
#[cfg(test)]
mod fixture;
mod prometheus;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc::{self, SyncSender};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{LocalSet, spawn_local};

use self::counts::Counts;
pub use self::destination::{Destination, parse_listen_address};
use crate::error::Error;
use crate::metrics::{Commit, RunInfo};
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
    /// What the thread has to say at its end.
    notes: mpsc::Receiver<Vec<String>>,
}

impl Exporters {
    /// Starts exporting what is to come of a run. Pages can be read once this returns.
    ///
    /// # Errors
    /// When an address cannot be listened on, or the thread cannot be started.
    pub fn start(destinations: Vec<Destination>, run: &RunInfo) -> Result<Self, Error> {
        let (seconds, received) = channel(MAX_WAITING_S);
        let (started, is_started) = mpsc::sync_channel(1);
        let (told, notes) = mpsc::sync_channel(1);
        let counts = Counts::of(run);
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
                let exporting = export(destinations, counts, received, &started);
                let notes = LocalSet::new().block_on(&runtime, exporting);
                // Before the end is told: the next run may listen on the same address.
                drop(runtime);
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
            notes,
        })
    }

    /// Where Prometheus can read the numbers.
    pub fn pages(&self) -> &[SocketAddr] {
        &self.pages
    }

    /// Exports what ended in one second. Never waits.
    pub fn add(&mut self, commit: Commit) {
        if let Err(TrySendError::Full(_)) = self.seconds.try_send(commit) {
            self.lost += 1;
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
        let mut notes =
            notes.unwrap_or_else(|_| vec!["the exporters did not end in time".to_owned()]);
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
    counts: Counts,
    mut seconds: Receiver<Commit>,
    started: &SyncSender<Result<Vec<SocketAddr>, Error>>,
) -> Vec<String> {
    // What cumulative formats show.
    let total = Rc::new(RefCell::new(counts));
    let mut pages = Vec::new();
    for destination in destinations {
        let begun = match destination {
            Destination::Page(address) => listen(address).await.map(|(listener, address)| {
                pages.push(address);
                spawn_local(prometheus::page::serve(listener, total.clone()));
            }),
        };
        if let Err(error) = begun {
            let _ = started.send(Err(error));
            return Vec::new();
        }
    }
    let _ = started.send(Ok(pages));
    while let Some(commit) = seconds.recv().await {
        total.borrow_mut().add(&commit);
    }
    Vec::new()
}

/// A listener, and where it really is: the port may be any.
async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let listener = TcpListener::bind(address).await;
    let listened = listener.and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    listened.map_err(|source| Error::ListenPage { address, source })
}
