//! Whether the load generator was healthy: the limits, and what is said when they are exceeded.
//!
//! Not here: where the numbers come from (`engine`), how they are stored (`record`), dropped arrivals
//! (`dropped`), and the other causes that make a run INVALID (`validity`).

use super::concern::Concern;
use super::dropped::WORKER_FULL;
use crate::metrics::{HealthSample, Histogram, RunResult, Usage, Window};
use crate::plan::{ClientChoice, Model, Percentile};
use crate::units::{format_count, format_latency_us, trim_float};

/// For how many seconds in a row the generator has to be too busy to make the run INVALID.
const CONSECUTIVE_S: usize = 5;
/// Share of the CPU time available to perfctl: a warning above the first, INVALID above the second for 5 s in a
/// row.
pub const CPU_LIMITS: [f64; 2] = [0.70, 0.85];
/// Share of the single core of the busiest worker: a warning above the first, INVALID above the second for
/// 5 s in a row.
pub const WORKER_LIMITS: [f64; 2] = [0.80, WORKER_FULL];
/// How late the p99 of a worker's wake-ups may be without a warning; us.
pub const LAG_P99_US: f64 = 10_000.0;
/// A wake-up later than this makes the run INVALID; us.
const LAG_MAX_US: u64 = 100_000;
/// p99 of the scheduling delay: a warning above the first, INVALID above the second; us.
const SCHEDULING_DELAY_US: [f64; 2] = [5_000.0, 10_000.0];
/// INVALID only if that p99 is also more than this share of the median response time.
const SCHEDULING_DELAY_SHARE: f64 = 0.05;
/// Open files and local ports in use: a warning above this share.
const USED: f64 = 0.80;

impl RunResult {
    /// The share of this machine's CPU time that the hypervisor took, over the whole run; 0 where
    /// it was not measured.
    pub fn mean_steal_share(&self) -> f64 {
        let sum: f64 = self.health.iter().map(|second| second.steal_share).sum();
        sum / self.health.len().max(1) as f64
    }

    /// Each second of the run: whether the load generator was above a limit that makes a run INVALID if that
    /// lasts for 5 s.
    pub fn overloaded_seconds(&self) -> impl Iterator<Item = bool> {
        self.health.iter().map(|second| {
            second.cpu_share > CPU_LIMITS[1] || second.busiest_worker_share > WORKER_LIMITS[1]
        })
    }

    /// Everything that is wrong with the load generator's health. CPU, loop lag and scheduling
    /// delay count only where the load was measured: a generator that struggles during the ramp
    /// affects no number that is graded.
    pub(super) fn health_concerns(&self) -> Vec<Concern> {
        let lighter = self.lighter_client();
        let cpu = self.busy(
            |second| second.cpu_share,
            CPU_LIMITS,
            "the CPU time available to perfctl",
            &format!("{lighter}fewer users or a lower rate, or another machine"),
        );
        let worker = self.busy(
            |second| second.busiest_worker_share,
            WORKER_LIMITS,
            "the single core a worker can use",
            &format!("{lighter}more `--workers`, fewer users or a lower rate, or another machine"),
        );
        let concerns = [
            cpu,
            worker,
            self.loop_lag(),
            self.scheduling_delay(),
            self.used_up(|second| second.open_files, "open files", "`ulimit -n`"),
            self.used_up(
                |second| second.local_ports,
                "local ports",
                "`net.ipv4.ip_local_port_range`",
            ),
        ];
        let mut concerns: Vec<Concern> = concerns.into_iter().flatten().collect();
        concerns.extend(self.dropped_concerns());
        concerns
    }

    /// The suggestion that costs no load, unless it was followed already; to stand before others.
    pub(super) fn lighter_client(&self) -> &'static str {
        match self.run.client {
            ClientChoice::Reqwest => "`--client direct` (less CPU time per request), ",
            ClientChoice::Direct => "",
        }
    }

    /// The seconds in which load was measured, in part at least.
    pub fn measured_health(&self) -> impl Iterator<Item = &HealthSample> {
        let stopped_at_us = self.stopped_at_us();
        let measured = move |start_us: u64| {
            let phases = self.run.phases.iter().filter(|phase| phase.measured);
            phases.into_iter().any(|phase| {
                start_us < phase.end_us.min(stopped_at_us) && start_us + 1_000_000 > phase.start_us
            })
        };
        let seconds = self.health.iter().enumerate();
        seconds
            .filter(move |(second, _)| measured(*second as u64 * 1_000_000))
            .map(|(_, sample)| sample)
    }

    fn busy(
        &self,
        share: fn(&HealthSample) -> f64,
        [warn, invalid]: [f64; 2],
        of: &str,
        to_try: &str,
    ) -> Option<Concern> {
        let shares: Vec<f64> = self.measured_health().map(share).collect();
        let highest = shares.iter().copied().fold(0.0, f64::max);
        let (mut running, mut longest) = (0, 0);
        for share in &shares {
            running = if *share > invalid { running + 1 } else { 0 };
            longest = longest.max(running);
        }
        let decisive = longest >= CONSECUTIVE_S;
        let (bound, seconds) = match decisive {
            true => (invalid, format!("for {longest} s in a row")),
            false => {
                let above = shares.iter().filter(|share| **share > warn).count();
                (warn, format!("in {above} of {} s", shares.len()))
            }
        };
        (highest > warn).then(|| Concern {
            decisive,
            text: format!(
                "the load generator used more than {} of {of} {seconds} (peak {}): try {to_try}",
                percent(bound),
                percent(highest)
            ),
        })
    }

    fn loop_lag(&self) -> Option<Concern> {
        let mut histogram = Histogram::default();
        self.measured_health()
            .for_each(|second| histogram.add(&second.loop_lag));
        let max_us = histogram.max()?;
        if max_us > LAG_MAX_US as f64 {
            return Some(Concern {
                decisive: true,
                text: format!(
                    "the load generator stalled for {} and could neither start nor time requests: \
                     try fewer users, or a machine with less other work",
                    format_latency_us(max_us)
                ),
            });
        }
        let p99_us = histogram.percentile(Percentile::new(99.0)?)?;
        (p99_us > LAG_P99_US).then(|| Concern {
            decisive: false,
            text: format!(
                "workers woke up to {} late (p99), which adds as much to response times: try \
                 fewer users, or a machine with less other work",
                format_latency_us(p99_us)
            ),
        })
    }

    fn scheduling_delay(&self) -> Option<Concern> {
        if self.run.load.model == Model::Closed {
            return None;
        }
        let total = self.summary(None, Window::Measured);
        let p99_us = total.scheduling_delay_us.p99?;
        let [warn_us, invalid_us] = SCHEDULING_DELAY_US;
        let of_median = total
            .response_us
            .p50
            .is_none_or(|p50| p99_us > p50 * SCHEDULING_DELAY_SHARE);
        (p99_us > warn_us).then(|| Concern {
            decisive: p99_us > invalid_us && of_median,
            text: format!(
                "requests started up to {} late (p99 of the scheduling delay): try {}more \
                 `--workers`, a lower rate, or another machine",
                format_latency_us(p99_us),
                self.lighter_client()
            ),
        })
    }

    fn used_up(
        &self,
        usage: fn(&HealthSample) -> Option<Usage>,
        what: &str,
        limit: &str,
    ) -> Option<Concern> {
        let share = |usage: &Usage| usage.used as f64 / usage.limit.max(1) as f64;
        let usages = self.health.iter().filter_map(usage);
        let most = usages.max_by(|a, b| share(a).total_cmp(&share(b)))?;
        (share(&most) > USED).then(|| Concern {
            decisive: false,
            text: format!(
                "{} of {} {what} were in use: try fewer users, or raise the limit ({limit})",
                format_count(most.used),
                format_count(most.limit)
            ),
        })
    }
}

fn percent(share: f64) -> String {
    format!("{}%", trim_float(share * 100.0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Outcome, SparseHistogram, Tick, fixture};

    /// A run of 2 s ramp and 10 s measured load, whose seconds are changed by `change`.
    fn run(change: impl Fn(usize, &mut HealthSample)) -> RunResult {
        let mut result = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 1_000)])]);
        result.health = (0..13)
            .map(|second| {
                let mut sample = HealthSample {
                    cpu_share: 0.3,
                    busiest_worker_share: 0.5,
                    in_flight_s: 1.0 / 13.0,
                    loop_lag: SparseHistogram::of(&mut [100; 100]),
                    steal_share: 0.0,
                    open_files: Some(Usage {
                        used: 100,
                        limit: 1024,
                    }),
                    local_ports: Some(Usage {
                        used: 50,
                        limit: 28_232,
                    }),
                };
                change(second, &mut sample);
                sample
            })
            .collect();
        result
    }

    /// `(INVALID, warnings)`.
    fn judged(result: &RunResult) -> (Vec<String>, Vec<String>) {
        (result.invalid_because(), result.warnings())
    }

    #[test]
    fn the_share_that_the_hypervisor_took_is_a_mean() {
        let result = run(|second, sample| sample.steal_share = second as f64 / 10.0);
        let seconds = result.health.len();
        let mean = result.mean_steal_share();
        let expected = (seconds - 1) as f64 / 20.0;
        assert!((mean - expected).abs() < 1e-9, "{mean} of {seconds}");
        let mut unmeasured = result;
        unmeasured.health.clear();
        assert_eq!(unmeasured.mean_steal_share(), 0.0);
    }

    #[test]
    fn a_generator_at_rest_raises_nothing() {
        assert_eq!(judged(&run(|_, _| {})), (vec![], vec![]));
    }

    #[test]
    fn a_busy_process_or_worker_is_a_warning_and_five_seconds_in_a_row_are_invalid() {
        type ShareField = fn(&mut HealthSample) -> &mut f64;
        let fields: [(ShareField, [f64; 2], &str); 2] = [
            (|s| &mut s.cpu_share, CPU_LIMITS, "CPU time"),
            (|s| &mut s.busiest_worker_share, WORKER_LIMITS, "a worker"),
        ];
        for (field, [warn, invalid], part) in fields {
            let of_seconds = |seconds: &[usize], share: f64| {
                let result = run(|second, sample| {
                    if seconds.contains(&second) {
                        *field(sample) = share;
                    }
                });
                judged(&result)
            };
            assert_eq!(of_seconds(&[4, 5, 6, 7, 8], warn), (vec![], vec![]));
            let (because, warnings) = of_seconds(&[4], warn + 0.01);
            assert!(because.is_empty() && warnings[0].contains(part));
            assert!(warnings[0].contains("in 1 of 10 s"), "{warnings:?}");
            let (because, warnings) = of_seconds(&[3, 4, 5, 6, 8, 9], invalid + 0.01);
            assert_eq!((because.len(), warnings.len()), (0, 1), "not in a row");
            let (because, warnings) = of_seconds(&[3, 4, 5, 6, 7], invalid + 0.01);
            assert_eq!((because.len(), warnings.len()), (1, 0));
            assert!(because[0].contains("for 5 s in a row"), "{because:?}");
            let in_the_ramp = of_seconds(&[0, 1], invalid + 0.1);
            assert_eq!(in_the_ramp, (vec![], vec![]), "nothing of it is graded");
        }
    }

    #[test]
    fn a_busy_generator_suggests_the_lighter_client_unless_it_was_used() {
        let mut result = run(|_, sample| sample.cpu_share = 0.9);
        let because = result.invalid_because();
        assert!(because[0].contains("`--client direct`"), "{because:?}");
        result.run.client = ClientChoice::Direct;
        let because = result.invalid_because();
        assert!(!because[0].contains("direct"), "{because:?}");
        assert!(because[0].contains(": try fewer users"), "{because:?}");
    }

    #[test]
    fn a_worker_that_wakes_late_is_a_warning_and_a_stall_is_invalid() {
        let lags = |late: u64, count: usize| {
            let result = run(|second, sample| {
                if second == 5 {
                    let mut lags = vec![100; 100];
                    lags[..count].fill(late);
                    sample.loop_lag = SparseHistogram::of(&mut lags);
                }
            });
            judged(&result)
        };
        assert_eq!(lags(90_000, 10), (vec![], vec![]), "1 % of a thousand");
        let (because, warnings) = lags(90_000, 11);
        assert!(because.is_empty() && warnings[0].contains("90.0 ms late (p99)"));
        let (because, _) = lags(100_001, 1);
        assert!(because[0].contains("stalled for 100 ms"), "{because:?}");
    }

    #[test]
    fn files_and_ports_are_a_warning_before_they_run_out() {
        let (because, warnings) = judged(&run(|second, sample| {
            if second == 1 {
                sample.open_files = Some(Usage {
                    used: 820,
                    limit: 1024,
                });
                sample.local_ports = Some(Usage {
                    used: 41,
                    limit: 50,
                });
            }
        }));
        assert!(because.is_empty());
        assert!(warnings[0].contains("820 of 1,024 open files"));
        assert!(warnings[1].contains("41 of 50 local ports"));
    }

    /// An open run of 1,000 requests, of which 2 % started this late.
    fn late(scheduling_delay_us: u64, response_us: u64) -> (Vec<String>, Vec<String>) {
        let samples = (0..1_000).map(|i| {
            let mut sample = fixture::sample(0, Outcome::Ok, i * 1_000, response_us);
            if i % 50 == 0 {
                sample.response_us += scheduling_delay_us;
            }
            sample
        });
        let tick = Tick {
            samples: samples.collect(),
            ..Tick::default()
        };
        let stage = crate::plan::Stage {
            name: "steady".into(),
            level: 1_000.0,
            ramp: std::time::Duration::ZERO,
            duration: std::time::Duration::from_secs(1),
            classes: Vec::new(),
        };
        let mut result = fixture::of_stages(&["a"], vec![stage], tick);
        result.run.load.model = Model::Open { max_users: 10 };
        judged(&result)
    }

    #[test]
    fn late_starts_are_a_warning_and_invalid_where_they_weigh() {
        assert_eq!(late(4_900, 1_000), (vec![], vec![]));
        let (because, warnings) = late(6_000, 1_000);
        assert!(because.is_empty() && warnings[0].contains("6.00 ms late"));
        let (because, warnings) = late(15_000, 400_000);
        assert_eq!((because.len(), warnings.len()), (0, 1), "below 5 % of p50");
        let (because, warnings) = late(15_000, 200_000);
        assert_eq!((because.len(), warnings.len()), (1, 0));
    }
}
