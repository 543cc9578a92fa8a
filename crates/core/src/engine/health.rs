//! Measures the load generator itself: each worker from the inside, the process from the outside.
//!
//! Here: what is measured, and when. Not here: what the system says of the process (`machine`), and
//! how much is too much (`metrics`).

pub(super) mod machine;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{Instant, sleep_until};

use crate::metrics::{HealthSample, Tick, WorkerHealth};
use crate::units::{as_ns, as_us};
use machine::{CpuTicks, Machine};

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
    /// How often a user of the open model was polled so far.
    polls: Cell<u64>,
    /// How long the worker polled for its next arrival since the last call of `take`.
    waited_ns: Cell<u64>,
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
            polls: Cell::default(),
            waited_ns: Cell::default(),
        }
    }

    /// A user of the open model is about to be polled.
    pub(super) fn poll(&self) {
        self.polls.set(self.polls.get().wrapping_add(1));
    }

    /// How often a user was polled; only differences mean something.
    pub(super) fn polls(&self) -> u64 {
        self.polls.get()
    }

    /// The worker polled for its next arrival for this long, while no user had anything to do. That
    /// uses the processor, but is not work.
    pub(super) fn waited(&self, length: Duration) {
        self.waited_ns
            .set(self.waited_ns.get().saturating_add(as_ns(length)));
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

    /// Takes how long the worker only polled since the last call.
    pub(super) fn take_waited(&self) -> Duration {
        Duration::from_nanos(self.waited_ns.take())
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
        let used = cpu.saturating_sub(self.cpu_at_take.replace(cpu));
        WorkerHealth {
            cpu_us: as_us(used.saturating_sub(self.take_waited())),
            wall_us: as_us(now.saturating_duration_since(self.taken.replace(now))),
            in_flight_us: self.in_flight_ns.take() / 1_000,
            lags_us: self.lags_us.take(),
        }
    }
}

/// Measures the process, from the control thread.
pub(super) struct Sampler {
    machine: Machine,
    cores: f64,
    /// Always before `cpu` was taken, so that a thread never uses more than the time that passed.
    taken: Instant,
    cpu: Duration,
    ticks: CpuTicks,
}

impl Sampler {
    /// From now on, with the numbers of `machine`.
    pub(super) fn new(machine: Machine) -> Self {
        let available = std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
        Self {
            cores: machine.cores(available),
            ticks: machine.cpu_ticks(),
            taken: Instant::now(),
            cpu: thread_cpu(),
            machine,
        }
    }

    /// The health of the second of these ticks.
    pub(super) fn sample(&mut self, ticks: &[Tick]) -> HealthSample {
        let used = thread_cpu().saturating_sub(self.cpu);
        let passed = self.taken.elapsed();
        self.taken += passed;
        self.cpu += used;
        let after = self.machine.cpu_ticks();
        let before = std::mem::replace(&mut self.ticks, after);
        HealthSample {
            steal_share: after.stolen_share_since(before),
            open_files: self.machine.open_files(),
            local_ports: self.machine.local_ports(),
            ..HealthSample::of(ticks, (as_us(used), as_us(passed)), self.cores)
        }
    }
}

/// CPU time of this thread so far.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::machine::tests::machine;
    use super::*;
    use crate::metrics::Usage;

    #[test]
    fn a_sample_has_what_the_machine_and_the_workers_say() {
        let (machine, root) = machine(&[
            ("proc/stat", "cpu  0 0 0 100 0 0 0 0\n"),
            ("proc/self/cgroup", "0::/a\n"),
            ("sys/fs/cgroup/a/cpu.max", "50000 100000\n"),
            ("proc/self/limits", "Max open files  10  20  files\n"),
            ("proc/self/fd/0", ""),
            ("proc/sys/net/ipv4/ip_local_port_range", "1000 1999\n"),
            ("proc/self/net/sockstat", "TCP: inuse 5 tw 2\n"),
        ]);
        let mut sampler = Sampler::new(machine);
        std::fs::write(root.path().join("proc/stat"), "cpu  0 0 0 130 0 0 0 10\n").unwrap();
        let busy = Tick {
            health: WorkerHealth {
                cpu_us: 400_000,
                wall_us: 1_000_000,
                ..WorkerHealth::default()
            },
            ..Tick::default()
        };
        let (before, cpu_before) = (sampler.taken, sampler.cpu);
        let sample = sampler.sample(&[busy]);
        assert!(sampler.taken > before && sampler.taken <= Instant::now());
        assert!(sampler.cpu >= cpu_before && sampler.cpu <= thread_cpu());
        assert_eq!(
            (sample.steal_share, sample.busiest_worker_share),
            (0.25, 0.4)
        );
        let usage = |used, limit| Some(Usage { used, limit });
        assert_eq!(sample.open_files, usage(1, 10));
        assert_eq!(sample.local_ports, usage(7, 1_000));
        // 0.4 cores of the half core that the control group allows, and what this thread itself uses,
        // which is one core at most.
        assert!((0.8..=2.8).contains(&sample.cpu_share), "{sample:?}");
        assert_eq!(
            sampler.sample(&[]).steal_share,
            0.0,
            "since the last sample"
        );
    }

    #[test]
    fn the_cpu_time_of_this_thread_rises_as_it_works() {
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

    #[tokio::test]
    async fn polling_for_the_next_arrival_is_no_work() {
        let meter = Meter::new(Instant::now());
        let before = thread_cpu();
        while thread_cpu() - before < Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        meter.waited(Duration::from_millis(15));
        let rest_us = meter.take().cpu_us;
        assert!((5_000..20_000).contains(&rest_us), "{rest_us}");
        meter.waited(Duration::from_secs(3_600));
        assert_eq!(meter.take().cpu_us, 0);
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
