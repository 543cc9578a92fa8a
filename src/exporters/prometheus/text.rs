//! The text formats of Prometheus: 0.0.4, and OpenMetrics 1.0.
//!
//! Not here: who is served which (`page`).

use std::fmt::Write;

use crate::exporters::buckets::{BOUNDS_US, classic};
use crate::exporters::counts::Counts;
use crate::exporters::family::{Family, FamilyKind, Unit, Value};

/// All metrics as text, in either format.
pub(crate) fn text(counts: &Counts, is_openmetrics: bool) -> String {
    let mut out = String::new();
    for family in Family::all(counts) {
        push(&mut out, &family, is_openmetrics);
    }
    if is_openmetrics {
        out += "# EOF\n";
    }
    out
}

fn push(out: &mut String, family: &Family<'_>, is_openmetrics: bool) {
    let name = family.name;
    // OpenMetrics names the family without the ending of its samples.
    let of_family = match is_openmetrics {
        true => family.base_name(),
        false => name,
    };
    let kind = match family.kind {
        FamilyKind::Counter => "counter",
        FamilyKind::Info if is_openmetrics => "info",
        FamilyKind::Gauge | FamilyKind::Info => "gauge",
        FamilyKind::Histogram => "histogram",
    };
    let _ = writeln!(out, "# HELP {of_family} {}", family.help);
    let _ = writeln!(out, "# TYPE {of_family} {kind}");
    let unit = match family.unit {
        Unit::One => None,
        Unit::Seconds => Some("seconds"),
        Unit::Bytes => Some("bytes"),
        Unit::Ratio => Some("ratio"),
    };
    if let Some(unit) = unit.filter(|_| is_openmetrics) {
        let _ = writeln!(out, "# UNIT {of_family} {unit}");
    }
    for series in &family.series {
        let mut labels = String::new();
        for (name, value) in &series.labels {
            if !labels.is_empty() {
                labels.push(',');
            }
            let _ = write!(labels, "{name}=\"{}\"", escaped(value));
        }
        let _ = match series.value {
            Value::Count(count) => writeln!(out, "{name}{{{labels}}} {count}"),
            Value::Number(number) => writeln!(out, "{name}{{{labels}}} {number}"),
            Value::Times(times) => {
                let mut below = 0;
                for (place, count) in classic(times).into_iter().enumerate() {
                    below += count;
                    let le = match BOUNDS_US.get(place) {
                        Some(bound) => seconds(*bound, is_openmetrics),
                        None => "+Inf".to_owned(),
                    };
                    let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{le}\"}} {below}");
                }
                let sum = times.sum_us as f64 / 1e6;
                let _ = writeln!(out, "{name}_sum{{{labels}}} {sum}");
                writeln!(out, "{name}_count{{{labels}}} {below}")
            }
        };
    }
}

/// A bound as a label has it. OpenMetrics asks for a decimal point.
pub(crate) fn seconds(us: u64, with_point: bool) -> String {
    let number = us as f64 / 1e6;
    match with_point {
        true => format!("{number:?}"),
        false => number.to_string(),
    }
}

fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    value.replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporters::fixture::counts;

    /// The lines of a text that have one of these words.
    fn lines_with(text: &str, words: &[&str]) -> String {
        let lines = text.lines();
        let lines = lines.filter(|line| words.iter().any(|word| line.contains(word)));
        lines.fold(String::new(), |all, line| all + line + "\n")
    }

    #[test]
    fn the_text_of_prometheus() {
        let text = text(&counts(), false);
        let labels = r#"endpoint="list \"a, b\"=\\ 1",measured="true""#;
        let expected = format!(
            r#"# HELP perfctl_run_info What is run.
# TYPE perfctl_run_info gauge
perfctl_run_info{{profile="smoke",run="20261127-shop",scenario="shop",version="{version}"}} 1
# HELP perfctl_requests_total Requests that were started and have ended, by how.
# TYPE perfctl_requests_total counter
perfctl_requests_total{{class="ok",{labels},outcome="ok",phase="steady",scenario="shop"}} 3
perfctl_requests_total{{class="failed",{labels},outcome="http_5xx",phase="steady",scenario="shop"}} 1
perfctl_response_time_seconds_bucket{{class="ok",{labels},phase="steady",scenario="shop",le="0.001"}} 1
perfctl_response_time_seconds_bucket{{class="failed",{labels},phase="steady",scenario="shop",le="0.001"}} 0
perfctl_dropped_arrivals_total{{{labels},phase="steady",scenario="shop"}} 2
perfctl_received_bytes_total{{{labels},phase="steady",scenario="shop"}} 400
perfctl_flows_total{{class="ok",flow="buy",measured="true",outcome="ok",phase="steady",scenario="shop"}} 1
"#,
            version = env!("CARGO_PKG_VERSION"),
        );
        let words = [
            "perfctl_run_info",
            "perfctl_requests_total",
            "response_time_seconds_bucket{class=\"ok\",endpoint=\"list \\\"a, b\\\"=\\\\ 1\",measured=\"true\",phase=\"steady\",scenario=\"shop\",le=\"0.001\"",
            "response_time_seconds_bucket{class=\"failed\",endpoint=\"list \\\"a, b\\\"=\\\\ 1\",measured=\"true\",phase=\"steady\",scenario=\"shop\",le=\"0.001\"",
            "dropped_arrivals_total{",
            "received_bytes_total{",
            "flows_total{",
        ];
        assert_eq!(lines_with(&text, &words), expected);
        assert!(
            text.ends_with("\"} 1\n") && !text.contains("# UNIT"),
            "{text}"
        );
    }

    #[test]
    fn what_dashboards_and_alerts_ask_for_is_there() {
        use crate::metrics::exported;
        let text = text(&counts(), false);
        for name in [
            exported::REQUESTS_TOTAL,
            exported::RESPONSE_TIME_SECONDS,
            exported::SCHEDULING_DELAY_SECONDS,
            exported::DROPPED_ARRIVALS_TOTAL,
            exported::FLOWS_TOTAL,
            exported::FLOW_TIME_SECONDS,
            exported::USERS,
            exported::RECEIVED_BYTES_TOTAL,
            exported::SENT_BYTES_TOTAL,
            exported::GENERATOR_CPU_RATIO,
            exported::RUN_INFO,
        ] {
            assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
        }
    }

    #[test]
    fn openmetrics_names_families_and_units_and_has_an_end() {
        let text = text(&counts(), true);
        let heads = lines_with(&text, &["# TYPE", "# UNIT", "# EOF"]);
        let expected = "# TYPE perfctl_run info
# TYPE perfctl_users gauge
# TYPE perfctl_target_users gauge
# TYPE perfctl_generator_cpu_ratio gauge
# UNIT perfctl_generator_cpu_ratio ratio
# TYPE perfctl_generator_busiest_worker_ratio gauge
# UNIT perfctl_generator_busiest_worker_ratio ratio
# TYPE perfctl_requests counter
# TYPE perfctl_response_time_seconds histogram
# UNIT perfctl_response_time_seconds seconds
# TYPE perfctl_dropped_arrivals counter
# TYPE perfctl_scheduling_delay_seconds histogram
# UNIT perfctl_scheduling_delay_seconds seconds
# TYPE perfctl_received_bytes counter
# UNIT perfctl_received_bytes bytes
# TYPE perfctl_sent_bytes counter
# UNIT perfctl_sent_bytes bytes
# TYPE perfctl_connections counter
# TYPE perfctl_flows counter
# TYPE perfctl_flow_time_seconds histogram
# UNIT perfctl_flow_time_seconds seconds
# EOF
";
        assert_eq!(heads, expected);
        assert!(text.contains("le=\"1.0\"} ") && text.contains("perfctl_requests_total{"));
    }
}
