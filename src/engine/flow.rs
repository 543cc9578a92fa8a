//! How a user carries out steps, and how flows are timed.
//!
//! Here: order, repetition, chance, waiting and concurrency of steps. Not here: a single request
//! (`user`), or when an iteration starts (`closed`, `open`).

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use rand::RngExt;
use tokio::time::{Instant, sleep, sleep_until};

use super::user::{Shared, User, exchange};
use crate::metrics::{Class, Sample};
use crate::plan::{Branch, Endpoint, Step};
use crate::protocol::Client;
use crate::units::{as_us, format_duration};

/// Why steps ended early, or a flow has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failed {
    /// Position of the endpoint.
    endpoint: usize,
    class: Class,
    /// A poll that went on for so long.
    polled: Option<Duration>,
}

impl Failed {
    /// The request of this endpoint ended in this class.
    pub(super) fn of_request(endpoint: usize, class: Class) -> Self {
        Self {
            endpoint,
            class,
            polled: None,
        }
    }

    fn text(self, shared: &Shared) -> String {
        let name = shared.plan.subject(self.endpoint);
        match self.polled {
            None => format!("its step `{name}` ended as {}", self.class.name()),
            Some(timeout) => {
                let timeout = format_duration(timeout);
                format!("its poll of `{name}` was not as awaited within {timeout}")
            }
        }
    }
}

/// How long a user has spent thinking since it started: what a flow's time is without.
#[derive(Debug, Default)]
pub(super) struct ThoughtClock {
    before: Cell<Duration>,
    since: Cell<Option<Instant>>,
}

impl ThoughtClock {
    fn read(&self, now: Instant) -> Duration {
        let current = self
            .since
            .get()
            .map(|since| now.saturating_duration_since(since));
        self.before.get() + current.unwrap_or_default()
    }

    fn start(&self) {
        self.since.set(Some(Instant::now()));
    }

    fn stop(&self) {
        self.before.set(self.read(Instant::now()));
        self.since.set(None);
    }
}

/// A flow on its way. Dropped before its end, because the run is over, it is recorded as
/// interrupted with its age.
struct FlowInFlight {
    shared: Rc<Shared>,
    clock: Rc<ThoughtClock>,
    subject: u16,
    intended: Instant,
    started: Instant,
    thought: Duration,
    ended: bool,
}

impl FlowInFlight {
    fn start(
        shared: Rc<Shared>,
        clock: Rc<ThoughtClock>,
        flow: usize,
        due: Option<Instant>,
    ) -> Self {
        let started = Instant::now();
        Self {
            subject: shared.flow_subject(flow),
            thought: clock.read(started),
            shared,
            clock,
            intended: due.unwrap_or(started),
            started,
            ended: false,
        }
    }

    fn end(mut self, result: Result<(), Failed>) {
        self.ended = true;
        match result {
            Ok(()) => self.record(Class::Ok, None),
            Err(failed) => self.record(failed.class, Some(failed.text(&self.shared))),
        }
    }

    fn record(&self, class: Class, text: Option<String>) {
        let now = Instant::now();
        let thought = self.clock.read(now) - self.thought;
        let since = |start| now.saturating_duration_since(start);
        let intended_us = as_us(self.intended.saturating_duration_since(self.shared.epoch));
        let sample = Sample {
            response_us: as_us(since(self.intended).saturating_sub(thought)),
            service_us: as_us(since(self.started)),
            ..Sample::new(self.subject, class, intended_us)
        };
        self.shared.recorder.record(sample, text);
    }
}

impl Drop for FlowInFlight {
    fn drop(&mut self) {
        if !self.ended {
            let text = "still on its way when the run ended".to_owned();
            self.record(Class::Interrupted, Some(text));
        }
    }
}

impl<C: Client> User<C> {
    /// Carries out steps in order. Only the first request is scheduled for `due`; the others start
    /// when the one before has ended. Returns the first failure, with which they end unless they
    /// are to go on.
    pub(super) fn steps<'a>(
        &'a mut self,
        steps: &'a [Step],
        due: &'a mut Option<Instant>,
        goes_on: bool,
    ) -> Pin<Box<dyn Future<Output = Result<(), Failed>> + 'a>> {
        Box::pin(async move {
            let mut result = Ok(());
            for step in steps {
                result = result.and(self.step(step, due, goes_on).await);
                if result.is_err() && !goes_on {
                    break;
                }
            }
            result
        })
    }

    async fn step(
        &mut self,
        step: &Step,
        due: &mut Option<Instant>,
        goes_on: bool,
    ) -> Result<(), Failed> {
        match step {
            Step::Request(endpoint) => self.request(*endpoint, due.take()).await,
            Step::Flow {
                flow,
                goes_on,
                steps,
            } => {
                let (shared, clock) = (self.shared.clone(), self.clock.clone());
                let in_flight = FlowInFlight::start(shared, clock, *flow, *due);
                let result = self.steps(steps, due, *goes_on).await;
                in_flight.end(result);
                result
            }
            Step::Think(think) => {
                let wait = self.wait(*think);
                self.clock.start();
                sleep(wait).await;
                self.clock.stop();
                Ok(())
            }
            Step::Repeat { times, steps } => {
                let mut result = Ok(());
                for _ in 0..*times {
                    result = result.and(self.steps(steps, due, goes_on).await);
                    if result.is_err() && !goes_on {
                        break;
                    }
                }
                result
            }
            Step::Random(branches) => {
                let branch = self.choose(branches);
                self.steps(&branches[branch].steps, due, goes_on).await
            }
            Step::Poll {
                endpoint,
                until,
                every,
                timeout,
            } => self.poll(*endpoint, until, (*every, *timeout), due).await,
            Step::Parallel { times, requests } => self.parallel(*times, requests, due).await,
        }
    }

    fn choose(&mut self, branches: &[Branch]) -> usize {
        let total: u64 = branches.iter().map(|branch| u64::from(branch.weight)).sum();
        let mut left = self.rng.random_range(0..total.max(1));
        let chosen = branches.iter().position(|branch| {
            let weight = u64::from(branch.weight);
            let is_chosen = left < weight;
            left = left.saturating_sub(weight);
            is_chosen
        });
        chosen.unwrap_or_default()
    }

    async fn poll(
        &mut self,
        endpoint: usize,
        until: &Endpoint,
        (every, timeout): (Duration, Duration),
        due: &mut Option<Instant>,
    ) -> Result<(), Failed> {
        let last = Instant::now() + timeout;
        while !self.request_until(endpoint, until, due.take()).await? {
            let next = Instant::now() + every;
            if next > last {
                return Err(Failed {
                    polled: Some(timeout),
                    ..Failed::of_request(endpoint, Class::CheckFailed)
                });
            }
            sleep_until(next).await;
        }
        Ok(())
    }

    /// Everything is rendered before the first is sent, so that random values do not depend on
    /// which answer comes first.
    async fn parallel(
        &mut self,
        times: u32,
        requests: &[usize],
        due: &mut Option<Instant>,
    ) -> Result<(), Failed> {
        let shared = self.shared.clone();
        let due = due.take();
        let mut prepared = Vec::new();
        for _ in 0..times {
            for &index in requests {
                prepared.push(self.prepare(index, &shared.plan.endpoints[index]));
            }
        }
        self.widen(prepared.len());
        let lanes = self.lanes.iter_mut();
        let sent = lanes
            .zip(prepared)
            .map(|(lane, request)| exchange(&shared, lane, request, due));
        // The first failure in the order of the file.
        join_all(sent).await.into_iter().collect()
    }
}
