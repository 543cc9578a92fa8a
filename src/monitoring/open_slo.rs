//! SLOs of a service in the format OpenSLO v1 (<https://openslo.com>).
//!
//! Not here: the queries (`service`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::file::{ExportedFile, each_slo};
use super::promql::number;
use super::service::{Budget, Objective, ServiceMetric};
use super::yaml;
use crate::plan::{Plan, Slo};

/// The longest name of an object.
const MAX_NAME: usize = 63;

/// The time that an SLO is for where the scenario says none.
const PERIOD: &str = "30d";

/// The SLOs of a scenario as a service in production has them, which exports `service`.
pub fn open_slo(plan: &Plan, service: &ServiceMetric) -> ExportedFile<String> {
    let (slos, left_out) = each_slo(plan, |slo| {
        let budget = match service.objective(plan, slo)? {
            Objective::Budget(budget) => budget,
            Objective::Value(_) => return Err(why_not(slo)),
        };
        Ok((budget, period(slo)?))
    });
    let mut comments = vec![
        format!("SLOs of the scenario {}.", plan.scenario),
        "Written by `perfctl export slo`.".to_owned(),
    ];
    comments.extend(left_out.iter().cloned());
    let mut names = BTreeSet::new();
    let service_name = name(&plan.scenario, &mut names);
    let mut documents = vec![json!({
        "apiVersion": "openslo/v1",
        "kind": "Service",
        "metadata": {"name": service_name, "displayName": plan.scenario},
        "spec": {"description": format!("The service that the scenario {} tests.", plan.scenario)},
    })];
    for (slo, (budget, period)) in slos {
        let of = slo.scope.endpoint().unwrap_or_default();
        let name = name(&format!("{} {of} {}", plan.scenario, slo.name), &mut names);
        documents.push(document(slo, &budget, &period, &name, &service_name));
    }
    ExportedFile {
        content: yaml::documents(&comments, &documents),
        left_out,
    }
}

fn document(slo: &Slo, budget: &Budget, period: &str, name: &str, service: &str) -> Value {
    let limit = slo.metric.format(slo.critical.unwrap_or(slo.limit));
    let shown = match slo.scope.endpoint() {
        None => slo.name.clone(),
        Some(endpoint) => format!("{endpoint}: {}", slo.name),
    };
    let source = |query: &str| json!({"metricSource": {"type": "Prometheus", "spec": {"query": format!("sum({query})")}}});
    json!({
        "apiVersion": "openslo/v1",
        "kind": "SLO",
        "metadata": {"name": name, "displayName": shown},
        "spec": {
            "description": format!("{} {limit}", slo.metric),
            "service": service,
            "indicator": {
                "metadata": {"name": name},
                "spec": {
                    "ratioMetric": {
                        "counter": true,
                        "good": source(&budget.good),
                        "total": source(&budget.total),
                    },
                },
            },
            "timeWindow": [{"duration": period, "isRolling": true}],
            "budgetingMethod": "Occurrences",
            "objectives": [{"displayName": slo.metric.to_string(), "target": number(1.0 - budget.share)}],
        },
    })
}

fn why_not(slo: &Slo) -> String {
    match slo.metric {
        crate::plan::Metric::ResponseTime(_) => {
            "the limit is not the bound of a bucket; see `--buckets`".to_owned()
        }
        _ => "it is not a share of requests that may be bad".to_owned(),
    }
}

/// The time that an SLO is for.
fn period(slo: &Slo) -> Result<String, String> {
    let Some(window_s) = slo.window_s else {
        return Ok(PERIOD.to_owned());
    };
    let units = [("d", 86_400), ("h", 3_600), ("m", 60)];
    let mut units = units.into_iter();
    let unit = units.find(|(_, unit_s)| window_s % unit_s == 0);
    unit.map(|(unit, unit_s)| format!("{}{unit}", window_s / unit_s))
        .ok_or_else(|| "OpenSLO has no windows with seconds".to_owned())
}

/// A name of lower-case letters, digits and dashes, which no other object has.
fn name(text: &str, names: &mut BTreeSet<String>) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        match c.is_ascii_alphanumeric() {
            true => slug.push(c.to_ascii_lowercase()),
            false if slug.is_empty() || slug.ends_with('-') => {}
            false => slug.push('-'),
        }
    }
    // With room for a number.
    slug.truncate(MAX_NAME - 4);
    let slug = match slug.trim_end_matches('-') {
        "" => "slo",
        slug => slug,
    };
    let numbered = (2..).map(|number| format!("{slug}-{number}"));
    let mut candidates = std::iter::once(slug.to_owned()).chain(numbered);
    let free = candidates.find(|name| !names.contains(name));
    let name = free.unwrap_or_default();
    names.insert(name.clone());
    name
}
