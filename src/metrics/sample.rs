//! What a worker notes of each request, and what it hands over once a second.

use super::{Class, Totals, WorkerHealth};

/// One planned request, finished one way or another. All times in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Position of the endpoint in the plan.
    pub endpoint: u16,
    /// How it ended.
    pub class: Class,
    /// Redirects followed.
    pub redirects: u16,
    /// Connections opened for it.
    pub connections: u16,
    /// When it should have started, from the start of the load.
    pub intended_us: u64,
    /// Intended start to last byte. 0 for a missed arrival.
    pub response_us: u64,
    /// Actual send to last byte. 0 for a missed arrival.
    pub service_us: u64,
    /// Actual send to the head of the last response; `None` when there was none.
    pub first_byte_us: Option<u64>,
    /// Bytes received: bodies as they came over the wire, and heads as HTTP/1.1 text.
    pub bytes_in: u64,
    /// Bytes sent, counted likewise.
    pub bytes_out: u64,
}

impl Sample {
    /// Actual start minus intended start: the generator's own error.
    pub fn lateness_us(&self) -> u64 {
        self.response_us.saturating_sub(self.service_us)
    }
}

/// A measurement that the target reported of one of its components, in `Server-Timing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentSample {
    /// Position of the endpoint in the plan.
    pub endpoint: u16,
    /// Intended start of the request, from the start of the load; us.
    pub intended_us: u64,
    /// The name in the header, such as `db`.
    pub name: String,
    /// Its `dur`; us.
    pub duration_us: Option<u64>,
    /// Its `desc`, when that is `hit` (true) or `miss` (false).
    pub hit: Option<bool>,
}

/// The text of one failure, as an example of its class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Position of the endpoint in the plan.
    pub endpoint: u16,
    /// The class it is an example of.
    pub class: Class,
    /// What happened, in a sentence; control characters escaped, at most 300 characters.
    pub text: String,
}

/// What one worker hands over for one second of the run.
#[derive(Debug, Default)]
pub struct Tick {
    /// Requests that ended (and arrivals missed) since the last tick.
    pub samples: Vec<Sample>,
    /// Component times since the last tick.
    pub components: Vec<ComponentSample>,
    /// Failures of classes not seen before at this worker.
    pub examples: Vec<Example>,
    /// Virtual users running (closed), or requests in flight (open).
    pub users: u32,
    /// What was planned, started and missed so far.
    pub totals: Totals,
    /// How the worker itself fared.
    pub health: WorkerHealth,
}
