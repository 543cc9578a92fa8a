//! What a worker hands over once a second: its samples, its counts and its own health.

use std::collections::BTreeMap;

use crate::metrics::{
    ComponentSample, ConnectionSample, Example, MeasureSample, OriginSample, RecordedFailure,
    Sample, Starts, Totals, Traces,
};
use crate::plan::TraceId;

/// What one worker hands over for one second of the run.
#[derive(Debug, Default)]
pub struct Tick {
    /// Requests that ended (and arrivals dropped) since the last tick.
    pub samples: Vec<Sample>,
    /// Connections opened since the last tick.
    pub connections: Vec<ConnectionSample>,
    /// Component times since the last tick.
    pub components: Vec<ComponentSample>,
    /// Where responses came from, where that is known and matters.
    pub origins: Vec<OriginSample>,
    /// Failures of causes not seen before at this worker.
    pub examples: Vec<Example>,
    /// The first failures of each kind at this worker, with what was sent and received.
    pub failures: Vec<RecordedFailure>,
    /// Traced requests that may be kept.
    pub traces: Traces,
    /// The traces of samples, by their positions in `samples`, in rising order. Only of requests whose trace was sampled.
    pub trace_ids: Vec<(usize, TraceId)>,
    /// What the scenario measured itself.
    pub measures: Vec<MeasureSample>,
    /// Positions that the samples have from now on.
    pub subjects: Vec<NewSubject>,
    /// Virtual users running (closed), or requests in flight (open).
    pub users: u32,
    /// What was planned, started and dropped so far.
    pub totals: Totals,
    /// Whether a user ran out of data, which ends the run.
    pub out_of_data: bool,
    /// Whether a step of the scenario ended the load.
    pub stopped: bool,
    /// When the worker stopped starting requests, if it has, from the start of the load; us. Of all ticks of a second
    /// together: when all workers had, once they have.
    pub stopped_at_us: Option<u64>,
    /// How the `on_start` of users ended since the last tick, by the positions of their classes.
    pub starts: BTreeMap<usize, Starts>,
    /// The message of the first panic of a virtual user since the last tick.
    pub panic: Option<String>,
    /// The worker's own health.
    pub health: WorkerHealth,
}

/// A position in samples, beside those of endpoints and flows, for requests whose row of the
/// statistics has a name that a template made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSubject {
    /// The position, which no other worker has.
    pub position: u16,
    /// The position of the endpoint.
    pub endpoint: u16,
    /// The name of the row; safe to show.
    pub name: String,
}

/// The health of one worker, beside its samples.
#[derive(Debug, Clone, Default)]
pub struct WorkerHealth {
    /// CPU time that its thread used; us.
    pub cpu_us: u64,
    /// The period this covers; us.
    pub wall_us: u64,
    /// The time requests were in flight, summed over all of them; us.
    pub in_flight_us: u64,
    /// How late its timers fired, beyond their own resolution; us.
    pub lags_us: Vec<u64>,
}
