//! How the service can be made to behave: slow, failing, stalling.

pub(super) mod chance;
pub(super) mod faults;
pub(super) mod queue;

use std::str::FromStr;
use std::time::Duration;

use self::chance::{BAD_INSTANCE, Draw, chance, instance};
use self::faults::{Fault, rise};
use self::queue::ServiceTime;
use crate::units;

/// How the service behaves. The default responds as fast as it can, without errors.
///
/// Waits end on a millisecond of tokio's timer, so a response may be up to 1 ms later than asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Behavior {
    /// Added to every response.
    pub latency: Duration,
    /// The share of responses, 0 to 100, that take ten times `latency`, at least 1 s.
    pub slow_percent: f64,
    /// The share of responses, 0 to 100, that are replaced by a 503.
    pub error_percent: f64,
    /// Times in which no response is sent.
    pub stall: Option<Stall>,
    /// How long each request takes one of the servers; without it, nothing waits for another.
    pub service: Option<ServiceTime>,
    /// How many servers there are.
    pub servers: usize,
    /// Requests per second beyond which the response is a 429.
    pub limit_per_s: Option<f64>,
    /// How long `POST /api/v1/processing/` works.
    pub processing_time: Duration,
    /// Decides which requests are slow or fail, and the values in `Server-Timing`: request number n
    /// is always treated the same.
    pub seed: u64,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
}

impl Default for Behavior {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            slow_percent: 0.0,
            error_percent: 0.0,
            stall: None,
            service: None,
            servers: 1,
            limit_per_s: None,
            processing_time: Duration::from_millis(200),
            seed: 0,
            faults: Vec::new(),
        }
    }
}

impl Behavior {
    /// Whether the service has this fault.
    pub(super) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// When no response is sent.
    pub(super) fn stall(&self) -> Option<Stall> {
        let of_fault = Stall {
            every: Duration::from_secs(5),
            lasting: Duration::from_millis(300),
        };
        let of_fault = self.has(Fault::Stalls).then_some(of_fault);
        self.stall.or(of_fault)
    }

    /// How much slower it has become.
    pub(super) fn rise(&self, elapsed: Duration) -> Duration {
        match self.has(Fault::RisingLatency) {
            true => rise(elapsed),
            false => Duration::ZERO,
        }
    }

    /// How long request number `number` has to wait.
    pub(super) fn delay(&self, number: u64) -> Duration {
        if chance(self.seed, number, Draw::Slow) * 100.0 < self.slow_percent {
            (self.latency * 10).max(Duration::from_secs(1))
        } else {
            self.latency
        }
    }

    pub(super) fn fails(&self, number: u64, is_api: bool) -> bool {
        let is_bad = is_api
            && self.has(Fault::BadInstance)
            && instance(self.seed, number) == BAD_INSTANCE
            && chance(self.seed, number, Draw::Failure) < 1.0 / 3.0;
        is_bad || chance(self.seed, number, Draw::Error) * 100.0 < self.error_percent
    }
}

/// A recurring stall: no response is sent in the last `lasting` of each `every`, counted from
/// the start of the service; when it ends, all waiting responses are sent at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// From the end of a stall to the end of the next; positive.
    pub every: Duration,
    /// How long it takes; positive and below `every`.
    pub lasting: Duration,
}

impl Stall {
    /// How long a response that is ready at `elapsed` since the start has to wait.
    pub(super) fn wait(&self, elapsed: Duration) -> Duration {
        let position = elapsed.as_nanos() % self.every.as_nanos();
        let left = self.every.as_nanos() - position;
        if left <= self.lasting.as_nanos() {
            // At most 30 days, far below what a u64 of nanoseconds holds.
            Duration::from_nanos(left as u64)
        } else {
            Duration::ZERO
        }
    }
}

impl FromStr for Stall {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}` is not a stall: write how often and how long, such as `10s,1s`, the second shorter than the first"
            )
        };
        let (every, lasting) = text.split_once(',').ok_or_else(bad)?;
        let every = units::parse_duration(every)?;
        let lasting = units::parse_duration(lasting)?;
        let sound = lasting > Duration::ZERO && lasting < every;
        sound.then_some(Self { every, lasting }).ok_or_else(bad)
    }
}

/// Waits that long, if at all.
pub(super) async fn wait(time: Duration) {
    if time > Duration::ZERO {
        tokio::time::sleep(time).await;
    }
}
