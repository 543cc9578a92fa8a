//! The findings and recommendations of the page.
//!
//! Not here: the rules (`findings`).

use serde::Serialize;

use super::limits::Limits;
use crate::findings::{Finding, Recommendation, recommendations};
use crate::plan::FindingSeverity;
use crate::report::contents::Report;
use crate::report::view;

/// The findings and recommendations of a run.
#[derive(Serialize)]
pub(super) struct Findings {
    rows: Vec<FindingRow>,
    recommendations: Vec<RecommendationRow>,
}

/// One finding, folded.
#[derive(Serialize)]
struct FindingRow {
    severity: &'static str,
    class: &'static str,
    text: String,
    rule: &'static str,
    condition: &'static str,
    meaning: &'static str,
    numbers: Vec<String>,
    seconds: Option<String>,
}

#[derive(Serialize)]
struct RecommendationRow {
    text: &'static str,
    priority: &'static str,
    effort: &'static str,
    rule: &'static str,
    improvements: Vec<String>,
}

impl Findings {
    pub(super) fn of(report: &Report, limits: Limits) -> Self {
        let found = view::findings(report);
        let recommended = recommendations(&found).into_iter();
        Self {
            recommendations: recommended
                .map(|one| RecommendationRow::of(one, limits))
                .collect(),
            rows: found
                .into_iter()
                .map(|one| FindingRow::of(&one, limits))
                .collect(),
        }
    }
}

impl FindingRow {
    fn of(finding: &Finding, limits: Limits) -> Self {
        let numbers = finding.evidence.iter();
        Self {
            severity: finding.severity.name(),
            class: match finding.severity {
                FindingSeverity::Low => "soft",
                FindingSeverity::Medium => "warn",
                FindingSeverity::High | FindingSeverity::Critical => "bad",
            },
            text: limits.text(&finding.text),
            rule: finding.rule.name(),
            condition: finding.rule.condition(),
            meaning: finding.rule.meaning(),
            numbers: numbers.map(|one| limits.text(&one.to_string())).collect(),
            seconds: finding.seconds_text(),
        }
    }
}

impl RecommendationRow {
    fn of(one: Recommendation, limits: Limits) -> Self {
        let improvements = one.expected_improvements.iter();
        Self {
            text: one.text,
            priority: one.priority.name(),
            effort: one.effort.name(),
            rule: one.rule.name(),
            improvements: improvements.map(|text| limits.text(text)).collect(),
        }
    }
}
