//! The user that carries out the set-up before the load and the tear-down after it.
//!
//! Here: why they failed, and what the set-up leaves. Not here: a single request (`user`), or steps (`flow`),
//! which are the same as in a run; nor what they are (`plan`).

use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;

use super::User;
use super::step_error::StepError;
use super::trial::event::{TrialEvent, TrialPart};
use super::values::Values;
use super::worker_state::{EarlyEnd, LIFECYCLE_STREAM, WorkerState};
use crate::metrics::{Outcome, Recorder};
use crate::plan::{Plan, Step};
use crate::protocol::Client;

/// One user of its own, whose requests are recorded nowhere. It keeps its cookies and its values from the
/// set-up to the tear-down.
pub struct LifecycleUser {
    /// That of [`Plan::around_load`].
    plan: Arc<Plan>,
    user: Box<dyn Steps>,
    events: UnboundedReceiver<TrialEvent>,
}

/// A user of whichever client.
trait Steps {
    /// Gives it the first values of its variables.
    fn fill(&mut self) -> LocalBoxFuture<'_, ()>;

    /// Carries out one part, and tells of it; also if it was done before.
    fn part<'a>(
        &'a mut self,
        part: TrialPart,
        steps: &'a [Step],
    ) -> LocalBoxFuture<'a, Result<(), StepError>>;

    fn values(&self) -> &Values;

    fn state(&self) -> &WorkerState;
}

impl<C: Client> Steps for User<C> {
    fn fill(&mut self) -> LocalBoxFuture<'_, ()> {
        Box::pin(self.values.fill())
    }

    fn part<'a>(
        &'a mut self,
        part: TrialPart,
        steps: &'a [Step],
    ) -> LocalBoxFuture<'a, Result<(), StepError>> {
        self.is_done = false;
        Box::pin(User::part(self, part, steps))
    }

    fn values(&self) -> &Values {
        &self.values
    }

    fn state(&self) -> &WorkerState {
        &self.state
    }
}

impl LifecycleUser {
    /// The user of the plan that [`Plan::around_load`] makes. `client` is a client for that plan.
    pub fn new<C: Client + 'static>(plan: &Arc<Plan>, client: C) -> Self {
        let (observer, events) = unbounded_channel();
        let recorder = Rc::new(Recorder::default());
        let mut state = WorkerState::new(plan.clone(), recorder, Instant::now());
        state.observer = Some(observer);
        let state = Rc::new(state);
        let mut user = User::new(state.clone(), Rc::new(client), 0, 0);
        user.values.rng = state.lifecycle_rng();
        user.stream = LIFECYCLE_STREAM;
        Self {
            plan: plan.clone(),
            user: Box::new(user),
            events,
        }
    }

    /// Carries out the set-up, and tells `on_event` what happens. Returns the values of these variables,
    /// which are positions in the names of the plan.
    ///
    /// # Errors
    /// The first failure, for people, without secrets.
    pub async fn set_up(
        &mut self,
        given: impl IntoIterator<Item = usize>,
        on_event: impl FnMut(TrialEvent),
    ) -> Result<Vec<(usize, Value)>, String> {
        self.user.fill().await;
        self.carry_out(TrialPart::Setup, on_event).await?;
        match self.user.state().early_end() {
            Some(EarlyEnd::Stopped) => return Err("a step `stop: run` ended it".to_owned()),
            Some(EarlyEnd::OutOfData) => return Err("its data has no more rows".to_owned()),
            None => {}
        }
        let values = self.user.values();
        let given = given.into_iter();
        Ok(given
            .filter_map(|variable| Some((variable, values.get(variable)?.clone())))
            .collect())
    }

    /// Carries out the tear-down, all of it even if a step fails.
    ///
    /// # Errors
    /// As those of [`Self::set_up`].
    pub async fn tear_down(&mut self, on_event: impl FnMut(TrialEvent)) -> Result<(), String> {
        self.carry_out(TrialPart::Teardown, on_event).await
    }

    async fn carry_out(
        &mut self,
        part: TrialPart,
        mut on_event: impl FnMut(TrialEvent),
    ) -> Result<(), String> {
        let Self { plan, user, events } = self;
        let class = &plan.classes[0];
        let steps = match part {
            TrialPart::Setup => &class.on_start,
            _ => &class.on_stop,
        };
        let recorder = user.state().recorder.clone();
        let mut first = None;
        let mut tell = |event: TrialEvent| {
            first = first.take().or_else(|| failure(plan, &event));
            on_event(event);
            // Nobody counts what is recorded of it.
            drop(recorder.take());
        };
        let ended = {
            let work = user.part(part, steps);
            tokio::pin!(work);
            loop {
                tokio::select! {
                    biased;
                    Some(event) = events.recv() => tell(event),
                    ended = &mut work => break ended,
                }
            }
        };
        while let Ok(event) = events.try_recv() {
            tell(event);
        }
        ended.map_err(|error| match first.filter(|_| error.is_of_request()) {
            Some(failure) => failure,
            None => error.text(plan),
        })
    }
}

/// What failed, if this event tells of a request that did.
fn failure(plan: &Plan, event: &TrialEvent) -> Option<String> {
    let (endpoint, outcome, text, says) = match event {
        TrialEvent::Exchanged(exchange) if exchange.outcome != Outcome::Ok => {
            let texts = exchange.texts.as_ref();
            let text = texts.map_or("", |texts| &texts.text);
            let says = texts.and_then(|texts| texts.excerpt.as_deref());
            (exchange.endpoint, exchange.outcome, text, says)
        }
        TrialEvent::Unsent {
            endpoint,
            outcome,
            text,
        } => (*endpoint, *outcome, text.as_str(), None),
        _ => return None,
    };
    let endpoint = &plan.endpoints[endpoint];
    let request = format!("{} {}", endpoint.method.as_str(), endpoint.url.source());
    let step = match endpoint.name == request {
        true => format!("`{request}`"),
        false => format!("`{}` ({request})", endpoint.name),
    };
    let says = says.map_or_else(String::new, |says| format!("; the response says: {says}"));
    Some(format!(
        "step {step} ended as {}: {text}{says}",
        outcome.name()
    ))
}
