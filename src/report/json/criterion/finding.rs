//! Findings and recommendations in the JSON report.
//!
//! Not here: the rules (`findings`).

use serde::Serialize;

use crate::findings::{Evidence, Finding, Recommendation};
use crate::report::json::unit::Unit;

/// One finding; see [`Finding`].
#[derive(Serialize)]
pub(crate) struct FindingEntry {
    rule: &'static str,
    severity: &'static str,
    endpoint: Option<String>,
    /// The component, observed metric, instance, address or user class.
    part: Option<String>,
    text: String,
    evidence: Vec<EvidenceEntry>,
    /// The seconds that show it; `null` for all measured phases.
    from_s: Option<u64>,
    to_s: Option<u64>,
}

/// One number of a finding.
#[derive(Serialize)]
struct EvidenceEntry {
    name: String,
    value: f64,
    threshold: Option<f64>,
    /// Of both.
    unit: Unit,
}

/// One recommendation; see [`Recommendation`].
#[derive(Serialize)]
pub(crate) struct RecommendationEntry {
    rule: &'static str,
    text: &'static str,
    priority: &'static str,
    effort: &'static str,
    evidence: Vec<String>,
    expected_improvements: Vec<String>,
}

impl FindingEntry {
    pub(crate) fn of(finding: Finding) -> Self {
        let evidence = finding.evidence.into_iter();
        Self {
            rule: finding.rule.name(),
            severity: finding.severity.name(),
            endpoint: finding.endpoint,
            part: finding.part,
            text: finding.text,
            evidence: evidence.map(EvidenceEntry::of).collect(),
            from_s: finding.seconds.map(|(from, _)| from),
            to_s: finding.seconds.map(|(_, to)| to),
        }
    }
}

impl EvidenceEntry {
    fn of(evidence: Evidence) -> Self {
        let unit = Unit::of_scale(evidence.scale);
        let number = |value: f64| unit.convert(value);
        Self {
            name: evidence.name,
            value: number(evidence.value),
            threshold: evidence.threshold.map(number),
            unit,
        }
    }
}

impl RecommendationEntry {
    pub(crate) fn of(recommendation: Recommendation) -> Self {
        Self {
            rule: recommendation.rule.name(),
            text: recommendation.text,
            priority: recommendation.priority.name(),
            effort: recommendation.effort.name(),
            evidence: recommendation.evidence,
            expected_improvements: recommendation.expected_improvements,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Scale;

    #[test]
    fn numbers_of_findings_are_in_the_unit_beside_them() {
        for (scale, value, written) in [
            (Scale::Time, 1_500.0, (1.5, "ms")),
            (Scale::Share, 0.25, (25.0, "percent")),
            (Scale::Rate, 12.0, (12.0, "per_s")),
            (Scale::Number, 4_200.0, (4.2, "count")),
            (Scale::Bytes, 500.0, (500.0, "bytes")),
            (Scale::ByteRate, 500.0, (500.0, "bytes_per_s")),
        ] {
            let entry = EvidenceEntry::of(Evidence {
                name: "x".into(),
                value,
                scale,
                threshold: Some(value),
            });
            let json = serde_json::to_value(&entry).unwrap();
            let expected = serde_json::json!({
                "name": "x", "value": written.0, "threshold": written.0, "unit": written.1,
            });
            assert_eq!(json, expected);
        }
    }
}
