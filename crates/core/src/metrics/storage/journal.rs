//! The journal of a run: one line of JSON per second while it runs, and the result made from it.
//!
//! A result is always made from the journal, whether the run ended or perfctl was killed, so that
//! there is one path from samples to numbers. A line that the disk refuses is kept in memory and
//! tried again a second later.

use std::borrow::Cow;
use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::assembly::{Assembly, Line};
use crate::error::Error;
use crate::metrics::{Commit, Ending, Observation, RunInfo, RunResult, check_version};

/// How often the lock is tried to get, 5 ms apart.
const LOCK_ATTEMPTS: usize = 20;

/// Appends lines to the journal file.
#[derive(Debug)]
pub struct JournalWriter {
    path: PathBuf,
    file: File,
    /// Bytes not yet written to the disk.
    pending: Vec<u8>,
    failed: Option<io::Error>,
}

impl JournalWriter {
    /// Creates the file and writes its header.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn create(path: &Path, run: &RunInfo) -> Result<Self, Error> {
        let write_error = |source| Error::Write {
            path: path.to_owned(),
            source,
        };
        let file = File::options()
            .append(true)
            .create_new(true)
            .open(path)
            .map_err(write_error)?;
        // Tells others that the run is going on, until this is dropped. Some file systems have no locks.
        // Whoever looks for it at this moment has a lock for a moment.
        for _ in 0..LOCK_ATTEMPTS {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
                _ => break,
            }
        }
        let mut writer = Self {
            path: path.to_owned(),
            file,
            pending: Vec::new(),
            failed: None,
        };
        writer.append(&Line::Header {
            version: RunResult::VERSION,
            run: Box::new(run.clone()),
        });
        match writer.failed.take() {
            None => Ok(writer),
            Some(source) => Err(write_error(source)),
        }
    }

    /// Appends one second. `false` when the disk refused it; it is kept and tried again.
    pub fn commit(&mut self, commit: &Commit) -> bool {
        self.append(&Line::Commit(Cow::Borrowed(commit)))
    }

    /// Appends what was observed. `false` when the disk refused it; it is kept and tried again.
    pub fn observe(&mut self, observation: Observation) -> bool {
        self.append(&Line::Observation(observation))
    }

    /// Appends the last line and makes the file durable.
    pub fn end(&mut self, ending: Ending) -> bool {
        self.append(&Line::End(ending)) && self.file.sync_all().is_ok()
    }

    /// The first refusal of the disk, if there was one.
    pub fn failure(&self) -> Option<&io::Error> {
        self.failed.as_ref()
    }

    /// The result of all lines, including those the disk never took, and the first error of the
    /// disk, if there was one.
    ///
    /// # Errors
    /// When the file cannot be read back or is not consistent.
    pub fn into_result(self) -> Result<(RunResult, Option<io::Error>), Error> {
        let file = File::open(&self.path).map_err(|source| Error::Read {
            path: self.path.clone(),
            source,
        })?;
        let result = assemble(&self.path, file, &self.pending)?;
        Ok((result, self.failed))
    }

    fn append(&mut self, line: &Line<'_>) -> bool {
        serde_json::to_writer(&mut self.pending, line).expect("journal lines are serializable");
        self.pending.push(b'\n');
        while !self.pending.is_empty() {
            match self.file.write(&self.pending) {
                Ok(taken) if taken > 0 => drop(self.pending.drain(..taken)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                refused => {
                    let error = refused
                        .err()
                        .unwrap_or_else(|| io::ErrorKind::WriteZero.into());
                    self.failed.get_or_insert(error);
                    return false;
                }
            }
        }
        true
    }
}

/// Rebuilds the result from a journal file, even of a killed run: an incomplete last line is left
/// out.
///
/// # Errors
/// When the file cannot be read, is of another version, or is damaged before its end.
pub fn recover(path: &Path) -> Result<RunResult, Error> {
    let file = File::open(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    assemble(path, file, &[])
}

fn assemble(path: &Path, file: File, pending: &[u8]) -> Result<RunResult, Error> {
    let unusable = |why: String| Error::Unusable {
        path: path.to_owned(),
        kind: "journal",
        why,
    };
    let mut reader = BufReader::new(io::Read::chain(file, pending));
    let mut assembly: Option<Assembly> = None;
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        let read = reader
            .read_until(b'\n', &mut text)
            .map_err(|source| Error::Read {
                path: path.to_owned(),
                source,
            })?;
        if read == 0 {
            break;
        }
        let whole = text.ends_with(b"\n");
        match serde_json::from_slice(&text) {
            Ok(line) => {
                Assembly::check(assembly.as_ref(), &line, number).map_err(unusable)?;
                Assembly::take(&mut assembly, line);
            }
            Err(_) if assembly.is_some() && !whole => break,
            Err(error) => {
                if assembly.is_none() {
                    // Other versions have other fields, which may be why the line cannot be read.
                    let version = version_of(&text).unwrap_or(RunResult::VERSION);
                    check_version(version, RunResult::VERSION).map_err(unusable)?;
                }
                return Err(unusable(format!("line {number}: {error}")));
            }
        }
    }
    let result = assembly
        .ok_or_else(|| unusable("it is empty".into()))?
        .finish();
    result.check().map_err(unusable)?;
    Ok(result)
}

/// The version that a header names, whatever else is in it.
fn version_of(line: &[u8]) -> Option<u32> {
    let line: serde_json::Value = serde_json::from_slice(line).ok()?;
    u32::try_from(line["header"]["version"].as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{
        Adjustment, Cell, CommitCell, HealthSample, ObservedInfo, ObservedValue, Outcome,
        SparseHistogram, fixture,
    };
    use crate::plan::ObservedUnit;
    use proptest::prelude::*;

    #[test]
    fn what_was_changed_by_hand_is_known_even_of_a_run_that_was_killed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.jsonl");
        let run = fixture::run(&[("a", &[])]).run;
        let info = RunInfo {
            ending: None,
            ..run
        };
        let mut writer = JournalWriter::create(&path, &info).unwrap();
        let adjustments: Vec<Adjustment> = [1_500_000, 1_700_000, 5_000_000]
            .map(|at_us| Adjustment {
                at_us,
                users: 1,
                ..Adjustment::NONE
            })
            .into();
        for adjustments in [&adjustments[..2], &[], &adjustments[2..]] {
            let adjustments = adjustments.to_vec();
            assert!(writer.commit(&Commit {
                adjustments,
                ..Commit::default()
            }));
        }
        assert_eq!(recover(&path).unwrap().run.adjustments, adjustments);
    }

    /// A journal of a header and `seconds` commits, and the number of bytes up to the end of each.
    fn journal(path: &Path, seconds: u64) -> Vec<usize> {
        let run = fixture::run(&[("a", &[])]).run;
        let mut writer = JournalWriter::create(
            path,
            &RunInfo {
                ending: None,
                ..run
            },
        )
        .unwrap();
        let length = || std::fs::metadata(path).unwrap().len() as usize;
        let mut ends = vec![length()];
        for second in 0..seconds {
            let mut cell = Cell::default();
            cell.outcomes.insert(Outcome::Dropped, second + 1);
            let cells = vec![CommitCell {
                phase: 1,
                second,
                endpoint: 0,
                cell,
            }];
            let health = Some(HealthSample::default());
            assert!(writer.commit(&Commit {
                users: 1,
                cells,
                health,
                ..Commit::default()
            }));
            ends.push(length());
        }
        ends
    }

    #[test]
    fn a_second_keeps_its_counts_its_times_and_its_timeouts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.jsonl");
        let run = fixture::run(&[("a", &[])]).run;
        let mut writer = JournalWriter::create(&path, &run).unwrap();
        let cell = Cell {
            outcomes: [(Outcome::Ok, 2), (Outcome::TimeoutBody, 1)].into(),
            response: SparseHistogram::of(&mut [100, 200]),
            censored: SparseHistogram::of(&mut [30_000_000]),
            service: SparseHistogram::of(&mut [90, 180]),
            ..Cell::default()
        };
        assert!(writer.commit(&Commit {
            users: 1,
            cells: vec![CommitCell {
                phase: 1,
                second: 3,
                endpoint: 0,
                cell: cell.clone(),
            }],
            ..Commit::default()
        }));
        drop(writer);
        let result = recover(&path).unwrap();
        assert_eq!(result.endpoints[0].phases[1], cell);
        let [interval] = result.timeline.as_slice() else {
            panic!("{:?}", result.timeline)
        };
        assert_eq!((interval.phase, interval.second), (1, 3));
        let (_, kept) = &interval.cells[0];
        assert_eq!(kept.outcomes, cell.outcomes);
        assert_eq!(kept.response, cell.response);
        assert_eq!(kept.censored, cell.censored);
        assert!(kept.service.is_empty(), "only for whole phases");
    }

    #[test]
    fn what_was_observed_is_kept_with_its_time_and_its_reasons() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.jsonl");
        let mut run = fixture::run(&[("a", &[])]).run;
        run.observed = vec![ObservedInfo {
            name: "took".into(),
            source: "took_seconds".into(),
            unit: ObservedUnit::Seconds,
        }];
        let mut writer = JournalWriter::create(&path, &run).unwrap();
        let observation = |position, length_ms| Observation {
            at_ms: 5_000,
            length_ms,
            values: vec![(
                position,
                ObservedValue::Distribution {
                    sum: 1.25,
                    buckets: vec![(0.1, 2.0), (0.5, 1.0)],
                    above: 0.0,
                },
            )],
            failures: vec![(0, "status 503".into())],
        };
        assert!(writer.observe(observation(0, 5_000)));
        let observations = recover(&path).unwrap().observations;
        assert_eq!(observations, [observation(0, 5_000)]);
        assert!(writer.observe(observation(1, 5_000)));
        let damaged = recover(&path).unwrap_err().to_string();
        assert!(damaged.contains("an observation is damaged"), "{damaged}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        /// Row 35: wherever the end of the file is torn off, all whole lines before it count.
        #[test]
        fn a_journal_cut_anywhere_gives_all_its_whole_seconds(cut in 0.0f64..1.0) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("journal.jsonl");
            let ends = journal(&path, 5);
            let whole = std::fs::read(&path).unwrap();
            let cut = (cut * (whole.len() + 1) as f64) as usize;
            // A line that lacks nothing but its end is whole.
            std::fs::write(&path, &whole[..cut]).unwrap();
            match (recover(&path), ends.iter().filter(|end| **end <= cut + 1).count()) {
                (Err(Error::Unusable { .. }), 0) => {}
                (Ok(result), lines) if lines > 0 => {
                    let seconds = lines as u64 - 1;
                    prop_assert_eq!(result.users.len() as u64, seconds);
                    prop_assert_eq!(result.health.len() as u64, seconds);
                    prop_assert_eq!(result.count(|_| true), seconds * (seconds + 1) / 2);
                }
                (other, lines) => prop_assert!(false, "{lines} lines: {other:?}"),
            }
        }
    }

    #[test]
    fn a_journal_of_another_version_is_refused_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.jsonl");
        journal(&path, 2);
        let text = std::fs::read_to_string(&path).unwrap();
        let of_version = format!("\"version\":{}", RunResult::VERSION);
        assert!(text.contains(&of_version));
        let older = text.replacen(&of_version, "\"version\":2", 1);
        // With and without the fields of this version.
        for text in [older.replace("\"service\":", "\"target\":"), older] {
            std::fs::write(&path, text).unwrap();
            let refused = recover(&path).unwrap_err().to_string();
            assert!(
                refused.contains("it has format version 2, and this perfctl reads version 5"),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_journal_without_health_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.jsonl");
        journal(&path, 2);
        let text = std::fs::read_to_string(&path).unwrap();
        let health = serde_json::to_string(&HealthSample::default()).unwrap();
        let without = text.replace(&format!(",\"health\":{health}"), "");
        assert!(!without.contains("health"), "{without}");
        std::fs::write(&path, without).unwrap();
        let result = recover(&path).unwrap();
        assert_eq!((result.users.len(), result.health.len()), (2, 0));
        let stored = serde_json::to_string(&result).unwrap();
        assert!(!stored.contains("health"));
        assert_eq!(serde_json::from_str::<RunResult>(&stored).unwrap(), result);
    }

    #[test]
    fn what_the_disk_refuses_is_kept_and_stands_in_the_result() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.jsonl");
        journal(&path, 2);
        // A device that is always full, in place of the file; the lines before are on the disk.
        let full = Path::new("/dev/full");
        if !full.exists() {
            eprintln!("skipped: there is no /dev/full here");
            return;
        }
        let mut writer = JournalWriter {
            path,
            file: File::options().write(true).open(full).unwrap(),
            pending: Vec::new(),
            failed: None,
        };
        for users in [7, 8] {
            let commit = Commit {
                users,
                ..Commit::default()
            };
            assert!(!writer.commit(&commit));
        }
        assert!(writer.failure().is_some());
        let (result, failure) = writer.into_result().unwrap();
        assert_eq!(result.users, [1, 1, 7, 8]);
        assert_eq!(failure.unwrap().kind(), io::ErrorKind::StorageFull);
    }
}
