//! A virtual user as its script knows it, and calls that wait for requests.
//!
//! No value of JavaScript is held while anything waits: what a call waits for is known by a number.

use std::rc::Rc;
use std::sync::Arc;

use rquickjs::{Object, Persistent, Value};
use tokio::sync::Notify;

use super::error::ScriptError;
use super::machine::{Argument, Machine};
use super::operation::Operation;
use super::response::ResponseData;
use super::shared::{CallEnd, ScriptLoan, Slot};
use super::source::Script;

/// A user. It has an object of its own, which its script can keep things in.
pub struct ScriptUser {
    object: Persistent<Object<'static>>,
    id: u64,
    wake: Rc<Notify>,
    machine: Rc<Machine>,
}

impl ScriptUser {
    /// The user with this number, from 1, who has variables of these names.
    ///
    /// # Errors
    /// The script cannot be started.
    pub fn new(script: &Arc<Script>, number: u64, names: &[String]) -> Result<Self, ScriptError> {
        let machine = script.machine()?;
        let shared = &machine.shared;
        if shared.variables.borrow().is_empty() {
            let positions = names.iter().cloned().zip(0..);
            shared.variables.borrow_mut().extend(positions);
        }
        let id = shared.add_user(number);
        let wake = shared
            .with(id, |slot| slot.wake.clone())
            .unwrap_or_default();
        let object = machine.within(|ctx| {
            let make = machine.prelude.user.clone().restore(ctx)?;
            Ok(Persistent::save(ctx, make.call::<_, Object>((id,))?))
        })?;
        Ok(Self {
            object,
            id,
            wake,
            machine,
        })
    }

    /// Begins to call the function of this name, and runs it until it waits.
    pub fn begin(&self, function: &str, iteration: u64) {
        self.with(|slot| {
            slot.iteration = iteration;
            slot.end = None;
            slot.unmet = None;
        });
        self.advance(|| {
            let function = self.machine.function(function)?;
            self.machine.within(|ctx| {
                let begin = self.machine.prelude.begin.clone().restore(ctx)?;
                let (object, function) =
                    (self.object.clone().restore(ctx)?, function.restore(ctx)?);
                begin.call::<_, Value>((object, self.id, function))?;
                while ctx.execute_pending_job() {}
                Ok(())
            })
        });
    }

    /// Ends a wait of the call, with its response where it was a request. Then the function goes on until it waits
    /// again.
    pub fn settle(&self, operation: u64, response: Option<Rc<ResponseData>>) {
        self.with(|slot| slot.outstanding.retain(|number| *number != operation));
        self.advance(|| {
            self.machine.within(|ctx| {
                let settle = self.machine.prelude.settle.clone().restore(ctx)?;
                let value = match response {
                    Some(response) => self.machine.response(ctx, response)?,
                    None => Value::new_undefined(ctx.clone()),
                };
                settle.call::<_, Value>((operation, value))?;
                while ctx.execute_pending_job() {}
                Ok(())
            })
        });
    }

    fn advance(&self, run: impl FnOnce() -> Result<(), ScriptError>) {
        let shared = &self.machine.shared;
        shared.current.set(self.id);
        let result = run();
        shared.current.set(0);
        if let Err(error) = result {
            self.with(|slot| slot.end = Some(CallEnd::Error(error)));
        }
    }

    /// Lends the script what it can read and change of the user.
    pub fn lend(&self, lent: ScriptLoan) {
        self.with(|slot| slot.lent = Some(lent));
    }

    /// Takes back what was lent.
    pub fn take_back(&self) -> Option<ScriptLoan> {
        self.with(|slot| slot.lent.take())?
    }

    /// What the call waits for, and was not taken before.
    pub fn take_operations(&self) -> Vec<Operation> {
        self.with(|slot| std::mem::take(&mut slot.operations))
            .unwrap_or_default()
    }

    /// How the call ended, if it has, and the first check that was not met.
    pub fn end(&self) -> Option<(CallEnd, Option<String>)> {
        self.with(|slot| Some((slot.end.clone()?, slot.unmet.clone())))?
    }

    /// Forgets what the call still waits for.
    pub fn forget(&self) {
        let numbers = self.with(|slot| {
            slot.operations.clear();
            std::mem::take(&mut slot.outstanding)
        });
        self.forget_operations(numbers.unwrap_or_default());
    }

    fn forget_operations(&self, numbers: Vec<u64>) {
        if numbers.is_empty() {
            return;
        }
        // Nothing of the script runs, so nothing can fail.
        let _ = self.machine.within(|ctx| {
            let forget = self.machine.prelude.forget.clone().restore(ctx)?;
            forget.call::<_, Value>((self.id, numbers)).map(drop)
        });
    }

    /// Returns when the script of another user has done something for this one.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    fn with<T>(&self, change: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        self.machine.shared.with(self.id, change)
    }
}

impl Drop for ScriptUser {
    fn drop(&mut self) {
        if let Some(slot) = self.machine.shared.remove_user(self.id) {
            self.forget_operations(slot.outstanding);
        }
    }
}

impl Operation {
    /// By which it is settled.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Script {
    /// The value of the function of this name, which draws from `rng`.
    ///
    /// # Errors
    /// Why it has none.
    pub fn call(
        self: &Arc<Self>,
        function: &str,
        arguments: &[Argument],
        rng: &mut rand_chacha::ChaCha12Rng,
    ) -> Result<serde_json::Value, ScriptError> {
        self.machine()?.call(function, arguments, rng)
    }
}

#[cfg(test)]
mod tests;
