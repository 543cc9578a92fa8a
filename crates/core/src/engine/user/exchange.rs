//! One exchange with the service: a request in flight, its response, and what is recorded of it.
//!
//! Not here: what is sent and what the response means to its user (`user`), nor when (`flow`).

use std::num::NonZeroU16;
use std::time::Duration;

use tokio::time::Instant;

use super::step_error::StepError;
use super::worker_state::WorkerState;
use crate::check::{self, CheckResult, ExchangeLimits, exchange_text};
use crate::engine::panics;
use crate::metrics::{
    ComponentSample, ConnectionSample, ExchangeText, FailureTexts, OriginSample, Outcome,
    Responder, Sample,
};
use crate::plan::{Secrets, TraceId};
use crate::protocol::{Request, Response, Session};
use crate::units::as_us;

/// The component that token requests count as, apart from the requests that needed them.
const TOKEN: &str = "oauth2_token";

/// A request in flight, and then its response, which the user judges and settles.
///
/// Filled in where it lies: it is large, and would be moved several times for each request.
pub(super) struct Exchange<'a> {
    pub(super) in_flight: RequestInFlight<'a>,
    pub(super) response: Response,
}

impl<'a> Exchange<'a> {
    /// Of a request that starts now, and was due at `intended`, or now.
    pub(super) fn start(
        state: &'a WorkerState,
        request: &Request<'_>,
        intended: Option<Instant>,
    ) -> Self {
        let mut in_flight = RequestInFlight::start(state, request.index, intended, Instant::now());
        if let Some(subject) = request.rendered.as_ref().and_then(|one| one.subject) {
            in_flight.subject = subject;
        }
        let trace = request.trace.as_deref().filter(|trace| trace.is_sampled);
        in_flight.trace_id = trace.map(|trace| trace.id);
        Self {
            in_flight,
            response: Response::default(),
        }
    }

    /// Sends the request, and waits for the response.
    pub(super) async fn fetch<S: Session>(&mut self, session: &mut S, request: &Request<'_>) {
        if request.endpoint.needs_token() {
            self.in_flight.pause();
            let fetched = session.prepare(request).await;
            self.in_flight.resume();
            if let Some(duration) = fetched {
                let recorder = &self.in_flight.state.recorder;
                recorder.record_component(ComponentSample {
                    endpoint: self.in_flight.subject,
                    intended_us: self.in_flight.intended_us(),
                    name: recorder.component_name(TOKEN),
                    duration_us: Some(as_us(duration)),
                    hit: None,
                    count: None,
                    bytes_in: 0,
                });
            }
        }
        session.execute(request, &mut self.response).await;
        self.in_flight.land();
    }

    /// How long it took, from when it was due.
    pub(super) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.in_flight.since(self.in_flight.intended_ns))
    }

    /// Keeps what was sent over `session` for a request that failed as `result` says, and what was
    /// received, if it is among the first failures of its kind. Called before it is settled.
    #[cold]
    pub(super) fn keep_failure<S: Session>(
        &self,
        session: &S,
        request: &Request<'_>,
        result: &CheckResult,
        text: &str,
        secrets: impl FnOnce() -> Secrets,
    ) {
        let (in_flight, response) = (&self.in_flight, &self.response);
        let sample = in_flight.judged_sample(response, result);
        let exchange = || {
            let hop = match response.hops.last() {
                Some(traced) => traced.clone(),
                None => session.hop(request, response)?,
            };
            Some(ExchangeText {
                redirects: response.redirects.into(),
                ..exchange_text(&hop, &secrets(), ExchangeLimits::SAMPLE)
            })
        };
        let recorder = &in_flight.state.recorder;
        let sent = (in_flight.started_ns / 1_000, in_flight.trace_id);
        recorder.record_failure(&sample, sent, text, exchange);
    }

    /// Records the response with its result.
    pub(super) fn settle(&mut self, result: CheckResult) -> Result<(), StepError> {
        let Self {
            in_flight,
            response,
        } = self;
        let state = in_flight.state;
        let is_failed = result.outcome.is_failure();
        for component in check::components(&response.headers) {
            if let Some(name) = component.instance {
                let origin = in_flight.origin(Responder::Instance(name.to_owned()), is_failed);
                state.recorder.record_origin(origin);
                if component.duration_us.is_none() {
                    continue;
                }
            }
            state.recorder.record_component(ComponentSample {
                endpoint: in_flight.subject,
                intended_us: in_flight.intended_us(),
                name: state.recorder.component_name(component.name),
                duration_us: component.duration_us,
                hit: component.hit,
                // A failure may be cut short.
                count: component.count.filter(|_| !is_failed),
                bytes_in: response.bytes_in,
            });
        }
        if let Some(address) = response.remote.filter(|_| is_failed) {
            let origin = in_flight.origin(Responder::Address(address), is_failed);
            state.recorder.record_origin(origin);
        }
        if response.connections > 0 {
            state.recorder.record_connection(ConnectionSample {
                endpoint: in_flight.subject,
                intended_us: in_flight.intended_us(),
                dns_us: response.phases.dns.map(as_us),
                connect_us: response.phases.connect.map(as_us),
                tls_us: response.phases.tls.map(as_us),
                tls_handshakes: response.tls_handshakes,
                tls_resumed: response.tls_resumed,
                remote: response.remote,
                version: response.version,
            });
        }
        let index = usize::from(in_flight.endpoint);
        let sample = Sample {
            redirects: response.redirects,
            connections: response.connections,
            reused: response.reused,
            ttfb_us: response.phases.ttfb.map(as_us),
            download_us: response.phases.download.map(as_us),
            bytes_in: response.bytes_in,
            bytes_out: response.bytes_out,
            ..in_flight.judged_sample(response, &result)
        };
        in_flight.record(sample, result.texts);
        match result.outcome {
            Outcome::Ok => Ok(()),
            outcome => Err(StepError::of_request(index, outcome)),
        }
    }
}

/// A request in flight. If the run ends before it is recorded, it is recorded as interrupted with its
/// age when its value goes away, or as internal when its user panics: no request is lost, whatever
/// happens to its user.
///
/// Its times count from the epoch, in plain nanoseconds: they are subtracted several times for each
/// request, which is expensive with the type of the clock.
pub(super) struct RequestInFlight<'a> {
    pub(super) state: &'a WorkerState,
    pub(super) endpoint: u16,
    /// The position that its samples have.
    pub(super) subject: u16,
    /// The id of its trace, if that is sampled.
    trace_id: Option<TraceId>,
    is_recorded: bool,
    intended_ns: u64,
    started_ns: u64,
    /// How long it waited for its token, which is not part of its times.
    waited_ns: u64,
    /// Since when it waits for its token, if it does. It is not in flight during that time.
    paused_ns: Option<u64>,
    landed_ns: Option<u64>,
}

impl<'a> RequestInFlight<'a> {
    /// It starts now, and was due at `intended`, or now.
    pub(super) fn start(
        state: &'a WorkerState,
        endpoint: usize,
        intended: Option<Instant>,
        now: Instant,
    ) -> Self {
        let started_ns = state.ns(now);
        state.recorder.started();
        state.meter.started(started_ns);
        Self {
            state,
            // The compiler of scenarios allows no more endpoints than fit.
            endpoint: endpoint as u16,
            subject: endpoint as u16,
            trace_id: None,
            is_recorded: false,
            intended_ns: intended.map_or(started_ns, |intended| state.ns(intended)),
            started_ns,
            waited_ns: 0,
            paused_ns: None,
            landed_ns: None,
        }
    }

    /// It ends now. Parallel requests end one by one, and are judged together.
    pub(super) fn land(&mut self) {
        let now_ns = self.now_ns();
        self.landed_ns = Some(now_ns);
        self.state.meter.ended(now_ns);
    }

    fn now_ns(&self) -> u64 {
        self.state.ns(Instant::now())
    }

    fn pause(&mut self) {
        let now_ns = self.now_ns();
        self.state.meter.ended(now_ns);
        self.paused_ns = Some(now_ns);
    }

    fn resume(&mut self) {
        if let Some(since_ns) = self.paused_ns.take() {
            let now_ns = self.now_ns();
            self.waited_ns += now_ns.saturating_sub(since_ns);
            self.state.meter.started(now_ns);
        }
    }

    /// When it was sent, from the epoch.
    pub(super) fn started(&self) -> Duration {
        Duration::from_nanos(self.started_ns)
    }

    /// How long it waited for its token.
    pub(super) fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited_ns)
    }

    /// The time from `start_ns` to its end, or to now; ns.
    fn since(&self, start_ns: u64) -> u64 {
        let ended_ns = self.landed_ns.unwrap_or_else(|| self.now_ns());
        let elapsed_ns = ended_ns.saturating_sub(start_ns);
        elapsed_ns.saturating_sub(self.waited_ns)
    }

    pub(super) fn intended_us(&self) -> u64 {
        self.intended_ns / 1_000
    }

    /// Where its response came from.
    fn origin(&self, origin: Responder, is_failed: bool) -> OriginSample {
        OriginSample {
            endpoint: self.subject,
            intended_us: self.intended_us(),
            origin,
            is_failed,
            response_us: self.since(self.intended_ns) / 1_000,
        }
    }

    /// What to record of it, as far as it is known here.
    pub(super) fn sample(&self, outcome: Outcome) -> Sample {
        Sample {
            response_us: self.since(self.intended_ns) / 1_000,
            service_us: self.since(self.started_ns) / 1_000,
            ..Sample::new(self.subject, outcome, self.intended_us())
        }
    }

    /// The same with what decides in which way it failed.
    fn judged_sample(&self, response: &Response, result: &CheckResult) -> Sample {
        Sample {
            check: result.check,
            status: response.status.and_then(NonZeroU16::new),
            ..self.sample(result.outcome)
        }
    }

    /// Records it, once.
    pub(super) fn record(&mut self, sample: Sample, texts: Option<FailureTexts>) {
        self.is_recorded = true;
        if let Some(trace_id) = self.trace_id {
            let is_measured = || self.state.is_measured(sample.intended_us);
            let started_us = self.started_ns / 1_000;
            (self.state.recorder).record_trace(&sample, started_us, trace_id, is_measured);
        }
        self.state.recorder.record(sample, texts);
    }
}

impl Drop for RequestInFlight<'_> {
    fn drop(&mut self) {
        if !self.is_recorded {
            if self.landed_ns.is_none() {
                self.resume();
                self.land();
            }
            let (outcome, text) = match std::thread::panicking() {
                true => (Outcome::Internal, panics::current_text()),
                false => (
                    Outcome::Interrupted,
                    "still in flight when the run ended".to_owned(),
                ),
            };
            let sample = self.sample(outcome);
            self.record(sample, Some(text.into()));
        }
    }
}
