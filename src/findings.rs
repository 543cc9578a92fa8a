//! Findings: what the numbers of a run say about the service, by fixed rules, and what to do about it.
//!
//! Here: the rules, in terms of statistics that healthy noise does not satisfy. They judge nothing: the verdict does
//! not depend on them. Not here: SLOs and the grade (`grading`), and how findings look (`report`).

mod finding;
mod numbers;
mod recommendation;
mod rule;
mod rules;
mod statistics;
#[cfg(test)]
mod tests;

use crate::grading::Grading;
use crate::metrics::RunResult;

pub use finding::{Evidence, Finding};
use numbers::Numbers;
pub use recommendation::{Effort, Priority, Recommendation, recommendations};
pub use rule::Rule;
pub use rules::queries_per_request;

/// The most findings of one rule.
const MOST_OF_A_RULE: usize = 5;

/// Everything that was found in a run, the most severe first; however much of a rule. Nothing in an INVALID run, whose
/// numbers say nothing about the service, and in one whose load was changed by hand, which explains too much.
pub fn findings(result: &RunResult, grading: &Grading) -> Vec<Finding> {
    if !result.invalid_because().is_empty() || result.run.is_adjusted() {
        return Vec::new();
    }
    let numbers = Numbers::of(result, grading);
    let mut all: Vec<Finding> = rules::ALL.iter().flat_map(|look| look(&numbers)).collect();
    all.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.rule));
    all
}

/// The first findings of each rule, as many as reports have.
pub fn first_of_each_rule(mut findings: Vec<Finding>) -> Vec<Finding> {
    let mut counts = std::collections::BTreeMap::<Rule, usize>::new();
    findings.retain(|finding| {
        let count = counts.entry(finding.rule).or_default();
        *count += 1;
        *count <= MOST_OF_A_RULE
    });
    findings
}
