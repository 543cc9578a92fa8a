//! The history of runs for programs, a format of its own. Units are those of the JSON report.

use std::io::{self, Write};

use serde::Serialize;

use super::unit::{Unit, ms, percent};
use crate::history::{ChangePoint, History, HistoryRun, Series};
use crate::report::text::JsonWriter;

/// Identifies the format.
const FORMAT: &str = "perfctl-history";
/// Rises when a field is renamed or removed, or changes its meaning or unit.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct HistoryObject<'a> {
    format: &'static str,
    version: u32,
    /// The one with the newest run last.
    series: Vec<SeriesEntry<'a>>,
    /// What could not be read.
    unreadable: &'a [String],
}

#[derive(Serialize)]
struct SeriesEntry<'a> {
    scenario: &'a str,
    profile: &'a str,
    service: &'a str,
    /// What the numbers of the runs are of; `null` for all requests.
    endpoint: Option<&'a str>,
    /// Oldest first.
    runs: Vec<RunEntry<'a>>,
    change_points: Vec<ChangeEntry<'a>>,
    /// Why there are no change points, if they were not looked for.
    untested_because: Option<&'a str>,
}

#[derive(Serialize)]
struct RunEntry<'a> {
    id: &'a str,
    path: String,
    started_at: &'a str,
    build: Option<&'a str>,
    verdict: String,
    grade: Option<&'static str>,
    health_score: Option<f64>,
    p50_response_time_ms: Option<f64>,
    p95_response_time_ms: Option<f64>,
    p99_response_time_ms: Option<f64>,
    successes_per_s: Option<f64>,
    error_rate_percent: Option<f64>,
    /// Why its numbers do not count; empty if they do.
    excluded_because: &'a [String],
}

#[derive(Serialize)]
struct ChangeEntry<'a> {
    /// The first run of the new level.
    run: &'a str,
    started_at: &'a str,
    build: Option<&'a str>,
    /// `null` for all requests.
    endpoint: Option<&'a str>,
    metric: String,
    /// Of `before` and `after`.
    unit: Unit,
    /// The median of the runs since the change point before.
    before: f64,
    /// The median of the runs up to the next change point.
    after: f64,
    /// Of `before`; `null` for the error rate and where `before` is 0.
    change_percent: Option<f64>,
    is_worse: bool,
    /// What else changed: the machine, perfctl.
    suspects: Vec<&'static str>,
}

/// Writes the history as one object.
pub(crate) fn history(history: &History, out: &mut dyn Write) -> io::Result<()> {
    let object = HistoryObject {
        format: FORMAT,
        version: VERSION,
        series: history.series.iter().map(SeriesEntry::of).collect(),
        unreadable: &history.unreadable,
    };
    let mut out = JsonWriter(out);
    serde_json::to_writer_pretty(&mut out, &object)?;
    writeln!(out)
}

impl<'a> SeriesEntry<'a> {
    fn of(series: &'a Series) -> Self {
        let run = &series.newest().info;
        Self {
            scenario: &run.scenario,
            profile: &run.profile,
            service: &run.service,
            endpoint: endpoint(series, series.endpoint),
            runs: series
                .runs
                .iter()
                .map(|run| RunEntry::of(run, series))
                .collect(),
            change_points: series
                .changes
                .iter()
                .map(|change| ChangeEntry::of(change, series))
                .collect(),
            untested_because: series.untested.as_deref(),
        }
    }
}

fn endpoint(series: &Series, position: Option<usize>) -> Option<&str> {
    position.map(|position| series.endpoints()[position].name.as_str())
}

impl<'a> RunEntry<'a> {
    fn of(run: &'a HistoryRun, series: &Series) -> Self {
        let [p50, p95, p99, rate, errors] = run.numbers(series.endpoint);
        Self {
            id: &run.info.id,
            path: run.path.display().to_string(),
            started_at: &run.info.started_at,
            build: run.info.build.as_deref(),
            verdict: run.verdict.name().to_lowercase(),
            grade: run.letter.map(|letter| letter.name()),
            health_score: run.score,
            p50_response_time_ms: ms(p50),
            p95_response_time_ms: ms(p95),
            p99_response_time_ms: ms(p99),
            successes_per_s: rate,
            error_rate_percent: percent(errors),
            excluded_because: &run.faults,
        }
    }
}

impl<'a> ChangeEntry<'a> {
    fn of(change: &ChangePoint, series: &'a Series) -> Self {
        let run = &series.runs[change.run].info;
        let unit = Unit::of(&change.metric);
        let is_relative = Unit::of_change(&change.metric) == Unit::Percent && change.before > 0.0;
        Self {
            run: &run.id,
            started_at: &run.started_at,
            build: run.build.as_deref(),
            endpoint: endpoint(series, change.endpoint),
            metric: change.metric.to_string(),
            unit,
            before: unit.convert(change.before),
            after: unit.convert(change.after),
            change_percent: percent(is_relative.then(|| change.after / change.before - 1.0)),
            is_worse: change.is_worse(),
            suspects: series.suspects(change.run),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::history::fixture;

    #[test]
    fn a_program_finds_the_runs_and_what_changed() {
        let mut out = Vec::new();
        history(&fixture::history(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text}");
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&json["format"], &json["version"]),
            (&"perfctl-history".into(), &1.into())
        );
        let series = json["series"].as_array().unwrap();
        assert_eq!(series.len(), 2);
        assert_eq!(series[0]["service"], "http://other:8000");
        let runs = series[1]["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 27);
        assert_eq!(runs[0]["p50_response_time_ms"], 50.015);
        assert_eq!(runs[17]["excluded_because"][0], "did not finish");
        let changes = series[1]["change_points"].as_array().unwrap();
        let of_endpoint = changes
            .iter()
            .find(|change| change["endpoint"].is_string() && change["metric"] == "p95");
        let change = of_endpoint.unwrap();
        assert_eq!(
            (&change["build"], &change["unit"]),
            (&"1.12".into(), &"ms".into())
        );
        assert_eq!(change["suspects"][0], "the machine");
        assert!(
            (32.0..34.0).contains(&change["change_percent"].as_f64().unwrap()),
            "{change}"
        );
        assert_eq!(change["is_worse"], true);
    }
}
