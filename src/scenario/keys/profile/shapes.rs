//! The keys of shapes: steps, a sine and a sweep, each of which makes many stages.
//!
//! Not here: the stages they make (`load::shapes`).

use std::time::Duration;

use serde_json::{Value, json};

use crate::scenario::yaml::decode::{Decode, Located, parse};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::mapping;
use crate::scenario::yaml::tree::Node;
use crate::units;

mapping! {
    /// Levels in even steps.
    StepsShapeFile {
        /// Virtual users (closed model).
        users: StepsRangeFile,
        /// Arrivals per second (open model).
        rate: StepsRangeFile,
        /// How long to hold each level.
        duration(required): Duration,
        /// How long the change to each level takes. Defaults to 0, a jump.
        ramp: Duration,
    }
}

mapping! {
    /// From one level to another.
    StepsRangeFile {
        /// First level.
        from(required): Level,
        /// Last level.
        to(required): Level,
        /// Difference between levels.
        by(required): Level,
    }
}

mapping! {
    /// A level that goes up and down as a sine wave, in small steps. Begins and ends low.
    SineShapeFile {
        /// Virtual users (closed model).
        users: SineRangeFile,
        /// Arrivals per second (open model).
        rate: SineRangeFile,
        /// Time from one low to the next.
        period(required): Duration,
        /// How long to go on. Defaults to one period.
        duration: Duration,
        /// Levels per period. Defaults to 20.
        levels: u32,
    }
}

mapping! {
    /// Between two levels.
    SineRangeFile {
        /// Lowest level.
        low(required): Level,
        /// Highest level.
        high(required): Level,
    }
}

mapping! {
    /// Rising levels, to find the knee: where more load adds waiting instead of throughput.
    SweepFile {
        /// Virtual users at each level, rising (closed model).
        users: Vec<Located<Level>>,
        /// Arrivals per second at each level, rising (open model).
        rate: Vec<Located<Level>>,
        /// How long to measure each level.
        duration(required): Duration,
        /// How long the change to each level takes, which is not measured. Defaults to `2s`.
        ramp: Duration,
    }
}

/// Users, or arrivals per second; 0 is allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Level(pub f64);

impl Decode for Level {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse(
            "a number of users or a rate",
            node,
            findings,
            units::parse_rate_or_zero,
        )
        .map(Self)
    }

    fn schema() -> Value {
        json!({"type": ["number", "string"], "minimum": 0})
    }
}
