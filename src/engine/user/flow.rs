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

use super::exchange::{Answer, settle};
use super::{Shared, User};
use crate::check;
use crate::metrics::{Outcome, Sample};
use crate::plan::{Branch, Condition, Endpoint, Step};
use crate::protocol::Client;
use crate::units::{as_us, format_duration};

/// Why steps ended early, or a flow has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    outcome: Outcome,
    why: Why,
}

/// What failed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    /// The request of the endpoint at this position.
    Request(usize),
    /// The same, which could not be made.
    Unsent(usize),
    /// A poll of this endpoint, which went on for so long.
    Poll(usize, Duration),
    /// A condition could not be decided.
    Condition(String),
}

impl Failed {
    /// The request of this endpoint ended in this class.
    pub(crate) fn of_request(endpoint: usize, outcome: Outcome) -> Self {
        Self {
            outcome,
            why: Why::Request(endpoint),
        }
    }

    /// The request of this endpoint could not be made, which counts as this class.
    pub(crate) fn unsent(endpoint: usize, outcome: Outcome) -> Self {
        Self {
            outcome,
            why: Why::Unsent(endpoint),
        }
    }

    /// Whether nothing was sent.
    pub(crate) fn is_unsent(&self) -> bool {
        matches!(self.why, Why::Unsent(_) | Why::Condition(_))
    }

    fn text(&self, shared: &Shared) -> String {
        let name = |endpoint: usize| shared.plan.subject(endpoint);
        match &self.why {
            Why::Request(endpoint) | Why::Unsent(endpoint) => {
                let class = self.outcome.name();
                format!("its step `{}` ended as {class}", name(*endpoint))
            }
            Why::Poll(endpoint, timeout) => {
                let timeout = format_duration(*timeout);
                let name = name(*endpoint);
                format!("its poll of `{name}` was not as awaited within {timeout}")
            }
            Why::Condition(text) => text.clone(),
        }
    }
}

/// How long a user has spent thinking, and waiting for tokens, since it started: what a flow's
/// response time is without.
#[derive(Debug, Default)]
pub(crate) struct ThoughtClock {
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

    /// Counts a wait that is over.
    pub(crate) fn add(&self, wait: Duration) {
        self.before.set(self.before.get() + wait);
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

    fn end(mut self, result: &Result<(), Failed>) {
        self.ended = true;
        match result {
            Ok(()) => self.record(Outcome::Ok, None),
            Err(failed) => self.record(failed.outcome, Some(failed.text(&self.shared))),
        }
    }

    fn record(&self, outcome: Outcome, text: Option<String>) {
        let now = Instant::now();
        let thought = self.clock.read(now) - self.thought;
        let since = |start| now.saturating_duration_since(start);
        let intended_us = as_us(self.intended.saturating_duration_since(self.shared.epoch));
        let sample = Sample {
            response_us: as_us(since(self.intended).saturating_sub(thought)),
            service_us: as_us(since(self.started)),
            ..Sample::new(self.subject, outcome, intended_us)
        };
        self.shared.recorder.record(sample, text);
    }
}

impl Drop for FlowInFlight {
    fn drop(&mut self) {
        if !self.ended {
            let text = "still on its way when the run ended".to_owned();
            self.record(Outcome::Interrupted, Some(text));
        }
    }
}

impl<C: Client> User<C> {
    /// Carries out steps in order. Only the first request is scheduled for `due`; the others start
    /// when the one before has ended. Returns the first failure, with which they end unless they
    /// are to go on.
    pub(crate) fn steps<'a>(
        &'a mut self,
        steps: &'a [Step],
        due: &'a mut Option<Instant>,
        goes_on: bool,
    ) -> Pin<Box<dyn Future<Output = Result<(), Failed>> + 'a>> {
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
                in_flight.end(&result);
                result
            }
            Step::Think(think) => {
                let wait = self.wait(*think);
                self.clock.start();
                sleep(wait).await;
                self.clock.stop();
                Ok(())
            }
            Step::Repeat {
                times,
                condition,
                steps,
            } => {
                let mut result = Ok(());
                for _ in 0..*times {
                    if !self.goes_round(condition.as_ref())? {
                        break;
                    }
                    let ended = self.steps(steps, due, goes_on).await;
                    result = result.and(ended);
                    if self.is_over(&result, goes_on) {
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
                    self.values.set(*variable, value.clone());
                    if !self.goes_round(condition.as_ref())? {
                        break;
                    }
                    let ended = self.steps(steps, due, goes_on).await;
                    result = result.and(ended);
                    if self.is_over(&result, goes_on) {
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
                let steps = if self.holds(condition)? {
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

    /// Whether no further step is done after this.
    fn is_over(&self, result: &Result<(), Failed>, goes_on: bool) -> bool {
        self.is_done() || (result.is_err() && !goes_on)
    }

    /// Whether steps are repeated once more.
    fn goes_round(&mut self, condition: Option<&Condition>) -> Result<bool, Failed> {
        condition.map_or(Ok(true), |condition| self.holds(condition))
    }

    fn holds(&mut self, condition: &Condition) -> Result<bool, Failed> {
        let shared = self.shared.clone();
        let held = self
            .values
            .holds(condition, &shared.feeding, self.iteration, &mut self.rng);
        held.map_err(|unfit| {
            self.end_for(unfit.end);
            let secrets = self.values.secrets(&shared.feeding);
            let secrets = secrets.as_ref().unwrap_or(&shared.plan.secrets);
            Failed {
                outcome: unfit.outcome,
                why: Why::Condition(check::excerpt(&secrets.hide(&unfit.text))),
            }
        })
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
        judges: (&Endpoint, &Endpoint),
        (every, timeout): (Duration, Duration),
        due: &mut Option<Instant>,
    ) -> Result<(), Failed> {
        let last = Instant::now() + timeout;
        while !self.request_until(endpoint, judges, due.take()).await? {
            let next = Instant::now() + every;
            if next > last {
                return Err(Failed {
                    outcome: Outcome::CheckFailed,
                    why: Why::Poll(endpoint, timeout),
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
                prepared.push(self.prepare(index, &shared.plan.endpoints[index], due));
            }
        }
        let (mut requests, mut result) = (Vec::new(), Ok(()));
        for request in prepared {
            match request {
                Ok(request) => requests.push(request),
                Err(failed) => result = result.and(Err(failed)),
            }
        }
        self.widen(requests.len());
        let lanes = self.lanes.iter_mut();
        let sent = lanes.zip(requests).map(|(lane, request)| {
            let (shared, endpoint) = (&shared, request.endpoint);
            async move {
                let mut answer = Answer::to(shared, &request, due);
                answer.fetch(lane, &request).await;
                (answer, endpoint)
            }
        });
        // What is taken out of the answers, and the first failure, are in the order of the file.
        let answers = join_all(sent).await;
        // They waited for the same token, at the same time.
        let waits = answers.iter().map(|(answer, _)| answer.in_flight.waited());
        self.clock.add(waits.min().unwrap_or_default());
        for (mut answer, endpoint) in answers {
            let judgement = self.judge(endpoint, &answer);
            result = result.and(settle(&mut answer, judgement));
        }
        result
    }
}
