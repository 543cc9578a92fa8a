//! The clock that releases arrivals.
//!
//! tokio's timers tick in milliseconds: measured at 5,000 arrivals a second they start 1.6-2.0 ms
//! late at p99. An absolute timerfd in the same runtime is 24 us late. Think times and timeouts
//! stay on tokio's timers, where a millisecond does not matter.

use std::os::fd::OwnedFd;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// Waits for instants, precisely where the system can.
pub(super) enum Timer {
    /// An absolute timerfd on the monotonic clock.
    Precise(AsyncFd<OwnedFd>),
    /// tokio's timer: under a paused clock, and where there is no timerfd.
    Coarse,
}

impl Timer {
    /// The most precise timer this system has. Must be called inside a runtime.
    #[expect(
        deprecated,
        reason = "the replacement wants the caller's word that the descriptor stays open and the \
                  same while registered; an `OwnedFd` does, and this crate gives no such words"
    )]
    pub(super) fn precise() -> Self {
        timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )
        .ok()
        .and_then(|fd| AsyncFd::with_interest(fd, Interest::READABLE).ok())
        .map_or(Self::Coarse, Self::Precise)
    }

    /// Returns at `at`, or at once when that has passed.
    pub(super) async fn sleep_until(&self, at: Instant) {
        match self {
            Self::Precise(fd) => {
                if wait_on(fd, at).await.is_err() {
                    tokio::time::sleep_until(at).await;
                }
            }
            Self::Coarse => tokio::time::sleep_until(at).await,
        }
    }
}

async fn wait_on(fd: &AsyncFd<OwnedFd>, at: Instant) -> std::io::Result<()> {
    let left = at.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Ok(());
    }
    let now = clock_gettime(ClockId::Monotonic);
    let nanos = now.tv_nsec + i64::from(left.subsec_nanos());
    let value = Timespec {
        tv_sec: now.tv_sec + left.as_secs() as i64 + nanos / 1_000_000_000,
        tv_nsec: nanos % 1_000_000_000,
    };
    let once = Itimerspec {
        it_interval: Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value: value,
    };
    // Setting the timer also forgets an expiry that nobody read.
    timerfd_settime(fd, TimerfdTimerFlags::ABSTIME, &once)?;
    loop {
        let mut ready = fd.readable().await?;
        let mut expiries = [0; 8];
        match ready.try_io(|fd| Ok(rustix::io::read(fd, &mut expiries)?)) {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(Err(error)) => return Err(error),
            Err(_would_block) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_precise_timer_never_returns_early_and_can_be_used_again() {
        let timer = Timer::precise();
        assert!(matches!(timer, Timer::Precise(_)));
        for us in [0, 50, 300, 1500] {
            let at = Instant::now() + Duration::from_micros(us);
            timer.sleep_until(at).await;
            assert!(Instant::now() >= at);
        }
    }

    #[tokio::test]
    async fn a_wait_that_was_given_up_does_not_end_the_next_one_early() {
        let timer = Timer::precise();
        let soon = Instant::now() + Duration::from_micros(200);
        let given_up = timer.sleep_until(soon);
        drop(tokio::time::timeout(Duration::ZERO, given_up).await);
        let at = Instant::now() + Duration::from_millis(5);
        timer.sleep_until(at).await;
        assert!(Instant::now() >= at);
    }
}
