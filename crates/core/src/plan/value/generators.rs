//! Values that come from nowhere but the user's counters, its random numbers, or the clock: shared by
//! plain slots and by the functions of expressions.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::Rng;
use rand_chacha::ChaCha12Rng;

/// The next value of a counter, from 1.
pub(super) fn count(counters: &mut BTreeMap<String, u64>, name: &str) -> u64 {
    // Looked up first, so that a name is copied only once.
    match counters.get_mut(name) {
        Some(count) => {
            *count += 1;
            *count
        }
        None => {
            counters.insert(name.to_owned(), 1);
            1
        }
    }
}

/// A random UUID, version 4.
pub(super) fn uuid(rng: &mut ChaCha12Rng) -> uuid::Uuid {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// The time since 1970-01-01 UTC.
pub(super) fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
