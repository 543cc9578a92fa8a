//! The report of a quick look: a summary without a grade, percentiles, a histogram, status codes.

use std::time::Duration;

use crate::grading::Verdict;
use crate::metrics::{Cell, Histogram, RunResult, Summary, Window};
use crate::plan::Percentile;
use crate::report::contents::{Focus, Report};
use crate::units::{
    format_bytes, format_count, format_counted, format_duration, format_latency_us, format_percent,
    format_rate, trim_float,
};

/// How many rows a histogram has at least, without that of the slowest requests.
const ROWS: f64 = 10.0;

/// Whether the report is about a quick look.
pub(crate) fn is_quick_look(report: &Report) -> bool {
    report.focus == Focus::Run && report.result.run.quick_look
}

/// Whether it is one with nothing to judge: no SLO, no baseline, and nothing wrong with its numbers, or
/// changed by hand. One that was stopped is complete up to there.
pub(crate) fn has_no_verdict(report: &Report) -> bool {
    let ending = report.result.run.ending.as_ref();
    let is_stopped = ending.is_some_and(|ending| ending.signal.is_some());
    is_quick_look(report)
        && report.grading.criteria.is_empty()
        && report.comparison.is_none()
        && total(&report.result).requests > 0
        && !report.result.run.is_adjusted()
        && match report.grading.verdict {
            Verdict::Pass => true,
            Verdict::Inconclusive => is_stopped,
            Verdict::Fail | Verdict::Invalid => false,
        }
}

fn total(result: &RunResult) -> Summary {
    result.summary(None, Window::Measured)
}

/// `12,345 requests in 10s: 1234 successes/s, none failed`.
pub(crate) fn summary(result: &RunResult) -> String {
    let total = total(result);
    let time = format_duration(Duration::try_from_secs_f64(total.window_s).unwrap_or_default());
    let failed = match total.failures {
        0 => "none failed".to_owned(),
        failures if failures == total.requests => "all failed".to_owned(),
        failures => format!(
            "{} failed ({})",
            format_count(failures),
            format_percent(total.error_rate.unwrap_or_default())
        ),
    };
    let load = &result.run.load;
    let ending = result.run.ending.as_ref();
    let is_stopped = ending.is_some_and(|ending| ending.signal.is_some());
    let requests = format_counted(total.requests, "request");
    let start = match (is_stopped, load.iterations) {
        (false, _) => format!("{requests} in {time}: "),
        (true, Some(planned)) => format!(
            "stopped after {time}: {} of {}, ",
            format_count(total.requests),
            format_counted(planned, "request")
        ),
        (true, None) => {
            let planned = format_duration(load.total());
            format!("stopped after {time} of {planned}: {requests}, ")
        }
    };
    let rate = format_rate(total.rate_per_s);
    format!(
        "{start}{} successes/s, {failed}",
        rate.trim_end_matches("/s")
    )
}

/// Whether every request failed.
pub(crate) fn all_failed(result: &RunResult) -> bool {
    let total = total(result);
    total.failures == total.requests
}

/// The times of successes and timeouts; if there are none, those of failures, and then `true`.
fn times(result: &RunResult) -> (Histogram, bool) {
    let cell: Cell = result.cell(None, Window::Measured);
    let mut histogram = Histogram::default();
    let successes = [&cell.response, &cell.censored];
    successes.into_iter().for_each(|part| histogram.add(part));
    let is_failed = histogram.count() == 0;
    if is_failed {
        histogram.add(&cell.failed);
    }
    (histogram, is_failed)
}

/// Whose response times are shown, and their extremes and mean. `None` without any.
pub(crate) fn spread(result: &RunResult) -> Option<String> {
    let (times, is_failed) = times(result);
    let whose = if is_failed { "of failures: " } else { "" };
    let named = [
        ("min", times.min()),
        ("mean", times.mean()),
        ("max", times.max()),
    ];
    let parts: Vec<String> = named
        .into_iter()
        .filter_map(|(name, us)| Some(format!("{name} {}", format_latency_us(us?))))
        .collect();
    (times.count() > 0).then(|| format!("{whose}{}", parts.join(", ")))
}

/// Names and values of the percentiles of the response times.
pub(crate) fn percentiles(result: &RunResult) -> Vec<(String, String)> {
    let (times, _) = times(result);
    let of = |percent| {
        let us = times.percentile(Percentile::new(percent)?)?;
        Some((
            format!("p{}", trim_float(percent, 1)),
            format_latency_us(us),
        ))
    };
    [50.0, 75.0, 90.0, 95.0, 99.0, 99.9]
        .into_iter()
        .filter_map(of)
        .collect()
}

/// A row of a histogram.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HistogramRow {
    /// The range of its times.
    pub range: String,
    /// The requests in it.
    pub count: u64,
    /// Its part of all requests; 0..=1.
    pub share: f64,
    /// Its part of the longest row; 0..=1.
    pub bar: f64,
}

/// The histogram of the response times, in even steps. The slowest requests, which would make all steps
/// too long, share the last row.
pub(crate) fn histogram(result: &RunResult) -> Vec<HistogramRow> {
    let (times, _) = times(result);
    let p99 = Percentile::new(99.0).and_then(|p99| times.percentile(p99));
    let (Some(min), Some(max), Some(p99)) = (times.min(), times.max(), p99) else {
        return Vec::new();
    };
    let highest = if max <= 1.5 * p99 { max } else { p99 };
    let step = even_step((highest - min) / ROWS);
    let start = (min / step).floor() * step;
    let rows = ((highest - start) / step).floor() as usize + 1;
    let mut counts = vec![0; rows + 1];
    for (lowest, count) in times.recorded() {
        // The smallest value may be above the lowest one of its bucket.
        let row = ((lowest as f64).max(start) - start) / step;
        counts[(row as usize).min(rows)] += count;
    }
    let unit = Unit::of(start + step * rows as f64, step);
    let all = times.count() as f64;
    let longest = counts.iter().copied().max().unwrap_or_default().max(1) as f64;
    let mut ranges: Vec<String> = (0..rows)
        .map(|row| {
            let from = start + step * row as f64;
            unit.range(from, from + step)
        })
        .collect();
    ranges.push(format!("up to {}", format_latency_us(max)));
    let is_shown = |(row, (_, count)): &(usize, (String, u64))| *row < rows || *count > 0;
    let shown = ranges.into_iter().zip(counts).enumerate().filter(is_shown);
    shown
        .map(|(_, (range, count))| HistogramRow {
            range,
            count,
            share: count as f64 / all,
            bar: count as f64 / longest,
        })
        .collect()
}

/// The next of 1, 2, 5, 10, 20, 50... µs.
fn even_step(at_least: f64) -> f64 {
    let mut decade = 1.0;
    while decade * 5.0 < at_least {
        decade *= 10.0;
    }
    let steps = [1.0, 2.0, 5.0].map(|factor| factor * decade);
    let mut steps = steps.into_iter();
    steps.find(|step| *step >= at_least).unwrap_or(decade)
}

/// How the times of a histogram are written.
struct Unit {
    name: &'static str,
    us: f64,
    decimals: usize,
}

impl Unit {
    /// For times up to `highest`, in steps; µs.
    fn of(highest: f64, step: f64) -> Self {
        let (name, us) = match highest {
            us if us < 1e3 => ("µs", 1.0),
            us if us < 1e6 => ("ms", 1e3),
            _ => ("s", 1e6),
        };
        let decimals = (0..6).find(|digits| step / us * 10f64.powi(*digits) > 0.999);
        Self {
            name,
            us,
            decimals: decimals.unwrap_or(6) as usize,
        }
    }

    fn range(&self, from: f64, to: f64) -> String {
        let Self { name, us, decimals } = self;
        format!("{:.decimals$} - {:.decimals$} {name}", from / us, to / us)
    }
}

/// Status, count and share of the responses, by status; the last row is that of requests without one.
pub(crate) fn statuses(result: &RunResult) -> Vec<[String; 3]> {
    let total = total(result);
    let answered: u64 = total.statuses.values().sum();
    let row = |name: String, count: u64| {
        let share = count as f64 / total.requests.max(1) as f64;
        [name, format_count(count), format_percent(share)]
    };
    let name = |status: u16| {
        let known = http::StatusCode::from_u16(status).ok();
        let reason = known.and_then(|status| status.canonical_reason());
        format!("{status} {}", reason.unwrap_or_default())
    };
    let statuses = total.statuses.iter();
    let mut rows: Vec<[String; 3]> = statuses
        .map(|(status, count)| row(name(*status).trim_end().to_owned(), *count))
        .collect();
    let silent = total.requests.saturating_sub(answered);
    rows.extend((silent > 0).then(|| row("no response".into(), silent)));
    rows
}

/// How many connections were opened and how often they were reused, how long opening took, and the bytes.
pub(crate) fn connections(result: &RunResult) -> String {
    let total = total(result);
    let mut parts = vec![
        format!("{} opened", format_count(total.connections)),
        format!("reused {}", format_counted(total.reused, "time")),
    ];
    let steps = [
        ("DNS", total.dns_us),
        ("connect", total.connect_us),
        ("TLS", total.tls_us),
    ];
    let steps: Vec<String> = steps
        .iter()
        .filter_map(|(name, times)| Some(format!("{name} p95 {}", format_latency_us(times.p95?))))
        .collect();
    parts.extend(steps);
    parts.push(format!("received {}", format_bytes(total.bytes_in)));
    parts.push(format!("sent {}", format_bytes(total.bytes_out)));
    if total.redirects > 0 {
        let redirects = format_counted(total.redirects, "redirect");
        parts.push(format!("{redirects} followed"));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::{Outcome, SparseHistogram, fixture};

    fn run_of(values: &mut [u64]) -> RunResult {
        let mut result = fixture::run(&[("GET /", &[(Outcome::Ok, 1, 1)])]);
        let cell = result.endpoints[0].phases.last_mut().unwrap();
        cell.response = SparseHistogram::of(values);
        result
    }

    fn rows(values: &mut [u64]) -> Vec<(String, u64)> {
        let rows = histogram(&run_of(values)).into_iter();
        rows.map(|row| (row.range, row.count)).collect()
    }

    #[test]
    fn steps_are_even_and_the_slowest_share_a_row() {
        let mut values: Vec<u64> = (0..1_000).map(|i| 1_200 + i).collect();
        values.extend([900_000, 35_200_000]);
        let rows = rows(&mut values);
        let text: Vec<String> = rows.iter().map(|(r, n)| format!("{r}: {n}")).collect();
        assert_eq!(
            text,
            [
                "1.2 - 1.3 ms: 100",
                "1.3 - 1.4 ms: 100",
                "1.4 - 1.5 ms: 100",
                "1.5 - 1.6 ms: 100",
                "1.6 - 1.7 ms: 100",
                "1.7 - 1.8 ms: 100",
                "1.8 - 1.9 ms: 100",
                "1.9 - 2.0 ms: 100",
                "2.0 - 2.1 ms: 100",
                "2.1 - 2.2 ms: 100",
                "up to 35.2 s: 2",
            ]
        );
    }

    #[test]
    fn one_time_is_one_row_and_none_is_no_row() {
        assert_eq!(rows(&mut [700, 700]), [("700 - 701 µs".to_owned(), 2)]);
        assert_eq!(rows(&mut [0]), [("0 - 1 µs".to_owned(), 1)]);
        assert_eq!(rows(&mut []), []);
    }

    #[test]
    fn failures_have_times_where_nothing_else_has() {
        let failing = fixture::run(&[("GET /", &[(Outcome::Http5xx, 2_000, 10)])]);
        assert!(
            spread(&failing)
                .unwrap()
                .starts_with("of failures: min 2.00 ms")
        );
        assert_eq!(
            summary(&failing),
            "10 requests in 10s: 0 successes/s, all failed"
        );
        let rows = statuses(&failing);
        assert_eq!(rows, [["503 Service Unavailable", "10", "100%"]]);
        let silent = fixture::run(&[("GET /", &[(Outcome::Ok, 9, 3), (Outcome::Reset, 9, 1)])]);
        let rows = statuses(&silent);
        assert_eq!(rows, [["200 OK", "3", "75%"], ["no response", "1", "25%"]]);
    }

    proptest! {
        #[test]
        fn every_request_is_in_a_row(values in prop::collection::vec(0u64..40_000_000_000, 1..80)) {
            let mut values = values;
            let rows = histogram(&run_of(&mut values));
            let sum: u64 = rows.iter().map(|row| row.count).sum();
            prop_assert_eq!(sum, values.len() as u64);
            prop_assert!(rows.len() <= 14, "{}", rows.len());
            prop_assert!(rows.iter().any(|row| row.bar == 1.0));
        }
    }
}
