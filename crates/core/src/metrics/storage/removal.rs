//! Removing stored runs, and nothing else: what is not known for sure to be a run of perfctl stays.

use std::fs::{self, DirEntry, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use serde_json::Value;

use crate::error::Error;
use crate::metrics::{RunDir, RunResult};

/// The files of a run, in the order in which they are removed: as long as one of the last two is there, it is
/// known as a run.
const FILES: [&str; 3] = ["plan.json", "result.json", "journal.jsonl"];
/// How much of a file is read to recognize it; bytes.
const HEAD: u64 = 4096;

impl RunDir {
    /// When it was created, by its name; `None` if the name is not one that perfctl gives.
    pub fn created(&self) -> Option<jiff::Timestamp> {
        let (time, rest) = self.id().split_once('-')?;
        let is_time = time.len() == "20260101T000000Z".len() && time.ends_with('Z');
        if !is_time || rest.is_empty() {
            return None;
        }
        let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time).ok()?;
        let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(zoned.timestamp())
    }

    /// Checks that this is the directory of a run that has ended, and holds nothing else. Symbolic links are
    /// not followed. Returns its size; bytes.
    ///
    /// # Errors
    /// Why it must not be removed, in a phrase that follows its name; with [`ErrorKind::NotFound`] if it has
    /// vanished.
    pub fn check_removable(&self) -> Result<u64, io::Error> {
        let refuse = |why: String| Err(io::Error::other(why));
        if !fs::symlink_metadata(self.path())?.is_dir() {
            return refuse("is not a directory".into());
        }
        if self.created().is_none() {
            return refuse("does not have the name of a run".into());
        }
        let mut bytes = 0;
        for entry in fs::read_dir(self.path())? {
            let entry = entry?;
            if !is_file_of_run(&entry) {
                let name = entry.file_name();
                return refuse(format!(
                    "holds `{}`, which is no file of a run",
                    name.display()
                ));
            }
            bytes += match entry.metadata() {
                Err(error) if error.kind() == ErrorKind::NotFound => 0,
                metadata => metadata?.len(),
            };
        }
        if !is_result(&self.result())? && !is_journal(&self.journal())? {
            return refuse("holds no result and no journal of perfctl".into());
        }
        if self.is_going_on() {
            return refuse("is still running".into());
        }
        Ok(bytes)
    }

    /// Removes the directory with its files, after [`Self::check_removable`]. Files that appear meanwhile
    /// are left, and so is then the directory. One that has vanished is no error.
    ///
    /// # Errors
    /// When a file or the directory cannot be removed.
    pub fn remove(&self) -> Result<(), Error> {
        let write_error = |path: &Path, source| Error::Write {
            path: path.to_owned(),
            source,
        };
        let gone = |removed: io::Result<()>| match removed {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        let entries = fs::read_dir(self.path()).into_iter().flatten().flatten();
        let temporary = entries.filter(|entry| is_temporary(&entry.file_name().to_string_lossy()));
        let files = temporary
            .filter(is_file_of_run)
            .map(|entry| entry.path())
            .chain(FILES.map(|name| self.path().join(name)));
        for path in files {
            gone(fs::remove_file(&path)).map_err(|source| write_error(&path, source))?;
        }
        gone(fs::remove_dir(self.path())).map_err(|source| write_error(self.path(), source))
    }
}

fn is_file_of_run(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    let is_known = FILES.contains(&&*name) || is_temporary(&name);
    // Not that of what a link leads to.
    is_known && entry.file_type().is_ok_and(|kind| kind.is_file())
}

/// Whether it is what a killed run leaves of a file that it was writing: `result.json.4711-1.tmp`.
fn is_temporary(name: &str) -> bool {
    let rest = FILES
        .iter()
        .find_map(|file| name.strip_prefix(file)?.strip_prefix('.'));
    let numbers = rest.and_then(|rest| rest.strip_suffix(".tmp")?.split_once('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    numbers.is_some_and(|(process, attempt)| is_number(process) && is_number(attempt))
}

/// Whether the file begins as a result does, of any version. The whole of it may be large.
fn is_result(path: &Path) -> io::Result<bool> {
    let Some(file) = open(path)? else {
        return Ok(false);
    };
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head)?;
    let format = format!("{{\"format\":\"{}\"", RunResult::FORMAT);
    let head = head.iter().filter(|byte| !byte.is_ascii_whitespace());
    Ok(head.take(format.len()).eq(format.as_bytes()))
}

/// Whether the first line of the file is the header of a journal, of any version.
fn is_journal(path: &Path) -> io::Result<bool> {
    /// A header holds the plan of a run; bytes.
    const MOST: u64 = 64 << 20;
    let Some(file) = open(path)? else {
        return Ok(false);
    };
    let mut line = Vec::new();
    BufReader::new(file.take(MOST)).read_until(b'\n', &mut line)?;
    let header = serde_json::from_slice::<Value>(&line).unwrap_or_default();
    let header = &header["header"];
    Ok(header["version"].is_u64() && header["run"]["perfctl_version"].is_string())
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        file => file.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{JournalWriter, fixture, write_atomically};

    fn stored(base: &Path, id: &str) -> RunDir {
        let result = fixture::run(&[("a", &[])]);
        let path = base.join(id);
        fs::create_dir(&path).unwrap();
        write_atomically(&path.join("result.json"), &result).unwrap();
        fs::write(path.join("plan.json"), "{}").unwrap();
        RunDir::open(&path)
    }

    #[test]
    fn a_run_is_removed_with_what_a_crash_left() {
        let base = tempfile::tempdir().unwrap();
        let run = stored(base.path(), "20261121T100000Z-shop-load");
        fs::write(run.path().join("result.json.4711-1.tmp"), "{").unwrap();
        assert!(run.check_removable().unwrap() > 100);
        run.remove().unwrap();
        assert!(!run.path().exists());
        run.remove().unwrap();
        let vanished = run.check_removable().unwrap_err();
        assert_eq!(vanished.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_journal_alone_is_a_run_unless_it_is_still_written() {
        let base = tempfile::tempdir().unwrap();
        let run = RunDir::open(&base.path().join("20261121T100000Z-shop-load-2"));
        fs::create_dir(run.path()).unwrap();
        let info = fixture::run(&[("a", &[])]).run;
        let journal = JournalWriter::create(&run.journal(), &info).unwrap();
        let why = |run: &RunDir| run.check_removable().unwrap_err().to_string();
        assert_eq!(why(&run), "is still running");
        drop(journal);
        assert_eq!(why(&run), "is still running", "its last second is new");
        let file = File::options().append(true).open(run.journal()).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        let old = modified - std::time::Duration::from_secs(3600);
        file.set_modified(old).unwrap();
        assert!(run.check_removable().unwrap() > 100);
    }

    #[test]
    fn what_is_not_known_for_sure_stays() {
        type Damage = fn(&RunDir);
        let cases: [(&str, &str, Damage); 6] = [
            ("20261121T100000Z-a", "no file of a run", |run| {
                fs::write(run.path().join("baseline.json"), "{}").unwrap();
            }),
            ("20261121T100001Z-a", "no file of a run", |run| {
                fs::create_dir(run.path().join("more")).unwrap();
            }),
            ("20261121T100002Z-a", "no result and no journal", |run| {
                fs::write(run.result(), "{\"format\": \"other\"}").unwrap();
            }),
            ("20261121T100003Z-a", "no file of a run", |run| {
                let elsewhere = run.path().with_file_name("elsewhere.json");
                fs::rename(run.result(), &elsewhere).unwrap();
                std::os::unix::fs::symlink(elsewhere, run.result()).unwrap();
            }),
            ("results-of-may", "name of a run", |_| {}),
            ("20269921T100000Z-a", "name of a run", |_| {}),
        ];
        let base = tempfile::tempdir().unwrap();
        for (id, expected, damage) in cases {
            let run = stored(base.path(), id);
            damage(&run);
            let why = run.check_removable().unwrap_err().to_string();
            assert!(why.contains(expected), "{id}: {why}");
        }
        let target = stored(base.path(), "20261121T100004Z-a");
        let link = base.path().join("20261121T100005Z-a");
        std::os::unix::fs::symlink(target.path(), &link).unwrap();
        let why = RunDir::open(&link)
            .check_removable()
            .unwrap_err()
            .to_string();
        assert!(why.contains("not a directory"), "{why}");
    }
}
