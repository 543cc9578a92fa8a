//! Recommendations: what to do about findings, in which order.
//!
//! Not here: how findings are found.

use super::finding::Finding;
use super::rule::Rule;
use crate::plan::FindingSeverity;

/// What to do about the findings of one rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Recommendation {
    /// The rule of the findings.
    pub rule: Rule,
    /// What to do, in a sentence.
    pub text: &'static str,
    /// How soon.
    pub priority: Priority,
    /// About how much work it is.
    pub effort: Effort,
    /// The findings that it is about, as they say it.
    pub evidence: Vec<String>,
    /// What becomes better by how much; empty unless it follows from the numbers.
    pub expected_improvements: Vec<String>,
}

/// How soon to follow a recommendation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Priority {
    Low,
    Medium,
    High,
}

/// About how much work a recommendation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// A setting, or a look at numbers that are there.
    Low,
    /// A change at one place of the service.
    Medium,
    /// A change of how the service works.
    High,
}

impl Priority {
    /// As reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    fn of(severity: FindingSeverity) -> Self {
        match severity {
            FindingSeverity::Low => Self::Low,
            FindingSeverity::Medium => Self::Medium,
            FindingSeverity::High | FindingSeverity::Critical => Self::High,
        }
    }
}

impl Effort {
    /// As reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    fn of(rule: Rule) -> Self {
        match rule {
            Rule::FailedStart
            | Rule::HighErrorRate
            | Rule::LowThroughput
            | Rule::MissedSlo
            | Rule::BadInstance
            | Rule::BadAddress
            | Rule::ConnectionErrors
            | Rule::ResourceExhaustion => Self::Low,
            Rule::SlowQueries
            | Rule::SlowComponent
            | Rule::NPlusOne
            | Rule::CacheMisses
            | Rule::Queueing
            | Rule::PeriodicStalls
            | Rule::HighLatency => Self::Medium,
            Rule::Saturation | Rule::Degradation | Rule::MemoryGrowth => Self::High,
        }
    }
}

/// A recommendation for each rule that found something, the most urgent first, and what is less work before what
/// is more.
pub fn recommendations(findings: &[Finding]) -> Vec<Recommendation> {
    let mut all: Vec<Recommendation> = Vec::new();
    for finding in findings {
        let known = all.iter().position(|known| known.rule == finding.rule);
        let at = known.unwrap_or_else(|| {
            all.push(Recommendation {
                rule: finding.rule,
                text: finding.rule.next_step(),
                priority: Priority::of(finding.severity),
                effort: Effort::of(finding.rule),
                evidence: Vec::new(),
                expected_improvements: Vec::new(),
            });
            all.len() - 1
        });
        all[at].evidence.push(finding.text.clone());
        let improvement = finding.improvement.iter().cloned();
        all[at].expected_improvements.extend(improvement);
    }
    all.sort_by_key(|one| (std::cmp::Reverse(one.priority), one.effort as u8));
    all
}
