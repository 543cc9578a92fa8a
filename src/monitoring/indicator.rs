//! What an SLO is about, as queries: a number with its limits.
//!
//! Not here: of which metrics the queries are (`load_test`, `service`, `observed`).

use super::promql::number;
use crate::plan::{Direction, Metric, Scale, Slo};

/// The unit of a query's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    /// 1 is 100 %.
    Share,
    PerSecond,
    Bytes,
    BytesPerSecond,
    Number,
}

/// A number with its limits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Indicator {
    /// The query of the number; lines after the first one are indented.
    pub query: String,
    /// What must hold besides for the number to say anything: a query, if it is not empty.
    pub guard: String,
    pub unit: Unit,
    /// On which side of the limits the number is good.
    pub direction: Direction,
    pub limit: f64,
    /// From where on a miss fails the run, if the limit is only a warning.
    pub critical: Option<f64>,
    /// For how long it must miss the limit, so that chance and beginnings do not count; s.
    pub lasting_s: u64,
}

impl Indicator {
    /// A share of something bad that is in the place of the share that is good, or of the metric itself.
    pub fn of_bad(slo: &Slo, query: String, lasting_s: u64) -> Self {
        let bad = |limit: f64| match slo.metric.direction() {
            Direction::AtMost => limit,
            Direction::AtLeast => number(1.0 - limit),
        };
        Self {
            query,
            guard: String::new(),
            unit: Unit::Share,
            direction: Direction::AtMost,
            limit: bad(slo.limit),
            critical: slo.critical.map(bad),
            lasting_s,
        }
    }

    /// The number itself.
    pub fn of_value(slo: &Slo, query: String, lasting_s: u64) -> Self {
        let (unit, scale) = match &slo.metric {
            Metric::Observed(observed) => match observed.scale {
                Scale::Time => (Unit::Seconds, 1e6),
                Scale::Number => (Unit::Number, observed.scale.of_exported(1.0)),
                Scale::Share => (Unit::Share, 1.0),
                Scale::Rate => (Unit::PerSecond, 1.0),
                Scale::Bytes => (Unit::Bytes, 1.0),
                Scale::ByteRate => (Unit::BytesPerSecond, 1.0),
            },
            Metric::Throughput => (Unit::PerSecond, 1.0),
            Metric::ErrorRate | Metric::Availability | Metric::HitRatio { .. } => {
                (Unit::Share, 1.0)
            }
            Metric::Measure { .. } => (Unit::Number, 1.0),
            Metric::ResponseTime(_)
            | Metric::MeanResponseTime
            | Metric::MaxResponseTime
            | Metric::ComponentTime { .. } => (Unit::Seconds, 1e6),
        };
        Self {
            query,
            guard: String::new(),
            unit,
            direction: slo.metric.direction(),
            limit: number(slo.limit / scale),
            critical: slo.critical.map(|limit| number(limit / scale)),
            lasting_s,
        }
    }

    /// The query that has a result while the number is beyond a limit.
    pub fn missed(&self, limit: f64) -> String {
        let side = match self.direction {
            Direction::AtMost => '>',
            Direction::AtLeast => '<',
        };
        let missed = match self.query.contains('\n') {
            true => format!(
                "(\n  {}\n) {side} {limit}",
                self.query.replace('\n', "\n  ")
            ),
            false => format!("{} {side} {limit}", self.query),
        };
        match self.guard.is_empty() {
            true => missed,
            false => format!("{missed}\nand {}", self.guard),
        }
    }
}
