//! What a user lends the script, and takes back before it needs it.

use super::Values;
use crate::script::{ScriptError, ScriptLoan, ScriptUser};

impl Values {
    /// The user as its script knows it.
    ///
    /// # Errors
    /// The script cannot be started.
    pub(crate) fn script_user(&self) -> Result<Option<ScriptUser>, ScriptError> {
        let plan = &self.feeding.plan;
        let user = |script| ScriptUser::new(script, self.number + 1, &plan.names);
        plan.script.as_ref().map(user).transpose()
    }

    /// The number of the iteration, from 1; 0 before the first one.
    pub(crate) fn iteration(&self) -> u64 {
        self.iteration
    }

    /// Lends the script the variables and the random numbers. Until they are taken back, nothing can be filled in.
    pub(crate) fn lend(&mut self, user: &ScriptUser) {
        user.lend(ScriptLoan {
            variables: std::mem::take(&mut self.variables),
            rng: self.rng.clone(),
        });
    }

    /// Takes back what was lent.
    pub(crate) fn take_back(&mut self, user: &ScriptUser) {
        if let Some(lent) = user.take_back() {
            self.variables = lent.variables;
            self.rng = lent.rng;
        }
    }
}
