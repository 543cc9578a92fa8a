//! How a user carries out steps, and how flows are timed.
//!
//! Here: order, repetition, random choice, waits and concurrency of steps. Not here: a single request
//! (`user`), or which task an iteration runs (`iteration`).

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use rand::RngExt;
use tokio::time::{Instant, sleep, sleep_until};

use super::User;
use super::exchange::Exchange;
use super::step_error::StepError;
use super::think_clock::ThinkClock;
use super::trial::event::TrialEvent;
use super::trial::told;
use super::values::RenderError;
use super::worker_state::WorkerState;
use crate::metrics::{FailureTexts, Outcome, Sample};
use crate::plan::{Branch, Condition, Endpoint, Measure, Step};
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
                self.state.tell(|| TrialEvent::FlowEnded {
                    flow: *flow,
                    failure: (result.as_ref().err()).map(|error| told(error, &self.state.plan)),
                });
                in_flight.end(&result);
                result
            }
            Step::Think(think) => {
                let wait = self.wait(*think);
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
            Step::Repeat {
                times,
                variable,
                condition,
                steps,
            } => {
                let mut result = Ok(());
                for number in 1..=*times {
                    if let Some(variable) = variable {
                        self.values.set(*variable, number.into());
                    }
                    let again = (condition.as_ref(), steps.as_slice());
                    if !self.repetition(again, due, goes_on, &mut result).await? {
                        break;
                    }
                }
                result
            }
            Step::Each {
                variable,
                values,
                condition,
                steps,
            } => {
                let mut result = Ok(());
                for value in values {
                    let value = self.values.item(value).await;
                    let value = value.map_err(|error| self.failed(error))?;
                    self.values.set(*variable, value);
                    let again = (condition.as_ref(), steps.as_slice());
                    if !self.repetition(again, due, goes_on, &mut result).await? {
                        break;
                    }
                }
                result
            }
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
        }
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
        self.is_done() || (result.is_err() && !goes_on)
    }

    /// Runs `steps` once more, if `condition` holds. Returns whether there may be another repetition.
    async fn repetition(
        &mut self,
        (condition, steps): (Option<&Condition>, &[Step]),
        due: &mut Option<Instant>,
        goes_on: bool,
        result: &mut Result<(), StepError>,
    ) -> Result<bool, StepError> {
        if !self.repeats(condition).await? {
            return Ok(false);
        }
        let ended = self.steps(steps, due, goes_on).await;
        if result.is_ok() {
            *result = ended;
        }
        Ok(!self.is_over(result, goes_on))
    }

    /// Whether the steps run once more.
    async fn repeats(&mut self, condition: Option<&Condition>) -> Result<bool, StepError> {
        match condition {
            Some(condition) => self.holds(condition).await,
            None => Ok(true),
        }
    }

    /// The error of a step whose condition or value cannot be evaluated.
    fn failed(&mut self, error: RenderError) -> StepError {
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

    /// Takes all rows and renders all requests before it sends the first one, so that random values do
    /// not depend on which response comes first. If a row is missing, nothing is sent.
    async fn parallel(
        &mut self,
        times: u32,
        requests: &[usize],
        due: &mut Option<Instant>,
    ) -> Result<(), StepError> {
        let state = self.state.clone();
        let due = due.take();
        for &index in requests {
            self.take_rows(index, due).await?;
        }
        let mut prepared = Vec::new();
        for _ in 0..times {
            for &index in requests {
                prepared.push(self.prepare(index, &state.plan.endpoints[index], due));
            }
        }
        let (mut requests, mut result) = (Vec::new(), Ok(()));
        for request in prepared {
            match request {
                Ok(request) => requests.push(request),
                Err(error) => result = result.and(Err(error)),
            }
        }
        self.widen(requests.len());
        let lanes = self.lanes.iter_mut();
        let sent = lanes.zip(requests).map(|(lane, request)| {
            let state = &state;
            async move {
                let mut exchange = Exchange::start(state, &request, due);
                exchange.fetch(lane, &request).await;
                (exchange, request)
            }
        });
        // The extracted values, and the first error, are in the order of the file.
        let exchanges = join_all(sent).await;
        // They waited for the same token, at the same time.
        let waits = exchanges
            .iter()
            .map(|(exchange, _)| exchange.in_flight.waited());
        self.clock.add(waits.min().unwrap_or_default());
        for (lane, (mut exchange, request)) in exchanges.into_iter().enumerate() {
            let judged = self.judge(request.endpoint, &exchange);
            self.keep_failure(&self.lanes[lane], &request, &exchange, &judged);
            self.observe(request.endpoint, &mut exchange, &judged, false);
            result = result.and(exchange.settle(judged));
        }
        result
    }
}
