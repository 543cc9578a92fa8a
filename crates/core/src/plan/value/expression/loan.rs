//! What the functions of an expression draw from: the random numbers and counters of the user whose
//! expression is evaluated.
//!
//! The library keeps functions for as long as the program runs, so they cannot borrow from a user. It
//! lends them its generator and its counters for the time of one evaluation instead.

use std::cell::RefCell;
use std::collections::BTreeMap;

use minijinja::{Error, ErrorKind};
use rand_chacha::ChaCha12Rng;

use crate::plan::value::scope::Scope;

thread_local! {
    /// That of the expression this thread evaluates.
    static CURRENT: RefCell<Option<Loan>> = const { RefCell::new(None) };
}

/// The random numbers and counters of one user.
pub(super) struct Loan {
    pub(super) rng: ChaCha12Rng,
    pub(super) counters: BTreeMap<String, u64>,
}

impl Loan {
    /// Lends those of `scope` to the functions that `evaluate` calls, and gives them back.
    pub(super) fn during<T>(scope: &mut Scope<'_>, evaluate: impl FnOnce() -> T) -> T {
        CURRENT.set(Some(Self {
            rng: scope.rng.clone(),
            counters: std::mem::take(scope.counters),
        }));
        let result = evaluate();
        if let Some(loan) = CURRENT.take() {
            *scope.rng = loan.rng;
            *scope.counters = loan.counters;
        }
        result
    }

    /// What `draw` takes from the current loan; `None` where there is none.
    pub(super) fn draw<T>(draw: impl FnOnce(&mut Self) -> T) -> Option<T> {
        CURRENT.with_borrow_mut(|loan| loan.as_mut().map(draw))
    }
}

/// What `take` draws from the user whose expression is evaluated.
pub(super) fn draw<T>(take: impl FnOnce(&mut Loan) -> T) -> Result<T, Error> {
    Loan::draw(take).ok_or_else(|| wrong("random numbers and counters are not available here"))
}

/// An error of a function, for people.
pub(super) fn wrong(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, why.into())
}
