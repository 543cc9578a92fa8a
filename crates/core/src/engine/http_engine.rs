//! The engine with the HTTP client that a plan asks for.
//!
//! Here: which client that is. Whoever carries out plans need not know, and all that depends on the client is
//! compiled in this crate, for speed. Not here: the clients (`protocol`), or what is done with them (`engine`).

use std::ops::ControlFlow;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use tokio::sync::mpsc::UnboundedSender;

use super::{LifecycleUser, LoadControl, Stopper, TrialEvent, run, try_out};
use crate::error::Error;
use crate::metrics::{Ending, HealthSample, Tick};
use crate::plan::{ClientChoice, Plan};
use crate::protocol::Client;
use crate::protocol::http::{ConnectOptions, DirectClient, ReqwestClient, TracedClient};

/// What is called each second of a load: with the ticks of all workers for that second, in order, the health of the
/// load generator, and whether the load still goes on. If it breaks then, the load ends as if it was
/// [stopped](Stopper).
pub type EachSecond<'a> = dyn FnMut(Vec<Tick>, HealthSample, bool) -> ControlFlow<()> + 'a;

/// Makes a client for a plan whose relative URLs go to a base.
type NewClient<C> = fn(&Plan, &str, ConnectOptions) -> Result<C, Error>;

/// Carries out plans by HTTP.
#[derive(Debug, Clone)]
pub struct HttpEngine {
    client: ClientChoice,
    base: String,
    is_traced: bool,
}

/// What [`HttpEngine`] does with clients of whichever kind.
macro_rules! with_client {
    ($engine:expr, $new_client:ident => $done:expr) => {
        match $engine.client {
            _ if $engine.is_traced => {
                let $new_client = TracedClient::new;
                $done
            }
            ClientChoice::Reqwest => {
                let $new_client = ReqwestClient::new;
                $done
            }
            ClientChoice::Direct => {
                let $new_client = DirectClient::new;
                $done
            }
        }
    };
}

impl HttpEngine {
    /// With the client that `plan` asks for; its relative URLs go to `base`. Events have all that was sent and
    /// received if it `is_traced`, which takes time.
    pub fn new(plan: &Plan, base: &str, is_traced: bool) -> Self {
        Self {
            client: plan.transport.client,
            base: base.to_owned(),
            is_traced,
        }
    }

    /// Carries out the load of a plan, as [`run`] does.
    ///
    /// # Errors
    /// As those of [`run`].
    pub fn run<'a>(
        &'a self,
        plan: Arc<Plan>,
        stopper: &'a Stopper,
        control: &'a LoadControl,
        observer: Option<UnboundedSender<TrialEvent>>,
        each_second: &'a mut EachSecond<'_>,
    ) -> LocalBoxFuture<'a, Result<Ending, Error>> {
        with_client!(self, new_client => Box::pin(async move {
            let make_client = self.clients(&plan, new_client)?;
            run(plan, make_client, stopper, control, observer, each_second).await
        }))
    }

    /// The user of the plan that [`Plan::around_load`] makes.
    ///
    /// # Errors
    /// When a client cannot be created.
    pub fn lifecycle_user(&self, around: &Arc<Plan>) -> Result<LifecycleUser, Error> {
        with_client!(self, new_client => {
            let client = self.clients(around, new_client)?()?;
            Ok(LifecycleUser::new(around, client))
        })
    }

    /// Tries a plan, as [`try_out`] does; always traced.
    ///
    /// # Errors
    /// When a client cannot be created.
    pub fn try_out<'a>(
        &'a self,
        plan: &'a Arc<Plan>,
        on_event: &'a mut dyn FnMut(TrialEvent),
    ) -> LocalBoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let client = self.clients(plan, TracedClient::new)?()?;
            try_out(plan, client, on_event).await;
            Ok(())
        })
    }

    /// What makes the clients of one plan.
    fn clients<C: Client + 'static>(
        &self,
        plan: &Arc<Plan>,
        new_client: NewClient<C>,
    ) -> Result<impl Fn() -> Result<C, Error> + Clone + Send + 'static, Error> {
        let connect = ConnectOptions::new(plan, &self.base)?;
        let (plan, base) = (plan.clone(), self.base.clone());
        Ok(move || new_client(&plan, &base, connect.clone()))
    }
}
