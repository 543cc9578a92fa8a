//! Deadlines of requests.
//!
//! Setting a timer costs about as much as sending a small request, and hardly any request needs
//! one. So a session has one timer for all its requests: while it is set to an earlier time than
//! the current deadline, it is left alone, and set again only when it fires.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// The timer of a session; none until it is first waited for.
#[derive(Default)]
pub(super) struct DeadlineTimer(Option<Pin<Box<Sleep>>>);

impl DeadlineTimer {
    /// Ready once `deadline` has passed; until then it may wake the task early.
    pub(super) fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)))
            .as_mut();
        let mut sleep = sleep;
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_fires_at_each_deadline_later_or_earlier_than_the_last() {
        let mut timer = DeadlineTimer::default();
        for timeout_ms in [500, 2_000, 100, 100, 30_000, 1] {
            let timeout = Duration::from_millis(timeout_ms);
            let begun = Instant::now();
            poll_fn(|cx| timer.poll(begun + timeout, cx)).await;
            let late = begun.elapsed() - timeout;
            assert!(late <= Duration::from_millis(1), "{timeout_ms}: {late:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_ends_in_time_leaves_the_timer_for_the_next() {
        let mut timer = DeadlineTimer::default();
        let timeout = Duration::from_secs(10);
        for _ in 0..30 {
            let deadline = Instant::now() + timeout;
            let response = tokio::time::sleep(Duration::from_secs(1));
            tokio::select! {
                () = poll_fn(|cx| timer.poll(deadline, cx)) => panic!("too early"),
                () = response => {}
            }
        }
    }
}
