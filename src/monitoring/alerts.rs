//! Alert rules for Prometheus: one for each limit of an SLO, or burn rates of its error budget.
//!
//! Not here: the queries (`load_test`, `service`).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::file::{ExportedFile, each_slo};
use super::indicator::{Indicator, Unit};
use super::load_test::SeriesChoice;
use super::promql::{number, quoted, time};
use super::service::{Budget, Objective, ServiceMetric};
use super::{load_test, yaml};
use crate::metrics::exported;
use crate::plan::{Direction, Plan, Slo};

/// How fast an error budget may burn: over which two times, how fast, with which severity. From the chapter "Alerting
/// on SLOs" of The Site Reliability Workbook, for a budget of 30 days.
const BURN_RATES: [(&str, &str, &str, f64, &str); 3] = [
    ("fast", "1h", "5m", 14.4, "critical"),
    ("slow", "6h", "30m", 6.0, "critical"),
    ("steady", "3d", "6h", 1.0, "warning"),
];

/// The rules of a scenario's SLOs as a file for Prometheus: for a load test, or for the service in production, which
/// exports `service`.
pub fn alert_rules(plan: &Plan, service: Option<&ServiceMetric>) -> ExportedFile<String> {
    let (rules, left_out) = match service {
        None => {
            let chosen = SeriesChoice {
                matchers: format!("{}={}", exported::SCENARIO, quoted(&plan.scenario)),
                also: String::new(),
            };
            let indicator = |slo: &Slo| load_test::indicator(plan, slo, &chosen);
            let (of_slos, left_out) = each_slo(plan, indicator);
            let rules = of_slos
                .into_iter()
                .flat_map(|(slo, indicator)| limits(plan, slo, &indicator, "LoadTestMissesSlo"));
            (rules.collect(), left_out)
        }
        Some(service) => {
            let (of_slos, left_out) = each_slo(plan, |slo| service.objective(plan, slo));
            let rules = of_slos.iter().flat_map(|(slo, objective)| match objective {
                Objective::Budget(budget) => burn_rates(plan, slo, budget),
                Objective::Value(value) => limits(plan, slo, value, "ServiceMissesSlo"),
            });
            let missing = missing(plan, of_slos.iter().map(|(_, objective)| objective));
            (rules.chain(missing).collect::<Vec<Value>>(), left_out)
        }
    };
    let (subject, kind) = match service {
        None => ("load tests with the scenario", "load test"),
        Some(_) => ("the service, by the SLOs of the scenario", "service"),
    };
    let mut comments = vec![
        format!("Alert rules for {subject} {}.", plan.scenario),
        "Written by `perfctl export alerts`.".to_owned(),
    ];
    comments.extend(left_out.iter().cloned());
    let mut group = json!({"name": format!("perfctl: {}, {kind}", plan.scenario)});
    if service.is_none() {
        // A load test may be over in minutes.
        group["interval"] = json!("15s");
    }
    group["rules"] = Value::Array(rules);
    ExportedFile {
        content: yaml::documents(&comments, &[json!({"groups": [group]})]),
        left_out,
    }
}

/// A rule for each limit.
fn limits(plan: &Plan, slo: &Slo, indicator: &Indicator, alert: &str) -> Vec<Value> {
    let worst = match slo.advisory {
        true => "warning",
        false => "critical",
    };
    let limits = match (indicator.critical, slo.critical) {
        (Some(critical), Some(of_slo)) => vec![
            ("warning", indicator.limit, slo.limit),
            (worst, critical, of_slo),
        ],
        _ => vec![(worst, indicator.limit, slo.limit)],
    };
    let rules = limits.into_iter().map(|(severity, limit, of_slo)| {
        let side = match slo.metric.direction() {
            Direction::AtMost => "above",
            Direction::AtLeast => "below",
        };
        let shown = slo.metric.format(of_slo);
        let (humanize, unit) = match indicator.unit {
            Unit::Seconds => ("humanizeDuration", ""),
            Unit::Share => ("humanizePercentage", ""),
            Unit::Bytes => ("humanize1024", "B"),
            Unit::BytesPerSecond => ("humanize1024", "B/s"),
            Unit::PerSecond => ("humanize", "/s"),
            Unit::Number => ("humanize", ""),
        };
        let value = format!("{{{{ $value | {humanize} }}}}{unit}");
        let description = match indicator.direction == slo.metric.direction() {
            true => format!("It is {value}."),
            false => format!("{value} of the requests count against it."),
        };
        let summary = format!("{}: {} is {side} {shown}", subject(plan, slo), slo.metric);
        let mut rule = json!({"alert": alert, "expr": indicator.missed(limit)});
        if indicator.lasting_s > 0 {
            rule["for"] = json!(time(indicator.lasting_s));
        }
        let mut labels = labels(plan, slo);
        labels.insert("severity".into(), json!(severity));
        rule["labels"] = Value::Object(labels);
        rule["annotations"] = json!({
            "summary": literal(&summary),
            "description": description,
        });
        rule
    });
    // Of an advisory SLO, both limits warn; the first one comes first.
    let mut rules: Vec<Value> = rules.collect();
    if slo.advisory {
        rules.truncate(1);
    }
    rules
}

/// The rules of how fast an error budget burns. Rates that cannot be reached are left out.
fn burn_rates(plan: &Plan, slo: &Slo, budget: &Budget) -> Vec<Value> {
    let reachable = BURN_RATES
        .into_iter()
        .filter(|(_, _, _, rate, _)| rate * budget.share < 1.0);
    let rules = reachable.map(|(burn, long, short, rate, severity)| {
        let share = number(rate * budget.share);
        let over = |window| format!("{} > {share}", budget.bad_share(window));
        let mut labels = labels(plan, slo);
        labels.insert("burn".into(), json!(burn));
        let severity = if slo.advisory { "warning" } else { severity };
        labels.insert("severity".into(), json!(severity));
        let times = match rate == 1.0 {
            true => "faster than it may".to_owned(),
            false => format!("more than {rate} times as fast as it may"),
        };
        let (subject, metric) = (subject(plan, slo), &slo.metric);
        let summary = format!("{subject}: the error budget of {metric} burns {times}");
        json!({
            "alert": "ServiceBurnsErrorBudget",
            "expr": format!("{}\nand {}", over(long), over(short)),
            "labels": labels,
            "annotations": {
                "summary": literal(&summary),
                "description": format!(
                    "{{{{ $value | humanizePercentage }}}} of the requests in {long} are bad, {}% may be.",
                    number(budget.share * 100.0)
                ),
            },
        })
    });
    rules.collect()
}

/// A rule that fires if the service does not export what the other rules need: they would be silent.
fn missing<'a>(plan: &Plan, objectives: impl Iterator<Item = &'a Objective>) -> Option<Value> {
    let needed: BTreeSet<&str> = objectives
        .filter_map(|objective| match objective {
            Objective::Budget(budget) => Some(budget.needed.as_str()),
            Objective::Value(_) => None,
        })
        .collect();
    let absent: Vec<String> = needed
        .iter()
        .map(|series| format!("absent({series})"))
        .collect();
    (!absent.is_empty()).then(|| {
        json!({
            "alert": "ServiceMetricIsMissing",
            "expr": absent.join("\nor "),
            "for": "15m",
            "labels": {exported::SCENARIO: literal(&plan.scenario), "severity": "warning"},
            "annotations": {
                "summary": literal(&format!("{}: a metric for SLOs of the service is missing", plan.scenario)),
                "description": "The other alerts cannot fire without it. Its name, labels or buckets are different, or nobody has called such a route yet.",
            },
        })
    })
}

/// What tells the rules of SLOs apart.
fn labels(plan: &Plan, slo: &Slo) -> Map<String, Value> {
    let mut labels = Map::new();
    let mut add = |label: &str, value: &str| {
        labels.insert(label.to_owned(), json!(literal(value)));
    };
    add(exported::SCENARIO, &plan.scenario);
    add("slo", &slo.name);
    if let Some(endpoint) = slo.scope.endpoint() {
        add(exported::ENDPOINT, endpoint);
    }
    if let Some(window_s) = slo.window_s {
        add("window", &time(window_s));
    }
    if slo.budget {
        add("budget", "true");
    }
    labels
}

fn subject(plan: &Plan, slo: &Slo) -> String {
    match slo.scope.endpoint() {
        None => plan.scenario.clone(),
        Some(endpoint) => format!("{}, {endpoint}", plan.scenario),
    }
}

/// A text that Prometheus, which fills in templates, leaves as it is.
fn literal(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_no_template() {
        assert_eq!(literal("a {{ $value }}"), "a {{ \"{{\" }} $value }}");
        assert_eq!(literal("$labels {x}"), "$labels {x}");
    }
}
