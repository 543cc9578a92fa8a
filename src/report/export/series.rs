//! A row for each second and endpoint, for spreadsheets, pandas, gnuplot and jq.

use std::io::{self, Write};

use serde::Serialize;

use super::cell;
use super::seconds::seconds;
use crate::metrics::{Outcome, RunResult};
use crate::plan::Percentile;
use crate::report::contents::{Report, Reporter};
use crate::report::text::JsonWriter;

/// Writes the rows as CSV, under a header.
pub(crate) struct SeriesCsvReporter;
/// Writes each row as a JSON object on a line of its own.
pub(crate) struct SeriesJsonReporter;

/// One endpoint or flow in one second, by the intended start of requests. `docs/reports.md` describes
/// each field.
#[derive(Serialize)]
struct Row<N> {
    /// From the start of the load.
    second: u64,
    phase: N,
    is_measured: bool,
    /// `endpoint` or `flow`, whose rows count the same requests again.
    kind: &'static str,
    name: N,
    method: N,
    /// Virtual users running (closed model), or requests in flight (open); of all endpoints.
    users: u32,
    planned: u64,
    started: u64,
    successes: u64,
    failures: u64,
    dropped: u64,
    mean_ms: Option<f64>,
    p50_ms: Option<f64>,
    p90_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    max_ms: Option<f64>,
}

impl Reporter for SeriesCsvReporter {
    fn report(&self, report: &Report, _columns: usize, out: &mut dyn Write) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(out);
        for row in rows(&report.result, |text| cell(text)) {
            writer.serialize(row)?;
        }
        writer.flush()
    }
}

impl Reporter for SeriesJsonReporter {
    fn report(&self, report: &Report, _columns: usize, out: &mut dyn Write) -> io::Result<()> {
        let mut out = JsonWriter(io::BufWriter::with_capacity(1 << 16, out));
        for row in rows(&report.result, |text| text) {
            serde_json::to_writer(&mut out, &row)?;
            writeln!(out)?;
        }
        out.flush()
    }
}

/// By second, then in the order of the endpoints; `text` makes a value of a name.
fn rows<'a, N>(result: &'a RunResult, text: impl Fn(&'a str) -> N) -> impl Iterator<Item = Row<N>> {
    // Not by summaries, which have many more numbers: four hours of 20 endpoints are 288,000 rows.
    let percentiles = [50.0, 90.0, 95.0, 99.0, 100.0].map(Percentile::new);
    let percentiles: Vec<Percentile> = percentiles.into_iter().flatten().collect();
    seconds(result)
        .into_iter()
        .map(move |((second, position), of_second)| {
            let cell = &of_second.cell;
            let mut times = cell.response.clone();
            times.merge(&cell.censored);
            let us = times.percentiles(&percentiles);
            let [p50_ms, p90_ms, p95_ms, p99_ms, max_ms] =
                std::array::from_fn(|at| us.get(at).map(|us| us / 1e3));
            let phase = &result.run.phases[of_second.phase];
            let endpoint = &result.endpoints[position].endpoint;
            let at = usize::try_from(second).ok();
            let users = at.and_then(|at| result.users.get(at)).copied();
            Row {
                second,
                phase: text(&phase.name),
                is_measured: phase.measured,
                kind: match endpoint.is_flow {
                    true => "flow",
                    false => "endpoint",
                },
                name: text(&endpoint.name),
                method: text(&endpoint.method),
                users: users.unwrap_or(0),
                planned: cell.count(|_| true),
                started: cell.count(Outcome::is_started),
                successes: cell.count(|outcome| outcome == Outcome::Ok),
                failures: cell.count(Outcome::is_failure),
                dropped: cell.count(|outcome| outcome == Outcome::Dropped),
                mean_ms: times.mean().map(|us| us / 1e3),
                p50_ms,
                p90_ms,
                p95_ms,
                p99_ms,
                max_ms,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use serde_json::Value;
    use snapbox::{assert_data_eq, file};

    fn text(reporter: &dyn Reporter, report: &Report) -> String {
        let mut out = Vec::new();
        reporter.report(report, 80, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn both_forms_have_a_row_for_each_second_and_endpoint() {
        let report = fixture::many_errors();
        let csv = text(&SeriesCsvReporter, &report);
        assert_data_eq!(&csv, file!["../golden/many_errors.series.csv"].raw());
        let json = text(&SeriesJsonReporter, &report);
        assert_data_eq!(&json, file!["../golden/many_errors.series.jsonl"].raw());
        assert_eq!(csv.lines().count(), json.lines().count() + 1);
    }

    #[test]
    fn the_rows_add_up_to_the_run() {
        let report = fixture::spike();
        let json = text(&SeriesJsonReporter, &report);
        let rows: Vec<Value> = json
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let sum = |field: &str| {
            rows.iter()
                .map(|row| row[field].as_u64().unwrap())
                .sum::<u64>()
        };
        let result = &report.result;
        assert_eq!(result.count(|_| true), sum("planned"));
        assert_eq!(result.count(Outcome::is_started), sum("started"));
        assert_eq!(
            result.count(|outcome| outcome == Outcome::Dropped),
            sum("dropped")
        );
        let measured = rows.iter().filter(|row| row["is_measured"] == true).count();
        assert!((58..rows.len()).contains(&measured), "{measured}");
    }
}
