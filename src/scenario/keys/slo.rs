//! The keys of SLOs.
//!
//! Not here: how their names and limits are spelled (`scenario::slo`).

use serde_json::{Value, json};

use crate::scenario::yaml::decode::{At, Decode, OneOrMany, parse};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::mapping;
use crate::scenario::yaml::tree::Node;

mapping! {
    /// An SLO; its limit alone needs no mapping.
    SloFile or limit {
        /// The bound: a duration, a share or a rate.
        limit(required): String,
        /// Weight in the score, above 0; 1 by default.
        weight: ScoreWeight,
        /// Counts in the score, but cannot fail the verdict.
        advisory: bool,
        /// The profiles it holds for; all by default.
        profiles: OneOrMany<At<String>>,
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
                format!("`{text}` is not a weight: write a number above 0 and at most 1000")
            })
        })
        .map(Self)
    }

    fn schema() -> Value {
        json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1000})
    }
}
