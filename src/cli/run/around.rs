//! What a run does before its load and after it, where the scenario says so.
//!
//! Here: in which order, how long the tear-down may take, and what signals end. Not here: how the steps are
//! carried out (`engine`).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::timeout;

use crate::engine::{LifecycleUser, Stopper, TrialEvent};
use crate::error::Error;
use crate::plan::Plan;
use crate::units::format_duration;

/// The tear-down may take as long as requests in flight may at the end of the load, and at least this long.
const LEAST_TEARDOWN: Duration = Duration::from_secs(10);

/// A run whose set-up is over.
pub(super) struct SetUp {
    /// The plan with what it left.
    pub plan: Arc<Plan>,
    /// What is left to do after the load.
    pub teardown: Teardown,
}

/// What is to be done after the load.
pub(super) struct Teardown {
    user: LifecycleUser,
    limit: Duration,
    observer: Option<UnboundedSender<TrialEvent>>,
}

impl SetUp {
    /// Carries out the set-up of a plan, and tells the `observer`; `None` where there is neither set-up nor
    /// tear-down. `new_user` makes the user of [`Plan::around_load`].
    ///
    /// # Errors
    /// When it fails, or a signal comes.
    pub async fn of(
        plan: &Arc<Plan>,
        new_user: impl FnOnce(&Arc<Plan>) -> Result<LifecycleUser, Error>,
        stopper: &Stopper,
        observer: Option<UnboundedSender<TrialEvent>>,
    ) -> Result<Option<Self>, Error> {
        let Some(around) = plan.around_load().map(Arc::new) else {
            return Ok(None);
        };
        let mut user = new_user(&around)?;
        let given = tokio::select! {
            given = user.set_up(plan.given_by_setup(), tell(&observer)) => given.map_err(Error::Setup)?,
            signal = stopper.stopped() => return Err(Error::StoppedInSetup(signal)),
        };
        let plan = Arc::new(plan.after_setup(given));
        let teardown = Teardown {
            user,
            limit: plan.load.stop_timeout.max(LEAST_TEARDOWN),
            observer,
        };
        Ok(Some(Self { plan, teardown }))
    }
}

impl Teardown {
    /// Carries it out. A signal that has stopped the load does not end it, one that comes now does.
    ///
    /// # Errors
    /// Why it failed, for people.
    pub async fn carry_out(mut self, stopper: &Stopper) -> Result<(), String> {
        let is_stopped = stopper.signal().is_some();
        let carried_out = timeout(self.limit, self.user.tear_down(tell(&self.observer)));
        tokio::select! {
            ended = carried_out => ended.unwrap_or_else(|_| {
                Err(format!("it did not end within {}", format_duration(self.limit)))
            }),
            _ = stopper.stopped(), if !is_stopped => Err("it was stopped".to_owned()),
        }
    }
}

/// Hands events on, if somebody wants them.
fn tell(observer: &Option<UnboundedSender<TrialEvent>>) -> impl FnMut(TrialEvent) {
    let observer = observer.clone();
    move |event| {
        if let Some(observer) = &observer {
            // The receiver is there as long as the run is.
            let _ = observer.send(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{load, plan};
    use crate::plan::{Lifecycle, Model, Step, ThinkTime};
    use crate::protocol::mock::{MockClient, MockResponse};
    use tokio::time::Instant;

    /// Whose tear-down waits this long between two requests.
    fn waiting(wait_s: u64) -> Plan {
        let mut plan = plan(load(Model::Closed, &[(1.0, 0.0, 1.0)]), &[1]);
        plan.load.stop_timeout = Duration::from_secs(1);
        let think = Step::Think(ThinkTime::Constant(Duration::from_secs(wait_s)));
        plan.lifecycle = Some(Box::new(Lifecycle {
            setup: vec![Step::Request(0)],
            teardown: vec![Step::Request(0), think, Step::Request(0)],
            endpoints: plan.endpoints.clone(),
            flows: Vec::new(),
            variables: Default::default(),
        }));
        plan
    }

    /// How the tear-down ended, after how long, and how many requests there were.
    async fn torn_down(
        wait_s: u64,
        signals: (Option<u8>, bool),
    ) -> (Result<(), String>, u64, usize) {
        let response = MockResponse {
            delay: Duration::ZERO,
            status: 200,
        };
        let client = MockClient::new(move |_| response);
        let (stopper, made) = (Stopper::default(), client.clone());
        let plan = Arc::new(waiting(wait_s));
        let new_user = |plan: &_| Ok(LifecycleUser::new(plan, made.clone()));
        let set_up = SetUp::of(&plan, new_user, &stopper, None);
        let teardown = set_up.await.unwrap().unwrap().teardown;
        if let Some(signal) = signals.0 {
            stopper.stop(signal);
        }
        let start = Instant::now();
        let later = stopper.clone();
        let stop = async move {
            tokio::time::sleep(Duration::from_secs(3)).await;
            if signals.1 {
                later.stop(2);
            }
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            ended = teardown.carry_out(&stopper) => ended,
            () = stop => unreachable!(),
        };
        (ended, start.elapsed().as_secs(), client.seen().len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_tear_down_has_limited_time_and_ends_by_a_signal_of_its_own() {
        let ended = Err("it did not end within 10s".to_owned());
        assert_eq!(torn_down(5, (None, false)).await, (Ok(()), 5, 3));
        assert_eq!(torn_down(60, (None, false)).await, (ended, 10, 2));
        // The signal that ended the load has been obeyed.
        assert_eq!(torn_down(5, (Some(2), false)).await, (Ok(()), 5, 3));
        let stopped = Err("it was stopped".to_owned());
        assert_eq!(torn_down(5, (None, true)).await, (stopped, 3, 2));
    }
}
