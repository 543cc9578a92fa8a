//! What dashboards ask for, in the words they know: views of the JSON report of one run. Nothing is computed here.

use serde_json::{Map, Value, json};

use crate::serve::answer::Problem;

/// The numbers that the short report has.
const SUMMARY: [&str; 8] = [
    "health_score",
    "status",
    "total_requests",
    "error_rate_percent",
    "avg_response_time_ms",
    "p95_response_time_ms",
    "critical_alerts",
    "high_alerts",
];

fn picked(from: &Value, names: &[&str]) -> Map<String, Value> {
    let pairs = names.iter();
    let pairs = pairs.map(|name| ((*name).to_owned(), from[*name].clone()));
    pairs.collect()
}

fn list(from: &Value) -> impl Iterator<Item = &Value> {
    from.as_array().into_iter().flatten()
}

/// How the service was.
pub(crate) fn health(id: &str, report: &Value) -> Value {
    let mut view = Map::from_iter([("run".to_owned(), json!(id))]);
    view.extend(picked(report, &SUMMARY));
    view.extend(picked(report, &["verdict", "grade", "reasons"]));
    Value::Object(view)
}

/// The numbers of each endpoint.
pub(crate) fn metrics(id: &str, report: &Value) -> Value {
    let names = [
        "endpoint",
        "total_requests",
        "avg_duration_ms",
        "p95_duration_ms",
        "error_rate_percent",
        "avg_queries_per_request",
        "time_series",
    ];
    let endpoints: Vec<_> = list(&report["endpoints"])
        .map(|endpoint| picked(endpoint, &names))
        .collect();
    json!({"run": id, "summary": picked(report, &SUMMARY), "endpoints": endpoints})
}

/// Which targets are met.
pub(crate) fn compliance(id: &str, report: &Value) -> Value {
    let count = |name: &str| report[name].as_u64().unwrap_or(0);
    let [met, close, failing] = ["targets_met", "targets_close", "targets_failing"].map(count);
    let all = met + close + failing;
    let status = match (all, close, failing) {
        (0, ..) => "no_targets",
        (_, 0, 0) => "compliant",
        (_, _, 0) => "close",
        _ => "non_compliant",
    };
    let names = [
        "name", "endpoint", "limit", "value", "unit", "met", "grade", "severity", "score",
    ];
    let targets: Vec<_> = list(&report["slos"])
        .map(|slo| picked(slo, &names))
        .collect();
    json!({
        "run": id,
        "overall_compliance_status": status,
        "overall_grade": report["grade"],
        "average_compliance_percentage": (all > 0).then(|| met as f64 / all as f64 * 100.0),
        "target_compliance": targets,
        "compliance_summary": {
            "targets_met": met,
            "targets_close": close,
            "targets_failing": failing,
        },
    })
}

/// What is wrong: SLOs that are missed by far, and findings about what no SLO covers.
pub(crate) fn alerts(id: &str, report: &Value, severity: Option<&str>) -> Result<Value, Problem> {
    const SEVERITIES: [&str; 4] = ["low", "medium", "high", "critical"];
    if let Some(given) = severity.filter(|given| !SEVERITIES.contains(given)) {
        let problem = format!("`{given}` is not a severity");
        return Err(Problem::unprocessable(problem)
            .help(format!("choose one of {}", SEVERITIES.join(", "))));
    }
    let slos = list(&report["slos"]).filter_map(|slo| {
        let severity = match slo["severity"].as_str()?.to_lowercase().as_str() {
            "critical" => "critical",
            "warning" => "high",
            _ => return None,
        };
        let alert = picked(slo, &["name", "endpoint", "limit", "value", "unit"]);
        Some((severity, "slo", alert))
    });
    let findings = list(&report["findings"]).filter_map(|finding| {
        let severity = finding["severity"].as_str()?.to_lowercase();
        let severity = SEVERITIES.into_iter().find(|known| *known == severity)?;
        let alert = picked(finding, &["rule", "endpoint", "part", "text", "evidence"]);
        Some((severity, "finding", alert))
    });
    let alerts = slos
        .chain(findings)
        .filter(|(one, ..)| severity.is_none_or(|given| given == *one));
    let alerts = alerts.map(|(severity, source, alert)| {
        let mut entry = Map::new();
        entry.insert("severity".to_owned(), json!(severity));
        entry.insert("source".to_owned(), json!(source));
        entry.extend(alert);
        entry
    });
    Ok(json!({"run": id, "alerts": alerts.collect::<Vec<_>>()}))
}

/// What to do about it.
pub(crate) fn recommendations(id: &str, report: &Value) -> Value {
    json!({"run": id, "recommendations": report["recommendations"]})
}

/// The report in short or in full.
pub(crate) fn report(id: &str, report: &Value, format: Option<&str>) -> Result<Value, Problem> {
    match format.unwrap_or("summary") {
        "summary" => Ok(health(id, report)),
        "detailed" => Ok(report.clone()),
        other => {
            let problem = format!("`{other}` is not a format");
            Err(Problem::unprocessable(problem).help("choose `summary` or `detailed`"))
        }
    }
}
