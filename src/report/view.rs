//! What console and Markdown say alike: which rows and notes there are, as plain strings.

mod notes;

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Focus, Report};
use crate::comparison::{Comparison, Decision, Row};
use crate::grading::Criterion;
use crate::metrics::{Outcome, RunResult, Summary, Window};
use crate::plan::{Arrivals, Direction, Metric, Model, SloScope};
use crate::units::{
    format_bytes, format_count, format_counted, format_duration, format_latency_us, format_percent,
    format_rate, format_users, trim_float,
};

pub(super) use self::notes::notes;

/// `≤ 500 ms`.
pub(super) fn bound(criterion: &Criterion) -> String {
    let sign = match criterion.metric.direction() {
        Direction::AtMost => "≤",
        Direction::AtLeast => "≥",
    };
    format!("{sign} {}", criterion.metric.format(criterion.limit))
}

/// The value measured, or that there is none.
pub(super) fn measured(criterion: &Criterion) -> String {
    let value = criterion.value;
    value.map_or_else(|| "no data".into(), |v| criterion.metric.format(v))
}

/// What it costs of the score; empty when it costs nothing.
pub(super) fn points_lost(criterion: &Criterion) -> String {
    match criterion.points_lost {
        lost if lost < 0.05 => String::new(),
        lost => trim_float(lost, 1),
    }
}

/// The name, and whether it is advisory.
pub(super) fn criterion_name(criterion: &Criterion) -> String {
    let name = criterion.full_name();
    if criterion.advisory {
        format!("{name} (advisory)")
    } else {
        name
    }
}

/// The letter with its points and sentence: `grade B (84.2 of 100): good, some optimizations`.
pub(super) fn grade(report: &Report) -> String {
    match (report.grading.letter, report.grading.score) {
        (Some(letter), Some(score)) => format!(
            "grade {} ({} of 100): {}",
            letter.name(),
            // Cut, not rounded: 89.96 is a B and must not stand there as 90.
            trim_float((score * 10.0 + 1e-6).floor() / 10.0, 1),
            letter.sentence()
        ),
        _ => "no grade".into(),
    }
}

/// The lines that say what was run, and how.
pub(super) fn headline(result: &RunResult) -> [String; 2] {
    let run = &result.run;
    let phases = run.phases.iter().enumerate();
    let measured_s: f64 = phases
        .filter(|(_, phase)| phase.measured)
        .map(|(position, _)| result.phase_length_s(position))
        .sum();
    let measured = Duration::try_from_secs_f64(measured_s).unwrap_or_default();
    let most = match run.load.stages.len() {
        0 | 1 => "",
        _ => "up to ",
    };
    let load = match run.load.model {
        Model::Closed => {
            format!(
                "{most}{} (closed model)",
                format_users(run.load.peak() as u64)
            )
        }
        Model::Open { .. } => {
            let process = match run.load.arrivals {
                Arrivals::Uniform => "",
                Arrivals::Poisson => ", Poisson arrivals",
            };
            let rate = format_rate(run.load.peak());
            format!("{most}{rate} (open model{process})")
        }
    };
    let started = run.started_at.split('.').next().unwrap_or_default();
    [
        format!("{} · {} · {}", run.scenario, run.profile, run.service),
        format!(
            "{load} · {} measured · {} · seed {}",
            format_duration(measured),
            started.trim_end_matches('Z').replace('T', " ") + " UTC",
            run.seed
        ),
    ]
}

/// Name, requests, failed, rate, p50, p95, p99, max.
pub(super) const NUMBERS: [&str; 7] = ["requests", "failed", "rate", "p50", "p95", "p99", "max"];

/// The cells under [`NUMBERS`].
pub(super) fn numbers(summary: &Summary) -> Vec<String> {
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

/// What the table has no room for: mean and spread, first byte, bytes, connections. `None` when no
/// request was measured.
pub(super) fn traffic(total: &Summary) -> Option<String> {
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
        parts.push(format!("first byte p50 {p50}, p95 {p95}"));
    }
    parts.push(format!("received {}", format_bytes(total.bytes_in)));
    parts.push(format!("sent {}", format_bytes(total.bytes_out)));
    let connections = format_counted(total.connections, "connection");
    parts.push(format!("{connections} opened"));
    if total.redirects > 0 {
        parts.push(format!(
            "{} redirects followed",
            format_count(total.redirects)
        ));
    }
    Some(parts.join(", "))
}

/// What opening connections took, on one line; `None` when none was opened or nothing is known.
pub(super) fn connecting(total: &Summary) -> Option<String> {
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
    let reused = format_count(total.reused);
    Some(format!(
        "connecting p95: {}; {reused} requests reused one",
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

/// `(name, numbers)` of each endpoint in the measured phases.
pub(super) fn endpoints(result: &RunResult) -> Vec<(String, Summary)> {
    measured_of(result, false)
}

/// Flows, failed, rate, the times without think times, p95 with them.
pub(super) const FLOW_NUMBERS: [&str; 7] =
    ["flows", "failed", "rate", "p50", "p95", "p99", "p95+think"];

/// The cells under [`FLOW_NUMBERS`], behind the name, of each flow in the measured phases.
pub(super) fn flows(result: &RunResult) -> Vec<Vec<String>> {
    let flows = measured_of(result, true).into_iter();
    flows
        .map(|(name, summary)| {
            let with_waits = summary.service_us.p95.map(format_latency_us);
            let mut cells = vec![name];
            let shown = FLOW_NUMBERS.len() - 1;
            cells.extend(numbers(&summary).into_iter().take(shown));
            cells.push(with_waits.unwrap_or_else(|| "-".into()));
            cells
        })
        .collect()
}

fn measured_of(result: &RunResult, flows: bool) -> Vec<(String, Summary)> {
    let all = result.endpoints.iter().enumerate();
    all.filter(|(_, endpoint)| endpoint.endpoint.is_flow == flows)
        .map(|(position, endpoint)| {
            let summary = result.summary(Some(position), Window::Measured);
            (endpoint.endpoint.name.clone(), summary)
        })
        .collect()
}

/// `(name, measured, numbers)` of each phase; empty where there is but one measured phase, which
/// the endpoints' total already shows.
pub(super) fn phases(result: &RunResult) -> Vec<(String, bool, Summary)> {
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

/// `(count, what, example)` of each kind of failure in the whole run, the most frequent first: a
/// outcome, or what the scenario calls it, with its outcome.
pub(super) fn errors(result: &RunResult) -> Vec<(u64, String, Option<String>)> {
    let mut errors: Vec<(u64, String, Option<String>)> = Vec::new();
    let outcomes = Outcome::ALL.into_iter();
    for outcome in outcomes.filter(|outcome| outcome.is_failure() || outcome.is_local()) {
        let mut rest = result.count(|c| c == outcome);
        for (key, count) in failures(result, outcome) {
            rest = rest.saturating_sub(count);
            let start = format!("{key}: ");
            let example = example(result, outcome, |text| text.starts_with(&start));
            errors.push((count, format!("{key} ({})", outcome.name()), example));
        }
        let example = example(result, outcome, |_| true);
        errors.push((rest, outcome.name().to_owned(), example));
    }
    errors.retain(|(count, _, _)| *count > 0);
    errors.sort_by_key(|(count, _, _)| std::cmp::Reverse(*count));
    errors
}

/// How often failures of this outcome were called what.
fn failures(result: &RunResult, outcome: Outcome) -> BTreeMap<&str, u64> {
    let mut failures: BTreeMap<&str, u64> = BTreeMap::new();
    let cells = result.requests().flat_map(|endpoint| &endpoint.phases);
    for (key, count) in cells
        .filter_map(|cell| cell.failure_keys.get(&outcome))
        .flatten()
    {
        *failures.entry(key).or_default() += count;
    }
    failures
}

fn example(result: &RunResult, outcome: Outcome, fits: impl Fn(&str) -> bool) -> Option<String> {
    result.requests().find_map(|endpoint| {
        let texts = endpoint
            .phases
            .iter()
            .filter_map(|cell| cell.examples.get(&outcome));
        let text = texts.into_iter().find(|text| fits(text))?;
        Some(format!("{}: {text}", endpoint.endpoint.name))
    })
}

/// The rows of a comparison worth showing: beside a grade all of the total, and of endpoints
/// those that changed or keep the verdict open; otherwise all.
pub(super) fn rows<'a>(report: &Report, comparison: &'a Comparison) -> Vec<&'a Row> {
    let all = comparison.rows.iter();
    let is_notable = |row: &&Row| match row.decision {
        Decision::Regressed | Decision::Improved => true,
        Decision::Inconclusive if row.required => true,
        _ => row.scope == SloScope::Total || report.result.endpoints.len() == 1,
    };
    match report.focus {
        Focus::Run => all.filter(is_notable).collect(),
        Focus::Comparison => all.collect(),
    }
}

/// The headers over [`change_cells`].
pub(super) fn change_headers(comparison: &Comparison) -> Vec<&'static str> {
    let (before, now) = match comparison.gate {
        "side_by_side" => ("a", "b"),
        _ => ("before", "now"),
    };
    let mut headers = vec!["of", "metric", before, now, "change"];
    headers.extend(has_ranges(comparison).then_some("between"));
    headers.push("decision");
    headers
}

/// Where, metric, before, now, change, decision; before the last, between what the change lies,
/// where any row tells.
pub(super) fn change_cells(row: &Row, comparison: &Comparison) -> Vec<String> {
    let mut cells = vec![
        row.place(),
        match row.metric {
            Metric::ErrorRate => "errors".into(),
            Metric::Throughput => "rate".into(),
            _ => row.metric.to_string(),
        },
        row.format(row.baseline),
        row.format(row.value),
        row.change_text(),
    ];
    if has_ranges(comparison) {
        cells.push(row.range_text().unwrap_or_else(|| "-".into()));
    }
    let is_judged = row.decision != Decision::Inconclusive || row.required || row.range.is_some();
    let decision = if is_judged {
        row.decision.name()
    } else {
        "not judged"
    };
    cells.push(decision.to_owned());
    cells
}

fn has_ranges(comparison: &Comparison) -> bool {
    comparison.rows.iter().any(|row| row.range.is_some())
}

/// How a comparison came out, in a sentence.
pub(super) fn comparison_sentence(report: &Report) -> String {
    let Some(comparison) = &report.comparison else {
        return String::new();
    };
    let runs = |ids: &[String]| format_counted(ids.len() as u64, "run");
    let (before, now) = (runs(&comparison.baseline), runs(&comparison.candidates));
    let words = comparison.rows.iter().map(outcome_word);
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for word in words {
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let order = |word: &str| {
        ["regressed", "improved", "unchanged"]
            .iter()
            .position(|w| *w == word)
    };
    counts.sort_by_key(|(word, _)| order(word).unwrap_or(3));
    let counts: Vec<String> = counts
        .iter()
        .map(|(word, n)| format!("{n} {word}"))
        .collect();
    format!("{now} against {before}: {}", counts.join(", "))
}

/// What became of a row that there was too little of to judge it.
const NOT_JUDGED: &str = "not judged";

/// What became of a row in a word or two.
fn outcome_word(row: &Row) -> &'static str {
    match row.decision {
        Decision::Inconclusive if !row.required && row.range.is_none() => NOT_JUDGED,
        decision => decision.name(),
    }
}

/// What a comparison costs of the score, and why some of it was not judged.
pub(super) fn comparison_remarks(report: &Report) -> Vec<String> {
    const NAMED: usize = 3;
    let mut remarks = Vec::new();
    let graded = report.focus == Focus::Run && report.grading.score.is_some();
    let lost: Vec<String> = report
        .grading
        .baseline()
        .filter(|c| graded && c.points_lost >= 0.05)
        .map(|c| format!("{} ({})", c.full_name(), trim_float(c.points_lost, 1)))
        .collect();
    if !lost.is_empty() {
        remarks.push(format!("points lost: {}", lost.join(", ")));
    }
    let rows = || report.comparison.iter().flat_map(|c| &c.rows);
    remarks.extend(seen(rows()));
    let open: Vec<&Row> = rows()
        .filter(|row| outcome_word(row) == NOT_JUDGED)
        .collect();
    if !open.is_empty() {
        let named = open
            .iter()
            .take(NAMED)
            .map(|row| format!("{}, {}: {}", row.place(), row.metric, row.reason));
        let mut text = format!("{NOT_JUDGED}: {}", named.collect::<Vec<_>>().join("; "));
        if open.len() > NAMED {
            text.push_str(&format!("; and {} more", open.len() - NAMED));
        }
        remarks.push(text);
    }
    remarks
}

/// What would have been noticed, so that nobody takes "unchanged" for more than it says.
fn seen<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<String> {
    let unchanged = rows.filter(|row| row.decision == Decision::Unchanged);
    let seen: Vec<f64> = unchanged.filter_map(|row| row.detectable).collect();
    let least = seen.iter().copied().reduce(f64::min)?;
    let most = seen.iter().copied().reduce(f64::max)?;
    let percent = |share: f64| trim_float(share * 100.0, usize::from(share < 0.0995));
    Some(match percent(least) == percent(most) {
        true => format!(
            "unchanged: would have seen anything above {}%",
            percent(most)
        ),
        false => format!(
            "unchanged: would have seen anything above {} to {}%, by the metric",
            percent(least),
            percent(most)
        ),
    })
}

/// How the SLOs came out: `2 met, 1 missed closely, 1 failing`.
pub(super) fn compliance(report: &Report) -> String {
    let compliance = report.grading.compliance();
    [
        (compliance.targets_met, "met"),
        (compliance.targets_close, "missed closely"),
        (compliance.targets_failing, "failing"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect::<Vec<_>>()
    .join(", ")
}

/// The share of failed requests, where there are any: ` (1.2%)`.
pub(super) fn error_share(summary: &Summary) -> String {
    match summary.error_rate {
        Some(rate) if rate > 0.0 => format!(" ({} failed)", format_percent(rate)),
        _ => String::new(),
    }
}
