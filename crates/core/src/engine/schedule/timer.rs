//! The clock that releases arrivals.
//!
//! tokio's timers tick in milliseconds: measured at 5,000 arrivals a second they start 1.6-2.0 ms
//! late at p99. An absolute timerfd in the same runtime is only as late as the system is to wake a
//! thread, about 20 µs on a virtual machine. The timer learns that delay, is set that much earlier, and
//! spins for the remaining few microseconds. While more than that remains, and in any case once, it
//! lets the users run: at 100,000 arrivals a second there is never time to sleep, and the users need
//! the thread. What of this is spent on nothing but polling is no work, and the worker's health leaves it
//! out. Think times and timeouts stay on tokio's timers, where a millisecond does not matter.

use std::cell::Cell;
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use crate::engine::health::Meter;

/// The most that the timer is set early; ns. A system that wakes threads later than that is late.
const MOST_LEAD_NS: f64 = 50_000.0;

/// A wait up to this long is not worth the system calls that set the timer and wait for it.
const SHORTEST_SLEEP: Duration = Duration::from_micros(10);

/// The longest time to spin.
const SPIN: Duration = Duration::from_micros(3);

/// Waits for instants, precisely where the system can.
pub(crate) enum Timer {
    /// An absolute timerfd on the monotonic clock.
    Precise(PreciseTimer),
    /// tokio's timer: under a paused clock, and where there is no timerfd.
    Coarse,
}

impl Timer {
    /// The most precise timer this system has. Must be called inside a runtime.
    #[expect(
        deprecated,
        reason = "the replacement wants its caller to guarantee that the descriptor stays open while \
                  registered. An `OwnedFd` does, but this crate gives no such guarantees"
    )]
    pub(crate) fn precise() -> Self {
        timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )
        .ok()
        .and_then(|fd| AsyncFd::with_interest(fd, Interest::READABLE).ok())
        .map_or(Self::Coarse, |fd| {
            let lead_ns = Cell::new(0.0);
            Self::Precise(PreciseTimer { fd, lead_ns })
        })
    }

    /// Returns at `at`, or at once when that has passed. Tells `meter` how long it only polled.
    pub(crate) async fn sleep_until(&self, at: Instant, meter: &Meter) {
        match self {
            Self::Precise(timer) => {
                if timer.sleep_until(at, meter).await.is_err() {
                    tokio::time::sleep_until(at).await;
                }
            }
            Self::Coarse => tokio::time::sleep_until(at).await,
        }
    }
}

/// A timerfd, and what it has learned about being woken.
pub(crate) struct PreciseTimer {
    fd: AsyncFd<OwnedFd>,
    /// How much earlier than wanted the timer is set; ns.
    lead_ns: Cell<f64>,
}

impl PreciseTimer {
    async fn sleep_until(&self, at: Instant, meter: &Meter) -> std::io::Result<()> {
        let left = at.saturating_duration_since(Instant::now());
        let mut others_ran = false;
        if left > SHORTEST_SLEEP {
            // At most half of what is left, so that the timer sleeps and keeps learning however short
            // the gaps between arrivals are.
            let lead = Duration::from_nanos(self.lead_ns.get() as u64).min(left / 2);
            let early = at - lead;
            others_ran = self.wait(early).await?;
            let woken_after_ns = early.elapsed().as_nanos() as f64;
            self.lead_ns
                .set(learned_ns(self.lead_ns.get(), woken_after_ns));
        }
        poll_until(at, others_ran, meter).await;
        Ok(())
    }

    /// Waits for the timer. Returns whether others could run meanwhile.
    async fn wait(&self, at: Instant) -> std::io::Result<bool> {
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
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
        // Setting the timer also clears an earlier expiry, and each expiry wakes by itself: nobody has to read it.
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &once)?;
        let mut others_ran = false;
        loop {
            let mut ready = poll_fn(|context| {
                let ready = self.fd.poll_read_ready(context);
                others_ran |= ready.is_pending();
                ready
            })
            .await?;
            ready.clear_ready();
            // What was ready before may have been the expiry of a wait that was given up.
            if Instant::now() >= at {
                return Ok(others_ran);
            }
        }
    }
}

/// The lead after a wait that ended so long after the time that was set; ns.
///
/// Nine tenths of a running mean: rather a little too short than too long, because the timer does not sleep for what is
/// too long. A thread that was woken very late says nothing about the others, and counts as late as can be.
fn learned_ns(lead_ns: f64, woken_after_ns: f64) -> f64 {
    0.95 * lead_ns + 0.05 * 0.9 * woken_after_ns.min(MOST_LEAD_NS)
}

/// Lets the others run until shortly before `at`, at least once unless they ran already, and spins for
/// the rest.
async fn poll_until(at: Instant, mut others_ran: bool, meter: &Meter) {
    let mut now = Instant::now();
    // A turn in which no user was polled was a wait, unless one is polled in the next turn: then a
    // connection's own task may have been at work for it.
    let mut idle = Duration::ZERO;
    while at.saturating_duration_since(now) > SPIN || !others_ran {
        let polls = meter.polls();
        tokio::task::yield_now().await;
        others_ran = true;
        let begun = std::mem::replace(&mut now, Instant::now());
        if meter.polls() == polls {
            meter.waited(idle);
            idle = now.min(at).saturating_duration_since(begun);
        } else {
            idle = Duration::ZERO;
        }
    }
    meter.waited(at.saturating_duration_since(now));
    while Instant::now() < at {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of a wait of 50 ms that counts as such, if a user is polled in every turn of these.
    async fn idle_share(is_polled: impl Fn(u64) -> bool) -> f64 {
        let meter = Meter::new(Instant::now());
        let wait = Duration::from_millis(50);
        let at = Instant::now() + wait;
        let users = async {
            for turn in 0.. {
                if is_polled(turn) {
                    meter.poll();
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            // One turn of each, in the same order each time.
            biased;
            () = users => unreachable!("it never ends"),
            () = poll_until(at, false, &meter) => {}
        }
        meter.take_waited().as_secs_f64() / wait.as_secs_f64()
    }

    #[tokio::test]
    async fn only_turns_without_users_are_waits() {
        // A machine that stops the thread for the whole of a wait sees no turn at all.
        let mut idle = 0.0;
        for _ in 0..10 {
            idle = f64::max(idle, idle_share(|_| false).await);
        }
        assert!(idle > 0.9, "{idle}");
        assert!(idle_share(|_| true).await < 0.1);
        // What comes right before a user's turn may be the work of its connection.
        assert!(idle_share(|turn| turn % 2 == 0).await < 0.1);
    }

    fn precise() -> PreciseTimer {
        match Timer::precise() {
            Timer::Precise(timer) => timer,
            Timer::Coarse => panic!("no timerfd"),
        }
    }

    /// The wait by itself: what comes after it polls until it is time, whenever that began.
    #[tokio::test]
    async fn a_precise_timer_never_returns_early_and_can_be_used_again() {
        let timer = precise();
        for us in [0, 50, 300, 1500] {
            let at = Instant::now() + Duration::from_micros(us);
            timer.wait(at).await.unwrap();
            assert!(Instant::now() >= at);
        }
        let meter = Meter::new(Instant::now());
        let at = Instant::now() + Duration::from_micros(300);
        timer.sleep_until(at, &meter).await.unwrap();
        assert!(Instant::now() >= at);
    }

    /// However long the wait, only the lead is polled.
    #[tokio::test]
    async fn the_time_spent_polling_is_bounded_by_the_lead() {
        let meter = Meter::new(Instant::now());
        let timer = precise();
        for _ in 0..100 {
            timer.lead_ns.set(MOST_LEAD_NS);
            let at = Instant::now() + Duration::from_micros(500);
            timer.sleep_until(at, &meter).await.unwrap();
        }
        let polled_ns = meter.take_waited().as_nanos() as f64;
        assert!(polled_ns <= 100.0 * MOST_LEAD_NS, "{polled_ns}");
    }

    #[test]
    fn a_thread_that_was_woken_very_late_once_costs_no_spinning() {
        let usual = (0..200).fold(0.0, |lead_ns, _| learned_ns(lead_ns, 20_000.0));
        assert!((17_500.0..=18_000.0).contains(&usual), "{usual}");
        let after = learned_ns(usual, 5_000_000.0);
        assert!(after < 20_000.0, "{after}");
        let late = (0..1_000).fold(0.0, |lead_ns, _| learned_ns(lead_ns, 5_000_000.0));
        assert!(late <= MOST_LEAD_NS, "{late}");
    }

    #[tokio::test]
    async fn a_canceled_wait_does_not_end_the_next_one_early() {
        let timer = precise();
        // A machine that stops the thread for that long leaves nothing to wait for.
        let soon = loop {
            let soon = Instant::now() + Duration::from_millis(20);
            let given_up = tokio::time::timeout(Duration::ZERO, timer.wait(soon)).await;
            if given_up.is_err() {
                break soon;
            }
        };
        std::thread::sleep(soon.saturating_duration_since(Instant::now()));
        // The runtime sees the expiry that nobody waits for.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let at = Instant::now() + Duration::from_millis(50);
        timer.wait(at).await.unwrap();
        assert!(Instant::now() >= at);
    }
}
