//! What the system says of the processes of the service, where they run on this machine.
//!
//! Here: which processes they are, and reading the files below `/proc` and `/sys/fs/cgroup`. Not here: what the
//! system says of perfctl itself (`engine::health`).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::reading::Reading;
use crate::plan::{HOST_METRICS, HostTarget};

/// A reading of each of [`HOST_METRICS`], or why there is none.
pub(super) type HostReadings = [Result<Reading, String>; HOST_METRICS.len()];

/// The processes of the service.
pub(super) struct Host {
    root: PathBuf,
    target: HostTarget,
    /// In which the system counts CPU time.
    ticks_per_s: f64,
}

/// A process that is running.
struct Process {
    /// Below `/proc`.
    folder: PathBuf,
    /// Tells it from a later one with the same number.
    key: String,
    cpu_ticks: f64,
}

impl Host {
    /// On this machine.
    pub(super) fn new(target: HostTarget) -> Self {
        Self {
            root: "/".into(),
            target,
            ticks_per_s: rustix::param::clock_ticks_per_second() as f64,
        }
    }

    /// What it uses now.
    pub(super) fn read(&self) -> HostReadings {
        let readings = match &self.target {
            HostTarget::Cgroup(path) => self.of_group(path),
            HostTarget::Pid(pid) => {
                let folder = self.root.join("proc").join(pid.to_string());
                let process = process(&folder).ok_or_else(|| format!("there is no process {pid}"));
                process.map(|process| self.of_processes(&[process]))
            }
            HostTarget::Process(name) => match self.processes(name) {
                found if found.is_empty() => Err(format!("there is no process `{name}`")),
                found => Ok(self.of_processes(&found)),
            },
        };
        readings.unwrap_or_else(|why| std::array::from_fn(|_| Err(why.clone())))
    }

    /// The running processes whose program has this name.
    fn processes(&self, name: &str) -> Vec<Process> {
        let folders = fs::read_dir(self.root.join("proc")).into_iter().flatten();
        let folders = folders.flatten().map(|entry| entry.path());
        let is_process = |path: &PathBuf| {
            let number = path.file_name().and_then(|name| name.to_str());
            number.is_some_and(|number| number.parse::<u32>().is_ok())
        };
        let has_name = |path: &PathBuf| {
            let read = |file: &str| fs::read_to_string(path.join(file)).unwrap_or_default();
            // The system shortens its own name of a process, and a process can change the other one.
            let command = read("cmdline");
            let program = command.split('\0').next().unwrap_or_default();
            read("comm").trim_end() == name || program.rsplit('/').next() == Some(name)
        };
        let folders = folders.filter(is_process).filter(has_name);
        let mut processes: Vec<Process> = folders.filter_map(|folder| process(&folder)).collect();
        processes.sort_by(|a, b| a.key.cmp(&b.key));
        processes
    }

    fn of_processes(&self, processes: &[Process]) -> HostReadings {
        let cpu = processes
            .iter()
            .map(|one| (one.key.clone(), one.cpu_ticks / self.ticks_per_s));
        let memory: Option<f64> = processes
            .iter()
            .map(|one| {
                let status = fs::read_to_string(one.folder.join("status")).ok()?;
                Some(field(&status, "VmRSS:")? * 1024.0)
            })
            .sum();
        let disk = |name: &str| {
            let values = processes.iter().map(|one| {
                let io = fs::read_to_string(one.folder.join("io")).map_err(|error| {
                    format!(
                        "the system does not show what it reads and writes: {}",
                        reason(&error)
                    )
                })?;
                Ok((one.key.clone(), field(&io, name).unwrap_or_default()))
            });
            let values: Result<BTreeMap<String, f64>, String> = values.collect();
            values.map(Reading::Counter)
        };
        let [received, sent] = self.network(&processes[0].folder);
        [
            Ok(Reading::Counter(cpu.collect())),
            memory
                .map(Reading::Gauge)
                .ok_or_else(|| "the system does not show its memory".to_owned()),
            disk("read_bytes:"),
            disk("write_bytes:"),
            received,
            sent,
        ]
    }

    fn of_group(&self, path: &str) -> Result<HostReadings, String> {
        let folder = self
            .root
            .join("sys/fs/cgroup")
            .join(path.trim_start_matches('/'));
        if !folder.is_dir() {
            return Err(format!("there is no control group `{path}`"));
        }
        let read = |file: &str| {
            let text = fs::read_to_string(folder.join(file));
            text.map_err(|error| format!("the control group has no `{file}`: {}", reason(&error)))
        };
        let one = |value: f64| Reading::Counter([(String::new(), value)].into());
        let cpu = read("cpu.stat").and_then(|text| {
            let used_us = field(&text, "usage_usec");
            let used_us = used_us.ok_or_else(|| "`cpu.stat` has no `usage_usec`".to_owned());
            used_us.map(|used_us| one(used_us / 1e6))
        });
        let memory = read("memory.current").and_then(|text| {
            let number = text.trim().parse();
            let number = number.map_err(|_| "`memory.current` has no number".to_owned());
            number.map(Reading::Gauge)
        });
        let disk = |name: &str| {
            read("io.stat").map(|text| {
                let values = text
                    .split_whitespace()
                    .filter_map(|word| word.strip_prefix(name));
                let values = values.filter_map(|value| value.parse::<f64>().ok());
                one(values.sum())
            })
        };
        let processes = read("cgroup.procs").unwrap_or_default();
        let [received, sent] = match processes.lines().next() {
            Some(pid) => self.network(&self.root.join("proc").join(pid)),
            None => [const { Err(String::new()) }; 2].map(|_: Result<Reading, String>| {
                Err("the control group has no process whose network it could be".to_owned())
            }),
        };
        Ok([
            cpu,
            memory,
            disk("rbytes="),
            disk("wbytes="),
            received,
            sent,
        ])
    }

    /// Bytes received and sent by the network namespace of a process, if that is not perfctl's own, too.
    fn network(&self, process: &Path) -> [Result<Reading, String>; 2] {
        let namespace = |process: &Path| fs::read_link(process.join("ns/net")).ok();
        let own = namespace(&self.root.join("proc/self"));
        let its = namespace(process);
        let counted = match its {
            None => Err("the system does not show its network".to_owned()),
            Some(_) if its == own => Err(
                "the process shares the network of this machine with perfctl and others".to_owned(),
            ),
            Some(_) => {
                let text = fs::read_to_string(process.join("net/dev"));
                text.map_err(|error| {
                    format!("the system does not show its network: {}", reason(&error))
                })
            }
        };
        [0, 8].map(|column| {
            let text = counted.clone()?;
            let interfaces = text.lines().filter_map(|line| line.split_once(':'));
            let interfaces = interfaces.filter(|(name, _)| name.trim() != "lo");
            let values = interfaces.filter_map(|(name, numbers)| {
                let number = numbers.split_whitespace().nth(column)?.parse().ok()?;
                Some((name.trim().to_owned(), number))
            });
            Ok(Reading::Counter(values.collect()))
        })
    }
}

/// The process with this folder below `/proc`.
fn process(folder: &Path) -> Option<Process> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // The name before may have spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some(Process {
        key: format!("{} {}", folder.display(), fields.get(19)?),
        cpu_ticks: number(11)? + number(12)?,
        folder: folder.to_owned(),
    })
}

/// The number in the line that starts with `name`.
fn field(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// An error of the system in a word.
fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::NotFound => "not found",
        _ => "it cannot be read",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host with these files, in a folder that is gone with the second value.
    fn host(target: HostTarget, files: &[(&str, &str)]) -> (Host, tempfile::TempDir) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match path.ends_with("ns/net") {
                true => std::os::unix::fs::symlink(text, path).unwrap(),
                false => fs::write(path, text).unwrap(),
            }
        }
        let host = Host {
            root: root.path().into(),
            target,
            ticks_per_s: 100.0,
        };
        (host, root)
    }

    fn stat(name: &str, user: u64, system: u64, started: u64) -> String {
        format!("7 ({name}) S 1 1 1 0 -1 0 0 0 0 0 {user} {system} 0 0 20 0 1 0 {started} 9 9")
    }

    /// The sums of counters, and gauges.
    fn numbers(readings: HostReadings) -> Vec<Result<f64, String>> {
        let number = |reading| match reading {
            Reading::Counter(series) => series.into_values().sum(),
            Reading::Gauge(level) => level,
            other => panic!("{other:?}"),
        };
        readings
            .into_iter()
            .map(|reading| reading.map(number))
            .collect()
    }

    const DEV: &str = "Inter-|   Receive\n face |bytes\n    lo: 5 1 0 0 0 0 0 0 5 1\n\
        eth0: 700 1 0 0 0 0 0 0 300 2\n";

    #[test]
    fn processes_of_one_name_are_summed_up() {
        let (host, root) = host(
            HostTarget::Process("web".into()),
            &[
                ("proc/7/stat", &stat("web) (x", 150, 50, 1)),
                ("proc/7/comm", "web\n"),
                ("proc/7/status", "Name: web\nVmRSS:\t  2 kB\n"),
                ("proc/7/io", "rchar: 1\nread_bytes: 40\nwrite_bytes: 60\n"),
                ("proc/7/ns/net", "net:[2]"),
                ("proc/7/net/dev", DEV),
                ("proc/8/stat", &stat("python3", 100, 0, 2)),
                ("proc/8/comm", "python3\n"),
                ("proc/8/cmdline", "/usr/bin/web\0--port\0"),
                ("proc/8/status", "VmRSS: 3 kB\n"),
                ("proc/8/io", "read_bytes: 2\nwrite_bytes: 3\n"),
                ("proc/9/stat", &stat("other", 9, 9, 3)),
                ("proc/9/comm", "other\n"),
                ("proc/self/ns/net", "net:[1]"),
            ],
        );
        let all = [3.0, 5.0 * 1024.0, 42.0, 63.0, 700.0, 300.0].map(Ok);
        assert_eq!(numbers(host.read()), all);
        fs::remove_file(root.path().join("proc/self/ns/net")).unwrap();
        std::os::unix::fs::symlink("net:[2]", root.path().join("proc/self/ns/net")).unwrap();
        fs::remove_file(root.path().join("proc/8/io")).unwrap();
        let some = numbers(host.read());
        assert_eq!(some[..2], all[..2]);
        assert!(
            some[2].as_ref().unwrap_err().contains("not found"),
            "{some:?}"
        );
        assert!(some[4].as_ref().unwrap_err().contains("shares the network"));
    }

    #[test]
    fn a_process_that_is_gone_has_no_numbers() {
        for (target, why) in [
            (HostTarget::Pid(7), "there is no process 7"),
            (
                HostTarget::Process("web".into()),
                "there is no process `web`",
            ),
            (
                HostTarget::Cgroup("/a".into()),
                "there is no control group `/a`",
            ),
        ] {
            let (host, _root) = host(target, &[("proc/8/stat", "torn")]);
            assert!(
                numbers(host.read())
                    .iter()
                    .all(|one| *one == Err(why.to_owned()))
            );
        }
    }

    #[test]
    fn a_control_group_says_what_all_its_processes_use() {
        let (host, _root) = host(
            HostTarget::Cgroup("/a.slice/web".into()),
            &[
                (
                    "sys/fs/cgroup/a.slice/web/cpu.stat",
                    "usage_usec 2500000\nuser_usec 1\n",
                ),
                ("sys/fs/cgroup/a.slice/web/memory.current", "4096\n"),
                (
                    "sys/fs/cgroup/a.slice/web/io.stat",
                    "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2 rios=1\n",
                ),
                ("sys/fs/cgroup/a.slice/web/cgroup.procs", "7\n8\n"),
                ("proc/7/ns/net", "net:[2]"),
                ("proc/7/net/dev", DEV),
            ],
        );
        let all = [2.5, 4096.0, 11.0, 22.0, 700.0, 300.0].map(Ok);
        assert_eq!(numbers(host.read()), all);
    }

    #[test]
    fn this_process_has_cpu_time_and_memory() {
        let own = numbers(Host::new(HostTarget::Pid(std::process::id())).read());
        assert!(
            own[0].is_ok() && own[1].as_ref().unwrap() > &100_000.0,
            "{own:?}"
        );
    }
}
