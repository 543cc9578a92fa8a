//! What the system says of this process and its machine, once a second: CPU time, control groups, open
//! files, local ports.
//!
//! Here: reading the files below `/proc` and `/sys`, and what their texts mean. Not here: what a worker
//! measures of itself (`health`), and how much is too much (`metrics`). A number that the system does
//! not provide is left out, and the run goes on without it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::metrics::Usage;

/// The files of a system; those of this machine, or of a test.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    root: PathBuf,
}

impl Machine {
    /// The machine that perfctl runs on.
    pub(crate) fn this() -> Self {
        Self { root: "/".into() }
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }

    /// The CPU time of the machine since it started; all 0 where it does not say.
    pub(crate) fn cpu_ticks(&self) -> CpuTicks {
        CpuTicks::parse(&self.read("proc/stat").unwrap_or_default())
    }

    /// How much CPU this process may use, in cores: the `available` ones, or the quota of its control
    /// group if that is less.
    pub(crate) fn cores(&self, available: f64) -> f64 {
        let groups = self.read("proc/self/cgroup").unwrap_or_default();
        let quota = quota(&groups, |path| self.read(path));
        quota.map_or(available, |quota| quota.min(available))
    }

    /// The open files of this process.
    pub(crate) fn open_files(&self) -> Option<Usage> {
        Some(Usage {
            used: entries(&self.root.join("proc/self/fd"))?,
            limit: open_files_limit(&self.read("proc/self/limits")?)?,
        })
    }

    /// The range of local ports that connections from this machine can use, both ends included.
    pub(crate) fn port_range(&self) -> Option<(u16, u16)> {
        let text = self.read("proc/sys/net/ipv4/ip_local_port_range")?;
        let mut numbers = text.split_whitespace().map(str::parse);
        let (low, high) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        (low <= high).then_some((low, high))
    }

    /// The local ports in use, at most.
    pub(crate) fn local_ports(&self) -> Option<Usage> {
        let (low, high) = self.port_range()?;
        let limit = u64::from(high - low) + 1;
        let of_both = |name: &str| {
            let v6 = self.read(&format!("proc/self/net/{name}6"));
            Some((
                self.read(&format!("proc/self/net/{name}"))?,
                v6.unwrap_or_default(),
            ))
        };
        let (v4, v6) = of_both("sockstat")?;
        let all = sockets(&v4) + sockets(&v6);
        // Counting sockets is fast, but a connection within this machine has two of them, and only one
        // has a port in the range. Listing many sockets is slow, so it is only done if it may matter.
        let used = if all > limit / 2 {
            let (v4, v6) = of_both("tcp")?;
            ports_between(&(v4 + &v6), low, high)
        } else {
            all
        };
        Some(Usage { used, limit })
    }
}

/// The CPU time of the machine since it started, in ticks of the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CpuTicks {
    stolen: u64,
    all: u64,
}

impl CpuTicks {
    /// Parses the text of `/proc/stat`; all 0 where it lacks the numbers.
    fn parse(stat: &str) -> Self {
        let line = stat
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("cpu "));
        let fields = line.unwrap_or_default().split_whitespace();
        // user, nice, system, idle, iowait, irq, softirq, steal. The time of guests is part of user.
        let ticks: Vec<u64> = fields
            .take(8)
            .map_while(|field| field.parse().ok())
            .collect();
        Self {
            stolen: ticks.get(7).copied().unwrap_or(0),
            all: ticks
                .iter()
                .fold(0, |sum, ticks| sum.saturating_add(*ticks)),
        }
    }

    /// The share of the time since `before` that the hypervisor took.
    pub(crate) fn stolen_share_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all);
        self.stolen.saturating_sub(before.stolen) as f64 / all.max(1) as f64
    }
}

/// The smallest quota of the control groups in `groups` (the text of `/proc/self/cgroup`) and
/// those above them; in cores.
fn quota(groups: &str, read: impl Fn(&str) -> Option<String>) -> Option<f64> {
    let mut smallest: Option<f64> = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else {
            continue;
        };
        let one = controllers.split(',').any(|name| name == "cpu");
        if !one && !controllers.is_empty() {
            continue;
        }
        for group in Path::new(group).ancestors() {
            let group = group.display().to_string();
            let group = group.trim_end_matches('/');
            let found = if one {
                let dir = format!("sys/fs/cgroup/cpu{group}");
                let number = |name| read(&format!("{dir}/cpu.cfs_{name}_us"));
                match (number("quota"), number("period")) {
                    (Some(quota), Some(period)) => cpu_max(&format!("{quota} {period}")),
                    _ => None,
                }
            } else {
                read(&format!("sys/fs/cgroup{group}/cpu.max")).and_then(|text| cpu_max(&text))
            };
            smallest = found.into_iter().chain(smallest).reduce(f64::min);
        }
    }
    smallest
}

/// `20000 100000` is 0.2 cores; `max 100000` and `-1 100000` are no limit.
fn cpu_max(text: &str) -> Option<f64> {
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let (quota, period) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

/// How many files a process has open, from its folder of descriptors.
fn entries(descriptors: &Path) -> Option<u64> {
    let listed = || Some(fs::read_dir(descriptors).ok()?.count() as u64);
    // Since 6.2 the kernel keeps the number in the size of the folder, which is faster than listing it.
    // Before, and in other file systems, the size says something else.
    match fs::metadata(descriptors).ok()?.len() {
        count if count > 0 && descriptors.starts_with("/proc") => Some(count),
        _ => listed(),
    }
}

/// The soft limit in the text of `/proc/self/limits`; the largest number for `unlimited`.
fn open_files_limit(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// The TCP sockets in the text of `/proc/net/sockstat` or `sockstat6`: in use, or in TIME_WAIT.
fn sockets(text: &str) -> u64 {
    let lines = text.lines().filter(|line| line.starts_with("TCP"));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    let pairs = words.windows(2);
    pairs
        .filter(|pair| matches!(pair[0], "inuse" | "tw"))
        .filter_map(|pair| pair[1].parse::<u64>().ok())
        .sum()
}

/// How many different local ports from `low` to `high` there are in the text of `/proc/net/tcp`.
fn ports_between(text: &str, low: u16, high: u16) -> u64 {
    let mut ports: Vec<u16> = text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1)?.rsplit_once(':'))
        .filter_map(|(_, port)| u16::from_str_radix(port, 16).ok())
        .filter(|port| (low..=high).contains(port))
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports.len() as u64
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A machine with these files, in a folder that is gone with the second value.
    pub(crate) fn machine(files: &[(&str, &str)]) -> (Machine, tempfile::TempDir) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let machine = Machine {
            root: root.path().into(),
        };
        (machine, root)
    }

    #[test]
    fn stolen_time_is_the_eighth_number_of_all_cores() {
        let before = "cpu  10 20 30 40 5 6 7 8 9 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        let after = "cpu  20 30 40 100 5 6 7 28 99 99\ncpu0 2 2 2 2 2 2 2 2 2 2\n";
        let (machine, _root) = machine(&[("proc/stat", before)]);
        let first = machine.cpu_ticks();
        assert_eq!(
            first,
            CpuTicks {
                stolen: 8,
                all: 126
            }
        );
        fs::write(machine.root.join("proc/stat"), after).unwrap();
        // 20 of 110 ticks; what guests use (the last two) is part of the first two.
        let share = machine.cpu_ticks().stolen_share_since(first);
        assert_eq!(share, 20.0 / 110.0);
        assert_eq!(first.stolen_share_since(first), 0.0);
        for text in ["", "intr 5\n", "cpu  1 x 3\n"] {
            assert_eq!(CpuTicks::parse(text).stolen, 0, "{text:?}");
        }
    }

    #[test]
    fn a_quota_is_found_in_either_kind_of_control_group_and_above() {
        let (machine, _root) = machine(&[
            ("sys/fs/cgroup/a/b/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/a/cpu.max", "20000 100000\n"),
            ("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "150000\n"),
            ("sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        ]);
        let cores = |groups: &str| {
            fs::create_dir_all(machine.root.join("proc/self")).unwrap();
            fs::write(machine.root.join("proc/self/cgroup"), groups).unwrap();
            machine.cores(4.0)
        };
        assert_eq!(cores("0::/a/b\n"), 0.2);
        assert_eq!(cores("3:cpuset:/\n2:cpu,cpuacct:/x\n"), 1.5);
        // No quota, no group, none that exists: as many as there are.
        for groups in ["1:cpu:/\n", "", "0::/no/such\nnonsense\n"] {
            assert_eq!(cores(groups), 4.0, "{groups:?}");
        }
    }

    #[test]
    fn a_quota_above_the_available_cores_gives_no_more_of_them() {
        let (machine, _root) = machine(&[
            ("proc/self/cgroup", "0::/a\n"),
            ("sys/fs/cgroup/a/cpu.max", "300000 100000\n"),
        ]);
        assert_eq!((machine.cores(2.0), machine.cores(8.0)), (2.0, 3.0));
    }

    #[test]
    fn open_files_are_counted_against_the_soft_limit() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
            Max processes             10                   20                   processes\n\
            Max open files            1024                 4096                 files\n";
        let (machine, _root) = machine(&[
            ("proc/self/limits", limits),
            ("proc/self/fd/0", ""),
            ("proc/self/fd/1", ""),
            ("proc/self/fd/7", ""),
        ]);
        let usage = Usage {
            used: 3,
            limit: 1024,
        };
        assert_eq!(machine.open_files(), Some(usage));
        let unlimited = limits.replace("1024 ", "unlimited");
        assert_eq!(open_files_limit(&unlimited), Some(u64::MAX));
        assert_eq!(open_files_limit("Max open files\n"), None);
    }

    const SOCKSTAT: &str =
        "sockets: used 20\nTCP: inuse 3 orphan 0 tw 50 alloc 3 mem 40\nUDP: inuse 7 mem 0\n";
    const TCP: &str = "  sl  local_address rem_address   st\n\
        0: 0100007F:9C40 0100007F:0050 01\n\
        1: 0100007F:9C40 0200007F:0050 01\n\
        2: 0100007F:0050 0100007F:9C40 01\n";
    const TCP6: &str = "3: 00000000000000000000000001000000:9C41 0000:0050 06\ntorn\n";

    #[test]
    fn ports_are_listed_only_where_so_many_sockets_are_in_use_that_it_matters() {
        let range = "proc/sys/net/ipv4/ip_local_port_range";
        let (machine, _root) = machine(&[
            (range, "40000\t40199\n"),
            ("proc/self/net/sockstat", SOCKSTAT),
            ("proc/self/net/sockstat6", "TCP6: inuse 4\nUDP6: inuse 9\n"),
            ("proc/self/net/tcp", TCP),
            ("proc/self/net/tcp6", TCP6),
        ]);
        let usage = |used, limit| Some(Usage { used, limit });
        assert_eq!(machine.port_range(), Some((40_000, 40_199)));
        assert_eq!(machine.local_ports(), usage(57, 200), "sockets, at most");
        fs::write(machine.root.join(range), "40000 40001\n").unwrap();
        assert_eq!(machine.local_ports(), usage(2, 2), "each port once");
        for text in ["", "2 1\n", "a b\n"] {
            fs::write(machine.root.join(range), text).unwrap();
            assert_eq!(machine.local_ports(), None, "{text:?}");
        }
    }

    #[test]
    fn ports_outside_the_range_do_not_count() {
        let list = format!("{TCP}{TCP6}");
        assert_eq!(ports_between(&list, 40_000, 40_001), 2);
        assert_eq!(ports_between(&list, 40_001, 40_001), 1);
        assert_eq!(ports_between(&list, 1, 65_535), 3);
    }

    #[test]
    fn this_machine_provides_all_numbers() {
        let machine = Machine::this();
        assert!(machine.cores(2.0) > 0.0);
        assert!(machine.cpu_ticks().all > 0);
        let files = machine.open_files().unwrap();
        assert!(files.used >= 3 && files.used <= files.limit, "{files:?}");
        let opened: Vec<_> = (0..10).map(|_| fs::File::open("/proc/stat")).collect();
        assert!(machine.open_files().unwrap().used > files.used.saturating_sub(10));
        drop(opened);
        assert!(machine.local_ports().unwrap().limit > 0);
    }
}
