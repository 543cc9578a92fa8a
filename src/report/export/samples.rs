//! One row for each request of a run, written while the load goes on.
//!
//! Here: the file, the thread that writes it, and the bounded queue before that. What does not fit into the
//! queue is dropped and counted, so that a slow disk delays no request. Not here: what a row looks like
//! (`rows`).

mod rows;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use self::rows::{RowContext, RowWriter, SampleFormat};
use crate::error::Error;
use crate::metrics::{RunInfo, Sample, SampleCounts, Tick, create_file};
use crate::plan::Plan;

/// How many samples may wait to be written; at 72 bytes each, 14 MB. That of a whole second is taken
/// in any case when nothing waits.
const MAX_WAITING: usize = 200_000;

/// How long the end of a run waits for the rows that are still to be written.
const PATIENCE: Duration = Duration::from_secs(30);

/// Of the thread that writes: the workers come first where there are not enough cores.
const NICENESS: i32 = 10;

/// The rows are written in pieces of this size; bytes.
const PIECE_BYTES: usize = 1 << 16;

/// A file with a row for each request, and the thread that writes it. Several runs can follow each other.
#[derive(Debug)]
pub struct SampleLog {
    path: PathBuf,
    messages: Sender<Message>,
    progress: Arc<Progress>,
}

/// The rows of one run.
#[derive(Debug)]
pub struct RunSamples {
    path: PathBuf,
    messages: Sender<Message>,
    progress: Arc<Progress>,
    /// How many there are in the plan; the positions after them are flows.
    endpoints: usize,
    /// Those and the flows.
    subjects: usize,
    /// Virtual users running (closed model) or requests in flight (open) when the last second ended.
    users: u32,
    /// Requests of this run so far.
    requests: u64,
    written_before: u64,
    has_told: bool,
}

/// What the thread tells.
#[derive(Debug, Default)]
struct Progress {
    /// Samples in the queue.
    waiting: AtomicUsize,
    /// Rows written, of all runs.
    written: AtomicU64,
    /// Why the file cannot be written any more.
    failure: OnceLock<String>,
}

enum Message {
    /// What follows belongs to this run.
    Run(Box<RowWriter>),
    /// What ended in one second, and the users running then.
    Second(Vec<Tick>, u32),
    /// Everything of the run was sent; answers when it is written.
    End(Sender<()>),
}

impl SampleLog {
    /// The endings of names that tell the format; each may be followed by `.gz`.
    pub const ENDINGS: &str = ".jtl or .csv (JTL), or .jsonl or .json (JSON lines)";

    /// Checks the name of a file, as an option has it.
    ///
    /// # Errors
    /// A phrase that says what is allowed.
    pub fn parse_path(text: &str) -> Result<PathBuf, String> {
        let path = PathBuf::from(text);
        match SampleFormat::of(&path) {
            Some(_) => Ok(path),
            None => Err(format!(
                "the name must end in {}; each may be followed by .gz",
                Self::ENDINGS
            )),
        }
    }

    /// Creates the file, or empties it, and starts the thread. Where the runs are traced, rows have the ids of
    /// traces.
    ///
    /// # Errors
    /// When either is not possible.
    pub fn create(path: &Path, is_traced: bool) -> Result<Self, Error> {
        let format = SampleFormat::of(path).unwrap_or(SampleFormat::Jtl);
        let file = create_file(path)?;
        let file: Box<dyn SampleFile> = match path.extension().is_some_and(|end| end == "gz") {
            true => Box::new(PackedFile { file, member: None }),
            false => Box::new(file),
        };
        let progress = Arc::new(Progress::default());
        let (messages, received) = channel();
        let of_thread = progress.clone();
        std::thread::Builder::new()
            .name("samples".to_owned())
            .spawn(move || {
                // Of this thread alone, on Linux. Without it, the rows are written all the same.
                let _ = rustix::process::setpriority_process(None, NICENESS);
                write_all(file, (format, is_traced), &received, &of_thread);
            })
            .map_err(Error::Thread)?;
        Ok(Self {
            path: path.to_owned(),
            messages,
            progress,
        })
    }

    /// Begins with a run of `plan` against the service at `base`.
    pub fn begin(&self, plan: &Plan, run: &RunInfo, base: &str) -> RunSamples {
        let writer = Box::new(RowWriter::new(plan, run, base));
        // Refused only by a thread that is gone, and then the end says so.
        let _ = self.messages.send(Message::Run(writer));
        RunSamples {
            path: self.path.clone(),
            messages: self.messages.clone(),
            progress: self.progress.clone(),
            endpoints: plan.endpoints.len(),
            subjects: plan.endpoints.len() + plan.flows.len(),
            users: 0,
            requests: 0,
            written_before: self.progress.written.load(Ordering::Relaxed),
            has_told: false,
        }
    }
}

impl RunSamples {
    /// Adds the requests that ended in one second, as far as there is room for them. Never waits.
    pub fn add(&mut self, mut ticks: Vec<Tick>) {
        let waiting = self.progress.waiting.load(Ordering::Acquire);
        let mut room = match waiting {
            0 => usize::MAX,
            waiting => MAX_WAITING.saturating_sub(waiting),
        };
        let mut taken = 0;
        let now = ticks.iter().map(|tick| tick.users).sum();
        // Those that ended within the second were running, too.
        let users = std::mem::replace(&mut self.users, now).max(now).max(1);
        for tick in &mut ticks {
            let is_request = |sample: &&Sample| {
                let position = usize::from(sample.endpoint);
                let is_flow = (self.endpoints..self.subjects).contains(&position);
                !is_flow && sample.outcome.is_started()
            };
            self.requests += tick.samples.iter().filter(is_request).count() as u64;
            tick.samples.truncate(room);
            room -= tick.samples.len();
            taken += tick.samples.len();
            // Nothing of these is written.
            tick.components = Vec::new();
            tick.measures = Vec::new();
        }
        if taken > 0 && self.progress.failure.get().is_none() {
            self.progress.waiting.fetch_add(taken, Ordering::AcqRel);
            let _ = self.messages.send(Message::Second(ticks, users));
        }
    }

    /// Why the file cannot be written any more; the first time that it is asked.
    pub fn new_failure(&mut self) -> Option<&str> {
        let failure = self.progress.failure.get()?;
        (!std::mem::replace(&mut self.has_told, true)).then_some(failure)
    }

    /// Waits until everything is written, or the disk has had its time.
    pub fn finish(self) -> SampleCounts {
        let (sender, written) = channel();
        let is_sent = self.messages.send(Message::End(sender)).is_ok();
        let is_written = is_sent && written.recv_timeout(PATIENCE).is_ok();
        if !is_written {
            let why = "the disk is too slow".to_owned();
            // The thread stops when it sees it.
            let _ = self.progress.failure.set(why);
        }
        let all = self.progress.written.load(Ordering::Acquire);
        let written = all.saturating_sub(self.written_before).min(self.requests);
        SampleCounts {
            file: self.path.display().to_string(),
            written,
            dropped: self.requests - written,
            failure: self.progress.failure.get().cloned(),
        }
    }
}

/// A file, compressed or not, that can be brought to a state in which it is complete.
trait SampleFile: Write + Send {
    /// Everything written so far can be read.
    fn complete(&mut self) -> io::Result<()>;
}

impl SampleFile for File {
    fn complete(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file of gzip members, each of which can be read once it is complete.
struct PackedFile {
    file: File,
    /// The member being written. None is begun before there is something to write: the end of the program may cut
    /// off what is written after the last row.
    member: Option<GzEncoder<File>>,
}

impl PackedFile {
    fn member(&mut self) -> io::Result<&mut GzEncoder<File>> {
        let member = match self.member.take() {
            Some(member) => member,
            None => GzEncoder::new(self.file.try_clone()?, Compression::fast()),
        };
        Ok(self.member.insert(member))
    }
}

impl Write for PackedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.member()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.member.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl SampleFile for PackedFile {
    fn complete(&mut self) -> io::Result<()> {
        let member = self.member.take();
        member.map_or(Ok(()), |member| member.finish().map(drop))
    }
}

/// Writes what comes, until nobody can send anything. After the first failure, nothing is written any more.
fn write_all(
    mut out: Box<dyn SampleFile>,
    (format, is_traced): (SampleFormat, bool),
    messages: &Receiver<Message>,
    progress: &Progress,
) {
    // Only the first one counts.
    let failed = |error: io::Error| drop(progress.failure.set(error.to_string()));
    if let Err(error) = out.write_all(format.header(is_traced).as_bytes()) {
        failed(error);
    }
    let mut writer = None;
    for message in messages {
        let written = match message {
            Message::Run(next) => {
                writer = Some(next);
                Ok(())
            }
            Message::Second(ticks, users) => {
                let waited = ticks.iter().map(|tick| tick.samples.len()).sum();
                let written = match &mut writer {
                    Some(writer) if progress.failure.get().is_none() => {
                        write_second(&mut *out, writer, format, &ticks, users, progress)
                    }
                    _ => Ok(()),
                };
                drop(ticks);
                progress.waiting.fetch_sub(waited, Ordering::AcqRel);
                written
            }
            Message::End(answer) => {
                let written = match progress.failure.get() {
                    None => out.complete(),
                    Some(_) => Ok(()),
                };
                if let Err(error) = written {
                    failed(error);
                }
                // Who asked may have lost patience.
                let _ = answer.send(());
                Ok(())
            }
        };
        if let Err(error) = written {
            failed(error);
        }
    }
}

/// Rows are counted once the file has taken them.
fn write_second(
    out: &mut dyn SampleFile,
    writer: &mut RowWriter,
    format: SampleFormat,
    ticks: &[Tick],
    users: u32,
    progress: &Progress,
) -> io::Result<()> {
    let mut piece = Vec::with_capacity(2 * PIECE_BYTES);
    let mut rows = 0;
    let mut write = |piece: &mut Vec<u8>, rows: &mut u64| {
        out.write_all(piece)?;
        piece.clear();
        progress
            .written
            .fetch_add(std::mem::take(rows), Ordering::AcqRel);
        Ok::<(), io::Error>(())
    };
    for tick in ticks {
        tick.subjects.iter().for_each(|one| writer.learn(one));
    }
    for tick in ticks {
        let mut connections = tick.connections.iter();
        let mut trace_ids = tick.trace_ids.iter().peekable();
        for (position, sample) in tick.samples.iter().enumerate() {
            // A request that opened connections has one entry about them, and they are in the same order.
            let connection = match sample.connections {
                0 => None,
                _ => connections.next(),
            };
            let trace_id = trace_ids.next_if(|(of, _)| *of == position);
            if !writer.is_request(sample) {
                continue;
            }
            let beside = RowContext {
                connection,
                trace_id: trace_id.map(|(_, id)| *id),
                users,
            };
            writer.push(&mut piece, format, sample, beside);
            rows += 1;
            if piece.len() >= PIECE_BYTES {
                write(&mut piece, &mut rows)?;
                if progress.failure.get().is_some() {
                    return Ok(());
                }
            }
        }
    }
    write(&mut piece, &mut rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Outcome;

    fn waiting_log() -> (RunSamples, Receiver<Message>) {
        let (messages, received) = channel();
        let samples = RunSamples {
            path: "x.jtl".into(),
            messages,
            progress: Arc::new(Progress::default()),
            endpoints: 1,
            subjects: 2,
            users: 0,
            requests: 0,
            written_before: 0,
            has_told: false,
        };
        (samples, received)
    }

    fn ticks(count: usize) -> Vec<Tick> {
        let tick = || Tick {
            samples: vec![Sample::new(0, Outcome::Ok, 0); count],
            ..Tick::default()
        };
        vec![tick(), tick()]
    }

    #[test]
    fn a_disk_that_stands_still_costs_rows_and_no_memory() {
        let (mut samples, received) = waiting_log();
        samples.add(ticks(MAX_WAITING / 4));
        for _ in 0..5 {
            samples.add(ticks(MAX_WAITING / 3));
        }
        let waiting = samples.progress.waiting.load(Ordering::Acquire);
        assert_eq!(waiting, MAX_WAITING);
        let sent = received.try_iter().map(|message| match message {
            Message::Second(ticks, users) => {
                assert_eq!(users, 1);
                ticks.iter().map(|tick| tick.samples.len()).sum()
            }
            _ => 0,
        });
        assert_eq!(sent.sum::<usize>(), MAX_WAITING);
        drop(received);
        let counts = samples.finish();
        let all = 2 * (MAX_WAITING / 4 + 5 * (MAX_WAITING / 3)) as u64;
        assert_eq!((counts.written, counts.dropped), (0, all));
    }

    #[test]
    fn a_whole_second_is_taken_when_nothing_waits_and_only_requests_count() {
        let (mut samples, _received) = waiting_log();
        let mut second = ticks(MAX_WAITING);
        let flow = Sample::new(1, Outcome::Ok, 0);
        let dropped = Sample::new(0, Outcome::Dropped, 0);
        second[0].samples.extend([flow, dropped]);
        samples.add(second);
        assert_eq!(samples.requests, 2 * MAX_WAITING as u64);
        let waiting = samples.progress.waiting.load(Ordering::Acquire);
        assert_eq!(waiting, 2 * MAX_WAITING + 2);
    }

    #[test]
    fn a_packed_file_is_whole_from_its_last_row_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl.gz");
        let file = File::create(&path).unwrap();
        let mut packed = PackedFile { file, member: None };
        for rows in ["a\n", "b\n"] {
            packed.write_all(rows.as_bytes()).unwrap();
            packed.complete().unwrap();
            packed.complete().unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        drop(packed);
        let at_the_end = std::fs::read(&path).unwrap();
        assert_eq!(whole.len(), at_the_end.len());
        let rows = io::read_to_string(flate2::read::MultiGzDecoder::new(whole.as_slice()));
        assert_eq!(rows.unwrap(), "a\nb\n");
    }
}
