//! The report for programs: one object, with the summary of a run, or in full with every second and the whole
//! result.
//!
//! The fields and their names, which are a format of their own: a stored form may change without them,
//! and the other way round. All times are in milliseconds and all shares in percent, except in `result`
//! (decision 62). Not here: any judgment (`grading`, `comparison`), or how `result` is stored (`metrics`).

mod bounds;
mod comparison;
mod criterion;
mod failure;
mod history;
mod layout;
mod observed;
mod series;
mod shape;
mod summary;
#[cfg(test)]
mod tests;
mod unit;

use std::io::{self, BufWriter, Write};

use serde::Serialize;

use self::bounds::{LeftOutCounts, fit};
use self::comparison::ComparisonEntry;
use self::criterion::finding::{FindingEntry, RecommendationEntry};
use self::criterion::{CriterionEntry, ErrorBudgetEntry, NextGradeEntry, ViolationEntry};
use self::failure::{FailureSampleEntry, TracesEntry};
pub(super) use self::history::history as write_history;
use self::layout::Lines;
use self::observed::ObservedEntry;
use self::series::{SeriesPoint, TimeSeries};
use self::shape::{KneeEntry, LoadLevelEntry, RecoveryEntry};
use self::summary::SummaryEntry;
use self::unit::{ms, percent};
use super::contents::{Report, Reporter};
use super::text::JsonWriter;
use super::view::{self, ErrorRow};
use crate::findings::{queries_per_request, recommendations};
use crate::grading::{Grading, Severity, Verdict};
use crate::metrics::{RunResult, Window};
use crate::plan::FindingSeverity;

/// Identifies the format.
const FORMAT: &str = "perfctl-report";
/// Rises when a field is renamed or removed, or changes its meaning or unit.
const VERSION: u32 = 1;

/// Writes the report as JSON, in at most 2 MB.
pub(super) struct JsonReporter;
/// Writes it with all seconds and the whole result, however large that is.
pub(super) struct FullJsonReporter;

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
    reasons: Vec<&'a str>,
    warnings: Vec<String>,
    next_grade: Option<NextGradeEntry<'a>>,
    slos: Vec<CriterionEntry<'a>>,
    /// How the comparison affects the score, by metric.
    baseline_criteria: Vec<CriterionEntry<'a>>,
    /// Those that are exceeded.
    budgets: Vec<ViolationEntry<'a>>,
    /// Of SLOs on failures.
    error_budgets: Vec<ErrorBudgetEntry<'a>>,
    /// What the numbers say about the service, the most severe first.
    findings: Vec<FindingEntry>,
    /// What to do about it, the most urgent first.
    recommendations: Vec<RecommendationEntry>,
    recoveries: Vec<RecoveryEntry<'a>>,
    /// What the run did at each level of its load, if it had several.
    levels: Vec<LoadLevelEntry>,
    knee: Option<KneeEntry>,
    endpoints: Vec<EndpointEntry<'a>>,
    /// By error type, endpoint, and status or check; the most frequent first.
    errors: Vec<ErrorRow>,
    /// The first of each of them, with what was sent and received.
    failure_samples: Vec<FailureSampleEntry<'a>>,
    /// How many more of them there was no room for.
    unkept_failure_samples: u64,
    /// The traces of the slowest and of failed requests.
    traces: Option<TracesEntry<'a>>,
    /// Of all requests together.
    time_series: Vec<SeriesPoint>,
    summary: SummaryEntry,
    /// What the service said of itself.
    observed: Vec<ObservedEntry<'a>>,
    phases: Vec<PhaseEntry<'a>>,
    comparison: Option<ComparisonEntry<'a>>,
    /// How many entries of which lists are left out, which only a full report has.
    left_out: LeftOutCounts,
    /// Only in a full report.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RunResult>,
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
    /// As the service says in `Server-Timing`.
    avg_queries_per_request: Option<f64>,
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
        let mut object = object(report, false);
        object.fit();
        write(&object, out)
    }

    fn full(&self) -> Option<&'static dyn Reporter> {
        Some(&FullJsonReporter)
    }
}

impl Reporter for FullJsonReporter {
    fn report(&self, report: &Report, _columns: usize, out: &mut dyn Write) -> io::Result<()> {
        write(&object(report, true), out)
    }
}

fn write(object: &JsonReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    // In large pieces, since `out` looks for colors in each piece, and there are millions.
    let mut out = JsonWriter(BufWriter::with_capacity(1 << 16, out));
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Lines::default());
    object.serialize(&mut serializer)?;
    writeln!(out)?;
    out.flush()
}

impl JsonReport<'_> {
    /// Shortens it to its size: first the times of endpoints besides the response time, then lists.
    fn fit(&mut self) {
        let out = &mut self.left_out;
        if bounds::size(&self.endpoints) > bounds::ENDPOINTS {
            for endpoint in &mut self.endpoints {
                endpoint.summary.keep_response_times();
                endpoint.time_series = Vec::new();
            }
            out.insert("endpoints.summary", self.endpoints.len());
            out.insert("endpoints.time_series", self.endpoints.len());
        }
        let missed = |slo: &CriterionEntry<'_>| !slo.met();
        fit(
            "endpoints",
            &mut self.endpoints,
            bounds::ENDPOINTS,
            |_| false,
            out,
        );
        fit("slos", &mut self.slos, bounds::ROWS, missed, out);
        fit(
            "baseline_criteria",
            &mut self.baseline_criteria,
            bounds::LIST,
            missed,
            out,
        );
        fit("reasons", &mut self.reasons, bounds::LIST, |_| false, out);
        fit("warnings", &mut self.warnings, bounds::LIST, |_| false, out);
        fit("findings", &mut self.findings, bounds::LIST, |_| false, out);
        fit(
            "recommendations",
            &mut self.recommendations,
            bounds::LIST,
            |_| false,
            out,
        );
        fit("budgets", &mut self.budgets, bounds::LIST, |_| false, out);
        fit(
            "error_budgets",
            &mut self.error_budgets,
            bounds::LIST,
            |_| false,
            out,
        );
        fit(
            "recoveries",
            &mut self.recoveries,
            bounds::LIST,
            |_| false,
            out,
        );
        fit("levels", &mut self.levels, bounds::LIST, |_| false, out);
        fit("errors", &mut self.errors, bounds::ERRORS, |_| false, out);
        fit(
            "failure_samples",
            &mut self.failure_samples,
            bounds::FAILURES,
            |_| false,
            out,
        );
        if let Some(TracesEntry {
            slowest, failed, ..
        }) = &mut self.traces
        {
            fit("traces.slowest", slowest, bounds::TRACES, |_| false, out);
            fit("traces.failed", failed, bounds::TRACES, |_| false, out);
        }
        fit(
            "observed",
            &mut self.observed,
            bounds::OBSERVED,
            |_| false,
            out,
        );
        for phase in &mut self.phases {
            phase.summary.fit(bounds::LIST / 4);
        }
        fit("phases", &mut self.phases, bounds::PHASES, |_| false, out);
        self.summary.fit(bounds::LIST);
        if let Some(comparison) = &mut self.comparison {
            comparison.fit(out);
        }
        if bounds::size(&self.next_grade) > bounds::LIST {
            self.next_grade = None;
        }
        if bounds::size(&self.knee) > bounds::LIST {
            self.knee = None;
        }
    }
}

fn object(report: &Report, is_full: bool) -> JsonReport<'_> {
    let (result, grading) = (&report.result, &report.grading);
    let summary = result.summary(None, Window::Measured);
    let findings = report.findings();
    // Findings about SLOs are no alerts besides them.
    let alerts = |slo, finding| {
        let findings = findings.iter().filter(|one| !one.is_of_slo);
        grading.slos().filter(|c| c.severity == slo).count()
            + findings.filter(|one| one.severity == finding).count()
    };
    let compliance = grading.compliance();
    let knee = result.knee();
    let series = TimeSeries::of(result, is_full);
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
        critical_alerts: alerts(Severity::Critical, FindingSeverity::Critical),
        high_alerts: alerts(Severity::Warning, FindingSeverity::High),
        targets_met: compliance.targets_met,
        targets_close: compliance.targets_close,
        targets_failing: compliance.targets_failing,
        reasons: grading.reasons.iter().map(String::as_str).collect(),
        warnings: result.warnings(),
        next_grade: grading.next.as_ref().map(NextGradeEntry::of),
        slos: grading.slos().map(CriterionEntry::of).collect(),
        baseline_criteria: grading.baseline().map(CriterionEntry::of).collect(),
        budgets: grading.slos().filter_map(ViolationEntry::of).collect(),
        error_budgets: (report.error_budgets().iter())
            .map(ErrorBudgetEntry::of)
            .collect(),
        recommendations: (recommendations(&findings).into_iter())
            .map(RecommendationEntry::of)
            .collect(),
        findings: findings.into_iter().map(FindingEntry::of).collect(),
        recoveries: grading.recoveries.iter().map(RecoveryEntry::of).collect(),
        levels: LoadLevelEntry::all(result),
        knee: knee.map(|knee| KneeEntry::of(knee, result.run.load.model)),
        endpoints: endpoints(result, &series),
        errors: view::errors(result),
        failure_samples: FailureSampleEntry::all(result),
        unkept_failure_samples: result.failure_samples.unkept,
        traces: TracesEntry::of(result),
        time_series: series.total(),
        summary: summary.into(),
        observed: ObservedEntry::all(result, is_full),
        phases: phases(result),
        comparison: report.comparison.as_ref().map(ComparisonEntry::of),
        left_out: LeftOutCounts::new(),
        result: is_full.then_some(result),
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

fn endpoints<'a>(result: &'a RunResult, series: &TimeSeries) -> Vec<EndpointEntry<'a>> {
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
                avg_queries_per_request: queries_per_request(&summary),
                summary: summary.into(),
                time_series: series.endpoint(position),
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
