//! Values that all users of the process share: counters and lists.
//!
//! Here: what they are, and their limits. Not here: how expressions call them (`expression`), or how they
//! are written in YAML (`scenario`).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// Most items of a list.
const MAX_ITEMS: usize = 100_000;
/// Most room for the items of a list, as JSON; bytes.
const MAX_BYTES: usize = 100_000_000;

/// What a shared value begins as, which says what kind it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SharedStart {
    /// A counter, with the number that it gives first.
    Counter(i64),
    /// A list of these items.
    List(Vec<Value>),
}

/// The shared values of one run, by their positions.
#[derive(Debug, Default)]
pub struct SharedValues(Vec<SharedValue>);

#[derive(Debug)]
struct SharedValue {
    name: String,
    start: SharedStart,
    state: Mutex<SharedState>,
}

#[derive(Debug)]
enum SharedState {
    /// The number that comes next.
    Counter(i64),
    List(SharedList),
}

#[derive(Debug, Default)]
struct SharedList {
    /// Each with its length as JSON; the oldest first.
    items: VecDeque<(Value, usize)>,
    bytes: usize,
    /// How many there was no room for.
    unkept: u64,
}

impl SharedList {
    fn push(&mut self, item: Value) {
        let bytes = item.to_string().len();
        if self.items.len() >= MAX_ITEMS || self.bytes + bytes > MAX_BYTES {
            self.unkept += 1;
            return;
        }
        self.bytes += bytes;
        self.items.push_back((item, bytes));
    }
}

impl SharedValues {
    /// These values, by name.
    pub fn new(starts: impl IntoIterator<Item = (String, SharedStart)>) -> Self {
        let values = starts.into_iter().map(|(name, start)| SharedValue {
            state: Mutex::new(match &start {
                SharedStart::Counter(first) => SharedState::Counter(*first),
                SharedStart::List(items) => {
                    let mut list = SharedList::default();
                    items.iter().for_each(|item| list.push(item.clone()));
                    SharedState::List(list)
                }
            }),
            name,
            start,
        });
        Self(values.collect())
    }

    /// The same values as they are at the beginning of a run.
    pub fn anew(&self) -> Self {
        Self::new(
            self.starts()
                .map(|(name, start)| (name.to_owned(), start.clone())),
        )
    }

    fn starts(&self) -> impl Iterator<Item = (&str, &SharedStart)> {
        self.0
            .iter()
            .map(|value| (value.name.as_str(), &value.start))
    }

    /// The position of the value of this name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|value| value.name == name)
    }

    fn state(&self, position: usize) -> Option<MutexGuard<'_, SharedState>> {
        let state = &self.0.get(position)?.state;
        // Nothing panics while it is locked.
        Some(state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn list<T>(&self, position: usize, use_it: impl FnOnce(&mut SharedList) -> T) -> Option<T> {
        match &mut *self.state(position)? {
            SharedState::List(list) => Some(use_it(list)),
            SharedState::Counter(_) => None,
        }
    }

    /// Counts up, and returns the number before that; `None` where it is no counter.
    pub fn next(&self, position: usize) -> Option<i64> {
        match &mut *self.state(position)? {
            SharedState::Counter(next) => {
                let number = *next;
                *next = next.wrapping_add(1);
                Some(number)
            }
            SharedState::List(_) => None,
        }
    }

    /// The number that came last, or before the first one that would come before it; `None` where it is no
    /// counter.
    pub fn last(&self, position: usize) -> Option<i64> {
        match &*self.state(position)? {
            SharedState::Counter(next) => Some(next.wrapping_sub(1)),
            SharedState::List(_) => None,
        }
    }

    /// Adds an item at the end of a list, unless the list is full, which is counted. Returns its length;
    /// `None` where it is no list.
    pub fn push(&self, position: usize, item: Value) -> Option<usize> {
        self.list(position, |list| {
            list.push(item);
            list.items.len()
        })
    }

    /// Takes the oldest item out of a list, null out of an empty one; `None` where it is no list.
    pub fn pop(&self, position: usize) -> Option<Value> {
        self.list(position, |list| match list.items.pop_front() {
            Some((item, bytes)) => {
                list.bytes -= bytes;
                item
            }
            None => Value::Null,
        })
    }

    /// A random item of a list, which stays there, null of an empty one; `None` where it is no list.
    pub fn pick(&self, position: usize, rng: &mut ChaCha12Rng) -> Option<Value> {
        self.list(position, |list| match list.items.len() {
            0 => Value::Null,
            length => list.items[rng.random_range(0..length)].0.clone(),
        })
    }

    /// How many items a list has; `None` where it is no list.
    pub fn length(&self, position: usize) -> Option<usize> {
        self.list(position, |list| list.items.len())
    }

    /// How many items there was no room for, by the names of the lists that were full.
    pub fn unkept(&self) -> BTreeMap<String, u64> {
        let lists = self.0.iter().enumerate().filter_map(|(position, value)| {
            let unkept = self.list(position, |list| list.unkept)?;
            (unkept > 0).then(|| (value.name.clone(), unkept))
        });
        lists.collect()
    }
}

impl Serialize for SharedValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.starts())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shared() -> SharedValues {
        SharedValues::new([
            ("orders".to_owned(), SharedStart::Counter(1000)),
            ("tokens".to_owned(), SharedStart::List(vec![json!("a")])),
        ])
    }

    #[test]
    fn a_list_gives_its_oldest_item_first() {
        let shared = shared();
        assert_eq!(shared.push(1, json!({"b": 2})), Some(2));
        let popped = [(); 3].map(|()| shared.pop(1).unwrap());
        assert_eq!(popped, [json!("a"), json!({"b": 2}), Value::Null]);
        assert_eq!((shared.length(1), shared.next(1)), (Some(0), None));
        let again = shared.anew();
        assert_eq!((again.length(1), again.pop(1)), (Some(1), Some(json!("a"))));
    }

    #[test]
    fn a_full_list_keeps_what_it_has_and_counts_the_rest() {
        let shared = shared();
        for number in 0..MAX_ITEMS + 2 {
            shared.push(1, number.into());
        }
        assert_eq!(shared.length(1), Some(MAX_ITEMS));
        assert_eq!(shared.unkept(), BTreeMap::from([("tokens".to_owned(), 3)]));
        assert_eq!(shared.pop(1), Some(json!("a")));
        let large = SharedValues::new([("texts".to_owned(), SharedStart::List(Vec::new()))]);
        for _ in 0..4 {
            large.push(0, "x".repeat(MAX_BYTES / 3).into());
        }
        assert_eq!(large.length(0), Some(2), "two quotes too many for three");
        large.pop(0);
        large.push(0, json!(1));
        assert_eq!(large.length(0), Some(2), "there is room again");
    }

    #[test]
    fn threads_never_get_the_same_number() {
        let shared = shared();
        let mut numbers: Vec<i64> = std::thread::scope(|scope| {
            let count = || (0..1000).filter_map(|_| shared.next(0)).collect::<Vec<_>>();
            let threads = [(); 4].map(|()| scope.spawn(count));
            let counted = threads.map(|thread| thread.join().unwrap());
            counted.concat()
        });
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(1000..5000));
        assert_eq!(shared.last(0), Some(4999));
    }
}
