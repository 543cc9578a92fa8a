//! One virtual user: its session, its variables, its random numbers, and how it carries out an
//! iteration.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::choice::Choice;
use super::health::Meter;
use super::values::{Feeding, Unfit, Values};
use crate::check;
use crate::metrics::{Class, ComponentSample, ConnectionSample, FailureSample, Recorder, Sample};
use crate::plan::{Body, Endpoint, OnEnd, Plan, Step, Template, ThinkTime, UserClass};
use crate::protocol::{Rendered, Request, Session};
use crate::units::as_us;

/// The stream of random numbers of arrival k is k; that of user u lies in the upper half.
const USER_STREAMS: u64 = 1 << 63;

/// What a user waits after a request that could not be made, unless a schedule tells it when to go
/// on: without think time it would do nothing but fail, a million times a second.
const PAUSE: Duration = Duration::from_millis(10);

/// What all virtual users of a worker read.
pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    pub(super) recorder: Rc<Recorder>,
    /// Measures the worker.
    pub(super) meter: Meter,
    /// The start of the load; all times count from here.
    pub(super) epoch: Instant,
    /// Per user class: which task next.
    choices: Vec<Choice>,
    /// Per endpoint: whether anything is filled in for each request.
    rendered: Vec<bool>,
    /// Who uses which data.
    feeding: Feeding,
    /// Set by a user who found that the run is to end for want of data.
    out_of_data: watch::Sender<bool>,
    /// The generator that all others are streams of.
    rng: ChaCha12Rng,
}

impl Shared {
    pub(super) fn new(plan: Arc<Plan>, recorder: Rc<Recorder>, epoch: Instant) -> Self {
        let weights = |class: &UserClass| class.tasks.iter().map(|t| t.weight).collect::<Vec<_>>();
        Self {
            choices: plan
                .classes
                .iter()
                .map(|c| Choice::new(&weights(c)))
                .collect(),
            rendered: plan.endpoints.iter().map(is_rendered).collect(),
            feeding: Feeding::new(plan.clone()),
            out_of_data: watch::Sender::new(false),
            rng: ChaCha12Rng::seed_from_u64(plan.seed),
            plan,
            recorder,
            meter: Meter::new(),
            epoch,
        }
    }

    /// Returns once a user found that the run is to end for want of data.
    pub(super) async fn out_of_data(&self) {
        // The sender is this one's own.
        let _ = self.out_of_data.subscribe().wait_for(|ended| *ended).await;
    }

    /// Whether a user found so.
    pub(super) fn is_out_of_data(&self) -> bool {
        *self.out_of_data.borrow()
    }

    fn rng(&self, stream: u64) -> ChaCha12Rng {
        let mut rng = self.rng.clone();
        rng.set_stream(stream);
        rng
    }

    /// Which task an arrival runs, and the generator it goes on with. Depends on the arrival
    /// alone, so that a seed gives the same requests whichever user takes it.
    pub(super) fn arrival(&self, k: u64) -> (usize, ChaCha12Rng) {
        let mut rng = self.rng(k);
        let task = self.choices[self.class_of(k)].pick(&mut rng);
        (task, rng)
    }

    /// The endpoint that a task of an arrival starts with.
    pub(super) fn first_endpoint(&self, k: u64, task: usize) -> usize {
        let class = &self.plan.classes[self.class_of(k)];
        let Step::Request(endpoint) = class.tasks[task].steps[0];
        endpoint
    }

    fn class_of(&self, number: u64) -> usize {
        (number % self.plan.classes.len() as u64) as usize
    }
}

fn is_rendered(endpoint: &Endpoint) -> bool {
    endpoint
        .templates()
        .any(|template| template.as_constant().is_none())
}

/// One virtual user.
pub(super) struct User<S> {
    shared: Rc<Shared>,
    session: S,
    class: usize,
    rng: ChaCha12Rng,
    values: Values,
    iteration: u64,
    /// It found no further row of its data, and is to end.
    is_done: bool,
}

impl<S: Session> User<S> {
    /// The user with this number, from 0.
    pub(super) fn new(shared: Rc<Shared>, session: S, number: u64) -> Self {
        let mut rng = shared.rng(USER_STREAMS | number);
        Self {
            class: shared.class_of(number),
            values: Values::new(&shared.feeding, number, &mut rng),
            rng,
            shared,
            session,
            iteration: 0,
            is_done: false,
        }
    }

    /// Whether it is to end, for want of data.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// One iteration of the closed model: a task by the user's own choice, started now.
    pub(super) async fn iterate(&mut self) {
        let task = self.shared.choices[self.class].pick(&mut self.rng);
        self.run(self.class, task, None).await;
    }

    /// One iteration of the open model: the arrival decides the task, and when it was due.
    pub(super) async fn arrive(&mut self, k: u64, task: usize, rng: ChaCha12Rng, due: Instant) {
        self.rng = rng;
        self.values.arrive(k);
        self.is_done = false;
        self.run(self.shared.class_of(k), task, Some(due)).await;
    }

    async fn run(&mut self, class: usize, task: usize, mut due: Option<Instant>) {
        self.iteration += 1;
        let shared = self.shared.clone();
        for Step::Request(endpoint) in &shared.plan.classes[class].tasks[task].steps {
            // Only the first step is scheduled; the others start when the one before has ended.
            self.request(*endpoint, due.take()).await;
            if self.is_done {
                return;
            }
        }
    }

    async fn request(&mut self, index: usize, intended: Option<Instant>) {
        let shared = self.shared.clone();
        let endpoint = &shared.plan.endpoints[index];
        let rendered = match shared.rendered[index]
            .then(|| self.render(index))
            .transpose()
        {
            Ok(rendered) => rendered,
            Err(unfit) => {
                self.leave_out(index, intended, unfit);
                if intended.is_none() && !self.is_done {
                    sleep(PAUSE).await;
                }
                return;
            }
        };
        let request = Request {
            index,
            endpoint,
            rendered,
        };
        let started = Instant::now();
        let in_flight = InFlight::start(&shared, index, intended.unwrap_or(started), started);
        let response = self.session.execute(request).await;
        let ended = Instant::now();
        let elapsed = ended - in_flight.intended;
        let judgement = self.values.judge(
            &shared.feeding,
            endpoint,
            &response,
            elapsed,
            self.iteration,
            &mut self.rng,
        );
        if let Some(key) = judgement.key {
            shared.recorder.record_failure(FailureSample {
                endpoint: in_flight.endpoint,
                intended_us: in_flight.intended_us(),
                class: judgement.class,
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
        let sample = Sample {
            redirects: response.redirects,
            connections: response.connections,
            reused: response.reused,
            first_byte_us: response.phases.first_byte.map(as_us),
            download_us: response.phases.download.map(as_us),
            bytes_in: response.bytes_in,
            bytes_out: response.bytes_out,
            ..in_flight.sample(judgement.class, ended)
        };
        in_flight.end(sample, judgement.text, ended);
    }

    fn render(&mut self, index: usize) -> Result<Rendered, Unfit> {
        let shared = self.shared.clone();
        let (feeding, iteration) = (&shared.feeding, self.iteration);
        let endpoint = &shared.plan.endpoints[index];
        self.values
            .prepare(feeding, index, iteration, &mut self.rng)?;
        let mut scope = self.values.scope(feeding, iteration, &mut self.rng);
        let mut fill = |template: &Template| {
            let mut text = String::new();
            if template.as_constant().is_none() {
                template.render(&mut scope, &mut text)?;
            }
            Ok::<_, Unfit>(text)
        };
        Ok(Rendered {
            url: fill(&endpoint.url)?,
            headers: endpoint
                .headers
                .iter()
                .map(|header| fill(&header.value))
                .collect::<Result<_, _>>()?,
            body: match &endpoint.body {
                Body::Template(t) if t.as_constant().is_none() => Some(fill(t)?),
                _ => None,
            },
        })
    }

    /// Notes a request that cannot be made. One for which there is no data was never started, and
    /// is no failure; whether user or run end with it is for the scenario to say.
    fn leave_out(&mut self, index: usize, intended: Option<Instant>, unfit: Unfit) {
        let shared = &self.shared;
        let now = Instant::now();
        let secrets = self.values.secrets(&shared.feeding);
        let secrets = secrets.as_ref().unwrap_or(&shared.plan.secrets);
        let text = check::excerpt(&secrets.hide(&unfit.text));
        if unfit.class.is_started() {
            let in_flight = InFlight::start(shared, index, intended.unwrap_or(now), now);
            let sample = in_flight.sample(unfit.class, now);
            in_flight.end(sample, Some(text), now);
        } else {
            let intended = intended.unwrap_or(now);
            let intended_us = as_us(intended.saturating_duration_since(shared.epoch));
            shared.recorder.missed(false);
            let sample = Sample::new(index as u16, unfit.class, intended_us);
            shared.recorder.record(sample, Some(text));
        }
        self.is_done |= unfit.end.is_some();
        if unfit.end == Some(OnEnd::StopRun) {
            shared.out_of_data.send_replace(true);
        }
    }

    /// When the next iteration of the closed model starts, if the one that started at `begun` has
    /// just ended.
    pub(super) fn next_start(&mut self, begun: Instant) -> Option<Instant> {
        match self.shared.plan.classes[self.class].think_time {
            ThinkTime::None => None,
            ThinkTime::Constant(wait) => Some(Instant::now() + wait),
            ThinkTime::Between(low, high) => {
                let wait = self
                    .rng
                    .random_range(low.as_secs_f64()..=high.as_secs_f64());
                Some(Instant::now() + Duration::from_secs_f64(wait))
            }
            ThinkTime::Pacing(period) => Some(begun + period),
        }
    }
}

/// A request on its way. Dropped before its end, because the run is over, it is recorded as
/// interrupted with its age: no request is lost, whatever becomes of its user.
struct InFlight<'a> {
    shared: &'a Shared,
    endpoint: u16,
    intended: Instant,
    started: Instant,
    ended: bool,
}

impl<'a> InFlight<'a> {
    fn start(shared: &'a Shared, endpoint: usize, intended: Instant, started: Instant) -> Self {
        shared.recorder.started();
        shared.meter.started(started);
        Self {
            shared,
            // The compiler of scenarios allows no more endpoints than fit.
            endpoint: endpoint as u16,
            intended,
            started,
            ended: false,
        }
    }

    fn intended_us(&self) -> u64 {
        as_us(self.intended.saturating_duration_since(self.shared.epoch))
    }

    fn sample(&self, class: Class, now: Instant) -> Sample {
        Sample {
            response_us: as_us(now.saturating_duration_since(self.intended)),
            service_us: as_us(now.saturating_duration_since(self.started)),
            ..Sample::new(self.endpoint, class, self.intended_us())
        }
    }

    fn end(mut self, sample: Sample, text: Option<String>, now: Instant) {
        self.ended = true;
        self.shared.meter.ended(now);
        self.shared.recorder.record(sample, text);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let now = Instant::now();
            self.shared.meter.ended(now);
            let sample = self.sample(Class::Interrupted, now);
            let text = "still in flight when the run ended".to_owned();
            self.shared.recorder.record(sample, Some(text));
        }
    }
}

/// Counts a running user or request, however it ends.
pub(super) struct Counted(Rc<Recorder>);

impl Counted {
    pub(super) fn new(recorder: &Rc<Recorder>) -> Self {
        recorder.users_changed(1);
        Self(recorder.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.users_changed(-1);
    }
}
