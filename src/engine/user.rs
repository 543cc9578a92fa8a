//! One virtual user: its session, its variables, its random numbers, and how it carries out an
//! iteration.

pub(super) mod alias_table;
pub(super) mod exchange;
pub(super) mod flow;
#[cfg(test)]
mod flow_tests;
pub(super) mod values;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::health::Meter;
use crate::check::{self, CheckResult};
use crate::metrics::{Outcome, Recorder, Sample};
use crate::plan::{
    Body, Endpoint, OnEnd, Plan, Step, Template, ThinkTime, UserClass, first_request,
};
use crate::protocol::{Client, Rendered, Request};
use crate::units::{as_ns, as_us};
use alias_table::Choice;
use exchange::{Answer, InFlight, settle};
use flow::{Failed, ThoughtClock};
use values::{Feeding, Unfit, Values};

/// The stream of random numbers of arrival k is k; that of user u lies in the upper half.
const USER_STREAMS: u64 = 1 << 63;

/// What a user waits after a request that could not be made, or an iteration that made none, unless
/// a schedule tells it when to go on: without think time it would do nothing else, a million times a
/// second.
const PAUSE: Duration = Duration::from_millis(10);

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
    /// Who uses which data.
    pub(super) feeding: Feeding,
    /// Set by a user who found that the run is to end for want of data.
    out_of_data: watch::Sender<bool>,
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
            feeding: Feeding::new(plan.clone()),
            out_of_data: watch::Sender::new(false),
            rng: ChaCha12Rng::seed_from_u64(plan.seed),
            plan,
            recorder,
            meter: Meter::new(epoch),
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

    /// How long after the epoch this is; ns.
    pub(super) fn ns(&self, at: Instant) -> u64 {
        as_ns(at.saturating_duration_since(self.epoch))
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

    /// What a dropped arrival counts as: the first request of its task, and the flow that the task
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
    endpoint
        .templates()
        .any(|template| template.as_constant().is_none())
}

/// One virtual user.
pub(super) struct User<C: Client> {
    pub(super) shared: Rc<Shared>,
    client: Rc<C>,
    session: C::Session,
    /// Further connections, for requests at the same time.
    pub(super) lanes: Vec<C::Session>,
    class: usize,
    pub(super) rng: ChaCha12Rng,
    pub(super) values: Values,
    pub(super) iteration: u64,
    /// How many requests it made or was to make.
    requests: u64,
    /// It found no further row of its data, and is to end.
    is_done: bool,
    /// How it waits after the task it did last.
    think_time: ThinkTime,
    pub(super) clock: Rc<ThoughtClock>,
}

impl<C: Client> User<C> {
    /// The user with this number, from 0.
    pub(super) fn new(shared: Rc<Shared>, client: Rc<C>, number: u64, class: usize) -> Self {
        let mut rng = shared.rng(USER_STREAMS | number);
        Self {
            class,
            values: Values::new(&shared.feeding, number, &mut rng),
            rng,
            think_time: shared.plan.classes[class].think_time,
            shared,
            session: client.session(),
            client,
            lanes: Vec::new(),
            iteration: 0,
            requests: 0,
            is_done: false,
            clock: Rc::default(),
        }
    }

    /// Whether it is to end, for want of data.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
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

    /// One iteration of the open model: arrival k decides the task, and when it was due.
    pub(super) async fn arrive(
        &mut self,
        k: u64,
        task: usize,
        rng: ChaCha12Rng,
        due: Option<Instant>,
    ) {
        self.rng = rng;
        self.values.arrive(k);
        self.is_done = false;
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
        let is_scheduled = due.is_some();
        let before = self.requests;
        let ended = match task.steps.as_slice() {
            [Step::Request(endpoint)] => self.request(*endpoint, due).await,
            steps => self.steps(steps, &mut due, false).await,
        };
        let is_unsent = ended.is_err_and(|failed| failed.is_unsent()) || self.requests == before;
        if is_unsent && !is_scheduled && !self.is_done {
            sleep(PAUSE).await;
        }
    }

    /// Sends the request of the endpoint at `index`.
    pub(super) async fn request(
        &mut self,
        index: usize,
        intended: Option<Instant>,
    ) -> Result<(), Failed> {
        let shared = self.shared.clone();
        let endpoint = &shared.plan.endpoints[index];
        let request = self.prepare(index, endpoint, intended)?;
        let mut answer = Answer::to(&shared, &request, intended);
        answer.fetch(&mut self.session, &request).await;
        self.clock.add(answer.in_flight.waited());
        let judgement = self.judge(endpoint, &answer);
        settle(&mut answer, judgement)
    }

    /// Sends the request of the endpoint at `index` and judges it by `awaited`, which is this
    /// endpoint with further checks; where these do not hold, by `pending`, which is the endpoint
    /// without anything to be taken out of the answer. Whether the further checks held.
    pub(super) async fn request_until(
        &mut self,
        index: usize,
        (awaited, pending): (&Endpoint, &Endpoint),
        intended: Option<Instant>,
    ) -> Result<bool, Failed> {
        let shared = self.shared.clone();
        let request = self.prepare(index, awaited, intended)?;
        let mut answer = Answer::to(&shared, &request, intended);
        answer.fetch(&mut self.session, &request).await;
        self.clock.add(answer.in_flight.waited());
        let mut judgement = self.judge(awaited, &answer);
        let held = judgement.outcome == Outcome::Ok;
        if !held {
            judgement = self.judge(pending, &answer);
        }
        settle(&mut answer, judgement)?;
        Ok(held)
    }

    /// The request of `endpoint`, which is at `index`. One that cannot be made is noted.
    pub(super) fn prepare<'a>(
        &mut self,
        index: usize,
        endpoint: &'a Endpoint,
        intended: Option<Instant>,
    ) -> Result<Request<'a>, Failed> {
        self.requests += 1;
        let mut rendered = None;
        if self.shared.rendered[index] {
            match self.render(index) {
                Ok(filled) => rendered = Some(filled),
                Err(unfit) => return Err(self.leave_out(index, intended, unfit)),
            }
        }
        Ok(Request {
            index,
            endpoint,
            rendered,
        })
    }

    /// Judges an answer by `endpoint`, and learns what is to be taken out of it.
    pub(super) fn judge(&mut self, endpoint: &Endpoint, answer: &Answer<'_>) -> CheckResult {
        let in_flight = &answer.in_flight;
        let recorder = &in_flight.shared.recorder;
        self.values.judge(
            &in_flight.shared.feeding,
            endpoint,
            (&answer.response, answer.elapsed()),
            |class| recorder.wants(in_flight.endpoint, class),
            self.iteration,
            &mut self.rng,
        )
    }

    /// Makes sure that there are this many lanes.
    pub(super) fn widen(&mut self, lanes: usize) {
        while self.lanes.len() < lanes {
            self.lanes.push(self.client.companion(&self.session));
        }
    }

    fn render(&mut self, index: usize) -> Result<Rendered, Unfit> {
        let shared = self.shared.clone();
        let (feeding, iteration) = (&shared.feeding, self.iteration);
        let endpoint = &shared.plan.endpoints[index];
        self.values
            .prepare(feeding, index, iteration, &mut self.rng)?;
        let mut scope = self.values.scope(feeding, iteration, &mut self.rng);
        let mut fill = |template: &Template| {
            if template.as_constant().is_some() {
                return Ok::<_, Unfit>(String::new());
            }
            // What is filled in is seldom longer than what it stands in for, which is cheaper than to
            // grow by and by.
            let mut text = String::with_capacity(template.source().len());
            template.render(&mut scope, &mut text)?;
            Ok(text)
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
            pieces: match &endpoint.body {
                Body::Pieces(_) => endpoint
                    .body
                    .templates()
                    .map(&mut fill)
                    .collect::<Result<_, _>>()?,
                _ => Vec::new(),
            },
            auth: match &endpoint.auth {
                Some(auth) => auth
                    .templates()
                    .into_iter()
                    .map(fill)
                    .collect::<Result<_, _>>()?,
                None => Vec::new(),
            },
        })
    }

    /// Notes a request that cannot be made. One for which there is no data was never started, and
    /// is no failure; whether user or run end with it is for the scenario to say.
    fn leave_out(&mut self, index: usize, intended: Option<Instant>, unfit: Unfit) -> Failed {
        let shared = &self.shared;
        let now = Instant::now();
        let secrets = self.values.secrets(&shared.feeding);
        let secrets = secrets.as_ref().unwrap_or(&shared.plan.secrets);
        let text = check::excerpt(&secrets.hide(&unfit.text));
        if unfit.outcome.is_started() {
            let mut in_flight = InFlight::start(shared, index, intended, now);
            in_flight.land();
            let sample = in_flight.sample(unfit.outcome);
            in_flight.record(sample, Some(text));
        } else {
            let intended = intended.unwrap_or(now);
            let intended_us = as_us(intended.saturating_duration_since(shared.epoch));
            shared.recorder.dropped(false);
            let sample = Sample::new(index as u16, unfit.outcome, intended_us);
            shared.recorder.record(sample, Some(text));
        }
        self.end_for(unfit.end);
        Failed::unsent(index, unfit.outcome)
    }

    /// What the want of data means for more than a request.
    pub(super) fn end_for(&mut self, end: Option<OnEnd>) {
        self.is_done |= end.is_some();
        if end == Some(OnEnd::StopRun) {
            self.shared.out_of_data.send_replace(true);
        }
    }

    /// When the next iteration of the closed model starts, if the one that was due at `begun` has
    /// just ended; `None` is at once.
    pub(super) fn next_start(&mut self, begun: Instant) -> Option<Instant> {
        match self.think_time {
            ThinkTime::None => None,
            // A slow iteration is not made up for: the next period counts from now.
            ThinkTime::Pacing(period) => Some((begun + period).max(Instant::now())),
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
            ThinkTime::Poisson(mean) => {
                let share: f64 = self.rng.random_range(0.0..1.0);
                mean.mul_f64(-(1.0 - share).ln())
            }
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
