//! What failed: which error types, how often, and an example of each.

use std::collections::BTreeMap;

use crate::metrics::{Outcome, RunResult};

/// `(count, what, example)` of each error type in the whole run, the most frequent first; or the
/// scenario's name of the failure, with its error type.
pub(crate) fn errors(result: &RunResult) -> Vec<(u64, String, Option<String>)> {
    let mut errors: Vec<(u64, String, Option<String>)> = Vec::new();
    let outcomes = Outcome::ALL.into_iter();
    for outcome in outcomes.filter(|outcome| outcome.is_failure() || outcome.is_local()) {
        let mut rest = result.count(|c| c == outcome);
        for (key, count) in failures(result, outcome) {
            rest = rest.saturating_sub(count);
            let start = format!("{key}: ");
            let example = example(result, outcome, |text| text.starts_with(&start));
            errors.push((count, format!("{key} ({})", outcome.name()), example));
        }
        let example = example(result, outcome, |_| true);
        errors.push((rest, outcome.name().to_owned(), example));
    }
    errors.retain(|(count, _, _)| *count > 0);
    errors.sort_by_key(|(count, _, _)| std::cmp::Reverse(*count));
    errors
}

/// How many failures with this outcome have which name in the scenario.
fn failures(result: &RunResult, outcome: Outcome) -> BTreeMap<&str, u64> {
    let mut failures: BTreeMap<&str, u64> = BTreeMap::new();
    let cells = result.requests().flat_map(|endpoint| &endpoint.phases);
    for (key, count) in cells
        .filter_map(|cell| cell.failure_keys.get(&outcome))
        .flatten()
    {
        *failures.entry(key).or_default() += count;
    }
    failures
}

pub(super) fn example(
    result: &RunResult,
    outcome: Outcome,
    fits: impl Fn(&str) -> bool,
) -> Option<String> {
    result.requests().find_map(|endpoint| {
        let texts = endpoint
            .phases
            .iter()
            .filter_map(|cell| cell.examples.get(&outcome));
        let text = texts.into_iter().find(|text| fits(text))?;
        Some(format!("{}: {text}", endpoint.endpoint.name))
    })
}
