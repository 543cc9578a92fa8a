//! The load generator's health in one second of a run: how busy it was, and how late.
//!
//! Here: what is stored. Not here: where the numbers come from (`engine`), and the limits they are
//! judged by (`analysis`).

use serde::{Deserialize, Serialize};

use crate::metrics::{SparseHistogram, Tick};

/// The load generator's health in one second of the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthSample {
    /// CPU time of all workers and the control thread, as a share of what the cores offer. The
    /// built-in service is not included.
    pub cpu_share: f64,
    /// CPU time of the busiest worker, as a share of one core.
    pub busiest_worker_share: f64,
    /// The mean number of requests in flight times the seconds this covers.
    pub in_flight_s: f64,
    /// How late the workers' timers fired, beyond the timers' own millisecond.
    #[serde(skip_serializing_if = "SparseHistogram::is_empty")]
    pub loop_lag: SparseHistogram,
    /// CPU time that the hypervisor took from this machine (steal), as a share of all of it.
    #[serde(skip_serializing_if = "is_zero")]
    pub steal_share: f64,
    /// Open files of the process; `None` where the system does not report them.
    pub open_files: Option<Usage>,
    /// Local ports in use on this machine, at most; `None` where the system does not report them.
    pub local_ports: Option<Usage>,
}

/// How much of something is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// In use.
    pub used: u64,
    /// The most that can be used.
    pub limit: u64,
}

impl HealthSample {
    /// From what all workers handed over for one second, and the CPU time of the control thread with
    /// the period it covers; us. `cores` may be a fraction where a quota limits the process.
    ///
    /// Each thread is measured over its own period: the last second of a run may be a millisecond
    /// long for the workers, while the control thread writes the journal of the second before.
    pub fn of(ticks: &[Tick], control: (u64, u64), cores: f64) -> Self {
        let workers = || ticks.iter().map(|tick| &tick.health);
        let share = |(cpu_us, wall_us): (u64, u64)| cpu_us as f64 / wall_us.max(1) as f64;
        let worker_shares = || workers().map(|worker| share((worker.cpu_us, worker.wall_us)));
        let mut lags: Vec<u64> = workers().flat_map(|w| w.lags_us.iter().copied()).collect();
        let in_flight_us: u64 = workers().map(|worker| worker.in_flight_us).sum();
        Self {
            cpu_share: (worker_shares().sum::<f64>() + share(control)) / cores,
            busiest_worker_share: worker_shares().fold(0.0, f64::max),
            in_flight_s: in_flight_us as f64 / 1e6,
            loop_lag: SparseHistogram::of(&mut lags),
            steal_share: 0.0,
            open_files: None,
            local_ports: None,
        }
    }
}

fn is_zero(share: &f64) -> bool {
    *share == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::WorkerHealth;

    #[test]
    fn a_second_sums_up_all_workers() {
        let tick = |cpu_us, lags: &[u64]| Tick {
            health: WorkerHealth {
                cpu_us,
                wall_us: 1_000_000,
                in_flight_us: 2_500_000,
                lags_us: lags.to_vec(),
            },
            ..Tick::default()
        };
        let ticks = [tick(400_000, &[1, 2]), tick(900_000, &[3])];
        let sample = HealthSample::of(&ticks, (100_000, 1_000_000), 2.0);
        assert!((sample.cpu_share - 0.7).abs() < 1e-9, "{sample:?}");
        assert_eq!(sample.busiest_worker_share, 0.9);
        assert_eq!((sample.in_flight_s, sample.loop_lag.count()), (5.0, 3));
        let held_back = HealthSample::of(&ticks[..1], (0, 1), 0.4);
        assert_eq!(held_back.cpu_share, 1.0, "a quota of 40 % is used up");
        assert_eq!(HealthSample::of(&[], (0, 0), 1.0).cpu_share, 0.0);
    }

    /// The last second of a run is as long as the load went on in it.
    #[test]
    fn a_second_of_nearly_no_length_uses_no_more_than_all_cores() {
        let tick = Tick {
            health: WorkerHealth {
                cpu_us: 1_000,
                wall_us: 1_400,
                ..WorkerHealth::default()
            },
            ..Tick::default()
        };
        let sample = HealthSample::of(&[tick], (80_000, 1_000_000), 2.0);
        assert!(sample.cpu_share < 0.4, "{sample:?}");
    }
}
