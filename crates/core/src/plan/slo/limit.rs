//! Limits: on which side of them values are good, and those that lead to letters.
//!
//! Not here: what a miss is worth (`grading`).

use serde::{Deserialize, Serialize};

/// On which side of its limit a metric is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Met when at or below the limit.
    AtMost,
    /// Met when at or above the limit.
    AtLeast,
}

impl Direction {
    /// Whether `value` is within `limit`.
    pub fn is_met(self, limit: f64, value: f64) -> bool {
        match self {
            Self::AtMost => value <= limit,
            Self::AtLeast => value >= limit,
        }
    }
}

/// A letter of an SLO's own, and the worst value that has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GradeLimit {
    /// The letter, such as `A`.
    pub letter: String,
    /// In the unit of the metric.
    pub limit: f64,
}
