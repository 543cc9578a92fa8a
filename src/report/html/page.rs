//! What the page says, as data for its template.

use serde::Serialize;

use super::chart::bins::Bin;
use super::chart::changes::changes_chart;
use super::chart::curve::percentile_curve;
use super::chart::heatmap::heatmap;
use super::chart::levels::level_charts;
use super::chart::observed::observed_charts;
use super::chart::timeline;
use super::findings::Findings;
use super::limits::{Limits, Table};
use super::looks::{Looks, Style};
use crate::comparison::Decision;
use crate::grading::{Severity, Verdict};
use crate::metrics::{FailureSample, RunResult, Summary, Window};
use crate::plan::SloScope;
use crate::report::contents::{Focus, Report};
use crate::report::text::{harmless, markup};
use crate::report::view;
use crate::units::{format_count, format_counted, format_latency_us, format_percent};

/// The kinds of failure of which requests are shown.
const FAILURE_GROUPS: usize = 20;
/// The elements around a text of a failed request take no more; bytes.
const TAGS: usize = 60;

/// The columns of the table of levels, behind the name.
const LEVEL_COLUMNS: [&str; 7] = {
    let [rate, failed, p50, p95, p99, mean] = view::LEVEL_NUMBERS;
    ["load", rate, failed, p50, p95, p99, mean]
};

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
    slos_rest: Option<String>,
    error_budgets: Vec<String>,
    findings: Findings,
    changes: Option<Changes>,
    runs: Option<Table>,
    levels: Option<Table>,
    levels_left_out: Option<String>,
    level_charts: Vec<String>,
    charts: Vec<String>,
    endpoints: Table,
    traffic: Vec<String>,
    details: Vec<Details>,
    details_rest: Option<String>,
    flows: Option<Table>,
    measures: Option<Table>,
    observed: Option<Table>,
    observed_charts: Vec<String>,
    unobserved: Vec<String>,
    errors: Vec<[String; 4]>,
    errors_rest: Option<String>,
    phases: Option<Table>,
    failures: Vec<FailureGroup>,
    failures_note: Option<String>,
    traces: Vec<TraceEntry>,
    traces_note: Option<String>,
    generator: Option<String>,
    health: Option<String>,
    notes: Vec<String>,
    facts: Vec<[String; 2]>,
}

#[derive(Serialize)]
struct SloRow {
    name: String,
    limit: String,
    measured: String,
    letter: String,
    severity: &'static str,
    class: &'static str,
    points_lost: String,
}

#[derive(Serialize)]
struct Changes {
    sentence: String,
    warnings: Vec<String>,
    chart: String,
    table: Table,
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
    times: Table,
    lines: Vec<String>,
}

/// A request whose trace is named.
#[derive(Serialize)]
struct TraceEntry {
    cells: [String; 4],
    id: String,
    link: Option<String>,
}

/// Failed requests of one kind, folded.
#[derive(Serialize)]
struct FailureGroup {
    name: String,
    samples: Vec<FailureEntry>,
}

#[derive(Serialize)]
struct FailureEntry {
    heading: String,
    lines: String,
}

impl Page {
    /// The page of a report.
    pub(super) fn of(report: &Report, style: Style, limits: Limits) -> Self {
        let (result, grading) = (&report.result, &report.grading);
        let total = result.summary(None, Window::Measured);
        let bins = timeline::of_run(result);
        let (says, reasons) = view::verdict(report);
        let (errors, errors_rest) = view::error_table(result);
        let is_run = report.focus == Focus::Run;
        let (details, details_rest) = if is_run {
            details(report, limits)
        } else {
            (Vec::new(), None)
        };
        let (slos, slos_rest) = match is_run {
            true => slo_rows(report, limits),
            false => (Vec::new(), None),
        };
        let (traces, traces_note) = match is_run {
            true => traces(report, limits),
            false => (Vec::new(), None),
        };
        let texts = |texts: Vec<String>| texts.iter().map(|text| limits.text(text)).collect();
        let table = |first, numbers: &[&'static str], rows: Vec<Vec<String>>| {
            (!rows.is_empty()).then(|| limits.table(header(first, numbers), rows))
        };
        let summaries = |of: Vec<(String, Summary)>| -> Vec<Vec<String>> {
            of.into_iter()
                .map(|(name, summary)| {
                    let numbers = view::numbers(&summary).into_iter();
                    std::iter::once(name).chain(numbers).collect()
                })
                .collect()
        };
        let runs = report.runs.iter();
        let runs = runs.map(|run| (run.name.clone(), run.summary.clone()));
        let found = result.load_levels();
        let shown = found.as_ref().map(|found| view::levels(result, found));
        let (levels, levels_left_out) = shown.unzip();
        let phases = view::phases(result).into_iter();
        let phases = phases.map(|(name, _, summary)| (name, summary));
        Self {
            looks: Looks::of(style),
            verdict: grading.verdict.name(),
            verdict_class: class_of(grading.verdict),
            scenario: limits.text(&result.run.scenario),
            profile: limits.text(&result.run.profile),
            says: limits.text(&says),
            reasons: texts(reasons),
            next_step: view::next_step(report).map(|step| limits.text(&step)),
            headline: view::headline(result).map(|line| limits.text(&line)),
            compliance: view::compliance(report),
            slos,
            slos_rest,
            error_budgets: match is_run {
                true => texts(view::error_budgets(report)),
                false => Vec::new(),
            },
            findings: Findings::of(report, limits),
            changes: changes(report, limits),
            runs: table("run", &view::NUMBERS, summaries(runs.collect())),
            levels: levels.and_then(|rows| table("name", &LEVEL_COLUMNS, rows)),
            levels_left_out: levels_left_out.flatten(),
            level_charts: found.map_or_else(Vec::new, |found| level_charts(result, found)),
            charts: charts(report, &bins),
            endpoints: endpoints(result, &total, limits),
            traffic: [view::traffic(&total), view::connecting(&total)]
                .into_iter()
                .flatten()
                .collect(),
            details,
            details_rest,
            flows: table("name", &view::FLOW_NUMBERS, view::flows(result)),
            measures: table("name", &view::MEASURE_NUMBERS, view::measures(result)),
            observed: table("name", &view::OBSERVED_NUMBERS, view::observed(result)),
            observed_charts: observed_charts(result),
            unobserved: texts(view::unobserved(result)),
            errors: errors
                .into_iter()
                .map(|((measured, unmeasured), [what, endpoint], example)| {
                    let requests = match unmeasured {
                        0 => format_count(measured),
                        other => format!("{} + {}", format_count(measured), format_count(other)),
                    };
                    let example = example.unwrap_or_default();
                    [what, endpoint, requests, example].map(|cell| limits.text(&cell))
                })
                .collect(),
            errors_rest,
            phases: table("name", &view::NUMBERS, summaries(phases.collect())),
            failures: failures(result, limits.failures_bytes),
            failures_note: view::samples_note(report).map(|note| limits.text(&note)),
            traces,
            traces_note,
            generator: generator(result),
            health: timeline::health(result, &bins),
            notes: texts(view::notes(report)),
            facts: facts(result, limits),
        }
    }
}

/// The endpoints, and the sum of them all as the last row.
fn endpoints(result: &RunResult, total: &Summary, limits: Limits) -> Table {
    let mut rows = view::endpoints(result, total);
    let sum = rows.pop();
    let mut table = limits.table(header("name", &view::NUMBERS), rows);
    table.rows.extend(sum);
    table.has_total = true;
    table
}

/// That the load generator kept up; `None` where it did not, which reasons or warnings say, or where it was not
/// measured.
fn generator(result: &RunResult) -> Option<String> {
    let is_known = !result.health.is_empty() && !result.run.assume_healthy;
    let shares = result.measured_health().map(|second| second.cpu_share);
    let is_fine = result.invalid_because().is_empty() && result.warnings().is_empty();
    (is_known && is_fine).then(|| {
        format!(
            "The load generator kept up: it used at most {} of its CPU time.",
            format_percent(shares.fold(0.0, f64::max))
        )
    })
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

/// The SLOs, those that are missed first.
fn slo_rows(report: &Report, limits: Limits) -> (Vec<SloRow>, Option<String>) {
    let is_valid = report.grading.verdict != Verdict::Invalid;
    let mut criteria: Vec<_> = view::slos(report).collect();
    criteria.sort_by(|a, b| {
        a.met
            .cmp(&b.met)
            .then(b.points_lost.total_cmp(&a.points_lost))
    });
    let left_out = criteria.len().saturating_sub(limits.rows);
    let rest =
        (left_out > 0).then(|| format!("{} not shown", format_counted(left_out as u64, "SLO")));
    let rows = criteria
        .into_iter()
        .take(limits.rows)
        .map(|criterion| SloRow {
            name: limits.text(&view::criterion_name(criterion)),
            limit: view::bound(criterion),
            measured: view::measured(criterion),
            letter: view::letter(criterion),
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
    (rows.collect(), rest)
}

fn changes(report: &Report, limits: Limits) -> Option<Changes> {
    let comparison = report.comparison.as_ref()?;
    let rows = view::rows(report, comparison);
    Some(Changes {
        sentence: limits.text(&view::comparison_sentence(report)),
        warnings: comparison
            .warnings
            .iter()
            .map(|text| limits.text(text))
            .collect(),
        chart: changes_chart(&rows, comparison.tolerated_change).unwrap_or_default(),
        table: limits.table(
            view::change_headers(comparison),
            rows.iter()
                .map(|row| view::change_cells(row, comparison))
                .collect(),
        ),
        remarks: view::comparison_remarks(report)
            .iter()
            .map(|text| limits.text(text))
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
        timeline::latency(result, None, bins, &report.grading.recoveries, "latency"),
        heatmap(result),
        percentile_curve(&cell, &report.baseline, "percentiles"),
    ];
    charts.into_iter().flatten().collect()
}

/// The endpoints and flows, those in trouble first; and how many are left out.
fn details(report: &Report, limits: Limits) -> (Vec<Details>, Option<String>) {
    let result = &report.result;
    let mut all: Vec<(usize, Summary, f64)> = (0..result.endpoints.len())
        .map(|position| {
            let summary = result.summary(Some(position), Window::Measured);
            (position, summary, trouble(report, position))
        })
        .collect();
    all.sort_by(|a, b| b.2.total_cmp(&a.2).then(b.1.requests.cmp(&a.1.requests)));
    let left_out = all.len().saturating_sub(limits.detailed);
    let rest = (left_out > 0).then(|| {
        format!(
            "{} more are in the table above",
            format_count(left_out as u64)
        )
    });
    let details =
        all.iter()
            .take(limits.detailed)
            .enumerate()
            .map(|(rank, (position, summary, trouble))| {
                let name = &result.endpoints[*position].endpoint.name;
                let bins = match rank < limits.charted {
                    true => timeline::of_endpoint(result, *position),
                    false => Vec::new(),
                };
                let id = format!("latency-{position}");
                let charts = timeline::latency(result, Some(*position), &bins, &[], &id);
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
                    name: limits.text(name),
                    is_open: *trouble > 0.0 && rank < 5,
                    state: format!("p95 {p95}{failed}"),
                    class: if *trouble > 0.0 { "bad" } else { "soft" },
                    sparkline: sparkline.unwrap_or_default(),
                    charts: charts.unwrap_or_default(),
                    times: times(summary, limits),
                    lines: [view::traffic(summary), view::connecting(summary)]
                        .into_iter()
                        .flatten()
                        .collect(),
                }
            });
    (details.collect(), rest)
}

/// The failed requests that there is room for: the first of each kind before the second of any.
fn failures(result: &RunResult, mut room: usize) -> Vec<FailureGroup> {
    let mut groups: Vec<FailureGroup> = Vec::new();
    let all = view::sample_groups(result);
    for rank in 0..FailureSample::MAX_OF_A_KIND {
        for group in all.iter().take(FAILURE_GROUPS) {
            let Some(sample) = group.samples.get(rank) else {
                continue;
            };
            let lines: Vec<String> = view::sample_lines(sample)
                .into_iter()
                .map(|line| line.text)
                .collect();
            let entry = FailureEntry {
                heading: view::sample_heading(sample),
                lines: lines.join("\n"),
            };
            let name = harmless(&group.name);
            let texts = [&entry.lines, &entry.heading, &name];
            let size: usize = texts.iter().map(|text| markup(text).len() + TAGS).sum();
            let Some(rest) = room.checked_sub(size) else {
                continue;
            };
            room = rest;
            match groups.iter_mut().find(|one| one.name == name) {
                Some(known) => known.samples.push(entry),
                None => groups.push(FailureGroup {
                    name,
                    samples: vec![entry],
                }),
            }
        }
    }
    groups
}

/// The requests whose traces are named, and what is said of them.
fn traces(report: &Report, limits: Limits) -> (Vec<TraceEntry>, Option<String>) {
    let (rows, _) = view::traces(&report.result, true);
    let left_out = rows.len().saturating_sub(limits.rows);
    let info = report.result.run.trace.as_ref();
    let note = info.and_then(|info| view::traces_note(info, left_out));
    let rows = rows.into_iter().take(limits.rows);
    let entries = rows.map(|row| TraceEntry {
        cells: row.cells.map(|cell| limits.text(&cell)),
        id: row.id,
        link: row.link,
    });
    (entries.collect(), note)
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
fn times(summary: &Summary, limits: Limits) -> Table {
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
    let rows = rows.map(|(name, times)| {
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
        let head = [name.to_owned(), format_count(times.count)];
        head.into_iter().chain(values).collect()
    });
    let header = [
        "time", "count", "mean", "min", "p50", "p90", "p95", "p99", "p99.9", "max",
    ];
    limits.table(header.to_vec(), rows.collect())
}

/// What was run, where and with what.
fn facts(result: &RunResult, limits: Limits) -> Vec<[String; 2]> {
    let run = &result.run;
    let mut facts = vec![
        ("run", run.id.clone()),
        ("started", run.started_at.clone()),
        ("service", run.service.clone()),
        ("machine", run.machine.to_string()),
        (
            "perfctl",
            format!(
                "{}, {}, seed {}",
                run.perfctl_version,
                format_counted(run.workers as u64, "worker"),
                run.seed
            ),
        ),
    ];
    if let Some(command) = &run.command {
        facts.insert(0, ("command", command.clone()));
    }
    if let Some(build) = &run.build {
        facts.push(("build", build.clone()));
    }
    if let Some(occasion) = &run.occasion {
        facts.push(("occasion", occasion.clone()));
    }
    facts
        .into_iter()
        .map(|(key, value)| [key.to_owned(), limits.text(&value)])
        .collect()
}
