//! The keys of profile files and of stages.
//!
//! Not here: shapes in place of stages (`shapes`), and what the keys mean for the load (`load`).

use std::time::Duration;

use serde_json::{Value, json};

use super::shapes::{SineShapeFile, StepsShapeFile, SweepFile};
use super::slo::SloFile;
use crate::plan::Arrivals;
use crate::scenario::yaml::decode::{At, Decode, Field, OneOrMany, Pairs, parse};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::{mapping, words};
use crate::scenario::yaml::tree::Node;
use crate::units;

mapping! {
    /// How much load a run puts on its target, and for how long.
    ProfileFile {
        /// The profile's name.
        name: String,
        /// What it is for, in a few words.
        purpose: String,
        /// Virtual users of a closed load; with `stages`, the highest stage is scaled to it.
        users: u32,
        /// Users started per second; by default all within 10 s.
        spawn_rate: Rate,
        /// Arrivals per second of an open load; with `stages`, the highest stage is scaled to it.
        rate: Rate,
        /// Most requests in flight of an open load.
        max_users: u32,
        /// How the arrivals of an open load are spaced: `uniform` (the default) or `poisson`.
        arrivals: Arrivals,
        /// Levels run one after the other.
        stages: Vec<At<StageFile>>,
        /// Levels in even steps, in place of `stages`.
        steps: StepsShapeFile,
        /// A level that goes up and down, in place of `stages`.
        sine: SineShapeFile,
        /// Levels run one after the other to find the knee, in place of `stages`.
        sweep: SweepFile,
        /// Full load that is not measured, before the first level.
        warmup: Duration,
        /// How long the load is held, counted from the end of the ramp; with `stages`, they are scaled to it.
        duration: Duration,
        /// How long requests in flight may go on at the end; `30s` by default.
        stop_timeout: Duration,
        /// Targets, unless the scenario has its own.
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
        let closed = stages || !self.users.is_missing();
        let slo = match (self.slo, base.slo) {
            (Field::Given(over, key), Field::Given(base, _)) => {
                let pairs = [base.value.0, over.value.0].concat();
                Field::Given(
                    At {
                        value: Pairs(pairs),
                        at: over.at,
                    },
                    key,
                )
            }
            (over, base) => over.or(base),
        };
        Self {
            name: self.name.or(base.name),
            purpose: self.purpose.or(base.purpose),
            users: self.users.or(base.users.unless(open)),
            spawn_rate: self.spawn_rate.or(base.spawn_rate.unless(open)),
            rate: self.rate.or(base.rate.unless(closed)),
            max_users: self.max_users.or(base.max_users.unless(closed)),
            arrivals: self.arrivals.or(base.arrivals.unless(closed)),
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
        /// Shown in the report.
        name: String,
        /// Virtual users at this level (closed load).
        users: u32,
        /// Arrivals per second at this level (open load).
        rate: Rate,
        /// The user classes that run in it, from the start of its ramp on; all by default.
        user_classes: OneOrMany<At<String>>,
        /// How long the change to this level takes; 0 is a jump.
        ramp: Duration,
        /// In place of `ramp`: users started or ended per second.
        spawn_rate: Rate,
        /// How long the level is held.
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
