//! The keys of SLOs.
//!
//! Not here: how their names and limits are spelled (`scenario::slo`).

use std::time::Duration;

use serde_json::{Value, json};

use crate::scenario::yaml::decode::{Decode, Located, OneOrMany, Pairs, parse};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::mapping;
use crate::scenario::yaml::tree::Node;

mapping! {
    /// An SLO. Its limit alone needs no mapping.
    SloFile or limit {
        /// Limit: a duration, a share such as `1%`, or a rate such as `100/s`.
        limit: String,
        /// Limit from below, of something that is observed.
        at_least: String,
        /// Limit beyond which it is WARNING, which does not fail the verdict. Instead of `limit`, with `critical`.
        warning: String,
        /// Limit beyond which it is CRITICAL, and fails the verdict.
        critical: String,
        /// Letters from `A+` to `D`, from the best on, and the worst value of each. The last one is the limit, unless there is another.
        grades: Pairs<String>,
        /// Length of a window, at least `1s`: the limit is one for the worst such stretch of the measured time.
        window: Duration,
        /// Weight in the score, above 0. Defaults to 1.
        weight: ScoreWeight,
        /// Counts in the score, but cannot fail the verdict.
        advisory: bool,
        /// Profiles that it applies to. Defaults to all.
        profiles: OneOrMany<Located<String>>,
    }
}

/// A weight in the score.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScoreWeight(pub f64);

impl Decode for ScoreWeight {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse("a number", node, findings, |text| {
            let weight = text.parse().ok().filter(|w: &f64| *w > 0.0 && *w <= 1000.0);
            weight.ok_or_else(|| {
                format!("`{text}` is not a weight: write a number above 0, at most 1000")
            })
        })
        .map(Self)
    }

    fn schema() -> Value {
        json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1000})
    }
}
