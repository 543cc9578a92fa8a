//! Findings for people.

use crate::findings::Finding;
use crate::report::contents::Report;

/// What stands beside the title of the findings.
pub(crate) const FINDINGS_ASIDE: &str = "`perfctl explain` tells why, and what to do";

/// The findings that say more than the SLOs and the verdict do, the most severe first.
pub(crate) fn findings(report: &Report) -> Vec<Finding> {
    let found = report.findings().into_iter();
    found.filter(|one| !one.rule.repeats_slo()).collect()
}
