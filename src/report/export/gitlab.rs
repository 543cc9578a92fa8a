//! The report as metrics for GitLab (`artifacts:reports:metrics`), in the text form of OpenMetrics.

use std::io::{self, Write};

use crate::metrics::{Summary, Window};
use crate::report::contents::{Report, Reporter};
use crate::report::text::harmless;

/// Writes the metrics of the measured phases: those of all requests without a label, then those of each
/// endpoint and flow.
pub(crate) struct GitlabReporter;

/// The name of a metric, its help, and its values with what further labels they have.
type Family = (
    &'static str,
    &'static str,
    fn(&Summary) -> Vec<(Option<&'static str>, f64)>,
);

/// A family's lines stand together, as the format wants them.
const FAMILIES: [Family; 5] = [
    ("perfctl_requests", "Requests started.", |summary| {
        vec![(None, summary.requests as f64)]
    }),
    ("perfctl_failures", "Requests that failed.", |summary| {
        vec![(None, summary.failures as f64)]
    }),
    (
        "perfctl_successes_per_s",
        "Successes per second.",
        |summary| vec![(None, rounded(summary.rate_per_s))],
    ),
    (
        "perfctl_error_rate_percent",
        "Failures of all finished requests.",
        |summary| {
            let percent = summary.error_rate.map(|rate| rounded(rate * 100.0));
            percent.map(|percent| (None, percent)).into_iter().collect()
        },
    ),
    (
        "perfctl_response_ms",
        "Percentiles of the response time.",
        |summary| {
            let times = &summary.response_us;
            let times = [("50", times.p50), ("95", times.p95), ("99", times.p99)];
            let times = times.into_iter();
            times
                .filter_map(|(name, us)| Some((Some(name), rounded(us? / 1e3))))
                .collect()
        },
    ),
];

impl Reporter for GitlabReporter {
    fn report(&self, report: &Report, _columns: usize, out: &mut dyn Write) -> io::Result<()> {
        let mut out = io::BufWriter::new(out);
        let result = &report.result;
        let mut summaries = vec![(None, result.summary(None, Window::Measured))];
        for (position, endpoint) in result.endpoints.iter().enumerate() {
            let info = &endpoint.endpoint;
            let kind = match info.is_flow {
                true => "flow",
                false => "endpoint",
            };
            let label = format!("{kind}=\"{}\"", escaped(&info.name));
            summaries.push((
                Some(label),
                result.summary(Some(position), Window::Measured),
            ));
        }
        if let Some(score) = report.grading.score {
            head("perfctl_score", "Points of the grade, of 100.", &mut out)?;
            writeln!(out, "perfctl_score {}", rounded(score))?;
        }
        for (name, help, values) in FAMILIES {
            head(name, help, &mut out)?;
            for (label, summary) in &summaries {
                for (percentile, value) in values(summary) {
                    let percentile = percentile.map(|name| format!("percentile=\"{name}\""));
                    let labels: Vec<String> = label.iter().cloned().chain(percentile).collect();
                    match labels.is_empty() {
                        true => writeln!(out, "{name} {value}")?,
                        false => writeln!(out, "{name}{{{}}} {value}", labels.join(","))?,
                    }
                }
            }
        }
        writeln!(out, "# EOF")?;
        out.flush()
    }
}

fn head(name: &str, help: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "# TYPE {name} gauge\n# HELP {name} {help}")
}

/// To three digits, since GitLab shows values as they are written.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// `text` as the value of a label.
fn escaped(text: &str) -> String {
    harmless(text).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use snapbox::{assert_data_eq, file};

    #[test]
    fn the_metrics_of_a_failing_run() {
        let mut out = Vec::new();
        let report = fixture::failing();
        GitlabReporter.report(&report, 80, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_data_eq!(text, file!["../golden/failing.openmetrics"].raw());
    }
}
