//! Signals: those that end perfctl, and the one that must not.
//!
//! During a run, the first signal ends the load gracefully, and the second one ends perfctl. Not
//! here: how a load is stopped (`engine`), or the exit code of a stopped run (`grading`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use rustix::process::Signal;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::sync::oneshot;

use crate::engine::Stopper;
use crate::error::{Error, Exit};
use crate::report::live;

/// Ctrl-C, `kill`, Ctrl-\, and a terminal that was closed.
const ENDING: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::QUIT, Signal::HUP];

/// What is said once a run is asked to end.
const STOPPING: &str =
    "stopping: waiting for requests in flight; press Ctrl-C again to exit immediately";

/// From now on, a write beyond the limit of the size of files (`ulimit -f`) fails, as on a full
/// disk. Without this, it ends perfctl. Does nothing where signals cannot be handled.
pub(super) fn survive_file_size_limit() {
    let handle = || -> std::io::Result<()> {
        let runtime = runtime()?;
        let _inside = runtime.enter();
        // The handler stays in place when its listener is dropped. The signal is not ignored, since
        // programs that perfctl starts would inherit that.
        signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
    };
    let _ = handle();
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_io().build()
}

/// Listens for the signals that end perfctl.
pub(super) struct EndingSignals(Vec<(u8, unix::Signal)>);

impl EndingSignals {
    /// Listens from now on, in the current runtime. SIGHUP stays ignored if it is ignored, as under
    /// `nohup`.
    ///
    /// # Errors
    /// If signals cannot be handled.
    pub fn listen() -> Result<Self, Error> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let listened = ENDING
            .into_iter()
            .filter(|&kind| kind != Signal::HUP || !ignores(&status, kind))
            .map(|kind| {
                let number = kind.as_raw();
                let listener = signal(SignalKind::from_raw(number)).map_err(Error::Signals)?;
                Ok((u8::try_from(number).unwrap_or(u8::MAX), listener))
            });
        listened.collect::<Result<_, _>>().map(Self)
    }

    /// The number of the next signal.
    pub async fn next(&mut self) -> u8 {
        std::future::poll_fn(|context| {
            let mut come = self.0.iter_mut().filter_map(|(number, listener)| {
                listener.poll_recv(context).is_ready().then_some(*number)
            });
            come.next()
                .map_or(std::task::Poll::Pending, std::task::Poll::Ready)
        })
        .await
    }
}

/// Whether the process with this `/proc/.../status` ignores the signal.
fn ignores(status: &str, kind: Signal) -> bool {
    let mut lines = status.lines();
    let mask = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw() - 1) & 1 == 1)
}

/// The run that a signal stops.
struct RunningLoad {
    stopper: Stopper,
    /// Until the first signal.
    first: Option<oneshot::Sender<&'static str>>,
}

/// There is one run at a time, and the handling of signals belongs to the whole process.
static RUNNING: Mutex<Option<RunningLoad>> = Mutex::new(None);

/// Whether SIGHUP has come during the life of [`start_listener`]'s thread.
static HUNG_UP: AtomicBool = AtomicBool::new(false);

/// Whether the terminal has gone away.
pub(super) fn has_hung_up() -> bool {
    HUNG_UP.load(Ordering::Relaxed)
}

fn running() -> MutexGuard<'static, Option<RunningLoad>> {
    // Nothing panics while it is locked.
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While this exists, the first signal stops a run. At any other time, a signal ends perfctl
/// immediately: between runs and while a report is written, everything is stored already.
pub(super) struct StopOnSignal(());

impl StopOnSignal {
    /// Stops the run on the first signal, and then sends what is to be shown. The second one ends
    /// perfctl and leaves what the journal has, unless it is another SIGHUP.
    ///
    /// # Errors
    /// If signals cannot be handled.
    pub fn new(stopper: Stopper) -> Result<(Self, oneshot::Receiver<&'static str>), Error> {
        static LISTENER: OnceLock<Result<(), String>> = OnceLock::new();
        let started = LISTENER.get_or_init(|| start_listener().map_err(|error| error.to_string()));
        started
            .clone()
            .map_err(|why| Error::Signals(std::io::Error::other(why)))?;
        let (sender, receiver) = oneshot::channel();
        let first = Some(sender);
        *running() = Some(RunningLoad { stopper, first });
        Ok((Self(()), receiver))
    }
}

impl Drop for StopOnSignal {
    fn drop(&mut self) {
        *running() = None;
    }
}

/// Handles signals on a thread of its own, to the end of the process: a run that is stuck can still
/// be ended.
fn start_listener() -> std::io::Result<()> {
    let runtime = runtime()?;
    let mut signals = {
        let _inside = runtime.enter();
        EndingSignals::listen().map_err(std::io::Error::other)?
    };
    let listen = move || {
        runtime.block_on(async {
            loop {
                let number = signals.next().await;
                let hung_up = i32::from(number) == Signal::HUP.as_raw();
                HUNG_UP.fetch_or(hung_up, Ordering::Relaxed);
                let mut running = running();
                match running.as_mut().map(|run| (run.first.take(), run)) {
                    Some((Some(first), run)) => {
                        run.stopper.stop(number);
                        // If the run has just ended, there is nobody left to show it.
                        let _ = first.send(STOPPING);
                    }
                    // A terminal that closes signals it itself, and its shell once more: that is
                    // nobody who has lost patience.
                    Some((None, _)) if hung_up => {}
                    _ => {
                        live::leave();
                        std::process::exit(Exit::Stopped(number).code().into());
                    }
                }
            }
        });
    };
    thread::Builder::new()
        .name("signals".into())
        .spawn(listen)
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read_from_the_status() {
        // Bit 0 is signal 1, SIGHUP; bit 2 is signal 3, SIGQUIT.
        let status = "SigBlk:\t0000000000000005\nSigIgn:\t0000000000000001\nSigCgt:\t0\n";
        assert!(ignores(status, Signal::HUP));
        assert!(!ignores(status, Signal::QUIT));
        assert!(!ignores("SigIgn:\t0000000000000004\n", Signal::HUP));
        assert!(!ignores("", Signal::HUP), "a system that does not tell");
    }
}
