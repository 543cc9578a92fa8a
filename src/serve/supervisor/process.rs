//! The process of a run: how it is started, known again by a later server, and asked to end.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// The option that tells a run where to write.
pub(super) const RUN_DIR: &str = "--run-dir=";

/// A process, told apart from a later one of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    id: u32,
    /// When it started, as the kernel counts it; 0 where that is not known.
    started_ticks: u64,
}

/// Starts a program with these words, in a group of its own, so that a Ctrl-C for the server is none for it. Of the
/// environment it sees only these variables. What it says goes to `log`.
pub(super) fn spawn(
    program: &Path,
    arguments: &[String],
    environment: &BTreeSet<String>,
    log: &Path,
) -> io::Result<(Child, Process)> {
    let visible = environment
        .iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(visible)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        // A file, since a pipe would break with the server.
        .stderr(File::create(log)?)
        .process_group(0)
        .spawn()?;
    let id = child.id();
    let started_ticks = stat(id).map_or(0, |(_, ticks)| ticks);
    Ok((child, Process { id, started_ticks }))
}

impl Process {
    /// The run of this program that writes to a directory, if one goes on.
    pub fn find(run: &Path) -> Option<Self> {
        let wanted = fs::canonicalize(run).ok()?;
        let processes = fs::read_dir("/proc").ok()?;
        let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        ids.into_iter().find_map(|id: u32| {
            let words = fs::read(format!("/proc/{id}/cmdline")).ok()?;
            let mut words = words.split(|byte| *byte == 0);
            let given = words.find_map(|word| word.strip_prefix(RUN_DIR.as_bytes()))?;
            let folder = fs::read_link(format!("/proc/{id}/cwd")).ok()?;
            let given = fs::canonicalize(folder.join(OsStr::from_bytes(given))).ok()?;
            let (_, started_ticks) = stat(id).filter(|_| given == wanted)?;
            Some(Self { id, started_ticks })
        })
    }

    /// Its number.
    pub fn id(self) -> u32 {
        self.id
    }

    /// Whether it is there and has not ended.
    pub fn is_alive(self) -> bool {
        stat(self.id).is_some_and(|(state, ticks)| {
            ticks == self.started_ticks && !matches!(state.as_str(), "Z" | "X")
        })
    }

    /// How long ago it started, by a clock that nobody sets; s.
    pub fn age_s(self) -> Option<u64> {
        let uptime = fs::read_to_string("/proc/uptime").ok()?;
        let uptime_s: u64 = uptime.split(['.', ' ']).next()?.parse().ok()?;
        Some(uptime_s.saturating_sub(self.started_ticks / clock_ticks_per_second()))
    }

    /// Asks it to end as Ctrl-C does.
    pub fn interrupt(self) {
        let pid = i32::try_from(self.id).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| self.is_alive()) {
            // It may just have ended.
            let _ = kill_process(pid, Signal::INT);
        }
    }
}

/// State and start of a process.
fn stat(id: u32) -> Option<(String, u64)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name of the program, in parentheses, may contain anything.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.to_owned();
    let ticks = fields.nth(18)?.parse().ok()?;
    Some((state, ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_again_until_it_has_ended() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        // In the background of a shell, interrupts are ignored, and so they would be there.
        let script = "echo $HOME-$SECRET-$PATH >&2; exec env --default-signal=INT sleep 60";
        let words = ["-c", script].map(str::to_owned);
        let visible = ["PATH".to_owned()].into();
        let (mut child, process) = spawn("/bin/sh".as_ref(), &words, &visible, &log).unwrap();
        let said = || std::fs::read_to_string(&log).unwrap();
        while !said().ends_with('\n') {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        // Neither those of this process nor those that the shell does not set itself.
        let path = std::env::var("PATH").unwrap();
        assert_eq!(said(), format!("--{path}\n"));
        let known: Process =
            serde_json::from_str(&serde_json::to_string(&process).unwrap()).unwrap();
        assert!(known.is_alive());
        let another = Process {
            started_ticks: process.started_ticks + 1,
            ..process
        };
        assert!(!another.is_alive());
        another.interrupt();
        assert!(child.try_wait().unwrap().is_none());
        // Again, since the shell ignores it until it has become the sleep.
        while child.try_wait().unwrap().is_none() {
            known.interrupt();
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        assert!(!known.is_alive());
    }
}
