//! The seconds of runs, and the numbers of the one that goes on: its journal, followed.
//!
//! They come from the journal whoever asks and whenever, so a page that was closed for a while has missed nothing. Not
//! here: runs that are over (`runs`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::numbers::{facts, generator, json_report, without_series};
use crate::error::Error;
use crate::grading::{Grading, Policy};
use crate::metrics::{
    FollowedSecond, LiveWindows, RecentSeconds, ResultFollower, RunDir, RunResult, SecondsFollower,
};
use crate::report::Report;

/// How many runs are followed at a time; the one that was asked for least recently goes.
const MAX_FOLLOWED: usize = 6;
/// A journal gets a line each second, however many ask.
const LOOK: Duration = Duration::from_millis(100);

/// The runs that are followed, the last one that was asked for at the end.
#[derive(Default)]
pub(crate) struct Live {
    followed: Mutex<Vec<(String, Arc<Followed>)>>,
}

/// A run. Its seconds do not wait for its numbers, which take longer to catch up with.
struct Followed {
    seconds: Mutex<FollowedSeconds>,
    numbers: Mutex<FollowedNumbers>,
}

struct FollowedSeconds {
    follower: SecondsFollower,
    known: Vec<Second>,
    looked_at: Option<Instant>,
}

struct FollowedNumbers {
    follower: ResultFollower,
    known: Option<Arc<LiveNumbers>>,
    looked_at: Option<Instant>,
}

/// A second of a run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Second {
    /// From the start of the load.
    pub second: u64,
    /// Virtual users, or in the open model, requests in flight.
    users: u32,
    /// That ended in this second.
    requests: u64,
    failures: u64,
    /// Arrivals that were dropped.
    dropped: u64,
    p95_ms: Option<f64>,
    /// Of the load generator.
    cpu_percent: Option<f64>,
}

/// The numbers of a run so far.
pub(crate) struct LiveNumbers {
    /// What is run.
    pub facts: Value,
    /// In the report's words.
    pub report: Value,
    pub generator: Value,
}

impl Live {
    fn of(&self, directory: &RunDir) -> Arc<Followed> {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = followed.iter().position(|(id, _)| id == directory.id());
        let one = match known {
            Some(at) => followed.remove(at),
            None => {
                let new = Followed {
                    seconds: Mutex::new(FollowedSeconds {
                        follower: SecondsFollower::new(directory.journal()),
                        known: Vec::new(),
                        looked_at: None,
                    }),
                    numbers: Mutex::new(FollowedNumbers {
                        follower: ResultFollower::new(directory.journal()),
                        known: None,
                        looked_at: None,
                    }),
                };
                (directory.id().to_owned(), Arc::new(new))
            }
        };
        let found = one.1.clone();
        followed.push(one);
        if followed.len() > MAX_FOLLOWED {
            followed.remove(0);
        }
        found
    }

    /// At most so many seconds, from this one on. Reads what has come since the last look, unless that was just now;
    /// of a run that `is_over` in any case, since nobody looks again.
    pub fn seconds(
        &self,
        directory: &RunDir,
        from: u64,
        most: usize,
        is_over: bool,
    ) -> Result<Vec<Second>, Error> {
        let followed = self.of(directory);
        let seconds = followed.seconds.lock();
        let mut seconds = seconds.unwrap_or_else(PoisonError::into_inner);
        if is_over || is_due(seconds.looked_at) {
            let new = seconds.follower.advance()?;
            seconds.known.extend(new.into_iter().map(Second::of));
            seconds.looked_at = Some(Instant::now());
        }
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let rest = seconds.known.get(from..).unwrap_or_default();
        Ok(rest.iter().take(most).cloned().collect())
    }

    /// The numbers so far, or all that there will be of a run that `is_over`; `None` before the load has started.
    pub fn numbers(
        &self,
        directory: &RunDir,
        is_over: bool,
    ) -> Result<Option<Arc<LiveNumbers>>, Error> {
        let followed = self.of(directory);
        let numbers = followed.numbers.lock();
        let mut numbers = numbers.unwrap_or_else(PoisonError::into_inner);
        match is_over {
            true if numbers.follower.finish()? => numbers.known = None,
            true => {}
            false => numbers.look()?,
        }
        if numbers.known.is_none() {
            let so_far = numbers.follower.result();
            numbers.known =
                so_far.map(|(so_far, windows)| Arc::new(LiveNumbers::of(so_far.clone(), windows)));
        }
        Ok(numbers.known.clone())
    }

    /// What `view` makes of the result so far and of the last seconds; `None` before the load has started.
    pub fn view<T>(
        &self,
        directory: &RunDir,
        view: impl FnOnce(&RunResult, &RecentSeconds) -> T,
    ) -> Result<Option<T>, Error> {
        let followed = self.of(directory);
        let numbers = followed.numbers.lock();
        let mut numbers = numbers.unwrap_or_else(PoisonError::into_inner);
        numbers.look()?;
        let follower = &numbers.follower;
        let so_far = follower.result();
        Ok(so_far.map(|(so_far, _)| view(so_far, follower.recent())))
    }
}

impl FollowedNumbers {
    /// Reads what has come since the last look, unless that was just now.
    fn look(&mut self) -> Result<(), Error> {
        if is_due(self.looked_at) {
            if self.follower.advance()? {
                self.known = None;
            }
            self.looked_at = Some(Instant::now());
        }
        Ok(())
    }
}

fn is_due(looked_at: Option<Instant>) -> bool {
    looked_at.is_none_or(|at| at.elapsed() >= LOOK)
}

impl Second {
    fn of(second: FollowedSecond) -> Self {
        Self {
            second: second.second,
            users: second.users,
            requests: second.successes + second.failures,
            failures: second.failures,
            dropped: second.dropped,
            p95_ms: second.p95_us.map(|us| us / 1e3),
            cpu_percent: second.cpu_share.map(|share| share * 100.0),
        }
    }
}

impl LiveNumbers {
    fn of(result: RunResult, windows: &LiveWindows) -> Self {
        let (facts, generator) = (facts(&result), generator(&result));
        let grading = Grading::so_far(&result, windows, &Policy::of_run(&result.run));
        let mut report = json_report(&Report::of_unfinished(result, grading));
        if let Some(fields) = report.as_object_mut() {
            // What only a whole run has:
            let of_whole_run = [
                "verdict",
                "grade",
                "health_score",
                "status",
                "reasons",
                "next_grade",
                "findings",
                "recommendations",
            ];
            fields.retain(|name, _| !of_whole_run.contains(&name.as_str()));
        }
        Self {
            facts,
            report: without_series(report),
            generator,
        }
    }
}
