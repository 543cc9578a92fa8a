//! Data files: rows of CSV and JSON lines, and which user gets which row.
//!
//! Here: the resolved feeders, and the pure rule that assigns rows to users. Not here: reading and
//! checking a file before the run (`scenario`), or when a user takes a row (`engine`).

mod array;
mod records;
mod rows;
mod separator;
#[cfg(test)]
mod slow;
mod text;

use serde::{Deserialize, Serialize};

pub use records::DataError;
pub use rows::{DataFormat, Row, Rows};
pub use separator::separator_name;

/// A file whose rows users take.
#[derive(Debug, Clone, Serialize)]
pub struct Feeder {
    /// The name in `{{ name.column }}`.
    pub name: String,
    /// The file, as written in the scenario.
    pub file: String,
    /// The order of the rows.
    pub mode: RowOrder,
    /// When a user takes a row.
    pub per: Per,
    /// What happens when there are no more rows.
    pub on_end: OnEnd,
    /// The used columns: position in the row, and position of the variable in the names of the plan. The
    /// position behind the last column is the whole row, as an object.
    #[serde(skip)]
    pub columns: Vec<(usize, usize)>,
    /// The rows.
    #[serde(skip)]
    pub rows: Rows,
}

/// The order in which rows are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOrder {
    /// The order of the file.
    Sequential,
    /// A random row each time.
    Random,
    /// Each row once, in an order that the seed decides; then again in another order.
    Shuffle,
    /// The order of the file, and no two users ever get the same row.
    Unique,
}

/// When a user takes a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// In each iteration that uses one, before the first request that does.
    Iteration,
    /// Once.
    User,
}

/// What happens when a user needs a row and there are no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnEnd {
    /// The rows start again: all of them, or with [`RowOrder::Unique`] those of the user.
    Wrap,
    /// The user ends.
    StopUser,
    /// The run ends.
    StopRun,
}

/// The turn at which a row is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// How often this user took one before.
    pub taken: u64,
    /// The user's number, from 0.
    pub user: u64,
    /// How many users there are, at least 1.
    pub users: u64,
}

impl Feeder {
    /// The row to take at this turn; `None` if there are no more. It depends on nothing else, so that
    /// users need not coordinate, and a seed gives the same rows on any number of workers: rows are
    /// assigned to users round-robin. Only [`RowOrder::Random`] uses `random`, which returns a random
    /// number below its argument.
    pub fn row(&self, turn: Turn, seed: u64, random: impl FnOnce(u64) -> u64) -> Option<u64> {
        let rows = self.rows.count();
        let number = turn
            .taken
            .saturating_mul(turn.users)
            .saturating_add(turn.user);
        let wraps = self.on_end == OnEnd::Wrap;
        match self.mode {
            _ if rows == 0 => None,
            RowOrder::Random => Some(random(rows)),
            _ if number < rows || (wraps && self.mode != RowOrder::Unique) => {
                Some(match self.mode {
                    RowOrder::Shuffle => {
                        shuffled(number % rows, rows, mix(seed ^ mix(number / rows)))
                    }
                    _ => number % rows,
                })
            }
            RowOrder::Unique if wraps && turn.user < rows => {
                let own = (rows - turn.user).div_ceil(turn.users);
                Some(turn.user + turn.users * (turn.taken % own))
            }
            _ => None,
        }
    }
}

/// The new position of `position` when `count` positions are shuffled: a permutation that needs no
/// memory. Four Feistel rounds over the next larger power of four, walked until the result is
/// below `count` (J. Black, P. Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002).
fn shuffled(position: u64, count: u64, key: u64) -> u64 {
    let bits = (u64::BITS - (count - 1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1 << bits) - 1;
    let mut value = position;
    loop {
        let (mut left, mut right) = (value >> bits, value & mask);
        for round in 0..4 {
            let scrambled = mix(right ^ mix(key.wrapping_add(round))) & mask;
            (left, right) = (right, left ^ scrambled);
        }
        value = left << bits | right;
        if value < count {
            return value;
        }
    }
}

/// Scatters the bits of a number (the finalizer of SplitMix64).
pub(crate) fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    fn feeder(mode: RowOrder, on_end: OnEnd, rows: u64) -> Feeder {
        let lines: String = (0..rows).map(|i| format!("{i}\n")).collect();
        Feeder {
            name: "x".into(),
            file: "x.csv".into(),
            mode,
            per: Per::Iteration,
            on_end,
            columns: vec![(0, 0)],
            rows: Rows::of_text(DataFormat::Csv, &lines),
        }
    }

    fn assigned(feeder: &Feeder, users: u64, turns: u64) -> Vec<Vec<Option<u64>>> {
        let row = |user, taken| feeder.row(Turn { taken, user, users }, 42, |count| count / 2);
        let of_user = |user| (0..turns).map(|taken| row(user, taken)).collect();
        (0..users).map(of_user).collect()
    }

    #[test]
    fn rows_are_assigned_round_robin() {
        let sequential = feeder(RowOrder::Sequential, OnEnd::Wrap, 5);
        assert_eq!(
            assigned(&sequential, 2, 3),
            [[Some(0), Some(2), Some(4)], [Some(1), Some(3), Some(0)]]
        );
        let unique = feeder(RowOrder::Unique, OnEnd::StopUser, 5);
        assert_eq!(
            assigned(&unique, 2, 3),
            [[Some(0), Some(2), Some(4)], [Some(1), Some(3), None]]
        );
        let own = feeder(RowOrder::Unique, OnEnd::Wrap, 5);
        assert_eq!(
            assigned(&own, 2, 4)[1],
            [Some(1), Some(3), Some(1), Some(3)]
        );
        let random = feeder(RowOrder::Random, OnEnd::Wrap, 5);
        assert_eq!(assigned(&random, 1, 2), [[Some(2), Some(2)]]);
        assert_eq!(
            assigned(&feeder(RowOrder::Random, OnEnd::Wrap, 0), 1, 1),
            [[None]]
        );
    }

    proptest! {
        #[test]
        fn a_shuffle_gives_each_row_once_per_round(rows in 1u64..300, seed in any::<u64>()) {
            let feeder = feeder(RowOrder::Shuffle, OnEnd::Wrap, rows);
            for round in 0..3 {
                let turn = |taken| Turn { taken, user: 0, users: 1 };
                let round: BTreeSet<u64> = (round * rows..(round + 1) * rows)
                    .filter_map(|taken| feeder.row(turn(taken), seed, |_| 0))
                    .collect();
                prop_assert_eq!(round, (0..rows).collect::<BTreeSet<u64>>());
            }
        }

        #[test]
        fn no_two_users_share_a_unique_row(rows in 1u64..200, users in 1u64..50, wrap: bool) {
            let on_end = if wrap { OnEnd::Wrap } else { OnEnd::StopRun };
            let feeder = feeder(RowOrder::Unique, on_end, rows);
            let mut owner = std::collections::BTreeMap::new();
            for (user, rows) in assigned(&feeder, users, 12).into_iter().enumerate() {
                for row in rows.into_iter().flatten() {
                    prop_assert_eq!(*owner.entry(row).or_insert(user), user);
                }
            }
        }
    }

    #[test]
    fn rounds_and_seeds_shuffle_differently() {
        let feeder = feeder(RowOrder::Shuffle, OnEnd::Wrap, 50);
        let order = |from: u64, seed| -> Vec<Option<u64>> {
            let turn = |taken| Turn {
                taken,
                user: 0,
                users: 1,
            };
            (from..from + 50)
                .map(|taken| feeder.row(turn(taken), seed, |_| 0))
                .collect()
        };
        assert_ne!(order(0, 1), order(50, 1));
        assert_ne!(order(0, 1), order(0, 2));
        assert_eq!(order(0, 1), order(0, 1));
    }
}
