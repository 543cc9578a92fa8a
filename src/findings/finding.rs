//! A finding: which rule found what, by which numbers.
//!
//! Not here: the rules.

use std::fmt;

use super::rule::Rule;
use crate::grading::{Criterion, Severity};
use crate::plan::{FindingSeverity, MeasureUnit, Metric, ObservedScale};
use crate::units::{format_bytes, format_latency_us, format_number, format_percent, format_rate};

/// Something that the numbers of a run say about the service.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule that found it.
    pub rule: Rule,
    /// How much it matters.
    pub severity: FindingSeverity,
    /// The endpoint or flow that it is about; `None` for all of them.
    pub endpoint: Option<String>,
    /// The component, observed metric, instance or address that it is about, if any.
    pub part: Option<String>,
    /// What was found, in a sentence.
    pub text: String,
    /// The numbers that it rests on.
    pub evidence: Vec<Evidence>,
    /// The part of the run that shows it, from the start of the load; s. `None` for all measured phases.
    pub seconds: Option<(u64, u64)>,
    /// Whether it is about an SLO that is missed.
    pub is_of_slo: bool,
    /// What would become better by how much, where that can be computed.
    pub improvement: Option<String>,
}

/// A number that a finding rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// What it is, in snake case, such as `error_rate`.
    pub name: String,
    /// The value, in the unit.
    pub value: f64,
    /// Its unit.
    pub unit: EvidenceUnit,
    /// The value from which on the rule applies, if this number decides.
    pub threshold: Option<f64>,
}

/// The unit of a number of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceUnit {
    /// Microseconds.
    Microseconds,
    /// A share, 0 to 1.
    Share,
    /// Per second.
    PerSecond,
    /// A plain number.
    Count,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
}

impl EvidenceUnit {
    /// The unit of a metric, and how many of what the metric keeps are one of the unit.
    fn of(metric: &Metric) -> (Self, f64) {
        match metric {
            Metric::ResponseTime(_)
            | Metric::MeanResponseTime
            | Metric::MaxResponseTime
            | Metric::ComponentTime { .. } => (Self::Microseconds, 1.0),
            Metric::ErrorRate | Metric::Availability | Metric::HitRatio { .. } => {
                (Self::Share, 1.0)
            }
            Metric::Throughput => (Self::PerSecond, 1.0),
            Metric::Measure { unit, .. } => match unit {
                MeasureUnit::Count => (Self::Count, unit.scale()),
                MeasureUnit::Ms => (Self::Microseconds, 1.0),
                MeasureUnit::Bytes => (Self::Bytes, 1.0),
            },
            Metric::Observed(number) => match number.scale {
                ObservedScale::Number => (Self::Count, MeasureUnit::Count.scale()),
                ObservedScale::Share => (Self::Share, 1.0),
                ObservedScale::Rate => (Self::PerSecond, 1.0),
                ObservedScale::Time => (Self::Microseconds, 1.0),
                ObservedScale::Bytes => (Self::Bytes, 1.0),
                ObservedScale::ByteRate => (Self::BytesPerSecond, 1.0),
            },
        }
    }

    /// A number for people.
    fn format(self, value: f64) -> String {
        let bytes = |value: f64| format_bytes(value.max(0.0).round() as u64);
        match self {
            Self::Microseconds => format_latency_us(value),
            Self::Share => format_percent(value),
            Self::PerSecond => format_rate(value),
            Self::Count => format_number(value),
            Self::Bytes => bytes(value),
            Self::BytesPerSecond => format!("{}/s", bytes(value)),
        }
    }
}

impl Finding {
    /// A finding about the whole run, without evidence yet.
    pub(super) fn new(rule: Rule, severity: FindingSeverity, text: String) -> Self {
        Self {
            rule,
            severity,
            endpoint: None,
            part: None,
            text,
            evidence: Vec::new(),
            seconds: None,
            is_of_slo: false,
            improvement: None,
        }
    }

    /// An SLO that is missed by a value, and by how much.
    pub(super) fn of_missed(rule: Rule, slo: &Criterion, value: f64) -> Self {
        let [value_text, limit] = slo.metric.format_apart(value, slo.limit);
        let text = format!("{} is {value_text}, the limit is {limit}", slo.full_name());
        let (unit, kept) = EvidenceUnit::of(&slo.metric);
        let mut finding = Self::new(rule, severity_of_miss(slo.severity), text).against(
            &slo.metric.to_string(),
            (value / kept, slo.limit / kept),
            unit,
        );
        finding.is_of_slo = true;
        finding.endpoint = slo.scope.endpoint().map(str::to_owned);
        finding
    }

    /// The part of the run that shows it, for people.
    pub fn seconds_text(&self) -> Option<String> {
        let (from_s, to_s) = self.seconds?;
        Some(format!("{from_s} to {to_s} of the run"))
    }

    /// The same about an endpoint.
    pub(super) fn of_endpoint(mut self, name: &str) -> Self {
        self.endpoint = Some(name.to_owned());
        self
    }

    /// The same about a component, observed metric, instance or address.
    pub(super) fn of_part(mut self, name: &str) -> Self {
        self.part = Some(name.to_owned());
        self
    }

    /// The same with a number.
    pub(super) fn with(mut self, name: &str, value: f64, unit: EvidenceUnit) -> Self {
        self.evidence.push(Evidence {
            name: name.to_owned(),
            value,
            unit,
            threshold: None,
        });
        self
    }

    /// The same with a number that decides.
    pub(super) fn against(self, name: &str, (value, from): (f64, f64), unit: EvidenceUnit) -> Self {
        let mut finding = self.with(name, value, unit);
        if let Some(last) = finding.evidence.last_mut() {
            last.threshold = Some(from);
        }
        finding
    }

    /// The same, shown by these seconds.
    pub(super) fn within(mut self, seconds: Option<(u64, u64)>) -> Self {
        self.seconds = seconds;
        self
    }
}

/// How much an SLO matters that is missed this badly.
pub(super) fn severity_of_miss(severity: Severity) -> FindingSeverity {
    match severity {
        Severity::Success => FindingSeverity::Low,
        Severity::Close => FindingSeverity::Medium,
        Severity::Warning => FindingSeverity::High,
        Severity::Critical => FindingSeverity::Critical,
    }
}

/// How much a value matters that is so many times its limit: the bounds are those of SLOs.
pub(super) fn severity_of_ratio(ratio: f64) -> FindingSeverity {
    severity_of_miss(Severity::of(false, ratio))
}

impl fmt::Display for Evidence {
    /// Such as `error rate: 3.2% (threshold 1%)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.replace('_', " ");
        write!(f, "{name}: {}", self.unit.format(self.value))?;
        match self.threshold {
            Some(threshold) => write!(f, " (threshold {})", self.unit.format(threshold)),
            None => Ok(()),
        }
    }
}
