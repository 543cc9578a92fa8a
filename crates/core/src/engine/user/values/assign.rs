//! Variables that the scenario sets: by steps, flows and endpoints, and as arguments of named steps.

use serde_json::Value;

use super::{RenderError, Values};
use crate::plan::Assignment;

impl Values {
    /// Sets variables one after the other. The rows that they use must have been taken.
    ///
    /// # Errors
    /// Why one of them has no value; those before it are set.
    pub(crate) fn assign(&mut self, assignments: &[Assignment]) -> Result<(), RenderError> {
        for one in assignments {
            let value = self.filled(&one.value)?;
            self.variables[one.variable] = Some(value);
        }
        Ok(())
    }

    /// Gives variables these values, and returns those they had.
    pub(crate) fn exchange(
        &mut self,
        assignments: &[Assignment],
        values: Vec<Option<Value>>,
    ) -> Vec<Option<Value>> {
        let pairs = assignments.iter().zip(values);
        let before =
            pairs.map(|(one, value)| std::mem::replace(&mut self.variables[one.variable], value));
        before.collect()
    }

    /// The values of the variables that were set, by name.
    pub(crate) fn assigned(&self, assignments: &[Assignment]) -> Vec<(String, Value)> {
        let names = &self.feeding.plan.names;
        let values = assignments.iter().filter_map(|one| {
            let value = self.variables[one.variable].clone()?;
            Some((names[one.variable].clone(), value))
        });
        values.collect()
    }
}
