//! The keys of profile files and of stages.
//!
//! Not here: shapes in place of stages (`shapes`), and what the keys mean for the load (`load`).

pub(crate) mod shapes;

use std::time::Duration;

use serde_json::{Value, json};

use super::slo::SloFile;
use crate::plan::Arrivals;
use crate::scenario::yaml::decode::{Decode, Field, Located, OneOrMany, Pairs, parse};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::{mapping, words};
use crate::scenario::yaml::tree::Node;
use crate::units;
use shapes::{Level, SineShapeFile, StepsShapeFile, SweepFile};

mapping! {
    /// How much load a run puts on the service, and for how long.
    ProfileFile {
        /// Name of the profile.
        name: String,
        /// What the profile is for, in a few words.
        purpose: String,
        /// Virtual users (closed model). Stages are scaled so that the highest has this many.
        users: u32,
        /// Users started per second. By default, all users start within 10 s.
        spawn_rate: Rate,
        /// Arrivals per second (open model). Stages are scaled so that the highest has this rate.
        rate: Rate,
        /// Most requests in flight (open model).
        max_users: u32,
        /// Spacing of arrivals (open model): `uniform` (default) or `poisson`.
        arrivals: Arrivals,
        /// Most requests per second of all users together (closed model).
        throttle: Rate,
        /// Levels of load, one after the other.
        stages: Vec<Located<StageFile>>,
        /// Levels in even steps, instead of `stages`.
        steps: StepsShapeFile,
        /// Load that rises and falls as a sine wave, instead of `stages`.
        sine: SineShapeFile,
        /// Rising levels that find the knee, instead of `stages`.
        sweep: SweepFile,
        /// Full load before the first level. It is not measured.
        warmup: Duration,
        /// How long to hold the load, from the end of the ramp. Stages are scaled to last this long together.
        duration: Duration,
        /// How long requests in flight can go on after the end of the load. Defaults to `30s`.
        stop_timeout: Duration,
        /// SLOs. Those of the scenario override them.
        slo: Pairs<SloFile>,
    }
}

impl ProfileFile {
    /// Whether it has a shape in place of stages, good or bad.
    pub fn has_shape(&self) -> bool {
        !(self.steps.is_missing() && self.sine.is_missing() && self.sweep.is_missing())
    }

    /// This profile over `base`, key by key. A load of the other kind takes the whole load of
    /// `base` out of force, and SLOs are added, so that each replaces the one of its metric.
    pub fn over(self, base: Self) -> Self {
        let shape = self.has_shape();
        let stages = shape || !self.stages.is_missing();
        let open = stages || !self.rate.is_missing();
        let closed_by_rate = !self.rate.is_missing();
        let closed = stages || !self.users.is_missing();
        let slo = match (self.slo, base.slo) {
            (Field::Given(over, key), Field::Given(base, _)) => {
                let pairs = [base.value.0, over.value.0].concat();
                Field::Given(
                    Located {
                        value: Pairs(pairs, Vec::new()),
                        at: over.at,
                    },
                    key,
                )
            }
            (over, base) => over.or(base),
        };
        Self {
            hints: Vec::new(),
            name: self.name.or(base.name),
            purpose: self.purpose.or(base.purpose),
            users: self.users.or(base.users.unless(open)),
            spawn_rate: self.spawn_rate.or(base.spawn_rate.unless(open)),
            rate: self.rate.or(base.rate.unless(closed)),
            max_users: self.max_users.or(base.max_users.unless(closed)),
            arrivals: self.arrivals.or(base.arrivals.unless(closed)),
            throttle: self.throttle.or(base.throttle.unless(closed_by_rate)),
            stages: self.stages.or(base.stages.unless(shape)),
            steps: self.steps.or(base.steps.unless(stages)),
            sine: self.sine.or(base.sine.unless(stages)),
            sweep: self.sweep.or(base.sweep.unless(stages)),
            warmup: self.warmup.or(base.warmup),
            duration: self.duration.or(base.duration.unless(stages)),
            stop_timeout: self.stop_timeout.or(base.stop_timeout),
            slo,
        }
    }
}

mapping! {
    /// A level of the load.
    StageFile {
        /// Name of the stage, shown in reports.
        name: String,
        /// Virtual users at this level (closed model); 0 is a pause.
        users: u32,
        /// Arrivals per second at this level (open model); 0 is a pause.
        rate: Level,
        /// User classes that run in this stage, including its ramp. Defaults to all.
        user_classes: OneOrMany<Located<String>>,
        /// How long the change to this level takes; 0 is a jump.
        ramp: Duration,
        /// Users started or stopped per second, instead of `ramp`.
        spawn_rate: Rate,
        /// How long to hold the level.
        duration(required): Duration,
    }
}

/// A rate per second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate(pub f64);

impl Decode for Rate {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse("a rate", node, findings, units::parse_rate).map(Self)
    }

    fn schema() -> Value {
        json!({"type": ["number", "string"], "examples": [100, "100/s", "6000/m"]})
    }
}

words! {
    Arrivals {
        "uniform" => Self::Uniform,
        "poisson" => Self::Poisson,
    }
}
