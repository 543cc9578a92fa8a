//! How a user carries out iterations: its start, one task after the other, its end.
//!
//! Here: which task, and the wait after it. Not here: the steps of a task (`flow`), or when an
//! iteration starts (`closed`, `open`).

use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use tokio::time::{Instant, sleep};

use super::User;
use crate::plan::{Step, ThinkTime};
use crate::protocol::Client;
use crate::units::as_us;

/// What a user waits after a request that could not be sent, or an iteration that sent none, unless a
/// schedule says when it goes on. Without think time it would do nothing else, a million times a
/// second.
const PAUSE: Duration = Duration::from_millis(10);

impl<C: Client> User<C> {
    /// What the user does once, before its first iteration. Returns whether that succeeded; if not, it
    /// is counted, and the user must not go on.
    pub(crate) async fn start(&mut self, due: &mut Option<Instant>) -> bool {
        if !self.values.is_filled() {
            self.values.fill().await;
        }
        let state = self.state.clone();
        let steps = &state.plan.classes[self.class].on_start;
        if steps.is_empty() {
            return true;
        }
        let arrival_due = *due;
        let ended = self.steps(steps, due, false).await;
        self.is_leaving = false;
        if let Err(error) = &ended {
            if !error.is_of_request() {
                let text = || error.text(&state.plan);
                state.recorder.explain_failed_start(text);
            }
            let due = arrival_due.map(|due| due.saturating_duration_since(state.epoch));
            let is_measured = due.is_some_and(|due| state.is_measured(as_us(due)));
            state.recorder.start_failed(is_measured);
        }
        ended.is_ok()
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
        let is_unsent = ended.is_err_and(|error| error.is_unsent()) || self.requests == before;
        if is_unsent && !is_scheduled && !self.is_done {
            sleep(PAUSE).await;
        }
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
