//! What of an observed metric an SLO is about.
//!
//! Not here: what is observed (`plan::observation`), its unit (`scale`), and its values (`metrics`).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::limit::Direction;
use super::scale::Scale;

/// A number that the service says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservedNumber {
    /// The name of what is observed.
    pub name: String,
    /// What of times or sizes; `None` for a single number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<ObservedPart>,
    /// Which of its values in the measured phases; `None` for all of them together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extreme: Option<Extreme>,
    /// The unit of its values and limits.
    pub scale: Scale,
    /// Which side of the limit is good.
    pub direction: Direction,
}

/// A part of times or sizes that are observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it all")]
pub enum ObservedPart {
    Mean,
    P50,
    P95,
    P99,
}

/// The lowest or the highest value of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extreme {
    /// The lowest one.
    Min,
    /// The highest one.
    Max,
}

impl ObservedPart {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Mean, Self::P50, Self::P95, Self::P99];

    /// As reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
        }
    }
}

impl Extreme {
    /// As reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::Max => "max",
        }
    }
}

impl fmt::Display for ObservedNumber {
    /// `observed_pool`, `observed_took_p95_max`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "observed_{}", self.name)?;
        if let Some(part) = self.part {
            write!(f, "_{}", part.name())?;
        }
        match self.extreme {
            Some(extreme) => write!(f, "_{}", extreme.name()),
            None => Ok(()),
        }
    }
}
