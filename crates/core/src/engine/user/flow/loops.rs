//! Steps that a user carries out several times.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::engine::user::User;
use crate::engine::user::step_error::StepError;
use crate::engine::user::values::RenderError;
use crate::plan::{Condition, Step};
use crate::protocol::Client;

/// Most repetitions of a number that is computed.
const MAX_REPETITIONS: u64 = 1_000_000;

/// What a loop waits after a repetition that sends nothing and takes no time. Otherwise it would do nothing
/// else, a million times a second.
const PAUSE: Duration = Duration::from_millis(10);

impl<C: Client> User<C> {
    /// Carries out a loop; nothing for any other step.
    pub(super) async fn repeated(
        &mut self,
        step: &Step,
        due: &mut Option<Instant>,
        goes_on: bool,
    ) -> Result<(), StepError> {
        let mut result = Ok(());
        match step {
            Step::Repeat {
                times,
                variable,
                condition,
                steps,
            } => {
                for number in 1..=*times {
                    if let Some(variable) = variable {
                        self.values.set(*variable, number.into());
                    }
                    let again = (condition.as_ref(), steps.as_slice());
                    if !self.repetition(again, due, goes_on, &mut result).await? {
                        break;
                    }
                }
            }
            Step::Each {
                variable,
                values,
                condition,
                steps,
            } => {
                for value in values {
                    let value = self.values.item(value).await;
                    let value = value.map_err(|error| self.failed(error))?;
                    self.values.set(*variable, value);
                    let again = (condition.as_ref(), steps.as_slice());
                    if !self.repetition(again, due, goes_on, &mut result).await? {
                        break;
                    }
                }
            }
            Step::RepeatBy {
                over,
                variable,
                condition,
                steps,
            } => {
                let over = self.values.item(over).await;
                let turns = over.and_then(turns).map_err(|error| self.failed(error))?;
                for value in turns {
                    // A loop without requests must not keep the other users from running.
                    tokio::task::consume_budget().await;
                    self.values.set(*variable, value);
                    let again = (condition.as_ref(), steps.as_slice());
                    if !self.repetition(again, due, goes_on, &mut result).await? {
                        break;
                    }
                }
            }
            Step::During {
                time,
                variable,
                condition,
                steps,
            } => {
                let begun = Instant::now();
                let mut number = 0u64;
                while number == 0 || begun.elapsed() < *time {
                    number += 1;
                    if let Some(variable) = variable {
                        self.values.set(*variable, number.into());
                    }
                    let (before, started) = (self.requests, Instant::now());
                    let again = (condition.as_ref(), steps.as_slice());
                    if !self.repetition(again, due, goes_on, &mut result).await? {
                        break;
                    }
                    // Without think times, a trial would send requests for all that time.
                    if self.state.is_trial {
                        break;
                    }
                    if self.requests == before && started.elapsed() < PAUSE {
                        self.clock.start();
                        sleep(PAUSE).await;
                        self.clock.stop();
                    }
                }
            }
            _ => {}
        }
        result
    }

    /// Runs `steps` once more, if `condition` holds. Returns whether there may be another repetition.
    async fn repetition(
        &mut self,
        (condition, steps): (Option<&Condition>, &[Step]),
        due: &mut Option<Instant>,
        goes_on: bool,
        result: &mut Result<(), StepError>,
    ) -> Result<bool, StepError> {
        if !self.repeats(condition).await? {
            return Ok(false);
        }
        let ended = self.steps(steps, due, goes_on).await;
        if result.is_ok() {
            *result = ended;
        }
        Ok(!self.is_over(result, goes_on))
    }

    /// Whether the steps run once more.
    async fn repeats(&mut self, condition: Option<&Condition>) -> Result<bool, StepError> {
        match condition {
            Some(condition) => self.holds(condition).await,
            None => Ok(true),
        }
    }
}

/// The values of the variable of a loop, one for each repetition.
fn turns(over: Value) -> Result<Box<dyn Iterator<Item = Value>>, RenderError> {
    let times = match &over {
        Value::Array(_) => None,
        Value::Number(number) if number.is_f64() => number
            .as_f64()
            .filter(|number| {
                number.fract() == 0.0 && (0.0..=MAX_REPETITIONS as f64).contains(number)
            })
            .map(|number| number as u64),
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match (over, times) {
        (Value::Array(values), _) => Ok(Box::new(values.into_iter())),
        (_, Some(times)) if times <= MAX_REPETITIONS => Ok(Box::new((1..=times).map(Value::from))),
        (other, _) => Err(RenderError::from(format!(
            "`repeat` needs a whole number from 0 to {MAX_REPETITIONS} or a list, and this is none: {other}"
        ))),
    }
}
