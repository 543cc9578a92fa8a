//! Findings for people.

use std::collections::BTreeSet;

use crate::findings::{Finding, first_of_each_rule};
use crate::report::contents::Report;
use crate::units::format_counted;

/// What stands beside the title of the findings.
pub(crate) const FINDINGS_ASIDE: &str = "`perfctl explain` tells why, and what to do";

/// The findings that say more than the SLOs and the verdict do, the most severe first. What is found of a component
/// on several endpoints is said of the worst of them.
pub(crate) fn findings(report: &Report) -> Vec<Finding> {
    let mut shown: Vec<(Finding, BTreeSet<&str>)> = Vec::new();
    for finding in report.found().iter().filter(|one| !one.rule.repeats_slo()) {
        let endpoint = finding.endpoint.as_deref();
        let is_alike = |known: &Finding| {
            finding.part.is_some()
                && (known.rule, &known.part) == (finding.rule, &finding.part)
                && known.endpoint.is_some()
                && endpoint.is_some()
        };
        match shown.iter_mut().find(|(known, _)| is_alike(known)) {
            Some((_, endpoints)) => endpoints.extend(endpoint),
            None => shown.push((finding.clone(), endpoint.into_iter().collect())),
        }
    }
    let shown = shown.into_iter().map(|(mut finding, endpoints)| {
        if endpoints.len() > 1 {
            let others = format_counted(endpoints.len() as u64 - 1, "other endpoint");
            finding.text += &format!("; likewise on {others}");
        }
        finding
    });
    first_of_each_rule(shown.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::fixture::{Requests, run, slo};
    use crate::metrics::{ComponentCounts, Outcome, RunResult, SparseHistogram};
    use crate::plan::{Metric, Percentile, SloScope};
    use crate::report::fixture;

    /// A run with this many endpoints, all with a database that is slow.
    fn slow_database(endpoints: usize) -> RunResult {
        let names: Vec<String> = (1..=endpoints).map(|n| format!("e{n}")).collect();
        let requests: Requests<'_> = &[(Outcome::Ok, 200_000, 100)];
        let all: Vec<_> = names.iter().map(|name| (name.as_str(), requests)).collect();
        let mut result = run(&all);
        for endpoint in &mut result.endpoints {
            let slow = ComponentCounts {
                time: SparseHistogram::of(&mut vec![150_000; 100]),
                ..ComponentCounts::default()
            };
            let cell = endpoint.phases.last_mut().unwrap();
            cell.components.insert("db".into(), slow);
        }
        result
    }

    fn texts(result: RunResult) -> Vec<String> {
        let shown = findings(&fixture::report(result, None));
        shown.into_iter().map(|one| one.text).collect()
    }

    #[test]
    fn what_is_found_of_a_component_is_said_once() {
        for (endpoints, others) in [(2, "1 other endpoint"), (9, "8 other endpoints")] {
            let expected = format!(
                "e1: `db` has a p95 of 150 ms, above 100 ms; it takes 75% of the time; likewise on {others}"
            );
            assert_eq!(texts(slow_database(endpoints)), [expected]);
        }
    }

    #[test]
    fn two_slos_of_one_endpoint_are_not_of_another_one() {
        let mut result = slow_database(1);
        for percentile in [50.0, 95.0] {
            let metric = Metric::ComponentTime {
                component: "db".into(),
                percentile: Percentile::new(percentile).unwrap(),
            };
            let mut slo = slo(&metric.to_string(), metric, 100_000.0);
            slo.scope = SloScope::Endpoint("e1".into());
            result.run.slos.push(slo);
        }
        assert_eq!(
            texts(result),
            ["e1: db_time_p50 is 150 ms, the limit is 100 ms"]
        );
    }
}
