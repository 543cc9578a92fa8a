//! The statistics of Locust as JSON, as it prints them with `--json`.
//!
//! What counts is that of Locust's CSV files (`locust`). Other than in Locust, the keys of `response_times` are
//! rounded to whole milliseconds only.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::locust::{Numbers, places, started_at, whole};
use super::seconds::seconds;
use crate::metrics::{Outcome, middle_of_bucket};
use crate::report::contents::{Report, Reporter};
use crate::report::text::JsonWriter;

/// Writes an array with an object for each endpoint that was requested.
pub(crate) struct LocustReporter;

/// One endpoint, in the fields of Locust. Times are in ms, those on the clock in s since 1970.
#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    method: &'a str,
    last_request_timestamp: f64,
    start_time: f64,
    num_requests: u64,
    /// Requests whose time does not count: failures other than timeouts.
    num_none_requests: u64,
    num_failures: u64,
    total_response_time: f64,
    max_response_time: f64,
    min_response_time: Option<f64>,
    /// Bytes.
    total_content_length: u64,
    /// How many requests took this many ms.
    response_times: BTreeMap<u64, u64>,
    /// Requests by the second, on the clock.
    num_reqs_per_sec: BTreeMap<i64, u64>,
    num_fail_per_sec: BTreeMap<i64, u64>,
}

impl Reporter for LocustReporter {
    fn report(&self, report: &Report, _columns: usize, out: &mut dyn Write) -> io::Result<()> {
        let mut out = JsonWriter(io::BufWriter::with_capacity(1 << 16, out));
        serde_json::to_writer_pretty(&mut out, &entries(report))?;
        writeln!(out)?;
        out.flush()
    }
}

fn entries(report: &Report) -> Vec<Entry<'_>> {
    let result = &report.result;
    let started_at = started_at(result);
    let start_time = started_at.as_millisecond() as f64 / 1e3;
    let mut by_second: BTreeMap<usize, [BTreeMap<i64, u64>; 2]> = BTreeMap::new();
    for ((second, position), of_second) in seconds(result) {
        let at_s = started_at.as_second().saturating_add_unsigned(second);
        let [requests, failures] = by_second.entry(position).or_default();
        let cell = &of_second.cell;
        for (counts, count) in [
            (requests, cell.count(Outcome::is_started)),
            (failures, cell.count(Outcome::is_failure)),
        ] {
            if count > 0 {
                *counts.entry(at_s).or_default() += count;
            }
        }
    }
    let places = places(result).into_iter();
    places
        .filter_map(|place| {
            let of_place = whole(result, Some(place.endpoint?));
            let numbers = Numbers::of(&of_place);
            if numbers.requests == 0 {
                return None;
            }
            let [requests, failures] = by_second.remove(&place.endpoint?).unwrap_or_default();
            let last_s = requests.keys().last().copied();
            let times = &numbers.times;
            let mut response_times = BTreeMap::new();
            for (bucket, count) in times.iter() {
                let ms = (middle_of_bucket(bucket) / 1e3).round() as u64;
                *response_times.entry(ms).or_default() += count;
            }
            Some(Entry {
                name: place.name,
                method: place.method,
                last_request_timestamp: last_s.map_or(start_time, |second| second as f64),
                start_time,
                num_requests: numbers.requests,
                num_none_requests: numbers.requests.saturating_sub(times.count()),
                num_failures: numbers.failures,
                total_response_time: times.sum_us as f64 / 1e3,
                max_response_time: times.max_us as f64 / 1e3,
                min_response_time: (!times.is_empty()).then_some(times.min_us as f64 / 1e3),
                total_content_length: of_place.bytes_in,
                response_times,
                num_reqs_per_sec: requests,
                num_fail_per_sec: failures,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use snapbox::{assert_data_eq, file};

    #[test]
    fn a_run_with_failures() {
        let mut out = Vec::new();
        let report = fixture::many_errors();
        LocustReporter.report(&report, 80, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_data_eq!(text, file!["../golden/many_errors.locust.json"].raw());
    }
}
