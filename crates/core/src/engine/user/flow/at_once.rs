//! Requests of one user that are sent at once, each over its own connection.

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::Instant;

use crate::engine::user::User;
use crate::engine::user::exchange::Exchange;
use crate::engine::user::step_error::StepError;
use crate::engine::user::values::RenderError;
use crate::engine::user::worker_state::WorkerState;
use crate::plan::ListItem;
use crate::protocol::{Client, Request};

/// Most requests of a user at once.
const MAX_AT_ONCE: usize = 1_000;

impl<C: Client> User<C> {
    /// Takes all rows and renders all requests before it sends the first one, so that random values do
    /// not depend on which response comes first. If a row is missing, nothing is sent.
    pub(super) async fn parallel(
        &mut self,
        times: u32,
        requests: &[usize],
        due: &mut Option<Instant>,
    ) -> Result<(), StepError> {
        let state = self.state.clone();
        let due = due.take();
        if state.throttle.is_some()
            && let Some(first) = requests.first()
        {
            self.turns(*first, requests.len() * times as usize).await?;
        }
        for &index in requests {
            self.take_rows(index, due).await?;
        }
        let mut prepared = Vec::new();
        for _ in 0..times {
            for &index in requests {
                prepared.push(self.prepare(index, &state.plan.endpoints[index], due));
            }
        }
        self.send_at_once(&state, prepared, due).await
    }

    /// One request for each value of a list.
    pub(super) async fn parallel_each(
        &mut self,
        (over, variable): (&ListItem, usize),
        request: usize,
        due: &mut Option<Instant>,
    ) -> Result<(), StepError> {
        let state = self.state.clone();
        let due = due.take();
        let values = self.values.item(over).await;
        let values = values
            .and_then(list_of)
            .map_err(|error| self.failed(error))?;
        if state.throttle.is_some() {
            self.turns(request, values.len()).await?;
        }
        self.take_rows(request, due).await?;
        let mut prepared = Vec::new();
        for value in values {
            self.values.set(variable, value);
            prepared.push(self.prepare(request, &state.plan.endpoints[request], due));
        }
        self.send_at_once(&state, prepared, due).await
    }

    /// Sends requests at once; one that cannot be rendered was recorded.
    async fn send_at_once(
        &mut self,
        state: &WorkerState,
        prepared: Vec<Result<Request<'_>, StepError>>,
        due: Option<Instant>,
    ) -> Result<(), StepError> {
        let (mut requests, mut result) = (Vec::new(), Ok(()));
        for request in prepared {
            match request {
                Ok(request) => requests.push(request),
                Err(error) => result = result.and(Err(error)),
            }
        }
        self.widen(requests.len());
        let lanes = self.lanes.iter_mut();
        let sent = lanes.zip(requests).map(|(lane, request)| async move {
            let mut exchange = Exchange::start(state, &request, due);
            exchange.fetch(lane, &request).await;
            (exchange, request)
        });
        // The extracted values, and the first error, are in the order of the file.
        let exchanges = join_all(sent).await;
        // They waited for the same token, at the same time.
        let waits = exchanges
            .iter()
            .map(|(exchange, _)| exchange.in_flight.waited());
        self.clock.add(waits.min().unwrap_or_default());
        for (lane, (mut exchange, request)) in exchanges.into_iter().enumerate() {
            let judged = self.judge(request.endpoint, &request, &exchange);
            self.keep_failure(&self.lanes[lane], &request, &exchange, &judged);
            self.observe(request.endpoint, &mut exchange, &judged, false);
            result = result.and(exchange.settle(judged));
        }
        result
    }
}

/// The values to send a request for.
fn list_of(value: Value) -> Result<Vec<Value>, RenderError> {
    match value {
        Value::Array(values) if values.len() <= MAX_AT_ONCE => Ok(values),
        Value::Array(values) => Err(RenderError::from(format!(
            "`parallel` has {} values, but a user can send at most {MAX_AT_ONCE} requests at once",
            values.len()
        ))),
        other => Err(RenderError::from(format!(
            "`parallel` needs a list, and this is none: {other}"
        ))),
    }
}
