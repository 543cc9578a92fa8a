//! Service level objectives (SLOs): limits for the numbers of a run.

mod limit;
mod observed;
mod scale;

use std::fmt;
use std::time::Duration;

use perfctl_histogram::Percentile;
use serde::{Deserialize, Serialize};

use super::MeasureUnit;
use crate::units;

pub use limit::{Direction, GradeLimit};
pub use observed::{Extreme, ObservedNumber, ObservedPart};
pub use scale::Scale;

/// One SLO. Graded in `crate::grading`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slo {
    /// As the user spelled it, such as `api_response_time_p95`.
    pub name: String,
    /// What it applies to.
    pub scope: SloScope,
    /// Which number.
    pub metric: Metric,
    /// The limit, in the unit of the metric: microseconds, a ratio, or a rate per second.
    pub limit: f64,
    /// From beyond which value on a miss is CRITICAL, and fails the verdict: one before it is WARNING. `None` where
    /// every miss fails it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical: Option<f64>,
    /// Letters of its own, from the best on, each with the worst value that has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grades: Vec<GradeLimit>,
    /// The length of the window of which the worst one counts; s. `None` for the measured time as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_s: Option<u64>,
    /// Weight in the score; above 0, 1 by default.
    pub weight: f64,
    /// Counts in the score but cannot fail the verdict.
    pub advisory: bool,
    /// Whether it is a budget, whose violation is listed by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub budget: bool,
}

/// A limit that ends a run early when it is broken for a while.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AbortRule {
    /// What it applies to.
    pub scope: SloScope,
    /// Which number, of what ended in one second.
    pub metric: Metric,
    /// In the unit of the metric.
    pub limit: f64,
    /// For how many seconds on end it must be broken; at least 2.
    pub lasting_s: u64,
}

impl fmt::Display for AbortRule {
    /// Such as `error_rate above 20% for 10s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(endpoint) = self.scope.endpoint() {
            write!(f, "{endpoint}: ")?;
        }
        let side = match self.metric.direction() {
            Direction::AtMost => "above",
            Direction::AtLeast => "below",
        };
        let limit = self.metric.format(self.limit);
        let lasting = units::format_duration(Duration::from_secs(self.lasting_s));
        write!(f, "{} {side} {limit} for {lasting}", self.metric)
    }
}

/// What an SLO applies to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SloScope {
    /// All endpoints together.
    Total,
    /// One endpoint, by name.
    Endpoint(String),
}

impl Slo {
    /// With this limit alone, and without anything that is not usual.
    pub fn new(name: &str, scope: SloScope, metric: Metric, limit: f64) -> Self {
        Self {
            name: name.to_owned(),
            scope,
            metric,
            limit,
            critical: None,
            grades: Vec::new(),
            window_s: None,
            weight: 1.0,
            advisory: false,
            budget: false,
        }
    }

    /// Whether it is about the same number of the same requests as another one, and both or none are budgets.
    pub fn is_alike(&self, other: &Self) -> bool {
        let is_same = match (&self.metric, &other.metric) {
            // The unit in which a limit is written makes no difference.
            (Metric::Observed(one), Metric::Observed(other)) => {
                (&one.name, one.part, one.extreme, one.direction)
                    == (&other.name, other.part, other.extreme, other.direction)
            }
            (one, other) => one == other,
        };
        is_same && self.scope == other.scope && self.budget == other.budget
    }

    /// Whether it limits the failures of this endpoint or flow, and of no others.
    pub fn limits_failures_of(&self, name: &str) -> bool {
        self.metric.is_of_failures() && self.scope.endpoint() == Some(name)
    }
}

impl SloScope {
    /// The name of the endpoint; `None` for all together.
    pub fn endpoint(&self) -> Option<&str> {
        match self {
            Self::Total => None,
            Self::Endpoint(name) => Some(name),
        }
    }

    /// This one, or `other` where this is all together.
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Total => other,
            endpoint @ Self::Endpoint(_) => endpoint,
        }
    }

    /// Whether it applies to a row of the statistics, which is an endpoint or a flow.
    pub fn covers(&self, name: &str, is_flow: bool) -> bool {
        match self {
            Self::Total => !is_flow,
            Self::Endpoint(one) => one == name,
        }
    }
}

/// A number of a run that can have an SLO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// A percentile of the response time, timeouts and interrupted requests included; µs.
    ResponseTime(Percentile),
    /// The mean response time, timeouts included; µs.
    MeanResponseTime,
    /// The longest response time, timeouts included; µs.
    MaxResponseTime,
    /// Failed requests over finished ones; 0..=1.
    ErrorRate,
    /// Share of requests with a response whose status is below 500; 0..=1.
    Availability,
    /// Successes per second.
    Throughput,
    /// A percentile of a `dur` in the `Server-Timing` of the responses; µs.
    ComponentTime {
        /// The name in the header, such as `db`.
        component: String,
        /// Which percentile.
        percentile: Percentile,
    },
    /// Share of `desc=hit` among hits and misses of a component in `Server-Timing`; 0..=1.
    HitRatio {
        /// The name in the header, such as `cache`.
        component: String,
    },
    /// A percentile of what the scenario measures itself, or the mean; as the unit keeps it.
    Measure {
        /// The name of the measure.
        measure: String,
        /// Its unit.
        unit: MeasureUnit,
        /// Which percentile; `None` for the mean.
        percentile: Option<Percentile>,
    },
    /// What the scenario observes of the service, as its scale says.
    Observed(ObservedNumber),
}

impl Metric {
    /// Which side is good.
    pub fn direction(&self) -> Direction {
        match self {
            Self::Availability | Self::Throughput | Self::HitRatio { .. } => Direction::AtLeast,
            Self::Observed(number) => number.direction,
            _ => Direction::AtMost,
        }
    }

    /// The unit of its values and limits.
    pub fn scale(&self) -> Scale {
        match self {
            Self::ResponseTime(_)
            | Self::MeanResponseTime
            | Self::MaxResponseTime
            | Self::ComponentTime { .. } => Scale::Time,
            Self::ErrorRate | Self::Availability | Self::HitRatio { .. } => Scale::Share,
            Self::Throughput => Scale::Rate,
            Self::Measure { unit, .. } => match unit {
                MeasureUnit::Count => Scale::Number,
                MeasureUnit::Ms => Scale::Time,
                MeasureUnit::Bytes => Scale::Bytes,
            },
            Self::Observed(number) => number.scale,
        }
    }

    /// Whether a limit of it is one on failures.
    pub fn is_of_failures(&self) -> bool {
        matches!(self, Self::ErrorRate | Self::Availability)
    }

    /// A value of this metric with its unit, for people.
    pub fn format(&self, value: f64) -> String {
        self.format_with(value, 0)
    }

    /// Two values for people, with as many digits as it takes to tell them apart: nobody
    /// understands that 500 ms misses a limit of 500 ms.
    pub fn format_apart(&self, a: f64, b: f64) -> [String; 2] {
        const MOST_DIGITS: usize = 12;
        let with = |more| [a, b].map(|value| self.format_with(value, more));
        let mut texts = with(0);
        for more in 1..=MOST_DIGITS {
            if a == b || texts[0] != texts[1] {
                break;
            }
            texts = with(more);
        }
        texts
    }

    /// A value with so many more digits than usual.
    fn format_with(&self, value: f64, more: usize) -> String {
        match self {
            Self::Measure { unit, .. } => unit.format_with(value, more),
            _ => self.scale().format_with(value, more),
        }
    }
}

impl fmt::Display for Metric {
    /// The short name: `p95`, `error_rate`, `throughput_rps`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ResponseTime(percentile) => percentile.fmt(f),
            Self::MeanResponseTime => f.write_str("mean"),
            Self::MaxResponseTime => f.write_str("max"),
            Self::ErrorRate => f.write_str("error_rate"),
            Self::Availability => f.write_str("availability"),
            Self::Throughput => f.write_str("throughput_rps"),
            Self::ComponentTime {
                component,
                percentile,
            } => write!(f, "{component}_time_{percentile}"),
            Self::HitRatio { component } => write!(f, "{component}_hit_ratio"),
            Self::Measure {
                measure,
                percentile: Some(percentile),
                ..
            } => write!(f, "measure_{measure}_{percentile}"),
            Self::Measure { measure, .. } => write!(f, "measure_{measure}_mean"),
            Self::Observed(number) => number.fmt(f),
        }
    }
}
