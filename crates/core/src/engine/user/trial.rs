//! A trial: one user of each class does everything once, in order, and what happens is told as it
//! happens. What is sent is what a run sends.
//!
//! Here: the order, and what is told of one request. Not here: a single request (`user`), or steps
//! (`flow`), which are the same as in a run.

pub(in crate::engine) mod event;

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc::unbounded_channel;
use tokio::time::Instant;

use self::event::{TrialEvent, TrialExchange, TrialFailure, TrialPart};
use super::User;
use super::exchange::Exchange;
use super::step_error::StepError;
use super::worker_state::WorkerState;
use crate::check::{self, CheckResult};
use crate::metrics::{Outcome, Recorder};
use crate::plan::{Endpoint, Plan, Step};
use crate::protocol::Client;
use crate::script;

/// Lets one user of each class of the plan do everything once: its `on_start`, each task, its
/// `on_stop`. Weights do not matter. Tells `on_event` what happens, as it happens.
pub async fn try_out<C: Client>(plan: &Arc<Plan>, client: C, mut on_event: impl FnMut(TrialEvent)) {
    let (observer, mut events) = unbounded_channel();
    let recorder = Rc::new(Recorder::default());
    let mut state = WorkerState::new(plan.clone(), recorder, Instant::now());
    state.observer = Some(observer);
    state.is_trial = true;
    let (state, client) = (Rc::new(state), Rc::new(client));
    let work = async {
        for class in 0..plan.classes.len() {
            // Each class has a user of its own, as the first users of a run.
            let mut user = User::new(state.clone(), client.clone(), class as u64, class);
            user.try_out().await;
            if state.early_end().is_some() {
                break;
            }
        }
    };
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => on_event(event),
            () = &mut work => break,
        }
    }
    while let Ok(event) = events.try_recv() {
        on_event(event);
    }
}

impl<C: Client> User<C> {
    /// Does everything once.
    async fn try_out(&mut self) {
        let state = self.state.clone();
        let class = &state.plan.classes[self.class];
        state.tell(|| TrialEvent::UserStarted(self.class));
        self.values.fill().await;
        // As in a run, a user whose start failed does not go on.
        if !self.try_part(TrialPart::OnStart, &class.on_start).await {
            return;
        }
        for (position, task) in class.tasks.iter().enumerate() {
            if self.is_done() {
                break;
            }
            let k = position as u64;
            if state.is_open() {
                self.values.arrive(k, state.arrival_rng(k));
            }
            self.values.iterate();
            self.try_part(TrialPart::Task(position), &task.steps).await;
        }
        self.try_part(TrialPart::OnStop, &class.on_stop).await;
    }

    /// Carries out one part. Returns whether it succeeded.
    async fn try_part(&mut self, part: TrialPart, steps: &[Step]) -> bool {
        self.part(part, steps).await.is_ok()
    }

    /// Carries out one part, and tells of it.
    pub(super) async fn part(&mut self, part: TrialPart, steps: &[Step]) -> Result<(), StepError> {
        if steps.is_empty() {
            return Ok(());
        }
        let state = self.state.clone();
        state.tell(|| TrialEvent::PartStarted(part));
        let goes_on = matches!(part, TrialPart::OnStop | TrialPart::Teardown);
        self.is_done &= !goes_on;
        let ended = self.steps(steps, &mut None, goes_on).await;
        self.is_leaving = false;
        state.tell(|| TrialEvent::PartEnded {
            part,
            failure: (ended.as_ref().err()).map(|error| told(error, &state.plan)),
        });
        ended
    }

    /// Tells of a request, if anybody listens: its response was judged by `endpoint` as `result`.
    pub(super) fn observe(
        &self,
        endpoint: &Endpoint,
        exchange: &mut Exchange<'_>,
        result: &CheckResult,
        is_pending: bool,
    ) {
        if self.state.observer.is_some() {
            self.tell_exchange(endpoint, exchange, result, is_pending);
        }
    }

    /// Tells what the script has said by `console`, if anybody listens.
    pub(super) fn tell_console(&self) {
        if self.state.observer.is_some() {
            for line in script::take_lines() {
                let text = self.values.excerpt(&line);
                self.state.tell(|| TrialEvent::Said(text));
            }
        }
    }

    #[cold]
    fn tell_exchange(
        &self,
        endpoint: &Endpoint,
        exchange: &mut Exchange<'_>,
        result: &CheckResult,
        is_pending: bool,
    ) {
        self.tell_console();
        let duration = exchange.elapsed();
        let response = &mut exchange.response;
        let secrets = self.values.secrets_with(&response.credentials);
        let mut extracted = self.values.assigned(&endpoint.variables);
        if result.outcome == Outcome::Ok {
            extracted.extend(self.values.extracted(endpoint));
        }
        let event = TrialExchange {
            endpoint: usize::from(exchange.in_flight.endpoint),
            row: (endpoint.scripted).then(|| self.values.excerpt(&endpoint.name)),
            started: exchange.in_flight.started(),
            hops: std::mem::take(&mut response.hops),
            outcome: result.outcome,
            texts: result.texts.clone(),
            checks: check::reports(endpoint, (response, duration), result, &secrets),
            is_pending,
            extracted,
            measured: self.measured.take(),
            phases: response.phases,
            duration,
            token_wait: exchange.in_flight.waited(),
            connections: response.connections,
            secrets,
        };
        self.state.tell(|| TrialEvent::Exchanged(Box::new(event)));
    }
}

/// A failure as it is told.
pub(super) fn told(error: &StepError, plan: &Plan) -> TrialFailure {
    TrialFailure {
        text: error.text(plan),
        is_of_request: error.is_of_request(),
    }
}
