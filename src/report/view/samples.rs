//! The first failures of each kind, grouped as the errors of a report are.
//!
//! Not here: how a request and its response are laid out (`exchange`).

use std::collections::{BTreeMap, HashMap};

use super::errors::{FailureKind, errors};
use super::exchange::{BodyLimits, ExchangeLine, exchange_lines};
use crate::metrics::{FailureSample, RunResult};
use crate::report::contents::Report;
use crate::report::text::harmless;
use crate::units::{format_bytes, format_count, format_counted, format_latency_us, trim_float};

/// The samples of one kind of failure.
pub(crate) struct SampleGroup<'a> {
    /// The error type, the method and the name of the endpoint.
    pub(crate) name: String,
    /// How many requests failed so.
    pub(crate) requests: u64,
    /// In the order in which they ended; at least one.
    pub(crate) samples: Vec<&'a FailureSample>,
}

/// All samples, those of the most frequent kind first.
pub(crate) fn sample_groups(result: &RunResult) -> Vec<SampleGroup<'_>> {
    let kept = &result.failure_samples.kept;
    if kept.is_empty() {
        return Vec::new();
    }
    let rows = errors(result);
    let row_of: HashMap<FailureKind<'_>, usize> = rows
        .iter()
        .enumerate()
        .map(|(position, row)| (row.kind(), position))
        .collect();
    let mut samples_of: BTreeMap<usize, Vec<&FailureSample>> = BTreeMap::new();
    for sample in kept {
        let kind = FailureKind::of(result, sample);
        // Of a service with too many statuses, they may not be counted apart.
        let mut all = kind;
        all.status = None;
        if let Some(row) = row_of.get(&kind).or_else(|| row_of.get(&all)) {
            samples_of.entry(*row).or_default().push(sample);
        }
    }
    let groups = samples_of.into_iter().map(|(row, samples)| {
        let row = &rows[row];
        let method = &result.endpoints[samples[0].endpoint].endpoint.method;
        SampleGroup {
            name: format!("{}: {method} {}", row.what(), row.kind().endpoint),
            requests: row.count(),
            samples,
        }
    });
    groups.collect()
}

/// What is said of a sample above its request and response: `at 2.31 s, 12 ms: status 500`.
pub(crate) fn sample_heading(sample: &FailureSample) -> String {
    let started_s = trim_float(sample.started_us as f64 / 1e6, 3);
    let redirects = match sample.exchange.redirects {
        0 => String::new(),
        redirects => format!(", after {}", format_counted(redirects, "redirect")),
    };
    let trace = match sample.trace_id {
        Some(id) => format!(", trace {id}"),
        None => String::new(),
    };
    harmless(&format!(
        "at {started_s} s, {}{redirects}{trace}: {}",
        format_latency_us(sample.response_us as f64),
        sample.text
    ))
}

/// What was sent and received.
pub(crate) fn sample_lines(sample: &FailureSample) -> Vec<ExchangeLine> {
    exchange_lines(&sample.exchange, BodyLimits::NONE)
}

/// How many failed requests were kept, and for how many there was no room; `None` without any.
pub(crate) fn samples_kept(result: &RunResult) -> Option<String> {
    let samples = &result.failure_samples;
    let mut sentence = match samples.kept.len() as u64 {
        0 => return None,
        1 => "1 failed request is kept with its response".to_owned(),
        kept => format!(
            "{} failed requests are kept with their responses",
            format_count(kept)
        ),
    };
    if samples.unkept > 0 {
        sentence += &format!(
            "; {} more did not fit into {}",
            format_count(samples.unkept),
            format_bytes(FailureSample::MAX_BYTES as u64)
        );
    }
    Some(sentence)
}

/// The same, and which command shows them.
pub(crate) fn samples_note(report: &Report) -> Option<String> {
    let kept = samples_kept(&report.result)?;
    let run = match &report.directory {
        Some(directory) => directory.display().to_string(),
        None => "RESULT".to_owned(),
    };
    Some(format!(
        "{kept}: `perfctl report {run} --failures` shows them"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{FailureCount, FailureCounts};
    use crate::report::fixture;

    #[test]
    fn samples_are_grouped_as_errors_are_and_the_most_frequent_kind_comes_first() {
        let report = fixture::with_samples(fixture::many_errors());
        let groups = sample_groups(&report.result);
        let names: Vec<(&str, u64, usize)> = groups
            .iter()
            .map(|group| (group.name.as_str(), group.requests, group.samples.len()))
            .collect();
        assert_eq!(
            names,
            [
                ("http_4xx 422: GET create order", 77, 2),
                ("http_4xx 401: GET login", 1, 1),
            ]
        );
        assert_eq!(
            samples_note(&report).unwrap(),
            "3 failed requests are kept with their responses; 1,200 more did not fit into 1.0 MB: \
             `perfctl report RESULT --failures` shows them"
        );
    }

    #[test]
    fn a_sample_whose_status_is_not_counted_apart_is_shown_with_the_others() {
        let mut report = fixture::with_samples(fixture::many_errors());
        for endpoint in &mut report.result.endpoints {
            for cell in &mut endpoint.phases {
                let mut together = FailureCounts::default();
                cell.failure_counts.iter().for_each(|one| {
                    together.add(FailureCount {
                        status: None,
                        ..one.clone()
                    });
                });
                cell.failure_counts = together;
            }
        }
        let groups = sample_groups(&report.result);
        let shown: usize = groups.iter().map(|group| group.samples.len()).sum();
        assert_eq!(shown, 3);
        assert_eq!(groups[0].name, "http_4xx: GET create order");
    }
}
