//! The journal of a run that goes on, read as it grows.
//!
//! Here: what has been added since the last look, and the numbers so far, from the same lines and by the same sums as the
//! result. Not here: the result (`journal`). What is held does not grow with the endpoints of each second.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Seek, SeekFrom};
use std::path::PathBuf;

use super::assembly::{Assembly, Line};
use crate::error::Error;
use crate::metrics::{Commit, Histogram, RunInfo, RunResult};
use crate::plan::Percentile;

/// Follows a journal.
pub struct JournalFollower {
    path: PathBuf,
    /// How far it has been read, in whole lines; bytes.
    read_bytes: u64,
    lines: usize,
    assembly: Option<Assembly>,
}

/// What ended in a second of the run.
#[derive(Debug, Clone, PartialEq)]
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

impl JournalFollower {
    /// Follows the journal at this path, which may not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            read_bytes: 0,
            lines: 0,
            assembly: None,
        }
    }

    /// Reads what has been added, in whole lines.
    ///
    /// # Errors
    /// When the file cannot be read, is of another version, or is damaged.
    pub fn advance(&mut self) -> Result<Vec<FollowedSecond>, Error> {
        let read_error = |source: io::Error| Error::Read {
            path: self.path.clone(),
            source,
        };
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            file => file.map_err(read_error)?,
        };
        file.seek(SeekFrom::Start(self.read_bytes))
            .map_err(read_error)?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let (mut text, mut seconds) = (Vec::new(), Vec::new());
        loop {
            text.clear();
            let length = reader.read_until(b'\n', &mut text).map_err(read_error)?;
            // The rest of a line comes with the next look.
            if !text.ends_with(b"\n") {
                return Ok(seconds);
            }
            let number = self.lines + 1;
            let unusable = |why: String| Error::Unusable {
                path: self.path.clone(),
                kind: "journal",
                why,
            };
            let line: Line = serde_json::from_slice(&text)
                .map_err(|error| unusable(format!("line {number}: {error}")))?;
            if let (Line::Commit(commit), Some(assembly)) = (&line, &self.assembly) {
                seconds.push(second(assembly.seconds(), &assembly.run, commit));
            }
            Assembly::take(&mut self.assembly, line, number).map_err(unusable)?;
            if let Some(assembly) = self.assembly.as_mut().filter(|_| number == 1) {
                assembly.forget_timeline();
            }
            self.read_bytes += length as u64;
            self.lines = number;
        }
    }

    /// The result so far, without its seconds; `None` before the load has started.
    pub fn result(&self) -> Option<RunResult> {
        self.assembly.as_ref().map(Assembly::so_far)
    }

    /// What is run; `None` before the load has started.
    pub fn run(&self) -> Option<&RunInfo> {
        self.assembly.as_ref().map(|assembly| &assembly.run)
    }
}

fn second(second: u64, run: &RunInfo, commit: &Commit) -> FollowedSecond {
    // Rows of this second have not been added yet.
    let known = run.endpoints.len();
    let row = |position: usize| match position.checked_sub(known) {
        None => run.endpoints.get(position),
        Some(new) => commit.rows.get(new),
    };
    let is_request = |position| row(position).is_some_and(|row| !row.is_flow);
    let mut times = Histogram::default();
    for entry in &commit.cells {
        if is_request(entry.endpoint) {
            times.add(&entry.cell.response);
            times.add(&entry.cell.censored);
        }
    }
    FollowedSecond {
        second,
        users: commit.users,
        successes: commit.successes,
        failures: commit.failures,
        dropped: commit.dropped,
        p95_us: Percentile::new(95.0).and_then(|p95| times.percentile(p95)),
        cpu_share: commit.health.as_ref().map(|health| health.cpu_share),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{
        Cell, CommitCell, JournalWriter, Outcome, SparseHistogram, Window, fixture, recover,
    };

    #[test]
    fn what_is_followed_has_the_numbers_of_the_result() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.jsonl");
        let mut follower = JournalFollower::new(path.clone());
        assert_eq!(follower.advance().unwrap(), []);
        assert!(follower.run().is_none());
        let run = fixture::run(&[("a", &[])]).run;
        let ending = run.ending.clone().unwrap();
        let run = RunInfo {
            ending: None,
            ..run
        };
        let mut writer = JournalWriter::create(&path, &run).unwrap();
        let mut seen = Vec::new();
        for second in 0..5 {
            let cell = Cell {
                outcomes: [(Outcome::Ok, 2), (Outcome::Http5xx, 1)].into(),
                response: SparseHistogram::of(&mut [100 * (second + 1), 300]),
                ..Cell::default()
            };
            writer.commit(&Commit {
                users: 7,
                successes: 2,
                failures: 1,
                cells: vec![CommitCell {
                    phase: 1,
                    second,
                    endpoint: 0,
                    cell,
                }],
                ..Commit::default()
            });
            if second != 2 {
                seen.extend(follower.advance().unwrap());
            }
        }
        writer.end(ending);
        seen.extend(follower.advance().unwrap());
        let seconds: Vec<u64> = seen.iter().map(|one| one.second).collect();
        assert_eq!(seconds, [0, 1, 2, 3, 4]);
        assert_eq!((seen[3].users, seen[3].successes), (7, 2));
        assert!(seen[3].p95_us.unwrap() >= 400.0);
        let whole = recover(&path).unwrap();
        let followed = follower.result().unwrap();
        assert_eq!(followed.endpoints, whole.endpoints);
        assert_eq!(followed.run, whole.run);
        let requests = |run: &RunResult| run.summary(None, Window::Measured).requests;
        assert_eq!(requests(&followed), requests(&whole));
        assert!(followed.timeline.is_empty());
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
        let mut follower = JournalFollower::new(path.clone());
        assert_eq!(follower.advance().unwrap().len(), 0);
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(follower.advance().unwrap().len(), 1);
    }
}
