//! Measures the load generator itself: each worker from the inside, the process from the outside.
//!
//! Here: where the numbers come from; pure functions parse what `/proc` and the control groups say.
//! Not here: how much is too much (`metrics`). A number that the system does not provide is left out,
//! and the run goes on without it.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use tokio::time::{Instant, sleep_until};

use crate::metrics::{HealthSample, Tick, Usage, WorkerHealth};
use crate::units::{as_ns, as_us};

/// How often a worker checks how late its timers wake it.
const STEP: Duration = Duration::from_millis(10);
/// tokio's timers tick in milliseconds.
const RESOLUTION: Duration = Duration::from_millis(1);

/// Measures the worker whose thread it lives in.
pub(super) struct Meter {
    /// All its times count from here.
    epoch: Instant,
    in_flight: Cell<u32>,
    /// When `in_flight` last changed or was taken.
    changed_ns: Cell<u64>,
    in_flight_ns: Cell<u64>,
    lags_us: RefCell<Vec<u64>>,
    taken: Cell<Instant>,
    cpu_at_take: Cell<Duration>,
}

impl Meter {
    pub(super) fn new(epoch: Instant) -> Self {
        let now = Instant::now();
        Self {
            epoch,
            in_flight: Cell::new(0),
            changed_ns: Cell::default(),
            in_flight_ns: Cell::default(),
            lags_us: RefCell::default(),
            taken: Cell::new(now),
            cpu_at_take: Cell::new(thread_cpu()),
        }
    }

    /// A request was sent, this long after the epoch.
    pub(super) fn started(&self, at_ns: u64) {
        self.count(at_ns);
        self.in_flight.set(self.in_flight.get() + 1);
    }

    /// A request ended.
    pub(super) fn ended(&self, at_ns: u64) {
        self.count(at_ns);
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
    }

    fn count(&self, now_ns: u64) {
        let since_ns = now_ns.saturating_sub(self.changed_ns.replace(now_ns));
        let time_ns = since_ns.saturating_mul(u64::from(self.in_flight.get()));
        self.in_flight_ns
            .set(self.in_flight_ns.get().saturating_add(time_ns));
    }

    /// Records how late this worker wakes up, until the future is dropped. It has a schedule of its own,
    /// so that a long standstill counts as many late wake-ups.
    pub(super) async fn watch(&self) {
        let mut due = Instant::now();
        loop {
            due += STEP;
            sleep_until(due).await;
            let late = Instant::now().saturating_duration_since(due);
            let lag_us = as_us(late.saturating_sub(RESOLUTION));
            // Rounded down, so that an idle second has only a few different values in the journal.
            self.lags_us.borrow_mut().push(lag_us / 100 * 100);
        }
    }

    /// Takes what was recorded since the last call.
    pub(super) fn take(&self) -> WorkerHealth {
        let now = Instant::now();
        self.count(as_ns(now.saturating_duration_since(self.epoch)));
        let cpu = thread_cpu();
        WorkerHealth {
            cpu_us: as_us(cpu.saturating_sub(self.cpu_at_take.replace(cpu))),
            wall_us: as_us(now.saturating_duration_since(self.taken.replace(now))),
            in_flight_us: self.in_flight_ns.take() / 1_000,
            lags_us: self.lags_us.take(),
        }
    }
}

/// Measures the process, from the control thread.
pub(super) struct Sampler {
    cores: f64,
    cpu: Duration,
    ticks: CpuTicks,
}

impl Sampler {
    pub(super) fn new() -> Self {
        Self {
            cores: cores(),
            cpu: thread_cpu(),
            ticks: cpu_ticks(),
        }
    }

    /// The health of the second of these ticks.
    pub(super) fn sample(&mut self, ticks: &[Tick]) -> HealthSample {
        let cpu = thread_cpu();
        let control = cpu.saturating_sub(std::mem::replace(&mut self.cpu, cpu));
        let now = cpu_ticks();
        let before = std::mem::replace(&mut self.ticks, now);
        HealthSample {
            steal_share: now.stolen_share_since(before),
            open_files: open_files(),
            local_ports: local_ports(),
            ..HealthSample::of(ticks, as_us(control), self.cores)
        }
    }
}

/// The CPU time of the machine since it started, in ticks of the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct CpuTicks {
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

    fn stolen_share_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all);
        self.stolen.saturating_sub(before.stolen) as f64 / all.max(1) as f64
    }
}

fn cpu_ticks() -> CpuTicks {
    CpuTicks::parse(&fs::read_to_string("/proc/stat").unwrap_or_default())
}

/// CPU time of this thread so far.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// How much CPU this process may use, in cores: those it may run on, or the quota of its control
/// group if that is less.
fn cores() -> f64 {
    let cores = std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    quota(&groups, |path| fs::read_to_string(path).ok()).map_or(cores, |quota| quota.min(cores))
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
                let dir = format!("/sys/fs/cgroup/cpu{group}");
                let number = |name| read(&format!("{dir}/cpu.cfs_{name}_us"));
                match (number("quota"), number("period")) {
                    (Some(quota), Some(period)) => cpu_max(&format!("{quota} {period}")),
                    _ => None,
                }
            } else {
                read(&format!("/sys/fs/cgroup{group}/cpu.max")).and_then(|text| cpu_max(&text))
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

fn open_files() -> Option<Usage> {
    let limit = getrlimit(Resource::Nofile).current?;
    let directory = fs::metadata("/proc/self/fd").ok()?;
    let used = match directory.len() {
        // Kernels before 6.2 do not keep the number there.
        0 => fs::read_dir("/proc/self/fd").ok()?.count() as u64,
        count => count,
    };
    Some(Usage { used, limit })
}

/// The range of local ports that connections from this machine can use, both ends included.
pub(super) fn port_range() -> Option<(u16, u16)> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut numbers = text.split_whitespace().map(str::parse);
    let (low, high) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    (low <= high).then_some((low, high))
}

fn local_ports() -> Option<Usage> {
    let (low, high) = port_range()?;
    let limit = u64::from(high - low) + 1;
    let read = |name: &str| fs::read_to_string(format!("/proc/self/net/{name}")).ok();
    let all = sockets(&read("sockstat")?) + sockets(&read("sockstat6").unwrap_or_default());
    // Counting sockets is fast, but a connection within this machine has two of them, and only one
    // has a port in the range. Listing many sockets is slow, so it is only done if it may matter.
    let used = if all > limit / 2 {
        let list = read("tcp")? + &read("tcp6").unwrap_or_default();
        ports_between(&list, low, high)
    } else {
        all
    };
    Some(Usage { used, limit })
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
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_found_in_either_kind_of_control_group_and_above() {
        let files = [
            ("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n"),
            ("/sys/fs/cgroup/a/cpu.max", "20000 100000\n"),
            ("/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "150000\n"),
            ("/sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n"),
            ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        ];
        let read = |path: &str| {
            let found = files.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| (*text).to_owned())
        };
        assert_eq!(quota("0::/a/b\n", read), Some(0.2));
        assert_eq!(quota("3:cpuset:/\n2:cpu,cpuacct:/x\n", read), Some(1.5));
        assert_eq!(quota("1:cpu:/\n", read), None);
        assert_eq!(quota("", read), None);
        assert_eq!(quota("0::/no/such\nnonsense\n", read), None);
    }

    #[test]
    fn sockets_are_counted_in_both_families() {
        let v4 =
            "sockets: used 20\nTCP: inuse 3 orphan 0 tw 50 alloc 3 mem 40\nUDP: inuse 7 mem 0\n";
        let v6 = "TCP6: inuse 4\nUDP6: inuse 9\n";
        assert_eq!((sockets(v4), sockets(v6), sockets("")), (53, 4, 0));
    }

    #[test]
    fn each_port_in_the_range_counts_once() {
        let list = "  sl  local_address rem_address   st\n\
            0: 0100007F:9C40 0100007F:0050 01\n\
            1: 0100007F:9C40 0200007F:0050 01\n\
            2: 0100007F:0050 0100007F:9C40 01\n\
            3: 00000000000000000000000001000000:9C41 0000:0050 06\n\
            torn\n";
        assert_eq!(ports_between(list, 40_000, 40_001), 2);
        assert_eq!(ports_between(list, 1, 65_535), 3);
    }

    #[test]
    fn this_machine_provides_all_numbers() {
        assert!(cores() > 0.0);
        let files = open_files().unwrap();
        assert!(files.used >= 3 && files.used <= files.limit, "{files:?}");
        let ports = local_ports().unwrap();
        assert!(ports.limit > 0);
        let before = thread_cpu();
        while thread_cpu() == before {
            std::hint::spin_loop();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_in_flight_are_counted_by_their_time() {
        let meter = Meter::new(Instant::now());
        meter.started(100_000_000);
        meter.started(200_000_000);
        meter.ended(250_000_000);
        tokio::time::advance(Duration::from_millis(400)).await;
        let first = meter.take();
        assert_eq!((first.in_flight_us, first.wall_us), (350_000, 400_000));
        tokio::time::advance(Duration::from_millis(100)).await;
        meter.ended(500_000_000);
        assert_eq!(meter.take().in_flight_us, 100_000);
        assert_eq!(meter.take().in_flight_us, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_standstill_is_many_late_wake_ups() {
        let meter = Meter::new(Instant::now());
        let stall = async {
            tokio::time::sleep(Duration::from_millis(55)).await;
            // Nothing else runs while the clock moves on.
            tokio::time::advance(Duration::from_millis(200)).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        tokio::select! {
            () = meter.watch() => unreachable!("it never ends"),
            () = stall => {}
        }
        let lags_us = meter.take().lags_us;
        let late = lags_us.iter().filter(|lag| **lag > 10_000).count();
        assert!((17..=19).contains(&late), "{lags_us:?}");
        assert!(lags_us.iter().any(|lag| *lag > 180_000));
        assert!((34..=36).contains(&lags_us.len()), "{}", lags_us.len());
    }
}
