//! How a user carries out steps, and how flows are timed.
//!
//! Here: order, random choice and waits; beneath it, repetition (`loops`), concurrency (`at_once`) and functions of
//! the script (`run`). Not here: a single request (`user`), or which task an iteration runs (`iteration`).

mod at_once;
mod cookies;
mod loops;
mod run;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt;
use tokio::time::{Instant, sleep, sleep_until};

use super::User;
use super::step_error::StepError;
use super::think_clock::ThinkClock;
use super::trial::event::TrialEvent;
use super::trial::told;
use super::values::RenderError;
use super::worker_state::{EarlyEnd, WorkerState};
use crate::metrics::{FailureTexts, Outcome, Sample};
use crate::plan::{Assignment, Branch, Endpoint, Measure, Push, Step, Stop, Template, ThinkTime};
use crate::protocol::Client;
use crate::units::as_us;

/// A flow in flight. If the run ends before it does, it is recorded as interrupted with its age when
/// its value goes away.
struct FlowInFlight {
    state: Rc<WorkerState>,
    clock: Rc<ThinkClock>,
    subject: u16,
    intended: Instant,
    started: Instant,
    thought: Duration,
    ended: bool,
}

impl FlowInFlight {
    fn start(
        state: Rc<WorkerState>,
        clock: Rc<ThinkClock>,
        flow: usize,
        due: Option<Instant>,
    ) -> Self {
        let started = Instant::now();
        Self {
            subject: state.flow_subject(flow),
            thought: clock.read(started),
            state,
            clock,
            intended: due.unwrap_or(started),
            started,
            ended: false,
        }
    }

    fn end(mut self, result: &Result<(), StepError>) {
        self.ended = true;
        match result {
            Ok(()) => self.record(Outcome::Ok, None, None),
            Err(error) => {
                let text = error.text(&self.state.plan);
                self.record(error.outcome, error.flow_check(), Some(text));
            }
        }
    }

    fn record(&self, outcome: Outcome, check: Option<u8>, text: Option<String>) {
        let now = Instant::now();
        let thought = self.clock.read(now) - self.thought;
        let since = |start| now.saturating_duration_since(start);
        let intended_us = as_us(self.intended.saturating_duration_since(self.state.epoch));
        let sample = Sample {
            response_us: as_us(since(self.intended).saturating_sub(thought)),
            service_us: as_us(since(self.started)),
            check,
            ..Sample::new(self.subject, outcome, intended_us)
        };
        self.state
            .recorder
            .record(sample, text.map(FailureTexts::from));
    }
}

impl Drop for FlowInFlight {
    fn drop(&mut self) {
        if !self.ended {
            let text = "still in flight when the run ended".to_owned();
            self.record(Outcome::Interrupted, None, Some(text));
        }
    }
}

impl<C: Client> User<C> {
    /// Carries out steps in order. Only the first request is scheduled for `due`; the others start
    /// when the one before has ended. Returns the first error, which ends the steps unless `goes_on`.
    pub(super) fn steps<'a>(
        &'a mut self,
        steps: &'a [Step],
        due: &'a mut Option<Instant>,
        goes_on: bool,
    ) -> Pin<Box<dyn Future<Output = Result<(), StepError>> + 'a>> {
        Box::pin(async move {
            let mut result = Ok(());
            for step in steps {
                let ended = self.step(step, due, goes_on).await;
                result = result.and(ended);
                if self.is_over(&result, goes_on) {
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
    ) -> Result<(), StepError> {
        match step {
            Step::Request(endpoint) => self.request(*endpoint, due.take()).await,
            Step::Flow {
                flow,
                goes_on,
                steps,
            } => {
                let (state, clock) = (self.state.clone(), self.clock.clone());
                let in_flight = FlowInFlight::start(state, clock, *flow, *due);
                self.state.tell(|| TrialEvent::FlowStarted(*flow));
                let result = self.steps(steps, due, *goes_on).await;
                self.is_leaving = false;
                self.state.tell(|| TrialEvent::FlowEnded {
                    flow: *flow,
                    failure: (result.as_ref().err()).map(|error| told(error, &self.state.plan)),
                });
                in_flight.end(&result);
                result
            }
            Step::Set(assignments) => self.set(assignments).await,
            Step::Cookies(change) => self.change_cookies(change).await,
            Step::Call { with, steps } => self.call(with, (steps, goes_on), due).await,
            Step::Push(items) => self.push(items).await,
            Step::Stop(stop) => {
                self.end(*stop);
                Ok(())
            }
            Step::Fail(text) => Err(self.failure(text).await),
            Step::Run(script) => self.run_script(script, due).await,
            Step::Think(think) => {
                let wait = match think {
                    ThinkTime::Computed(wait) => self
                        .computed_wait(*wait)
                        .await
                        .map_err(|error| self.failed(error))?,
                    think => self.wait(*think),
                };
                if wait.is_zero() {
                    // The timer would take a millisecond, but a loop must not keep the others from running.
                    tokio::task::consume_budget().await;
                    return Ok(());
                }
                self.clock.start();
                sleep(wait).await;
                self.clock.stop();
                Ok(())
            }
            Step::Measure(measures) => self.measure_step(measures).await,
            Step::Repeat { .. }
            | Step::Each { .. }
            | Step::RepeatBy { .. }
            | Step::During { .. } => self.repeated(step, due, goes_on).await,
            Step::If {
                condition,
                then,
                otherwise,
            } => {
                let steps = if self.holds(condition).await? {
                    then
                } else {
                    otherwise
                };
                self.steps(steps, due, goes_on).await
            }
            Step::Random(branches) => {
                let branch = self.choose(branches);
                self.steps(&branches[branch].steps, due, goes_on).await
            }
            Step::Poll {
                endpoint,
                until,
                pending,
                every,
                timeout,
            } => {
                let (judges, times) = ((&**until, &**pending), (*every, *timeout));
                self.poll(*endpoint, judges, times, due).await
            }
            Step::Parallel { times, requests } => self.parallel(*times, requests, due).await,
            Step::ParallelEach {
                over,
                variable,
                request,
            } => self.parallel_each((over, *variable), *request, due).await,
        }
    }

    pub(super) fn end(&mut self, stop: Stop) {
        match stop {
            Stop::Flow => self.is_leaving = true,
            Stop::User => {
                self.is_done = true;
                if !self.state.is_open() {
                    self.state.recorder.user_stopped();
                }
            }
            Stop::Run => {
                self.is_done = true;
                self.state.end_early(EarlyEnd::Stopped);
            }
        }
    }

    /// The error of a step that fails with this text.
    async fn failure(&mut self, text: &Template) -> StepError {
        match self.values.text(text).await {
            Ok(filled) => {
                let check = self.state.failure_check(text.shared_source());
                StepError::of_failure(check, self.values.excerpt(&filled))
            }
            Err(error) => self.failed(error),
        }
    }

    /// Carries out steps with arguments, whose variables then are what they were before.
    async fn call(
        &mut self,
        with: &[Assignment],
        (steps, goes_on): (&[Step], bool),
        due: &mut Option<Instant>,
    ) -> Result<(), StepError> {
        let mut values = Vec::with_capacity(with.len());
        for one in with {
            let value = self.values.item(&one.value).await;
            values.push(Some(value.map_err(|error| self.failed(error))?));
        }
        let before = self.values.exchange(with, values);
        self.tell_set(with);
        let result = self.steps(steps, due, goes_on).await;
        self.values.exchange(with, before);
        result
    }

    /// Sets variables one after the other.
    async fn set(&mut self, assignments: &[Assignment]) -> Result<(), StepError> {
        // A loop of nothing else must not keep the other users from running.
        tokio::task::consume_budget().await;
        for one in assignments {
            let value = self.values.item(&one.value).await;
            let value = value.map_err(|error| self.failed(error))?;
            self.values.set(one.variable, value);
        }
        self.tell_set(assignments);
        Ok(())
    }

    /// Adds items to shared lists.
    async fn push(&mut self, items: &[Push]) -> Result<(), StepError> {
        tokio::task::consume_budget().await;
        for one in items {
            let item = self.values.item(&one.item).await;
            let item = item.map_err(|error| self.failed(error))?;
            self.values.push(one.list, item);
        }
        Ok(())
    }

    fn tell_set(&self, assignments: &[Assignment]) {
        let values = &self.values;
        self.state.tell(|| TrialEvent::Set {
            values: values.assigned(assignments),
            secrets: values.secrets_with(&[]),
        });
    }

    async fn measure_step(&mut self, measures: &[Measure]) -> Result<(), StepError> {
        let variables = measures.iter().flat_map(|one| one.value.variables());
        let data = self.values.data_of(variables);
        let taken = self.values.take_rows(&data).await;
        let intended_us = self.state.ns(Instant::now()) / 1_000;
        let ended = match taken {
            Ok(()) => self
                .measure(measures, intended_us)
                .map_err(RenderError::from),
            Err(error) => Err(error),
        };
        for (name, text) in self.measured.take() {
            self.state.tell(|| TrialEvent::Measured(name, text));
        }
        ended.map_err(|error| self.failed(error))
    }

    /// Whether no further step follows after this result.
    fn is_over(&self, result: &Result<(), StepError>, goes_on: bool) -> bool {
        self.is_done || self.is_leaving || (result.is_err() && !goes_on)
    }

    /// The error of a step whose condition or value cannot be evaluated.
    pub(super) fn failed(&mut self, error: RenderError) -> StepError {
        self.end_for(error.end);
        StepError::of_condition(error.outcome, self.values.excerpt(&error.text))
    }

    fn choose(&mut self, branches: &[Branch]) -> usize {
        let total: u64 = branches.iter().map(|branch| u64::from(branch.weight)).sum();
        let mut left = self.values.rng.random_range(0..total.max(1));
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
        judges: (&Endpoint, &Endpoint),
        (every, timeout): (Duration, Duration),
        due: &mut Option<Instant>,
    ) -> Result<(), StepError> {
        let last = Instant::now() + timeout;
        while !self.request_until(endpoint, judges, due.take()).await? {
            let next = Instant::now() + every;
            if next > last {
                return Err(StepError::of_poll(endpoint, timeout));
            }
            sleep_until(next).await;
        }
        Ok(())
    }
}
