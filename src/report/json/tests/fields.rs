//! The fields of the JSON report: all of them are documented, and every number says its unit.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::all_parts;

/// Objects whose keys are names or status codes, by the names of their fields. `NAME` stands for each key.
const MAPS: [&str; 6] = [
    "outcomes",
    "statuses",
    "remotes",
    "versions",
    "components",
    "measures",
];

/// Parts that are the same in several places, and the heading that documents them.
const PLACES: [(&str, &str); 24] = [
    (r"^(endpoints|phases)\.summary\.", "summary."),
    (r"^endpoints\.time_series\.", "time_series."),
    (r"^baseline_criteria\.", "slos."),
    (
        r"^summary\.(components\.NAME\.)?\w+_ms\.",
        "#### Fields of times.",
    ),
    (
        r"^summary\.measures\.NAME\.(count|min|mean|standard_deviation|p[0-9.]+|max)$",
        "#### Fields of times.$1",
    ),
    (r"^slos\.", "### Fields of `slos` and `baseline_criteria`."),
    (r"^budgets\.", "### Fields of `budgets`."),
    (r"^findings\.", "### Fields of `findings`."),
    (r"^recommendations\.", "### Fields of `recommendations`."),
    (r"^error_budgets\.", "### Fields of `error_budgets`."),
    (r"^recoveries\.", "### Fields of `recoveries`."),
    (r"^levels\.", "### Fields of `levels`."),
    (r"^knee\.((at|beyond)\.)?", "### Fields of `knee`."),
    (r"^endpoints\.", "### Fields of `endpoints`."),
    (r"^errors\.", "### Fields of `errors`."),
    (r"^failure_samples\.response\.", "failure_samples.request."),
    (r"^failure_samples\.", "### Fields of `failure_samples`."),
    (r"^traces\.((slowest|failed)\.)?", "### Fields of `traces`."),
    (r"^time_series\.", "### Fields of `time_series`."),
    (r"^summary\.", "### Fields of `summary`."),
    (r"^observed\.", "### Fields of `observed`."),
    (r"^phases\.", "### Fields of `phases`."),
    (r"^comparison\.rows\.", "#### Fields of `rows`."),
    (r"^comparison\.", "### Fields of `comparison`."),
];

/// Calls `found` with the path of every field (`slos.limit`), its value, and the object it is in.
fn fields(value: &Value, path: &str, found: &mut impl FnMut(&str, &Value, &Value)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| fields(item, path, found)),
        Value::Object(object) => {
            let is_map = MAPS.iter().any(|map| path.rsplit('.').next() == Some(map));
            for (key, field) in object {
                let path = match (is_map, path) {
                    (true, path) => format!("{path}.NAME"),
                    (false, "") => key.clone(),
                    (false, path) => format!("{path}.{key}"),
                };
                if !is_map {
                    found(&path, field, value);
                }
                fields(field, &path, found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_field_is_documented_and_every_documented_field_is_written() {
    let places = PLACES.map(|(pattern, to)| (Regex::new(pattern).unwrap(), to));
    let mut written = BTreeSet::new();
    for json in all_parts() {
        fields(&json, "", &mut |path, _, _| {
            let mut path = path.to_owned();
            for (pattern, to) in &places {
                path = pattern.replace(&path, *to).into_owned();
            }
            let top = "## The JSON report.".to_owned() + &path;
            written.insert(if path.starts_with('#') { path } else { top });
        });
    }

    let document = include_str!("../../../../docs/metrics.md");
    let code = Regex::new("`([^`]+)`").unwrap();
    let (mut documented, mut heading) = (BTreeSet::new(), "");
    let mut lines = document
        .lines()
        .skip_while(|line| *line != "## The JSON report");
    let first = lines.next();
    for line in first
        .into_iter()
        .chain(lines.take_while(|line| !line.starts_with("## ")))
    {
        if line.starts_with('#') {
            heading = line;
        } else if let Some(row) = line.strip_prefix("| `") {
            let cell = format!("`{}", row.split(" |").next().unwrap());
            let names = code.captures_iter(&cell);
            documented.extend(names.map(|name| format!("{heading}.{}", &name[1])));
        }
    }
    let missing: Vec<_> = written.difference(&documented).collect();
    assert!(missing.is_empty(), "not in docs/metrics.md: {missing:#?}");
    let stale: Vec<_> = documented.difference(&written).collect();
    assert!(stale.is_empty(), "in docs/metrics.md only: {stale:#?}");
}

/// Numbers without a unit: counts, points, weights, status codes.
const WITHOUT_UNIT: &[&str] = &[
    "version",
    "health_score",
    "score",
    "points_lost",
    "weight",
    "status",
    "total_requests",
    "unmeasured_requests",
    "critical_alerts",
    "high_alerts",
    "targets_met",
    "targets_close",
    "targets_failing",
    "requests",
    "successes",
    "failures",
    "allowed_failures",
    "burn_rate",
    "dropped",
    "interrupted",
    "count",
    "connections",
    "reused",
    "tls_handshakes",
    "tls_resumed",
    "redirects",
    "next_look",
    "unkept_failure_samples",
    "unkept_headers",
    "avg_queries_per_request",
    "mean_uses",
];

#[test]
fn every_number_has_its_unit_in_its_name_or_beside_it_or_is_a_count() {
    let unit = Regex::new(r"(_ms|_s|_per_s|_percent|_bytes)(\.|$)").unwrap();
    let mut seen = BTreeSet::new();
    for json in all_parts() {
        fields(&json, "", &mut |path, field, object| {
            let name = path.rsplit('.').next().unwrap();
            let is_range = field
                .as_array()
                .is_some_and(|items| items.iter().any(Value::is_number));
            if !field.is_number() && !is_range {
                return;
            }
            let beside = match name {
                "limit" | "critical_limit" | "value" | "baseline" | "reference" | "level"
                | "threshold" => &object["unit"],
                "change" | "range" | "detectable" => &object["change_unit"],
                _ if path.contains(".measures.") || path.starts_with("observed.") => {
                    &object["unit"]
                }
                _ => &Value::Null,
            };
            // Their names are given, and the metric says the unit.
            let is_listed = WITHOUT_UNIT.contains(&name) || path.starts_with("budgets.");
            assert!(
                is_listed || beside.is_string() || unit.is_match(path),
                "{path}: {field}"
            );
            seen.insert(name.to_owned());
        });
    }
    let with_unit_beside = ["limit", "value", "baseline", "reference", "level"];
    let with_unit_beside = with_unit_beside
        .iter()
        .chain(&["change", "range", "detectable"]);
    for name in WITHOUT_UNIT.iter().chain(with_unit_beside) {
        assert!(seen.contains(*name), "no report has a number in `{name}`");
    }
}
