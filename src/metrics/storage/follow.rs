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
use crate::metrics::{LiveWindows, Recent, RunResult};

/// Reads what has been added to a journal.
struct Growth {
    path: PathBuf,
    /// How far it has been read, in whole lines; bytes.
    read_bytes: u64,
    lines: usize,
}

impl Growth {
    /// Of the journal at this path, which may not exist yet.
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            read_bytes: 0,
            lines: 0,
        }
    }

    /// Hands over each new line with its number, from 1. There are none in a file that does not exist yet.
    fn read<L: DeserializeOwned>(
        &mut self,
        mut take: impl FnMut(L, usize) -> Result<(), String>,
    ) -> Result<(), Error> {
        let read_error = |source: io::Error| Error::Read {
            path: self.path.clone(),
            source,
        };
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
            taken.map_err(|why| Error::Unusable {
                path: self.path.clone(),
                kind: "journal",
                why,
            })?;
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
    /// When the file cannot be read or is damaged.
    pub fn advance(&mut self) -> Result<Vec<FollowedSecond>, Error> {
        let (mut seconds, next) = (Vec::new(), &mut self.next);
        self.growth.read(|line, _| {
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
        })?;
        Ok(seconds)
    }
}

/// The result of a run so far, without its seconds but the last ones.
pub struct ResultFollower {
    growth: Growth,
    assembly: Option<Assembly>,
    recent: Recent,
}

impl ResultFollower {
    /// Of the journal at this path, which may not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self {
            growth: Growth::new(path),
            assembly: None,
            recent: Recent::default(),
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
            if let Line::Commit(commit) = &line {
                recent.add(commit);
            }
            Assembly::take(assembly, line, number)?;
            if let Some(assembly) = assembly.as_mut().filter(|_| number == 1) {
                assembly.forget_timeline();
            }
            Ok(())
        })?;
        Ok(self.growth.lines > before)
    }

    /// The result so far, and the worst windows, which cannot be told from it; `None` before the load has started.
    pub fn result(&self) -> Option<(&RunResult, &LiveWindows)> {
        let assembly = self.assembly.as_ref()?;
        Some((assembly.so_far(), assembly.windows()?))
    }

    /// What the run did of late.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{
        Commit, Fold, JournalWriter, Outcome, RunInfo, Tick, Window, fixture, recover,
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
