//! How a user carries out iterations: its start, one task after the other, its end.
//!
//! Here: which task, and the wait after it. Not here: the steps of a task (`flow`), or when an
//! iteration starts (`closed`, `open`).

use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::User;
use super::values::RenderError;
use crate::metrics::Outcome;
use crate::plan::{Step, ThinkTime, first_request};
use crate::protocol::Client;
use crate::units::{MAX_DURATION, as_us, parse_duration};

/// What a user waits after a request that could not be sent, or an iteration that sent none, unless a
/// schedule says when it goes on. Without think time it would do nothing else, a million times a
/// second.
const PAUSE: Duration = Duration::from_millis(10);

/// What a user waits after an iteration whose think time has no value: the load must not become a higher one.
const INSTEAD: Duration = Duration::from_secs(1);

impl<C: Client> User<C> {
    /// What the user does once, before its first iteration.
    ///
    /// # Errors
    /// What it ended as, after which the user must not go on. That is counted, unless data ran out: then the user ends
    /// as planned.
    pub(crate) async fn start(&mut self, due: &mut Option<Instant>) -> Result<(), Outcome> {
        if !self.values.is_filled() {
            self.values.fill().await;
        }
        let state = self.state.clone();
        let steps = &state.plan.classes[self.class].on_start;
        if steps.is_empty() {
            return Ok(());
        }
        let arrival_due = *due;
        let ended = self.steps(steps, due, false).await;
        self.is_leaving = false;
        match &ended {
            Ok(_) => state.recorder.start_succeeded(self.class),
            Err(error) if error.outcome == Outcome::DataExhausted => {}
            Err(error) => {
                let due = arrival_due.map(|due| due.saturating_duration_since(state.epoch));
                let is_measured = due.is_some_and(|due| state.is_measured(as_us(due)));
                let why = || error.text(&state.plan);
                state.recorder.start_failed(self.class, is_measured, why);
            }
        }
        ended.map(|_| ()).map_err(|error| error.outcome)
    }

    /// What the user does once, after its last iteration.
    pub(crate) async fn stop(&mut self) {
        let state = self.state.clone();
        let steps = &state.plan.classes[self.class].on_stop;
        if !steps.is_empty() {
            // It ends, but not before it has done this.
            self.is_done = false;
            // Failures are recorded, and nothing comes after this.
            let _ = self.steps(steps, &mut None, true).await;
        }
    }

    /// One iteration of the closed model: a task that the user picks itself, started now.
    pub(crate) async fn iterate(&mut self) {
        let task = self.state.pick_task(self.class, &mut self.values.rng);
        self.run(task, None).await;
    }

    /// One iteration of the open model: arrival `k` decides the task, and when it was due.
    pub(crate) async fn arrive(
        &mut self,
        k: u64,
        task: usize,
        rng: ChaCha12Rng,
        due: Option<Instant>,
    ) {
        self.values.arrive(k, rng);
        (self.stream, self.requests) = (k, 0);
        self.is_done = false;
        self.run(task, due).await;
    }

    async fn run(&mut self, task: usize, mut due: Option<Instant>) {
        self.values.iterate();
        let state = self.state.clone();
        let class = &state.plan.classes[self.class];
        let task = &class.tasks[task];
        self.think_time = task.think_time.unwrap_or(class.think_time);
        // Most tasks are one request, for which nothing is put on the heap. Failures are recorded with
        // the request or the flow.
        let is_scheduled = due.is_some();
        let before = self.requests;
        let ended = match task.steps.as_slice() {
            [Step::Request(endpoint)] => self.request(*endpoint, due).await,
            steps => {
                let ended = self.steps(steps, &mut due, false).await;
                self.is_leaving = false;
                ended
            }
        };
        if let (ThinkTime::Computed(wait), false) = (self.think_time, is_scheduled) {
            self.think_time = self.think_time_after(wait, &task.steps).await;
        }
        let is_unsent = ended.is_err_and(|error| error.is_unsent()) || self.requests == before;
        if is_unsent && !is_scheduled && !self.is_done {
            sleep(PAUSE).await;
        }
    }

    /// The think time that the wait at this position of the plan has now, after these steps. One that has no
    /// value counts as a request that could not be made.
    #[cold]
    async fn think_time_after(&mut self, wait: usize, steps: &[Step]) -> ThinkTime {
        match self.computed_wait(wait).await {
            Ok(wait) => ThinkTime::Constant(wait),
            Err(error) => {
                if let Some(endpoint) = first_request(steps) {
                    self.leave_out(endpoint, None, error);
                }
                ThinkTime::Constant(INSTEAD)
            }
        }
    }

    /// How long the wait at this position of the plan is now.
    ///
    /// # Errors
    /// It is no time.
    pub(super) async fn computed_wait(&mut self, wait: usize) -> Result<Duration, RenderError> {
        let plan = self.state.plan.clone();
        let value = self.values.item(&plan.waits[wait]).await?;
        let parsed = match &value {
            Value::String(text) => parse_duration(text).ok(),
            Value::Number(number) => {
                let seconds = number.as_f64().map(Duration::try_from_secs_f64);
                let wait = seconds.and_then(Result::ok);
                wait.filter(|wait| *wait <= MAX_DURATION)
            }
            _ => None,
        };
        parsed.ok_or_else(|| {
            let text = format!(
                "a think time is `{value}`, which is neither seconds from 0 nor a duration such as `500ms`"
            );
            RenderError::from(text)
        })
    }

    /// When the next iteration of the closed model starts, if the one that was due at `begun` has just
    /// ended. `None` is at once.
    pub(crate) fn next_start(&mut self, begun: Instant) -> Option<Instant> {
        match self.think_time {
            ThinkTime::None => None,
            // A slow iteration is not made up for: the next period counts from now.
            ThinkTime::Pacing(period) => Some((begun + period).max(Instant::now())),
            think => Some(Instant::now() + self.wait(think)),
        }
    }
}
