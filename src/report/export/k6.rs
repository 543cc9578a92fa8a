//! The report as k6 writes it with `--summary-export`, which GitLab and many scripts read.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::slos;
use crate::metrics::{Latency, RunResult, Summary, Window};
use crate::plan::Metric;
use crate::report::contents::{Report, Reporter};
use crate::report::text::JsonWriter;
use crate::report::view;

/// k6's identifier of the group that holds all others: the MD5 of an empty text.
const ROOT_GROUP_ID: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// Writes k6's flat summary of the measured phases. Times are in ms.
pub(crate) struct K6Reporter;

impl Reporter for K6Reporter {
    fn report(&self, report: &Report, _columns: usize, out: &mut dyn Write) -> io::Result<()> {
        let mut out = JsonWriter(io::BufWriter::new(out));
        serde_json::to_writer_pretty(&mut out, &summary(report))?;
        writeln!(out)?;
        out.flush()
    }
}

fn summary(report: &Report) -> Value {
    let result = &report.result;
    let total = result.summary(None, Window::Measured);
    let count = |count: u64| {
        let rate = match total.window_s > 0.0 {
            true => count as f64 / total.window_s,
            false => 0.0,
        };
        json!({"count": count, "rate": rate})
    };
    // Without finished requests, none failed.
    let error_rate = total.error_rate.unwrap_or(0.0);
    let users = || result.users.iter().copied();
    let most_users = users().max().unwrap_or(0);
    let mut metrics = json!({
        "checks": {
            "value": 1.0 - error_rate,
            "passes": total.successes,
            "fails": total.failures,
        },
        "data_received": count(total.bytes_in),
        "data_sent": count(total.bytes_out),
        "dropped_iterations": count(total.dropped),
        "http_req_connecting": trend(&total.connect_us),
        "http_req_duration": trend(&total.response_us),
        // Of a rate, what it counts passes: here, failures.
        "http_req_failed": {
            "value": error_rate,
            "passes": total.failures,
            "fails": total.successes,
        },
        "http_req_receiving": trend(&total.download_us),
        "http_req_tls_handshaking": trend(&total.tls_us),
        "http_req_waiting": trend(&total.ttfb_us),
        "http_reqs": count(total.requests),
        "iterations": count(iterations(result, &total)),
        "vus": {
            "value": users().last().unwrap_or(0),
            "min": users().min().unwrap_or(0),
            "max": most_users,
        },
        "vus_max": {"value": most_users, "min": most_users, "max": most_users},
    });
    for criterion in slos(report) {
        let metric = match criterion.metric {
            Metric::ErrorRate | Metric::Availability => "http_req_failed",
            Metric::Throughput => "http_reqs",
            _ => "http_req_duration",
        };
        let threshold = format!("{} {}", criterion.full_name(), view::bound(criterion));
        // True means that the threshold is crossed.
        metrics[metric]["thresholds"][threshold] = json!(!criterion.met);
    }
    json!({
        "root_group": {
            "name": "",
            "path": "",
            "id": ROOT_GROUP_ID,
            "groups": {},
            "checks": {},
        },
        "metrics": metrics,
    })
}

/// How often users went through their flows; without flows, each request is an iteration.
fn iterations(result: &RunResult, total: &Summary) -> u64 {
    let endpoints = result.endpoints.iter().enumerate();
    let flows: Vec<usize> = endpoints
        .filter(|(_, endpoint)| endpoint.endpoint.is_flow)
        .map(|(position, _)| position)
        .collect();
    match flows.is_empty() {
        true => total.requests,
        false => {
            let flows = flows.into_iter();
            let flows = flows.map(|flow| result.summary(Some(flow), Window::Measured));
            flows.map(|flow| flow.requests).sum()
        }
    }
}

/// A distribution of times.
fn trend(times: &Latency) -> Map<String, Value> {
    let values = [
        ("avg", times.mean),
        ("min", times.min),
        ("med", times.p50),
        ("max", times.max),
        ("p(90)", times.p90),
        ("p(95)", times.p95),
        ("p(99)", times.p99),
    ];
    let values = values.into_iter();
    let values = values.map(|(name, us)| (name.to_owned(), json!(us.unwrap_or(0.0) / 1e3)));
    values.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use snapbox::{assert_data_eq, file};

    #[test]
    fn a_failing_run() {
        let mut out = Vec::new();
        let report = fixture::failing();
        K6Reporter.report(&report, 80, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_data_eq!(text, file!["../golden/failing.k6.json"].raw());
    }
}
