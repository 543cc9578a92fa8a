//! What the engine of a script and the functions that it gives to scripts share: users, random numbers, variables.
//!
//! Not here: values of JavaScript, which must go away before the engine does (`machine`, `user`).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde_json::Value;
use tokio::sync::Notify;

use super::budget::Budget;
use super::error::ScriptError;
use super::operation::Operation;

/// Most lines that `console` keeps until they are shown.
const MAX_LINES: usize = 100;
/// Longest line that `console` keeps; characters.
const MAX_LINE: usize = 500;

thread_local! {
    /// What `console` was told on this thread; `None` where nobody listens.
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Whether anybody listens to `console` on this thread.
pub(super) fn is_heard() -> bool {
    LINES.with_borrow(Option::is_some)
}

/// Lets `console` be heard on this thread, or not.
pub fn listen(listens: bool) {
    let is_heard = is_heard();
    if is_heard != listens {
        LINES.set(listens.then(Vec::new));
    }
}

/// Keeps a line of `console`.
pub(super) fn log(text: &str) {
    LINES.with_borrow_mut(|lines| {
        let Some(lines) = lines else { return };
        match lines.len() {
            0..MAX_LINES => lines.push(text.chars().take(MAX_LINE).collect()),
            MAX_LINES => lines.push("(more lines are left out)".to_owned()),
            _ => {}
        }
    });
}

/// The lines that `console` was told on this thread since the last call.
pub fn take_lines() -> Vec<String> {
    LINES.with_borrow_mut(|lines| lines.as_mut().map(std::mem::take).unwrap_or_default())
}

/// What a user lends its script, as long as perfctl does not need it.
#[derive(Debug)]
pub struct ScriptLoan {
    /// The variables, in the order of their names.
    pub variables: Vec<Option<Value>>,
    /// The random numbers.
    pub rng: ChaCha12Rng,
}

/// How the call of an asynchronous function ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEnd {
    /// As it should.
    Done,
    /// By `user.fail` with this text.
    Failed(String),
    /// By `user.stop`.
    Stopped(ScriptStop),
    /// By an error.
    Error(ScriptError),
}

/// What a script ends by `user.stop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptStop {
    /// The flow.
    Flow,
    /// The user.
    User,
    /// The run.
    Run,
}

/// A user, as far as its script knows it.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) number: u64,
    pub(super) iteration: u64,
    pub(super) lent: Option<ScriptLoan>,
    /// What the script waits for, and nobody has taken yet.
    pub(super) operations: Vec<Operation>,
    /// The numbers of all it waits for.
    pub(super) outstanding: Vec<u64>,
    /// The names of the checks that were not met.
    pub(super) unmet: Option<String>,
    pub(super) end: Option<CallEnd>,
    /// Told when the script of another user does something for this one.
    pub(super) wake: Rc<Notify>,
}

/// What the engine and its functions share.
#[derive(Debug)]
pub(super) struct ScriptState {
    pub(super) budget: Budget,
    slots: RefCell<HashMap<u64, Slot>>,
    last: Cell<u64>,
    /// The user whose script runs; 0 for none.
    pub(super) current: Cell<u64>,
    /// Random numbers of the user whose expression is evaluated, or of the script itself.
    pub(super) rng: RefCell<ChaCha12Rng>,
    /// The positions of the variables.
    pub(super) variables: RefCell<HashMap<String, usize>>,
}

impl ScriptState {
    pub(super) fn new(budget: Budget) -> Self {
        Self {
            budget,
            slots: RefCell::default(),
            last: Cell::new(0),
            current: Cell::new(0),
            // What a script draws while it is loaded is the same in each worker.
            rng: RefCell::new(ChaCha12Rng::seed_from_u64(0)),
            variables: RefCell::default(),
        }
    }

    /// A slot for the user with this number, from 1.
    pub(super) fn add_user(&self, number: u64) -> u64 {
        let id = self.last.get() + 1;
        self.last.set(id);
        let slot = Slot {
            number,
            ..Slot::default()
        };
        self.slots.borrow_mut().insert(id, slot);
        id
    }

    pub(super) fn remove_user(&self, id: u64) -> Option<Slot> {
        self.slots.borrow_mut().remove(&id)
    }

    /// What `change` makes of the slot of a user; `None` if it has gone.
    pub(super) fn with<T>(&self, id: u64, change: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        self.slots.borrow_mut().get_mut(&id).map(change)
    }

    /// As [`Self::with`], for what wakes a user whose script does not run now.
    pub(super) fn tell<T>(&self, id: u64, change: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        let is_other = self.current.get() != id;
        self.with(id, |slot| {
            let result = change(slot);
            if is_other {
                slot.wake.notify_one();
            }
            result
        })
    }

    /// A random number from 0 to below 1, of this user, or of the one whose script runs.
    pub(super) fn random(&self, id: u64) -> f64 {
        self.draw(id, |rng| rng.random_range(0.0..1.0))
    }

    /// What `draw` makes of the random numbers of this user, or of the one whose script runs.
    pub(super) fn draw<T>(&self, id: u64, draw: impl Fn(&mut ChaCha12Rng) -> T) -> T {
        let id = if id == 0 { self.current.get() } else { id };
        let lent = self.with(id, |slot| {
            slot.lent.as_mut().map(|lent| draw(&mut lent.rng))
        });
        lent.flatten()
            .unwrap_or_else(|| draw(&mut self.rng.borrow_mut()))
    }
}
