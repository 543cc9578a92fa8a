//! The files of a run: its directory, files written atomically, results read back.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::Serialize;

use crate::error::Error;
use crate::metrics::storage::packed::MAX_UNPACKED;
use crate::metrics::{FileHeader, RunResult, check_version};

/// A journal gets a line each second.
const QUIET: Duration = Duration::from_secs(120);

/// The directory of one run; no two runs share one.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: PathBuf,
    id: String,
}

impl RunDir {
    /// Creates `<base>/<UTC time>-<scenario>-<profile>/`, with a number appended if that exists.
    ///
    /// # Errors
    /// When the directory cannot be created.
    pub fn create(base: &Path, scenario: &str, profile: &str) -> Result<Self, Error> {
        let write_error = |path: &Path, source| Error::Write {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(base).map_err(|source| write_error(base, source))?;
        let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        let name = format!("{time}-{}-{}", slug(scenario), slug(profile));
        for attempt in 1.. {
            let id = match attempt {
                1 => name.clone(),
                n => format!("{name}-{n}"),
            };
            let path = base.join(&id);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, id }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(source) => return Err(write_error(&path, source)),
            }
        }
        unreachable!("the loop only ends by returning")
    }

    /// An existing directory of a run.
    pub fn open(path: &Path) -> Self {
        let id = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Self {
            path: path.to_owned(),
            id,
        }
    }

    /// Its name, which identifies the run.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `plan.json`: the resolved plan, secrets redacted.
    pub fn plan(&self) -> PathBuf {
        self.path.join("plan.json")
    }

    /// `journal.jsonl`: appended each second while the run goes on.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    /// `result.json`: the whole result.
    pub fn result(&self) -> PathBuf {
        self.path.join("result.json")
    }

    /// How long ago it was created, by its name; `None` if the name does not tell.
    pub fn age(&self) -> Option<Duration> {
        let age = jiff::Timestamp::now().duration_since(self.created()?);
        age.try_into().ok()
    }

    /// Whether a process of this machine is writing its journal.
    pub fn is_locked(&self) -> bool {
        let journal = File::open(self.journal());
        journal.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Whether it may be going on: its journal is being written, or it has no result and was written to less
    /// than two minutes ago, as by another machine, or by one that writes its result right now.
    pub fn is_going_on(&self) -> bool {
        let is_recent = || {
            let modified = fs::metadata(self.journal()).and_then(|metadata| metadata.modified());
            // One from the future has a clock of its own.
            modified.is_ok_and(|time| time.elapsed().map_or(true, |age| age < QUIET))
        };
        self.is_locked() || !self.result().exists() && is_recent()
    }
}

/// The runs that are stored in a directory, the newest first, whether or not they can be read. There are none
/// in a directory that does not exist.
///
/// # Errors
/// When the directory cannot be read.
pub fn stored_runs(directory: &Path) -> Result<Vec<RunDir>, Error> {
    let read_error = |source| Error::Read {
        path: directory.to_owned(),
        source,
    };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(read_error)?,
    };
    let mut runs = Vec::new();
    for entry in entries {
        let run = RunDir::open(&entry.map_err(read_error)?.path());
        if run.result().exists() || run.journal().exists() {
            runs.push(run);
        }
    }
    // Their names begin with the time; the number at the end of some counts up within a second.
    runs.sort_by(|a, b| natural(&b.id).cmp(&natural(&a.id)));
    Ok(runs)
}

/// A name, and the number behind its last `-`, of which names without one have none.
fn natural(id: &str) -> (&str, u32) {
    match id.rsplit_once('-') {
        Some((name, number)) => match number.parse() {
            Ok(number) => (name, number),
            Err(_) => (id, 1),
        },
        None => (id, 1),
    }
}

/// `text` with everything but letters, digits, `.`, `_` and `-` replaced, at most 60 characters.
fn slug(text: &str) -> String {
    let slug: String = text
        .chars()
        .map(|c| match c {
            c if c.is_alphanumeric() || ".-_".contains(c) => c,
            _ => '-',
        })
        .take(60)
        .collect();
    slug.trim_matches(['-', '.']).to_owned()
}

/// Writes `value` as JSON, as [`write_file`] does.
///
/// # Errors
/// When any step fails.
pub fn write_atomically(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    write_file(path, |out| {
        serde_json::to_writer(&mut *out, value)?;
        out.write_all(b"\n")
    })
}

/// Writes a file so that `path` holds either all that `write` writes or what it held before: to a
/// temporary name beside it, synced, then renamed. Compressed with gzip if the name ends in `.gz`. What
/// is no file, such as a pipe or a terminal, is written to.
///
/// # Errors
/// When any step fails; the temporary file is then removed.
pub fn write_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    let is_packed = path.extension().is_some_and(|extension| extension == "gz");
    if is_stream(path) {
        return open_stream(path)
            .and_then(|file| fill(&file, is_packed, write))
            .map_err(|source| Error::Write {
                path: path.to_owned(),
                source,
            });
    }
    write_beside(path, |file, temporary| {
        fill(&file, is_packed, write)?;
        file.sync_all()?;
        fs::rename(temporary, path)?;
        // The rename itself must survive a power cut too; a directory that cannot be opened for
        // that has still taken the file.
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty())
            && let Ok(directory) = File::open(parent)
        {
            let _ = directory.sync_all();
        }
        Ok(())
    })
}

/// A file that is written bit by bit, and may be incomplete if perfctl is killed. What it held is gone. What is no
/// file, such as a pipe, is opened as it is.
///
/// # Errors
/// When it cannot be opened.
pub fn create_file(path: &Path) -> Result<File, Error> {
    let opened = match is_stream(path) {
        true => open_stream(path),
        false => File::create(path),
    };
    opened.map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

fn fill(
    file: &File,
    is_packed: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = io::BufWriter::new(file);
    if is_packed {
        let mut packed = GzEncoder::new(&mut buffer, Compression::default());
        write(&mut packed)?;
        packed.finish()?;
    } else {
        write(&mut buffer)?;
    }
    buffer.flush()
}

/// A copy of the descriptor where `path` stands for an output of this process: one opened anew would begin at
/// another place of a file, and other programs would write over it.
fn open_stream(path: &Path) -> io::Result<File> {
    let descriptor = match path.to_str() {
        Some("/dev/stdout") => io::stdout().as_fd().try_clone_to_owned(),
        Some("/dev/stderr") => io::stderr().as_fd().try_clone_to_owned(),
        _ => return File::options().append(true).open(path),
    };
    descriptor.map(File::from)
}

/// Whether nothing may be renamed to `path`: it is a device or a pipe, or leads to an open file, as
/// `/dev/stdout` does.
fn is_stream(path: &Path) -> bool {
    let is_other = |metadata: fs::Metadata| !metadata.is_file() && !metadata.is_dir();
    let is_device = path.starts_with("/dev") && !path.starts_with("/dev/shm");
    is_device || fs::metadata(path).is_ok_and(is_other)
}

/// Checks that [`write_file`] could write a small file to `path` now. Leaves everything as it is.
///
/// # Errors
/// When it could not.
pub fn check_writable(path: &Path) -> Result<(), Error> {
    if is_stream(path) {
        // It is not opened: a pipe waits for its reader, who may come later.
        return fs::metadata(path).map(drop).map_err(|source| Error::Write {
            path: path.to_owned(),
            source,
        });
    }
    write_beside(path, |mut file, temporary| {
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::remove_file(temporary)
    })
}

/// Calls `write` with a new file beside `path`, which is removed if that fails.
fn write_beside(
    path: &Path,
    write: impl FnOnce(File, &Path) -> io::Result<()>,
) -> Result<(), Error> {
    let written = create_beside(path).and_then(|(file, temporary)| {
        write(file, &temporary).inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
    });
    written.map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

/// A file with a new name beside `path`. The process id alone is not enough: two containers may have
/// the same.
fn create_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    let name = path.file_name().ok_or(ErrorKind::InvalidFilename)?;
    if path.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    for attempt in 1.. {
        let mut name = name.to_owned();
        name.push(format!(".{}-{attempt}.tmp", std::process::id()));
        let temporary = path.with_file_name(name);
        match File::create_new(&temporary) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            created => return created.map(|file| (file, temporary)),
        }
    }
    unreachable!("the loop only ends by returning")
}

/// The bytes of a file that [`write_atomically`] wrote, decompressed if needed.
///
/// # Errors
/// When it cannot be read.
pub fn read_unpacked(path: &Path) -> Result<Vec<u8>, Error> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let read_error = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = fs::read(path).map_err(read_error)?;
    if !bytes.starts_with(&GZIP) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    let mut reader = GzDecoder::new(bytes.as_slice()).take(MAX_UNPACKED + 1);
    reader.read_to_end(&mut unpacked).map_err(read_error)?;
    if unpacked.len() as u64 > MAX_UNPACKED {
        return Err(read_error(std::io::Error::other(
            "it decompresses to more than 4 GiB",
        )));
    }
    Ok(unpacked)
}

/// Reads a stored result: `path` is a `result.json`, or the directory of a run.
///
/// # Errors
/// When it cannot be read, is no consistent result, or is one of another version.
pub fn read_result(path: &Path) -> Result<RunResult, Error> {
    let file = if path.is_dir() {
        let dir = RunDir::open(path);
        if !dir.result().exists() && dir.journal().exists() {
            let why = match dir.is_locked() {
                true => "the run is still going on".to_owned(),
                false => format!(
                    "the run did not finish; `perfctl recover {}` rebuilds the result from its \
                     journal",
                    path.display()
                ),
            };
            return Err(Error::Unusable {
                path: path.to_owned(),
                kind: "result",
                why,
            });
        }
        let levels = path.join("levels");
        if !dir.result().exists() && levels.is_dir() {
            return Err(Error::Unusable {
                path: path.to_owned(),
                kind: "result",
                why: format!(
                    "it is a search of `perfctl capacity`; name one of the levels in `{}`",
                    levels.display()
                ),
            });
        }
        dir.result()
    } else {
        path.to_owned()
    };
    parse_result(&file, &read_unpacked(&file)?)
}

/// Parses a stored result; `bytes` were read from the file at `path`.
///
/// # Errors
/// When they are no consistent result, or one of another version.
pub fn parse_result(path: &Path, bytes: &[u8]) -> Result<RunResult, Error> {
    let unusable = |why: String| Error::Unusable {
        path: path.to_owned(),
        kind: "result",
        why,
    };
    let result: RunResult = serde_json::from_slice(bytes).map_err(|error| {
        // Other versions have other fields: the version says more than the field that is missing.
        let header = serde_json::from_slice::<FileHeader>(bytes).ok();
        let header = header.filter(|header| header.format == RunResult::FORMAT);
        let version = header.map(|header| check_version(header.version, RunResult::VERSION));
        unusable(match version {
            Some(Err(why)) => why,
            _ => error.to_string(),
        })
    })?;
    result.check().map_err(unusable)?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Outcome, fixture};

    #[test]
    fn two_runs_never_share_a_directory() {
        let base = tempfile::tempdir().unwrap();
        let a = RunDir::create(base.path(), "ap intake/../x", "smoke").unwrap();
        let b = RunDir::create(base.path(), "ap intake/../x", "smoke").unwrap();
        assert_ne!(a.path(), b.path());
        assert_eq!(a.path().parent(), Some(base.path()));
    }

    #[test]
    fn the_newest_run_is_the_first() {
        let base = tempfile::tempdir().unwrap();
        assert!(stored_runs(&base.path().join("none")).unwrap().is_empty());
        let names = [
            "20261126T100000Z-a-smoke",
            "20261126T100000Z-a-smoke-2",
            "20261126T100000Z-a-smoke-10",
            "20261126T100001Z-a-smoke",
        ];
        for name in names {
            fs::create_dir(base.path().join(name)).unwrap();
            fs::write(base.path().join(name).join("journal.jsonl"), "").unwrap();
        }
        fs::create_dir(base.path().join("20261127T100000Z-is-no-run")).unwrap();
        fs::write(base.path().join("baseline.json"), "{}").unwrap();
        let found = stored_runs(base.path()).unwrap();
        let found: Vec<&str> = found.iter().map(RunDir::id).collect();
        let newest_first: Vec<&str> = names.into_iter().rev().collect();
        assert_eq!(found, newest_first);
    }

    #[test]
    fn a_packed_file_is_smaller_and_read_like_any_other() {
        let base = tempfile::tempdir().unwrap();
        let (plain, packed) = (base.path().join("x.json"), base.path().join("x.json.gz"));
        let value = vec!["the same"; 1_000];
        write_atomically(&plain, &value).unwrap();
        write_atomically(&packed, &value).unwrap();
        let length = |path: &Path| fs::metadata(path).unwrap().len();
        assert!(length(&packed) < length(&plain) / 10);
        let read = |path: &Path| -> Vec<String> {
            serde_json::from_slice(&read_unpacked(path).unwrap()).unwrap()
        };
        assert_eq!(read(&plain), read(&packed));
        fs::write(&packed, [0x1f, 0x8b, 8, 0]).unwrap();
        assert!(read_unpacked(&packed).is_err(), "cut off");
    }

    #[test]
    fn a_result_of_another_version_is_refused_with_what_to_do() {
        let path = Path::new("result.json");
        let written = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 10)])]);
        let mut json = serde_json::to_value(&written).unwrap();
        let read = |json: &serde_json::Value| parse_result(path, json.to_string().as_bytes());
        assert_eq!(read(&json).unwrap(), written);
        for other in [1, 2, 3, 4, 6] {
            json["version"] = other.into();
            // Whether or not it has the fields of this version.
            for field in ["", "service"] {
                json["run"].as_object_mut().unwrap().remove(field);
                let refused = read(&json).unwrap_err().to_string();
                let why =
                    format!("it has format version {other}, and this perfctl reads version 5");
                assert!(
                    refused.contains(&why) && refused.contains("run the load again"),
                    "{refused}"
                );
            }
        }
        json["version"] = RunResult::VERSION.into();
        let damaged = read(&json).unwrap_err().to_string();
        assert!(damaged.contains("missing field `service`"), "{damaged}");
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("x.json");
        write_atomically(&path, &[1, 2]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "[1,2]\n");
        let missing = base.path().join("no/x.json");
        assert!(write_atomically(&missing, &[1]).is_err());
        assert_eq!(
            fs::read_dir(base.path()).unwrap().count(),
            1,
            "nothing is left behind"
        );
    }

    #[test]
    fn what_cannot_be_written_is_noticed_and_nothing_changed() {
        let base = tempfile::tempdir().unwrap();
        let at = |name: &str| base.path().join(name);
        fs::write(at("file"), "old").unwrap();
        fs::create_dir(at("dir")).unwrap();
        // A run of another container that has the same process id.
        let other = at(&format!("file.{}-1.tmp", std::process::id()));
        fs::write(&other, "of another run").unwrap();
        for good in ["file", "new", "dir/new.json.gz"] {
            check_writable(&at(good)).unwrap_or_else(|error| panic!("{good}: {error}"));
        }
        for bad in ["dir", "no/new", "file/new", "dir/.."] {
            let error = check_writable(&at(bad)).unwrap_err().to_string();
            assert!(error.contains("cannot write"), "{bad}: {error}");
            assert!(write_atomically(&at(bad), &1).is_err(), "{bad}");
        }
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "old");
        assert_eq!(fs::read_dir(at("dir")).unwrap().count(), 0);
        write_atomically(&at("file"), &1).unwrap();
        assert_eq!(fs::read_to_string(other).unwrap(), "of another run");
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_search_for_the_capacity_is_no_run_but_has_some() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("levels")).unwrap();
        let refused = read_result(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("name one of the levels"), "{refused}");
    }
}
