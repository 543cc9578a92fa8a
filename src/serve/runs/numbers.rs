//! The numbers of runs as JSON: always those of the JSON report.
//!
//! Here: what is kept of runs that are over, and which parts of a report are sent. Not here: which runs there are (`runs`),
//! and the run that goes on (`live`).

use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::grading::{Grading, Policy};
use crate::metrics::{RunDir, RunResult, read_result};
use crate::report::{DEFAULT_COLUMNS, Report, by_name};

/// How many whole reports are kept.
const MAX_REPORTS: usize = 4;
/// How many short ones are kept.
const MAX_SUMMARIES: usize = 1_000;

/// What of the summary of an endpoint is shown; there may be hundreds of endpoints.
const SHOWN_OF_ENDPOINTS: [&str; 4] = ["successes", "failures", "successes_per_s", "response_ms"];

/// A report of a run that is over.
pub(crate) struct EndedRun {
    /// The JSON report.
    pub report: Value,
    /// What the list of runs says.
    summary: Value,
    /// What is shown of the run itself.
    pub facts: Value,
    pub generator: Value,
}

/// What has been read, by the name of the run and when it was written.
#[derive(Default)]
pub(crate) struct Cache {
    reports: Mutex<Vec<(Key, Arc<EndedRun>)>>,
    summaries: Mutex<Vec<(Key, Value)>>,
    /// The last one that was asked for in the words of Locust.
    locust: Mutex<Option<(Key, Value)>>,
}

/// The name of a run, and when its result was written, in seconds and their billionths.
type Key = (String, Option<(i64, i64)>);

fn key(run: &RunDir) -> Key {
    let metadata = std::fs::metadata(run.result());
    let written = metadata.map(|metadata| (metadata.mtime(), metadata.mtime_nsec()));
    (run.id().to_owned(), written.ok())
}

impl Cache {
    /// The report of a run that is over.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn report(&self, run: &RunDir) -> Result<Arc<EndedRun>, Error> {
        let key = key(run);
        let find = || {
            let known = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
            known
                .iter()
                .find(|(one, _)| *one == key)
                .map(|(_, run)| run.clone())
        };
        if let Some(known) = find() {
            return Ok(known);
        }
        let read = Arc::new(EndedRun::of(read_result(run.path())?));
        let mut known = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        known.push((key, read.clone()));
        if known.len() > MAX_REPORTS {
            known.remove(0);
        }
        Ok(read)
    }

    /// What `view` makes of the result of a run that is over, in the words of Locust.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn locust(
        &self,
        run: &RunDir,
        view: impl FnOnce(&RunResult) -> Value,
    ) -> Result<Value, Error> {
        let key = key(run);
        let mut known = self.locust.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, value)) = known.as_ref().filter(|(one, _)| *one == key) {
            return Ok(value.clone());
        }
        let value = view(&read_result(run.path())?);
        *known = Some((key, value.clone()));
        Ok(value)
    }

    /// What the list says of a run that is over.
    pub fn summary(&self, run: &RunDir) -> Result<Value, Error> {
        let key = key(run);
        {
            let known = self
                .summaries
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some((_, summary)) = known.iter().find(|(one, _)| *one == key) {
                return Ok(summary.clone());
            }
        }
        let summary = self.report(run)?.summary.clone();
        let mut known = self
            .summaries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.push((key, summary.clone()));
        if known.len() > MAX_SUMMARIES {
            known.remove(0);
        }
        Ok(summary)
    }
}

impl EndedRun {
    fn of(result: RunResult) -> Self {
        let generator = generator(&result);
        let grading = Grading::of(&result, None, &Policy::of_run(&result.run));
        let facts = facts(&result);
        let report = json_report(&Report {
            is_stored: true,
            ..Report::of_run(result, grading)
        });
        let mut summary = json!({"id": facts["id"], "state": "ended"});
        for name in [
            "scenario",
            "profile",
            "service",
            "build",
            "started_at",
            "elapsed_s",
        ] {
            summary[name] = facts[name].clone();
        }
        for name in [
            "verdict",
            "grade",
            "health_score",
            "total_requests",
            "error_rate_percent",
            "p95_response_time_ms",
        ] {
            summary[name] = report[name].clone();
        }
        Self {
            report,
            summary,
            facts,
            generator,
        }
    }
}

/// What was run.
pub(crate) fn facts(result: &RunResult) -> Value {
    let run = &result.run;
    let ending = run.ending.as_ref();
    let phases = run.phases.iter().map(|phase| {
        json!({
            "name": phase.name,
            "start_s": phase.start_us as f64 / 1e6,
            "end_s": phase.end_us as f64 / 1e6,
            "measured": phase.measured,
        })
    });
    json!({
        "id": run.id,
        "scenario": run.scenario,
        "profile": run.profile,
        "environment": run.environment,
        "service": run.service,
        "build": run.build,
        "started_at": run.started_at,
        "planned_s": run.load.iterations.is_none().then(|| run.load.total().as_secs_f64()),
        "elapsed_s": ending.map_or(result.users.len() as f64, |ending| ending.drained_at_us as f64 / 1e6),
        "adjusted": result.adjusted(),
        "phases": phases.collect::<Vec<_>>(),
    })
}

/// How the load generator is: `good`, `warning` where it may have disturbed the numbers, `bad` where it has.
pub(crate) fn generator(result: &RunResult) -> Value {
    let (faults, warnings) = (result.invalid_because(), result.warnings());
    let state = match (faults.is_empty(), warnings.is_empty()) {
        (false, _) => "bad",
        (true, false) => "warning",
        (true, true) if result.health.is_empty() => "unknown",
        (true, true) => "good",
    };
    let texts: Vec<String> = faults.into_iter().chain(warnings).collect();
    json!({"state": state, "texts": texts})
}

/// The JSON report.
pub(crate) fn json_report(report: &Report) -> Value {
    let mut text = Vec::new();
    let written = by_name("json").map(|format| {
        let reporter = format.reporter;
        reporter.report(report, DEFAULT_COLUMNS, &mut text)
    });
    match written {
        Ok(Ok(())) => serde_json::from_slice(&text).unwrap_or_default(),
        // Nothing that is written to memory fails.
        _ => Value::Null,
    }
}

/// A report without what the page takes from elsewhere or does not show.
pub(crate) fn without_series(mut report: Value) -> Value {
    let remove = |of: &mut Map<String, Value>, names: &[&str]| {
        of.retain(|name, _| !names.contains(&name.as_str()));
    };
    if let Some(fields) = report.as_object_mut() {
        remove(
            fields,
            &[
                "time_series",
                "phases",
                "observed",
                "traces",
                "levels",
                "left_out",
            ],
        );
        let endpoints = fields.get_mut("endpoints").and_then(Value::as_array_mut);
        for endpoint in endpoints.into_iter().flatten() {
            if let Some(endpoint) = endpoint.as_object_mut() {
                remove(endpoint, &["time_series"]);
                if let Some(Value::Object(summary)) = endpoint.get_mut("summary") {
                    summary.retain(|name, _| SHOWN_OF_ENDPOINTS.contains(&name.as_str()));
                }
            }
        }
    }
    report
}
