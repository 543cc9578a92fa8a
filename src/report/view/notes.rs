//! The notes at the end of a report: what readers must know to interpret the numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use super::criteria::suggested;
use super::errors::example;
use super::numbers::phases;
use crate::metrics::{EndpointResult, Fold, Outcome, RunResult, Window};
use crate::plan::{Endpoint, Metric, Model, Phase, Slo, SloScope};
use crate::report::contents::Report;
use crate::units::{
    as_us, format_count, format_counted, format_duration, format_latency_us, format_percent,
    format_rate, trim_float,
};

/// Flows that failed more often than requests did, and whose failures no SLO is about, not even that for all
/// requests: neither verdict nor grade shows them.
fn unjudged_flows(result: &RunResult, failed_requests: u64) -> impl Iterator<Item = String> {
    let flows = result.endpoints.iter().enumerate();
    flows.filter_map(move |(position, flow)| {
        let name = &flow.endpoint.name;
        let of_all = (&SloScope::Total, &Metric::ErrorRate);
        let is_judged =
            |slo: &Slo| slo.limits_failures_of(name) || (&slo.scope, &slo.metric) == of_all;
        if !flow.endpoint.is_flow || result.run.slos.iter().any(is_judged) {
            return None;
        }
        let summary = result.summary(Some(position), Window::Measured);
        (summary.failures > failed_requests).then(|| {
            format!(
                "warning: {} of {} of the flow `{name}` failed, and no SLO is about that: give it `slo: {{error_rate: 1%}}`",
                format_count(summary.failures),
                format_counted(summary.requests, "run"),
            )
        })
    })
}

/// How much the throttle held back the load, if it did.
fn throttled(result: &RunResult) -> Option<String> {
    let totals = result.run.ending.as_ref()?.totals;
    let throttle = result.run.load.throttle.filter(|_| totals.throttled > 0)?;
    let mean_us = totals.throttled_us / totals.throttled;
    let waits = format_counted(totals.throttled, "time");
    let users_s: f64 = result.users.iter().map(|users| f64::from(*users)).sum();
    let share = totals.throttled_us as f64 / 1e6 / users_s;
    let share = match users_s > 0.0 {
        true => format!(
            ", {} of the time of all users",
            format_percent(share.min(1.0))
        ),
        false => String::new(),
    };
    Some(format!(
        "the throttle of {} held back the load: users waited for their turn {waits}, {} on average{share}; \
         no response time includes it",
        format_rate(throttle),
        format_latency_us(mean_us as f64),
    ))
}

/// That windows of SLOs are longer than what was measured or observed, where they are: a sentence for each such length.
fn cut_windows(report: &Report) -> Vec<String> {
    let mut names: BTreeMap<(bool, Duration), Vec<String>> = BTreeMap::new();
    for slo in report.grading.slos().filter(|slo| slo.has_cut_window()) {
        let Some((wanted_s, window)) = slo.window_s.zip(slo.window) else {
            continue;
        };
        let is_observed = matches!(slo.metric, Metric::Observed(_));
        let length = Duration::try_from_secs_f64(window.length_s).unwrap_or_default();
        let wanted = format_duration(Duration::from_secs(wanted_s));
        let of_length = names.entry((is_observed, length)).or_default();
        of_length.push(format!("`{}` ({wanted})", slo.full_name()));
    }
    let sentence = |((is_observed, length), names): ((bool, Duration), Vec<String>)| {
        let (length, names) = (format_duration(length), names.join(", "));
        let done = if is_observed { "observed" } else { "measured" };
        format!("{length} were {done}, less than the window of {names}: all of it counts")
    };
    names.into_iter().map(sentence).collect()
}

/// What readers must know to interpret the numbers.
pub(crate) fn notes(report: &Report) -> Vec<String> {
    let result = &report.result;
    let total = result.summary(None, Window::Measured);
    let warnings = result.warnings().into_iter();
    let mut notes: Vec<String> = warnings
        .map(|text| format!("warning: {}", suggested(report, &text)))
        .collect();
    notes.extend(unjudged_flows(result, total.failures));
    notes.extend(result.trends());
    notes.extend(
        result
            .knee()
            .map(|knee| knee.sentence(result.run.load.model)),
    );
    for recovery in &report.grading.recoveries {
        let (base, stage) = (&recovery.base, &recovery.stage);
        notes.push(match recovery.recovery_time_s {
            Some(time_s) => format!(
                "recovery: {} s after the surge, p95 and errors were back at the level of `{base}`",
                trim_float(time_s, 1)
            ),
            None if !recovery.is_conclusive => {
                format!("recovery: `{stage}` is too short to tell; 10 s are needed")
            }
            None => format!(
                "recovery: the service did not recover to the level of `{base}` in `{stage}`"
            ),
        });
    }
    let without_data = result.count(|outcome| outcome == Outcome::DataExhausted);
    if without_data > 0 {
        let example = example(result, Outcome::DataExhausted).unwrap_or_default();
        let ended = match &result.run.ending {
            Some(ending) if ending.out_of_data => "the load ended early",
            _ => "users ended early",
        };
        let count = format_counted(without_data, "time");
        notes.push(format!("{ended} because data ran out, {count}: {example}"));
    }
    let failed_teardown = result.failed_teardown();
    // What fails the run was said.
    notes.extend(failed_teardown.filter(|failed| !report.grading.reasons.contains(failed)));
    if let Some(ending) = &result.run.ending {
        if let Some(after) = (result.stopped_after()).filter(|_| ending.stopped_by_scenario) {
            notes.push(format!("the load was stopped by the scenario {after}"));
        }
        if let Some(after) = (result.stopped_after()).filter(|_| ending.decided) {
            notes.push(format!(
                "the load ended {after}, as soon as the level was decided"
            ));
        }
        for (name, count) in &ending.unkept_items {
            let items = format_counted(*count, "item");
            notes.push(format!("shared list `{name}` was full: {items} not kept"));
        }
        notes.extend(throttled(result));
        if ending.totals.stopped_users > 0 {
            let users = format_counted(ending.totals.stopped_users, "user");
            notes.push(format!(
                "the scenario ended {users} early: the load was that much lower"
            ));
        }
    }
    match result.run.load.model {
        Model::Closed => {
            let text = "closed model: throughput falls as the service slows; use `--rate` for a fixed load";
            notes.push(suggested(report, text));
        }
        Model::Open { .. } => {
            if let Some(p99_us) = total.scheduling_delay_us.p99 {
                notes.push(format!(
                    "scheduling delay p99 {}: how late requests started; it is part of the response times",
                    format_latency_us(p99_us)
                ));
            }
        }
    }
    let is_before =
        |phase: &Phase| !phase.measured && phase.start_us < as_us(result.run.load.total());
    if result.run.phases.iter().any(is_before) {
        let unmeasured = (0..result.endpoints.len()).map(|one| result.unmeasured_requests(one));
        let place = match (unmeasured.sum::<u64>(), phases(result).is_empty()) {
            (0, _) => "",
            (_, true) => "; their requests are counted behind the `+`",
            (_, false) => "; their requests are counted behind the `+`, and in the table of phases",
        };
        notes.push(format!("ramps and warm-up are not graded{place}"));
    }
    if !result.run.client.is_default() {
        let client = result.run.client.name();
        notes.push(format!("requests were sent with the client `{client}`"));
    }
    if result.run.full_handshakes {
        notes.push("each TLS handshake was a full one (`resume: false`)".into());
    }
    if result.run.insecure {
        notes.push(
            "certificates were not verified (`insecure`): any server could have responded".into(),
        );
    }
    let templated = result.endpoints.iter();
    let templated = templated.filter(|row| row.endpoint.is_templated);
    let is_used_other = |row: &EndpointResult| {
        row.endpoint.name == Endpoint::OTHER_ROW
            && row.phases.iter().any(|cell| !cell.outcomes.is_empty())
    };
    if templated.clone().count() > Fold::MAX_TEMPLATED_ROWS && templated.clone().any(is_used_other)
    {
        notes.push(format!(
            "templates made more than {} names of requests; those after the first are counted as `{}`",
            Fold::MAX_TEMPLATED_ROWS,
            Endpoint::OTHER_ROW
        ));
    }
    notes.extend(result.run.skipped_slos.iter().cloned());
    notes.extend(cut_windows(report));
    notes.push(accounting(result));
    if let Some(counts) = result
        .run
        .samples
        .as_ref()
        .filter(|counts| counts.dropped == 0)
    {
        let (requests, file) = (format_counted(counts.written, "request"), &counts.file);
        notes.push(format!(
            "samples: {requests}, those of ramps included, in {file}"
        ));
    }
    if let Some(directory) = &report.directory {
        notes.push(format!("files: {}", directory.display()));
    }
    notes
}

/// What happened to every planned request, including the ramp.
fn accounting(result: &RunResult) -> String {
    let count = |select: fn(Outcome) -> bool| result.count(select);
    let started = count(Outcome::is_started);
    let dropped = count(|outcome| outcome == Outcome::Dropped);
    let outcomes: Vec<String> = Outcome::ALL
        .into_iter()
        .filter(|outcome| outcome.is_started())
        .map(|outcome| (outcome, result.count(|c| c == outcome)))
        .filter(|(_, count)| *count > 0)
        .map(|(outcome, count)| format!("{} {}", outcome.name(), format_count(count)))
        .collect();
    let parts = if outcomes.is_empty() {
        String::new()
    } else {
        format!("; started = {}", outcomes.join(" + "))
    };
    let without_data = count(|outcome| outcome == Outcome::DataExhausted);
    let data_exhausted = match without_data {
        0 => String::new(),
        count => format!(" + data_exhausted {}", format_count(count)),
    };
    format!(
        "whole run: planned {} = started {} + dropped {}{data_exhausted}{parts}",
        format_count(started + dropped + without_data),
        format_count(started),
        format_count(dropped)
    )
}
