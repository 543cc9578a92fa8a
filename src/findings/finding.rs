//! A finding: which rule found what, by which numbers.
//!
//! Not here: the rules.

use std::fmt;

use super::rule::Rule;
use crate::grading::{Criterion, Severity};
use crate::plan::{FindingSeverity, Scale};

/// Something that the numbers of a run say about the service.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule that found it.
    pub rule: Rule,
    /// How much it matters.
    pub severity: FindingSeverity,
    /// The endpoint or flow that it is about; `None` for all of them.
    pub endpoint: Option<String>,
    /// The component, observed metric, instance, address or user class that it is about, if any.
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
    /// The value, as the scale keeps it.
    pub value: f64,
    /// Its unit.
    pub scale: Scale,
    /// The value from which on the rule applies, if this number decides.
    pub threshold: Option<f64>,
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
        let mut finding = Self::new(rule, severity_of_miss(slo.severity), text);
        finding.evidence.push(Evidence {
            name: slo.metric.to_string(),
            value,
            scale: slo.metric.scale(),
            threshold: Some(slo.limit),
        });
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

    /// The same about a component, observed metric, instance, address or user class.
    pub(super) fn of_part(mut self, name: &str) -> Self {
        self.part = Some(name.to_owned());
        self
    }

    /// The same with a number; a plain number as it is.
    pub(super) fn with(mut self, name: &str, value: f64, scale: Scale) -> Self {
        self.evidence.push(Evidence {
            name: name.to_owned(),
            value: kept(value, scale),
            scale,
            threshold: None,
        });
        self
    }

    /// The same with a number that decides.
    pub(super) fn against(self, name: &str, (value, from): (f64, f64), scale: Scale) -> Self {
        let mut finding = self.with(name, value, scale);
        if let Some(last) = finding.evidence.last_mut() {
            last.threshold = Some(kept(from, scale));
        }
        finding
    }

    /// The same, shown by these seconds.
    pub(super) fn within(mut self, seconds: Option<(u64, u64)>) -> Self {
        self.seconds = seconds;
        self
    }
}

/// A number as its scale keeps it; a plain one as it is.
fn kept(value: f64, scale: Scale) -> f64 {
    match scale {
        Scale::Number => scale.of_exported(value),
        _ => value,
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
        write!(f, "{name}: {}", self.scale.format_with(self.value, 0))?;
        match self.threshold {
            Some(threshold) => write!(f, " (threshold {})", self.scale.format_with(threshold, 0)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_their_unit_and_with_their_sign() {
        let text = |value, scale| {
            let finding = Finding::new(Rule::Saturation, FindingSeverity::Low, String::new());
            let finding = finding.against("a_b", (value, 2.0), scale);
            finding.evidence[0].to_string()
        };
        for (value, scale, wanted) in [
            (-5_000_000.0, Scale::Bytes, "a b: -5.0 MB (threshold 2 B)"),
            (1_500.0, Scale::Time, "a b: 1.50 ms (threshold 2.00 µs)"),
            (37.0, Scale::Number, "a b: 37 (threshold 2)"),
        ] {
            assert_eq!(text(value, scale), wanted);
        }
    }
}
