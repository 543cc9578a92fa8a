//! What keeps the JSON report below its size: how much room each list has, and what is left out of it.
//!
//! Not here: what the entries are.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use crate::report::text::JsonWriter;

/// Room for the endpoints; bytes. All rooms together are less than the 2 MB that a report may have.
pub(super) const ENDPOINTS: usize = 950_000;
/// Room for the SLOs, and for the changes against a baseline.
pub(super) const ROWS: usize = 200_000;
/// Room for the errors.
pub(super) const ERRORS: usize = 100_000;
/// Room for the failed requests with their responses.
pub(super) const FAILURES: usize = 100_000;
/// Room for the phases.
pub(super) const PHASES: usize = 120_000;
/// Room for what was observed of the service.
pub(super) const OBSERVED: usize = 150_000;
/// Room for the slowest requests whose traces are named, and for those that failed.
pub(super) const TRACES: usize = 30_000;
/// Room for each other list, and for the numbers of all requests together.
pub(super) const LIST: usize = 30_000;

/// How many entries of each list are left out, by the names of the fields.
pub(super) type LeftOutCounts = BTreeMap<&'static str, usize>;

/// Removes entries until the rest fits into `room` bytes: those that matter less first, then those at the end.
pub(super) fn fit<T: Serialize>(
    name: &'static str,
    list: &mut Vec<T>,
    room: usize,
    matters: impl Fn(&T) -> bool,
    left_out: &mut LeftOutCounts,
) {
    // With the comma, the line end and the indentation.
    let sizes: Vec<usize> = list.iter().map(|entry| size(entry) + 6).collect();
    let mut used = 0;
    let mut is_kept = vec![false; list.len()];
    for of_those in [true, false] {
        for (at, entry) in list.iter().enumerate() {
            if matters(entry) == of_those && used + sizes[at] <= room {
                used += sizes[at];
                is_kept[at] = true;
            }
        }
    }
    let before = list.len();
    let mut kept = is_kept.into_iter();
    list.retain(|_| kept.next().unwrap_or(false));
    if list.len() < before {
        left_out.insert(name, before - list.len());
    }
}

/// How long `value` is as JSON on one line; bytes.
pub(super) fn size(value: &impl Serialize) -> usize {
    let mut count = Count(0);
    // A count takes everything, and the report has nothing that cannot be JSON.
    let _ = serde_json::to_writer(JsonWriter(&mut count), value);
    count.0
}

struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::contents::Reporter;
    use crate::report::fixture;
    use crate::report::json::JsonReporter;

    #[test]
    fn a_report_has_at_most_2_mb_whatever_the_run() {
        let of = |count: usize, name: &dyn Fn(usize) -> String| -> Vec<String> {
            (0..count).map(name).collect()
        };
        let long = "\u{202e}".repeat(100_000 / 3);
        for (names, least) in [
            (
                of(1_000, &|i| format!("GET /api/v1/some/resource/{i}")),
                1_000,
            ),
            (of(12, &|i| format!("{long}{i}")), 1),
        ] {
            let mut report = fixture::large(&names);
            let samples = fixture::with_samples(fixture::many_errors()).result;
            let samples = samples.failure_samples.kept.into_iter().cycle().take(300);
            report.result.failure_samples.kept = samples.collect();
            let mut out = Vec::new();
            JsonReporter.report(&report, 80, &mut out).unwrap();
            assert!(out.len() < 2_000_000, "{} bytes", out.len());
            let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
            let endpoints = json["endpoints"].as_array().unwrap();
            let left_out = &json["left_out"];
            let missing = left_out["endpoints"].as_u64().unwrap_or(0);
            assert_eq!(endpoints.len() as u64 + missing, names.len() as u64);
            assert!(endpoints.len() >= least, "{left_out}");
            let slos = json["slos"].as_array().unwrap().len() as u64;
            assert_eq!(
                slos + left_out["slos"].as_u64().unwrap_or(0),
                2 * names.len() as u64
            );
        }
    }

    #[test]
    fn what_matters_stays_and_the_order_too() {
        let all: Vec<u32> = (100..200).collect();
        let mut left_out = LeftOutCounts::new();
        let mut list = all.clone();
        fit("list", &mut list, 10_000, |_| false, &mut left_out);
        assert_eq!((&list, left_out.len()), (&all, 0));
        // Nine bytes each.
        fit("list", &mut list, 45, |one| *one >= 198, &mut left_out);
        assert_eq!(list, [100, 101, 102, 198, 199]);
        assert_eq!(left_out["list"], 95);
    }
}
