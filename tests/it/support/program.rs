//! Runs the perfctl binary in a directory of its own, and compares what it prints.

use std::io::{Read, pipe};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use regex::Regex;
use snapbox::{Assert, Data, IntoData, Redactions};
use tempfile::{TempDir, tempdir};

use super::terminal::Terminal;

/// How long anything may take before the test fails: longer than it does on a slow machine, and shorter than the runs
/// that a test ends early.
pub const LIMIT: Duration = Duration::from_secs(240);

/// A run to be made. Its standard input stays open and empty; see [`Self::stdin_closed`].
pub struct Perfctl {
    dir: TempDir,
    command: Command,
    expected: Expected,
    limit: Duration,
}

#[derive(Default)]
struct Expected {
    status: Option<i32>,
    stdout: Option<Data>,
    stderr: Option<Data>,
}

impl Perfctl {
    /// The binary in a new empty directory, without the settings of whoever runs the tests.
    pub fn new() -> Self {
        Self::of(
            Command::new(env!("CARGO_BIN_EXE_perfctl")),
            tempdir().unwrap(),
        )
    }

    /// The binary in the directory of an earlier run.
    pub fn after(earlier: Completed) -> Self {
        Self::of(Command::new(env!("CARGO_BIN_EXE_perfctl")), earlier.dir)
    }

    /// The same, with no more than this many files open at a time.
    pub fn with_descriptors(most: u32) -> Self {
        Self::after_shell(&format!("ulimit -n {most}"))
    }

    /// The same, started by a shell after these commands of it.
    pub fn after_shell(commands: &str) -> Self {
        let mut shell = Command::new("sh");
        let script = format!("{commands}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_perfctl")]);
        Self::of(shell, tempdir().unwrap())
    }

    fn of(mut command: Command, dir: TempDir) -> Self {
        command
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (key, _) in std::env::vars_os() {
            let name = key.to_string_lossy().to_ascii_uppercase();
            let is_setting = name.starts_with("PERFCTL_")
                || name.starts_with("LOAD_TEST_")
                || name.ends_with("_PROXY")
                || name.starts_with("LC_")
                || [
                    "NO_COLOR",
                    "CLICOLOR",
                    "CLICOLOR_FORCE",
                    "COLUMNS",
                    "CI",
                    "LANG",
                    "TERM",
                ]
                .contains(&name.as_str());
            if is_setting {
                command.env_remove(key);
            }
        }
        // Tests share their machine; how fast it is must not decide what they see.
        command.env("PERFCTL_ASSUME_HEALTHY", "1");
        if let Some(client) = super::clients::chosen() {
            command.env("PERFCTL_CLIENT", client);
        }
        Self {
            dir,
            command,
            expected: Expected::default(),
            limit: LIMIT,
        }
    }

    /// The directory it runs in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file below that directory.
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.dir().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<std::ffi::OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, key: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Standard input is at its end from the start.
    pub fn stdin_closed(mut self) -> Self {
        self.command.stdin(Stdio::null());
        self
    }

    /// In a session of its own with this terminal, which is also its input and its output.
    pub fn on_terminal(mut self, terminal: &Terminal) -> Self {
        let mut session = Command::new("setsid");
        session.arg("--ctty").arg(self.command.get_program());
        session.args(self.command.get_args());
        let end = || terminal.programs.try_clone().unwrap();
        session.stdin(end()).stdout(end()).stderr(end());
        session.current_dir(self.dir.path());
        for (key, value) in self.command.get_envs() {
            match value {
                Some(value) => session.env(key, value),
                None => session.env_remove(key),
            };
        }
        self.command = session;
        self
    }

    /// Standard output is this terminal.
    pub fn stdout_on(mut self, terminal: &Terminal) -> Self {
        self.command.stdout(terminal.programs.try_clone().unwrap());
        self
    }

    /// Nobody reads standard output: every write to it fails, as after `| head -1`.
    pub fn stdout_closed(mut self) -> Self {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        self.command.stdout(writer);
        self
    }

    /// Fails the test when the run takes longer; [`LIMIT`] otherwise.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Fails the test when the exit code is another.
    pub fn expect_status(mut self, status: i32) -> Self {
        self.expected.status = Some(status);
        self
    }

    /// Fails the test when standard output differs from this text. `[..]` stands for anything
    /// within a line and a line `...` for any lines; `[DIR]`, `[PORT]`, `[TIME]` and `[LATENCY]`
    /// (measured: `41.2 ms`) for what differs from run to run. With `SNAPSHOTS=overwrite` a
    /// `str![[...]]` is rewritten.
    pub fn expect_stdout(mut self, golden: impl IntoData) -> Self {
        self.expected.stdout = Some(golden.into_data());
        self
    }

    /// The same for standard error.
    pub fn expect_stderr(mut self, golden: impl IntoData) -> Self {
        self.expected.stderr = Some(golden.into_data());
        self
    }

    /// Runs it to its end and checks what was expected.
    #[track_caller]
    pub fn run(self) -> Completed {
        self.spawn().wait()
    }

    /// Starts it.
    #[track_caller]
    pub fn spawn(mut self) -> Running {
        let mut child = self.command.spawn().unwrap();
        // The command holds the closed end of a pipe open; it is not needed any more.
        drop(self.command);
        let (sender, output) = channel();
        if let Some(stdout) = child.stdout.take() {
            forward(stdout, Stream::Stdout, sender.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            forward(stderr, Stream::Stderr, sender);
        }
        Running {
            child,
            output,
            stdout: Vec::new(),
            stderr: Vec::new(),
            dir: Some(self.dir),
            expected: self.expected,
            deadline: Instant::now() + self.limit,
        }
    }
}

#[derive(Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

/// Sends on what arrives, on a thread of its own, until the other end is closed.
fn forward(mut from: impl Read + Send + 'static, stream: Stream, to: Sender<(Stream, Vec<u8>)>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if to.send((stream, buffer[..length].to_vec())).is_err() {
                break;
            }
        }
    });
}

/// A signal that a test may send.
#[derive(Debug, Clone, Copy)]
pub enum Signal {
    Hup,
    Int,
    Quit,
    Term,
    Kill,
    Stop,
    Continue,
}

/// A run that goes on; dropping it kills it.
pub struct Running {
    child: Child,
    output: Receiver<(Stream, Vec<u8>)>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// Until it is handed over to the completed.
    dir: Option<TempDir>,
    expected: Expected,
    deadline: Instant,
}

impl Running {
    /// Sends a signal to this process only.
    pub fn signal(&self, signal: Signal) {
        let name = match signal {
            Signal::Hup => "-HUP",
            Signal::Int => "-INT",
            Signal::Quit => "-QUIT",
            Signal::Term => "-TERM",
            Signal::Kill => "-KILL",
            Signal::Stop => "-STOP",
            Signal::Continue => "-CONT",
        };
        // The shell's own `kill`: the program of that name is not on every machine.
        let command = format!("kill {name} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &command]).status().unwrap();
        assert!(sent.success(), "{command}");
    }

    /// The most memory it has held so far; KiB. `None` when it has ended or nobody tells.
    pub fn peak_memory_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The directory it runs in.
    pub fn dir(&self) -> &Path {
        self.dir.as_ref().expect("kept until the end").path()
    }

    /// Waits until standard output contains `text`, and returns all of it so far.
    #[track_caller]
    pub fn wait_for_stdout(&mut self, text: &str) -> String {
        self.wait_until(text, |running| &running.stdout)
    }

    /// Waits until standard error contains `text`, and returns all of it so far.
    #[track_caller]
    pub fn wait_for_stderr(&mut self, text: &str) -> String {
        self.wait_until(text, |running| &running.stderr)
    }

    #[track_caller]
    fn wait_until(&mut self, text: &str, stream: fn(&Self) -> &Vec<u8>) -> String {
        loop {
            let so_far = String::from_utf8_lossy(stream(self)).into_owned();
            if so_far.contains(text) {
                return so_far;
            }
            assert!(self.receive(), "ended without `{text}`:\n{}", self.shown());
        }
    }

    /// The directory of the only run so far.
    pub fn run_dir(&self) -> PathBuf {
        let mut runs = std::fs::read_dir(self.dir().join("results")).unwrap();
        runs.next().unwrap().unwrap().path()
    }

    /// Waits for its end and checks what was expected.
    #[track_caller]
    pub fn wait(mut self) -> Completed {
        while self.receive() {}
        let status = self.end();
        let completed = Completed {
            status: status.code(),
            stdout: String::from_utf8_lossy(&self.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&self.stderr).into_owned(),
            dir: self.dir.take().expect("kept until the end"),
        };
        completed.check(std::mem::take(&mut self.expected));
        completed
    }

    /// Takes some output; `false` when both streams have ended.
    #[track_caller]
    fn receive(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.output.recv_timeout(left) {
            Ok((Stream::Stdout, bytes)) => self.stdout.extend(bytes),
            Ok((Stream::Stderr, bytes)) => self.stderr.extend(bytes),
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => panic!("took too long:\n{}", self.shown()),
        }
        true
    }

    #[track_caller]
    fn end(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < self.deadline,
                "took too long:\n{}",
                self.shown()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn shown(&self) -> String {
        shown(
            &String::from_utf8_lossy(&self.stdout),
            &String::from_utf8_lossy(&self.stderr),
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shown(stdout: &str, stderr: &str) -> String {
    format!("--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
}

/// What came of a run.
#[derive(Debug)]
pub struct Completed {
    /// The exit code; `None` when a signal killed it.
    pub status: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it printed to standard error.
    pub stderr: String,
    /// The directory it ran in, removed when this is dropped.
    pub dir: TempDir,
}

impl Completed {
    /// A file below the directory, as text.
    #[track_caller]
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        let path = self.dir.path().join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// The directories of the runs below `results/`, oldest first.
    pub fn runs(&self) -> Vec<PathBuf> {
        let results = std::fs::read_dir(self.dir.path().join("results"));
        let entries = results.into_iter().flatten();
        let mut runs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        runs.sort();
        runs
    }

    #[track_caller]
    fn check(&self, expected: Expected) {
        if let Some(status) = expected.status {
            let all = shown(&self.stdout, &self.stderr);
            assert_eq!(self.status, Some(status), "exit code\n{all}");
        }
        let assert = Assert::new()
            .action_env("SNAPSHOTS")
            .redact_with(redactions(self.dir.path()));
        if let Some(golden) = expected.stdout {
            assert.eq(&self.stdout, golden);
        }
        if let Some(golden) = expected.stderr {
            assert.eq(&self.stderr, golden);
        }
    }
}

/// What differs from run to run.
fn redactions(dir: &Path) -> Redactions {
    let regex = |pattern| Regex::new(pattern).unwrap();
    let mut redactions = Redactions::new();
    let mut add = |placeholder, value: Regex| redactions.insert(placeholder, value).unwrap();
    add(
        "[DIR]",
        Regex::new(&regex::escape(&dir.display().to_string())).unwrap(),
    );
    add(
        "[PORT]",
        regex(r"(?:127\.0\.0\.1|localhost):(?<redacted>[0-9]+)"),
    );
    add("[TIME]", regex(r"(?<redacted>[0-9]{8}T[0-9]{6}Z)"));
    add(
        "[TIME]",
        regex(
            r"(?<redacted>[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9.]+)?(?: ?UTC|Z)?)",
        ),
    );
    // As measured values are printed, with a space; configured durations have none and stay.
    add(
        "[LATENCY]",
        regex(r"(?<redacted>[0-9]+(?:\.[0-9]+)? (?:us|ms|s)\b)"),
    );
    redactions
}
