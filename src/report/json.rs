//! The report for programs: one object, with every number and the whole result.
//!
//! The fields and their names, which are a format of their own: a stored form may change without them,
//! and the other way round. All times are in milliseconds and all shares in percent, except in `result`
//! (decision 62). Not here: any judgment (`grading`, `comparison`), or how `result` is stored (`metrics`).

mod comparison;
mod criterion;
mod history;
mod series;
mod shape;
mod summary;
#[cfg(test)]
mod tests;
mod unit;

use std::io::{self, BufWriter, Write};

use serde::Serialize;

use self::comparison::ComparisonEntry;
use self::criterion::{CriterionEntry, NextGradeEntry};
pub(super) use self::history::history as write_history;
use self::series::{SeriesPoint, TimeSeries};
use self::shape::{KneeEntry, RecoveryEntry};
use self::summary::SummaryEntry;
use self::unit::{ms, percent};
use super::contents::{Report, Reporter};
use super::text::JsonWriter;
use super::view::{self, ErrorRow};
use crate::grading::{Grading, Severity, Verdict};
use crate::metrics::{RunResult, Window};

/// Identifies the format.
const FORMAT: &str = "perfctl-report";
/// Rises when a field is renamed or removed, or changes its meaning or unit.
const VERSION: u32 = 1;

/// Writes the report as JSON.
pub(super) struct JsonReporter;

/// The object. Those at the top have the names that dashboards know from earlier tools. All
/// numbers cover the measured phases, except in `phases`, `time_series` and `result`.
#[derive(Serialize)]
struct JsonReport<'a> {
    format: &'static str,
    version: u32,
    verdict: &'static str,
    grade: Option<&'static str>,
    /// 0 to 100.
    health_score: Option<f64>,
    status: &'static str,
    total_requests: u64,
    error_rate_percent: Option<f64>,
    avg_response_time_ms: Option<f64>,
    p95_response_time_ms: Option<f64>,
    critical_alerts: usize,
    high_alerts: usize,
    targets_met: usize,
    targets_close: usize,
    targets_failing: usize,
    reasons: &'a [String],
    warnings: Vec<String>,
    next_grade: Option<NextGradeEntry<'a>>,
    slos: Vec<CriterionEntry<'a>>,
    /// How the comparison affects the score, by metric.
    baseline_criteria: Vec<CriterionEntry<'a>>,
    recoveries: Vec<RecoveryEntry<'a>>,
    knee: Option<KneeEntry>,
    endpoints: Vec<EndpointEntry<'a>>,
    /// By error type, endpoint, and status or check; the most frequent first.
    errors: Vec<ErrorRow>,
    /// Of all requests together.
    time_series: Vec<SeriesPoint>,
    summary: SummaryEntry,
    phases: Vec<PhaseEntry<'a>>,
    comparison: Option<ComparisonEntry<'a>>,
    result: &'a RunResult,
}

/// One endpoint or flow.
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
    summary: SummaryEntry,
    time_series: Vec<SeriesPoint>,
}

#[derive(Serialize)]
struct PhaseEntry<'a> {
    name: &'a str,
    measured: bool,
    start_s: f64,
    end_s: f64,
    summary: SummaryEntry,
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
    let compliance = grading.compliance();
    let knee = result.knee();
    let mut series = TimeSeries::of(result);
    JsonReport {
        format: FORMAT,
        version: VERSION,
        verdict: word(grading.verdict),
        grade: grading.letter.map(|letter| letter.name()),
        health_score: grading.score,
        status: status(grading),
        total_requests: summary.requests,
        error_rate_percent: percent(summary.error_rate),
        avg_response_time_ms: ms(summary.response_us.mean),
        p95_response_time_ms: ms(summary.response_us.p95),
        critical_alerts: alerts(Severity::Critical),
        high_alerts: alerts(Severity::Warning),
        targets_met: compliance.targets_met,
        targets_close: compliance.targets_close,
        targets_failing: compliance.targets_failing,
        reasons: &grading.reasons,
        warnings: result.warnings(),
        next_grade: grading.next.as_ref().map(NextGradeEntry::of),
        slos: grading.slos().map(CriterionEntry::of).collect(),
        baseline_criteria: grading.baseline().map(CriterionEntry::of).collect(),
        recoveries: grading.recoveries.iter().map(RecoveryEntry::of).collect(),
        knee: knee.map(|knee| KneeEntry::of(knee, result.run.load.model)),
        endpoints: endpoints(result, &mut series),
        errors: view::errors(result),
        time_series: series.take_total(),
        summary: summary.into(),
        phases: phases(result),
        comparison: report.comparison.as_ref().map(ComparisonEntry::of),
        result,
    }
}

/// As JSON reports write it.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Invalid => "invalid",
    }
}

/// The grade of a run that passed, in a word or two: the beginning of its sentence. A run that failed is
/// not "acceptable": it has the verdict, as a run without a grade has.
fn status(grading: &Grading) -> &'static str {
    match (grading.verdict, grading.letter) {
        (Verdict::Pass, Some(letter)) => letter.sentence().split(',').next().unwrap_or_default(),
        (verdict, _) => word(verdict),
    }
}

fn endpoints<'a>(result: &'a RunResult, series: &mut TimeSeries) -> Vec<EndpointEntry<'a>> {
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
                summary: summary.into(),
                time_series: series.take(position),
            }
        })
        .collect()
}

fn phases(result: &RunResult) -> Vec<PhaseEntry<'_>> {
    let phases = result.run.phases.iter().enumerate();
    phases
        .map(|(position, phase)| PhaseEntry {
            name: &phase.name,
            measured: phase.measured,
            start_s: phase.start_us as f64 / 1e6,
            end_s: phase.end_us as f64 / 1e6,
            summary: result.summary(None, Window::Phases(&[position])).into(),
        })
        .collect()
}
