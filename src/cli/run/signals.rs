//! SIGINT and SIGTERM during a run: the first ends the load gracefully, the second ends perfctl.

use tokio::signal::unix::{SignalKind, signal};

use crate::engine::Stopper;
use crate::error::Error;

/// Listens from now on, in the current runtime. The first signal stops the run, with a message to
/// `on_first`; the second exits immediately and leaves what the journal has.
///
/// # Errors
/// If signals cannot be handled.
pub(super) fn listen(stopper: Stopper, on_first: impl Fn(&str) + 'static) -> Result<(), Error> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    tokio::task::spawn_local(async move {
        for count in 1.. {
            let number: u8 = tokio::select! {
                _ = interrupt.recv() => 2,
                _ = terminate.recv() => 15,
            };
            if count > 1 {
                std::process::exit(128 + i32::from(number));
            }
            stopper.stop(number);
            on_first(
                "stopping: waiting for requests in flight; press Ctrl-C again to exit immediately",
            );
        }
    });
    Ok(())
}
