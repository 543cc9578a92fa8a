//! A user's rows of data, taken before what needs them is sent.
//!
//! Here: what happens to a request whose row is missing or has to be waited for. Not here: which row a
//! user takes (`values`).

use std::rc::Rc;

use tokio::time::Instant;

use super::User;
use super::step_error::StepError;
use super::values::feeding::used_by;
use super::worker_state::WorkerState;
use crate::metrics::{Outcome, Sample};
use crate::plan::{Condition, Endpoint};
use crate::protocol::Client;
use crate::units::as_us;

/// An arrival whose user waits for a row. If the run ends before the row is there, it is recorded as
/// dropped when its value goes away: no arrival is lost.
struct WaitingArrival {
    state: Rc<WorkerState>,
    endpoint: usize,
    /// `None` once the row is there.
    due: Option<Instant>,
}

impl Drop for WaitingArrival {
    fn drop(&mut self) {
        let Some(due) = self.due else { return };
        let state = &self.state;
        let intended_us = as_us(due.saturating_duration_since(state.epoch));
        state.recorder.dropped();
        state.recorder.dropped_late(state.is_measured(intended_us));
        // The compiler of scenarios allows no more endpoints than fit.
        let sample = Sample::new(self.endpoint as u16, Outcome::Dropped, intended_us);
        let text = "the load generator was late: its data file was not read in time".to_owned();
        state.recorder.record(sample, Some(text.into()));
    }
}

impl<C: Client> User<C> {
    /// Takes the rows that the request of the endpoint at `index` needs. One without its row is
    /// recorded, and is not sent.
    pub(super) async fn take_rows(
        &mut self,
        index: usize,
        intended: Option<Instant>,
    ) -> Result<(), StepError> {
        if self.state.feeding.data_of_endpoint(index).is_empty() {
            return Ok(());
        }
        let feeding = self.state.feeding.clone();
        self.take_rows_of(feeding.data_of_endpoint(index), index, intended)
            .await
    }

    /// The same for a poll, which needs further rows for its conditions.
    pub(super) async fn take_rows_of_poll(
        &mut self,
        index: usize,
        until: &Endpoint,
        intended: Option<Instant>,
    ) -> Result<(), StepError> {
        let data = self.values.data_of(used_by(until));
        self.take_rows_of(&data, index, intended).await
    }

    async fn take_rows_of(
        &mut self,
        data: &[usize],
        index: usize,
        intended: Option<Instant>,
    ) -> Result<(), StepError> {
        if data.is_empty() {
            return Ok(());
        }
        let mut waiting = WaitingArrival {
            state: self.state.clone(),
            endpoint: index,
            due: intended,
        };
        let taken = self.values.take_rows(data).await;
        waiting.due = None;
        taken.map_err(|error| {
            self.requests += 1;
            self.leave_out(index, intended, error)
        })
    }

    /// Whether a condition holds now, with the rows that it uses.
    pub(super) async fn holds(&mut self, condition: &Condition) -> Result<bool, StepError> {
        let data = self.values.data_of(condition.variables());
        let held = match self.values.take_rows(&data).await {
            Ok(()) => self.values.holds(condition),
            Err(error) => Err(error),
        };
        held.map_err(|error| {
            self.end_for(error.end);
            StepError::of_condition(error.outcome, self.values.excerpt(&error.text))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::metrics::Recorder;
    use crate::plan::Model;
    use crate::plan::fixture::{load, plan};

    #[tokio::test(start_paused = true)]
    async fn an_arrival_that_waits_for_its_row_when_the_run_ends_is_dropped() {
        let plan = plan(load(Model::Open { max_users: 1 }, &[(1.0, 0.0, 1.0)]), &[1]);
        let recorder = Rc::new(Recorder::default());
        let epoch = Instant::now();
        let state = Rc::new(WorkerState::new(Arc::new(plan), recorder, epoch));
        let waiting = |due| WaitingArrival {
            state: state.clone(),
            endpoint: 0,
            due,
        };
        // The row is there, or no schedule says when the request was due.
        drop(waiting(None));
        assert_eq!(state.recorder.take().totals.planned, 0);
        drop(waiting(Some(epoch + Duration::from_millis(300))));
        let tick = state.recorder.take();
        assert_eq!((tick.totals.planned, tick.totals.started), (1, 0));
        let sample = &tick.samples[0];
        assert_eq!(
            (sample.outcome, sample.intended_us),
            (Outcome::Dropped, 300_000)
        );
        assert!(tick.examples[0].texts.text.contains("data file"));
    }
}
