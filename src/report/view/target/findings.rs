//! Findings for people.

use crate::findings::Finding;
use crate::report::contents::Report;
use crate::units::format_counted;

/// What stands beside the title of the findings.
pub(crate) const FINDINGS_ASIDE: &str = "`perfctl explain` tells why, and what to do";

/// The findings that say more than the SLOs and the verdict do, the most severe first. What is found of a component
/// on several endpoints is said of the worst of them.
pub(crate) fn findings(report: &Report) -> Vec<Finding> {
    let mut shown: Vec<(Finding, u64)> = Vec::new();
    let found = report.findings().into_iter();
    for finding in found.filter(|one| !one.rule.repeats_slo()) {
        let is_alike = |known: &Finding| {
            finding.part.is_some()
                && (known.rule, &known.part) == (finding.rule, &finding.part)
                && known.endpoint.is_some()
                && finding.endpoint.is_some()
        };
        match shown.iter_mut().find(|(known, _)| is_alike(known)) {
            Some((_, others)) => *others += 1,
            None => shown.push((finding, 0)),
        }
    }
    let shown = shown.into_iter().map(|(mut finding, others)| {
        if others > 0 {
            let others = format_counted(others, "other endpoint");
            finding.text += &format!("; likewise on {others}");
        }
        finding
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{ComponentCounts, SparseHistogram};
    use crate::report::fixture;

    #[test]
    fn what_is_found_of_a_component_is_said_once() {
        let mut report = fixture::passing();
        let slow = ComponentCounts {
            time: SparseHistogram::of(&mut vec![150_000; 100]),
            ..ComponentCounts::default()
        };
        for endpoint in &mut report.result.endpoints {
            let cell = endpoint.phases.last_mut().unwrap();
            cell.components.insert("db".into(), slow.clone());
        }
        assert_eq!(report.findings().len(), 2);
        let shown = findings(&report);
        let texts: Vec<&str> = shown.iter().map(|one| one.text.as_str()).collect();
        let expected =
            "health: `db` has a p95 of 150 ms, above 100 ms; likewise on 1 other endpoint";
        assert_eq!(texts, [expected]);
    }
}
