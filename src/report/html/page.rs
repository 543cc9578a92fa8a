//! What the page says, as data for its template.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::bins::Bin;
use super::changes::changes_chart;
use super::curve::percentile_curve;
use super::heatmap::heatmap;
use super::levels::level_charts;
use super::timeline;
use crate::comparison::Decision;
use crate::grading::{Severity, Verdict};
use crate::metrics::{RunResult, Summary, Window};
use crate::plan::SloScope;
use crate::report::contents::{Focus, Report};
use crate::report::text::harmless;
use crate::report::view;
use crate::units::{format_count, format_latency_us};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// The endpoints that get charts of their own.
const CHARTED: usize = 30;
/// The endpoints that get numbers of their own.
const DETAILED: usize = 200;

/// Everything that the template shows. All texts are escaped there, but for the charts.
#[derive(Serialize)]
pub(super) struct Page {
    looks: Looks,
    verdict: &'static str,
    verdict_class: &'static str,
    scenario: String,
    profile: String,
    says: String,
    reasons: Vec<String>,
    next_step: Option<String>,
    headline: [String; 2],
    compliance: String,
    slos: Vec<SloRow>,
    changes: Option<Changes>,
    run_header: Vec<&'static str>,
    runs: Vec<Vec<String>>,
    levels: Vec<String>,
    charts: Vec<String>,
    endpoint_header: Vec<&'static str>,
    endpoints: Vec<Vec<String>>,
    traffic: Vec<String>,
    details: Vec<Details>,
    details_rest: Option<String>,
    times_header: [&'static str; 10],
    flow_header: Vec<&'static str>,
    flows: Vec<Vec<String>>,
    errors: Vec<[String; 4]>,
    errors_rest: Option<String>,
    phases: Vec<Vec<String>>,
    health: Option<String>,
    notes: Vec<String>,
    facts: Vec<[String; 2]>,
}

/// The style and the script of all pages, and how their content security policy names them.
#[derive(Serialize)]
pub(super) struct Looks {
    style: &'static str,
    style_hash: String,
    script: &'static str,
    script_hash: String,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            style: STYLE,
            style_hash: hash(STYLE),
            script: SCRIPT,
            script_hash: hash(SCRIPT),
        }
    }
}

#[derive(Serialize)]
struct SloRow {
    name: String,
    limit: String,
    measured: String,
    severity: &'static str,
    class: &'static str,
    points_lost: String,
}

#[derive(Serialize)]
struct Changes {
    sentence: String,
    chart: String,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    remarks: Vec<String>,
}

/// One endpoint, folded.
#[derive(Serialize)]
struct Details {
    name: String,
    is_open: bool,
    state: String,
    class: &'static str,
    sparkline: String,
    charts: String,
    times: Vec<Vec<String>>,
    lines: Vec<String>,
}

impl Page {
    /// The page of a report.
    pub(super) fn of(report: &Report) -> Self {
        let (result, grading) = (&report.result, &report.grading);
        let total = result.summary(None, Window::Measured);
        let bins = timeline::of_run(result);
        let (says, reasons) = view::verdict(report);
        let is_valid = grading.verdict != Verdict::Invalid;
        let (errors, errors_rest) = view::error_table(result);
        let is_run = report.focus == Focus::Run;
        let (details, details_rest) = if is_run {
            details(report)
        } else {
            (Vec::new(), None)
        };
        Self {
            looks: Looks::default(),
            verdict: grading.verdict.name(),
            verdict_class: class_of(grading.verdict),
            scenario: harmless(&result.run.scenario),
            profile: harmless(&result.run.profile),
            says: harmless(&says),
            reasons: reasons.iter().map(|reason| harmless(reason)).collect(),
            next_step: view::next_step(report).map(|step| harmless(&step)),
            headline: view::headline(result).map(|line| harmless(&line)),
            compliance: view::compliance(report),
            slos: match is_run {
                true => slo_rows(report, is_valid),
                false => Vec::new(),
            },
            changes: changes(report),
            run_header: header("run", &view::NUMBERS),
            runs: report
                .runs
                .iter()
                .map(|run| {
                    let numbers = view::numbers(&run.summary).into_iter();
                    std::iter::once(harmless(&run.name))
                        .chain(numbers)
                        .collect()
                })
                .collect(),
            levels: level_charts(result),
            charts: charts(report, &bins),
            endpoint_header: header("name", &view::NUMBERS),
            endpoints: harmless_rows(view::endpoints(result, &total)),
            traffic: [view::traffic(&total), view::connecting(&total)]
                .into_iter()
                .flatten()
                .collect(),
            details,
            details_rest,
            times_header: [
                "time", "count", "mean", "min", "p50", "p90", "p95", "p99", "p99.9", "max",
            ],
            flow_header: header("name", &view::FLOW_NUMBERS),
            flows: harmless_rows(view::flows(result)),
            errors: errors
                .into_iter()
                .map(|((measured, unmeasured), [what, endpoint], example)| {
                    let requests = match unmeasured {
                        0 => format_count(measured),
                        other => format!("{} + {}", format_count(measured), format_count(other)),
                    };
                    let example = example.unwrap_or_default();
                    [what, endpoint, requests, example].map(|cell| harmless(&cell))
                })
                .collect(),
            errors_rest,
            phases: view::phases(result)
                .into_iter()
                .map(|(name, _, summary)| {
                    let numbers = view::numbers(&summary).into_iter();
                    std::iter::once(harmless(&name)).chain(numbers).collect()
                })
                .collect(),
            health: timeline::health(result, &bins),
            notes: report
                .comparison
                .iter()
                .flat_map(|comparison| comparison.warnings.clone())
                .chain(view::notes(report))
                .map(|note| harmless(&note))
                .collect(),
            facts: facts(result),
        }
    }
}

/// The class of a verdict.
pub(super) fn class_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Invalid => "invalid",
    }
}

fn header(first: &'static str, numbers: &[&'static str]) -> Vec<&'static str> {
    [&[first], numbers].concat()
}

fn harmless_rows(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let cells = |row: Vec<String>| row.iter().map(|cell| harmless(cell)).collect();
    rows.into_iter().map(cells).collect()
}

/// The SLOs, those that are missed first.
fn slo_rows(report: &Report, is_valid: bool) -> Vec<SloRow> {
    let mut criteria: Vec<_> = view::slos(report).collect();
    criteria.sort_by(|a, b| {
        a.met
            .cmp(&b.met)
            .then(b.points_lost.total_cmp(&a.points_lost))
    });
    let rows = criteria.into_iter().map(|criterion| SloRow {
        name: harmless(&view::criterion_name(criterion)),
        limit: view::bound(criterion),
        measured: view::measured(criterion),
        severity: if is_valid {
            criterion.severity.name()
        } else {
            "not judged"
        },
        class: match criterion.severity {
            _ if !is_valid => "soft",
            Severity::Success => "good",
            Severity::Close | Severity::Warning => "warn",
            Severity::Critical => "bad",
        },
        points_lost: match report.grading.score {
            Some(_) => view::points_lost(criterion),
            None => String::new(),
        },
    });
    rows.collect()
}

fn changes(report: &Report) -> Option<Changes> {
    let comparison = report.comparison.as_ref()?;
    let rows = view::rows(report, comparison);
    Some(Changes {
        sentence: harmless(&view::comparison_sentence(report)),
        chart: changes_chart(&rows).unwrap_or_default(),
        header: view::change_headers(comparison),
        rows: harmless_rows(
            rows.iter()
                .map(|row| view::change_cells(row, comparison))
                .collect(),
        ),
        remarks: view::comparison_remarks(report)
            .iter()
            .map(|text| harmless(text))
            .collect(),
    })
}

/// The charts of all requests.
fn charts(report: &Report, bins: &[Bin]) -> Vec<String> {
    let result = &report.result;
    let cell = result.cell(None, Window::Measured);
    let charts = [
        Some(timeline::load(result, bins)),
        Some(timeline::users(result, bins)),
        timeline::latency(result, None, bins, "latency"),
        heatmap(result),
        percentile_curve(&cell, &report.baseline, "percentiles"),
    ];
    charts.into_iter().flatten().collect()
}

/// The endpoints and flows, those in trouble first; and how many are left out.
fn details(report: &Report) -> (Vec<Details>, Option<String>) {
    let result = &report.result;
    let mut all: Vec<(usize, Summary, f64)> = (0..result.endpoints.len())
        .map(|position| {
            let summary = result.summary(Some(position), Window::Measured);
            (position, summary, trouble(report, position))
        })
        .collect();
    all.sort_by(|a, b| b.2.total_cmp(&a.2).then(b.1.requests.cmp(&a.1.requests)));
    let left_out = all.len().saturating_sub(DETAILED);
    let rest = (left_out > 0).then(|| {
        format!(
            "{} more are in the table above",
            format_count(left_out as u64)
        )
    });
    let details =
        all.iter()
            .take(DETAILED)
            .enumerate()
            .map(|(rank, (position, summary, trouble))| {
                let name = &result.endpoints[*position].endpoint.name;
                let bins = match rank < CHARTED {
                    true => timeline::of_endpoint(result, *position),
                    false => Vec::new(),
                };
                let id = format!("latency-{position}");
                let charts = timeline::latency(result, Some(*position), &bins, &id);
                let sparkline = timeline::sparkline(&bins);
                let p95 = summary
                    .response_us
                    .p95
                    .map_or_else(|| "no data".to_owned(), format_latency_us);
                let failed = match summary.failures {
                    0 => String::new(),
                    failures => format!(", {} failed", format_count(failures)),
                };
                Details {
                    name: harmless(name),
                    is_open: *trouble > 0.0 && rank < 5,
                    state: format!("p95 {p95}{failed}"),
                    class: if *trouble > 0.0 { "bad" } else { "soft" },
                    sparkline: sparkline.unwrap_or_default(),
                    charts: charts.unwrap_or_default(),
                    times: times(summary),
                    lines: [view::traffic(summary), view::connecting(summary)]
                        .into_iter()
                        .flatten()
                        .collect(),
                }
            });
    (details.collect(), rest)
}

/// How much an endpoint contributes to a bad result; 0 if nothing is wrong with it.
fn trouble(report: &Report, position: usize) -> f64 {
    let name = &report.result.endpoints[position].endpoint.name;
    let is_this = |scope: &SloScope| matches!(scope, SloScope::Endpoint(of) if of == name);
    let missed = report
        .grading
        .slos()
        .filter(|slo| !slo.met && is_this(&slo.scope));
    let points: f64 = missed.map(|slo| 1.0 + slo.points_lost).sum();
    let rows = report
        .comparison
        .iter()
        .flat_map(|comparison| &comparison.rows);
    let regressed = rows.filter(|row| row.decision == Decision::Regressed && is_this(&row.scope));
    points + regressed.count() as f64
}

/// The parts of the time of an endpoint, a row each.
fn times(summary: &Summary) -> Vec<Vec<String>> {
    let parts = [
        ("response time", &summary.response_us),
        ("service time", &summary.service_us),
        ("time to first byte", &summary.ttfb_us),
        ("download", &summary.download_us),
        ("scheduling delay", &summary.scheduling_delay_us),
        ("name resolution", &summary.dns_us),
        ("connect", &summary.connect_us),
        ("TLS handshake", &summary.tls_us),
        ("failures", &summary.failed_us),
    ];
    let components = summary.components.iter();
    let components = components.map(|(name, component)| (name.as_str(), &component.time_us));
    let rows = parts
        .into_iter()
        .chain(components)
        .filter(|(_, times)| times.count > 0);
    rows.map(|(name, times)| {
        let values = [
            times.mean,
            times.min,
            times.p50,
            times.p90,
            times.p95,
            times.p99,
            times.p99_9,
            times.max,
        ];
        let values = values.map(|us| us.map_or_else(|| "-".to_owned(), format_latency_us));
        let head = [harmless(name), format_count(times.count)];
        head.into_iter().chain(values).collect()
    })
    .collect()
}

/// What was run, where and with what.
fn facts(result: &RunResult) -> Vec<[String; 2]> {
    let run = &result.run;
    let mut facts = vec![
        ("run", run.id.clone()),
        ("started", run.started_at.clone()),
        ("service", run.service.clone()),
        ("machine", run.machine.to_string()),
        (
            "perfctl",
            format!(
                "{}, {} workers, seed {}",
                run.perfctl_version, run.workers, run.seed
            ),
        ),
    ];
    if let Some(build) = &run.build {
        facts.push(("build", build.clone()));
    }
    if let Some(occasion) = &run.occasion {
        facts.push(("occasion", occasion.clone()));
    }
    facts
        .into_iter()
        .map(|(key, value)| [key.to_owned(), harmless(&value)])
        .collect()
}

/// How a content security policy names a text that is allowed.
fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}
