//! What a worker hands over once a second: its samples, its counts and how it fared itself.

use crate::metrics::{ComponentSample, ConnectionSample, Example, FailureSample, Sample, Totals};

/// What one worker hands over for one second of the run.
#[derive(Debug, Default)]
pub struct Tick {
    /// Requests that ended (and arrivals dropped) since the last tick.
    pub samples: Vec<Sample>,
    /// Connections opened since the last tick.
    pub connections: Vec<ConnectionSample>,
    /// Component times since the last tick.
    pub components: Vec<ComponentSample>,
    /// Failures with a name since the last tick.
    pub failures: Vec<FailureSample>,
    /// Failures of outcomes not seen before at this worker.
    pub examples: Vec<Example>,
    /// Virtual users running (closed), or requests in flight (open).
    pub users: u32,
    /// What was planned, started and dropped so far.
    pub totals: Totals,
    /// Whether a user found that the run is to end for want of data.
    pub out_of_data: bool,
    /// How the worker itself fared.
    pub health: WorkerHealth,
}

/// What one worker notes of itself, beside its samples.
#[derive(Debug, Clone, Default)]
pub struct WorkerHealth {
    /// CPU time that its thread used; us.
    pub cpu_us: u64,
    /// How long this is about; us.
    pub wall_us: u64,
    /// The time that requests were in flight, summed over them; us.
    pub in_flight_us: u64,
    /// How late its timers woke it, beyond their own resolution; us.
    pub lags_us: Vec<u64>,
}
