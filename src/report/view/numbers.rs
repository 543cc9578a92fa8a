//! Endpoints, flows and phases: the cells of their tables, and the text below them.

use crate::metrics::{LoadLevels, RunResult, Summary, Window};
use crate::report::contents::Report;
use crate::units::{
    format_bytes, format_count, format_counted, format_latency_us, format_percent, format_rate,
    trim_float,
};

/// Name, requests, failed, rate, p50, p95, p99, max.
pub(crate) const NUMBERS: [&str; 7] = ["requests", "failed", "rate", "p50", "p95", "p99", "max"];

/// The cells under [`NUMBERS`].
pub(crate) fn numbers(summary: &Summary) -> Vec<String> {
    let response = summary.response_us;
    let mut cells = vec![
        count(summary.requests),
        count(summary.failures),
        format_rate(summary.rate_per_s),
    ];
    let times = [response.p50, response.p95, response.p99, response.max];
    cells.extend(times.map(|us| us.map_or_else(|| "-".into(), format_latency_us)));
    cells
}

/// What the table has no room for: mean and spread, time to first byte (TTFB), bytes, connections.
/// `None` if no request was measured.
pub(crate) fn traffic(total: &Summary) -> Option<String> {
    let response = total.response_us;
    let mut parts = vec![format!("mean {}", format_latency_us(response.mean?))];
    if let Some(deviation) = response.standard_deviation {
        parts.push(format!(
            "standard deviation {}",
            format_latency_us(deviation)
        ));
    }
    if let (Some(p50), Some(p95)) = (total.ttfb_us.p50, total.ttfb_us.p95) {
        let (p50, p95) = (format_latency_us(p50), format_latency_us(p95));
        parts.push(format!("TTFB p50 {p50}, p95 {p95}"));
    }
    parts.push(format!("received {}", format_bytes(total.bytes_in)));
    parts.push(format!("sent {}", format_bytes(total.bytes_out)));
    let connections = format_counted(total.connections, "connection");
    parts.push(format!("{connections} opened"));
    if total.redirects > 0 {
        parts.push(format!(
            "{} followed",
            format_counted(total.redirects, "redirect")
        ));
    }
    Some(parts.join(", "))
}

/// How long opening connections took, on one line; `None` if there is no data.
pub(crate) fn connecting(total: &Summary) -> Option<String> {
    let steps = [
        ("dns", &total.dns_us),
        ("connect", &total.connect_us),
        ("tls", &total.tls_us),
    ];
    let parts: Vec<String> = steps
        .iter()
        .filter_map(|(name, times)| Some(format!("{name} {}", format_latency_us(times.p95?))))
        .collect();
    if parts.is_empty() {
        return None;
    }
    let mut reused = format_counted(total.reused, "time");
    if total.tls_handshakes > 0 {
        let (all, resumed) = (total.tls_handshakes, format_count(total.tls_resumed));
        let all = format_counted(all, "TLS handshake");
        reused = format!("{reused}; {all}, {resumed} resumed");
    }
    Some(format!(
        "connecting p95: {}; connections reused {reused}",
        parts.join(", ")
    ))
}

/// A count that stays short enough for a table: exact to ten millions, then in millions.
fn count(n: u64) -> String {
    if n < 10_000_000 {
        format_count(n)
    } else {
        format!("{} M", trim_float(n as f64 / 1e6, 1))
    }
}

/// Counts of the measured phases, and behind a `+` those of ramps and warm-up, as cells of one column.
pub(crate) fn counts(counts: &[(u64, u64)]) -> Vec<String> {
    let others = counts.iter().map(|(_, other)| match other {
        0 => String::new(),
        other => format!(" +{}", count(*other)),
    });
    let others: Vec<String> = others.collect();
    let widest = others.iter().map(String::len).max().unwrap_or(0);
    let measured = counts.iter().map(|(measured, _)| count(*measured));
    measured
        .zip(others)
        .map(|(measured, other)| format!("{measured}{other:>widest$}"))
        .collect()
}

/// The rows of the endpoints in the measured phases, name first, and that of their total at the end.
pub(crate) fn endpoints(result: &RunResult, total: &Summary) -> Vec<Vec<String>> {
    let mut rows = measured_of(result, false);
    let unmeasured = rows.iter().map(|(_, _, unmeasured)| unmeasured).sum();
    rows.push(("Total".to_owned(), total.clone(), unmeasured));
    with_counts(rows)
}

/// Rows of names and numbers, with the counts of ramps and warm-up.
fn with_counts(rows: Vec<(String, Summary, u64)>) -> Vec<Vec<String>> {
    let of_row = |(_, summary, unmeasured): &(_, Summary, u64)| (summary.requests, *unmeasured);
    let requests = counts(&rows.iter().map(of_row).collect::<Vec<_>>());
    rows.into_iter()
        .zip(requests)
        .map(|((name, summary, _), requests)| {
            let numbers = numbers(&summary).into_iter().skip(1);
            [name, requests].into_iter().chain(numbers).collect()
        })
        .collect()
}

/// Flows, failed, rate, the times without think times, p95 with them.
pub(crate) const FLOW_NUMBERS: [&str; 7] =
    ["flows", "failed", "rate", "p50", "p95", "p99", "p95+think"];

/// The cells under [`FLOW_NUMBERS`], behind the name, of each flow in the measured phases.
pub(crate) fn flows(result: &RunResult) -> Vec<Vec<String>> {
    let flows = measured_of(result, true);
    let with_waits: Vec<String> = flows
        .iter()
        .map(|(_, summary, _)| {
            let p95_us = summary.service_us.p95;
            p95_us.map_or_else(|| "-".into(), format_latency_us)
        })
        .collect();
    let rows = with_counts(flows).into_iter().zip(with_waits);
    rows.map(|(mut cells, with_waits)| {
        cells.truncate(FLOW_NUMBERS.len());
        cells.push(with_waits);
        cells
    })
    .collect()
}

/// What is shown of a measure, behind its name.
pub(crate) const MEASURE_NUMBERS: [&str; 7] = ["values", "mean", "min", "p50", "p95", "p99", "max"];

/// Name and numbers of what the scenario measured itself.
pub(crate) fn measures(result: &RunResult) -> Vec<Vec<String>> {
    let total = result.summary(None, Window::Measured);
    let rows = total.measures.into_iter().map(|(name, (unit, values))| {
        let numbers = [
            values.mean,
            values.min,
            values.p50,
            values.p95,
            values.p99,
            values.max,
        ];
        let numbers = numbers
            .map(|number| number.map_or_else(|| "-".to_owned(), |kept| unit.format_with(kept, 0)));
        let head = [name, format_count(values.count)];
        head.into_iter().chain(numbers).collect()
    });
    rows.collect()
}

/// `(name, numbers, requests that were not measured)` of each endpoint or flow.
fn measured_of(result: &RunResult, flows: bool) -> Vec<(String, Summary, u64)> {
    let all = result.endpoints.iter().enumerate();
    all.filter(|(_, endpoint)| endpoint.endpoint.is_flow == flows)
        .map(|(position, endpoint)| {
            let summary = result.summary(Some(position), Window::Measured);
            let unmeasured = result.unmeasured_requests(position);
            let is_unused = endpoint.endpoint.is_templated
                && endpoint.phases.iter().all(|cell| cell.outcomes.is_empty());
            (
                endpoint.endpoint.name.clone(),
                summary,
                unmeasured,
                is_unused,
            )
        })
        .filter(|(.., is_unused)| !is_unused)
        .map(|(name, summary, unmeasured, _)| (name, summary, unmeasured))
        .collect()
}

/// `(name, measured, numbers)` of each phase; empty if there is only one measured phase, which the
/// endpoints' total already shows.
pub(crate) fn phases(result: &RunResult) -> Vec<(String, bool, Summary)> {
    let phases = &result.run.phases;
    if phases.iter().filter(|phase| phase.measured).count() < 2 {
        return Vec::new();
    }
    let phases = phases.iter().enumerate();
    phases
        .map(|(position, phase)| {
            let summary = result.summary(None, Window::Phases(&[position]));
            (phase.name.clone(), phase.measured, summary)
        })
        .collect()
}

/// What the table of levels shows behind the name and the planned load of each.
pub(crate) const LEVEL_NUMBERS: [&str; 6] = ["rate", "failed", "p50", "p95", "p99", "mean"];

/// Name, planned load, and numbers of each level of the load; and what is said of those that are left out.
pub(crate) fn levels(
    result: &RunResult,
    LoadLevels { levels, short }: &LoadLevels,
) -> (Vec<Vec<String>>, Option<String>) {
    let rows = levels.iter().map(|level| {
        let response = level.summary.response_us;
        let times = [response.p50, response.p95, response.p99, response.mean];
        let times = times.map(|us| us.map_or_else(|| "-".into(), format_latency_us));
        let failed = level.summary.error_rate;
        let head = [
            level.phase.clone(),
            result.run.load.format_level(level.level),
            format_rate(level.summary.rate_per_s),
            failed.map_or_else(|| "-".into(), format_percent),
        ];
        head.into_iter().chain(times).collect()
    });
    let quoted: Vec<String> = short.iter().map(|name| format!("`{name}`")).collect();
    let left_out = (!short.is_empty()).then(|| {
        let (least_s, quoted) = (LoadLevels::LEAST_S, quoted.join(", "));
        format!("held for less than {least_s} s, and left out: {quoted}")
    });
    (rows.collect(), left_out)
}

/// Requests and failures: `1,100 requests (1.8% failed)`, and of which run where there are several.
pub(crate) fn endpoints_aside(report: &Report, total: &Summary) -> String {
    let run = match report.runs.len() {
        0 => String::new(),
        runs => format!(", last of {runs} runs"),
    };
    let requests = format_counted(total.requests, "request");
    format!("{requests}{}{run}", error_share(total))
}

/// The share of failed requests, if there are any: ` (1.2% failed)`.
fn error_share(summary: &Summary) -> String {
    match summary.error_rate {
        Some(rate) if rate > 0.0 => format!(" ({} failed)", format_percent(rate)),
        _ => String::new(),
    }
}
