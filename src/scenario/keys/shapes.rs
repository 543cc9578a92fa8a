//! The keys of shapes: steps, a sine and a sweep, each of which stands for many stages.
//!
//! Not here: the stages they make (`load::shapes`).

use std::time::Duration;

use serde_json::{Value, json};

use crate::scenario::yaml::decode::{At, Decode, parse};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::mapping;
use crate::scenario::yaml::tree::Node;
use crate::units;

mapping! {
    /// Levels in even steps.
    StepsShapeFile {
        /// Virtual users (closed load).
        users: StepsRangeFile,
        /// Arrivals per second (open load).
        rate: StepsRangeFile,
        /// How long each level is held.
        duration(required): Duration,
        /// How long the change to each level takes; 0 by default, a jump.
        ramp: Duration,
    }
}

mapping! {
    /// From one level to another.
    StepsRangeFile {
        /// The first level.
        from(required): Level,
        /// The last level.
        to(required): Level,
        /// From one level to the next.
        by(required): Level,
    }
}

mapping! {
    /// A level that goes up and down as a sine, beginning and ending low, in small steps.
    SineShapeFile {
        /// Virtual users (closed load).
        users: SineRangeFile,
        /// Arrivals per second (open load).
        rate: SineRangeFile,
        /// From one low to the next.
        period(required): Duration,
        /// How long it goes on; one period by default.
        duration: Duration,
        /// How many levels a period is made of; 20 by default.
        levels: u32,
    }
}

mapping! {
    /// Between two levels.
    SineRangeFile {
        /// The lowest level.
        low(required): Level,
        /// The highest level.
        high(required): Level,
    }
}

mapping! {
    /// Levels one after the other, to find the knee: where more load brings more waiting than work.
    SweepFile {
        /// Virtual users at each level, rising (closed load).
        users: Vec<At<Level>>,
        /// Arrivals per second at each level, rising (open load).
        rate: Vec<At<Level>>,
        /// How long each level is measured.
        duration(required): Duration,
        /// How long the change to each level takes, which is not measured; `2s` by default.
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
            |text| match text.trim() {
                "0" => Ok(0.0),
                text => units::parse_rate(text),
            },
        )
        .map(Self)
    }

    fn schema() -> Value {
        json!({"type": ["number", "string"], "minimum": 0})
    }
}
