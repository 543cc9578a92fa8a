//! One virtual user: its session, its variables, its random numbers, and how it carries out an
//! iteration.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use tokio::time::Instant;

use super::choice::Choice;
use super::flow::{Failed, ThoughtClock};
use super::health::Meter;
use crate::check;
use crate::metrics::{Class, ComponentSample, ConnectionSample, Recorder, Sample};
use crate::plan::{
    Body, Endpoint, Plan, Scope, Step, Template, ThinkTime, UserClass, first_request,
};
use crate::protocol::{Client, Rendered, Request, Response, Session};
use crate::units::as_us;

/// The stream of random numbers of arrival k is k; that of user u lies in the upper half.
const USER_STREAMS: u64 = 1 << 63;

/// What all virtual users of a worker read.
pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    pub(super) recorder: Rc<Recorder>,
    /// Measures the worker.
    pub(super) meter: Meter,
    /// The start of the load; all times count from here.
    pub(super) epoch: Instant,
    /// Which class next, for arrivals.
    classes: Choice,
    /// Per user class: which task next.
    choices: Vec<Choice>,
    /// Per endpoint: whether anything is filled in for each request.
    rendered: Vec<bool>,
    /// The generator that all others are streams of.
    rng: ChaCha12Rng,
}

impl Shared {
    pub(super) fn new(plan: Arc<Plan>, recorder: Rc<Recorder>, epoch: Instant) -> Self {
        let weights = |class: &UserClass| class.tasks.iter().map(|t| t.weight).collect::<Vec<_>>();
        Self {
            classes: Choice::new(&plan.classes.iter().map(|c| c.weight).collect::<Vec<_>>()),
            choices: plan
                .classes
                .iter()
                .map(|c| Choice::new(&weights(c)))
                .collect(),
            rendered: plan.endpoints.iter().map(is_rendered).collect(),
            rng: ChaCha12Rng::seed_from_u64(plan.seed),
            plan,
            recorder,
            meter: Meter::new(),
            epoch,
        }
    }

    fn rng(&self, stream: u64) -> ChaCha12Rng {
        let mut rng = self.rng.clone();
        rng.set_stream(stream);
        rng
    }

    /// Which class and task an arrival runs, and the generator it goes on with. Depends on the
    /// arrival alone, so that a seed gives the same requests whichever user takes it.
    pub(super) fn arrival(&self, k: u64) -> (usize, usize, ChaCha12Rng) {
        let mut rng = self.rng(k);
        let class = match self.choices.len() {
            1 => 0,
            _ => self.classes.pick(&mut rng),
        };
        let task = self.choices[class].pick(&mut rng);
        (class, task, rng)
    }

    /// What a missed arrival counts as: the first request of its task, and the flow that the task
    /// is, if it is one.
    pub(super) fn first_subjects(&self, class: usize, task: usize) -> impl Iterator<Item = u16> {
        let steps = &self.plan.classes[class].tasks[task].steps;
        let flow = match steps.first() {
            Some(Step::Flow { flow, .. }) => Some(self.flow_subject(*flow)),
            _ => None,
        };
        // The compiler of scenarios allows no more endpoints than fit.
        first_request(steps)
            .map(|endpoint| endpoint as u16)
            .into_iter()
            .chain(flow)
    }

    /// What a flow is in samples.
    pub(super) fn flow_subject(&self, flow: usize) -> u16 {
        (self.plan.endpoints.len() + flow) as u16
    }
}

fn is_rendered(endpoint: &Endpoint) -> bool {
    let varies = |template: &Template| template.as_constant().is_none();
    varies(&endpoint.url)
        || endpoint.headers.iter().any(|header| varies(&header.value))
        || matches!(&endpoint.body, Body::Template(template) if varies(template))
}

/// One virtual user.
pub(super) struct User<C: Client> {
    pub(super) shared: Rc<Shared>,
    client: Rc<C>,
    session: C::Session,
    /// Further connections, for requests at the same time.
    pub(super) lanes: Vec<C::Session>,
    class: usize,
    /// From 1.
    id: u64,
    pub(super) rng: ChaCha12Rng,
    variables: Vec<String>,
    iteration: u64,
    /// How it waits after the task it did last.
    think_time: ThinkTime,
    pub(super) clock: Rc<ThoughtClock>,
}

impl<C: Client> User<C> {
    /// The user with this number, from 0.
    pub(super) fn new(shared: Rc<Shared>, client: Rc<C>, number: u64, class: usize) -> Self {
        let mut user = Self {
            class,
            rng: shared.rng(USER_STREAMS | number),
            think_time: shared.plan.classes[class].think_time,
            shared,
            session: client.session(),
            client,
            lanes: Vec::new(),
            id: number + 1,
            variables: Vec::new(),
            iteration: 0,
            clock: Rc::default(),
        };
        for variable in &user.shared.plan.variables {
            let mut scope = Scope {
                variables: &user.variables,
                user_id: user.id,
                iteration: 0,
                rng: &mut user.rng,
            };
            let mut value = String::new();
            variable.value.render(&mut scope, &mut value);
            user.variables.push(value);
        }
        user
    }

    /// What it does once, before its first iteration. Whether that went well; if not, it is
    /// counted, and the user must not go on.
    pub(super) async fn start(&mut self, due: &mut Option<Instant>) -> bool {
        let shared = self.shared.clone();
        let steps = &shared.plan.classes[self.class].on_start;
        if steps.is_empty() {
            return true;
        }
        let is_ready = self.steps(steps, due, false).await.is_ok();
        if !is_ready {
            shared.recorder.start_failed();
        }
        is_ready
    }

    /// What it does once, after its last iteration.
    pub(super) async fn stop(&mut self) {
        let shared = self.shared.clone();
        let steps = &shared.plan.classes[self.class].on_stop;
        if !steps.is_empty() {
            // What failed was recorded, and there is nothing more to do.
            let _ = self.steps(steps, &mut None, true).await;
        }
    }

    /// One iteration of the closed model: a task by the user's own choice, started now.
    pub(super) async fn iterate(&mut self) {
        let task = self.shared.choices[self.class].pick(&mut self.rng);
        self.run(task, None).await;
    }

    /// One iteration of the open model: the arrival decides the task, and when it was due.
    pub(super) async fn arrive(&mut self, task: usize, rng: ChaCha12Rng, due: Option<Instant>) {
        self.rng = rng;
        self.run(task, due).await;
    }

    async fn run(&mut self, task: usize, mut due: Option<Instant>) {
        self.iteration += 1;
        let shared = self.shared.clone();
        let class = &shared.plan.classes[self.class];
        let task = &class.tasks[task];
        self.think_time = task.think_time.unwrap_or(class.think_time);
        // Most tasks are one request, for which nothing is put on the heap. What fails is recorded
        // with the request or the flow.
        let _ = match task.steps.as_slice() {
            [Step::Request(endpoint)] => self.request(*endpoint, due).await,
            steps => self.steps(steps, &mut due, false).await,
        };
    }

    /// Sends the request of the endpoint at `index`.
    pub(super) async fn request(
        &mut self,
        index: usize,
        intended: Option<Instant>,
    ) -> Result<(), Failed> {
        let shared = self.shared.clone();
        let endpoint = &shared.plan.endpoints[index];
        let request = self.prepare(index, endpoint);
        exchange(&shared, &mut self.session, request, intended).await
    }

    /// Sends the request of the endpoint at `index` and judges it by `awaited` as well, which is
    /// this endpoint with further checks. Whether the further ones held.
    pub(super) async fn request_until(
        &mut self,
        index: usize,
        awaited: &Endpoint,
        intended: Option<Instant>,
    ) -> Result<bool, Failed> {
        let shared = self.shared.clone();
        let request = self.prepare(index, awaited);
        let mut held = false;
        let judged = |response: &Response, elapsed| {
            let secrets = &shared.plan.secrets;
            held = check::judge(awaited, response, elapsed, secrets).class == Class::Ok;
        };
        exchange_with(&shared, &mut self.session, request, intended, judged).await?;
        Ok(held)
    }

    /// The request of `endpoint`, which is at `index`.
    pub(super) fn prepare<'a>(&mut self, index: usize, endpoint: &'a Endpoint) -> Request<'a> {
        let rendered = self.shared.rendered[index].then(|| self.render(endpoint));
        Request {
            index,
            endpoint,
            rendered,
        }
    }

    /// Makes sure that there are this many lanes.
    pub(super) fn widen(&mut self, lanes: usize) {
        while self.lanes.len() < lanes {
            self.lanes.push(self.client.companion(&self.session));
        }
    }

    fn render(&mut self, endpoint: &Endpoint) -> Rendered {
        let mut scope = Scope {
            variables: &self.variables,
            user_id: self.id,
            iteration: self.iteration,
            rng: &mut self.rng,
        };
        let mut fill = |template: &Template| {
            let mut text = String::new();
            if template.as_constant().is_none() {
                template.render(&mut scope, &mut text);
            }
            text
        };
        Rendered {
            url: fill(&endpoint.url),
            headers: endpoint.headers.iter().map(|h| fill(&h.value)).collect(),
            body: match &endpoint.body {
                Body::Template(t) if t.as_constant().is_none() => Some(fill(t)),
                _ => None,
            },
        }
    }

    /// When the next iteration of the closed model starts, if the one that started at `begun` has
    /// just ended.
    pub(super) fn next_start(&mut self, begun: Instant) -> Option<Instant> {
        match self.think_time {
            ThinkTime::None => None,
            ThinkTime::Pacing(period) => Some(begun + period),
            think => Some(Instant::now() + self.wait(think)),
        }
    }

    /// A wait of this kind.
    pub(super) fn wait(&mut self, think: ThinkTime) -> Duration {
        match think {
            ThinkTime::None => Duration::ZERO,
            ThinkTime::Constant(wait) | ThinkTime::Pacing(wait) => wait,
            ThinkTime::Between(low, high) => {
                let range = low.as_secs_f64()..=high.as_secs_f64();
                Duration::from_secs_f64(self.rng.random_range(range))
            }
        }
    }
}

/// Sends a request and records what comes of it.
pub(super) async fn exchange<S: Session>(
    shared: &Shared,
    session: &mut S,
    request: Request<'_>,
    intended: Option<Instant>,
) -> Result<(), Failed> {
    exchange_with(shared, session, request, intended, |_, _| ()).await
}

/// As [`exchange`]; `look` sees the response and the time it took.
async fn exchange_with<S: Session>(
    shared: &Shared,
    session: &mut S,
    request: Request<'_>,
    intended: Option<Instant>,
    look: impl FnOnce(&Response, Duration),
) -> Result<(), Failed> {
    let index = request.index;
    let started = Instant::now();
    let in_flight = InFlight::start(shared, index, intended.unwrap_or(started), started);
    let response = session.execute(request).await;
    let ended = Instant::now();
    let elapsed = ended - in_flight.intended;
    let judgement = check::judge(
        &shared.plan.endpoints[index],
        &response,
        elapsed,
        &shared.plan.secrets,
    );
    look(&response, elapsed);
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
    match judgement.class {
        Class::Ok => Ok(()),
        class => Err(Failed::of_request(index, class)),
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
