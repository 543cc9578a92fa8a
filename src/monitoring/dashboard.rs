//! A dashboard for Grafana: what a load test exports, with the limits of the scenario's SLOs.
//!
//! Not here: how panels are written (`panels`), or the queries of SLOs (`load_test`).

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::file::{ExportedFile, each_slo};
use super::indicator::Unit;
use super::load_test;
use super::load_test::{SeriesChoice, outcomes};
use super::panels::{Layout, Panel, datasource};
use crate::metrics::{Outcome, exported};
use crate::plan::{Direction, Metric, Plan, SloScope};

/// The version of the schema of Grafana 11; later ones read it, too.
const SCHEMA_VERSION: u32 = 39;

/// Chooses the series of what the variables of the dashboard name. Where series have no run, their scenario and
/// instance have one: see [`ALSO`].
const CHOSEN: &str = r#"scenario="$scenario",run=~"($run)?""#;

/// While the chosen run goes on.
const ALSO: &str =
    r#" and on (scenario, instance) perfctl_run_info{scenario="$scenario",run=~"$run"}"#;

/// A dashboard for the runs of a scenario. Its uid depends on the scenario's name alone, so that a new version replaces
/// the one before it.
pub fn dashboard(plan: &Plan) -> ExportedFile<Value> {
    let chosen = SeriesChoice {
        matchers: CHOSEN.to_owned(),
        also: ALSO.to_owned(),
    };
    let (slos, left_out) = each_slo(plan, |slo| load_test::indicator(plan, slo, &chosen));
    let mut layout = Layout::default();
    overview(plan, &mut layout);
    responses(plan, &mut layout);
    if !slos.is_empty() {
        layout.heading("SLOs, over the run so far or their window");
    }
    for (slo, indicator) in slos {
        let mut limits = vec![(
            indicator.limit,
            slo.advisory || indicator.critical.is_some(),
        )];
        limits.extend(indicator.critical.map(|critical| (critical, slo.advisory)));
        let side = match slo.metric.direction() {
            Direction::AtMost => "at most",
            Direction::AtLeast => "at least",
        };
        let limit = slo.metric.format(slo.limit);
        let (unit, direction) = (indicator.unit, indicator.direction);
        let is_of_bad = direction != slo.metric.direction();
        let title = match &slo.scope {
            SloScope::Total => slo.name.clone(),
            SloScope::Endpoint(name) => format!("{name}: {}", slo.name),
        };
        let description = match is_of_bad {
            true => format!(
                "{} {side} {limit}; the share of bad requests is shown.",
                slo.metric
            ),
            false => format!("{} {side} {limit}.", slo.metric),
        };
        let panel = Panel::lines(&title, &description, unit)
            .query(&indicator.query, "{{instance}} {{run}}");
        layout.add(panel.limits(direction, &limits), 8, 7);
    }
    generator(&mut layout);
    ExportedFile {
        content: json!({
            "uid": uid(&plan.scenario),
            "title": format!("Load test: {}", plan.scenario),
            "description": "Written by `perfctl export grafana`.",
            "tags": ["perfctl"],
            "timezone": "browser",
            "editable": true,
            "graphTooltip": 1,
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "refresh": "10s",
            "time": {"from": "now-30m", "to": "now"},
            "templating": {"list": variables(plan)},
            "annotations": {"list": []},
            "links": [],
            "panels": layout.finish(),
        }),
        left_out,
    }
}

/// `sum by (by) (rate(metric{chosen,more}[...]))`.
fn rate(by: &str, metric: &str, more: &str) -> String {
    let more = match more {
        "" => String::new(),
        more => format!(",{more}"),
    };
    format!(
        "sum by ({by}) (rate({metric}{{{CHOSEN},endpoint=~\"$endpoint\"{more}}}[$__rate_interval]){ALSO})"
    )
}

/// Failures over finished requests, as in reports.
fn failed_share(by: &str) -> String {
    let failed = rate(by, exported::REQUESTS_TOTAL, &outcomes(Outcome::is_failure));
    let finished = outcomes(|outcome| outcome == Outcome::Ok || outcome.is_failure());
    let finished = rate(by, exported::REQUESTS_TOTAL, &finished);
    format!("({failed} or 0 * {finished}) / {finished}")
}

/// A percentile of the response times; those of failed requests do not count, as in reports.
fn percentile(quantile: f64, by: &str) -> String {
    let times = format!("{}_bucket", exported::RESPONSE_TIME_SECONDS);
    let by = if by.is_empty() {
        "le".to_owned()
    } else {
        format!("{by}, le")
    };
    format!(
        "histogram_quantile({quantile}, {})",
        rate(&by, &times, "class!=\"failed\"")
    )
}

/// The limits of the SLOs of all requests on such a metric.
fn limits(plan: &Plan, scale: f64, is_it: impl Fn(&Metric) -> bool) -> Vec<(f64, bool)> {
    let slos = plan.slos.iter();
    let slos = slos.filter(|slo| slo.scope == SloScope::Total && is_it(&slo.metric));
    slos.flat_map(|slo| {
        let first = (slo.limit / scale, slo.advisory || slo.critical.is_some());
        let critical = slo
            .critical
            .map(|critical| (critical / scale, slo.advisory));
        std::iter::once(first).chain(critical)
    })
    .collect()
}

fn overview(plan: &Plan, layout: &mut Layout) {
    let requests = exported::REQUESTS_TOTAL;
    let ok = "outcome=\"ok\"";
    let errors = limits(plan, 1.0, |metric| *metric == Metric::ErrorRate);
    let throughput = limits(plan, 1.0, |metric| *metric == Metric::Throughput);
    let p95 = limits(
        plan,
        1e6,
        |metric| matches!(metric, Metric::ResponseTime(percentile) if percentile.percent() == 95.0),
    );
    let users = format!("sum ({}{{{CHOSEN}}}{ALSO})", exported::USERS);
    let number = Panel::number;
    layout.add(
        number("Throughput", "Successes per second.", Unit::PerSecond)
            .query(&rate("", requests, ok), "successes")
            .limits(Direction::AtLeast, &throughput),
        6,
        4,
    );
    layout.add(
        number(
            "Error rate",
            "Failed requests over finished ones.",
            Unit::Share,
        )
        .query(&failed_share(""), "error rate")
        .limits(Direction::AtMost, &errors),
        6,
        4,
    );
    layout.add(
        number(
            "p95",
            "95% of the response times are at most this long.",
            Unit::Seconds,
        )
        .query(&percentile(0.95, ""), "p95")
        .limits(Direction::AtMost, &p95),
        6,
        4,
    );
    layout.add(
        number(
            "Users",
            "Virtual users running, or requests in flight in the open model.",
            Unit::Number,
        )
        .query(&users, "users"),
        6,
        4,
    );
}

fn responses(plan: &Plan, layout: &mut Layout) {
    let requests = exported::REQUESTS_TOTAL;
    let times = limits(plan, 1e6, |metric| {
        matches!(metric, Metric::ResponseTime(_))
    });
    let errors = limits(plan, 1.0, |metric| *metric == Metric::ErrorRate);
    layout.heading("Responses");
    let failed = outcomes(Outcome::is_failure);
    layout.add(
        Panel::lines(
            "Requests",
            "Requests that ended, by endpoint.",
            Unit::PerSecond,
        )
        .query(&rate("endpoint", requests, ""), "{{endpoint}}"),
        12,
        8,
    );
    layout.add(
        Panel::lines(
            "Failures",
            "Requests that failed, by the type of the error.",
            Unit::PerSecond,
        )
        .query(&rate("outcome", requests, &failed), "{{outcome}}"),
        12,
        8,
    );
    let mut percentiles = Panel::lines(
        "Response times",
        "Percentiles of all chosen endpoints; the lines are limits of SLOs for all requests.",
        Unit::Seconds,
    );
    for (quantile, name) in [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")] {
        percentiles = percentiles.query(&percentile(quantile, ""), name);
    }
    layout.add(percentiles.limits(Direction::AtMost, &times), 12, 8);
    layout.add(
        Panel::lines(
            "p95 by endpoint",
            "95% of the response times are at most this long.",
            Unit::Seconds,
        )
        .query(&percentile(0.95, "endpoint"), "{{endpoint}}"),
        12,
        8,
    );
    layout.add(
        Panel::lines(
            "Error rate by endpoint",
            "Failed requests over finished ones.",
            Unit::Share,
        )
        .query(&failed_share("endpoint"), "{{endpoint}}")
        .limits(Direction::AtMost, &errors),
        12,
        8,
    );
    let buckets = format!("{}_bucket", exported::RESPONSE_TIME_SECONDS);
    let buckets = rate("le", &buckets, "class!=\"failed\"");
    layout.add(
        Panel::heatmap(
            "Distribution of response times",
            "Responses per second, by their time.",
        )
        .query(&buckets, "{{le}}"),
        12,
        8,
    );
}

fn generator(layout: &mut Layout) {
    layout.heading("Load and load generator");
    let users = format!(
        "sum by (instance, run) ({}{{{CHOSEN}}}{ALSO})",
        exported::USERS
    );
    layout.add(
        Panel::lines(
            "Users",
            "Virtual users running, or requests in flight in the open model.",
            Unit::Number,
        )
        .query(&users, "{{instance}} {{run}}"),
        8,
        7,
    );
    layout.add(
        Panel::lines(
            "Dropped arrivals",
            "Arrivals that were never started: no virtual user was free.",
            Unit::PerSecond,
        )
        .query(
            &rate("endpoint", exported::DROPPED_ARRIVALS_TOTAL, ""),
            "{{endpoint}}",
        ),
        8,
        7,
    );
    let delays = format!("{}_bucket", exported::SCHEDULING_DELAY_SECONDS);
    let delay = format!(
        "histogram_quantile(0.99, {})",
        rate("instance, run, le", &delays, "")
    );
    layout.add(
        Panel::lines(
            "Scheduling delay",
            "p99 of how late requests started.",
            Unit::Seconds,
        )
        .query(&delay, "{{instance}} {{run}}"),
        8,
        7,
    );
    let cpu = format!(
        "max by (instance, run) ({}{{{CHOSEN}}}{ALSO})",
        exported::GENERATOR_CPU_RATIO
    );
    layout.add(
        Panel::lines(
            "CPU of the generator",
            "As a share of what the cores offer.",
            Unit::Share,
        )
        .query(&cpu, "{{instance}} {{run}}"),
        12,
        7,
    );
    layout.add(
        Panel::lines("Traffic", "Bytes per second.", Unit::BytesPerSecond)
            .query(&rate("", exported::RECEIVED_BYTES_TOTAL, ""), "received")
            .query(&rate("", exported::SENT_BYTES_TOTAL, ""), "sent"),
        12,
        7,
    );
}

/// What is chosen at the top of the dashboard.
fn variables(plan: &Plan) -> Vec<Value> {
    let info = exported::RUN_INFO;
    let of_label = |name: &str, label: &str, query: String, is_all: bool| {
        let mut variable = json!({
            "type": "query",
            "name": name,
            "label": label,
            "datasource": datasource(),
            "query": {"query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
            "refresh": 2,
            "sort": 1,
            "hide": 0,
            "multi": is_all,
            "includeAll": is_all,
            "options": [],
        });
        variable["current"] = match is_all {
            true => json!({"selected": true, "text": ["All"], "value": ["$__all"]}),
            false => json!({"selected": true, "text": plan.scenario, "value": plan.scenario}),
        };
        if is_all {
            // Series without the label are among all of them.
            variable["allValue"] = json!(".*");
        }
        variable
    };
    let requests = exported::REQUESTS_TOTAL;
    vec![
        json!({
            "type": "datasource",
            "name": "datasource",
            "label": "Prometheus",
            "query": "prometheus",
            "current": {},
            "refresh": 1,
            "hide": 0,
            "includeAll": false,
            "multi": false,
            "options": [],
            "regex": "",
        }),
        of_label(
            "scenario",
            "Scenario",
            format!("label_values({info}, scenario)"),
            false,
        ),
        of_label(
            "run",
            "Run",
            format!("label_values({info}{{scenario=\"$scenario\"}}, run)"),
            true,
        ),
        of_label(
            "endpoint",
            "Endpoint",
            format!("label_values({requests}{{scenario=\"$scenario\"}}, endpoint)"),
            true,
        ),
    ]
}

/// At most 40 characters that may stand in a URL: the name where it has no others, else a hash of it.
fn uid(scenario: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    match scenario.len() <= 24 && scenario.chars().all(is_plain) {
        true => format!("perfctl-{scenario}"),
        false => {
            let digest = Sha256::digest(scenario.as_bytes());
            let hash: String = digest
                .iter()
                .take(12)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!("perfctl-{hash}")
        }
    }
}
