//! One exchange with the target: a request on its way, its answer, and what is noted of it.
//!
//! Not here: what is sent and what the answer means to its user (`user`), nor when (`flow`).

use std::time::Duration;

use tokio::time::Instant;

use super::Shared;
use super::flow::Failed;
use crate::check::{self, CheckResult};
use crate::metrics::{ComponentSample, ConnectionSample, FailureSample, Outcome, Sample};
use crate::protocol::{Request, Response, Session};
use crate::units::as_us;

/// The component that token requests are counted as, apart from the requests that needed them.
const TOKEN: &str = "oauth2_token";

/// A request on its way, and then its answer, which is to be judged and settled by its user.
///
/// Filled in where it lies: it is large, and would be moved several times for each request.
pub(crate) struct Answer<'a> {
    pub(crate) in_flight: InFlight<'a>,
    pub(crate) response: Response,
}

impl<'a> Answer<'a> {
    /// To a request that starts now, and was to start at `intended`, or now.
    pub(crate) fn to(shared: &'a Shared, request: &Request<'_>, intended: Option<Instant>) -> Self {
        Self {
            in_flight: InFlight::start(shared, request.index, intended, Instant::now()),
            response: Response::default(),
        }
    }

    /// Sends the request, and waits for the answer.
    pub(crate) async fn fetch<S: Session>(&mut self, session: &mut S, request: &Request<'_>) {
        if request.endpoint.needs_token() {
            self.in_flight.pause();
            let fetched = session.prepare(request).await;
            self.in_flight.resume();
            if let Some(took) = fetched {
                let recorder = &self.in_flight.shared.recorder;
                recorder.record_component(ComponentSample {
                    endpoint: self.in_flight.endpoint,
                    intended_us: self.in_flight.intended_us(),
                    name: TOKEN.to_owned(),
                    duration_us: Some(as_us(took)),
                    hit: None,
                });
            }
        }
        session.execute(request, &mut self.response).await;
        self.in_flight.land();
    }

    /// How long it took, from when it was to start.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.in_flight.since(self.in_flight.intended_ns))
    }
}

/// Records an answer.
pub(crate) fn settle(answer: &mut Answer<'_>, judgement: CheckResult) -> Result<(), Failed> {
    let Answer {
        in_flight,
        response,
    } = answer;
    let shared = in_flight.shared;
    if let Some(key) = judgement.key {
        shared.recorder.record_failure(FailureSample {
            endpoint: in_flight.endpoint,
            intended_us: in_flight.intended_us(),
            outcome: judgement.outcome,
            key,
        });
    }
    for component in check::components(&response.headers) {
        shared.recorder.record_component(ComponentSample {
            endpoint: in_flight.endpoint,
            intended_us: in_flight.intended_us(),
            name: component.name,
            duration_us: component.duration_us,
            hit: component.hit,
        });
    }
    if response.connections > 0 {
        shared.recorder.record_connection(ConnectionSample {
            endpoint: in_flight.endpoint,
            intended_us: in_flight.intended_us(),
            dns_us: response.phases.dns.map(as_us),
            connect_us: response.phases.connect.map(as_us),
            tls_us: response.phases.tls.map(as_us),
            tls_handshakes: response.tls_handshakes,
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
        ..in_flight.sample(judgement.outcome)
    };
    in_flight.record(sample, judgement.text);
    match judgement.outcome {
        Outcome::Ok => Ok(()),
        class => Err(Failed::of_request(index, class)),
    }
}

/// A request on its way. Dropped before it is recorded, because the run is over, it is recorded as
/// interrupted with its age: no request is lost, whatever becomes of its user.
///
/// Its times count from the epoch, in plain nanoseconds: they are subtracted several times for each
/// request, which is dear for the clock's own type.
pub(crate) struct InFlight<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) endpoint: u16,
    is_recorded: bool,
    intended_ns: u64,
    started_ns: u64,
    /// What it waited for its token, which is no part of its times.
    waited_ns: u64,
    /// Since when it waits, if it does. Meanwhile it is not in flight.
    paused_ns: Option<u64>,
    landed_ns: Option<u64>,
}

impl<'a> InFlight<'a> {
    /// It starts now, and was to start at `intended`, or now.
    pub(crate) fn start(
        shared: &'a Shared,
        endpoint: usize,
        intended: Option<Instant>,
        now: Instant,
    ) -> Self {
        let started_ns = shared.ns(now);
        shared.recorder.started();
        shared.meter.started(started_ns);
        Self {
            shared,
            // The compiler of scenarios allows no more endpoints than fit.
            endpoint: endpoint as u16,
            is_recorded: false,
            intended_ns: intended.map_or(started_ns, |intended| shared.ns(intended)),
            started_ns,
            waited_ns: 0,
            paused_ns: None,
            landed_ns: None,
        }
    }

    /// It ends now. Requests at the same time end one by one, and are judged together.
    pub(crate) fn land(&mut self) {
        let now_ns = self.now_ns();
        self.landed_ns = Some(now_ns);
        self.shared.meter.ended(now_ns);
    }

    fn now_ns(&self) -> u64 {
        self.shared.ns(Instant::now())
    }

    fn pause(&mut self) {
        let now_ns = self.now_ns();
        self.shared.meter.ended(now_ns);
        self.paused_ns = Some(now_ns);
    }

    fn resume(&mut self) {
        if let Some(since_ns) = self.paused_ns.take() {
            let now_ns = self.now_ns();
            self.waited_ns += now_ns.saturating_sub(since_ns);
            self.shared.meter.started(now_ns);
        }
    }

    /// What it waited for its token.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited_ns)
    }

    /// The time from `start_ns` to its end, or to now; ns.
    fn since(&self, start_ns: u64) -> u64 {
        let ended_ns = self.landed_ns.unwrap_or_else(|| self.now_ns());
        let elapsed_ns = ended_ns.saturating_sub(start_ns);
        elapsed_ns.saturating_sub(self.waited_ns)
    }

    fn intended_us(&self) -> u64 {
        self.intended_ns / 1_000
    }

    /// What is to be noted of it, so far as it is known here.
    pub(crate) fn sample(&self, outcome: Outcome) -> Sample {
        Sample {
            response_us: self.since(self.intended_ns) / 1_000,
            service_us: self.since(self.started_ns) / 1_000,
            ..Sample::new(self.endpoint, outcome, self.intended_us())
        }
    }

    /// Notes it, once.
    pub(crate) fn record(&mut self, sample: Sample, text: Option<String>) {
        self.is_recorded = true;
        self.shared.recorder.record(sample, text);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if !self.is_recorded {
            if self.landed_ns.is_none() {
                self.resume();
                self.land();
            }
            let sample = self.sample(Outcome::Interrupted);
            let text = "still in flight when the run ended".to_owned();
            self.shared.recorder.record(sample, Some(text));
        }
    }
}
