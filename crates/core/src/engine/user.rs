//! One virtual user: its session, its variables, its random numbers, and how it sends a request.
//!
//! Not here: the order of its requests (`flow`), its iterations (`iteration`).

mod alias_table;
mod exchange;
mod flow;
mod iteration;
pub(super) mod lifecycle;
mod rows;
pub(super) mod running_user;
mod step_error;
mod think_clock;
pub(super) mod trial;
pub(super) mod values;
pub(super) mod worker_state;

use std::any::Any;
use std::cell::RefCell;
use std::num::NonZeroU16;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt;
use tokio::time::{Instant, sleep_until};

use crate::check::CheckResult;
use crate::engine::panics;
use crate::metrics::{FailureCause, MeasureSample, Outcome, Sample};
use crate::plan::{Endpoint, Measure, OnEnd, ThinkTime, Trace, TraceContext};
use crate::protocol::{Client, Rendered, Request, Session};
use crate::script::{self, ScriptUser};
use crate::units::as_us;
use exchange::{Exchange, RequestInFlight};
use step_error::StepError;
use think_clock::ThinkClock;
use trial::event::TrialEvent;
use values::rendering::{
    RenderedDefaults, fill, fill_auth, fill_body, fill_headers, fill_pieces, fill_value,
};
use values::{RenderError, Values};
use worker_state::{EarlyEnd, USER_STREAMS, WorkerState};

/// One virtual user.
pub(super) struct User<C: Client> {
    state: Rc<WorkerState>,
    client: Rc<C>,
    session: C::Session,
    /// Further connections, for requests at the same time.
    lanes: Vec<C::Session>,
    /// The position of its class.
    class: usize,
    values: Values,
    /// How many requests it has sent or tried to send; in the open model, for the arrival it runs.
    requests: u64,
    /// The stream that its random numbers are from.
    stream: u64,
    /// Its data has no more rows, or a step ends it.
    is_done: bool,
    /// A step ends the flow around it.
    is_leaving: bool,
    /// How it waits after its last task.
    think_time: ThinkTime,
    clock: Rc<ThinkClock>,
    /// The position in samples of its last request.
    subject: u16,
    /// What it measured since it was last told, where there is an observer.
    measured: RefCell<Vec<(String, String)>>,
    /// What the script knows of it, once a function of the script has run.
    script: Option<Rc<ScriptUser>>,
}

impl<C: Client> User<C> {
    /// The user with this number, from 0.
    pub(super) fn new(state: Rc<WorkerState>, client: Rc<C>, number: u64, class: usize) -> Self {
        let session = client.session();
        let mut values = Values::new(state.feeding.clone(), number, state.user_rng(number));
        let of_class = &state.plan.classes[class];
        if !state.plan.cookies.is_empty() {
            values.read_cookies(session.cookies(of_class.host.as_deref()));
        }
        if state.observer.is_some() {
            script::listen(true);
        }
        Self {
            class,
            values,
            think_time: of_class.think_time,
            state,
            session,
            client,
            lanes: Vec::new(),
            requests: 0,
            stream: USER_STREAMS | number,
            is_done: false,
            is_leaving: false,
            clock: Rc::default(),
            subject: 0,
            measured: RefCell::default(),
            script: None,
        }
    }

    /// Whether it must end because its data has no more rows or a step says so.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Sends the request of the endpoint at `index`.
    async fn request(&mut self, index: usize, intended: Option<Instant>) -> Result<(), StepError> {
        let state = self.state.clone();
        let endpoint = &state.plan.endpoints[index];
        if state.throttle.is_some() {
            self.turns(index, 1).await?;
        }
        self.take_rows(index, intended).await?;
        let request = self.prepare(index, endpoint, intended)?;
        let mut exchange = Exchange::start(&state, &request, intended);
        exchange.fetch(&mut self.session, &request).await;
        self.clock.add(exchange.in_flight.waited());
        let result = self.judge(endpoint, &request, &exchange);
        self.keep_failure(&self.session, &request, &exchange, &result);
        self.observe(endpoint, &mut exchange, &result, false);
        exchange.settle(result)
    }

    /// Sends the request of the endpoint at `index` and judges the response by `until`, which is this
    /// endpoint with further checks. Where these do not hold, `pending` counts, which is the endpoint
    /// without extractions. Returns whether the further checks held.
    async fn request_until(
        &mut self,
        index: usize,
        (until, pending): (&Endpoint, &Endpoint),
        intended: Option<Instant>,
    ) -> Result<bool, StepError> {
        let state = self.state.clone();
        if state.throttle.is_some() {
            self.turns(index, 1).await?;
        }
        self.take_rows_of_poll(index, until, intended).await?;
        let request = self.prepare(index, until, intended)?;
        let mut exchange = Exchange::start(&state, &request, intended);
        exchange.fetch(&mut self.session, &request).await;
        self.clock.add(exchange.in_flight.waited());
        let mut result = self.judge(until, &request, &exchange);
        let held = result.outcome == Outcome::Ok;
        if held {
            self.observe(until, &mut exchange, &result, false);
        } else {
            let unmet = result;
            result = self.judge(pending, &request, &exchange);
            // What the response lacks, unless it has failed for good.
            let (endpoint, shown) = match result.outcome {
                Outcome::Ok => (until, &unmet),
                _ => (pending, &result),
            };
            self.observe(
                endpoint,
                &mut exchange,
                shown,
                result.outcome == Outcome::Ok,
            );
        }
        self.keep_failure(&self.session, &request, &exchange, &result);
        exchange.settle(result)?;
        Ok(held)
    }

    /// Waits for the turns of requests of this endpoint that are sent at once. The wait is no part of
    /// any time that is measured.
    #[cold]
    fn turns(
        &mut self,
        index: usize,
        count: usize,
    ) -> Pin<Box<dyn Future<Output = Result<(), StepError>> + '_>> {
        // On the heap, so that users without a throttle have no room for it.
        Box::pin(async move {
            let state = self.state.clone();
            let Some((throttle, halt)) = &state.throttle else {
                return Ok(());
            };
            let now = Instant::now();
            let now_ns = state.ns(now);
            let wait = Duration::from_nanos(throttle.take(now_ns, count) - now_ns);
            if wait.is_zero() {
                return Ok(());
            }
            // What is sent after the load, such as a log-out, still waits for its turn.
            let is_over = halt.is_halted();
            self.clock.start();
            let has_turn = tokio::select! {
                biased;
                () = halt.halted(), if !is_over => false,
                () = sleep_until(now + wait) => true,
            };
            self.clock.stop();
            state.recorder.throttled(as_us(now.elapsed()));
            match has_turn {
                true => Ok(()),
                false => Err(StepError::unsent(index, Outcome::Interrupted)),
            }
        })
    }

    /// The request of `endpoint`, which is at `index` and whose rows were taken. One that cannot be rendered is recorded.
    fn prepare<'a>(
        &mut self,
        index: usize,
        endpoint: &'a Endpoint,
        intended: Option<Instant>,
    ) -> Result<Request<'a>, StepError> {
        self.requests += 1;
        let mut rendered = None;
        if self.state.is_rendered(index) {
            // A request that is not in flight yet would be lost without a trace if this panicked.
            let render = catch_unwind(AssertUnwindSafe(|| self.render(index)));
            match render.unwrap_or_else(|payload| Err(self.panicked(payload.as_ref()))) {
                Ok(filled) => rendered = Some(filled),
                Err(error) => return Err(self.leave_out(index, intended, error)),
            }
        }
        Ok(Request {
            index,
            endpoint,
            rendered,
            trace: self.trace(endpoint),
        })
    }

    /// The trace of the request that is sent next, unless the scenario does not ask for one or says itself
    /// which trace it belongs to.
    fn trace(&self, endpoint: &Endpoint) -> Option<Box<TraceContext>> {
        let state = &self.state;
        let trace = state.plan.trace.as_deref()?;
        if endpoint.sets_header(Trace::HEADER) {
            return None;
        }
        let is_sampled = trace.samples(state.plan.seed, self.stream, self.requests);
        Some(Box::new(state.trace_ids.context(is_sampled)))
    }

    /// perfctl itself panicked while it made a request.
    fn panicked(&self, payload: &(dyn Any + Send)) -> RenderError {
        let text = panics::text_of(payload);
        self.state.recorder.panicked(text.clone());
        RenderError {
            outcome: Outcome::Internal,
            text,
            end: None,
        }
    }

    /// Judges a response by `endpoint`, and keeps the values that are extracted from it.
    fn judge(
        &mut self,
        endpoint: &Endpoint,
        request: &Request<'_>,
        exchange: &Exchange<'_>,
    ) -> CheckResult {
        let in_flight = &exchange.in_flight;
        let recorder = &in_flight.state.recorder;
        let status = exchange.response.status.and_then(NonZeroU16::new);
        let wanted = |outcome, check| {
            let cause = FailureCause {
                outcome,
                status,
                check,
            };
            in_flight.state.observer.is_some() || recorder.wants(in_flight.subject, cause)
        };
        let response = (&exchange.response, exchange.elapsed());
        let result = (self.values).judge(endpoint, request, response, wanted);
        self.subject = in_flight.subject;
        match endpoint.measures.is_empty() || result.outcome != Outcome::Ok {
            true => result,
            false => self.measure_response(endpoint, exchange),
        }
    }

    /// Measures what is to be measured of a response; one that has no such number has failed.
    #[cold]
    fn measure_response(&mut self, endpoint: &Endpoint, exchange: &Exchange<'_>) -> CheckResult {
        let intended_us = exchange.in_flight.intended_us();
        match self.measure(&endpoint.measures, intended_us) {
            Ok(()) => CheckResult::success(Vec::new()),
            Err(text) => {
                let secrets = self.values.secrets_with(&exchange.response.credentials);
                CheckResult::explained(Outcome::CheckFailed, None, (&text, None), None, &secrets)
            }
        }
    }

    /// Keeps the values of measures, with the last request.
    fn measure(&mut self, measures: &[Measure], intended_us: u64) -> Result<(), String> {
        let values = self.values.measured(measures)?;
        for (measure, value) in measures.iter().zip(values) {
            self.state.recorder.record_measure(MeasureSample {
                endpoint: self.subject,
                intended_us,
                name: measure.name.clone(),
                unit: measure.unit,
                value,
            });
            if self.state.observer.is_some() {
                let text = measure.unit.format_with(value as f64, 0);
                let mut measured = self.measured.borrow_mut();
                measured.push((measure.name.to_string(), text));
            }
        }
        Ok(())
    }

    /// Keeps what was sent over `session` and received, if it failed as `result` says and is among the
    /// first of its kind.
    fn keep_failure(
        &self,
        session: &C::Session,
        request: &Request<'_>,
        exchange: &Exchange<'_>,
        result: &CheckResult,
    ) {
        if let Some(texts) = &result.texts {
            let secrets = || self.values.secrets_with(&exchange.response.credentials);
            exchange.keep_failure(session, request, result, &texts.text, secrets);
        }
    }

    /// Makes sure that there are this many lanes.
    fn widen(&mut self, lanes: usize) {
        while self.lanes.len() < lanes {
            self.lanes.push(self.client.companion(&self.session));
        }
    }

    fn render(&mut self, index: usize) -> Result<Rendered, RenderError> {
        let endpoint = &self.state.plan.endpoints[index];
        self.values.check()?;
        if !endpoint.variables.is_empty() {
            self.values.assign(&endpoint.variables)?;
        }
        if self.state.is_rendered_in_order(index) {
            return self.render_in_order(index);
        }
        let mut scope = self.values.scope();
        Ok(Rendered {
            url: fill(&endpoint.url, &mut scope)?,
            headers: fill_headers(endpoint, &mut scope)?,
            body: fill_body(&endpoint.body, &mut scope)?,
            pieces: fill_pieces(&endpoint.body, &mut scope)?,
            auth: fill_auth(endpoint, &mut scope)?,
            subject: match endpoint.is_row_templated() {
                true => self.subject(index)?,
                false => None,
            },
        })
    }

    /// The same for a link, which leads somewhere, and for headers and credentials that read the rest of the
    /// request, which is therefore filled in first.
    #[cold]
    fn render_in_order(&mut self, index: usize) -> Result<Rendered, RenderError> {
        let state = self.state.clone();
        let endpoint = &state.plan.endpoints[index];
        let mut scope = self.values.scope();
        let mut url = fill(&endpoint.url, &mut scope)?;
        let body = fill_body(&endpoint.body, &mut scope)?;
        let pieces = fill_pieces(&endpoint.body, &mut scope)?;
        if endpoint.is_link() {
            url = self.session.follow(index, &url)?;
        }
        let mut rendered = Rendered {
            url,
            headers: Vec::new(),
            body,
            pieces,
            auth: Vec::new(),
            subject: None,
        };
        let mut view = match endpoint.signs_request() {
            true => Some(self.session.view(index, endpoint, &rendered)?),
            false => None,
        };
        let mut scope = self.values.scope();
        // Those that sign come last, and see the others.
        rendered.headers = vec![None; endpoint.headers.len()];
        let headers = || endpoint.headers.iter().enumerate();
        for (position, header) in headers().filter(|(_, header)| !header.value.signs_request()) {
            let value = fill_value(&header.value, &mut scope)?;
            if let (Some(view), Some(filled)) = (&mut view, &value) {
                let text = header.value.as_constant().unwrap_or(filled);
                let name = header.name.to_ascii_lowercase();
                view.headers.insert(name, text.to_owned());
            }
            rendered.headers[position] = value;
        }
        scope.request = view.as_ref();
        for (position, header) in headers().filter(|(_, header)| header.value.signs_request()) {
            rendered.headers[position] = fill_value(&header.value, &mut scope)?;
        }
        rendered.auth = fill_auth(endpoint, &mut scope)?;
        if endpoint.is_row_templated() {
            rendered.subject = self.subject(index)?;
        }
        Ok(rendered)
    }

    /// The values of the headers of an endpoint, and of the templates of its credentials.
    fn render_defaults(&mut self, endpoint: &Endpoint) -> Result<RenderedDefaults, RenderError> {
        let mut scope = self.values.scope();
        let headers = fill_headers(endpoint, &mut scope)?;
        Ok((headers, fill_auth(endpoint, &mut scope)?))
    }

    /// The position of a request whose row has the name that a template makes now; `None` if it has no
    /// row of its own.
    fn subject(&mut self, index: usize) -> Result<Option<u16>, RenderError> {
        let state = self.state.clone();
        let mut name = String::new();
        if let Some(group) = &state.plan.endpoints[index].group {
            group.render(&mut self.values.scope(), &mut name)?;
        }
        if name.is_empty() {
            return Ok(None);
        }
        let shown = || self.values.excerpt(&name);
        Ok((state.row_names).position(index, &name, &state.recorder, shown))
    }

    /// Records a request that cannot be rendered. One without data was never started, and is not a
    /// failure; the scenario says whether the user or the run ends with it.
    fn leave_out(
        &mut self,
        index: usize,
        intended: Option<Instant>,
        error: RenderError,
    ) -> StepError {
        self.leave_out_as((index, index as u16), intended, error)
    }

    /// The same for a request whose samples have this position beside that of its endpoint.
    fn leave_out_as(
        &mut self,
        (index, subject): (usize, u16),
        intended: Option<Instant>,
        error: RenderError,
    ) -> StepError {
        let state = &self.state;
        let now = Instant::now();
        let text = self.values.excerpt(&error.text);
        self.tell_console();
        state.tell(|| TrialEvent::Unsent {
            endpoint: index,
            outcome: error.outcome,
            text: text.clone(),
        });
        if error.outcome.is_started() {
            let mut in_flight = RequestInFlight::start(state, index, intended, now);
            in_flight.subject = subject;
            in_flight.land();
            let sample = in_flight.sample(error.outcome);
            in_flight.record(sample, Some(text.into()));
        } else {
            let intended = intended.unwrap_or(now);
            let intended_us = as_us(intended.saturating_duration_since(state.epoch));
            state.recorder.dropped();
            let sample = Sample::new(subject, error.outcome, intended_us);
            state.recorder.record(sample, Some(text.into()));
        }
        self.end_for(error.end);
        StepError::unsent(index, error.outcome)
    }

    /// Ends the user or the run, if data without further rows calls for it.
    fn end_for(&mut self, end: Option<OnEnd>) {
        self.is_done |= end.is_some();
        if end == Some(OnEnd::StopRun) {
            self.state.end_early(EarlyEnd::OutOfData);
        }
    }

    /// The length of a wait of this kind.
    fn wait(&mut self, think: ThinkTime) -> Duration {
        match think {
            // Computed before (`computed_wait`).
            ThinkTime::None | ThinkTime::Computed(_) => Duration::ZERO,
            ThinkTime::Constant(wait) | ThinkTime::Pacing(wait) => wait,
            ThinkTime::Between(low, high) => {
                let range = low.as_secs_f64()..=high.as_secs_f64();
                Duration::from_secs_f64(self.values.rng.random_range(range))
            }
            ThinkTime::Poisson(mean) => {
                let share: f64 = self.values.rng.random_range(0.0..1.0);
                mean.mul_f64(-(1.0 - share).ln())
            }
            ThinkTime::Gaussian(mean, deviation) => {
                // By Box and Muller.
                let radius: f64 = self.values.rng.random_range(0.0..1.0);
                let angle: f64 = self.values.rng.random_range(0.0..std::f64::consts::TAU);
                let normal = (-2.0 * (1.0 - radius).ln()).sqrt() * angle.cos();
                let wait = mean.as_secs_f64() + deviation.as_secs_f64() * normal;
                Duration::try_from_secs_f64(wait).unwrap_or_default()
            }
        }
    }
}
