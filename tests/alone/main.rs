//! Tests that need something for themselves, one after the other: the allocator, whose count they
//! read, or the machine, whose speed they need.
//!
//! All others are in `tests/it`, where they run side by side.

#[path = "../it/support/servers/calibrated.rs"]
#[allow(dead_code, reason = "the other tests and the benchmarks use the rest")]
mod calibrated;
mod rates;
mod scripted;
mod volume;

use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cap::Cap;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// Held by the test that runs.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // A failed test has nothing that the next one could find damaged.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
