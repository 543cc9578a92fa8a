//! The journal of a run that goes on, read as it grows.
//!
//! Here: its seconds, for which most of a line need not be read, and the result so far, by the same sums as that of the whole
//! run. Not here: the result of a whole run (`journal`). What is held does not grow with the endpoints of each second.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Seek, SeekFrom};
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::assembly::{Assembly, Line};
use crate::error::Error;
use crate::metrics::{LiveWindows, RecentSeconds, RunResult};

/// Reads what has been added to a journal.
struct Growth {
    path: PathBuf,
    /// How far it has been read, in whole lines; bytes.
    read_bytes: u64,
    lines: usize,
    /// Why the line after them cannot be used, if it cannot: then it is not looked at again.
    damage: Option<String>,
}

impl Growth {
    /// Of the journal at this path, which may not exist yet.
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            read_bytes: 0,
            lines: 0,
            damage: None,
        }
    }

    /// Hands over each new line with its number, from 1, up to one that is damaged. There are none in a file that does not exist yet.
    fn read<L: DeserializeOwned>(
        &mut self,
        mut take: impl FnMut(L, usize) -> Result<(), String>,
    ) -> Result<(), Error> {
        let read_error = |source: io::Error| Error::Read {
            path: self.path.clone(),
            source,
        };
        let damaged = |why: &String| Error::Unusable {
            path: self.path.clone(),
            kind: "journal",
            why: why.clone(),
        };
        if let Some(why) = &self.damage {
            return Err(damaged(why));
        }
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            file => file.map_err(read_error)?,
        };
        file.seek(SeekFrom::Start(self.read_bytes))
            .map_err(read_error)?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut text = Vec::new();
        loop {
            text.clear();
            let length = reader.read_until(b'\n', &mut text).map_err(read_error)?;
            // The rest of a line comes with the next look.
            if !text.ends_with(b"\n") {
                return Ok(());
            }
            let number = self.lines + 1;
            let line = serde_json::from_slice(&text);
            let taken = line
                .map_err(|error| format!("line {number}: {error}"))
                .and_then(|line| take(line, number));
            if let Err(why) = taken {
                return Err(damaged(self.damage.insert(why)));
            }
            self.read_bytes += length as u64;
            self.lines = number;
        }
    }
}

/// What ended in a second of the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FollowedSecond {
    /// Whole seconds from the start of the load.
    pub second: u64,
    /// Virtual users running, or requests in flight.
    pub users: u32,
    /// Requests that succeeded.
    pub successes: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Arrivals that were dropped.
    pub dropped: u64,
    /// p95 of their response times, with time-outs at their age; us.
    pub p95_us: Option<f64>,
    /// CPU time of the load generator, as a share of what the cores offer.
    pub cpu_share: Option<f64>,
}

/// A line, as far as seconds need it.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ShortLine {
    Header(IgnoredAny),
    Commit(ShortCommit),
    Observation(IgnoredAny),
    End(IgnoredAny),
}

#[derive(Deserialize)]
struct ShortCommit {
    users: u32,
    successes: u64,
    failures: u64,
    dropped: u64,
    #[serde(default)]
    p95_us: Option<f64>,
    #[serde(default)]
    health: Option<ShortHealth>,
}

#[derive(Deserialize)]
struct ShortHealth {
    cpu_share: f64,
}

/// The seconds of a run, as they come.
pub struct SecondsFollower {
    growth: Growth,
    next: u64,
}

impl SecondsFollower {
    /// Of the journal at this path, which may not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self {
            growth: Growth::new(path),
            next: 0,
        }
    }

    /// The seconds that have been added.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged, and no second comes before that.
    pub fn advance(&mut self) -> Result<Vec<FollowedSecond>, Error> {
        let (mut seconds, next) = (Vec::new(), &mut self.next);
        let read = self.growth.read(|line, _| {
            if let ShortLine::Commit(commit) = line {
                seconds.push(FollowedSecond {
                    second: *next,
                    users: commit.users,
                    successes: commit.successes,
                    failures: commit.failures,
                    dropped: commit.dropped,
                    p95_us: commit.p95_us,
                    cpu_share: commit.health.map(|health| health.cpu_share),
                });
                *next += 1;
            }
            Ok(())
        });
        match seconds.is_empty() {
            true => read.map(|()| seconds),
            // The next look says what is wrong.
            false => Ok(seconds),
        }
    }
}

/// The result of a run so far, without its seconds but the last ones.
pub struct ResultFollower {
    growth: Growth,
    assembly: Option<Assembly>,
    recent: RecentSeconds,
    is_cut_off: bool,
}

impl ResultFollower {
    /// Of the journal at this path, which may not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self {
            growth: Growth::new(path),
            assembly: None,
            recent: RecentSeconds::default(),
            is_cut_off: false,
        }
    }

    /// Reads what has been added. Returns whether that was anything.
    ///
    /// # Errors
    /// When the file cannot be read, is of another version, or is damaged.
    pub fn advance(&mut self) -> Result<bool, Error> {
        let before = self.growth.lines;
        let (assembly, recent) = (&mut self.assembly, &mut self.recent);
        self.growth.read(|line: Line, number| {
            Assembly::check(assembly.as_ref(), &line, number)?;
            if let Line::Commit(commit) = &line {
                recent.add(commit);
            }
            Assembly::take(assembly, line);
            if let Some(assembly) = assembly.as_mut().filter(|_| number == 1) {
                assembly.forget_timeline();
            }
            Ok(())
        })?;
        Ok(self.growth.lines > before)
    }

    /// Reads what has been added to the journal of a run that does not go on, although no last line may say so. Returns
    /// whether that changed anything.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub fn finish(&mut self) -> Result<bool, Error> {
        if self.is_cut_off {
            return Ok(false);
        }
        self.advance()?;
        if let Some(assembly) = &mut self.assembly {
            assembly.cut_off();
        }
        self.is_cut_off = true;
        Ok(true)
    }

    /// The result so far, and the worst windows, which cannot be told from it; `None` before the load has started.
    pub fn result(&self) -> Option<(&RunResult, &LiveWindows)> {
        let assembly = self.assembly.as_ref()?;
        Some((assembly.so_far(), assembly.windows()?))
    }

    /// What the run did of late.
    pub fn recent(&self) -> &RecentSeconds {
        &self.recent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{
        Cell, Commit, CommitCell, Fold, JournalWriter, Outcome, RunInfo, Tick, Window, fixture,
        recover,
    };
    use crate::plan::{Metric, Phase};

    #[test]
    fn what_is_followed_has_the_numbers_of_the_result() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.jsonl");
        let mut seconds = SecondsFollower::new(path.clone());
        let mut follower = ResultFollower::new(path.clone());
        assert_eq!(seconds.advance().unwrap(), []);
        assert!(!follower.advance().unwrap() && follower.result().is_none());
        let run = fixture::run(&[("a", &[])]).run;
        let ending = run.ending.clone().unwrap();
        let mut slo = fixture::slo("error_rate", Metric::ErrorRate, 0.1);
        slo.window_s = Some(2);
        let run = RunInfo {
            ending: None,
            slos: vec![slo],
            ..run
        };
        let mut writer = JournalWriter::create(&path, &run).unwrap();
        let phases: Vec<Phase> = run.phases.clone();
        let mut fold = Fold::new(phases, vec![Vec::new()]);
        let mut seen = Vec::new();
        for second in 0..5 {
            let sample =
                |outcome, us| fixture::sample(0, outcome, 2_000_000 + second * 1_000_000, us);
            let tick = Tick {
                users: 7,
                samples: vec![
                    sample(Outcome::Ok, 100 * (second + 1)),
                    sample(Outcome::Ok, 300),
                    sample(Outcome::TimeoutBody, 900),
                ],
                ..Tick::default()
            };
            let (commit, _) = fold.fold(&mut [tick]);
            writer.commit(&commit);
            if second != 2 {
                seen.extend(seconds.advance().unwrap());
                assert!(follower.advance().unwrap());
            }
        }
        writer.end(ending);
        seen.extend(seconds.advance().unwrap());
        assert!(follower.advance().unwrap() && !follower.advance().unwrap());
        let numbers: Vec<u64> = seen.iter().map(|one| one.second).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        let one = seen[3];
        assert_eq!((one.users, one.successes, one.failures), (7, 2, 1));
        assert!(
            one.p95_us.is_some_and(|us| (890.0..910.0).contains(&us)),
            "{one:?}"
        );
        let whole = recover(&path).unwrap();
        let (followed, windows) = follower.result().unwrap();
        assert_eq!(followed.endpoints, whole.endpoints);
        assert_eq!(followed.run, whole.run);
        let requests = |run: &RunResult| run.summary(None, Window::Measured).requests;
        assert_eq!(requests(followed), requests(&whole));
        assert!(followed.timeline.is_empty());
        let slo = &whole.run.slos[0];
        let worst = whole.worst_window(&slo.metric, &slo.scope, 2);
        assert!(worst.is_some());
        assert_eq!(windows.worst(0), worst);
    }

    #[test]
    fn a_damaged_line_counts_for_nothing_however_often_it_is_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.jsonl");
        let run = RunInfo {
            ending: None,
            ..fixture::run(&[("a", &[])]).run
        };
        let mut writer = JournalWriter::create(&path, &run).unwrap();
        let of_endpoint = |endpoint| {
            let mut cell = Cell::default();
            cell.outcomes.insert(Outcome::Ok, 3);
            CommitCell {
                phase: 1,
                second: 0,
                endpoint,
                cell,
            }
        };
        writer.commit(&Commit {
            users: 1,
            cells: vec![of_endpoint(0)],
            ..Commit::default()
        });
        writer.commit(&Commit {
            users: 2,
            cells: vec![of_endpoint(0), of_endpoint(1)],
            ..Commit::default()
        });
        let mut follower = ResultFollower::new(path.clone());
        let whys = [0, 1, 2].map(|_| follower.advance().unwrap_err().to_string());
        assert!(
            whys[0].contains("line 3: it refers to an endpoint"),
            "{whys:?}"
        );
        assert!(whys.iter().all(|why| *why == whys[0]), "{whys:?}");
        let (result, _) = follower.result().unwrap();
        assert_eq!(result.users, [1]);
        assert_eq!(result.count(|_| true), 3);
        // The seconds before it are told first.
        let mut text = std::fs::read(&path).unwrap();
        text.extend(b"{\"commit\":7}\n");
        std::fs::write(&path, text).unwrap();
        let mut seconds = SecondsFollower::new(path);
        assert_eq!(seconds.advance().unwrap().len(), 2);
        assert!(seconds.advance().is_err() && seconds.advance().is_err());
    }

    #[test]
    fn a_load_that_has_ended_is_not_measured_on_although_its_run_was_killed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.jsonl");
        let mut slo = fixture::slo("throughput", Metric::Throughput, 1.0);
        slo.window_s = Some(2);
        let run = RunInfo {
            ending: None,
            slos: vec![slo.clone()],
            ..fixture::run(&[("a", &[])]).run
        };
        let start_us = run.phases[1].start_us;
        let mut writer = JournalWriter::create(&path, &run).unwrap();
        let mut fold = Fold::new(run.phases.clone(), vec![Vec::new()]);
        let stopped_at_us = start_us + 4_500_000;
        for second in 0..start_us / 1_000_000 + 9 {
            let due_us = second * 1_000_000;
            let is_loaded = due_us < stopped_at_us;
            let sample = fixture::sample(0, Outcome::Ok, due_us, 100);
            let tick = Tick {
                samples: Vec::from_iter(is_loaded.then_some(sample)),
                stopped_at_us: (stopped_at_us < due_us + 1_000_000).then_some(stopped_at_us),
                ..Tick::default()
            };
            writer.commit(&fold.fold(&mut [tick]).0);
        }
        let mut follower = ResultFollower::new(path.clone());
        assert!(follower.finish().unwrap() && !follower.finish().unwrap());
        let (followed, windows) = follower.result().unwrap();
        let whole = recover(&path).unwrap();
        for result in [followed, &whole] {
            assert_eq!(result.window_s(Window::Measured), 4.5);
        }
        let worst = whole.worst_window(&slo.metric, &slo.scope, 2);
        assert_eq!(worst.map(|worst| worst.value), Some(1.0));
        assert_eq!(windows.worst(0), worst);
    }

    #[test]
    fn a_line_that_is_not_whole_waits_for_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.jsonl");
        let run = fixture::run(&[("a", &[])]).run;
        let mut writer = JournalWriter::create(&path, &run).unwrap();
        writer.commit(&Commit::default());
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let mut follower = SecondsFollower::new(path.clone());
        assert_eq!(follower.advance().unwrap().len(), 0);
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(follower.advance().unwrap().len(), 1);
    }
}
