//! What was observed of the service, for people.

use crate::metrics::RunResult;

/// The numbers of something observed.
pub(crate) const OBSERVED_NUMBERS: [&str; 4] = ["min", "overall", "max", "last"];

/// Name and numbers of everything that was observed while load was measured.
pub(crate) fn observed(result: &RunResult) -> Vec<Vec<String>> {
    let observed = result.observed();
    let rows = observed.iter().filter_map(|one| {
        let spread = one.measured?;
        let numbers = [spread.min, spread.overall, spread.max, spread.last];
        let numbers = numbers.map(|number| one.format(number));
        Some(std::iter::once(one.name()).chain(numbers).collect())
    });
    rows.collect()
}

/// A sentence about each reason for which something was not observed while load was measured, or in part.
pub(crate) fn unobserved(result: &RunResult) -> Vec<String> {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for (position, info) in result.run.observed.iter().enumerate() {
        let Some((reason, missing, all)) = result.unobserved(position) else {
            continue;
        };
        let end = match missing {
            0 => continue,
            missing if missing == all => format!(": {reason}"),
            missing => format!(" in {missing} of {all} observations: {reason}"),
        };
        let name = format!("`{}`", info.name);
        match reasons.iter_mut().find(|(known, _)| *known == end) {
            Some((_, names)) => names.push(name),
            None => reasons.push((end, vec![name])),
        }
    }
    let sentences = reasons.into_iter();
    sentences
        .map(|(end, names)| format!("{} not observed{end}", names.join(", ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn what_was_observed_is_a_row_and_what_was_not_a_sentence() {
        let report = fixture::observed();
        let rows = observed(&report.result);
        assert_eq!(rows[0], ["pool", "0.25", "0.5", "0.75", "0.75"]);
        assert_eq!(
            rows[1],
            ["requests", "1.00/s", "2.00/s", "3.00/s", "1.00/s"]
        );
        assert_eq!(rows[2][0], "took mean");
        assert_eq!(
            unobserved(&report.result),
            [
                "`requests` not observed in 1 of 4 observations: `/metrics`: status 503",
                "`cache` not observed: `/metrics`: there is no `cache_hits_total`",
            ]
        );
    }
}
