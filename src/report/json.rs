//! The report for programs: one object, with every number and the whole result.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use serde::Serialize;

use super::contents::{Report, Reporter};
use super::text::JsonWriter;
use super::view::{self, ErrorRow};
use crate::comparison::Comparison;
use crate::grading::{Compliance, Criterion, Letter, NextLetter, Recovery, Severity, Verdict};
use crate::metrics::{Cell, Knee, RunResult, Summary, Window};

/// Writes the report as JSON.
pub(super) struct JsonReporter;

/// The object. The first fields have the names that dashboards know from earlier tools. All
/// numbers cover the measured phases, except in `phases`, `time_series` and `result`.
#[derive(Serialize)]
struct JsonReport<'a> {
    verdict: Verdict,
    grade: Option<Letter>,
    health_score: Option<f64>,
    status: &'static str,
    total_requests: u64,
    error_rate_percent: Option<f64>,
    avg_response_time_ms: Option<f64>,
    p95_response_time_ms: Option<f64>,
    critical_alerts: usize,
    high_alerts: usize,
    #[serde(flatten)]
    compliance: Compliance,
    reasons: &'a [String],
    warnings: Vec<String>,
    next_grade: Option<&'a NextLetter>,
    slos: Vec<&'a Criterion>,
    /// How the comparison affects the score, by metric.
    baseline_criteria: Vec<&'a Criterion>,
    recoveries: &'a [Recovery],
    knee: Option<Knee>,
    endpoints: Vec<EndpointEntry<'a>>,
    /// By error type, endpoint, and status or check; the most frequent first.
    errors: Vec<ErrorRow>,
    summary: Summary,
    phases: Vec<PhaseEntry<'a>>,
    comparison: Option<&'a Comparison>,
    result: &'a RunResult,
}

/// One endpoint.
#[derive(Serialize)]
struct EndpointEntry<'a> {
    endpoint: &'a str,
    method: &'a str,
    total_requests: u64,
    /// In ramps, the warm-up, and after the load.
    unmeasured_requests: u64,
    avg_duration_ms: Option<f64>,
    p95_duration_ms: Option<f64>,
    error_rate_percent: Option<f64>,
    summary: Summary,
    time_series: Vec<SeriesPoint>,
}

/// One second of an endpoint, by the intended start of requests; includes ramp and warm-up.
#[derive(Serialize)]
struct SeriesPoint {
    /// From the start of the load.
    second: u64,
    /// Requests started.
    count: u64,
    avg_ms: Option<f64>,
    p95_ms: Option<f64>,
}

#[derive(Serialize)]
struct PhaseEntry<'a> {
    name: &'a str,
    measured: bool,
    start_s: f64,
    end_s: f64,
    summary: Summary,
}

impl Reporter for JsonReporter {
    fn report(&self, report: &Report, _columns: usize, out: &mut dyn Write) -> io::Result<()> {
        // In large pieces, since `out` looks for colors in each piece, and there are millions.
        let mut out = JsonWriter(BufWriter::with_capacity(1 << 16, out));
        serde_json::to_writer_pretty(&mut out, &object(report))?;
        writeln!(out)?;
        out.flush()
    }
}

fn object(report: &Report) -> JsonReport<'_> {
    let (result, grading) = (&report.result, &report.grading);
    let summary = result.summary(None, Window::Measured);
    let alerts = |severity| grading.slos().filter(|c| c.severity == severity).count();
    JsonReport {
        verdict: grading.verdict,
        grade: grading.letter,
        health_score: grading.score,
        status: status(grading.letter),
        total_requests: summary.requests,
        error_rate_percent: percent(summary.error_rate),
        avg_response_time_ms: ms(summary.response_us.mean),
        p95_response_time_ms: ms(summary.response_us.p95),
        critical_alerts: alerts(Severity::Critical),
        high_alerts: alerts(Severity::Warning),
        compliance: grading.compliance(),
        reasons: &grading.reasons,
        warnings: result.warnings(),
        next_grade: grading.next.as_ref(),
        slos: grading.slos().collect(),
        baseline_criteria: grading.baseline().collect(),
        recoveries: &grading.recoveries,
        knee: result.knee(),
        endpoints: endpoints(result),
        errors: view::errors(result),
        summary,
        phases: phases(result),
        comparison: report.comparison.as_ref(),
        result,
    }
}

/// The grade in a word or two: the beginning of its sentence.
fn status(letter: Option<Letter>) -> &'static str {
    letter.map_or("unknown", |letter| {
        letter.sentence().split(',').next().unwrap_or_default()
    })
}

fn ms(us: Option<f64>) -> Option<f64> {
    us.map(|us| us / 1e3)
}

fn percent(share: Option<f64>) -> Option<f64> {
    share.map(|share| share * 100.0)
}

fn endpoints(result: &RunResult) -> Vec<EndpointEntry<'_>> {
    let mut series = time_series(result);
    let endpoints = result.endpoints.iter().enumerate();
    endpoints
        .map(|(position, endpoint)| {
            let summary = result.summary(Some(position), Window::Measured);
            EndpointEntry {
                endpoint: &endpoint.endpoint.name,
                method: &endpoint.endpoint.method,
                total_requests: summary.requests,
                unmeasured_requests: result.unmeasured_requests(position),
                avg_duration_ms: ms(summary.response_us.mean),
                p95_duration_ms: ms(summary.response_us.p95),
                error_rate_percent: percent(summary.error_rate),
                summary,
                time_series: series.remove(&position).unwrap_or_default(),
            }
        })
        .collect()
}

/// By endpoint, the seconds with requests. A second in which one phase ends and the next begins
/// is one second.
fn time_series(result: &RunResult) -> BTreeMap<usize, Vec<SeriesPoint>> {
    let mut cells: BTreeMap<(usize, u64), Cell> = BTreeMap::new();
    for interval in &result.timeline {
        let phase = &result.run.phases[interval.phase];
        let second = (phase.start_us / 1_000_000).saturating_add(interval.second);
        for (endpoint, cell) in &interval.cells {
            cells.entry((*endpoint, second)).or_default().merge(cell);
        }
    }
    let mut series: BTreeMap<usize, Vec<SeriesPoint>> = BTreeMap::new();
    for ((endpoint, second), cell) in cells {
        let summary = Summary::of(&cell, 1.0);
        series.entry(endpoint).or_default().push(SeriesPoint {
            second,
            count: summary.requests,
            avg_ms: ms(summary.response_us.mean),
            p95_ms: ms(summary.response_us.p95),
        });
    }
    series
}

fn phases(result: &RunResult) -> Vec<PhaseEntry<'_>> {
    let phases = result.run.phases.iter().enumerate();
    phases
        .map(|(position, phase)| PhaseEntry {
            name: &phase.name,
            measured: phase.measured,
            start_s: phase.start_us as f64 / 1e6,
            end_s: phase.end_us as f64 / 1e6,
            summary: result.summary(None, Window::Phases(&[position])),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn json(report: &Report) -> serde_json::Value {
        let mut out = Vec::new();
        JsonReporter.report(report, 80, &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn the_known_field_names_are_at_the_top() {
        let json = json(&fixture::failing());
        assert_eq!(json["verdict"], "fail");
        assert_eq!(json["grade"], "F");
        assert_eq!(json["status"], "critical");
        assert!((json["health_score"].as_f64().unwrap() - 53.636).abs() < 0.01);
        assert_eq!(json["total_requests"], 1100);
        let rate = json["error_rate_percent"].as_f64().unwrap();
        assert!((rate - 20.0 / 11.0).abs() < 1e-9);
        assert!(json["avg_response_time_ms"].as_f64().unwrap() > 40.0);
        assert_eq!(json["p95_response_time_ms"], 150.0);
        assert_eq!(json["critical_alerts"], 1);
        assert_eq!(json["high_alerts"], 2);
        assert_eq!(json["targets_met"], 2);
        assert_eq!(json["targets_close"], 0);
        assert_eq!(json["targets_failing"], 3);
    }

    #[test]
    fn endpoints_have_time_series() {
        let json = json(&fixture::failing());
        let endpoint = &json["endpoints"][1];
        assert_eq!(endpoint["endpoint"], "list invoices");
        assert_eq!(endpoint["total_requests"], 520);
        let series = endpoint["time_series"].as_array().unwrap();
        assert_eq!(series.len(), 10);
        assert_eq!(series[0]["second"], 2, "the ramp takes the first two");
        let counts = series
            .iter()
            .map(|second| second["count"].as_u64().unwrap());
        assert_eq!(counts.sum::<u64>(), 520);
        assert_eq!(series[0]["p95_ms"], 150.0);
    }

    #[test]
    fn errors_have_counts_in_and_outside_of_the_measured_phases() {
        let json = json(&fixture::many_errors());
        let login = &json["endpoints"][0];
        assert_eq!(login["total_requests"], 0);
        assert_eq!(login["unmeasured_requests"], 20);
        let errors = json["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 23);
        let expected = serde_json::json!({
            "error_type": "http_4xx",
            "endpoint": "create order",
            "status": 422,
            "key": null,
            "check": null,
            "requests": 65,
            "unmeasured_requests": 12,
            "example": "422: qty must be an integer",
        });
        assert_eq!(errors[0], expected);
        let counted = &json["endpoints"][1]["summary"]["failure_counts"][0];
        assert_eq!(counted["count"], 65);
        assert_eq!(counted["excerpt"], "qty must be an integer", "of the ramp");
        let last = errors.last().unwrap();
        assert_eq!(
            (&last["endpoint"], &last["requests"]),
            (&"login".into(), &0.into())
        );
    }

    #[test]
    fn the_whole_result_can_be_read_back() {
        let report = fixture::failing();
        let result: RunResult = serde_json::from_value(json(&report)["result"].clone()).unwrap();
        assert_eq!(result, report.result);
    }

    #[test]
    fn a_missing_grade_is_null_and_not_zero() {
        let json = json(&fixture::invalid());
        assert_eq!(json["verdict"], "invalid");
        assert!(json["health_score"].is_null() && json["grade"].is_null());
        assert_eq!(json["status"], "unknown");
    }
}
