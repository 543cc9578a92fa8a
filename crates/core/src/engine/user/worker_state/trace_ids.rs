//! The ids of the traces of one worker's requests, which are those of no other request of any run.
//!
//! Not here: the form of an id, or which traces are sampled (`plan`).

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::plan::TraceContext;

/// Draws the ids of traces.
pub(crate) struct TraceIds(RefCell<ChaCha12Rng>);

impl Default for TraceIds {
    /// Not from the seed of the plan: what was sent in a run before is in the store of traces.
    fn default() -> Self {
        let mut seed = [0; 32];
        for part in seed.chunks_exact_mut(8) {
            // Each of these has keys of its own, from the system's source of random numbers.
            let number = RandomState::new().hash_one(());
            part.copy_from_slice(&number.to_le_bytes());
        }
        Self(RefCell::new(ChaCha12Rng::from_seed(seed)))
    }
}

impl TraceIds {
    /// A new trace.
    pub(crate) fn context(&self, is_sampled: bool) -> TraceContext {
        let mut rng = self.0.borrow_mut();
        TraceContext::new(rng.random(), rng.random(), is_sampled)
    }
}
