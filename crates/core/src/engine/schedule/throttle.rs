//! The ceiling on the requests per second of a closed load: when the turn of a request comes.
//!
//! Here: a pure schedule. Not here: who waits for a turn (`user`).

use std::cell::Cell;

/// The turns of the users of one worker, evenly spaced.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// From one turn to the next; ns.
    interval_ns: f64,
    /// When the next turn that nobody has taken comes, from the epoch; ns.
    next_ns: Cell<f64>,
}

impl Throttle {
    /// The share of worker `shard` of `shards` in this many requests per second. The turns of the workers
    /// lie between each other.
    pub(crate) fn new(rate_per_s: f64, (shard, shards): (usize, usize)) -> Self {
        let of_all_ns = 1e9 / rate_per_s;
        Self {
            interval_ns: of_all_ns * shards as f64,
            next_ns: Cell::new(of_all_ns * shard as f64),
        }
    }

    /// Takes this many turns in a row for requests that are ready at `now_ns`, and returns when the last of
    /// them comes. Turns that nobody took are not made up for.
    pub(crate) fn take(&self, now_ns: u64, count: usize) -> u64 {
        let first_ns = self.next_ns.get().max(now_ns as f64);
        let last_ns = first_ns + self.interval_ns * count.saturating_sub(1) as f64;
        self.next_ns.set(first_ns + self.interval_ns * count as f64);
        (last_ns as u64).max(now_ns)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_window_has_more_than_its_share_and_one(
            rate in 1.0..5_000.0f64,
            shards in 1usize..5,
            pauses_ns in prop::collection::vec(0u64..50_000_000, 1..300),
        ) {
            let mut turns_ns = Vec::new();
            for shard in 0..shards {
                let throttle = Throttle::new(rate, (shard, shards));
                let mut now_ns = 0;
                for pause_ns in &pauses_ns {
                    now_ns += pause_ns / (1 + shard as u64);
                    let turn_ns = throttle.take(now_ns, 1);
                    prop_assert!(turn_ns >= now_ns);
                    turns_ns.push(turn_ns);
                }
            }
            turns_ns.sort_unstable();
            for (first, start) in turns_ns.iter().enumerate() {
                for (last, end) in turns_ns.iter().enumerate().skip(first).step_by(17) {
                    let window_s = (end - start) as f64 / 1e9;
                    let most = rate * window_s + shards as f64 + 1e-3;
                    prop_assert!((last - first + 1) as f64 <= most, "{} in {window_s} s", last - first + 1);
                }
            }
        }
    }

    #[test]
    fn what_is_always_ready_has_the_whole_rate_and_workers_share_it() {
        let turns = |shard| {
            let throttle = Throttle::new(200.0, (shard, 2));
            [(); 3].map(|()| throttle.take(0, 1) / 1_000_000)
        };
        assert_eq!((turns(0), turns(1)), ([0, 10, 20], [5, 15, 25]));
        let throttle = Throttle::new(100.0, (0, 1));
        assert_eq!(throttle.take(0, 3), 20_000_000, "three at once");
        assert_eq!(throttle.take(0, 1), 30_000_000);
        assert_eq!(
            throttle.take(90_000_000, 1),
            90_000_000,
            "nothing is made up for"
        );
        assert_eq!(throttle.take(90_000_000, 1), 100_000_000);
    }
}
